"""Aggregates: counting, summing and comparing."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.functions.casts import wrapped
from penstock.functions.define import NUMBERS, Aggregation, Settled, aggregate
from penstock.functions.duckdb import duckdb_type
from penstock.functions.scalar.math import COMPARABLE
from penstock.sql.types import BIGINT, DOUBLE, INTEGER, SqlType

Columns = Sequence[str]


def counting(partial: str) -> Aggregation:
    """An aggregation whose state is one count of rows; `partial` counts those of a batch."""
    return Aggregation(
        state=(BIGINT,),
        partial=lambda arguments, _: [partial.format(*arguments)],
        merge=lambda stored, new: [f"coalesce({stored[0]}, 0) + {new[0]}"],
        result=lambda state: state[0],
        undo=lambda stored, old: [f"coalesce({stored[0]}, 0) - {old[0]}"],
    )


@aggregate("COUNT() -> BIGINT", "COUNT(value T) -> BIGINT")
def count(settled: Settled) -> Aggregation:
    """How many rows there are: `COUNT(*)` counts all, `COUNT(x)` those where x is not NULL.

    value: what must not be NULL for a row to count

    COUNT([1, NULL, 3]) -> 2
    """
    return counting("count({})" if settled.types else "count(*)")


@aggregate("SUM(value N) -> N", types={"N": NUMBERS})
def sum_(settled: Settled) -> Aggregation:
    """The sum of the values that are not NULL, 0 where there are none.

    Whole numbers keep their type and wrap around at its end, as in Java. A sum that its DECIMAL cannot hold is an error.

    value: what to add up

    SUM([1, 2, NULL]) -> 3
    """
    type_: SqlType = BIGINT if settled.returns == INTEGER else settled.returns
    name = duckdb_type(type_)

    def add(stored: str, new: str, sign: str) -> str:
        total = f"coalesce({stored}, 0) {sign} coalesce({new}, 0)"
        if type_ == BIGINT:
            return wrapped(f"coalesce({stored}, 0)::HUGEINT {sign} coalesce({new}, 0)", 64)
        return f"CAST({total} AS {name})"

    return Aggregation(
        state=(type_,),
        partial=lambda arguments, _: [f"sum({arguments[0]})"],
        merge=lambda stored, new: [add(stored[0], new[0], "+")],
        result=lambda state: wrapped(state[0], 32) if settled.returns == INTEGER else state[0],
        undo=lambda stored, old: [add(stored[0], old[0], "-")],
    )


@aggregate("AVG(value N) -> DOUBLE", types={"N": (INTEGER, BIGINT, DOUBLE)})
def avg(settled: Settled) -> Aggregation:
    """The mean of the values that are not NULL, 0.0 where there are none.

    value: what to average

    AVG([1, 2, NULL]) -> 1.5E0
    """
    total: SqlType = DOUBLE if settled.types[0] == DOUBLE else BIGINT

    def add(stored: Columns, new: Columns, sign: str) -> list[str]:
        summed = f"coalesce({stored[0]}, 0){'' if total == DOUBLE else '::HUGEINT'} {sign} coalesce({new[0]}, 0)"
        return [summed if total == DOUBLE else wrapped(summed, 64), f"coalesce({stored[1]}, 0) {sign} {new[1]}"]

    return Aggregation(
        state=(total, BIGINT),
        partial=lambda arguments, _: [f"sum({arguments[0]})", f"count({arguments[0]})"],
        merge=lambda stored, new: add(stored, new, "+"),
        result=lambda state: f"CASE WHEN {state[1]} = 0 THEN 0.0::DOUBLE ELSE {state[0]}::DOUBLE / {state[1]} END",
        undo=lambda stored, old: add(stored, old, "-"),
    )


def extreme(type_: SqlType, name: str) -> Aggregation:
    """MIN or MAX: the state is the extreme itself."""
    pick = {"min": "least", "max": "greatest"}[name]
    return Aggregation(
        state=(type_,),
        partial=lambda arguments, _: [f"{name}({arguments[0]})"],
        merge=lambda stored, new: [f"{pick}({stored[0]}, {new[0]})"],
        result=lambda state: state[0],
    )


@aggregate("MIN(value N) -> N", types={"N": COMPARABLE})
def min_(settled: Settled) -> Aggregation:
    """The least value, NULLs aside. Texts compare by their characters' code points, bytes by their numbers.

    value: what to compare

    MIN([3, 1, NULL]) -> 1
    """
    return extreme(settled.returns, "min")


@aggregate("MAX(value N) -> N", types={"N": COMPARABLE})
def max_(settled: Settled) -> Aggregation:
    """The greatest value, NULLs aside. Texts compare by their characters' code points, bytes by their numbers.

    value: what to compare

    MAX([3, 1, NULL]) -> 3
    """
    return extreme(settled.returns, "max")
