"""Columns to Protobuf schemas and back, as Connect's Protobuf converter writes them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal as OneOf

from penstock.errors import SchemaError
from penstock.formats.contract import Column, SerdeOptions
from penstock.formats.definition import DECIMAL_DIGITS_MAX, registered_decimal
from penstock.registry.proto_file import SCALARS, ProtoEnum, ProtoField, ProtoFile, ProtoMessage, format_file
from penstock.registry.protobuf import ProtoTypes
from penstock.sql.types import BIGINT, BOOLEAN, BYTES, DATE, DOUBLE, INTEGER, STRING, TIME, TIMESTAMP, Array, Decimal, Field, Map, SqlType, Struct

Nullable = OneOf["", "optional", "wrapper"]

RECORD = "ConnectDefault1"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SCALAR_OF: dict[SqlType, str] = {BOOLEAN: "bool", INTEGER: "int32", BIGINT: "int64", DOUBLE: "double", STRING: "string", BYTES: "bytes"}
_WRAPPER_OF: dict[SqlType, str] = {
    BOOLEAN: "BoolValue", INTEGER: "Int32Value", BIGINT: "Int64Value", DOUBLE: "DoubleValue", STRING: "StringValue", BYTES: "BytesValue",
}
_MESSAGE_OF: dict[SqlType, tuple[str, str]] = {
    DATE: ("google.type.Date", "google/type/date.proto"), TIME: ("google.type.TimeOfDay", "google/type/timeofday.proto"),
    TIMESTAMP: ("google.protobuf.Timestamp", "google/protobuf/timestamp.proto"),
}
DECIMAL = "confluent.type.Decimal"
WRAPPED = {f"google.protobuf.{name}": type_ for type_, name in _WRAPPER_OF.items()} | {
    "google.protobuf.FloatValue": DOUBLE, "google.protobuf.UInt32Value": BIGINT, "google.protobuf.UInt64Value": BIGINT}
_SQL_OF = {
    "bool": BOOLEAN, "double": DOUBLE, "float": DOUBLE, "string": STRING, "bytes": BYTES,
    "int32": INTEGER, "sint32": INTEGER, "sfixed32": INTEGER, "uint32": BIGINT, "fixed32": BIGINT,
    "int64": BIGINT, "sint64": BIGINT, "sfixed64": BIGINT, "uint64": BIGINT, "fixed64": BIGINT,
}
KNOWN = {"google.type.Date": DATE, "google.type.TimeOfDay": TIME, "google.protobuf.Timestamp": TIMESTAMP}


def nullable_of(options: SerdeOptions) -> Nullable:
    """How NULL is told from a type's default: by VALUE_PROTOBUF_NULLABLE_REPRESENTATION (OPTIONAL, WRAPPER), or not at all."""
    word = (options.properties or {}).get("nullable_representation", "").lower()
    if word in ("optional", "wrapper"):
        return "optional" if word == "optional" else "wrapper"
    return ""


def to_protobuf(columns: Sequence[Column], options: SerdeOptions) -> str:
    """The .proto text of the columns."""
    writing = _Writing(nullable_of(options))
    package, _, name = (options.full_schema_name or RECORD).rpartition(".")
    message = writing.message(name, [(c.name, c.type) for c in columns])
    return format_file(ProtoFile("proto3", package, tuple(sorted(writing.imports)), (message,)))


class _Writing:
    """Makes messages; gathers the imports that they need."""

    def __init__(self, nullable: Nullable) -> None:
        self.nullable = nullable
        self.imports: set[str] = set()
        self.count = 1

    def message(self, name: str, fields: Sequence[tuple[str, SqlType]]) -> ProtoMessage:
        inner: list[ProtoMessage] = []
        made = tuple(self._field(field, number, type_, inner) for number, (field, type_) in enumerate(fields, 1))
        return ProtoMessage(name, made, tuple(inner))

    def _field(self, name: str, number: int, type_: SqlType, inner: list[ProtoMessage]) -> ProtoField:
        match type_:
            case Array(item):
                kind, options = self._type(item, inner)
                return ProtoField(name, number, kind, "repeated", options=options)
            case Map(key, value):
                kind, options = self._type(value, inner)
                return ProtoField(name, number, kind, key=_SCALAR_OF[key], options=options)
        kind, options = self._type(type_, inner)
        if type_ in _SCALAR_OF and self.nullable == "wrapper":
            self.imports.add("google/protobuf/wrappers.proto")
            return ProtoField(name, number, f"google.protobuf.{_WRAPPER_OF[type_]}", options=options)
        return ProtoField(name, number, kind, "optional" if type_ in _SCALAR_OF and self.nullable == "optional" else "", options=options)

    def _type(self, type_: SqlType, inner: list[ProtoMessage]) -> tuple[str, tuple[tuple[str, str], ...]]:
        if type_ in _SCALAR_OF:
            return _SCALAR_OF[type_], ()
        if type_ in _MESSAGE_OF:
            kind, path = _MESSAGE_OF[type_]
            self.imports.add(path)
            return kind, ()
        match type_:
            case Decimal(precision, scale):
                self.imports |= {"confluent/type/decimal.proto", "confluent/meta.proto"}
                meta = f'{{ params : [ {{ key : "precision" , value : "{precision}" }} , {{ key : "scale" , value : "{scale}" }} ] }}'
                return DECIMAL, (("(confluent.field_meta)", meta),)
            case Struct(fields):
                self.count += 1
                name = f"ConnectDefault{self.count}"
                inner.append(self.message(name, [(f.name, f.type) for f in fields]))
                return name, ()
            case Array() | Map():  # Protobuf repeats no repetition: a message stands between
                self.count += 1
                name = f"ConnectDefault{self.count}"
                inner.append(self.message(name, [("value", type_)]))
                return name, ()
        raise AssertionError(f"no Protobuf type for {type_}")


def message_of(types: ProtoTypes, options: SerdeOptions) -> str:
    """The full name of the message that holds the columns: the one asked for, or the file's first."""
    names = types.top()
    if options.full_schema_name:
        for name in names:
            if options.full_schema_name in (name, name.rpartition(".")[2]):
                return name
        raise SchemaError(f"The schema of {options.subject} has no message {options.full_schema_name}.", mend=f"It has {', '.join(names)}.")
    if not names:
        raise SchemaError(f"The schema of {options.subject} has no message.", mend="Define one.")
    return names[0]


def columns_of(types: ProtoTypes, message: str, *, upper: bool) -> list[Column]:
    """The columns of a message: one for each field."""
    struct = _struct(types, message, upper, ())
    return [Column(f.name, f.type) for f in struct.fields]


def _struct(types: ProtoTypes, message: str, upper: bool, inside: tuple[str, ...]) -> Struct:
    if message in inside:
        raise SchemaError(f"The message {message} contains itself, which no SQL type can.", mend="List the columns that you need in the statement.")
    found = types.types[message]
    assert isinstance(found, ProtoMessage)
    return Struct(tuple(
        Field(f.name.upper() if upper else f.name, _field_type(types, f, message, upper, (*inside, message))) for f in found.fields))


def _field_type(types: ProtoTypes, field: ProtoField, scope: str, upper: bool, inside: tuple[str, ...]) -> SqlType:
    type_ = _single_type(types, field, scope, upper, inside)
    if field.key is not None:
        return Map(_SQL_OF[field.key], type_)
    return Array(type_) if field.label == "repeated" else type_


def _single_type(types: ProtoTypes, field: ProtoField, scope: str, upper: bool, inside: tuple[str, ...]) -> SqlType:
    if field.type in SCALARS:
        return _SQL_OF[field.type]
    full = types.find(field.type, scope)
    assert full is not None
    if full in KNOWN:
        return KNOWN[full]
    if full in WRAPPED:
        return WRAPPED[full]
    if full == DECIMAL:
        return decimal_of(field)
    if isinstance(types.types[full], ProtoEnum):
        return STRING
    return _struct(types, full, upper, inside)


def decimal_of(field: ProtoField) -> Decimal:
    """The DECIMAL that a field's `confluent.field_meta` tells; 38 digits, none behind the point, where it tells nothing."""
    parameters = {}
    for name, value in field.options:
        if "field_meta" in name:
            for entry in re.findall(r"\{([^{}]*)\}", value):
                pair = dict(re.findall(r'(key|value)\s*:\s*"([^"]*)"', entry))
                if "key" in pair:
                    parameters[pair["key"]] = pair.get("value", "")
    return registered_decimal(parameters.get("precision", DECIMAL_DIGITS_MAX), parameters.get("scale", 0), field.name)
