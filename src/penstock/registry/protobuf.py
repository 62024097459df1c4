"""Protobuf schemas: a file with what it imports, its types found by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from penstock.errors import SchemaError
from penstock.registry.model import Schema
from penstock.registry.proto_file import SCALARS, ProtoEnum, ProtoFile, ProtoMessage, format_file, parse_file

if TYPE_CHECKING:
    from penstock.registry.canonical import Resolve

# The files that every registry knows, by the path that imports name them with.
WELL_KNOWN = {
    "google/protobuf/timestamp.proto": 'syntax = "proto3"; package google.protobuf; message Timestamp {int64 seconds = 1; int32 nanos = 2;}',
    "google/protobuf/wrappers.proto": 'syntax = "proto3"; package google.protobuf; ' + " ".join(
        f"message {name}Value {{{kind} value = 1;}}" for name, kind in (
            ("Double", "double"), ("Float", "float"), ("Int64", "int64"), ("UInt64", "uint64"), ("Int32", "int32"), ("UInt32", "uint32"),
            ("Bool", "bool"), ("String", "string"), ("Bytes", "bytes"))),
    "google/protobuf/duration.proto": 'syntax = "proto3"; package google.protobuf; message Duration {int64 seconds = 1; int32 nanos = 2;}',
    "google/protobuf/any.proto": 'syntax = "proto3"; package google.protobuf; message Any {string type_url = 1; bytes value = 2;}',
    "google/protobuf/empty.proto": 'syntax = "proto3"; package google.protobuf; message Empty {}',
    "google/protobuf/descriptor.proto": 'syntax = "proto2"; package google.protobuf;',
    "google/type/date.proto": 'syntax = "proto3"; package google.type; message Date {int32 year = 1; int32 month = 2; int32 day = 3;}',
    "google/type/timeofday.proto":
        'syntax = "proto3"; package google.type; message TimeOfDay {int32 hours = 1; int32 minutes = 2; int32 seconds = 3; int32 nanos = 4;}',
    "confluent/type/decimal.proto":
        'syntax = "proto3"; package confluent.type; message Decimal {bytes value = 1; uint32 precision = 2; int32 scale = 3;}',
    "confluent/meta.proto": 'syntax = "proto3"; package confluent;',
}


@dataclass
class ProtoTypes:
    """The messages and enums of a file and of all that it imports, by their full names; `file` is the file itself."""

    file: ProtoFile
    files: dict[str, ProtoFile] = field(default_factory=dict)
    types: dict[str, ProtoMessage | ProtoEnum] = field(default_factory=dict)

    def find(self, name: str, scope: str) -> str | None:
        """The full name of a type as a field in `scope` (a message's full name) means it; None where there is no such type."""
        if name.startswith("."):
            return name[1:] if name[1:] in self.types else None
        while True:
            candidate = f"{scope}.{name}" if scope else name
            if candidate in self.types:
                return candidate
            if not scope:
                return None
            scope = scope.rpartition(".")[0]

    def top(self) -> list[str]:
        """The full names of the file's own outermost messages."""
        prefix = self.file.package + "." if self.file.package else ""
        return [prefix + m.name for m in self.file.messages]


def parse_protobuf(schema: Schema, resolve: Resolve) -> ProtoTypes:
    """Read a schema and all it imports; SchemaError where the text is malformed, or a type or an import is unknown."""
    file = parse_file(schema.text)
    types = ProtoTypes(file)
    _gather(file, types)
    _import_all(file, schema, resolve, types)
    for name, one in list(types.types.items()):
        if isinstance(one, ProtoMessage):
            for f in one.fields:
                if f.type not in SCALARS and types.find(f.type, name) is None:
                    raise SchemaError(f"Not a Protobuf schema: field {f.name} of {name} is of the unknown type {f.type}.",
                                      mend="Define it, or import the file that does.")
    return types


def canonical_text(schema: Schema, resolve: Resolve) -> str:
    """The text of a checked schema, in one way for all spellings."""
    return format_file(parse_protobuf(schema, resolve).file)


def _import_all(file: ProtoFile, schema: Schema, resolve: Resolve, types: ProtoTypes) -> None:
    references = {r.name: r for r in schema.references}
    for path in file.imports:
        if path in types.files:
            continue
        if path in references:
            other = resolve(references[path])
        elif path in WELL_KNOWN:
            other = Schema(WELL_KNOWN[path], "PROTOBUF")
        else:
            raise SchemaError(f"Not a Protobuf schema: it imports {path}, which is not among its references.",
                              mend="Register that file under a subject, and refer to it.")
        parsed = parse_file(other.text)
        types.files[path] = parsed
        _gather(parsed, types)
        _import_all(parsed, other, resolve, types)


def _gather(file: ProtoFile, types: ProtoTypes) -> None:
    def add(one: ProtoMessage | ProtoEnum, prefix: str) -> None:
        full = prefix + one.name
        types.types[full] = one
        if isinstance(one, ProtoMessage):
            add_all(one.messages, one.enums, full + ".")

    def add_all(messages: tuple[ProtoMessage, ...], enums: tuple[ProtoEnum, ...], prefix: str) -> None:
        for message in messages:
            add(message, prefix)
        for enum in enums:
            add(enum, prefix)

    add_all(file.messages, file.enums, file.package + "." if file.package else "")
