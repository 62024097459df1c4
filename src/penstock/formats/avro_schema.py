"""Columns to Avro schemas and back, as ksqlDB and Connect write them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from penstock.errors import SchemaError
from penstock.formats.contract import Column, SerdeOptions
from penstock.formats.definition import registered_decimal
from penstock.sql.types import BIGINT, BOOLEAN, BYTES, DATE, DOUBLE, INTEGER, STRING, TIME, TIMESTAMP, Array, Decimal, Field, Map, SqlType, Struct

NAMESPACE = "io.confluent.ksql.avro_schemas"
RECORD = "KsqlDataSourceSchema"
_CONNECT = "org.apache.kafka.connect.data."
_NAME_START = re.compile(r"[A-Za-z_]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PRIMITIVES = {BOOLEAN: "boolean", INTEGER: "int", BIGINT: "long", DOUBLE: "double", STRING: "string", BYTES: "bytes"}
_LOGICAL = {DATE: ("int", "Date", "date"), TIME: ("int", "Time", "time-millis"), TIMESTAMP: ("long", "Timestamp", "timestamp-millis")}
_SQL = {"boolean": BOOLEAN, "int": INTEGER, "long": BIGINT, "float": DOUBLE, "double": DOUBLE, "string": STRING, "bytes": BYTES,
        "enum": STRING, "fixed": BYTES}
_SQL_LOGICAL = {"date": DATE, "time-millis": TIME, "timestamp-millis": TIMESTAMP, "local-timestamp-millis": TIMESTAMP,
                "time-micros": TIME, "timestamp-micros": TIMESTAMP, "local-timestamp-micros": TIMESTAMP, "uuid": STRING}


def record_name(options: SerdeOptions) -> str:
    """The full name of the record that holds the columns."""
    return options.full_schema_name or f"{NAMESPACE}.{RECORD}"


def to_avro(columns: Sequence[Column], options: SerdeOptions, *, unwrapped: bool) -> str:
    """The Avro schema of the columns, as JSON text. Every field may be null, and is so by default."""
    full = record_name(options)
    if unwrapped:
        return json.dumps(_avro(columns[0].type, full))
    return json.dumps(_record(full, [(c.name, c.type) for c in columns]))


def name_fault(name: str) -> str | None:
    """Why a name cannot be one in Avro; None where it can."""
    if not name:
        return "Empty name"
    if not _NAME_START.match(name):
        return f"Illegal initial character: {name}"
    return None if _NAME.fullmatch(name) else f"Illegal character in: {name}"


def names_of(type_: SqlType) -> list[str]:
    """All field names in a type."""
    match type_:
        case Array(item):
            return names_of(item)
        case Map(_, value):
            return names_of(value)
        case Struct(fields):
            return [n for f in fields for n in (f.name, *names_of(f.type))]
    return []


def _record(full: str, fields: Sequence[tuple[str, SqlType]]) -> dict[str, Any]:
    namespace, _, name = full.rpartition(".")
    schema: dict[str, Any] = {"type": "record", "name": name}
    if namespace:
        schema["namespace"] = namespace
    schema["fields"] = [{"name": n, "type": ["null", _avro(t, f"{full}_{n}")], "default": None} for n, t in fields]
    return schema | {"connect.name": full}


def _avro(type_: SqlType, full: str) -> Any:
    if type_ in _PRIMITIVES:
        return _PRIMITIVES[type_]
    if type_ in _LOGICAL:
        base, connect, logical = _LOGICAL[type_]
        return {"type": base, "connect.version": 1, "connect.name": _CONNECT + connect, "logicalType": logical}
    match type_:
        case Decimal(precision, scale):
            return {
                "type": "bytes", "scale": scale, "precision": precision, "connect.version": 1,
                "connect.parameters": {"scale": str(scale), "connect.decimal.precision": str(precision)},
                "connect.name": _CONNECT + "Decimal", "logicalType": "decimal",
            }
        case Array(item):
            return {"type": "array", "items": ["null", _avro(item, full)]}
        case Map(key, value):
            # Connect's form of a map whose keys may be null by its schema: a list of entries
            return {"type": "array", "items": _record(full, [("key", key), ("value", value)]) | {"connect.internal.type": "MapEntry"}}
        case Struct(fields):
            return _record(full, [(f.name, f.type) for f in fields])
    raise AssertionError(f"no Avro type for {type_}")


def from_avro(text: str, options: SerdeOptions, *, key_or_value: str, upper: bool, references: Mapping[str, str]) -> list[Column]:
    """The columns of a schema: a record's fields, or one column `key_or_value` for a value that stands by itself (keys always do)."""
    try:
        names: dict[str, Any] = {}
        for other in references.values():
            _collect(json.loads(other), "", names)
        schema = json.loads(text)
        _collect(schema, "", names)
    except ValueError as problem:
        raise SchemaError(f"The schema of {options.subject} is not JSON: {problem}.", mend="Register it anew.") from None
    spell = str.upper if upper else str
    type_ = _sql(schema, "", names, spell, options.subject)
    if isinstance(type_, Struct) and not options.is_key and options.wrap_single:
        return [Column(f.name, f.type) for f in type_.fields]
    return [Column(key_or_value, type_)]


def _collect(schema: Any, namespace: str, names: dict[str, Any]) -> None:
    """Gather the named types of a schema by their full names."""
    if isinstance(schema, list):
        for branch in schema:
            _collect(branch, namespace, names)
        return
    if not isinstance(schema, dict):
        return
    if schema.get("type") in ("record", "error", "enum", "fixed"):
        full = _full(str(schema.get("name", "")), schema.get("namespace", namespace))
        names[full] = schema
        namespace = full.rpartition(".")[0]
        for field in schema.get("fields", []):
            _collect(field["type"], namespace, names)
        return
    for part in ("type", "items", "values"):
        if part in schema:
            _collect(schema[part], namespace, names)


def _full(name: str, namespace: str) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"


def _sql(schema: Any, namespace: str, names: Mapping[str, Any], spell: Any, where: str, inside: tuple[str, ...] = ()) -> SqlType:
    def inner(part: Any, name: str, space: str = namespace) -> SqlType:
        return _sql(part, space, names, spell, f"{where}.{name}", inside)

    if isinstance(schema, list):
        branches = [b for b in schema if b != "null"]
        if len(branches) == 1:
            return _sql(branches[0], namespace, names, spell, where, inside)
        raise SchemaError(
            f"{where} is a union of several types, which no SQL type holds.", mend="List the columns that you need in the statement.",
        )
    if isinstance(schema, str):
        if schema in _SQL:
            return _SQL[schema]
        full = _full(schema, namespace)
        if full not in names:
            raise SchemaError(f"{where} is of the unknown Avro type {schema}.", mend="Register the schema that defines it, and refer to it.")
        if full in inside:
            raise SchemaError(f"{where} contains itself, which no SQL type can.", mend="List the columns that you need in the statement.")
        return _sql(names[full], full.rpartition(".")[0], names, spell, where, inside)
    kind = schema["type"]
    logical = schema.get("logicalType")
    if logical == "decimal" and kind in ("bytes", "fixed"):
        return registered_decimal(schema.get("precision"), schema.get("scale", 0), where)
    if isinstance(logical, str) and logical in _SQL_LOGICAL:
        return _SQL_LOGICAL[logical]
    if kind == "array":
        items = schema["items"]
        if isinstance(items, dict) and items.get("connect.internal.type") == "MapEntry":
            entry = {f["name"]: f["type"] for f in items["fields"]}
            return Map(inner(entry["key"], "key"), inner(entry["value"], "value"))
        return Array(inner(items, "[]"))
    if kind == "map":
        return Map(STRING, inner(schema["values"], "{}"))
    if kind in ("record", "error"):
        full = _full(schema["name"], schema.get("namespace", namespace))
        space = full.rpartition(".")[0]
        return Struct(tuple(
            Field(spell(f["name"]), _sql(f["type"], space, names, spell, f"{where}.{f['name']}", (*inside, full))) for f in schema["fields"]))
    if isinstance(kind, str) and kind in _SQL:
        return _SQL[kind]
    return _sql(kind, namespace, names, spell, where, inside)
