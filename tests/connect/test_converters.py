"""Converters: bytes and back, schemas and their evolution, and how sinks read topics without a stream."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal as Number
from typing import Any

import pytest
from tests.connect.far_side import FarSide
from tests.connect.web_server import WebServer

import penstock
from penstock.connect import contract
from penstock.connect.contract import definitions
from penstock.connect.converters import CLASSES, Converter, chosen, short_name, sink_converters, source_converters
from penstock.connect.records import SourceRecord
from penstock.connect.secrets import Secrets
from penstock.errors import ConfigError, DataError
from penstock.log import open_log
from penstock.log.protocol import Append
from penstock.log.records import records
from penstock.registry.embedded import EmbeddedRegistry
from penstock.registry.store import TopicStore
from penstock.sql.types import (
    BIGINT,
    BOOLEAN,
    BYTES,
    DATE,
    DOUBLE,
    INTEGER,
    STRING,
    TIME,
    TIMESTAMP,
    Array,
    Decimal,
    Field,
    Map,
    SqlType,
    Struct,
)  # fmt: skip


def struct(**fields: SqlType) -> Struct:
    return Struct(tuple(Field(name, type_) for name, type_ in fields.items()))


ROW_TYPE = struct(
    yes=BOOLEAN, i=INTEGER, n=BIGINT, f=DOUBLE, text=STRING, b=BYTES, day=DATE, hour=TIME, at=TIMESTAMP, d=Decimal(10, 2), list=Array(BIGINT),
    map=Map(STRING, DOUBLE), in_=struct(at=TIMESTAMP),
)  # fmt: skip
ROW = {
    "yes": True, "i": -5, "n": 1 << 40, "f": 0.5, "text": "é", "b": b"\0x", "day": date(2021, 6, 30), "hour": time(12, 18),
    "at": datetime(2021, 6, 30, 12), "d": Number("-1.50"), "list": [1, None], "map": {"a": 1.5}, "in_": {"at": datetime(1970, 1, 1, 0, 0, 1)},
}  # fmt: skip
NULLS = dict.fromkeys(ROW)


@pytest.fixture
def schemas() -> EmbeddedRegistry:
    return EmbeddedRegistry(TopicStore(open_log(None)))


def converter(schemas: EmbeddedRegistry, name: str, **options: str) -> Converter:
    given = {"value.converter": name, **{f"value.converter.{n.replace('_', '.')}": text for n, text in options.items()}}
    made = chosen("value.converter", given, {}, schemas, Secrets())
    assert made is not None
    return made


def test_text_and_bytes(schemas: EmbeddedRegistry) -> None:
    text = converter(schemas, "org.apache.kafka.connect.storage.StringConverter")
    assert text.write("t", ["é", b"x", 1, True, {"a": 1}, None, "\ud800"], None)[:6] == ["é".encode(), b"x", b"1", b"true", b'{"a":1}', None]
    assert isinstance(text.write("t", ["\ud800"], None)[0], DataError)
    assert text.read([b"x", None])[:2] == ["x", None]
    assert isinstance(text.read([b"\xff"])[0], DataError)
    raw = converter(schemas, "ByteArrayConverter")
    assert raw.write("t", [b"x", None], None) == [b"x", None]
    assert isinstance(raw.write("t", ["x"], None)[0], DataError)
    assert raw.read([b"\xff", None]) == [b"\xff", None]


@pytest.mark.parametrize(
    ("name", "value", "data"),
    [
        ("IntegerConverter", -2, b"\xff\xff\xff\xfe"), ("LongConverter", 5, b"\0" * 7 + b"\5"), ("ShortConverter", 5, b"\0\5"),
        ("DoubleConverter", 1.0, b"\x3f\xf0" + b"\0" * 6), ("FloatConverter", 1.0, b"\x3f\x80\0\0"), ("BooleanConverter", True, b"\1"),
    ],
)  # fmt: skip
def test_numbers(schemas: EmbeddedRegistry, name: str, value: Any, data: bytes) -> None:
    number = converter(schemas, f"org.apache.kafka.connect.converters.{name}")
    assert number.write("t", [value, None], None) == [data, None]
    assert number.read([data, None]) == [value, None]
    assert isinstance(number.read([data + b"x"])[0], DataError)
    if name != "BooleanConverter":
        assert isinstance(number.write("t", ["x"], None)[0], DataError)


def test_json_with_its_schema(schemas: EmbeddedRegistry) -> None:
    both = converter(schemas, "JsonConverter")
    written = both.write("t", [ROW, NULLS, None], ROW_TYPE)
    assert isinstance(written[0], bytes)
    found = json.loads(written[0])
    assert found["schema"]["fields"][8] == {
        "field": "at", "type": "int64", "optional": True, "name": "org.apache.kafka.connect.data.Timestamp", "version": 1,
    }  # fmt: skip
    assert found["payload"]["day"] == 18808
    assert found["payload"]["d"] == -1.5
    assert both.read([item for item in written if isinstance(item, bytes)]) == [ROW, NULLS]
    assert both.write("t", [{"a": 1}], None) == [b'{"schema":null,"payload":{"a":1}}']
    assert both.read([b'{"schema":null,"payload":{"a":1}}']) == [{"a": 1}]
    exact = converter(schemas, "JsonConverter", decimal_format="BASE64")
    written = exact.write("t", [ROW], ROW_TYPE)
    assert b'"d":"/2o="' in (written[0] if isinstance(written[0], bytes) else b"")
    assert exact.read([item for item in written if isinstance(item, bytes)]) == [ROW]
    pairs = both.write("t", [{1: "a"}], Map(BIGINT, STRING))
    assert both.read([item for item in pairs if isinstance(item, bytes)]) == [{1: "a"}]
    for data, complaint in (
        (b"x", "not JSON"), (b"{}", "schemas.enable to false"), (b'{"schema":{"type":"x"},"payload":1}', "not one of Connect's"),
        (b'{"schema":{"type":"bytes"},"payload":1}', "is no BYTES"),
    ):  # fmt: skip
        assert complaint in str(both.read([data])[0])
    assert "is no STRUCT" in str(both.write("t", [{"day": 5}], struct(day=DATE))[0])


def test_json_alone(schemas: EmbeddedRegistry) -> None:
    plain = converter(schemas, "org.apache.kafka.connect.json.JsonConverter", schemas_enable="false")
    moment = {"at": datetime(1970, 1, 1, 0, 0, 1), "d": Number("1.50")}
    assert plain.write("t", [moment], struct(at=TIMESTAMP, d=Decimal(4, 2))) == [b'{"at":1000,"d":1.50}']
    assert plain.write("t", [{"a": [1, "é", None, b"x"]}], None) == ['{"a":[1,"é",null,"eA=="]}'.encode()]
    assert plain.read([b'{"a":1}', b"[1]", b"NaN", None])[:2] == [{"a": 1}, [1]]
    assert isinstance(plain.write("t", ["\ud800"], None)[0], DataError)
    assert isinstance(plain.write("t", [object()], None)[0], DataError)


@pytest.mark.parametrize("name", ["io.confluent.connect.avro.AvroConverter", "JsonSchemaConverter", "ProtobufConverter"])
def test_formats_with_schemas(schemas: EmbeddedRegistry, name: str) -> None:
    made = converter(schemas, name, schema_registry_url="http://elsewhere", optional_for_nullables="true")
    written = made.write("topic", [ROW, None], ROW_TYPE)
    assert written[1] is None
    latest = schemas.latest("topic-value")
    assert latest is not None
    assert "in_" in latest.schema.text, "names keep their case"
    data = [item for item in written if isinstance(item, bytes)]
    back = made.read([*data, None])
    wanted = ROW | ({"list": [1, 0]} if "Protobuf" in name else {})  # Protobuf's lists hold no NULL
    assert back == [wanted, None]
    wrong = made.write("topic", [ROW | {"n": "x"}, ROW, ROW | {"day": 1.5}], ROW_TYPE)
    assert [isinstance(item, DataError) for item in wrong] == [True, False, True]
    assert isinstance(made.read([b"x"])[0], DataError)
    assert "unknown" in str(made.read([b"\0\0\0\xff\xff\0"])[0])
    assert "needs a schema" in str(made.write("topic", [{"a": 1}], None)[0])


def test_a_lone_value_and_a_key(schemas: EmbeddedRegistry) -> None:
    avro = converter(schemas, "AvroConverter")
    data = [item for item in avro.write("lone", [5, None], BIGINT) if isinstance(item, bytes)]
    assert avro.read(data) == [5]
    key, _ = source_converters({"key.converter": "AvroConverter"}, {}, schemas, Secrets())
    written = key.write("t", [{"id": 1}], struct(id=BIGINT))
    assert key.read([item for item in written if isinstance(item, bytes)]) == [{"id": 1}]
    assert schemas.latest("t-key") is not None


def test_a_schema_evolves_as_its_subject_allows(schemas: EmbeddedRegistry) -> None:
    avro = converter(schemas, "AvroConverter")
    first = avro.write("t", [{"a": 1}], struct(a=BIGINT))[0]
    second = avro.write("t", [{"a": 1, "b": "x"}], struct(a=BIGINT, b=STRING))[0]
    assert len(schemas.versions("t-value")) == 2
    assert avro.read([item for item in (first, second) if isinstance(item, bytes)]) == [{"a": 1}, {"a": 1, "b": "x"}]
    refused = avro.write("t", [{"a": "x"}], struct(a=STRING))[0]
    assert "not BACKWARD compatible" in str(refused)


def test_defaults_and_settings(schemas: EmbeddedRegistry) -> None:
    key, value = source_converters({}, {}, schemas, Secrets())
    assert key.write("t", [7, {"id": 1}], None) == [b"7", b'{"id":1}']
    assert value.write("t", ["x", b"y", {"a": 1}, 5, None], None) == [b"x", b"y", b'{"a":1}', b"5", None]
    assert value.write("t", ["x"], STRING) == [b"x"]
    assert isinstance(value.write("t", [{"a": 1}], struct(a=BIGINT))[0], bytes)
    assert schemas.latest("t-value") is not None
    defaults = {"value.converter": "JsonConverter", "value.converter.schemas.enable": "false"}
    _, value = source_converters({}, defaults, schemas, Secrets())
    assert value.write("t", [{"a": 1}], None) == [b'{"a":1}']
    _, value = source_converters({"Value.Converter": "JsonConverter"}, defaults, schemas, Secrets())
    assert value.write("t", [1], None) == [b'{"schema":null,"payload":1}'], "the defaults go with their own converter"
    assert sink_converters({}, {}, schemas, Secrets()) is None


def test_mistakes(schemas: EmbeddedRegistry) -> None:
    for options, complaint in (
        ({"key.converter": "Nope"}, "'key.converter' is 'Nope', which is not known. There are: StringConverter"),
        ({"value.converter": "JsonConverter", "value.converter.schemas.enabled": "x"}, "no option 'value.converter.schemas.enabled'. Did you mean"),
        ({"value.converter": "JsonConverter", "value.converter.schemas.enable": "x"}, "'value.converter.schemas.enable' is true or false"),
    ):
        with pytest.raises(ConfigError) as caught:
            source_converters(options, {}, schemas, Secrets())
        assert complaint in str(caught.value)
    assert len({short_name(full) for full in CLASSES}) == len(CLASSES) == 12


def test_a_stream_over_what_a_source_wrote(monkeypatch: pytest.MonkeyPatch) -> None:
    far = FarSide()
    all_definitions = (*definitions(), far.definition())
    monkeypatch.setattr(contract, "definitions", lambda: all_definitions)
    far.record = lambda part, n, item: SourceRecord("customers", item, key=item["id"], value_schema=struct(id=BIGINT, firstName=STRING))
    far.add("a", {"id": 7, "firstName": "Ana"}, {"id": 8, "firstName": None})
    with penstock.connect(":memory:") as db:
        db.execute("CREATE SOURCE CONNECTOR world WITH ('connector.class' = 'FarSide', 'key.converter' = 'LongConverter');")
        assert db.connectors.wait_idle(20)
        db.execute("SET 'value.converter' = 'JsonConverter'; SET 'value.converter.schemas.enable' = 'false'; SET 'num.partitions' = '3';")
        db.create_connector("again", {"connector.class": "FarSide", "transforms": "r", "transforms.r.type": "RegexRouter",
                                      "transforms.r.regex": ".*", "transforms.r.replacement": "plain"})  # fmt: skip
        assert db.connectors.wait_idle(20)
        plain = [row["value"] for partition in range(3) for row in db.log.read("plain", partition, 0).to_pylist()]
        assert sorted(plain) == [b'{"id":7,"firstName":"Ana"}', b'{"id":8,"firstName":null}']
        db.execute("CREATE STREAM customers (k BIGINT KEY) WITH (kafka_topic = 'customers', value_format = 'AVRO');")
        assert db.execute("SELECT k, id, firstName FROM customers;")[0].rows == [(7, 7, "Ana"), (8, 8, None)]
        assert "firstName" in (latest.schema.text if (latest := db.schemas.latest("customers-value")) else "")


@pytest.fixture
def bare(web: WebServer) -> Callable[..., list[Any]]:
    """What a sink delivers of a topic without a stream, whose one record has the bytes given."""

    def deliver(key: bytes | None, value: bytes | None, **options: str) -> list[Any]:
        with penstock.connect(":memory:") as db:
            db.log.create_topic("bare")
            db.log.append(Append("bare", 0, records([(1, key, value)])))
            given = {"connector.class": "HttpSink", "topics": "bare", "http.api.url": web.url, "request.body.format": "json"}
            given |= {"behavior.on.null.values": "delete", "errors.tolerance": "all"} | {n.replace("_", "."): text for n, text in options.items()}
            text = ", ".join(f"'{name}' = '{value}'" for name, value in given.items())
            db.execute(f"CREATE SINK CONNECTOR pager WITH ({text});")
            assert db.connectors.wait_idle(20)
            return [json.loads(request.body or b"null") for request in web.requests]

    return deliver


def test_a_sink_reads_what_has_no_stream(bare: Callable[..., list[Any]]) -> None:
    assert bare(b"k", b'{"a":1}', value_converter="JsonConverter", value_converter_schemas_enable="false") == [{"a": 1}]


def test_a_sink_reads_a_lone_value_and_its_key(bare: Callable[..., list[Any]]) -> None:
    assert bare(b"k", b"x", value_converter="StringConverter", body_template='{"v":"{ROWVAL}","k":"{ROWKEY}"}') == [{"v": "x", "k": "k"}]


def test_a_sink_refuses_what_it_cannot_read(bare: Callable[..., list[Any]]) -> None:
    assert bare(b"k", b"x", value_converter="JsonConverter") == []


def test_a_sink_reads_nothing_into_bytes_unasked(bare: Callable[..., list[Any]]) -> None:
    assert bare(b"k", b"x") == [{}]
