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
            document = _document(text)
            _need_fields(document)
            parsed = parse_schema(document, named_schemas=named)
    except UnknownType as problem:
        raise SchemaError(f"Not an Avro schema: the type {problem.name} is unknown.", mend="Define it, or refer to the schema that does.") from None
    except (SchemaParseException, ValueError, KeyError, TypeError, AttributeError) as problem:
        reason = f"{problem} is missing" if isinstance(problem, KeyError) else str(problem)
        raise SchemaError(f"Not an Avro schema: {reason}.", mend="Mend the schema's text.") from None
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


def _need_fields(schema: Any) -> None:
    """Raise KeyError for a record without a list of fields, which fastavro would take as an empty one, TypeError where a field has no name."""
    if isinstance(schema, list):
        for branch in schema:
            _need_fields(branch)
    elif isinstance(schema, dict):
        if schema["type"] in ("record", "error"):
            for field in schema["fields"]:
                if not isinstance(field["name"], str):
                    raise TypeError(f"the name of a field must be a string, but is {field['name']}")
                _need_fields(field["type"])
        for part in ("type", "items", "values"):
            if part in schema:
                _need_fields(schema[part])
