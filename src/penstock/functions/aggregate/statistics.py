"""Aggregates: statistics."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.functions.casts import wrapped
from penstock.functions.define import Aggregation, Settled, aggregate
from penstock.functions.scalar.math import COMPARABLE
from penstock.sql.types import BIGINT, DOUBLE

Columns = Sequence[str]


def sums(value: str) -> list[str]:
    """The partial state of a variance: how many values, their sum, the sum of their squares."""
    x = f"({value})::DOUBLE"
    return [f"count({value})", f"sum({x})", f"sum({x} * {x})"]


def added(stored: Columns, new: Columns, sign: str) -> list[str]:
    """Each column of one state added to, or taken from, that of another."""
    return [f"coalesce({s}, 0) {sign} coalesce({n}, 0)" for s, n in zip(stored, new, strict=True)]


def spread(result: str) -> Aggregation:
    """A variance, and `result`, a format, of it."""

    def variance(state: Columns) -> str:
        count, total, squares = state
        return f"greatest({squares} - {total} * {total} / {count}, 0) / ({count} - 1)"

    return Aggregation(
        state=(BIGINT, DOUBLE, DOUBLE),
        partial=lambda arguments, _: sums(arguments[0]),
        merge=lambda stored, new: added(stored, new, "+"),
        result=lambda state: f"CASE WHEN {state[0]} < 2 THEN 0.0::DOUBLE ELSE {result.format(variance(state))} END",
        undo=lambda stored, old: added(stored, old, "-"),
    )


@aggregate("STDDEV_SAMP(value DOUBLE) -> DOUBLE")
def stddev_samp(settled: Settled) -> Aggregation:
    """The sample VARIANCE of the values, NULLs aside; 0.0 of fewer than two. ksqlDB gives this under this name; STDDEV_SAMPLE gives its root.

    value: what to measure

    STDDEV_SAMP([0, 10]) -> 50E0
    """
    return spread("{}")


@aggregate("STDDEV_SAMPLE(value DOUBLE) -> DOUBLE")
def stddev_sample(settled: Settled) -> Aggregation:
    """The sample standard deviation of the values, NULLs aside; 0.0 of fewer than two.

    value: what to measure

    STDDEV_SAMPLE([0, 8, 4]) -> 4E0
    """
    return spread("sqrt({})")


@aggregate("CORRELATION(x DOUBLE, y DOUBLE) -> DOUBLE")
def correlation(settled: Settled) -> Aggregation:
    """Pearson's correlation of two columns over the rows where neither is NULL: from -1 to 1, NaN where it is not defined.

    x: the first column
    y: the second column

    CORRELATION([1, 2, 3], [2, 4, 6]) -> 1E0
    """

    def partial(arguments: Columns, _: str) -> list[str]:
        x, y = (f"({a})::DOUBLE" for a in arguments)
        both = f" FILTER ({arguments[0]} IS NOT NULL AND {arguments[1]} IS NOT NULL)"
        return [f"{call}{both}" for call in ("count(*)", f"sum({x})", f"sum({y})", f"sum({x} * {x})", f"sum({y} * {y})", f"sum({x} * {y})")]

    def result(state: Columns) -> str:
        n, x, y, xx, yy, xy = state
        below = f"({n} * {xx} - {x} * {x}) * ({n} * {yy} - {y} * {y})"
        return f"CASE WHEN {n} < 2 OR {below} <= 0 THEN 'NaN'::DOUBLE ELSE ({n} * {xy} - {x} * {y}) / sqrt({below}) END"

    return Aggregation(
        state=(BIGINT, DOUBLE, DOUBLE, DOUBLE, DOUBLE, DOUBLE),
        partial=partial,
        merge=lambda stored, new: added(stored, new, "+"),
        result=result,
        undo=lambda stored, old: added(stored, old, "-"),
    )


@aggregate("SUM_LIST(values ARRAY<N>) -> N", types={"N": (*COMPARABLE[:2], DOUBLE)})
def sum_list(settled: Settled) -> Aggregation:
    """The sum of all items of the arrays, NULLs aside.

    values: arrays of numbers

    SUM_LIST([ARRAY[1, 2], ARRAY[3]]) -> 6
    """
    from penstock.functions.aggregate.basic import sum_

    total = sum_(Settled((settled.returns,), settled.returns))

    def of_list(items: str) -> str:
        return items if settled.returns == DOUBLE else wrapped(items, 64)

    return Aggregation(
        state=total.state,
        partial=lambda arguments, _: [f"sum({of_list(f'list_sum({arguments[0]})')})"],
        merge=total.merge,
        result=total.result,
        undo=total.undo,
    )
