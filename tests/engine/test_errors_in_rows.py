"""What becomes of a row in which some expression fails: the failing part is NULL there, everything else goes on, and the log tells of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from penstock.errors import DataError
from penstock.testing import Driver

MODES = pytest.mark.parametrize("batching", [True, False], ids=["batch", "record"])


def outcome(driver: Driver, select: str, values: Sequence[Any], columns: str = "V STRING") -> list[Any]:
    """The values of a stream over these records."""
    driver.execute(f"CREATE STREAM S (K STRING KEY, {columns}) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);")
    driver.execute(f"CREATE STREAM O AS SELECT K, {select} AS R FROM S;")
    for value in values:
        driver.send("s", "k", {"V": value})
    driver.run()
    return [record.value["R"] for record in driver.read("O")]


def complaints(driver: Driver) -> list[dict[str, Any]]:
    return [record.value for record in driver.read("penstock-processing-log")]


@MODES
@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ("CAST(V AS INT)", [1, None, 3]),
        ("IFNULL(CAST(V AS INT), -1)", [1, -1, 3]),
        ("COALESCE(CAST(V AS INT), LEN(V))", [1, 1, 3]),
        ("ARRAY[0, CAST(V AS INT)]", [[0, 1], [0, None], [0, 3]]),
        ("MAP('a' := CAST(V AS INT), 'b' := 0)", [{"a": 1, "b": 0}, {"a": None, "b": 0}, {"a": 3, "b": 0}]),
        ("STRUCT(A := CAST(V AS INT), B := V)", [{"A": 1, "B": "1"}, {"A": None, "B": "x"}, {"A": 3, "B": "3"}]),
        ("CAST(V AS INT) * CAST(V AS INT)", [1, None, 9]),
        ("CASE WHEN CAST(V AS INT) > 0 THEN 'yes' ELSE 'no' END", ["yes", "no", "yes"]),
    ],
)
def test_only_the_part_that_fails_is_null(batching: bool, select: str, expected: list[Any]) -> None:
    with Driver(batching=batching) as driver:
        assert outcome(driver, select, ["1", "x", "3"]) == expected
        (complaint,) = complaints(driver)
        assert (complaint["kind"], complaint["topic"], complaint["offset"]) == ("EVALUATION", "s", 1)
        assert "x is no INTEGER" in complaint["reason"]


@MODES
@pytest.mark.parametrize("failing", ["-STRINGTODATE('x', 'utf8')", "(-STRINGTODATE('x', 'utf8')) - 1", "-CAST(SUBSTRING('abc', 2) AS DECIMAL(9, 2))"])
def test_a_constant_that_fails_stops_no_query(batching: bool, failing: str) -> None:
    with Driver(batching=batching) as driver:
        assert outcome(driver, failing, ["1", "2"]) == [None, None]
        assert len(complaints(driver)) == 2


@MODES
def test_negation(batching: bool) -> None:
    columns = "V STRUCT<I INT, L BIGINT, D DOUBLE, C DECIMAL(4, 2)>"
    select = "STRUCT(I := -V->I, L := -V->L, D := -V->D, C := -V->C, N := -(-7))"
    with Driver(batching=batching) as driver:
        least = {"I": -(2**31), "L": -(2**63), "D": 0.0, "C": -99.99}
        some, wrapped = outcome(driver, select, [{"I": 5, "L": -6, "D": 1.5, "C": 1.25}, least], columns)
        assert some == {"I": -5, "L": 6, "D": -1.5, "C": -1.25, "N": 7}
        assert wrapped == {"I": -(2**31), "L": -(2**63), "D": 0.0, "C": Decimal("99.99"), "N": 7}


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("written", ["{}", "CAST({} AS BIGINT)"])
def test_the_negation_of_the_least_literal_is_itself(bits: int, written: str) -> None:
    least = written.format(-(2 ** (bits - 1)))
    expected = 2**31 if bits == 32 and "BIGINT" in written else -(2 ** (bits - 1))
    with Driver() as driver:
        (value,) = outcome(driver, f"STRUCT(A := -({least}), B := -(1.50), C := -(1.5E0), D := -(7))", [1], "V BIGINT")
        assert value == {"A": expected, "B": Decimal("-1.50"), "C": -1.5, "D": -7}
        driver.execute(f"INSERT INTO S (K, V) VALUES ('a', -({least}));")
        assert driver.query(f"SELECT V, -({least}) AS X FROM S WHERE K = 'a';").result().rows == [[expected, expected]]


@MODES
def test_a_value_that_differs_from_call_to_call_spares_no_guard(batching: bool) -> None:
    with Driver(batching=batching) as driver:
        assert outcome(driver, "CAST(V AS INT) + CAST(RANDOM() AS INT) * 0", ["1", "x"]) == [1, None]


@MODES
@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ("TRANSFORM(V, x => x + 5)", [[6, 7], None, None]),
        ("TRANSFORM(V, x => -x)", [[-1, -2], None, None]),
        ("REDUCE(V, 1, (s, x) => s * 2 + x)", [8, None, 1]),
        ("FILTER(V, x => x > 1)", [[2], [], None]),
        ("TRANSFORM(V, x => x IS NOT NULL AND x + 1 > 2)", [[False, True], [False, False], None]),
        ("TRANSFORM(V, x => x IS NULL OR x + 1 > 2)", [[False, True], [False, True], None]),
        ("TRANSFORM(V, x => CASE WHEN x IS NULL THEN 0 ELSE x * 2 END)", [[2, 4], [2, 0], None]),
        ("IFNULL(TRANSFORM(V, x => x + 5), ARRAY[0])", [[6, 7], [0], [0]]),
    ],
)
def test_arithmetic_with_null_in_a_lambda_is_an_error_of_the_call(batching: bool, select: str, expected: list[Any]) -> None:
    with Driver(batching=batching) as driver:
        assert outcome(driver, select, [[1, 2], [1, None], None], "V ARRAY<INT>") == expected


@MODES
@pytest.mark.parametrize(
    ("select", "value", "said"),
    [
        ("TRANSFORM(V, x => x + 5)", [1, None], "R: X + 5 is NULL in a lambda, where X is NULL; COALESCE gives NULL a value"),
        ("REDUCE(V, 1, (s, x) => s * 2 + x)", [None], "R: (S * 2) + X is NULL in a lambda, where S is 1, X is NULL; COALESCE gives NULL a value"),
        ("TRANSFORM(V, x => TRANSFORM(ARRAY[x], y => -x / 2E0))", [None], "R: -X is NULL in a lambda, where X is NULL; COALESCE gives NULL a value"),
        ("TRANSFORM(V, x => JSON_ARRAY_LENGTH('{'))", [1], "R: '{' is no JSON: expecting property name enclosed in double quotes at character 2"),
        ("TRANSFORM(MAP('a' := V, 'b' := V), (k, v) => 'c', (k, v) => v)", [1], "R: two entries of a MAP have the same key"),
    ],
)
def test_what_the_log_says_of_a_lambda(batching: bool, select: str, value: list[Any], said: str) -> None:
    with Driver(batching=batching) as driver:
        assert outcome(driver, select, [value], "V ARRAY<INT>") == [None]
        assert [complaint["reason"] for complaint in complaints(driver)] == [said]


@MODES
def test_an_aggregate_passes_over_a_failing_argument(batching: bool) -> None:
    with Driver(batching=batching) as driver:
        driver.execute("CREATE STREAM S (K STRING KEY, V STRING) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);")
        driver.execute("CREATE TABLE O AS SELECT K, SUM(CAST(V AS INT)) AS R FROM S GROUP BY K;")
        for value in ("1", "x", "3"):
            driver.send("s", "k", {"V": value})
        driver.run()
        assert driver.read("O")[-1].value == {"R": 4}
        assert len(complaints(driver)) == 1


def test_a_condition_that_fails_lets_no_row_through() -> None:
    with Driver() as driver:
        driver.execute("CREATE STREAM S (K STRING KEY, V STRING) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);")
        driver.execute("CREATE STREAM O AS SELECT * FROM S WHERE CAST(V AS INT) > 0;")
        for value in ("1", "x", "3"):
            driver.send("s", "k", {"V": value})
        driver.run()
        assert [record.value["V"] for record in driver.read("O")] == ["1", "3"]
        assert [json.dumps(c).count("WHERE") for c in complaints(driver)] == [1]


@MODES
def test_a_sum_beyond_its_decimal_stops_the_query(batching: bool) -> None:
    with Driver(batching=batching) as driver:
        driver.execute("CREATE STREAM S (K STRING KEY, V DECIMAL(3, 1)) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);")
        driver.execute("CREATE TABLE O AS SELECT K, SUM(V) AS R FROM S GROUP BY K;")
        for _ in range(2):
            driver.send("s", "k", {"V": 99.9})
        with pytest.raises(DataError, match=r"CTAS_O_\d+ cannot go on: .*199\.8"):
            driver.run()


@MODES
@pytest.mark.parametrize(("function", "expected"), [("COLLECT_LIST", [1]), ("COLLECT_SET", [1])])
def test_settings_reach_the_aggregates(batching: bool, function: str, expected: list[int]) -> None:
    with Driver({f"ksql.functions.{function.lower()}.limit": 1}, batching=batching) as driver:
        driver.execute("CREATE STREAM S (K STRING KEY, V INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);")
        driver.execute(f"CREATE TABLE O AS SELECT K, {function}(V) AS R FROM S GROUP BY K;")
        for value in (1, 2):
            driver.send("s", "k", {"V": value})
        driver.run()
        assert driver.read("O")[-1].value == {"R": expected}
        assert driver.query("SELECT R FROM O WHERE K = 'k';").result().rows == [[expected]]


@MODES
@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("EARLIEST_BY_OFFSET(V, 2)", [1]),
        ("LATEST_BY_OFFSET(V, 2, FALSE)", [None, None]),
        ("LATEST_BY_OFFSET(V, 2)", [1]),
    ],
)
def test_sessions_grow_together_in_either_mode(batching: bool, call: str, expected: list[Any]) -> None:
    with Driver(batching=batching) as driver:
        driver.execute("CREATE STREAM S (K STRING KEY, V INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);")
        driver.execute(f"CREATE TABLE O AS SELECT K, {call} AS R FROM S WINDOW SESSION (1 SECONDS) GROUP BY K;")
        for time, value in ((0, None), (10, 1), (20, None), (1000, None)):
            driver.send("s", "k", {"V": value}, timestamp=time)
        driver.run()
        assert driver.read("O")[-1].value == {"R": expected}


@MODES
def test_the_least_whole_number_has_no_counterpart_as_in_java(batching: bool) -> None:
    with Driver(batching=batching) as driver:
        driver.execute("CREATE STREAM S (K STRING KEY, I INT, L BIGINT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);")
        driver.execute("CREATE STREAM O AS SELECT K, -I AS I, ABS(I) AS AI, -L AS L, ABS(L) AS AL FROM S;")
        least = {"I": -(1 << 31), "L": -(1 << 63)}
        for value in (least, {"I": -7, "L": 7}):
            driver.send("s", "k", value)
        driver.run()
        expected = [{"I": least["I"], "AI": least["I"], "L": least["L"], "AL": least["L"]}, {"I": 7, "AI": 7, "L": -7, "AL": 7}]
        assert [record.value for record in driver.read("O")] == expected


@MODES
def test_a_bad_key_costs_its_record_alone(batching: bool) -> None:
    with Driver(batching=batching) as driver:
        driver.execute("CREATE STREAM S (K STRING KEY, N INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);")
        driver.execute("CREATE STREAM O AS SELECT 12 / N AS P, K FROM S PARTITION BY 12 / N;")
        for number in (3, 0, 4):
            driver.send("s", "k", {"N": number})
        driver.run()
        assert [record.key for record in driver.read("O")] == [4, None, 3]
        assert len(complaints(driver)) == 1


@pytest.mark.parametrize(
    ("expression", "value", "reason"),
    [
        ("SUBSTRING(TO_BYTES(V, 'utf8'), CAST('k1' AS INTEGER))", None, "k1 is no INTEGER"),
        ("CASE WHEN CAST('k1' AS INTEGER) < 0 THEN 1 ELSE 2 END", 2, "k1 is no INTEGER"),
        ("CAST(UUID() AS TIMESTAMP)", None, "is no timestamp"),
        ("CAST('a' + CAST(RANDOM() AS STRING) AS INT) + N", None, "is no INTEGER"),
        ("CAST('a' + UUID() + CASE WHEN N > 1 THEN V END AS INT)", None, "is no INTEGER"),
        ("MAP(SUBSTRING(TO_BYTES(V, 'utf8'), N, CAST(NULL AS INT)) := 1)[TO_BYTES(V, 'utf8')]", None, "a MAP's key is NULL"),
        ("AS_MAP(ARRAY[V, CAST(NULL AS STRING)], ARRAY[1, 2])", None, "a MAP's key is NULL"),
        ("DATEADD(DAYS, 2147483647, PARSE_DATE('2024', 'yyyy'))", None, "no date that there is"),
        ("TIMESTAMPADD(YEARS, 9000, FROM_UNIXTIME(0))", None, "10970-01-01 00:00:00 is no TIMESTAMP"),
        ("LEN(LPAD(V, 2147483647, 'x'))", None, "2147483646 characters to fill in"),
        ("ROUND(1.7E308, 65536)", 1.7e308, None),
        ("ROUND(1.7E308, -65536)", 0.0, None),
        ("CONCAT_WS('-')", "", None),
        ("CAST(N AS DECIMAL(4, 2)) / CAST(0 AS DECIMAL(4, 2))", None, "division by zero"),
    ],
)
@MODES
def test_one_value_is_lost_and_no_more(batching: bool, expression: str, value: object, reason: str | None) -> None:
    with Driver(batching=batching) as driver:
        driver.execute("CREATE STREAM S (K STRING KEY, V STRING, N INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);")
        driver.execute(f"CREATE STREAM O AS SELECT K, {expression} AS X, N FROM S;")
        driver.send("s", "k", {"V": "v", "N": 7})
        driver.run()
        assert [record.value for record in driver.read("O")] == [{"X": value, "N": 7}]
        told = [complaint["reason"] for complaint in complaints(driver)]
        assert len(told) == (reason is not None)
        assert all(reason is not None and reason in each for each in told)
