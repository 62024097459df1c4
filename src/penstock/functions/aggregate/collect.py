"""Aggregates: collecting and counting values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from penstock.functions import sketch
from penstock.functions.aggregate.offset import listed
from penstock.functions.define import Aggregation, Settled, aggregate, call_sql, python_function
from penstock.functions.duckdb import duckdb_type
from penstock.sql.types import BIGINT, BYTES, STRING, Array, Field, Map, SqlType, Struct

HISTOGRAM_LIMIT = 1000
"""How many different values HISTOGRAM counts."""


def limit(properties: Mapping[str, object], name: str) -> int | None:
    """The most items that a setting such as `ksql.functions.collect_list.limit` allows; None where it is not set or is no bound."""
    value = next((v for k, v in properties.items() if k.lower() == name), None)
    number = int(str(value)) if value is not None else -1
    return number if 0 <= number < 2**31 - 1 else None


def frozen(value: Any) -> Any:
    """A value that can be looked up in a dict: lists and dicts, which cannot, as tuples and sets. Equal values stay equal."""
    match value:
        case list():
            return tuple(map(frozen, value))
        case dict():
            return frozenset((k, frozen(v)) for k, v in value.items())
        case bool():
            return ("bool", value)
    return value


def over_states(
    state: SqlType, name: str, partial: Callable[[str, str], str], merge: Callable[..., Any], undo: Callable[..., Any] | None = None
) -> Aggregation:
    """An aggregation of one state in Python: `merge` and `undo` take the stored state (None for a new key) and a batch's to the next.

    `partial` is the SQL of a batch's state, from the argument's SQL and that of the order.
    """
    merging = python_function(f"{name}_merge", (state, state), state, merge, nulls=True)
    undoing = python_function(f"{name}_undo", (state, state), state, undo, nulls=True) if undo else None
    return Aggregation(
        state=(state,),
        partial=lambda arguments, order: [partial(arguments[0], order)],
        merge=lambda stored, new: [call_sql(merging)((stored[0], new[0]))],
        result=lambda columns: columns[0],
        undo=(lambda stored, old: [call_sql(undoing)((stored[0], old[0]))]) if undoing else None,
        needs=(merging, undoing) if undoing else (merging,),
    )


@aggregate("COLLECT_LIST(value T) -> ARRAY<T>")
def collect_list(settled: Settled) -> Aggregation:
    """All values in the order of their arrival, NULLs too.

    The setting `ksql.functions.collect_list.limit` bounds how many are kept: the first ones.

    value: what to collect

    COLLECT_LIST([3, 1, 3]) -> ARRAY[3, 1, 3]
    """
    most = limit(settled.properties, "ksql.functions.collect_list.limit")
    bound = f"[:{most}]" if most is not None else ""
    none = f"CAST([] AS {duckdb_type(settled.returns)})"
    undo = python_function("collect_list_undo", (settled.returns, settled.returns), settled.returns, without, nulls=True)
    return Aggregation(
        state=(settled.returns,),
        partial=lambda arguments, order: [listed(arguments[0], order)],
        merge=lambda stored, new: [f"(list_concat(coalesce({stored[0]}, {none}), coalesce({new[0]}, {none}))){bound}"],
        result=lambda state: state[0],
        undo=lambda stored, old: [call_sql(undo)((stored[0], old[0]))],
        needs=(undo,),
    )


def without(stored: list[Any] | None, old: list[Any] | None) -> list[Any]:
    """A list with each of some values taken out once, the first of its kind."""
    left = list(stored or [])
    for value in old or []:
        if value in left:
            left.remove(value)
    return left


@aggregate("COLLECT_SET(value T) -> ARRAY<T>")
def collect_set(settled: Settled) -> Aggregation:
    """The different values in the order of their first arrival, NULL too.

    The setting `ksql.functions.collect_set.limit` bounds how many are kept: the first ones.

    value: what to collect

    COLLECT_SET([3, 1, 3]) -> ARRAY[3, 1]
    """
    most = limit(settled.properties, "ksql.functions.collect_set.limit")

    def merge(stored: list[Any] | None, new: list[Any] | None) -> list[Any]:
        kept = {frozen(v): v for v in stored or []}
        for value in new or []:
            if most is None or len(kept) < most:
                kept.setdefault(frozen(value), value)
        return list(kept.values())

    name = f"collect_set_{most}" if most is not None else "collect_set"
    return over_states(settled.returns, name, listed, merge)


@aggregate("HISTOGRAM(value STRING) -> MAP<STRING, BIGINT>")
def histogram(settled: Settled) -> Aggregation:
    """How often each value occurs; NULLs do not count. Beyond 1000 different values new ones are passed over.

    value: what to count

    HISTOGRAM(['a', 'b', 'a']) -> MAP('a' := 2, 'b' := 1)
    """

    def counted(stored: dict[str, int] | None, changes: dict[str, int] | None, sign: int) -> dict[str, int]:
        counts = dict(stored or {})
        for value, count in (changes or {}).items():
            if value in counts or len(counts) < HISTOGRAM_LIMIT:
                counts[value] = counts.get(value, 0) + sign * count
        return {value: count for value, count in counts.items() if count > 0}

    return over_states(
        Map(STRING, BIGINT),
        "histogram",
        lambda value, _: f"histogram({value})",
        merge=lambda stored, new: counted(stored, new, 1),
        undo=lambda stored, old: counted(stored, old, -1),
    )


@aggregate("ATTR(value T) -> T")
def attr(settled: Settled) -> Aggregation:
    """The value, where all rows have the same one; else NULL.

    value: what should be the same in all rows

    ATTR(['a', 'a']) -> 'a'
    ATTR(['a', 'b']) -> NULL
    """
    def counted(stored: list[dict[str, Any]] | None, changes: list[dict[str, Any]] | None, sign: int) -> list[dict[str, Any]]:
        counts = {frozen(e["VALUE"]): e for e in stored or []}
        for change in changes or []:
            key = frozen(change["VALUE"])
            known = counts.get(key, {"COUNT": 0})["COUNT"]
            counts[key] = {"VALUE": change["VALUE"], "COUNT": known + sign * change["COUNT"]}
        return [e for e in counts.values() if e["COUNT"] > 0]

    made = over_states(
        Array(Struct((Field("VALUE", settled.types[0]), Field("COUNT", BIGINT)))),
        "attr",
        lambda value, order: listed(f'struct_pack("VALUE" := {value}, "COUNT" := 1::BIGINT)', order),
        merge=lambda stored, new: counted(stored, new, 1),
        undo=lambda stored, old: counted(stored, old, -1),
    )
    return replace(made, result=lambda columns: f'CASE WHEN len({columns[0]}) = 1 THEN {columns[0]}[1]."VALUE" END')


@aggregate("COUNT_DISTINCT(value T) -> BIGINT")
def count_distinct(settled: Settled) -> Aggregation:
    """How many different values there are, NULLs aside: exact up to 255, beyond it an estimate that is off by some 2% (HyperLogLog).

    value: what to count

    COUNT_DISTINCT(['a', 'b', 'a', NULL]) -> 2
    """
    merge = python_function("count_distinct_merge", (BYTES, BYTES), BYTES, sketch.add, nulls=True)
    combine = python_function("count_distinct_combine", (BYTES, BYTES), BYTES, sketch.combine, nulls=True)
    result = python_function("count_distinct_result", (BYTES,), BIGINT, sketch.estimate)
    return Aggregation(
        state=(BYTES,),
        partial=lambda arguments, _: [
            f"string_agg(DISTINCT substr(md5(CAST({arguments[0]} AS VARCHAR)), 1, {sketch.WIDTH}), '') FILTER ({arguments[0]} IS NOT NULL)"
        ],
        merge=lambda stored, new: [call_sql(merge)((stored[0], f"CAST({new[0]} AS BLOB)"))],
        result=lambda state: f"coalesce({call_sql(result)((state[0],))}, 0)",
        needs=(merge, result, combine),
        combine=lambda earlier, later: [call_sql(combine)((earlier[0], later[0]))],
    )
