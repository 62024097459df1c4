"""Maps."""

from __future__ import annotations

from typing import Any

from penstock.functions.define import python_scalar, sql_scalar


@python_scalar("AS_MAP(keys ARRAY<STRING>, values ARRAY<T>) -> MAP<STRING, T>")
def as_map(keys: list[str], values: list[Any]) -> dict[str, Any]:
    """A map of an array of keys and one of values, paired by their places. What one array has more than the other is left out.

    keys: the keys; of equal ones the last counts
    values: the values

    AS_MAP(ARRAY['a', 'b'], ARRAY[1, 2]) -> MAP('a' := 1, 'b' := 2)
    """
    return dict(zip(keys, values, strict=False))


@sql_scalar("MAP_KEYS(map MAP<K, V>) -> ARRAY<K>")
def map_keys(map_: str) -> str:
    """The keys of a map.

    map: the map

    MAP_KEYS(MAP('apple' := 10, 'banana' := 20)) -> ARRAY['apple', 'banana']
    """
    return f"map_keys({map_})"


@sql_scalar("MAP_VALUES(map MAP<K, V>) -> ARRAY<V>")
def map_values(map_: str) -> str:
    """The values of a map.

    map: the map

    MAP_VALUES(MAP('apple' := 10, 'banana' := 20)) -> ARRAY[10, 20]
    """
    return f"map_values({map_})"


@sql_scalar("MAP_UNION(left MAP<K, V>, right MAP<K, V>) -> MAP<K, V>")
def map_union(left: str, right: str) -> str:
    """The entries of two maps; where both have a key, the second counts. NULL where both are.

    left: the first map
    right: the second map

    MAP_UNION(MAP('apple' := 10, 'banana' := 20), MAP('apple' := 50)) -> MAP('apple' := 50, 'banana' := 20)
    """
    return f"map_concat({left}, {right})"


@sql_scalar("ENTRIES(map MAP<STRING, V>, sorted BOOLEAN) -> ARRAY<STRUCT<K STRING, V V>>")
def entries(map_: str, sorted_: str) -> str:
    """The entries of a map as structs of a key K and a value V.

    map: the map
    sorted: whether they come in the order of their keys

    ENTRIES(MAP('b' := 2, 'a' := 1), TRUE) -> ARRAY[STRUCT(K := 'a', V := 1), STRUCT(K := 'b', V := 2)]
    """
    structs = f"""list_transform(map_entries({map_}), lambda penstock_entry: struct_pack("K" := penstock_entry.key, "V" := penstock_entry.value))"""
    return f"CASE WHEN {sorted_} THEN list_sort({structs}) ELSE {structs} END"
