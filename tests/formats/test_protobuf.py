"""PROTOBUF and PROTOBUF_NOSR: messages by their schemas, defaults and NULL, references, and the places of messages."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from tests.formats.codec import KEY, VALUE, columns, decode, encode, rows

from penstock.errors import SchemaError, SqlError
from penstock.formats import Column, RowError, SerdeOptions, infer_columns, register_schema
from penstock.registry.embedded import EmbeddedRegistry
from penstock.registry.model import Reference, Schema
from penstock.sql import types as sql

PRIMITIVES = columns(I=sql.INTEGER, L=sql.BIGINT, D=sql.DOUBLE, B=sql.BOOLEAN, S=sql.STRING)
ALL = [*PRIMITIVES, *columns(Y=sql.BYTES, N=sql.Decimal(6, 2), DAY=sql.DATE, T=sql.TIME, TS=sql.TIMESTAMP, A=sql.Array(sql.BIGINT),
                             M=sql.Map(sql.STRING, sql.DOUBLE), R=sql.Struct((sql.Field("X", sql.INTEGER), sql.Field("Z", sql.Array(sql.STRING)))))]
FULL = (1, 1 << 40, 0.5, True, "é", b"\xff", Decimal("-12.50"), datetime.date(2020, 1, 1), datetime.time(1, 2, 3, 4000),
        datetime.datetime(1969, 12, 31, 23, 59, 59, 500000), [1, 2], [("k", 1.5)], {"X": 7, "Z": ["a"]})


def options(word: str) -> SerdeOptions:
    return SerdeOptions(False, "topic-value", properties={"nullable_representation": word})


@pytest.mark.parametrize("name", ["PROTOBUF", "PROTOBUF_NOSR"])
def test_every_type_goes_there_and_back(name: str, schemas: EmbeddedRegistry) -> None:
    data = encode(name, ALL, [FULL, None, (None,) * 13], schemas=schemas)
    assert rows(decode(name, ALL, data, schemas=schemas)) == [FULL, None, (0, 0, 0.0, False, "", None, None, None, None, None, [], [], None)]


@pytest.mark.parametrize("name", ["PROTOBUF", "PROTOBUF_NOSR"])
@pytest.mark.parametrize("word", ["OPTIONAL", "WRAPPER"])
def test_null_can_be_told_from_a_default(name: str, word: str, schemas: EmbeddedRegistry) -> None:
    cells: list[Any] = [(None, 0, None, False, None), (0, None, 0.0, None, "")]
    data = encode(name, PRIMITIVES, cells, options(word), schemas)
    assert rows(decode(name, PRIMITIVES, data, options(word), schemas)) == cells


def test_the_schema_written(schemas: EmbeddedRegistry) -> None:
    register_schema("PROTOBUF", PRIMITIVES[:2], options("OPTIONAL"), schemas)
    assert schemas.by_id(1).text == 'syntax = "proto3";\n\nmessage ConnectDefault1 {\n  optional int32 I = 1;\n  optional int64 L = 2;\n}\n'
    register_schema("PROTOBUF", ALL, SerdeOptions(False, "all-value"), schemas)
    assert infer_columns("PROTOBUF", SerdeOptions(False, "all-value"), schemas) == ALL


def register(schemas: EmbeddedRegistry, text: str, *references: Reference, subject: str = "topic-value", id_: int | None = None) -> int:
    return schemas.register(subject, Schema(text, "PROTOBUF", references), id=id_)


def test_inference(schemas: EmbeddedRegistry) -> None:
    register(schemas, """syntax = "proto3"; import "confluent/type/decimal.proto";
        message M { float c1 = 1; uint32 c2 = 2; uint64 c3 = 3; sint32 c4 = 4; enum E {A = 0; B = 1;} E c5 = 5; repeated string c6 = 6;
        message In {int32 f1 = 1;} In c7 = 7; map<string, In> c8 = 8; oneof o {string c9 = 9; int32 c10 = 10;}
        confluent.type.Decimal c11 = 11 [(confluent.field_meta) = { params: [{ value: "4", key: "precision" }, { value: "2", key: "scale" }]}]; }""")
    inner = sql.Struct((sql.Field("F1", sql.INTEGER),))
    wanted = infer_columns("PROTOBUF", VALUE, schemas)
    assert wanted == columns(C1=sql.DOUBLE, C2=sql.BIGINT, C3=sql.BIGINT, C4=sql.INTEGER, C5=sql.STRING, C6=sql.Array(sql.STRING), C7=inner,
                             C8=sql.Map(sql.STRING, inner), C9=sql.STRING, C10=sql.INTEGER, C11=sql.Decimal(4, 2))
    pinned = SerdeOptions(False, "topic-value", schema_id=1)
    named = infer_columns("PROTOBUF", pinned, schemas)
    assert [c.name for c in named] == [f"c{i}" for i in range(1, 12)]
    cells = (1.1233999729156494, 3, 4, -5, "B", ["a", ""], {"f1": 1}, [("k", {"f1": 2})], "nine", None, Decimal("10.01"))
    data = encode("PROTOBUF", named, [cells], pinned, schemas)
    assert data[0] is not None
    assert data[0][:6] == b"\0\0\0\0\1\0"
    assert rows(decode("PROTOBUF", named, data, pinned, schemas)) == [cells]


def test_one_message_of_several(schemas: EmbeddedRegistry) -> None:
    register(schemas, 'syntax = "proto3"; message A {float c1 = 1;} message B {uint32 c1 = 1;}')
    chosen = SerdeOptions(False, "topic-value", full_schema_name="B", schema_id=1)
    wanted = [Column("c1", sql.BIGINT)]
    assert infer_columns("PROTOBUF", chosen, schemas) == wanted
    data = encode("PROTOBUF", wanted, [(100,)], chosen, schemas)
    assert data == [b"\0\0\0\0\1\x02\x02\x08\x64"]
    assert rows(decode("PROTOBUF", wanted, data, chosen, schemas)) == [(100,)]
    with pytest.raises(SchemaError, match=r"has no message C\. It has A, B\."):
        infer_columns("PROTOBUF", SerdeOptions(False, "topic-value", full_schema_name="C"), schemas)


def test_references(schemas: EmbeddedRegistry) -> None:
    register(schemas, 'syntax = "proto3"; message Event { int64 timestamp = 1; }', subject="event")
    register(schemas, 'syntax = "proto3"; import "event.proto"; message Logistics { Event event = 1; }', Reference("event.proto", "event", 1))
    wanted = infer_columns("PROTOBUF", VALUE, schemas)
    assert wanted == columns(EVENT=sql.Struct((sql.Field("TIMESTAMP", sql.BIGINT),)))
    assert rows(decode("PROTOBUF", wanted, [b"\0\0\0\0\2\0\x0a\x02\x08\x01"], schemas=schemas)) == [({"TIMESTAMP": 1},)]


def test_bad_records_say_why(schemas: EmbeddedRegistry) -> None:
    register(schemas, 'syntax = "proto3"; message A {int32 I = 1;}')
    data = [b"{}", b"\0\0\0\0\x4d\0", b"\0\0\0\0\1\0\x08", b"\0\0\0\0\1\x02\x0a\x08\1", b"\0\0\0\0\1\0\x08\5"]
    decoded = decode("PROTOBUF", columns(I=sql.INTEGER), data, schemas=schemas)
    assert rows(decoded) == [None] * 4 + [(5,)]
    assert decoded.errors == [
        RowError(0, "not Protobuf with a schema id: it must begin with a zero byte, the id's four bytes and the message's place"),
        RowError(1, "unknown schema id 77"), RowError(2, "not a message A: its bytes are malformed"),
        RowError(3, "the schema of id 1 has no message at the place [5]")]


@pytest.mark.parametrize("type_", [
    sql.Array(sql.Array(sql.INTEGER)), sql.Map(sql.STRING, sql.Array(sql.INTEGER)), sql.Struct((sql.Field("F", sql.Array(sql.Array(sql.INTEGER))),)),
])  # fmt: skip
def test_a_schema_without_the_columns_array_or_map_is_a_bad_record(type_: sql.SqlType, schemas: EmbeddedRegistry) -> None:
    register(schemas, 'syntax = "proto3"; message A {int32 V = 1;}')
    decoded = decode("PROTOBUF", columns(V=type_), [b"\0\0\0\0\1\0\x08\5"], schemas=schemas)
    assert [e.row for e in decoded.errors] == [0]


def test_keys_are_always_wrapped(schemas: EmbeddedRegistry) -> None:
    data = encode("PROTOBUF", columns(F1=sql.BOOLEAN), [(True,), (None,), None], KEY, schemas)
    assert rows(decode("PROTOBUF", columns(F1=sql.BOOLEAN), data, KEY, schemas)) == [(True,), (False,), None]


def test_columns_that_protobuf_cannot_hold() -> None:
    with pytest.raises(SqlError, match="PROTOBUF format only supports MAP types with STRING keys"):
        encode("PROTOBUF", columns(M=sql.Map(sql.INTEGER, sql.DOUBLE)), [])
    with pytest.raises(SqlError, match="the name a-b is not one of letters"):
        encode("PROTOBUF", [Column("a-b", sql.INTEGER)], [])
