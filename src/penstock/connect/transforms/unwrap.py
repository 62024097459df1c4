"""ExtractNewRecordState: the row itself in place of a change event's envelope."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from penstock.connect.options import Option
from penstock.connect.text import plain_text
from penstock.connect.transforms.definition import Example, Side, Transform, TransformDefinition, find, type_of
from penstock.connect.transforms.message import Message
from penstock.errors import ConfigError, DataError
from penstock.sql.types import BIGINT, STRING, Field, SqlType, Struct

DELETED = "__deleted"


@dataclass(frozen=True)
class _Deletes:
    """What becomes of a delete event (`event`: nothing, a tombstone, or the row as it was) and of the tombstone behind it."""

    event: str
    keep_tombstone: bool


_NEW = {
    "drop": _Deletes("drop", keep_tombstone=False),
    "tombstone": _Deletes("drop", keep_tombstone=True),
    "rewrite": _Deletes("rewrite", keep_tombstone=False),
    "rewrite-with-tombstone": _Deletes("rewrite", keep_tombstone=True),
    "delete-to-tombstone": _Deletes("tombstone", keep_tombstone=False),
}
_OLD = {"drop": "drop", "rewrite": "rewrite", "none": "tombstone"}


@dataclass(frozen=True)
class _Addition:
    """A piece of the envelope that is added: `path` in it, and the name that it gets."""

    path: tuple[str, ...]
    name: str


def _unwrap(options: Mapping[str, Any], _: Side) -> Transform:
    deletes = _deletes(options)
    fields = _additions(options["add.fields"], options["add.fields.prefix"], "add.fields")
    headers = _additions(options["add.headers"], options["add.headers.prefix"], "add.headers")
    route: str = options["route.by.field"]

    def unwrap(message: Message) -> Message | None:
        envelope, schema = message.value, message.value_schema
        if envelope is None:
            return message if deletes.keep_tombstone else None
        if not isinstance(envelope, Mapping) or "op" not in envelope or not ("after" in envelope or "before" in envelope):
            return message  # no change event: a heartbeat, or another topic's record
        if envelope["op"] in ("t", "m"):  # a truncation or a message, which are no row
            return None
        deleted = envelope["op"] == "d"
        if deleted and deletes.event == "drop":
            return None
        added = tuple((name, value.encode()) for name, value in ((h.name, plain_text(_look_up(envelope, h.path))) for h in headers))
        changed = replace(message, headers=(*message.headers, *added))
        row = envelope.get("before") if deleted else envelope.get("after")
        if route and row is not None:
            name = find(row, route)
            if name is None or row[name] is None:
                raise DataError(f"The row has no field {route} to name its topic by.")
            changed = replace(changed, topic=plain_text(row[name]))
        if row is None or (deleted and deletes.event == "tombstone"):
            return replace(changed, value=None, value_schema=None)
        row = {**row, **{addition.name: _look_up(envelope, addition.path) for addition in fields}}
        if deletes.event == "rewrite":
            row[DELETED] = "true" if deleted else "false"
        return replace(changed, value=row, value_schema=_row_schema(schema, deleted, tuple(fields), deletes.event == "rewrite"))

    return unwrap


def _deletes(options: Mapping[str, Any]) -> _Deletes:
    new, old, drop_tombstones = (options[name] for name in ("delete.tombstone.handling.mode", "delete.handling.mode", "drop.tombstones"))
    if new is not None and (old is not None or drop_tombstones is not None):
        raise ConfigError(
            "'delete.tombstone.handling.mode' stands in place of 'delete.handling.mode' and 'drop.tombstones'.", mend="Give it alone, or the two."
        )
    if new is None and old is None and drop_tombstones is None:
        return _NEW["tombstone"]
    if new is not None:
        return _NEW[new]
    return _Deletes(_OLD[old or "drop"], keep_tombstone=drop_tombstones is False)


def _additions(given: list[str], prefix: str, option: str) -> list[_Addition]:
    found = []
    for piece in given:
        path, _, name = piece.partition(":")
        parts = tuple(path.split("."))
        if not all(parts):
            raise ConfigError(f"'{option}' holds '{piece}'.", mend="Write NAME, source.NAME or NAME:NEW_NAME, with commas between several.")
        found.append(_Addition(parts, prefix + (name or "_".join(parts))))
    return found


def _look_up(envelope: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """A piece of the envelope; a name alone is looked for in the envelope, then in its `source`."""
    if len(path) == 1 and path[0] not in envelope:
        path = ("source", *path)
    value: Any = envelope
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


@lru_cache(1000)
def _row_schema(schema: SqlType | None, deleted: bool, fields: tuple[_Addition, ...], rewrite: bool) -> SqlType | None:
    row = type_of(schema, "before" if deleted else "after")
    if not isinstance(row, Struct):
        return None
    added = {addition.name: _type_at(schema, addition.path) or STRING for addition in fields}
    if rewrite:
        added[DELETED] = STRING
    return Struct((*(f for f in row.fields if f.name not in added), *(Field(name, type_) for name, type_ in added.items())))


def _type_at(schema: SqlType | None, path: tuple[str, ...]) -> SqlType | None:
    if len(path) == 1 and type_of(schema, path[0]) is None:
        path = ("source", *path)
    for name in path:
        schema = type_of(schema, name)
    return schema


_ROW = Struct((Field("id", BIGINT), Field("club", STRING)))
_SOURCE = Struct((Field("table", STRING),))
_ENVELOPE = Struct((Field("before", _ROW), Field("after", _ROW), Field("source", _SOURCE), Field("op", STRING), Field("ts_ms", BIGINT)))
_UPDATE = {
    "before": {"id": 7, "club": "gold"}, "after": {"id": 7, "club": "platinum"}, "source": {"table": "customers"}, "op": "u", "ts_ms": 1_625_055_519,
}  # fmt: skip

DEFINITIONS = (
    TransformDefinition(
        "ExtractNewRecordState",
        "Puts the row after a change in place of the change event that Debezium's connectors write.",
        "What is no change event passes unchanged. Without an option about deletes the delete event is dropped and the tombstone behind it is kept, "
        "so that a table forgets the row. The older options `delete.handling.mode` and `drop.tombstones` mean what they meant: with one of them "
        "given, delete events are dropped, rewritten or made tombstones, and tombstones are dropped unless `drop.tombstones` is false.",
        (
            Option(
                "delete.tombstone.handling.mode", "choice",
                "What becomes of a deleted row's event and tombstone: `drop` drops both; `tombstone` keeps the tombstone; `rewrite` keeps the row as "
                "it was, with `__deleted` true; `rewrite-with-tombstone` keeps both; `delete-to-tombstone` makes the event the tombstone.",
                None, choices=tuple(_NEW),
            ),
            Option("delete.handling.mode", "choice", "Older: what becomes of a delete event.", None, choices=tuple(_OLD)),
            Option("drop.tombstones", "boolean", "Older: whether tombstones are dropped.", None),
            Option("add.fields", "list", "Pieces of the event to add to the row: `op`, `table`, `source.ts_ms`, or `op:operation` to rename.", []),
            Option("add.fields.prefix", "string", "What stands before their names.", "__"),
            Option("add.headers", "list", "Pieces of the event to add as headers.", []),
            Option("add.headers.prefix", "string", "What stands before their names.", "__"),
            Option("route.by.field", "string", "A field of the row whose value becomes the topic.", ""),
        ),
        Example(
            {"type": "io.debezium.transforms.ExtractNewRecordState", "add.fields": "op,table"},
            Message("db.customers", {"id": 7}, _UPDATE, None, _ENVELOPE),
            Message(
                "db.customers", {"id": 7}, {"id": 7, "club": "platinum", "__op": "u", "__table": "customers"}, None,
                Struct((*_ROW.fields, Field("__op", STRING), Field("__table", STRING))),
            ),
        ),
        _unwrap,
        package="io.debezium.transforms.",
    ),
)  # fmt: skip
