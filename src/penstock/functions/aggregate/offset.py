"""Aggregates: the first and the last values of a key, by the order in which its records arrive."""

from __future__ import annotations

from penstock.errors import SqlError
from penstock.functions.define import Aggregation, Settled, aggregate
from penstock.functions.duckdb import duckdb_type
from penstock.sql.types import BIGINT, BOOLEAN, Array, SqlType

FORMS = (
    "(value T) -> T",
    "(value T, ignore_nulls BOOLEAN) -> T",
    "(value T, n INTEGER) -> ARRAY<T>",
    "(value T, n INTEGER, ignore_nulls BOOLEAN) -> ARRAY<T>",
)
CONSTANTS = ("n", "ignore_nulls")


KEPT_MAX = 999_999
"""How many values an aggregate keeps at most: DuckDB takes no more."""


@aggregate(*(f"LATEST_BY_OFFSET{form}" for form in FORMS), constants=CONSTANTS)
def latest_by_offset(settled: Settled) -> Aggregation:
    """The value that arrived last, or the last n as an array, the oldest of them first.

    value: what to take
    n: how many to keep, from 1
    ignore_nulls: whether NULLs are passed over, which is the default

    LATEST_BY_OFFSET([1, 2, NULL]) -> 2
    LATEST_BY_OFFSET([1, 2, NULL], FALSE) -> NULL
    LATEST_BY_OFFSET([1, 2, 3], 2) -> ARRAY[2, 3]
    """
    n, ignore_nulls = options(settled)
    return last(settled.types[0], ignore_nulls) if n is None else last_n(settled.types[0], n, ignore_nulls)


@aggregate(*(f"EARLIEST_BY_OFFSET{form}" for form in FORMS), constants=CONSTANTS)
def earliest_by_offset(settled: Settled) -> Aggregation:
    """The value that arrived first, or the first n as an array, the oldest of them first.

    value: what to take
    n: how many to keep, from 1
    ignore_nulls: whether NULLs are passed over, which is the default

    EARLIEST_BY_OFFSET([NULL, 1, 2]) -> 1
    EARLIEST_BY_OFFSET([NULL, 1, 2], FALSE) -> NULL
    EARLIEST_BY_OFFSET([1, 2, 3], 2) -> ARRAY[1, 2]
    """
    n, ignore_nulls = options(settled)
    return first(settled.types[0], ignore_nulls) if n is None else first_n(settled.types[0], n, ignore_nulls)


def options(settled: Settled) -> tuple[int | None, bool]:
    """How many values to keep (None: one, and not as an array), and whether NULLs are passed over. Raises SqlError where n is not from 1."""
    n, ignore_nulls = None, True
    for type_, value in zip(settled.types[1:], settled.values[1:], strict=True):
        if type_ == BOOLEAN:
            ignore_nulls = value is not False
        else:
            n = how_many(value)
    return n, ignore_nulls


def how_many(value: object) -> int:
    """The number of values to keep. Raises SqlError where it is none from 1 to KEPT_MAX."""
    if not isinstance(value, int) or not 1 <= value <= KEPT_MAX:
        raise SqlError(f"The number of values to keep must be from 1 to {KEPT_MAX}, but is {value}.")
    return value


def last(type_: SqlType, ignore_nulls: bool) -> Aggregation:
    """One value. Where NULLs count, the state's second column tells a NULL that was seen from a key that is new."""
    if ignore_nulls:
        return Aggregation(
            state=(type_,),
            partial=lambda arguments, order: [f"arg_max({arguments[0]}, {order})"],
            merge=lambda stored, new: [f"coalesce({new[0]}, {stored[0]})"],
            result=lambda state: state[0],
        )
    return Aggregation(
        state=(type_, BIGINT),
        partial=lambda arguments, order: [f"arg_max_null({arguments[0]}, {order})", f"max({order})"],
        merge=lambda stored, new: [f"CASE WHEN {new[1]} IS NULL THEN {stored[0]} ELSE {new[0]} END", f"coalesce({new[1]}, {stored[1]})"],
        result=lambda state: state[0],
    )


def first(type_: SqlType, ignore_nulls: bool) -> Aggregation:
    """One value: see `last`."""
    if ignore_nulls:
        return Aggregation(
            state=(type_,),
            partial=lambda arguments, order: [f"arg_min({arguments[0]}, {order})"],
            merge=lambda stored, new: [f"coalesce({stored[0]}, {new[0]})"],
            result=lambda state: state[0],
        )
    return Aggregation(
        state=(type_, BIGINT),
        partial=lambda arguments, order: [f"arg_min_null({arguments[0]}, {order})", f"min({order})"],
        merge=lambda stored, new: [f"CASE WHEN {stored[1]} IS NULL THEN {new[0]} ELSE {stored[0]} END", f"coalesce({stored[1]}, {new[1]})"],
        result=lambda state: state[0],
    )


def listed(value: str, order: str) -> str:
    """All values of a batch in their order, as one aggregate call."""
    return f"list({value} ORDER BY {order})"


def last_n(type_: SqlType, n: int, ignore_nulls: bool) -> Aggregation:
    """The last n: the state is the array. Where NULLs are passed over, a batch's partial state is its last n, the newest first."""
    none = f"CAST([] AS {duckdb_type(Array(type_))})"

    def join(stored: str, later: str) -> str:
        return f"list_concat(coalesce({stored}, {none}), coalesce({later}, {none}))[-{n}:]"

    return Aggregation(
        state=(Array(type_),),
        partial=lambda arguments, order: [f"arg_max({arguments[0]}, {order}, {n})" if ignore_nulls else listed(arguments[0], order)],
        merge=lambda stored, new: [join(stored[0], f"list_reverse({new[0]})" if ignore_nulls else new[0])],
        result=lambda state: state[0],
        combine=lambda earlier, later: [join(earlier[0], later[0])],
    )


def first_n(type_: SqlType, n: int, ignore_nulls: bool) -> Aggregation:
    """The first n: the state is the array."""
    none = f"CAST([] AS {duckdb_type(Array(type_))})"
    return Aggregation(
        state=(Array(type_),),
        partial=lambda arguments, order: [f"arg_min({arguments[0]}, {order}, {n})" if ignore_nulls else listed(arguments[0], order)],
        merge=lambda stored, new: [f"list_concat(coalesce({stored[0]}, {none}), coalesce({new[0]}, {none}))[:{n}]"],
        result=lambda state: state[0],
    )
