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
    _check_json(parsed, "the schema")
    return json.dumps(parsed, sort_keys=True, separators=(",", ":"))


_JSON_SHAPES: dict[str, tuple[type | tuple[type, ...], str]] = {
    "$ref": (str, "a string"), "title": (str, "a string"), "connect.type": (str, "a string"), "type": ((str, list), "a string or a list"),
    "enum": (list, "a list"), "required": (list, "a list"), "connect.parameters": (dict, "an object"),
    "oneOf": (list, "a list"), "anyOf": (list, "a list"), "allOf": (list, "a list"),
    "properties": (dict, "an object"), "patternProperties": (dict, "an object"), "definitions": (dict, "an object"), "$defs": (dict, "an object"),
    "items": ((dict, list, bool), "a schema"), "additionalProperties": ((dict, bool), "a schema"), "not": ((dict, bool), "a schema"),
}  # fmt: skip
"""What the keywords that matter here hold, and how that is said."""
_JSON_PARTS = ("oneOf", "anyOf", "allOf", "properties", "patternProperties", "definitions", "$defs")


def _check_json(schema: Any, where: str) -> None:
    """Refuse a JSON schema whose keywords do not hold what they must. Raises SchemaError."""
    if not isinstance(schema, dict | bool):
        raise SchemaError(f"Not a JSON schema: {where} must be an object, true or false.", mend="Mend the schema's text.")
    if isinstance(schema, bool):
        return
    for keyword, (types, said) in _JSON_SHAPES.items():
        if keyword in schema and not isinstance(schema[keyword], types):
            raise SchemaError(f"Not a JSON schema: {keyword} of {where} must be {said}.", mend="Mend the schema's text.")
    for keyword in _JSON_PARTS:
        parts = schema.get(keyword, {})
        for name, part in parts.items() if isinstance(parts, dict) else enumerate(parts):
            _check_json(part, f"{name} in {keyword} of {where}")
    for keyword in ("items", "additionalProperties", "not"):
        part = schema.get(keyword, True)
        for item in part if isinstance(part, list) else [part]:
            _check_json(item, f"{keyword} of {where}")
