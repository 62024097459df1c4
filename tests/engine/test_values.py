"""Values that expressions make: maps with NULL or equal keys, structs without fields, and what comes out of records."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from penstock.testing import Driver


def made(select: str, value: Any = "a", *, value_format: str = "JSON", column: str = "V STRING") -> Any:
    """What an expression makes of a record, written and read back."""
    with Driver() as driver:
        driver.execute(f"CREATE STREAM S (K STRING KEY, {column}) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='{value_format}', PARTITIONS=1);")
        driver.execute(f"CREATE STREAM O AS SELECT K, {select} AS R FROM S;")
        driver.send("s", "k", {"V": value})
        driver.run()
        (record,) = driver.read("O")
        return record.value["R"]


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ("MAP(V := 1, NULL := 2)", {"a": 1, "null": 2}),
        ("MAP('a' := 1, V := 2)", {"a": 2}),
        ("MAP('x' := 1, 'x' := 2)", {"x": 2}),
        ("MAP(V := V)", {"a": "a"}),
        ("MAP('x' := V, 'y' := V)", {"x": "a", "y": "a"}),
        ("STRUCT()", {}),
    ],
)
def test_maps_and_structs(select: str, expected: Any) -> None:
    assert made(select) == expected


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ("MAP(V := 1, 'b' := {})", {"a": 1, "b": None}),
        ("MAP(V := {}, 'b' := {})", {"a": None, "b": None}),
        ("MAP('x' := 1, 'b' := {})", {"x": 1, "b": None}),
        ("MAP('x' := {})", {"x": None}),
        ("ARRAY[1, {}]", [1, None]),
        ("ARRAY[{}]", [None]),
        ("MAP(V := ARRAY[{}], 'b' := ARRAY[1])", {"a": [None], "b": [1]}),
        ("STRUCT(X := {}, Y := 1)", {"X": None, "Y": 1}),
        ("CASE WHEN V = 'a' THEN {} ELSE 1 END", None),
        ("COALESCE({}, LEN(V))", 1),
        ("COALESCE({}, {})", None),
        ("IFNULL({}, 2)", 2),
        ("{} + 1", None),
        ("{}", None),
    ],
)
@pytest.mark.parametrize("null", ["CAST(NULL AS STRUCT<A INT>)->A", "CAST(NULL AS ARRAY<INT>)[1]", "CAST(NULL AS MAP<STRING, INT>)['x']"])
def test_a_part_of_a_constant_null_has_its_type(select: str, expected: Any, null: str) -> None:
    assert made(select.replace("{}", null)) == expected


@pytest.mark.parametrize(
    ("select", "value", "expected"),
    [
        ("V + 1", 2**31 - 1, -(2**31)),
        ("V - 2", -(2**31), 2**31 - 2),
        ("V * V + V", 65536, 65536),
        ("CAST(V AS BIGINT) * 5000000000 * 5000000000", 1, 6553255926290448384),
        ("TRANSFORM(ARRAY[V], x => x + 1)", 2**31 - 1, [-(2**31)]),
        ("V / 0", 1, None),
    ],
)
def test_whole_numbers_wrap_around(select: str, value: int, expected: Any) -> None:
    assert made(select, value, column="V INT") == expected


@pytest.mark.parametrize("value_format", ["JSON", "AVRO", "PROTOBUF"])
def test_a_map_without_entries_comes_back_as_a_map(value_format: str) -> None:
    found = made("FILTER(V, (k, v) => v > 5)", {"a": 1}, value_format=value_format, column="V MAP<STRING, INT>")
    assert found == {}


@pytest.mark.parametrize("value_format", ["JSON", "AVRO"])
def test_a_decimal_of_more_digits_than_python_calculates_with(value_format: str) -> None:
    for number in ("12345678901234567890123456789.123456789", "99999999999999999999999999999.999999999"):
        value = Decimal(number) if value_format == "AVRO" else number
        assert made("V", value, value_format=value_format, column="V DECIMAL(38, 9)") == Decimal(number)


def test_an_avro_date_beyond_the_years_that_python_has() -> None:
    assert made("V", -2147483647, value_format="AVRO", column="V DATE") == -2147483647


def test_a_date_is_read_from_the_beginning_of_a_text() -> None:
    assert made("PARSE_DATE(V, 'yyyy-MM-dd')", "2003-12-24-01-01") == 12410


def test_a_decimal_key_is_a_number_of_json() -> None:
    with Driver() as driver:
        driver.execute("CREATE STREAM S (K DECIMAL(4, 2) KEY, V INT) WITH (KAFKA_TOPIC='s', FORMAT='JSON', PARTITIONS=1);")
        driver.execute("CREATE STREAM O AS SELECT * FROM S;")
        driver.send("s", 12.3, {"V": 1})
        driver.run()
        (record,) = driver.read("O")
        assert (type(record.key), record.key) == (float, 12.3)
