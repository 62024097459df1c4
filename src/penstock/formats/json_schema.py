"""Columns to JSON Schemas and back, as Connect's JSON Schema converter writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from penstock.errors import SchemaError
from penstock.formats.contract import Column, SerdeOptions
from penstock.formats.definition import DECIMAL_DIGITS_MAX, registered_decimal
from penstock.sql.types import BIGINT, BOOLEAN, BYTES, DATE, DOUBLE, INTEGER, STRING, TIME, TIMESTAMP, Array, Decimal, Field, Map, SqlType, Struct

_CONNECT = "org.apache.kafka.connect.data."
_PRIMITIVES: dict[SqlType, dict[str, Any]] = {
    BOOLEAN: {"type": "boolean"}, STRING: {"type": "string"},
    INTEGER: {"type": "integer", "connect.type": "int32"}, BIGINT: {"type": "integer", "connect.type": "int64"},
    DOUBLE: {"type": "number", "connect.type": "float64"}, BYTES: {"type": "string", "connect.type": "bytes"},
    DATE: {"type": "integer", "title": _CONNECT + "Date", "connect.version": 1, "connect.type": "int32"},
    TIME: {"type": "integer", "title": _CONNECT + "Time", "connect.version": 1, "connect.type": "int32"},
    TIMESTAMP: {"type": "integer", "title": _CONNECT + "Timestamp", "connect.version": 1, "connect.type": "int64"},
}
_BY_TITLE = {_CONNECT + "Date": DATE, _CONNECT + "Time": TIME, _CONNECT + "Timestamp": TIMESTAMP}
_BY_CONNECT_TYPE = {"int8": INTEGER, "int16": INTEGER, "int32": INTEGER, "int64": BIGINT, "float32": DOUBLE, "float64": DOUBLE, "bytes": BYTES,
                    "string": STRING, "boolean": BOOLEAN}


def to_json_schema(columns: Sequence[Column], *, unwrapped: bool) -> str:
    """The JSON Schema of the columns, as text. Every field may be null."""
    if unwrapped:
        return json.dumps(_nullable(columns[0].type))
    return json.dumps(_object([(c.name, c.type) for c in columns]))


def _object(fields: Sequence[tuple[str, SqlType]]) -> dict[str, Any]:
    return {"type": "object", "properties": {n: {"connect.index": i, **_nullable(t)} for i, (n, t) in enumerate(fields)}}


def _nullable(type_: SqlType) -> dict[str, Any]:
    return {"oneOf": [{"type": "null"}, _schema(type_)]}


def _schema(type_: SqlType) -> dict[str, Any]:
    match type_:
        case Decimal(precision, scale):
            return {"type": "number", "title": _CONNECT + "Decimal", "connect.version": 1, "connect.type": "bytes",
                    "connect.parameters": {"scale": str(scale), "connect.decimal.precision": str(precision)}}
        case Array(item):
            return {"type": "array", "items": _nullable(item)}
        case Map(_, value):
            return {"type": "object", "connect.type": "map", "additionalProperties": _nullable(value)}
        case Struct(fields):
            return _object([(f.name, f.type) for f in fields])
    return dict(_PRIMITIVES[type_])


def from_json_schema(text: str, options: SerdeOptions, *, key_or_value: str, upper: bool, references: Mapping[str, str]) -> list[Column]:
    """The columns of a schema: an object's properties, or one column `key_or_value` for a value that stands by itself (keys always do)."""
    documents = {name: json.loads(other) for name, other in references.items()}
    reading = _Reading(json.loads(text), documents, str.upper if upper else str)
    type_ = reading.type_of(reading.root, options.subject)
    if isinstance(type_, Struct) and not options.is_key and options.wrap_single:
        return [Column(f.name, f.type) for f in type_.fields]
    return [Column(key_or_value, type_)]


class _Reading:
    """One schema's types; `documents` are what it refers to, by the names that it has for them."""

    def __init__(self, root: Any, documents: Mapping[str, Any], spell: Any) -> None:
        self.root = root
        self.documents = documents
        self.spell = spell
        self.open: list[str] = []

    def type_of(self, schema: Any, where: str) -> SqlType:
        if not isinstance(schema, dict):
            raise self._untyped(where)
        if "$ref" in schema:
            return self._referred(schema["$ref"], where)
        for union in ("oneOf", "anyOf"):
            if union in schema:
                branches = [b for b in schema[union] if b != {"type": "null"}]
                if len(branches) != 1:
                    raise SchemaError(
                        f"{where} is one of several types, which no SQL type holds.", mend="List the columns that you need in the statement.")
                return self.type_of(branches[0], where)
        if len(schema.get("allOf", [])) == 1:
            return self.type_of(schema["allOf"][0], where)
        kind = schema.get("type")
        if isinstance(kind, list):
            kinds = [k for k in kind if k != "null"]
            kind = kinds[0] if len(kinds) == 1 else None
        return self._plain(schema, kind, where)

    def _plain(self, schema: dict[str, Any], kind: Any, where: str) -> SqlType:
        title, connect = schema.get("title"), schema.get("connect.type")
        if title == _CONNECT + "Decimal":
            parameters = schema.get("connect.parameters", {})
            return registered_decimal(parameters.get("connect.decimal.precision", DECIMAL_DIGITS_MAX), parameters.get("scale", 0), where)
        if title in _BY_TITLE:
            return _BY_TITLE[title]
        match kind:
            case "object" if connect == "map" or ("properties" not in schema and isinstance(schema.get("additionalProperties"), dict)):
                return Map(STRING, self.type_of(schema.get("additionalProperties"), where + "{}"))
            case "object":
                return self._struct(schema, where)
            case "array":
                return self._list(schema, connect, where)
            case _ if connect in _BY_CONNECT_TYPE:
                return _BY_CONNECT_TYPE[connect]
            case "integer":
                return BIGINT
            case "number":
                return DOUBLE
            case "string":
                return STRING
            case "boolean":
                return BOOLEAN
        if "enum" in schema and all(isinstance(v, str) for v in schema["enum"]):
            return STRING
        raise self._untyped(where)

    def _list(self, schema: dict[str, Any], connect: Any, where: str) -> SqlType:
        if connect == "map":
            entry = self.type_of(schema["items"], where + "{}")
            if isinstance(entry, Struct):
                parts = {f.name.lower(): f.type for f in entry.fields}
                return Map(parts["key"], parts["value"])
        return Array(self.type_of(schema.get("items"), where + "[]"))

    def _struct(self, schema: dict[str, Any], where: str) -> Struct:
        properties = list(schema.get("properties", {}).items())
        if all(isinstance(p, dict) and "connect.index" in p for _, p in properties):
            properties.sort(key=lambda item: int(item[1]["connect.index"]))
        return Struct(tuple(Field(self.spell(name), self.type_of(part, f"{where}.{name}")) for name, part in properties))

    def _referred(self, reference: str, where: str) -> SqlType:
        if reference in self.open:
            raise SchemaError(f"{where} contains itself, which no SQL type can.", mend="List the columns that you need in the statement.")
        name, _, path = reference.partition("#")
        node = self.documents.get(name) if name else self.root
        for part in filter(None, path.split("/")):
            node = node.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(node, dict) else None
        if node is None:
            raise SchemaError(f"{where} refers to {reference}, which is not there.", mend="Define it, or register it and refer to its subject.")
        self.open.append(reference)
        outer = self.root
        if name:
            self.root = self.documents[name]
        try:
            return self.type_of(node, where)
        finally:
            self.open.pop()
            self.root = outer

    def _untyped(self, where: str) -> SchemaError:
        return SchemaError(f"{where} has no type that SQL knows.", mend="Give it a type, or list the columns that you need in the statement.")
