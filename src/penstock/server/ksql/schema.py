"""Types and columns as ksqlDB's answers describe them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from penstock.catalog.model import DataSource
from penstock.plan.steps import Column
from penstock.sql.types import Array, Map, SqlType, Struct


def type_object(type_: SqlType) -> dict[str, Any]:
    """A type: its name, and the schema of what it holds."""
    match type_:
        case Array(item):
            return {"type": "ARRAY", "fields": None, "memberSchema": type_object(item)}
        case Map(_, value):
            return {"type": "MAP", "fields": None, "memberSchema": type_object(value)}
        case Struct(fields):
            return {"type": "STRUCT", "fields": [{"name": f.name, "schema": type_object(f.type)} for f in fields], "memberSchema": None}
    found: dict[str, Any] = {"type": str(type_).partition("(")[0], "fields": None, "memberSchema": None}
    if found["type"] == "DECIMAL":
        found["parameters"] = {"precision": type_.precision, "scale": type_.scale}  # type: ignore[attr-defined]
    return found


def field_objects(key: Iterable[Column], value: Iterable[Column]) -> list[dict[str, Any]]:
    """Columns, those of the key marked."""
    return [
        *({"name": c.name, "schema": type_object(c.type), "type": "KEY"} for c in key),
        *({"name": c.name, "schema": type_object(c.type)} for c in value),
    ]


def source_fields(source: DataSource) -> list[dict[str, Any]]:
    """The columns of a stream or table; those that are headers are marked."""
    headers = {h.name: h.header for h in source.headers}
    fields = field_objects(source.schema.key, source.schema.value)
    for field in fields:
        if field["name"] in headers:
            field |= {"type": "HEADER"} if headers[field["name"]] is None else {"type": "HEADER", "headerKey": headers[field["name"]]}
    return fields
