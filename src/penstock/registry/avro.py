"""Avro schemas: parsed, checked, and their references resolved."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from penstock.errors import SchemaError
from penstock.registry.model import Schema

if TYPE_CHECKING:
    from penstock.registry.canonical import Resolve


def parse_avro(schema: Schema, resolve: Resolve) -> tuple[Any, dict[str, Any]]:
    """The schema with all names made full, and the named types that it and what it refers to define; SchemaError where it is malformed."""
    from fastavro.schema import SchemaParseException, UnknownType, parse_schema

    named: dict[str, Any] = {}
    try:
        for text in [*_references(schema, resolve, set()), schema.text]:
            parsed = parse_schema(_document(text), named_schemas=named)
    except UnknownType as problem:
        raise SchemaError(f"Not an Avro schema: the type {problem.name} is unknown.", mend="Define it, or refer to the schema that does.") from None
    except (SchemaParseException, ValueError, KeyError, TypeError, AttributeError) as problem:
        reason = f"{problem} is missing" if isinstance(problem, KeyError) else str(problem)
        raise SchemaError(f"Not an Avro schema: {reason}.", mend="Mend the schema's text.") from None
    _check_defaults(parsed, named)
    return parsed, named


def _document(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        if text.strip().replace(".", "").replace("_", "").isalnum():
            return text.strip()  # the bare name of a type
        raise


def _references(schema: Schema, resolve: Resolve, seen: set[str]) -> list[str]:
    texts: list[str] = []
    for reference in schema.references:
        if reference.name not in seen:
            seen.add(reference.name)
            other = resolve(reference)
            texts += [*_references(other, resolve, seen), other.text]
    return texts


def _check_defaults(schema: Any, named: dict[str, Any]) -> None:
    if isinstance(schema, list):
        for branch in schema:
            _check_defaults(branch, named)
    elif isinstance(schema, dict):
        for field in schema.get("fields", []):
            if "default" in field and not fits(field["default"], field["type"], named):
                raise SchemaError(
                    f"Not an Avro schema: the default of field {field['name']} is not of its type (for a union, of its first type).",
                    mend="Give a default of the field's type.",
                )
            _check_defaults(field["type"], named)
        for part in ("items", "values"):
            if part in schema:
                _check_defaults(schema[part], named)


def fits(value: Any, schema: Any, named: dict[str, Any]) -> bool:
    """Whether a JSON value is a default for the type."""
    if isinstance(schema, list):
        return bool(schema) and any(fits(value, branch, named) for branch in schema)
    if isinstance(schema, str) and schema in named:
        schema = named[schema]
    kind = schema["type"] if isinstance(schema, dict) else schema
    match kind:
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "int" | "long":
            bits = 31 if kind == "int" else 63
            return isinstance(value, int) and not isinstance(value, bool) and -(1 << bits) <= value < 1 << bits
        case "float" | "double":
            return (isinstance(value, int | float) and not isinstance(value, bool)) or value in ("NaN", "Infinity", "-Infinity")
        case "string" | "bytes" | "fixed":
            return isinstance(value, str)
        case "enum":
            return value in schema["symbols"]
        case "array":
            return isinstance(value, list) and all(fits(v, schema["items"], named) for v in value)
        case "map":
            return isinstance(value, dict) and all(fits(v, schema["values"], named) for v in value.values())
        case "record" | "error":
            return isinstance(value, dict) and all(_fits_field(value, f, named) for f in schema["fields"])
    return isinstance(kind, dict | list) and fits(value, kind, named)


def _fits_field(record: dict[str, Any], field: Any, named: dict[str, Any]) -> bool:
    if field["name"] not in record:
        return "default" in field
    return fits(record[field["name"]], field["type"], named)
