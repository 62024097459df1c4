"""JSON_SR: JSON behind a schema id, and the schemas of Connect."""

from __future__ import annotations

import json

import pytest
from tests.formats.codec import BARE, KEY, VALUE, columns, decode, encode, rows

from penstock.errors import SchemaError
from penstock.formats import RowError, infer_columns, register_schema
from penstock.registry.embedded import EmbeddedRegistry
from penstock.registry.model import Schema
from penstock.sql import types as sql

ALL = columns(A=sql.INTEGER, B=sql.BIGINT, C=sql.DOUBLE, D=sql.BOOLEAN, E=sql.STRING, F=sql.BYTES, G=sql.Decimal(6, 2), H=sql.DATE, I=sql.TIME,
              J=sql.TIMESTAMP, K=sql.Array(sql.BIGINT), L=sql.Map(sql.STRING, sql.DOUBLE), M=sql.Struct((sql.Field("X", sql.STRING),)))


def test_the_schema_tells_the_columns_again(schemas: EmbeddedRegistry) -> None:
    assert register_schema("JSON_SR", ALL, VALUE, schemas) == 1
    assert infer_columns("JSON_SR", VALUE, schemas) == ALL
    assert json.loads(schemas.by_id(1).text)["properties"]["A"] == {
        "connect.index": 0, "oneOf": [{"type": "null"}, {"type": "integer", "connect.type": "int32"}]}


@pytest.mark.parametrize("many", [1, 40])
def test_records(schemas: EmbeddedRegistry, many: int) -> None:
    wanted = columns(A=sql.INTEGER, B=sql.STRING)
    data = encode("JSON_SR", wanted, [(1, "x"), None, (None, None)] * many, schemas=schemas)
    assert data[0] == b'\0\0\0\0\1{"A":1,"B":"x"}'
    assert rows(decode("JSON_SR", wanted, data, schemas=schemas)) == [(1, "x"), None, (None, None)] * many
    bad = decode("JSON_SR", wanted, [b'{"A":1}', b"\0\0\0\0\x4d{}", b"\0", b"\0\0\0\0\1{", b"\0\0\0\0\1", *data], schemas=schemas)
    assert [e.reason for e in bad.errors] == [
        "not JSON with a schema id: it must begin with a zero byte and the id's four bytes", "unknown schema id 77",
        "not JSON with a schema id: it must begin with a zero byte and the id's four bytes", "not JSON: it breaks off at byte 1",
        "not JSON: it is empty"]
    assert rows(bad)[5:] == [(1, "x"), None, (None, None)] * many
    assert bad.errors[0] == RowError(0, bad.errors[0].reason)


def test_inference(schemas: EmbeddedRegistry) -> None:
    schema = {"type": "object", "properties": {
        "n": {"type": "integer"}, "s": {"type": ["null", "string"]}, "m": {"type": "object", "additionalProperties": {"type": "number"}},
        "r": {"$ref": "#/definitions/part"}, "e": {"enum": ["a", "b"]}},
        "definitions": {"part": {"type": "object", "properties": {"x": {"type": "boolean"}}}}}
    schemas.register("topic-value", Schema(json.dumps(schema), "JSON"))
    expected = columns(N=sql.BIGINT, S=sql.STRING, M=sql.Map(sql.STRING, sql.DOUBLE), R=sql.Struct((sql.Field("X", sql.BOOLEAN),)), E=sql.STRING)
    assert infer_columns("JSON_SR", VALUE, schemas) == expected
    assert [c.name for c in infer_columns("JSON_SR", BARE, schemas)] == ["ROWVAL"]
    schemas.register("topic-key", Schema('{"oneOf": [{"type": "null"}, {"type": "integer", "connect.type": "int32"}]}', "JSON"))
    assert infer_columns("JSON_SR", KEY, schemas) == columns(ROWKEY=sql.INTEGER)


def connect_decimal(**parameters: object) -> Schema:
    title = "org.apache.kafka.connect.data.Decimal"
    part = {"type": "number", "title": title, "connect.type": "bytes", "connect.parameters": {k.replace("_", "."): v for k, v in parameters.items()}}
    return Schema(json.dumps({"type": "object", "properties": {"d": part}}), "JSON")


def test_a_decimal_of_more_digits_than_a_column_has_is_the_widest(schemas: EmbeddedRegistry) -> None:
    schemas.register("topic-value", connect_decimal(connect_decimal_precision="64", scale="2"))
    assert infer_columns("JSON_SR", VALUE, schemas) == columns(D=sql.Decimal(38, 2))


@pytest.mark.parametrize(("precision", "scale"), [("38", "40"), ("5", "-2"), ("0", "0"), ("many", "2"), (None, "2")])
def test_a_decimal_that_is_none_is_refused(schemas: EmbeddedRegistry, precision: object, scale: object) -> None:
    schemas.register("topic-value", connect_decimal(connect_decimal_precision=precision, scale=scale))
    with pytest.raises(SchemaError, match=rf"topic-value\.d is a decimal of precision {precision} and scale {scale}, which no DECIMAL is"):
        infer_columns("JSON_SR", VALUE, schemas)


def test_a_schema_of_another_kind_is_refused(schemas: EmbeddedRegistry) -> None:
    schemas.register("topic-value", Schema('"int"'))
    with pytest.raises(SchemaError, match="is of type AVRO, but the JSON_SR format needs JSON"):
        infer_columns("JSON_SR", VALUE, schemas)
