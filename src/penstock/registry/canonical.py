"""One text for all spellings of a schema: by it the registry knows a schema again."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from penstock.errors import SchemaError
from penstock.registry.model import Reference, Schema

Resolve = Callable[[Reference], Schema]


def canonical(schema: Schema, resolve: Resolve) -> str:
    """The canonical form of a schema, its type and references included; SchemaError where it is malformed.

    The form forgets spacing and the order of attributes, but keeps documentation, defaults and properties: schemas that differ in these are
    different ones, as for Confluent's registry.
    """
    for reference in schema.references:
        resolve(reference)
    references = sorted(f"{r.name}={r.subject}:{r.version}" for r in schema.references)
    form = _form(schema) if not schema.references else _checked(schema, resolve)
    return "\n".join([schema.type, *references, form])


@lru_cache(maxsize=512)
def _form(schema: Schema) -> str:
    return _checked(schema, _nothing)


def _nothing(reference: Reference) -> Schema:
    raise SchemaError(f"{reference.name} is referred to, but not given.")


def _checked(schema: Schema, resolve: Resolve) -> str:
    match schema.type:
        case "AVRO":
            return _avro(schema, resolve)
        case "JSON":
            return _json(schema)
        case "PROTOBUF":
            from penstock.registry.protobuf import canonical_text

            return canonical_text(schema, resolve)
    raise SchemaError(f"There is no schema type {schema.type}.", mend="The types are AVRO, JSON and PROTOBUF.")


def _avro(schema: Schema, resolve: Resolve) -> str:
    from penstock.registry.avro import parse_avro

    parse_avro(schema, resolve)
    return json.dumps(_simple(json.loads(schema.text)), sort_keys=True, separators=(",", ":"))


def _simple(part: Any) -> Any:
    """An Avro schema with `{"type": "int"}` as `"int"`."""
    if isinstance(part, dict):
        if set(part) == {"type"} and isinstance(part["type"], str):
            return part["type"]
        return {k: _simple(v) for k, v in part.items()}
    return [_simple(v) for v in part] if isinstance(part, list) else part


def _json(schema: Schema) -> str:
    try:
        parsed = json.loads(schema.text)
    except ValueError as problem:
        raise SchemaError(f"Not a JSON schema: {problem}.", mend="Mend the schema's text.") from None
    if not isinstance(parsed, dict | bool):
        raise SchemaError("Not a JSON schema: it must be an object, true or false.", mend="Mend the schema's text.")
    return json.dumps(parsed, sort_keys=True, separators=(",", ":"))
