"""Lambdas: functions that call a function written on the spot."""

from __future__ import annotations

import re

from penstock.functions.define import Settled, sql_scalar
from penstock.functions.duckdb import duckdb_type
from penstock.sql.types import Array, Map

_LAMBDA = re.compile(r'lambda\s+((?:"(?:[^"]|"")*"|\w+)(?:\s*,\s*(?:"(?:[^"]|"")*"|\w+))*)\s*:\s*(.*)', re.DOTALL)
_NAME = re.compile(r'"(?:[^"]|"")*"|\w+')


def applied(function: str, *values: str) -> str:
    """SQL for a lambda's body with its parameters standing for `values`. Each is bound by a list of one item, since DuckDB has no LET."""
    found = _LAMBDA.fullmatch(function.strip())
    assert found is not None, function
    names, body = _NAME.findall(found[1]), found[2]
    for name, value in reversed(list(zip(names, values, strict=True))):
        body = f"list_transform([{value}], lambda {name}: {body})[1]"
    return body


@sql_scalar("TRANSFORM(items ARRAY<T>, change (T) => U) -> ARRAY<U>")
def transform(items: str, change: str) -> str:
    """The collection with each of its items, or each key and each value, replaced by what a lambda makes of it.

    It is an error where two entries of a map get the same key.

    items: an array
    change: from an item to what replaces it

    TRANSFORM(ARRAY[1, 2, 3], x => x * x) -> ARRAY[1, 4, 9]
    TRANSFORM(MAP('a' := 1), (k, v) => UCASE(k), (k, v) => v + 1) -> MAP('A' := 2)
    """
    return f"list_transform({items}, {change})"


@sql_scalar("TRANSFORM(map MAP<K, V>, key (K, V) => L, value (K, V) => W) -> MAP<L, W>")
def transform_map(map_: str, key: str, value: str) -> str:
    """The form for maps.

    map: a map
    key: from a key and its value to the new key
    value: from a key and its value to the new value
    """
    entry = ("penstock_entry.key", "penstock_entry.value")
    pair = f"struct_pack(key := {applied(key, *entry)}, value := {applied(value, *entry)})"
    return f"map_from_entries(list_transform(map_entries({map_}), lambda penstock_entry: {pair}))"


@sql_scalar("FILTER(items ARRAY<T>, keep (T) => BOOLEAN) -> ARRAY<T>")
def filter_(items: str, keep: str) -> str:
    """The items of an array, or the entries of a map, for which a lambda is true.

    items: an array
    keep: from an item, or a key and its value, to whether it stays

    FILTER(ARRAY[1, 5, 3], x => x > 2) -> ARRAY[5, 3]
    FILTER(MAP('a' := 1, 'b' := 5), (k, v) => v > 2) -> MAP('b' := 5)
    """
    return f"list_filter({items}, {keep})"


@sql_scalar("FILTER(map MAP<K, V>, keep (K, V) => BOOLEAN) -> MAP<K, V>")
def filter_map(map_: str, keep: str) -> str:
    """The form for maps.

    map: a map
    """
    return f"map_from_entries(list_filter(map_entries({map_}), lambda penstock_entry: {applied(keep, 'penstock_entry.key', 'penstock_entry.value')}))"


@sql_scalar("REDUCE(items ARRAY<T>, state S, step (S, T) => S) -> S")
def reduce(items: str, state: str, step: str, *, settled: Settled) -> str:
    """One value of a whole collection: a lambda takes the state and an item, or a key and its value, to the next state.

    The state itself where the collection is NULL; NULL where the state is.

    items: an array
    state: what to start with
    step: from the state and an item, or a key and its value, to the next state

    REDUCE(ARRAY[1, 2, 3], 10, (s, x) => s + x) -> 16
    REDUCE(MAP('a' := 1, 'b' := 5), 0, (s, k, v) => s + v) -> 6
    """
    array = settled.types[0]
    assert isinstance(array, Array)
    packed = f"list_transform({items}, lambda penstock_item: struct_pack(item := penstock_item))"
    body = applied(step, "penstock_all.state", "penstock_one.given.item")
    return folded(items, packed, f"STRUCT(item {duckdb_type(array.item)})", state, settled, body)


@sql_scalar("REDUCE(map MAP<K, V>, state S, step (S, K, V) => S) -> S")
def reduce_map(map_: str, state: str, step: str, *, settled: Settled) -> str:
    """The form for maps.

    map: a map
    """
    type_ = settled.types[0]
    assert isinstance(type_, Map)
    given = f"STRUCT(key {duckdb_type(type_.key)}, value {duckdb_type(type_.value)})"
    body = applied(step, "penstock_all.state", "penstock_one.given.key", "penstock_one.given.value")
    return folded(map_, f"map_entries({map_})", given, state, settled, body)


def folded(collection: str, structs: str, given: str, state: str, settled: Settled, body: str) -> str:
    """list_reduce over structs that hold a state and what is given, since DuckDB wants state and items to be of one type."""
    state_type = duckdb_type(settled.returns)
    pair = f"STRUCT(state {state_type}, given {given})"
    start = f"CAST(struct_pack(state := {state}, given := NULL) AS {pair})"
    items = f"list_transform({structs}, lambda penstock_given: CAST(struct_pack(state := NULL, given := penstock_given) AS {pair}))"
    step = f"CAST(struct_pack(state := {body}, given := NULL) AS {pair})"
    return (
        f"CASE WHEN {state} IS NULL THEN NULL WHEN {collection} IS NULL THEN CAST({state} AS {state_type})"
        f" ELSE list_reduce({items}, lambda penstock_all, penstock_one: {step}, {start}).state END"
    )
