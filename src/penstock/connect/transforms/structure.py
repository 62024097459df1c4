"""Transforms that change what a key or a value is made of: ExtractField, HoistField, ValueToKey, Flatten."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from penstock.connect.options import REQUIRED, Option
from penstock.connect.transforms.definition import Example, Side, Transform, TransformDefinition, fields_of, find, part, type_of, with_part
from penstock.connect.transforms.message import Message
from penstock.errors import DataError
from penstock.sql.types import BIGINT, STRING, Field, SqlType, Struct

_SCHEMA = Struct((Field("id", BIGINT), Field("name", STRING)))


def _extract_field(options: Mapping[str, Any], side: Side) -> Transform:
    wanted: str = options["field"]

    def extract(message: Message) -> Message:
        value, schema = part(message, side)
        if value is None:
            return message
        name = find(fields_of(value, side), wanted)
        if name is None and isinstance(schema, Struct):
            raise DataError(f"The {side} has no field {wanted}, only {', '.join(value)}.")
        found = None if name is None else value[name]
        return with_part(message, side, found, None if name is None else type_of(schema, name))

    return extract


def _hoist_field(options: Mapping[str, Any], side: Side) -> Transform:
    name: str = options["field"]

    def hoist(message: Message) -> Message:
        value, schema = part(message, side)
        return with_part(message, side, {name: value}, None if schema is None else Struct((Field(name, schema),)))

    return hoist


def _value_to_key(options: Mapping[str, Any], _: Side) -> Transform:
    wanted: list[str] = options["fields"]

    def to_key(message: Message) -> Message:
        if message.value is None:
            return message
        fields = fields_of(message.value, "value")
        names = [find(fields, name) for name in wanted]
        if None in names:
            raise DataError(f"The value has no field {wanted[names.index(None)]}, only {', '.join(fields)}.")
        key = {name: fields[name] for name in names if name is not None}
        types = [type_of(message.value_schema, name) for name in key]
        known = [Field(name, type_) for name, type_ in zip(key, types, strict=True) if type_ is not None]
        return replace(message, key=key, key_schema=Struct(tuple(known)) if len(known) == len(key) else None, key_column=None)

    return to_key


def _flatten(options: Mapping[str, Any], side: Side) -> Transform:
    delimiter: str = options["delimiter"]

    def flatten(message: Message) -> Message:
        value, schema = part(message, side)
        if value is None:
            return message
        flat_schema = _flat_schema(schema, delimiter) if isinstance(schema, Struct) else None
        return with_part(message, side, dict(_flat(fields_of(value, side), schema, "", delimiter)), flat_schema)

    return flatten


def _flat(fields: Mapping[str, Any], schema: SqlType | None, prefix: str, delimiter: str) -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        inner = type_of(schema, name)
        nested = isinstance(inner, Struct) if schema is not None else isinstance(value, Mapping)  # a schema's MAP stays one
        if nested:
            fields_inside = value if value is not None else dict.fromkeys(f.name for f in inner.fields) if isinstance(inner, Struct) else {}
            yield from _flat(fields_inside, inner, f"{prefix}{name}{delimiter}", delimiter)
        else:
            yield prefix + name, value


@lru_cache(1000)
def _flat_schema(schema: Struct, delimiter: str) -> Struct:
    fields: list[Field] = []
    for field in schema.fields:
        if isinstance(field.type, Struct):
            fields += [Field(f"{field.name}{delimiter}{f.name}", f.type) for f in _flat_schema(field.type, delimiter).fields]
        else:
            fields.append(field)
    return Struct(tuple(fields))


DEFINITIONS = (
    TransformDefinition(
        "ExtractField",
        "Puts one field in place of the whole key or value.",
        "Where the value has no schema, a field that is missing gives null.",
        (Option("field", "string", "The field to keep.", REQUIRED),),
        Example(
            {"type": "ExtractField$Key", "field": "id"},
            Message("users", {"id": 7}, {"name": "Ana"}),
            Message("users", 7, {"name": "Ana"}),
        ),
        _extract_field,
        sided=True,
    ),
    TransformDefinition(
        "HoistField",
        "Makes an object of the whole key or value, which becomes its only field.",
        "",
        (Option("field", "string", "The name of the field.", REQUIRED),),
        Example(
            {"type": "HoistField$Value", "field": "line"},
            Message("lines", None, "hello", None, STRING),
            Message("lines", None, {"line": "hello"}, None, Struct((Field("line", STRING),))),
        ),
        _hoist_field,
        sided=True,
    ),
    TransformDefinition(
        "ValueToKey",
        "Makes the key an object of some of the value's fields.",
        "ExtractField$Key after it makes a single field the key itself. A tombstone stays as it is.",
        (Option("fields", "list", "The fields of the key, with commas between them.", REQUIRED),),
        Example(
            {"type": "ValueToKey", "fields": "id"},
            Message("users", None, {"id": 7, "name": "Ana"}, None, _SCHEMA),
            Message("users", {"id": 7}, {"id": 7, "name": "Ana"}, Struct((Field("id", BIGINT),)), _SCHEMA),
        ),
        _value_to_key,
    ),
    TransformDefinition(
        "Flatten",
        "Puts the fields of nested objects beside the others, under their whole path.",
        "Lists stay as they are, and so does a MAP of a schema.",
        (Option("delimiter", "string", "What stands between the names of a path.", "."),),
        Example(
            {"type": "Flatten$Value", "delimiter": "_"},
            Message("t", None, {"id": 1, "place": {"lat": 53.8, "lon": -1.5}}),
            Message("t", None, {"id": 1, "place_lat": 53.8, "place_lon": -1.5}),
        ),
        _flatten,
        sided=True,
    ),
)
