"""Transforms: every example of their documentation, every option, every error; and within a source and a sink."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from tests.connect.web_server import WebServer

import penstock
from penstock.connect.options import EVERY_SOURCE, parse_options
from penstock.connect.secrets import Secrets
from penstock.connect.transforms.chain import TRANSFORMS, Chain, chain
from penstock.connect.transforms.definition import TransformDefinition
from penstock.connect.transforms.message import Message
from penstock.errors import ConfigError, DataError
from penstock.sql.types import BIGINT, BOOLEAN, DATE, DOUBLE, INTEGER, STRING, TIME, TIMESTAMP, Array, Field, Map, SqlType, Struct


def made(properties: dict[str, str]) -> Chain:
    given = {"connector.class": "x", **properties}
    return chain(parse_options(EVERY_SOURCE, given, Secrets()), given, Secrets())


def one(**options: str) -> Callable[[Message], Message | None]:
    """The transform of options, `_` for the dot, `type` among them."""
    return made({"transforms": "x", **{f"transforms.x.{name.replace('_', '.')}": text for name, text in options.items()}})


def value(transform: Callable[[Message], Message | None], given: Any, schema: SqlType | None = None, /, **more: Any) -> tuple[Any, SqlType | None]:
    message = transform(Message("t", None, given, None, schema, typed=schema is not None, **more))
    assert message is not None
    return message.value, message.value_schema


def struct(**fields: SqlType) -> Struct:
    return Struct(tuple(Field(name, type_) for name, type_ in fields.items()))


@pytest.mark.parametrize("definition", TRANSFORMS, ids=lambda d: d.name)
def test_example(definition: TransformDefinition) -> None:
    example = definition.example
    transform = made({"transforms": "x", **{f"transforms.x.{name}": text for name, text in example.options.items()}})
    assert transform(example.before) == example.after
    side = "$Value" if definition.sided else ""
    if not any(option.required for option in definition.options) and definition.name != "InsertField":
        made({"transforms": "x", "transforms.x.type": f"{definition.package}{definition.name}{side}"})


def test_fields_are_found_without_regard_to_case() -> None:
    assert value(one(type="ExtractField$Value", field="n"), {"N": 1}) == (1, None)
    assert value(one(type="ExtractField$Value", field="n"), {"N": 1, "n": 2}) == (2, None)


def test_extract_field() -> None:
    extract = one(type="org.apache.kafka.connect.transforms.ExtractField$Value", field="a")
    assert value(extract, {"a": {"b": 1}}, struct(a=struct(b=INTEGER))) == ({"b": 1}, struct(b=INTEGER))
    assert value(extract, {"b": 1}) == (None, None)
    assert value(extract, None) == (None, None)
    with pytest.raises(DataError, match="no field a, only b"):
        value(extract, {"b": 1}, struct(b=INTEGER))
    with pytest.raises(DataError, match="no object with fields but 'text'"):
        value(extract, "text")
    key = one(type="ExtractField$Key", field="id")(Message("t", {"id": 7}, None, struct(id=BIGINT)))
    assert key == Message("t", 7, None, BIGINT)


def test_value_to_key_and_extract_field() -> None:
    both = made({
        "transforms": "key,id", "transforms.key.type": "ValueToKey", "transforms.key.fields": "id,name",
        "transforms.id.type": "ExtractField$Key", "transforms.id.field": "id",
    })  # fmt: skip
    assert both(Message("t", None, {"id": 7, "name": "a", "x": 1})) == Message("t", 7, {"id": 7, "name": "a", "x": 1})
    assert one(type="ValueToKey", fields="id")(Message("t", 1, None)) == Message("t", 1, None)
    with pytest.raises(DataError, match="no field id, only x"):
        one(type="ValueToKey", fields="id")(Message("t", None, {"x": 1}))


def test_flatten() -> None:
    schema = struct(id=INTEGER, place=struct(at=struct(lat=DOUBLE), tags=Map(STRING, STRING)), list=Array(struct(n=INTEGER)))
    flat = struct(**{"id": INTEGER, "place.at.lat": DOUBLE, "place.tags": Map(STRING, STRING), "list": Array(struct(n=INTEGER))})
    given = {"id": 1, "place": {"at": {"lat": 1.5}, "tags": {"a": "b"}}, "list": [{"n": 1}]}
    assert value(one(type="Flatten$Value"), given, schema) == (
        {"id": 1, "place.at.lat": 1.5, "place.tags": {"a": "b"}, "list": [{"n": 1}]}, flat,
    )  # fmt: skip
    assert value(one(type="Flatten$Value"), {"id": 1, "place": None, "list": None}, schema)[0] == {
        "id": 1, "place.at.lat": None, "place.tags": None, "list": None,
    }  # fmt: skip
    assert value(one(type="Flatten$Value"), None) == (None, None)


def test_insert_field() -> None:
    options = {"topic_field": "t", "partition_field": "p!", "offset_field": "o?", "timestamp_field": "at", "static_field": "s", "static_value": "x"}
    insert = one(type="InsertField$Value", **options)
    place = {"timestamp": 1000, "partition": 2, "offset": 3}
    assert value(insert, {"n": 1}, **place) == ({"n": 1, "t": "t", "p": 2, "o": 3, "at": 1000, "s": "x"}, None)
    assert value(insert, {"n": 1}, struct(n=BIGINT), **place) == (
        {"n": 1, "t": "t", "p": 2, "o": 3, "at": datetime(1970, 1, 1, 0, 0, 1), "s": "x"},
        struct(n=BIGINT, t=STRING, p=INTEGER, o=BIGINT, at=TIMESTAMP, s=STRING),
    )
    assert value(insert, None) == (None, None)
    assert value(one(type="InsertField$Value", topic_field="n"), {"n": 1}, struct(n=BIGINT)) == ({"n": "t"}, struct(n=STRING))
    now = value(one(type="InsertField$Value", timestamp_field="at"), {})[0]["at"]
    assert now > 1_600_000_000_000
    with pytest.raises(DataError, match="no object"):
        value(insert, 5)


def test_replace_field() -> None:
    schema = struct(a=INTEGER, b=STRING, c=DOUBLE)
    given = {"a": 1, "b": "x", "c": 0.5}
    assert value(one(type="ReplaceField$Value", include="a,B"), given, schema) == ({"a": 1, "b": "x"}, struct(a=INTEGER, b=STRING))
    assert value(one(type="ReplaceField$Value", blacklist="a", renames="b:d"), given, schema) == ({"d": "x", "c": 0.5}, struct(d=STRING, c=DOUBLE))
    assert value(one(type="ReplaceField$Value", whitelist="a"), given) == ({"a": 1}, None)
    assert value(one(type="ReplaceField$Value"), None) == (None, None)


def test_mask_field() -> None:
    given = {
        "s": "x", "i": 5, "f": 0.5, "d": Decimal("1.5"), "b": True, "l": [1], "m": {"a": 1}, "y": b"x", "n": None,
        "at": datetime(2021, 1, 1), "on": date(2021, 1, 1), "h": time(1),
    }  # fmt: skip
    names = ",".join(given)
    assert value(one(type="MaskField$Value", fields=names), given)[0] == {
        "s": "", "i": 0, "f": 0.0, "d": 0, "b": False, "l": [], "m": {}, "y": b"", "n": None,
        "at": datetime(1970, 1, 1), "on": date(1970, 1, 1), "h": time(),
    }  # fmt: skip
    assert value(one(type="MaskField$Value", fields="s,i,none", replacement="7"), given)[0] == given | {"s": "7", "i": 7}
    for fields, complaint in (("b", "neither text nor a number"), ("i", "which 'x' cannot replace")):
        with pytest.raises(DataError, match=complaint):
            value(one(type="MaskField$Value", fields=fields, replacement="x"), given)


@pytest.mark.parametrize(
    ("word", "given", "wanted"),
    [
        ("int8", "127", 127), ("int16", 5.9, 5), ("int32", True, 1), ("int64", Decimal("7.5"), 7), ("int64", datetime(1970, 1, 1, 0, 0, 1), 1000),
        ("int32", date(1970, 1, 3), 2), ("int32", time(0, 0, 1), 1000), ("float64", "1.5", 1.5), ("float32", 2, 2.0), ("boolean", "TRUE", True),
        ("boolean", 0, False), ("string", 1.5, "1.5"), ("string", True, "true"), ("string", datetime(2021, 1, 2), "2021-01-02T00:00:00"),
        ("string", {"a": 1}, '{"a":1}'), ("string", b"x", "x"), ("int32", None, None),
    ],
)  # fmt: skip
def test_cast(word: str, given: Any, wanted: Any) -> None:
    found = value(one(type="Cast$Value", spec=f"n:{word}"), {"n": given, "o": 1})[0]["n"]
    assert found == wanted
    assert type(found) is type(wanted)


def test_cast_changes_the_schema_and_the_whole() -> None:
    assert value(one(type="Cast$Value", spec="a:string, b:boolean"), {"a": 1, "b": 1}, struct(a=INTEGER, b=INTEGER, c=DOUBLE)) == (
        {"a": "1", "b": True}, struct(a=STRING, b=BOOLEAN, c=DOUBLE),
    )  # fmt: skip
    assert value(one(type="Cast$Value", spec="int32"), "5", STRING) == (5, INTEGER)
    assert value(one(type="Cast$Value", spec="missing:int32"), {"a": 1}) == ({"a": 1}, None)
    for word, given in (("int8", 128), ("int32", "wet"), ("int64", [1]), ("boolean", "5"), ("float64", "x"), ("int64", float("inf"))):
        with pytest.raises(DataError, match="The field n is"):
            value(one(type="Cast$Value", spec=f"n:{word}"), {"n": given})


@pytest.mark.parametrize(
    ("options", "given", "wanted", "type_"),
    [
        ({"target_type": "string", "format": "yyyy-MM-dd"}, datetime(2021, 6, 30, 12), "2021-06-30", STRING),
        ({"target_type": "unix"}, datetime(1970, 1, 1, 0, 0, 1, 5000), 1005, BIGINT),
        ({"target_type": "unix", "unix_precision": "seconds"}, datetime(1970, 1, 1, 0, 1), 60, BIGINT),
        ({"target_type": "unix", "unix_precision": "nanoseconds"}, datetime(1970, 1, 1, 0, 0, 0, 7), 7000, BIGINT),
        ({"target_type": "Date"}, datetime(2021, 6, 30, 12), date(2021, 6, 30), DATE),
        ({"target_type": "Time"}, datetime(2021, 6, 30, 12), time(12), TIME),
        ({"target_type": "Timestamp"}, date(2021, 6, 30), datetime(2021, 6, 30), TIMESTAMP),
        ({"target_type": "Timestamp"}, time(12), datetime(1970, 1, 1, 12), TIMESTAMP),
        ({"target_type": "Timestamp"}, 1000, datetime(1970, 1, 1, 0, 0, 1), TIMESTAMP),
        ({"target_type": "Timestamp", "unix_precision": "microseconds"}, 7, datetime(1970, 1, 1, 0, 0, 0, 7), TIMESTAMP),
        ({"target_type": "Timestamp", "unix_precision": "nanoseconds"}, 7999, datetime(1970, 1, 1, 0, 0, 0, 7), TIMESTAMP),
        ({"target_type": "unix", "format": "yyyy-MM-dd'T'HH:mm:ssX"}, "2021-06-30T12:00:00+02:00", 1_625_047_200_000, BIGINT),
        ({"target_type": "Timestamp"}, None, None, TIMESTAMP),
    ],
)
def test_timestamp_converter(options: dict[str, str], given: Any, wanted: Any, type_: SqlType) -> None:
    convert = one(type="TimestampConverter$Value", field="at", **options)
    assert value(convert, {"at": given}, struct(at=STRING)) == ({"at": wanted}, struct(at=type_))
    whole = one(type="TimestampConverter$Value", **options)
    if given is not None:
        assert value(whole, given, STRING) == (wanted, type_)


def test_timestamp_converter_refuses_what_is_no_time() -> None:
    convert = one(type="TimestampConverter$Value", field="at", target_type="Timestamp", format="yyyy")
    for given in ("soon", True, 1.5, [1], 10**20):
        with pytest.raises(DataError, match=r"The field at is .*, which is no time"):
            value(convert, {"at": given})
    with pytest.raises(DataError, match="text needs the option 'format'"):
        value(one(type="TimestampConverter$Value", target_type="Timestamp"), "2021")
    with pytest.raises(DataError, match="no field at, only n"):
        value(convert, {"n": 1}, struct(n=INTEGER))
    assert value(convert, {"n": 1}) == ({"n": 1}, None)


def test_routers_and_headers() -> None:
    assert one(type="RegexRouter", regex="a(.)", replacement="$1$1")(Message("ab", None, 1)) == Message("bb", None, 1)
    assert one(type="RegexRouter", regex="a", replacement="b")(Message("ab", None, 1)) == Message("ab", None, 1), "the whole name"
    with pytest.raises(DataError, match="no timestamp"):
        one(type="TimestampRouter")(Message("t", None, 1))


# ---------------------------------------------------------------------------------------------- change events

ROW = struct(id=INTEGER, club=STRING)
ENVELOPE = struct(before=ROW, after=ROW, source=struct(table=STRING, ts_ms=BIGINT), op=STRING, ts_ms=BIGINT)
CREATE = {"before": None, "after": {"id": 1, "club": "gold"}, "source": {"table": "c", "ts_ms": 5}, "op": "c", "ts_ms": 6}
DELETE = CREATE | {"before": CREATE["after"], "after": None, "op": "d"}


def unwrapped(given: Any, schema: SqlType | None = None, /, **options: str) -> Message | None:
    message: Message | None = one(type="io.debezium.transforms.ExtractNewRecordState", **options)(Message("t", 1, given, None, schema))
    return message


@pytest.mark.parametrize(
    ("options", "deleted", "tombstone"),
    [
        ({}, "dropped", True),
        ({"delete_tombstone_handling_mode": "drop"}, "dropped", False),
        ({"delete_tombstone_handling_mode": "tombstone"}, "dropped", True),
        ({"delete_tombstone_handling_mode": "rewrite"}, "rewritten", False),
        ({"delete_tombstone_handling_mode": "rewrite-with-tombstone"}, "rewritten", True),
        ({"delete_tombstone_handling_mode": "delete-to-tombstone"}, "tombstone", False),
        ({"delete_handling_mode": "drop"}, "dropped", False),
        ({"delete_handling_mode": "rewrite", "drop_tombstones": "false"}, "rewritten", True),
        ({"delete_handling_mode": "none"}, "tombstone", False),
        ({"drop_tombstones": "false"}, "dropped", True),
        ({"drop_tombstones": "true"}, "dropped", False),
    ],
)
def test_deletes(options: dict[str, str], deleted: str, tombstone: bool) -> None:
    found = unwrapped(DELETE, ENVELOPE, **options)
    rewritten = Message("t", 1, {"id": 1, "club": "gold", "__deleted": "true"}, None, struct(id=INTEGER, club=STRING, __deleted=STRING))
    assert found == {"dropped": None, "tombstone": Message("t", 1, None), "rewritten": rewritten}[deleted]
    assert (unwrapped(None, **options) is not None) == tombstone
    row = unwrapped(CREATE, ENVELOPE, **options)
    assert row is not None
    assert row.value == {"id": 1, "club": "gold"} | ({"__deleted": "false"} if deleted == "rewritten" else {})


def test_additions_and_routes() -> None:
    additions = {"add_fields": "op:how,source.ts_ms,ts_ms,none", "add_fields_prefix": "_", "add_headers": "table,op"}
    found = unwrapped(CREATE, ENVELOPE, route_by_field="CLUB", **additions)
    assert found == Message(
        "gold", 1, {"id": 1, "club": "gold", "_how": "c", "_source_ts_ms": 5, "_ts_ms": 6, "_none": None}, None,
        struct(id=INTEGER, club=STRING, _how=STRING, _source_ts_ms=BIGINT, _ts_ms=BIGINT, _none=STRING),
        headers=(("__table", b"c"), ("__op", b"c")),
    )  # fmt: skip
    with pytest.raises(DataError, match="no field nowhere"):
        unwrapped(CREATE, route_by_field="nowhere")


def test_what_is_no_row_change() -> None:
    assert unwrapped({"ts_ms": 1}) == Message("t", 1, {"ts_ms": 1}), "a heartbeat passes"
    assert unwrapped("text") == Message("t", 1, "text")
    assert unwrapped(CREATE | {"op": "t"}) is None


# ---------------------------------------------------------------------------------------------- predicates, mistakes


def test_predicates() -> None:
    def dropped(message: Message, **predicate: str) -> bool:
        negate = predicate.pop("negate", "false")
        options = {f"predicates.p.{name}": text for name, text in predicate.items()}
        drop = {"transforms": "x", "transforms.x.type": "Filter", "transforms.x.predicate": "p", "transforms.x.negate": negate, "predicates": "p"}
        return made(drop | options)(message) is None

    assert dropped(Message("t", 1, None), type="RecordIsTombstone")
    assert not dropped(Message("t", 1, 1), type="org.apache.kafka.connect.transforms.predicates.RecordIsTombstone")
    assert dropped(Message("t", 1, 1), type="RecordIsTombstone", negate="true")
    assert dropped(Message("abc", 1, 1), type="TopicNameMatches", pattern="a.c")
    assert not dropped(Message("abc", 1, 1), type="TopicNameMatches", pattern="a.")
    assert dropped(Message("t", 1, 1, headers=(("h", b""),)), type="HasHeaderKey", name="h")
    assert not dropped(Message("t", 1, 1), type="HasHeaderKey", name="h")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"transforms": "x"}, "needs the option 'transforms.x.type'"),
        ({"transforms": "x", "transforms.x.type": "Nope"}, "'transforms.x.type' is 'Nope', which is not known. There are: Cast, "),
        ({"transforms": "x", "transforms.x.type": "Cast"}, "Write Cast$Key or Cast$Value"),
        ({"transforms": "x", "transforms.x.type": "Cast$Other"}, "Write Cast$Key or Cast$Value"),
        ({"transforms": "x", "transforms.x.type": "RegexRouter$Key"}, "Write RegexRouter."),
        ({"transforms": "x", "transforms.x.type": "Cast$Value"}, "needs the option 'transforms.x.spec'"),
        ({"transforms": "x", "transforms.x.type": "Cast$Value", "transforms.x.spec": "a:int31"}, "'transforms.x.spec' holds 'a:int31'"),
        ({"transforms": "x", "transforms.x.type": "Cast$Value", "transforms.x.spec": "int32,a:int32"}, "casts the whole and its fields"),
        ({"transforms": "x", "transforms.x.type": "Cast$Value", "transforms.x.spc": "int32"}, "no option 'transforms.x.spc'. Did you mean"),
        ({"transforms": "x", "transforms.x.type": "ReplaceField$Key", "transforms.x.renames": "a"}, "'transforms.x.renames' holds 'a'"),
        ({"transforms": "x", "transforms.x.type": "InsertField$Key"}, "InsertField inserts nothing"),
        ({"transforms": "x", "transforms.x.type": "InsertField$Key", "transforms.x.static.field": "a"}, "need each other"),
        ({"transforms": "x", "transforms.x.type": "RegexRouter", "transforms.x.regex": "(", "transforms.x.replacement": ""}, "'transforms.x.regex'"),
        ({"transforms": "x", "transforms.x.type": "RegexRouter", "transforms.x.regex": "a", "transforms.x.replacement": "$1"},
         "'transforms.x.replacement' is wrong"),
        ({"transforms": "x", "transforms.x.type": "TimestampConverter$Value", "transforms.x.target.type": "string"}, "needs 'format'"),
        ({"transforms": "x", "transforms.x.type": "TimestampConverter$Value", "transforms.x.target.type": "day"}, "cannot be 'day'"),
        ({"transforms": "x", "transforms.x.type": "TimestampConverter$Value", "transforms.x.target.type": "unix", "transforms.x.format": "b"},
         "'transforms.x.format' is no pattern"),
        ({"transforms": "x", "transforms.x.type": "ExtractNewRecordState", "transforms.x.add.fields": "a..b"}, "'transforms.x.add.fields' holds"),
        ({"transforms": "x", "transforms.x.type": "ExtractNewRecordState", "transforms.x.drop.tombstones": "true",
          "transforms.x.delete.tombstone.handling.mode": "drop"}, "stands in place of"),
        ({"transforms": "x", "transforms.x.type": "Filter", "transforms.x.predicate": "p"}, "'transforms.x.predicate' is 'p', which"),
        ({"transforms": "x", "transforms.x.type": "Filter", "transforms.y.type": "Filter"}, "'transforms.y.type' is for none of the transforms: x"),
        ({"predicates.p.type": "HasHeaderKey"}, "is for none of the predicates: there are none"),
        ({"predicates": "p", "predicates.p.type": "Nope"}, "There are: TopicNameMatches"),
        ({"predicates": "p", "predicates.p.type": "TopicNameMatches", "predicates.p.pattern": "("}, "'predicates.p.pattern'"),
    ],
)  # fmt: skip
def test_mistakes(options: dict[str, str], complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        made(options)
    assert complaint in str(caught.value)


# ---------------------------------------------------------------------------------------------- within a sink


@pytest.fixture
def db() -> Iterator[penstock.Database]:
    with penstock.connect(":memory:") as opened:
        opened.execute("CREATE STREAM readings (plant STRING KEY, moisture DOUBLE) WITH (kafka_topic='readings', value_format='AVRO', partitions=1);")
        yield opened


def start(db: penstock.Database, web: WebServer, **options: str) -> None:
    properties = {"connector.class": "HttpSink", "topics": "readings", "http.api.url": f"{web.url}/${{topic}}", "request.body.format": "json"}
    properties |= {name.replace("_", "."): text for name, text in options.items()}
    text = ", ".join(f"'{name}' = '{value}'" for name, value in properties.items())
    db.execute(f"CREATE SINK CONNECTOR pager WITH ({text});")


def test_a_sink_gets_what_the_transforms_make(db: penstock.Database, web: WebServer) -> None:
    start(
        db, web, transforms="route,at,drop", transforms_route_type="RegexRouter", transforms_route_regex="(.*)s", transforms_route_replacement="$1",
        transforms_at_type="InsertField$Value", transforms_at_offset_field="at", transforms_drop_type="ReplaceField$Value",
        transforms_drop_renames="moisture:m",
    )  # fmt: skip
    db.insert("readings", [{"plant": "a", "moisture": 1.5}, {"plant": "b", "moisture": 2.5}])
    web.wait_for(2)
    assert db.connectors.wait_idle(20)
    assert [(r.path, json.loads(r.body)) for r in web.requests] == [("/reading", {"m": 1.5, "at": 0}), ("/reading", {"m": 2.5, "at": 1})]
    assert db.log.committed("connect-PAGER") == {("readings", 0): 2}


def test_a_sink_passes_what_is_dropped_and_refuses_what_cannot_be_done(db: penstock.Database, web: WebServer) -> None:
    start(
        db, web, errors_tolerance="all", transforms="drop,cast", predicates="none", predicates_none_type="RecordIsTombstone",
        transforms_drop_type="Filter", transforms_drop_predicate="none", transforms_cast_type="Cast$Value", transforms_cast_spec="moisture:int8",
    )  # fmt: skip
    from penstock.log.protocol import Append
    from penstock.log.records import records

    db.insert("readings", [{"plant": "a", "moisture": 1.5}, {"plant": "b", "moisture": 500}])
    db.log.append(Append("readings", 0, records([(1, b"c", None)])))
    assert db.connectors.wait_idle(20)
    assert [json.loads(r.body) for r in web.requests] == [{"MOISTURE": 1}]
    assert db.log.committed("connect-PAGER") == {("readings", 0): 3}
    letters = db.log.read("dlq-PAGER", 0, 0).to_pylist()
    headers = {h["key"]: h["value"] for h in letters[0]["headers"]}
    assert headers["__connect.errors.stage"] == b"TRANSFORMATION"
    assert (headers["__connect.errors.topic"], headers["__connect.errors.offset"]) == (b"readings", b"1")
