"""Whether a schema may follow another: Confluent's levels over each type's own rule of reading.

BACKWARD: who has the new schema reads what the old one wrote; FORWARD the reverse; FULL both. The TRANSITIVE levels ask it of all earlier versions.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

from penstock.registry.canonical import Resolve
from penstock.registry.model import Compatibility, Schema, SchemaType

Reads = Callable[[Schema, Schema, Resolve], list[str]]
"""(reader, writer, resolve) -> why the reader cannot read what the writer wrote, in words; empty where it can."""

_MODULES: dict[SchemaType, str] = {"AVRO": "avro", "JSON": "json_schema", "PROTOBUF": "protobuf"}


def violations(new: Schema, old: Schema, level: Compatibility, resolve: Resolve) -> list[str]:
    """Why `new` may not follow `old` at this level; empty where it may."""
    if level == "NONE":
        return []
    if new.type != old.type:
        return [f"The schema is of type {new.type}, the earlier one of type {old.type}: register it under another subject."]
    reads = _rule(new.type)
    problems = []
    if level.startswith(("BACKWARD", "FULL")):
        problems += reads(new, old, resolve)
    if level.startswith(("FORWARD", "FULL")):
        problems += [f"Readers of the earlier schema: {problem}" for problem in reads(old, new, resolve)]
    return problems


def _rule(schema_type: SchemaType) -> Reads:
    rule: Reads = importlib.import_module(f"penstock.registry.compatibility.{_MODULES[schema_type]}").unreadable
    return rule
