"""AVRO: Confluent's wire form, the evolution of schemas, ksqlDB's naming, and whole batches against single records."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.formats.codec import BARE, KEY, VALUE, columns, decode, encode, rows

from penstock.errors import SchemaError, SqlError
from penstock.formats import Column, RowError, SerdeOptions, decoder, encoder, infer_columns, register_schema
from penstock.formats.avro import AvroDecoder, AvroEncoder
from penstock.formats.rows import decode_rows, encode_rows, plain_values
from penstock.registry.embedded import EmbeddedRegistry
from penstock.registry.model import Reference, Schema
from penstock.registry.store import MemoryStore
from penstock.sql import types as sql
from penstock.sql.types import arrow_type


def write(schema: Any, id_: int, record: Any) -> bytes:
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(schema), record)
    return b"\0" + id_.to_bytes(4, "big") + stream.getvalue()


READING = {"type": "record", "name": "reading", "fields": [
    {"name": "plant_id", "type": "int"}, {"name": "moisture", "type": "float"}, {"name": "temperature", "type": "float"}]}
SQL_READING = columns(PLANT_ID=sql.INTEGER, MOISTURE=sql.DOUBLE, TEMPERATURE=sql.DOUBLE)


def test_columns_come_from_the_schema(schemas: EmbeddedRegistry) -> None:
    schemas.register("topic-value", Schema(json.dumps(READING)))
    assert infer_columns("AVRO", VALUE, schemas) == SQL_READING


def test_records_of_several_schemas_are_read_by_name(schemas: EmbeddedRegistry) -> None:
    newer = {**READING, "fields": [
        {"name": "note", "type": "string", "default": ""}, *READING["fields"], {"name": "battery", "type": "int", "default": 9}]}
    first = schemas.register("topic-value", Schema(json.dumps(READING)))
    second = schemas.register("topic-value", Schema(json.dumps(newer)))
    wanted = [*SQL_READING, Column("BATTERY", sql.INTEGER)]
    old = write(READING, first, {"plant_id": 1, "moisture": 2.5, "temperature": 3.5})
    new = write(newer, second, {"plant_id": 2, "moisture": 0.5, "temperature": 1.5, "note": "x", "battery": 7})
    decoded = decode("AVRO", wanted, [old, new, None, b"\0\0\0\0\x4d\1", b"{}", old + b"\0"] * 20, schemas=schemas)
    assert rows(decoded) == [(1, 2.5, 3.5, None), (2, 0.5, 1.5, 7), None, None, None, None] * 20
    assert list(decoded.errors[:3]) == [
        RowError(3, "unknown schema id 77"), RowError(4, "not Avro with a schema id: it must begin with a zero byte and the id's four bytes"),
        RowError(5, "not a record of its schema: 1 bytes are left behind it")]


def test_the_schema_written(schemas: EmbeddedRegistry) -> None:
    wanted = columns(A=sql.INTEGER, D=sql.Decimal(4, 2), T=sql.TIMESTAMP, M=sql.Map(sql.STRING, sql.INTEGER),
                     S=sql.Struct((sql.Field("X", sql.Array(sql.STRING)),)))
    id_ = register_schema("AVRO", wanted, VALUE, schemas)
    assert id_ == 1
    schema = json.loads(schemas.by_id(1).text)
    assert (schema["namespace"], schema["name"]) == ("io.confluent.ksql.avro_schemas", "KsqlDataSourceSchema")
    assert schema["connect.name"] == "io.confluent.ksql.avro_schemas.KsqlDataSourceSchema"
    types = {f["name"]: f["type"][1] for f in schema["fields"]}
    assert all(f["default"] is None and f["type"][0] == "null" for f in schema["fields"])
    assert types["A"] == "int"
    assert types["D"]["logicalType"] == "decimal"
    assert types["T"]["logicalType"] == "timestamp-millis"
    assert types["M"]["items"]["name"] == "KsqlDataSourceSchema_M"
    assert types["M"]["items"]["connect.internal.type"] == "MapEntry"
    assert types["S"]["name"] == "KsqlDataSourceSchema_S"
    assert infer_columns("AVRO", VALUE, schemas) == wanted
    named = register_schema("AVRO", wanted, SerdeOptions(True, "other-key", full_schema_name="com.acme.Key"), schemas)
    assert named is not None
    assert json.loads(schemas.by_id(named).text)["namespace"] == "com.acme"


ALL = columns(A=sql.INTEGER, B=sql.BIGINT, C=sql.DOUBLE, D=sql.BOOLEAN, E=sql.STRING, F=sql.BYTES, G=sql.Decimal(6, 2), H=sql.DATE, I=sql.TIME,
              J=sql.TIMESTAMP, K=sql.Array(sql.BIGINT), L=sql.Map(sql.STRING, sql.DOUBLE),
              M=sql.Struct((sql.Field("X", sql.STRING), sql.Field("Y", sql.Map(sql.STRING, sql.INTEGER)))))


def test_every_type_goes_there_and_back(schemas: EmbeddedRegistry) -> None:
    full = (1, 2, 0.5, True, "é", b"\xff", Decimal("-1234.50"), 18262, 3_600_000_000, 1_500_000, [1, None], [("k", 1.5), ("n", None)],
            {"X": "x", "Y": [("a", 1)]})
    data = encode("AVRO", ALL, [full, (None,) * 13, None], schemas=schemas)
    decoded = decode("AVRO", ALL, data, schemas=schemas)
    assert not decoded.errors
    assert [c.to_pylist() for c in decoded.columns] == [
        pa.array([full[i], None, None], arrow_type(c.type)).to_pylist() for i, c in enumerate(ALL)]
    assert decoded.present.to_pylist() == [True, True, False]


def test_values_are_coerced(schemas: EmbeddedRegistry) -> None:
    schema = {"type": "map", "values": ["null", "int"]}
    id_ = schemas.register("topic-value", Schema(json.dumps(schema)))
    decoded = decode("AVRO", columns(M=sql.Map(sql.STRING, sql.STRING)), [write(schema, id_, {"a": 1, "b": None})], BARE, schemas)
    assert rows(decoded) == [([("a", "1"), ("b", None)],)]


def test_a_decimal_of_more_digits_than_a_column_has_is_the_widest(schemas: EmbeddedRegistry) -> None:
    wide = {"type": "bytes", "logicalType": "decimal", "precision": 64, "scale": 2}
    schema = {"type": "record", "name": "R", "fields": [{"name": "V", "type": wide}]}
    id_ = schemas.register("topic-value", Schema(json.dumps(schema)))
    wanted = columns(V=sql.Decimal(38, 2))
    assert infer_columns("AVRO", VALUE, schemas) == wanted
    # written by hand: a length and so many bytes
    data = [b"\0" + id_.to_bytes(4, "big") + body for body in (b"\x02\x7d", b"\x24\x01" + bytes(17))]
    decoded = decode("AVRO", wanted, data, schemas=schemas)
    assert rows(decoded) == [(Decimal("1.25"),), None]
    assert "has more than 36 digits before the point" in decoded.errors[0].reason


def test_a_decimal_without_a_precision_is_refused(schemas: EmbeddedRegistry) -> None:
    schemas.register("topic-value", Schema('{"type":"record","name":"R","fields":[{"name":"V","type":{"type":"bytes","logicalType":"decimal"}}]}'))
    with pytest.raises(SchemaError, match=r"topic-value\.V is a decimal of precision None and scale 0, which no DECIMAL is"):
        infer_columns("AVRO", VALUE, schemas)


@pytest.mark.parametrize(
    ("avro", "value", "type_", "read"),
    [
        ("double", 1.25, sql.STRING, "1.25"),
        ("double", 1e10, sql.STRING, "1.0E10"),
        ("double", 1.25, sql.Decimal(4, 2), Decimal("1.25")),
        ("double", 0.1, sql.Decimal(4, 2), Decimal("0.10")),
        ("double", 1.255, sql.Decimal(4, 2), None),
        ("double", float("nan"), sql.Decimal(4, 2), None),
        ({"type": "array", "items": "double"}, [0.5, 2.0], sql.STRING, "[0.5,2.0]"),
        ({"type": "array", "items": "double"}, [0.5, 2.0], sql.Array(sql.STRING), ["0.5", "2.0"]),
        ({"type": "map", "values": "double"}, {"a": 0.5}, sql.STRING, '{"a":0.5}'),
        ({"type": "map", "values": "double"}, {"a": 0.5}, sql.Map(sql.STRING, sql.Decimal(2, 1)), [("a", Decimal("0.5"))]),
    ],
)
def test_fractions_are_read_as_text_and_decimals(schemas: EmbeddedRegistry, avro: Any, value: Any, type_: sql.SqlType, read: Any) -> None:
    schema = {"type": "record", "name": "R", "fields": [{"name": "V", "type": avro}]}
    id_ = schemas.register("topic-value", Schema(json.dumps(schema)))
    decoded = decode("AVRO", columns(V=type_), [write(schema, id_, {"V": value})], schemas=schemas)
    if read is None:
        assert [e.row for e in decoded.errors] == [0]
    else:
        assert (rows(decoded), decoded.errors) == ([(read,)], [])


def test_bare_values_and_keys(schemas: EmbeddedRegistry) -> None:
    data = encode("AVRO", columns(K=sql.STRING), [("x",), (None,), None], KEY, schemas)
    assert data == [b"\0\0\0\0\1\x02x", None, None]
    assert schemas.by_id(1).text == '"string"'
    assert rows(decode("AVRO", columns(K=sql.STRING), data * 30, KEY, schemas)) == [("x",), None, None] * 30
    assert infer_columns("AVRO", KEY, schemas) == columns(ROWKEY=sql.STRING)
    several = columns(A=sql.INTEGER, B=sql.STRING)
    options = SerdeOptions(True, "many-key")
    assert rows(decode("AVRO", several, encode("AVRO", several, [(1, "b")], options, schemas), options, schemas)) == [(1, "b")]


def test_a_pinned_schema_is_written_with_its_defaults(schemas: EmbeddedRegistry) -> None:
    schema = {"type": "record", "name": "T", "fields": [
        {"name": "eventID", "type": "string"}, {"name": "n", "type": "int", "default": 5}, {"name": "opt", "type": "string", "default": "foo"}]}
    schemas.register("topic-value", Schema(json.dumps(schema)), id=102)
    options = SerdeOptions(False, "topic-value", schema_id=102)
    assert infer_columns("AVRO", options, schemas) == [Column("eventID", sql.STRING), Column("n", sql.INTEGER), Column("opt", sql.STRING)]
    wanted = [Column("eventID", sql.STRING), Column("n", sql.INTEGER)]
    data = encode("AVRO", wanted, [("1", None)], options, schemas)
    assert data == [write(schema, 102, {"eventID": "1", "n": 5, "opt": "foo"})]
    arrays = [pa.array([None], pa.string()), pa.array([1], pa.int32())]
    encoded = encoder("AVRO", wanted, options, schemas)(arrays, pa.array([True]))
    assert encoded.errors == [RowError(0, "eventID: NULL cannot be written: the schema has string here, without null and without a default")]


def test_another_producers_schema_serves_where_it_has_the_same_columns(schemas: EmbeddedRegistry) -> None:
    wanted = columns(PLANT_ID=sql.INTEGER, MOISTURE=sql.DOUBLE, TEMPERATURE=sql.DOUBLE)
    schemas.register("topic-value", Schema(json.dumps(READING)))
    assert register_schema("AVRO", wanted, VALUE, schemas) == 1
    for many in (1, 100):
        data = encode("AVRO", wanted, [(1, 2.5, 3.5)] * many, schemas=schemas)
        assert data == [write(READING, 1, {"plant_id": 1, "moisture": 2.5, "temperature": 3.5})] * many
    with pytest.raises(SchemaError, match="changed its name from reading to KsqlDataSourceSchema"):
        register_schema("AVRO", wanted[:2], VALUE, schemas)
    schemas.register("map-value", Schema('{"type":"map","values":"int"}'))
    bare = SerdeOptions(False, "map-value", wrap_single=False)
    mapped = columns(M=sql.Map(sql.STRING, sql.INTEGER))
    data = encode("AVRO", mapped, [([("a", 1)],)], bare, schemas)
    assert data == [write({"type": "map", "values": "int"}, 2, {"a": 1})]
    assert rows(decode("AVRO", mapped, data, bare, schemas)) == [([("a", 1)],)]


def test_references_are_followed(schemas: EmbeddedRegistry) -> None:
    part = {"type": "record", "name": "Part", "namespace": "acme", "fields": [{"name": "x", "type": "int"}]}
    schemas.register("part", Schema(json.dumps(part)))
    whole = {"type": "record", "name": "Whole", "fields": [{"name": "p", "type": "acme.Part"}]}
    schemas.register("topic-value", Schema(json.dumps(whole), references=(Reference("acme.Part", "part", 1),)))
    wanted = infer_columns("AVRO", VALUE, schemas)
    assert wanted == columns(P=sql.Struct((sql.Field("X", sql.INTEGER),)))
    assert rows(decode("AVRO", wanted, [b"\0\0\0\0\2\x0a"], schemas=schemas)) == [({"X": 5},)]


@pytest.mark.parametrize(("wanted", "reason"), [
    ([Column("1st", sql.DOUBLE), Column("B", sql.DOUBLE)], "Schema is not compatible with Avro: Illegal initial character: 1st"),
    (columns(M=sql.Map(sql.INTEGER, sql.DOUBLE)), "Avro only supports MAPs with STRING keys"),
])
def test_columns_that_avro_cannot_hold(wanted: list[Column], reason: str, schemas: EmbeddedRegistry) -> None:
    with pytest.raises(SqlError, match=reason):
        encoder("AVRO", wanted, VALUE, schemas)


def test_no_schema_is_an_error(schemas: EmbeddedRegistry) -> None:
    with pytest.raises(SchemaError, match="There is no schema for subject topic-value"):
        infer_columns("AVRO", VALUE, schemas)


# ------------------------------------------------------------------------ whole batches against single records

SCALARS = columns(A=sql.INTEGER, B=sql.BIGINT, C=sql.DOUBLE, D=sql.BOOLEAN, E=sql.STRING, F=sql.BYTES, H=sql.DATE, I=sql.TIME, J=sql.TIMESTAMP)
CELLS = st.tuples(
    st.none() | st.integers(-(1 << 31), (1 << 31) - 1), st.none() | st.integers(-(1 << 63), (1 << 63) - 1), st.none() | st.floats(),
    st.none() | st.booleans(), st.none() | st.text(max_size=100), st.none() | st.binary(max_size=100),
    st.none() | st.integers(-(1 << 31), (1 << 31) - 1), st.none() | st.integers(0, 86_399_999).map(lambda ms: ms * 1000),
    st.none() | st.integers(-(1 << 52), 1 << 52).map(lambda ms: ms * 1000),
)


def exact_decoder(wanted: list[Column], schemas: EmbeddedRegistry) -> AvroDecoder:
    made = decoder("AVRO", wanted, VALUE, schemas)
    assert isinstance(made, AvroDecoder)
    return made


@settings(max_examples=100, deadline=None)
@given(st.lists(st.none() | CELLS, min_size=1, max_size=8), st.data())
def test_batches_are_as_records(sample: list[tuple[Any, ...] | None], data: st.DataObject) -> None:
    schemas = EmbeddedRegistry(MemoryStore())
    cells = sample * (1 + 64 // len(sample))
    arrays = [pa.array([None if r is None else r[i] for r in cells], arrow_type(c.type)) for i, c in enumerate(SCALARS)]
    present = pa.array([r is not None for r in cells])
    quick = encoder("AVRO", SCALARS, VALUE, schemas)
    assert isinstance(quick, AvroEncoder)
    assert quick.columnar
    written = quick(arrays, present)
    assert written.data.to_pylist() == encode_rows(SCALARS, quick.encode_row, arrays, present).data.to_pylist()
    records = written.data.to_pylist()
    for row in data.draw(st.lists(st.integers(0, len(records) - 1), max_size=4)):
        record = records[row]
        if record is not None:  # break it: cut, lengthened, or with a byte changed
            place = data.draw(st.integers(5, len(record)))
            records[row] = data.draw(st.sampled_from([record[:place], record + b"\0", record[:place] + b"\xff" + record[place + 1:],
                                                      record[:place] + b"\x04" + record[place + 1:], record[:5] + record[6:]]))
    wanted = [*SCALARS[2:], SCALARS[0], Column("Z", sql.STRING)]
    reader = exact_decoder(wanted, schemas)
    array = pa.array([b"", *records], pa.binary()).slice(1)
    got, exact = reader(array), decode_rows(wanted, reader._row, array)
    assert list(got.errors) == list(exact.errors)
    assert got.present.equals(exact.present)
    for column, one, other in zip(wanted, got.columns, exact.columns, strict=True):
        assert one.type == arrow_type(column.type)
        assert list(map(repr, plain_values(one, column.type))) == list(map(repr, plain_values(other, column.type))), column


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=30), min_size=1, max_size=10))
@example([b"", b"\x00\x00\x81\x7f"])  # a NaN that signals
def test_random_bytes_never_raise(sample: list[bytes]) -> None:
    schemas = EmbeddedRegistry(MemoryStore())
    fields = {"E": "string", "A": ["int", "null"], "X": "bytes", "B": "long", "C": "float"}
    schema = {"type": "record", "name": "r", "fields": [{"name": n, "type": t} for n, t in fields.items()]}
    schemas.register("topic-value", Schema(json.dumps(schema)))
    wanted = columns(A=sql.INTEGER, B=sql.BIGINT, C=sql.DOUBLE, E=sql.STRING)
    reader = exact_decoder(wanted, schemas)
    array = pa.array([b"\0\0\0\0\1" + s for s in sample] * 50, pa.binary())
    got, exact = reader(array), decode_rows(wanted, reader._row, array)
    assert list(got.errors) == list(exact.errors)
    assert [repr(c.to_pylist()) for c in got.columns] == [repr(c.to_pylist()) for c in exact.columns]
