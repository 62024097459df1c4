"""The driver of the conformance cases: what it registers when, and the numbers that it reads back."""

from __future__ import annotations

from decimal import Decimal

import pytest

from penstock.errors import SqlError
from penstock.testing import Driver

VALUE = {"name": "v", "type": "record", "fields": [{"name": "c1", "type": "int"}, {"name": "c2", "type": "int", "default": 100}]}


def test_schemas_of_declared_sources_get_their_ids_before_those_of_other_topics() -> None:
    with Driver() as driver:
        driver.create_topic("OUT", value_format="AVRO", value_schema=VALUE)
        driver.execute("CREATE STREAM S (`id` INT KEY, `c1` INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='AVRO');")
        driver.execute("CREATE STREAM OUT WITH (VALUE_SCHEMA_ID=2) AS SELECT * FROM S;")
        driver.send("s", 42, {"c1": 4})
        driver.run()
        assert [r.value for r in driver.read("OUT")] == [{"c1": 4, "c2": 100}]


def test_a_topic_that_is_declared_itself_has_its_schema_by_then() -> None:
    with Driver() as driver:
        driver.create_topic("s", value_format="AVRO", value_schema=VALUE)
        driver.execute("CREATE STREAM S WITH (KAFKA_TOPIC='s', VALUE_FORMAT='AVRO', VALUE_SCHEMA_ID=1);")
        assert driver.describe()[-1]["schema"] == "`c1` INT, `c2` INT"


def test_a_double_is_a_float_and_a_decimal_is_none() -> None:
    with Driver() as driver:
        columns = "D DOUBLE KEY, N DECIMAL(4, 2), L ARRAY<DOUBLE>, M MAP<STRING, DOUBLE>, T STRUCT<F DOUBLE, G DECIMAL(3, 1)>"
        driver.execute(f"CREATE STREAM S ({columns}) WITH (KAFKA_TOPIC='s', FORMAT='JSON');")
        driver.execute("CREATE STREAM O AS SELECT * FROM S;")
        driver.send("s", 10.5, {"N": 1.25, "L": [0.5], "M": {"a": 2.5}, "T": {"F": 1.5, "G": 2.5}})
        driver.run()
        (record,) = driver.read("O")
        value = record.value
        floats = [record.key, value["L"][0], value["M"]["a"], value["T"]["F"]]
        assert [(type(v), v) for v in floats] == [(float, 10.5), (float, 0.5), (float, 2.5), (float, 1.5)]
        assert [(type(v), v) for v in (value["N"], value["T"]["G"])] == [(Decimal, Decimal("1.25")), (Decimal, Decimal("2.5"))]


def test_a_pinned_schema_is_read_with_all_its_fields() -> None:
    schema = 'syntax = "proto3"; message Made { int32 c1 = 1; string c2 = 2; }'
    with Driver() as driver:
        driver.create_topic("OUT", value_format="PROTOBUF", value_schema=schema)
        driver.execute("CREATE STREAM S (`id` INT KEY, `c1` INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');")
        driver.execute("CREATE STREAM OUT WITH (VALUE_FORMAT='PROTOBUF', VALUE_SCHEMA_ID=1) AS SELECT * FROM S;")
        driver.send("s", 42, {"c1": 4})
        driver.run()
        assert [r.value for r in driver.read("OUT")] == [{"c1": 4, "c2": ""}]


def test_a_topic_that_is_only_known_gets_the_partitions_of_its_statement() -> None:
    with Driver() as driver:
        driver.create_topic("s")
        driver.create_topic("full", value_format="JSON")
        driver.send("full", None, {"N": 1})
        driver.execute("CREATE STREAM S (N INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=7);")
        assert {t["name"]: t["partitions"] for t in driver.topics()}["s"] == 7
        with pytest.raises(SqlError, match="exists with 1 partitions"):
            driver.execute("CREATE STREAM F (N INT) WITH (KAFKA_TOPIC='full', VALUE_FORMAT='JSON', PARTITIONS=7);")
