"""Arrays."""

from __future__ import annotations

from typing import Any

from penstock.functions.define import python_scalar, sql_scalar
from penstock.functions.java_text import value_to_string
from penstock.functions.scalar.math import COMPARABLE
from penstock.sql.types import BIGINT, BOOLEAN, INTEGER

ORDERED = (BOOLEAN, *COMPARABLE)
SERIES_MAX = 100_000


def distinct(items: str) -> str:
    """SQL for the items without their repetitions, in the order of their first places, a NULL kept."""
    return f"list_filter({items}, lambda penstock_item, penstock_at: list_position({items}, penstock_item) = penstock_at)"


@sql_scalar("ARRAY_LENGTH(items ARRAY<T>) -> INTEGER")
def array_length(items: str) -> str:
    """How many items an array has.

    items: the array

    ARRAY_LENGTH(ARRAY[1, 2, 3]) -> 3
    """
    return f"CAST(len({items}) AS INTEGER)"


@sql_scalar("ARRAY_CONTAINS(items ARRAY<T>, item T) -> BOOLEAN")
def array_contains(items: str, item: str) -> str:
    """Whether an array has an item; it does not where the array is NULL.

    items: the array
    item: what to look for

    ARRAY_CONTAINS(ARRAY[1, 2, 3], 3) -> TRUE
    """
    return f"(list_position({items}, {item}) IS NOT NULL)"


@sql_scalar("ARRAY_CONCAT(left ARRAY<T>, right ARRAY<T>) -> ARRAY<T>")
def array_concat(left: str, right: str) -> str:
    """The items of one array and then those of another. A NULL array counts as nothing; two make NULL.

    left: the first array
    right: the second array

    ARRAY_CONCAT(ARRAY[1, 2], ARRAY[2, 3]) -> ARRAY[1, 2, 2, 3]
    """
    return f"CASE WHEN {left} IS NULL AND {right} IS NULL THEN NULL ELSE list_concat({left}, {right}) END"


@sql_scalar("ARRAY_DISTINCT(items ARRAY<T>) -> ARRAY<T>")
def array_distinct(items: str) -> str:
    """The items without repetitions, in the order of their first places. NULL is an item.

    items: the array

    ARRAY_DISTINCT(ARRAY[1, 1, 2, 3, 1, 2]) -> ARRAY[1, 2, 3]
    """
    return distinct(items)


@sql_scalar("ARRAY_EXCEPT(left ARRAY<T>, right ARRAY<T>) -> ARRAY<T>")
def array_except(left: str, right: str) -> str:
    """The items of one array that another lacks, without repetitions. NULL if either array is.

    left: whose items to keep
    right: the items to leave out

    ARRAY_EXCEPT(ARRAY[1, 2, 3, 1, 2], ARRAY[2, 3]) -> ARRAY[1]
    """
    return (
        f"CASE WHEN {right} IS NULL THEN NULL"
        f" ELSE list_filter({distinct(left)}, lambda penstock_kept: list_position({right}, penstock_kept) IS NULL) END"
    )


@sql_scalar("ARRAY_INTERSECT(left ARRAY<T>, right ARRAY<T>) -> ARRAY<T>")
def array_intersect(left: str, right: str) -> str:
    """The items that two arrays share, without repetitions, in the order of the first. NULL if either array is.

    left: the array whose order counts
    right: the other array

    ARRAY_INTERSECT(ARRAY[1, 2, 3, 1, 2], ARRAY[2, 1]) -> ARRAY[1, 2]
    """
    return (
        f"CASE WHEN {right} IS NULL THEN NULL"
        f" ELSE list_filter({distinct(left)}, lambda penstock_kept: list_position({right}, penstock_kept) IS NOT NULL) END"
    )


@sql_scalar("ARRAY_UNION(left ARRAY<T>, right ARRAY<T>) -> ARRAY<T>")
def array_union(left: str, right: str) -> str:
    """The items of two arrays, without repetitions, in the order of their first places. NULL if either array is.

    left: the first array
    right: the second array

    ARRAY_UNION(ARRAY[1, 2, 3, 1, 2], ARRAY[4, 1]) -> ARRAY[1, 2, 3, 4]
    """
    return f"CASE WHEN {left} IS NULL OR {right} IS NULL THEN NULL ELSE {distinct(f'list_concat({left}, {right})')} END"


@sql_scalar("ARRAY_REMOVE(items ARRAY<T>, item T) -> ARRAY<T>")
def array_remove(items: str, item: str) -> str:
    """The array without the items that equal a value; NULL as the value removes the NULLs.

    items: the array
    item: what to remove

    ARRAY_REMOVE(ARRAY[1, 2, 3, 2, 1], 2) -> ARRAY[1, 3, 1]
    """
    return f"list_filter({items}, lambda penstock_item: penstock_item IS DISTINCT FROM {item})"


@sql_scalar("ARRAY_MAX(items ARRAY<N>) -> N", types={"N": ORDERED})
def array_max(items: str) -> str:
    """The greatest item, NULLs aside; NULL where there is none.

    items: an array of plain values

    ARRAY_MAX(ARRAY[-1, 2, NULL, 0]) -> 2
    """
    return f"list_max({items})"


@sql_scalar("ARRAY_MIN(items ARRAY<N>) -> N", types={"N": ORDERED})
def array_min(items: str) -> str:
    """The least item, NULLs aside; NULL where there is none.

    items: an array of plain values

    ARRAY_MIN(ARRAY['Foo', 'Bar', NULL, 'baz']) -> 'Bar'
    """
    return f"list_min({items})"


@sql_scalar("ARRAY_SORT(items ARRAY<N>) -> ARRAY<N>", "ARRAY_SORT(items ARRAY<N>, direction STRING) -> ARRAY<N>", types={"N": ORDERED})
def array_sort(items: str, direction: str = "'ASC'") -> str:
    """The items in order, NULLs at the end.

    items: an array of plain values
    direction: 'ASC', which is the default, or 'DESC'

    ARRAY_SORT(ARRAY[-1, 2, NULL, 0]) -> ARRAY[-1, 0, 2, NULL]
    ARRAY_SORT(ARRAY['a', 'c', 'b'], 'DESC') -> ARRAY['c', 'b', 'a']
    """
    return (
        f"CASE WHEN upper({direction}) IN ('DESC', 'DESCENDING') THEN list_sort({items}, 'DESC', 'NULLS LAST')"
        f" WHEN upper({direction}) IN ('ASC', 'ASCENDING') THEN list_sort({items}, 'ASC', 'NULLS LAST') END"
    )


@python_scalar(
    "ARRAY_JOIN(items ARRAY<N>) -> STRING", "ARRAY_JOIN(items ARRAY<N>, delimiter STRING) -> STRING", types={"N": ORDERED}, nulls=True
)
def array_join(items: list[Any] | None, delimiter: str | None = ",") -> str | None:
    """The items of an array as one text.

    items: an array of plain values
    delimiter: what to put between them, a comma if not given; NULL puts nothing

    ARRAY_JOIN(ARRAY[1, 2, NULL], '-') -> '1-2-null'
    """
    return None if items is None else (delimiter or "").join(map(value_to_string, items))


@sql_scalar("SLICE(items ARRAY<T>, from INTEGER, to INTEGER) -> ARRAY<T>")
def slice_(items: str, start: str, end: str) -> str:
    """The items from one place to another, both included; NULL where the array has no such places. The first place is 1.

    items: the array
    from: the first place to keep; NULL is the beginning
    to: the last place to keep; NULL is the end

    SLICE(ARRAY['a', 'b', 'c', 'd'], 2, 3) -> ARRAY['b', 'c']
    SLICE(ARRAY['a', 'b', 'c', 'd'], 2, 5) -> NULL
    """
    first, last = f"coalesce({start}, 1)", f"coalesce({end}, len({items}))"
    return f"CASE WHEN {first} BETWEEN 1 AND {last} + 1 AND {last} <= len({items}) THEN list_slice({items}, {first}, {last}) END"


@python_scalar(
    "GENERATE_SERIES(start N, end N) -> ARRAY<N>",
    "GENERATE_SERIES(start N, end N, step INTEGER) -> ARRAY<N>",
    types={"N": (INTEGER, BIGINT)},
)
def generate_series(start: int, end: int, step: int | None = None) -> list[int]:
    """The whole numbers from one to another, both included.

    It is an error where the step is 0 or leads away from the end, and where the array would have more than 100,000 items.

    start: the first number
    end: the last number, if the steps reach it
    step: from each number to the next; if not given, 1 up or 1 down, as the end lies

    GENERATE_SERIES(1, 4) -> ARRAY[1, 2, 3, 4]
    GENERATE_SERIES(9, 0, -3) -> ARRAY[9, 6, 3, 0]
    """
    if step is None:
        step = 1 if end >= start else -1
    if step == 0 or (end - start) * step < 0:
        raise ValueError(f"steps of {step} do not lead from {start} to {end}")
    series = range(start, end + (1 if step > 0 else -1), step)
    if abs(end - start) // abs(step) >= SERIES_MAX:
        raise ValueError(f"a series of more than {SERIES_MAX} items, from {start} to {end}")
    return list(series)


@sql_scalar("ELT(n INTEGER, choices STRING...) -> STRING")
def elt(n: str, *choices: str) -> str:
    """The n-th of several texts; NULL where there is none. FIELD is its opposite.

    n: which, from 1
    choices: the texts

    ELT(2, 'a', 'b', 'c') -> 'b'
    """
    return f"CASE WHEN {n} BETWEEN 1 AND {len(choices)} THEN list_value({', '.join(choices)})[{n}] END" if choices else "CAST(NULL AS VARCHAR)"


@sql_scalar("FIELD(text STRING, choices STRING...) -> INTEGER")
def field(text: str, *choices: str) -> str:
    """At which place, from 1, a text stands among others; 0 where it does not, and where it is NULL. ELT is its opposite.

    text: what to look for
    choices: where to look

    FIELD('b', 'a', 'b', 'c') -> 2
    """
    if not choices:
        return "0"
    return f"CASE WHEN {text} IS NULL THEN 0 ELSE coalesce(CAST(list_position(list_value({', '.join(choices)}), {text}) AS INTEGER), 0) END"
