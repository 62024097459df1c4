"""Avro: the rules of schema resolution (Avro specification, "Schema Resolution")."""

from __future__ import annotations

from typing import Any

from penstock.registry.avro import parse_avro
from penstock.registry.canonical import Resolve
from penstock.registry.model import Schema

_PROMOTIONS = {
    "int": {"long", "float", "double"}, "long": {"float", "double"}, "float": {"double"}, "string": {"bytes"}, "bytes": {"string"},
}
_NAMED = ("record", "error", "enum", "fixed")


def unreadable(reader: Schema, writer: Schema, resolve: Resolve) -> list[str]:
    """Why a reader with one schema cannot read what was written with the other."""
    to, to_names = parse_avro(reader, resolve)
    source, source_names = parse_avro(writer, resolve)
    return _Resolution(to_names, source_names).compare(to, source, "the schema")


class _Resolution:
    """Compares a reader's schema with a writer's; remembers the pairs of records in hand, since they may contain themselves."""

    def __init__(self, reader_names: dict[str, Any], writer_names: dict[str, Any]) -> None:
        self.reader_names = reader_names
        self.writer_names = writer_names
        self.open: set[tuple[str, str]] = set()

    def compare(self, reader: Any, writer: Any, place: str) -> list[str]:
        reader, writer = _resolve(reader, self.reader_names), _resolve(writer, self.writer_names)
        if isinstance(writer, list):
            problems = []
            for branch in writer:
                if self.compare(reader, branch, place):
                    problems.append(f"{place} may hold {_word(_resolve(branch, self.writer_names))}, which {_words(reader)} cannot read: "
                                    f"add that type to the union.")
            return problems
        if isinstance(reader, list):
            if any(not self.compare(branch, writer, place) for branch in reader):
                return []
            return [f"{place} was {_word(writer)}, which no type of the union {_words(reader)} can read: add that type to the union."]
        return self._compare_types(reader, writer, place)

    def _compare_types(self, reader: Any, writer: Any, place: str) -> list[str]:
        to, source = _kind(reader), _kind(writer)
        if to != source:
            if to in _PROMOTIONS.get(source, ()):
                return []
            return [f"{place} changed from {_word(writer)} to {_word(reader)}: keep its type, or add a new field instead."]
        match to:
            case "record" | "error":
                return self._compare_records(reader, writer, place)
            case "array":
                return self.compare(reader["items"], writer["items"], f"an item of {place}")
            case "map":
                return self.compare(reader["values"], writer["values"], f"a value of {place}")
            case "enum":
                return _compare_enums(reader, writer, place)
            case "fixed":
                if reader["size"] != writer["size"] or _short(reader) != _short(writer):
                    return [f"{place} changed from {_word(writer)} to {_word(reader)}: keep its name and size."]
        return _compare_decimals(reader, writer, place)

    def _compare_records(self, reader: Any, writer: Any, place: str) -> list[str]:
        aliases = {a.rpartition(".")[2] for a in reader.get("aliases", [])}
        if _short(reader) != _short(writer) and _short(writer) not in aliases:
            return [f"{place} changed its name from {_short(writer)} to {_short(reader)}: keep the name, or give the old one as an alias."]
        pair = (reader["name"], writer["name"])
        if pair in self.open:
            return []
        self.open.add(pair)
        try:
            written = {f["name"]: f for f in writer["fields"]}
            problems = []
            for field in reader["fields"]:
                name = field["name"]
                source = next((written[n] for n in (name, *field.get("aliases", [])) if n in written), None)
                if source is not None:
                    problems += self.compare(field["type"], source["type"], f"field {name}" if place == "the schema" else f"field {name} of {place}")
                elif "default" not in field:
                    problems.append(f"Field {name} is new and has no default, so earlier records cannot be read: give it a default.")
            return problems
        finally:
            self.open.discard(pair)


def _compare_enums(reader: Any, writer: Any, place: str) -> list[str]:
    if _short(reader) != _short(writer) and _short(writer) not in {a.rpartition(".")[2] for a in reader.get("aliases", [])}:
        return [f"{place} changed its name from {_short(writer)} to {_short(reader)}: keep the name."]
    gone = [s for s in writer["symbols"] if s not in reader["symbols"]]
    if gone and "default" not in reader:
        return [f"{place} lost the symbol{'s' if len(gone) > 1 else ''} {', '.join(gone)}: keep them, or give the enum a default."]
    return []


def _compare_decimals(reader: Any, writer: Any, place: str) -> list[str]:
    def decimal(schema: Any) -> tuple[Any, Any] | None:
        if isinstance(schema, dict) and schema.get("logicalType") == "decimal":
            return schema.get("precision"), schema.get("scale", 0)
        return None

    to, source = decimal(reader), decimal(writer)
    if to and source and to[1] != source[1]:
        return [f"{place} changed its scale from {source[1]} to {to[1]}: keep the scale."]
    return []


def _resolve(schema: Any, names: dict[str, Any]) -> Any:
    while True:
        if isinstance(schema, str) and schema in names:
            schema = names[schema]
        elif isinstance(schema, dict) and (not isinstance(schema["type"], str) or schema["type"] in names):
            schema = schema["type"]
        else:
            return schema


def _kind(schema: Any) -> str:
    return str(schema["type"]) if isinstance(schema, dict) else str(schema)


def _short(schema: Any) -> str:
    return str(schema["name"]).rpartition(".")[2]


def _word(schema: Any) -> str:
    kind = _kind(schema)
    if kind == "fixed":
        return f"fixed {_short(schema)} of {schema['size']} bytes"
    return f"{kind} {_short(schema)}" if kind in _NAMED else kind


def _words(schema: Any) -> str:
    if isinstance(schema, list):
        return "[" + ", ".join(b if isinstance(b, str) else _word(b) for b in schema) + "]"
    return _word(schema)
