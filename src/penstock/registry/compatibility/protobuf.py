"""Protobuf: what stays readable on the wire (Protocol Buffers guide, "Updating a message type"; Confluent's Protobuf compatibility rules)."""

from __future__ import annotations

from penstock.registry.canonical import Resolve
from penstock.registry.model import Schema
from penstock.registry.proto_file import SCALARS, ProtoEnum, ProtoField, ProtoMessage
from penstock.registry.protobuf import ProtoTypes, parse_protobuf

# Types of one group are the same on the wire and hold each other's values.
_GROUPS = (
    {"int32", "uint32", "int64", "uint64", "bool"}, {"sint32", "sint64"}, {"string", "bytes"}, {"fixed32", "sfixed32"}, {"fixed64", "sfixed64"},
)


def unreadable(reader: Schema, writer: Schema, resolve: Resolve) -> list[str]:
    """Why a reader with one schema cannot read what was written with the other."""
    to, source = parse_protobuf(reader, resolve), parse_protobuf(writer, resolve)
    comparison = _Comparison(to, source)
    problems = []
    for full in source.top():
        if full in to.types:
            problems += comparison.messages(full, full)
        elif source.top().index(full) == 0 and len(source.top()) == len(to.top()) == 1:
            problems += comparison.messages(to.top()[0], full)  # the only message, under another name: the wire does not carry names
        else:
            problems.append(f"Message {full} is gone: keep it.")
    return problems


class _Comparison:
    def __init__(self, reader: ProtoTypes, writer: ProtoTypes) -> None:
        self.reader = reader
        self.writer = writer
        self.seen: set[tuple[str, str]] = set()

    def messages(self, to: str, source: str) -> list[str]:
        if (to, source) in self.seen:
            return []
        self.seen.add((to, source))
        reader, writer = self.reader.types[to], self.writer.types[source]
        assert isinstance(reader, ProtoMessage)
        assert isinstance(writer, ProtoMessage)
        by_number = {f.number: f for f in reader.fields}
        problems = []
        for field in writer.fields:
            now = by_number.get(field.number)
            if now is not None:
                problems += self._fields(now, field, to, source)
            elif field.oneof is not None and any(f.oneof == field.oneof for f in reader.fields):
                problems.append(f"Field {field.name} left the oneof {field.oneof} of {source}: keep it there.")
            elif field.label == "required":
                problems.append(f"The required field {field.name} of {source} is gone: keep it.")
        written = {f.number for f in writer.fields}
        problems += [f"The required field {f.name} of {to} is new, so earlier records lack it: make it optional."
                     for f in reader.fields if f.label == "required" and f.number not in written]
        for oneof in {f.oneof for f in reader.fields if f.oneof}:
            moved = [f for f in writer.fields if f.oneof != oneof and (n := by_number.get(f.number)) is not None and n.oneof == oneof]
            if len(moved) > 1:
                problems.append(f"The fields {', '.join(f.name for f in moved)} of {source} moved into the oneof {oneof}: leave them outside.")
        return problems

    def _fields(self, to: ProtoField, source: ProtoField, scope: str, source_scope: str) -> list[str]:
        place = f"Field {source.name} ({source.number}) of {source_scope}"
        if (to.key is None) != (source.key is None):
            return [f"{place} changed between a map and another type: add a new field instead."]
        if to.key is not None and source.key is not None and not _alike(to.key, source.key):
            return [f"{place} changed its map's keys from {source.key} to {to.key}: add a new field instead."]
        if (to.label == "repeated") != (source.label == "repeated") and source.type not in ("string", "bytes"):
            message = self._named(self.writer, source, source_scope)
            if message is None or isinstance(message[1], ProtoEnum):
                return [f"{place} changed {'from' if source.label == 'repeated' else 'to'} repeated: add a new field instead."]
        old, new = self._named(self.writer, source, source_scope), self._named(self.reader, to, scope)
        if old is None and new is None:
            return [] if _alike(to.type, source.type) else [f"{place} changed from {source.type} to {to.type}: keep its type, or add a new field."]
        if old is not None and new is not None and type(old[1]) is type(new[1]):
            return self.messages(new[0], old[0]) if isinstance(old[1], ProtoMessage) else []
        if {_kind(old), _kind(new)} == {"enum", "number"} and {to.type, source.type} & _GROUPS[0]:
            return []
        return [f"{place} changed from {source.type} to {to.type}: keep its type, or add a new field."]

    def _named(self, types: ProtoTypes, field: ProtoField, scope: str) -> tuple[str, ProtoMessage | ProtoEnum] | None:
        if field.type in SCALARS:
            return None
        full = types.find(field.type, scope)
        assert full is not None
        return full, types.types[full]


def _kind(named: tuple[str, ProtoMessage | ProtoEnum] | None) -> str:
    return "number" if named is None else "enum" if isinstance(named[1], ProtoEnum) else "message"


def _alike(one: str, other: str) -> bool:
    return one == other or any(one in group and other in group for group in _GROUPS)
