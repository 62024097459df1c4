"""From a record to an action of the bulk API, and from a topic's types to the mapping of its index."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.connect.records import Record
from penstock.connect.text import json_text, plain_text
from penstock.sql.types import Array, Decimal, Map, Primitive, SqlType, Struct

NAME_BYTES_MAX = 255
WINDOW_BOUNDS = ("WINDOWSTART", "WINDOWEND")

_PRIMITIVES: Mapping[str, Mapping[str, Any]] = {
    "BOOLEAN": {"type": "boolean"},
    "INTEGER": {"type": "integer"},
    "BIGINT": {"type": "long"},
    "DOUBLE": {"type": "double"},
    # Both ways to ask: by words, and by the whole text.
    "STRING": {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}},
    "BYTES": {"type": "binary"},
    "DATE": {"type": "date"},
    "TIME": {"type": "keyword"},  # the servers have no time of day; as text it sorts as it should
    "TIMESTAMP": {"type": "date"},
}


@dataclass(frozen=True, slots=True)
class Action:
    """One line, or two, of a bulk request, and the record that it is for."""

    record: Record
    index: str
    lines: bytes
    deletes: bool = False


def index_name(text: str) -> str:
    """A name as an index may have it: lower case, without the signs that it may not begin with, no longer than 255 bytes."""
    name = text.lower().lstrip("-_+")
    return {".": "dot", "..": "dotdot"}.get(name, name).encode()[:NAME_BYTES_MAX].decode(errors="ignore")


def document_id(record: Record) -> str | None:
    """The key as text: a single column's value as it stands, several as a JSON array. None where the record has no key."""
    values = [record.columns.get(name) for name in record.key_columns]
    if not values or all(value is None for value in values):
        return record.key.decode(errors="replace") if record.key is not None and not record.key_columns else None
    return plain_text(values[0]) if len(values) == 1 else json_text(values)


def action(kind: str, index: str, meta: Mapping[str, Any], body: str | None, record: Record) -> Action:
    """An action; `kind` is index, create, update or delete, `body` the document's JSON."""
    head = json.dumps({kind: {"_index": index, **meta}}, ensure_ascii=False)
    lines = f"{head}\n" if body is None else f"{head}\n{body}\n"
    return Action(record, index, lines.encode(errors="replace"), deletes=kind == "delete")


def document(record: Record, types: Mapping[str, SqlType] | None, *, compact_maps: bool) -> dict[str, Any]:
    """The record's value as a document."""
    columns = record.value_columns()
    if compact_maps or types is None:
        return columns
    return {name: _entries(value, types[name]) if name in types else value for name, value in columns.items()}


def _entries(value: Any, type_: SqlType) -> Any:
    """The value with its maps as lists of entries."""
    if value is None:
        return None
    match type_:
        case Map(_, item) if isinstance(value, Mapping):
            return [{"key": k, "value": _entries(v, item)} for k, v in value.items()]
        case Array(item):
            return [_entries(v, item) for v in value]
        case Struct(fields) if isinstance(value, Mapping):
            return {f.name: _entries(value.get(f.name), f.type) for f in fields}
    return value


def mapping(types: Mapping[str, SqlType], names: Sequence[str], *, compact_maps: bool) -> dict[str, Any]:
    """The mapping of an index whose documents have the columns `names`: what is a time in SQL is a date there. What `types` does not know
    is left to the server."""
    return {"properties": {name: _property(name, types[name], compact_maps) for name in names if name in types}}


def _property(name: str, type_: SqlType, compact_maps: bool) -> dict[str, Any]:
    match type_:
        case Primitive("BIGINT") if name in WINDOW_BOUNDS:
            return {"type": "date", "format": "epoch_millis"}
        case Primitive(kind):
            return dict(_PRIMITIVES.get(kind, {"type": "object"}))
        case Decimal():
            return {"type": "double"}
        case Array(item):
            return _property("", item, compact_maps)
        case Map(key, value) if not compact_maps:
            inner = {"key": _property("", key, compact_maps), "value": _property("", value, compact_maps)}
            return {"type": "nested", "properties": inner}
        case Struct(fields):
            return {"properties": {f.name: _property("", f.type, compact_maps) for f in fields}}
    return {"type": "object"}
