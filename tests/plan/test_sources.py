"""CREATE STREAM and CREATE TABLE: columns, formats, and the properties of the WITH clause."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.plan.world import World

from penstock.catalog.model import DataSource
from penstock.errors import SqlError
from penstock.plan import schema_text, topic_spec
from penstock.plan.properties import PROPERTIES
from penstock.plan.steps import Column, FormatSpec, HeaderColumn, TimestampSpec, WindowedKey
from penstock.sql import ast
from penstock.sql.parser import parse_one
from penstock.sql.types import BIGINT, INTEGER, STRING, Struct

REGISTERED = {("t", True): (Column("ROWKEY", INTEGER),), ("t", False): (Column("A", BIGINT), Column("B", STRING))}


def made(statement: str, world: World | None = None) -> DataSource:
    found = (world or World(schemas=dict(REGISTERED))).run(statement)[-1]
    assert isinstance(found, DataSource)
    return found


@pytest.mark.parametrize(("statement", "schema"), [
    ("CREATE STREAM S (K INT KEY, V STRING) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');", "`K` INT KEY, `V` STRING"),
    ("CREATE STREAM S WITH (KAFKA_TOPIC='t', VALUE_FORMAT='AVRO');", "`A` BIGINT, `B` STRING"),
    ("CREATE STREAM S WITH (KAFKA_TOPIC='t', FORMAT='AVRO');", "`ROWKEY` INT KEY, `A` BIGINT, `B` STRING"),
    ("CREATE STREAM S (V INT) WITH (KAFKA_TOPIC='t', KEY_FORMAT='AVRO', VALUE_FORMAT='JSON');", "`ROWKEY` INT KEY, `V` INT"),
    ("CREATE TABLE T (ID STRING PRIMARY KEY) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='AVRO');", "`ID` STRING KEY, `A` BIGINT, `B` STRING"),
    ("CREATE STREAM S (H BYTES HEADER('x')) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='AVRO');", "`A` BIGINT, `B` STRING, `H` BYTES"),
    ("CREATE TABLE T (ID INT PRIMARY KEY) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');", "`ID` INT KEY"),
])
def test_columns_are_declared_or_inferred(statement: str, schema: str) -> None:
    assert schema_text(made(statement)) == schema


def test_custom_types_are_replaced_by_what_they_stand_for() -> None:
    world = World()
    world.run("CREATE TYPE POINT AS STRUCT<X INT, Y INT>; CREATE TYPE LINE AS ARRAY<POINT>;")
    source = made("CREATE STREAM S (P POINT, L LINE) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');", world)
    assert [str(c.type) for c in source.schema.value] == ["STRUCT<`X` INTEGER, `Y` INTEGER>", "ARRAY<STRUCT<`X` INTEGER, `Y` INTEGER>>"]


def test_properties_become_parts_of_the_source() -> None:
    source = made("""CREATE STREAM S (K STRING KEY, V STRING, W INT, H ARRAY<STRUCT<key STRING, value BYTES>> HEADERS) WITH (
        kafka_topic='t', key_format='kafka', value_format='delimited', value_delimiter='TAB', timestamp='v', timestamp_format='yyyy',
        window_type='hopping', window_size='30 seconds');""")
    assert source.key_format == FormatSpec("KAFKA")
    assert source.value_format == FormatSpec("DELIMITED", delimiter="\t")
    assert source.timestamp == TimestampSpec("V", "yyyy")
    assert source.window == WindowedKey("HOPPING", 30_000)
    assert source.headers == (HeaderColumn("H"),)


def test_settings_stand_in_for_what_is_left_out() -> None:
    world = World({"ksql.persistence.default.format.key": "JSON", "ksql.persistence.default.format.value": "AVRO",
                   "ksql.persistence.wrap.single.values": "false", "ksql.output.topic.name.prefix": "p-", "ksql.sink.partitions": "3"})
    source = made("CREATE STREAM S (K STRING KEY, V INT) WITH (KAFKA_TOPIC='t');", world)
    assert (source.key_format.name, source.value_format) == ("JSON", FormatSpec("AVRO", wrap_single=False))
    plan = world.plan("CREATE STREAM OUT AS SELECT K, V + 1 AS V FROM S;")
    assert (plan.topic, plan.partitions, plan.value_format.wrap_single) == ("p-OUT", 3, False)


def test_a_result_has_the_formats_and_partitions_of_its_first_source() -> None:
    world = World(topics={"t": 4})
    world.run("CREATE STREAM S (K INT KEY, V INT) WITH (KAFKA_TOPIC='t', KEY_FORMAT='JSON', VALUE_FORMAT='DELIMITED', VALUE_DELIMITER='|');")
    plan = world.plan("CREATE STREAM OUT AS SELECT * FROM S;")
    assert (plan.topic, plan.partitions, plan.key_format.name, plan.value_format) == ("OUT", 4, "JSON", FormatSpec("DELIMITED", delimiter="|"))
    plan = world.plan("CREATE STREAM OUT2 WITH (KAFKA_TOPIC='o', FORMAT='JSON', PARTITIONS=2, TIMESTAMP='T') AS SELECT K, ROWTIME AS T FROM S;")
    assert (plan.topic, plan.partitions, plan.value_format, plan.timestamp) == ("o", 2, FormatSpec("JSON"), TimestampSpec("T"))


def test_a_result_without_a_key_has_no_key_format() -> None:
    world = World({"ksql.persistence.default.format.key": "JSON"})
    world.run("CREATE STREAM S (K INT KEY, V INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');")
    assert world.plan("CREATE STREAM BARE AS SELECT * FROM S PARTITION BY NULL;").key_format == FormatSpec("NONE")
    assert world.plan("CREATE STREAM KEYED AS SELECT * FROM BARE PARTITION BY V;").key_format == FormatSpec("JSON")
    with pytest.raises(SqlError, match="Key format specified for stream without key columns"):
        world.plan("CREATE STREAM BAD WITH (KEY_FORMAT='JSON') AS SELECT * FROM S PARTITION BY NULL;")


def test_what_a_statement_says_of_its_topic() -> None:
    statement = parse_one("CREATE STREAM S (V INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON', PARTITIONS=2, REPLICAS='3', RETENTION_MS=-1);")
    assert isinstance(statement, ast.CreateSource)
    spec = topic_spec(statement)
    assert (spec.name, spec.partitions, spec.replicas, spec.retention_ms) == ("t", 2, 3, -1)
    assert topic_spec(replace(statement, properties={"KAFKA_TOPIC": "x"})).partitions is None
    with pytest.raises(SqlError, match="KAFKA_TOPIC is empty"):
        topic_spec(replace(statement, properties={"KAFKA_TOPIC": ""}))


def test_properties_are_named_once_and_documented() -> None:
    names = [p.name for p in PROPERTIES]
    assert len(set(names)) == len(names)
    assert all(p.documentation.endswith(".") and p.places for p in PROPERTIES)


STREAM = "CREATE STREAM S (K INT KEY, V INT, W STRING) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON', {});"


@pytest.mark.parametrize(("statement", "message"), [
    (STREAM.format("VALUE_FROMAT='JSON'"), "Invalid config variable(s) in the WITH clause: VALUE_FROMAT. Did you mean VALUE_FORMAT"),
    (STREAM.format("PARTITIONS='many'"), "Invalid value 'many' for configuration PARTITIONS: expected an integer. Write PARTITIONS=4."),
    (STREAM.format("FORMAT='JSON'"), "Cannot supply both 'VALUE_FORMAT' and 'FORMAT' properties"),
    (STREAM.format("KEY_FORMAT='JSN'"), "Unknown format: JSN. Did you mean JSON"),
    (STREAM.format("VALUE_DELIMITER=';'"), "JSON does not support the following configs: [delimiter]."),
    (STREAM.format("VALUE_SCHEMA_FULL_NAME='x'"), "JSON does not support the following configs: [fullSchemaName]."),
    (STREAM.replace("JSON", "AVRO").format("VALUE_SCHEMA_FULL_NAME=' '"), "The full name of the value's schema is empty"),
    (STREAM.replace("JSON", "AVRO").format("VALUE_AVRO_SCHEMA_FULL_NAME=''"), "The full name of the value's schema is empty"),
    (STREAM.replace("JSON", "AVRO").format("VALUE_SCHEMA_FULL_NAME='com.1st-acme'"), "'com.1st-acme' cannot be the full name of a schema."),
    (STREAM.format("KEY_SCHEMA_ID=1"), "KEY_FORMAT should support schema inference when KEY_SCHEMA_ID is provided. Current format is KAFKA."),
    (STREAM.format("WRAP_SINGLE_VALUE=true"), "'WRAP_SINGLE_VALUE' is only valid for single-field value schemas."),
    (STREAM.format("TIMESTAMP='X'"), "The TIMESTAMP column set in the WITH clause does not exist in the schema: 'X'."),
    (STREAM.format("TIMESTAMP='V'"), "should be LONG(INT64), TIMESTAMP, or a String with a timestamp_format specified, but is INTEGER."),
    (STREAM.format("TIMESTAMP='W', TIMESTAMP_FORMAT='noon'"), "has an unknown letter 'o'; quote it if it is text."),
    (STREAM.format("TIMESTAMP='W'"), "A String timestamp field has been specified without also specifying the timestamp_format."),
    (STREAM.format("TIMESTAMP_FORMAT='yyyy'"), "'TIMESTAMP_FORMAT' is only of use with 'TIMESTAMP'."),
    (STREAM.format("WINDOW_TYPE='TUMBLING'"), "'WINDOW_SIZE' must be provided for TUMBLING and HOPPING windows."),
    (STREAM.format("WINDOW_TYPE='SESSION', WINDOW_SIZE='1 HOUR'"), "'WINDOW_SIZE' should not be set for SESSION windows."),
    (STREAM.format("WINDOW_TYPE='TUMBLING', WINDOW_SIZE='30 bobs'"), "Configuration WINDOW_SIZE is invalid: Invalid duration: '30 bobs'. Unknown ti"),
    (STREAM.format("WINDOW_TYPE='TUMBLE', WINDOW_SIZE='1 DAY'"), "Configuration WINDOW_TYPE is invalid: 'TUMBLE'. Did you mean TUMBLING?"),
    ("CREATE STREAM S (V INT) WITH (VALUE_FORMAT='JSON');", "Missing required property 'KAFKA_TOPIC' which has no default value."),
    ("CREATE STREAM S (V INT) WITH (KAFKA_TOPIC='t');", "Statement is missing the 'VALUE_FORMAT' property from the WITH clause."),
    ("CREATE STREAM S WITH (KAFKA_TOPIC='t', VALUE_FORMAT='KAFKA');", "No columns supplied."),
    ("CREATE STREAM S WITH (KAFKA_TOPIC='x', VALUE_FORMAT='AVRO');", "Schema for message values on topic 'x' does not exist in the Schema Registry"),
    ("CREATE TABLE T (V INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');", "Tables require a PRIMARY KEY. Please define the PRIMARY KEY."),
    ("CREATE TABLE T (V INT KEY) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');", "Line 1:17: Column `V` is a 'KEY' column: please use 'PRIMARY KEY'"),
    ("CREATE STREAM S (V INT PRIMARY KEY) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');", "is a 'PRIMARY KEY' column: please use 'KEY' for streams."),
    ("CREATE STREAM S (ROWTIME INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');", "'ROWTIME' is a reserved column name."),
    ("CREATE STREAM S (V INT, V INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');", "Duplicate value columns found in schema: `V` INTEGER."),
    ("CREATE STREAM S (V FOO) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');", "Cannot resolve unknown type: FOO."),
    ("CREATE STREAM S (K MAP<STRING, INT> KEY, V INT) WITH (KAFKA_TOPIC='t', FORMAT='JSON');", "Map keys, including types that contain maps, are no"),
    ("CREATE STREAM S (K BOOLEAN KEY, V INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');", "Key format does not support schema: "),
    ("CREATE STREAM S (V INT, W INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='KAFKA');", "The 'KAFKA' format only supports a single field."),
    ("CREATE STREAM S (V INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='DELIMITED', WRAP_SINGLE_VALUE=true);", "does not support 'WRAP_SINGLE_VALUE' set"),
    ("CREATE STREAM S (V INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON', WINDOW_TYPE='SESSION');", "Windowed sources require a key column."),
    ("CREATE STREAM S (V INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='AVRO', VALUE_SCHEMA_ID=1);", "Table elements and VALUE_SCHEMA_ID cannot both exi"),
    ("CREATE STREAM S (H INT HEADER('x')) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');", "Invalid type for HEADER('x') column: expected BYTES, got"),
    ("CREATE OR REPLACE SOURCE STREAM S (V INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');", "CREATE OR REPLACE is not supported on source stream"),
])  # fmt: skip
def test_refusals(statement: str, message: str) -> None:
    with pytest.raises(SqlError) as error:
        made(statement)
    assert message in str(error.value)
    assert error.value.position is not None
    assert "\n" not in str(error.value)


def test_a_pinned_schema_is_what_the_result_must_be() -> None:
    world = World(ids={1: (Column("A", INTEGER), Column("B", STRING)), 2: (Column("B", STRING), Column("A", INTEGER)), 3: (Column("A", Struct(())),),
                       4: (Column("ROWVAL", INTEGER),), 5: (Column("ROWVAL", STRING),)})
    world.run("CREATE STREAM S (A INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');")
    world.plan("CREATE STREAM OK WITH (VALUE_FORMAT='AVRO', VALUE_SCHEMA_ID=1) AS SELECT A FROM S;")
    with pytest.raises(SqlError, match=r"The following value columns are changed, missing or reordered: \[`A` INTEGER\]"):
        world.plan("CREATE STREAM BAD WITH (VALUE_FORMAT='AVRO', VALUE_SCHEMA_ID=2) AS SELECT A FROM S;")
    world.plan("CREATE STREAM UNWRAPPED WITH (VALUE_FORMAT='AVRO', VALUE_SCHEMA_ID=4, WRAP_SINGLE_VALUE=FALSE) AS SELECT A FROM S;")
    with pytest.raises(SqlError, match=r"missing or reordered: \[`A` INTEGER\]. Schema from schema registry is \[`ROWVAL` STRING\]"):
        world.plan("CREATE STREAM BAD WITH (VALUE_FORMAT='AVRO', VALUE_SCHEMA_ID=5, WRAP_SINGLE_VALUE=FALSE) AS SELECT A FROM S;")
    with pytest.raises(SqlError, match="There is no schema with the id 9"):
        world.plan("CREATE STREAM BAD WITH (VALUE_FORMAT='AVRO', VALUE_SCHEMA_ID=9) AS SELECT A FROM S;")
