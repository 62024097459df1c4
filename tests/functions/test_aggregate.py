"""What the aggregates do over batches, whole and running, and with rows taken out again."""

from __future__ import annotations

import decimal
import math
import random
from typing import Any

import pytest
from tests.functions.evaluation import Aggregating

from penstock import functions
from penstock.errors import SqlError
from penstock.functions.definition import LiteralArgument
from penstock.sql.types import BIGINT, BOOLEAN, DOUBLE, INTEGER, NULL, STRING, Array, Decimal, Field, Map, SqlType, Struct

Given = list[SqlType | LiteralArgument]


def constant(value: Any) -> LiteralArgument:
    return LiteralArgument(BOOLEAN if isinstance(value, bool) else INTEGER, value)


CASES: list[tuple[str, Given, list[list[Any]], list[Any]]] = [
    ("COUNT", [], [[(), ()], [()]], [2, 3]),
    ("COUNT", [STRING], [["a", None], [None]], [1, 1]),
    ("SUM", [INTEGER], [[None], [5, None]], [0, 5]),
    ("SUM", [INTEGER], [[2147483647], [1]], [2147483647, -2147483648]),
    ("SUM", [BIGINT], [[9223372036854775807], [1, 1]], [9223372036854775807, -9223372036854775807]),
    ("SUM", [DOUBLE], [[1.5, 2], [None]], [3.5, 3.5]),
    ("AVG", [BIGINT], [[None], [1, 2]], [0.0, 1.5]),
    ("MIN", [STRING], [[None], ["b", "a"], ["c"]], [None, "a", "a"]),
    ("MAX", [Decimal(4, 2)], [["5.10"], ["-3.25", None]], [decimal.Decimal("5.10")] * 2),
    ("LATEST_BY_OFFSET", [INTEGER], [[1, 2, None], [None], [3]], [2, 2, 3]),
    ("LATEST_BY_OFFSET", [INTEGER, constant(False)], [[1, 2], [None], [3]], [2, None, 3]),
    ("LATEST_BY_OFFSET", [INTEGER, constant(2)], [[None], [1, 2, 3], [None, 4]], [[], [2, 3], [3, 4]]),
    ("LATEST_BY_OFFSET", [INTEGER, constant(2), constant(False)], [[12], [None], [13]], [[12], [12, None], [None, 13]]),
    ("EARLIEST_BY_OFFSET", [INTEGER], [[None], [1, 2], [3]], [None, 1, 1]),
    ("EARLIEST_BY_OFFSET", [INTEGER, constant(False)], [[None], [1]], [None, None]),
    ("EARLIEST_BY_OFFSET", [INTEGER, constant(2), constant(True)], [[1], [None, 2, 3], [4]], [[1], [1, 2], [1, 2]]),
    ("EARLIEST_BY_OFFSET", [INTEGER, constant(2), constant(False)], [[1], [None, 2]], [[1], [1, None]]),
    ("COLLECT_LIST", [STRING], [["b"], ["a", None, "b"]], [["b"], ["b", "a", None, "b"]]),
    ("COLLECT_SET", [STRING], [["b"], ["a", None, "b", None]], [["b"], ["b", "a", None]]),
    ("COLLECT_SET", [Array(INTEGER)], [[[0, 1]], [[0, 1], [1, 0]]], [[[0, 1]], [[0, 1], [1, 0]]]),
    ("COLLECT_SET", [Map(STRING, INTEGER)], [[{"x y": 1, "b": 2}], [{"b": 2, "x y": 1}]], [[{"x y": 1, "b": 2}], [{"x y": 1, "b": 2}]]),
    ("COUNT_DISTINCT", [STRING], [["bar", None], ["foo", "bar"]], [1, 2]),
    ("HISTOGRAM", [STRING], [["a", None, "b"], ["a"]], [{"a": 1, "b": 1}, {"a": 2, "b": 1}]),
    ("ATTR", [STRING], [["s", "s"], ["s"], ["t"]], ["s", "s", None]),
    ("ATTR", [STRING], [[None], [None]], [None, None]),
    ("TOPK", [INTEGER, constant(3)], [[0, 100, None], [99, 7, 100]], [[100, 0], [100, 100, 99]]),
    ("TOPK", [STRING, constant(2)], [["a"], ["c", "b"]], [["a"], ["c", "b"]]),
    ("TOPKDISTINCT", [INTEGER, constant(3)], [[0, 100, 100], [99, 7, None]], [[100, 0], [100, 99, 7]]),
    ("STDDEV_SAMP", [INTEGER], [[0], [10], [7, None]], [0.0, 50.0, pytest.approx(26.333333333333332)]),
    ("STDDEV_SAMPLE", [INTEGER], [[0], [10], [7]], [0.0, pytest.approx(7.0710678118654755), pytest.approx(5.131601439446884)]),
    ("SUM_LIST", [Array(INTEGER)], [[[1, 1], None], [[4, None]]], [2, 6]),
]


@pytest.mark.parametrize(("name", "types", "batches", "wanted"), CASES)
def test_batches(name: str, types: Given, batches: list[list[Any]], wanted: list[Any]) -> None:
    aggregating = Aggregating(name, types)
    assert [aggregating.add(batch).result for batch in batches] == wanted


@pytest.mark.parametrize(("name", "types", "batches", "wanted"), CASES)
def test_two_sessions_that_grow_together(name: str, types: Given, batches: list[list[Any]], wanted: list[Any]) -> None:
    earlier, later = Aggregating(name, types), Aggregating(name, types)
    later.order = 1000
    assert earlier.add(batches[0]).combined(later.add([row for batch in batches[1:] for row in batch])) == wanted[-1]


def test_topk_of_several_columns_keeps_the_earlier_of_equal_values() -> None:
    topk = Aggregating("TOPK", [INTEGER, STRING, constant(2)])
    assert topk.resolved.return_type == Array(Struct((Field("sort_col", INTEGER), Field("col0", STRING))))
    topk.add([(0, "zero"), (100, "one"), (None, "three")]).add([(100, None), (99, "two")])
    assert topk.result == [{"sort_col": 100, "col0": "one"}, {"sort_col": 100, "col0": None}]


def test_correlation_is_nan_until_it_is_defined() -> None:
    correlation = Aggregating("CORRELATION", [DOUBLE, DOUBLE])
    assert math.isnan(correlation.add([(1.5, 8.0), (None, -6.0)]).result)
    assert correlation.add([(-1.0, -2.0)]).result == pytest.approx(1.0)
    assert correlation.add([(-4.5, -1.0)]).result == pytest.approx(0.7580764521133173)


@pytest.mark.parametrize(
    ("name", "types"),
    [("COUNT", [BIGINT]), ("SUM", [BIGINT]), ("SUM", [INTEGER]), ("AVG", [BIGINT]), ("STDDEV_SAMP", [BIGINT]), ("SUM", [Decimal(20, 0)])],
)
def test_taking_rows_out_again_leaves_the_others(name: str, types: Given) -> None:
    chance = random.Random(7)
    kept = [chance.randint(-9, 9) for _ in range(20)]
    gone = [chance.randint(-9, 9) for _ in range(10)]
    assert Aggregating(name, types).add(kept + gone).take(gone).result == pytest.approx(Aggregating(name, types).add(kept).result)


def test_taking_values_out_of_collections() -> None:
    assert Aggregating("COLLECT_LIST", [INTEGER]).add([1, None, 2, None]).take([None, 2]).result == [1, None]
    assert Aggregating("HISTOGRAM", [STRING]).add(["a", "b"]).take(["b"]).result == {"a": 1}
    assert Aggregating("ATTR", [STRING]).add(["a", "b"]).take(["b"]).result == "a"
    assert Aggregating("ATTR", [STRING]).add(["a"]).take(["a"]).result is None


def test_settings_bound_the_collections() -> None:
    properties: dict[str, object] = {"ksql.functions.collect_list.limit": "1", "ksql.functions.collect_set.limit": 2}
    assert Aggregating("COLLECT_LIST", [INTEGER], properties).add([0, 100]).add([1]).result == [0]
    assert Aggregating("COLLECT_SET", [INTEGER], properties).add([0, 100]).add([1]).result == [0, 100]


def test_count_distinct_of_many_is_near() -> None:
    counting = Aggregating("COUNT_DISTINCT", [INTEGER])
    for start in range(0, 20_000, 5_000):
        counting.add(list(range(start, start + 5_000)))
    assert counting.result == pytest.approx(20_000, rel=0.05)


@pytest.mark.parametrize(
    ("name", "types", "said"),
    [
        ("SUM", [STRING], "SUM takes a number, but got a STRING. Cast it, or use COUNT."),
        ("LATEST_BY_OFFSET", [INTEGER, INTEGER], "Argument 2 of LATEST_BY_OFFSET (n) must be a constant, but is an expression."),
        ("LATEST_BY_OFFSET", [INTEGER, constant(0)], "The number of values to keep must be from 1 to 999999, but is 0."),
        ("TOPK", [BOOLEAN, constant(3)], "TOPK does not take (BOOLEAN, INTEGER)."),
        ("SUM", [NULL], "SUM cannot tell the type of NULL."),
        ("LCASE", [STRING], "LCASE is a scalar function"),
        ("CONUT", [], "There is no function CONUT. Did you mean COUNT"),
    ],
)
def test_refusals(name: str, types: Given, said: str) -> None:
    with pytest.raises(SqlError) as caught:
        functions.resolve_aggregate(name, types)
    assert str(caught.value).startswith(said)
