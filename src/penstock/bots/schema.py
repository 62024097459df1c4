"""What a topic's schema says of its columns, for the questions of a form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.errors import SqlError
from penstock.sql.types import SqlType

if TYPE_CHECKING:
    from penstock import Database
    from penstock.catalog.model import DataSource

NO_DEFAULT: Any = object()


@dataclass(frozen=True)
class FormColumn:
    """A column to ask for. `doc` is the schema's; `required` is false where NULL will do; `default` is NO_DEFAULT where the schema has none."""

    name: str
    type: SqlType
    doc: str = ""
    required: bool = True
    default: Any = NO_DEFAULT


def source_of(db: Database, name: str) -> DataSource:
    """The stream or table of a name. Raises SqlError."""
    source = db.catalog.source(name) or db.catalog.source(name.upper())
    if source is None:
        raise SqlError(f"There is no stream or table {name}.", mend="SHOW STREAMS and SHOW TABLES list what there is.")
    return source


def form_columns(db: Database, source: DataSource) -> list[FormColumn]:
    """The source's columns, the key's first. With a registered schema (Avro or JSON) a field is required unless it may be null or has a default;
    without one only a table's key is."""
    headers = {header.name for header in source.headers}
    said = {name.upper(): column for part in ("key", "value") for name, column in _registered(db, f"{source.topic}-{part}").items()}
    found = []
    for column in source.schema.columns:
        if column.name in headers:
            continue
        is_key = column in source.schema.key
        known = said.get(column.name.upper())
        if known is None:
            found.append(FormColumn(column.name, column.type, required=is_key and source.kind == "TABLE"))
        else:
            found.append(FormColumn(column.name, column.type, *known))
    return found


def _registered(db: Database, subject: str) -> Mapping[str, tuple[str, bool, Any]]:
    """Field name -> (doc, required, default) of the subject's newest schema; empty where it has none, or one that says nothing of fields."""
    registered = db.schemas.latest(subject)
    if registered is None or registered.schema.type == "PROTOBUF":
        return {}
    schema = json.loads(registered.schema.text)
    if not isinstance(schema, dict):
        return {}
    return _of_json_schema(schema) if registered.schema.type == "JSON" else _of_avro(schema)


def _of_avro(schema: Mapping[str, Any]) -> dict[str, tuple[str, bool, Any]]:
    found = {}
    for each in schema.get("fields", ()):
        may_be_null = isinstance(each["type"], list) and "null" in each["type"]
        default = each.get("default", NO_DEFAULT)
        found[each["name"]] = (each.get("doc", ""), not may_be_null and default is NO_DEFAULT, default)
    return found


def _of_json_schema(schema: Mapping[str, Any]) -> dict[str, tuple[str, bool, Any]]:
    required = schema.get("required", [])
    return {
        name: (each.get("description", ""), name in required and "default" not in each, each.get("default", NO_DEFAULT))
        for name, each in schema.get("properties", {}).items()
        if isinstance(each, dict)
    }
