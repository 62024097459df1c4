"""CAST gives Java's results, and refuses what the language has no cast for."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from tests.functions.evaluation import tried

from penstock.errors import SqlError
from penstock.functions.casts import cast_sql
from penstock.functions.java_text import double_to_string
from penstock.sql.types import BIGINT, BYTES, DATE, INTEGER, STRING, TIMESTAMP, Array, Map, SqlType


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("CAST(2147483648 AS INTEGER)", -2147483648),
        ("CAST(-5 AS BIGINT)", -5),
        ("CAST(3.99E0 AS INTEGER)", 3),
        ("CAST(-3.99E0 AS BIGINT)", -3),
        ("CAST(1E30 AS INTEGER)", 2147483647),
        ("CAST(-1E30 AS BIGINT)", -9223372036854775808),
        ("CAST(SQRT(-1) AS INTEGER)", 0),
        ("CAST(10.57 AS INTEGER)", 10),
        ("CAST(CAST('12345678901234567890' AS DECIMAL(20, 0)) AS BIGINT)", -6101065172474983726),
        ("CAST(10 AS DECIMAL(2, 1))", None),
        ("CAST(0.99E0 AS DECIMAL(2, 1))", Decimal("1.0")),
        ("CAST(10.12 AS DECIMAL(5, 3))", Decimal("10.120")),
        ("CAST(' 12' AS INTEGER)", 12),
        ("CAST('+7' AS BIGINT)", 7),
        ("CAST('1.5' AS INTEGER)", None),
        ("CAST('1_000' AS INTEGER)", None),
        ("CAST('0x1F' AS INTEGER)", None),
        ("CAST('99999999999' AS INTEGER)", None),
        ("CAST('1.5d' AS DOUBLE)", 1.5),
        ("CAST('-Infinity' AS DOUBLE)", float("-inf")),
        ("CAST('1.256' AS DECIMAL(3, 2))", Decimal("1.26")),
        ("CAST('x' AS DOUBLE)", None),
        ("CAST('TRUE' AS BOOLEAN)", True),
        ("CAST('yes' AS BOOLEAN)", False),
        ("CAST(TRUE AS STRING)", "true"),
        ("CAST(1E10 AS STRING)", "1.0E10"),
        ("CAST(0.5E0 AS STRING)", "0.5"),
        ("CAST(SQRT(-1) AS STRING)", "NaN"),
        ("CAST(10.50 AS STRING)", "10.50"),
        ("CAST('1970-01' AS DATE)", date(1970, 1, 1)),
        ("CAST('1969-12-31' AS DATE)", date(1969, 12, 31)),
        ("CAST('foo' AS DATE)", None),
        ("CAST('00:01' AS TIME)", time(0, 1)),
        ("CAST('00:00:00.010' AS TIME)", time(0, 0, 0, 10000)),
        ("CAST('25:00' AS TIME)", None),
        ("CAST('2020-01-01T10:00:00+01:00' AS TIMESTAMP)", datetime(2020, 1, 1, 9)),
        ("CAST('2020' AS TIMESTAMP)", datetime(2020, 1, 1)),
        ("CAST(PARSE_TIME('04', 'ss') AS STRING)", "00:00:04"),
        ("CAST(PARSE_TIME('04:00', 'HH:mm') AS STRING)", "04:00"),
        ("CAST(FROM_UNIXTIME(4) AS STRING)", "1970-01-01T00:00:00.004"),
        ("CAST(FROM_UNIXTIME(4) AS TIME)", time(0, 0, 0, 4000)),
        ("CAST(FROM_DAYS(1) AS TIMESTAMP)", datetime(1970, 1, 2)),
        ("CAST(ARRAY[1, 2147483648] AS ARRAY<STRING>)", ["1", "2147483648"]),
        ("CAST(MAP('this' := 2147483648) AS MAP<STRING, INTEGER>)", {"this": -2147483648}),
        ("CAST(STRUCT(f0 := 1, f1 := 'x') AS STRUCT<f0 STRING, f3 STRING>)", {"F0": "1", "F3": None}),
        ("CAST(CAST(NULL AS STRUCT<a INTEGER>) AS STRUCT<a STRING>)", None),
        ("CAST(ARRAY[ARRAY[1.5E0, NULL]] AS STRING)", "[[1.5, null]]"),
        ("CAST(MAP('a' := 1) AS STRING)", "{a=1}"),
        ("CAST(NULL AS ARRAY<INTEGER>)", None),
    ],
)
def test_cast(sql: str, wanted: Any) -> None:
    assert repr(tried(sql)) == repr(wanted)


@pytest.mark.parametrize(
    ("source", "target", "mend"),
    [
        (STRING, Map(STRING, INTEGER), ""),
        (BYTES, STRING, "FROM_BYTES"),
        (BIGINT, TIMESTAMP, "FROM_UNIXTIME"),
        (TIMESTAMP, BIGINT, "UNIX_TIMESTAMP"),
        (INTEGER, DATE, "FROM_DAYS"),
        (Array(STRING), Array(BYTES), ""),
    ],
)
def test_refusal(source: SqlType, target: SqlType, mend: str) -> None:
    with pytest.raises(SqlError, match=f"A value of type {source} cannot be cast to {target}") as caught:
        cast_sql(source, target)
    assert mend in caught.value.mend


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(1e7, "1.0E7"), (9999999.5, "9999999.5"), (1e-3, "0.001"), (1.25e-4, "1.25E-4"), (-0.0, "-0.0"), (1.5e308, "1.5E308")],
)
def test_doubles_read_as_in_java(value: float, wanted: str) -> None:
    assert double_to_string(value) == wanted
