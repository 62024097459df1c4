"""Avro, one record at a time: the exact reading and writing."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import fastavro
from fastavro.schema import parse_schema

from penstock.errors import SchemaError
from penstock.formats.coercion import Misfit, coercer, match_fields, shown
from penstock.formats.contract import Column
from penstock.formats.rows import RowDecoder, RowEncoder
from penstock.registry.model import Schema, SchemaRegistry

_PLAIN_LOGICAL = {"date", "time-millis", "timestamp-millis", "local-timestamp-millis"}


def load(schema: Schema, schemas: SchemaRegistry | None, seen: tuple[str, ...] = ()) -> Any:
    """The schema parsed for fastavro, the ones that it refers to included. SchemaError where it is malformed."""
    named: dict[str, Any] = {}
    _load_references(schema, schemas, named, seen)
    try:
        return parse_schema(plain(json.loads(schema.text)), named_schemas=named)
    except (ValueError, KeyError, TypeError, fastavro.schema.SchemaParseException, fastavro.schema.UnknownType) as problem:
        raise SchemaError(f"Not an Avro schema: {type(problem).__name__}: {problem}.", mend="Mend the schema's text.") from None


def _load_references(schema: Schema, schemas: SchemaRegistry | None, named: dict[str, Any], seen: tuple[str, ...]) -> None:
    for reference in schema.references:
        if schemas is None or reference.name in seen:
            continue
        other = schemas.version(reference.subject, reference.version).schema
        _load_references(other, schemas, named, (*seen, reference.name))
        parse_schema(plain(json.loads(other.text)), named_schemas=named)


def plain(schema: Any) -> Any:
    """The schema with dates and times as the bare numbers that stand in the bytes (they then need no calendar, and cannot overflow one)."""
    if isinstance(schema, list):
        return [plain(s) for s in schema]
    if isinstance(schema, dict):
        kept = {k: v for k, v in schema.items() if not (k == "logicalType" and v in _PLAIN_LOGICAL)}
        for part in ("type", "items", "values"):
            if part in kept:
                kept[part] = plain(kept[part])
        if "fields" in kept:
            kept["fields"] = [{**f, "type": plain(f["type"])} for f in kept["fields"]]
        return kept
    return schema


def body_decoder(parsed: Any, columns: Sequence[Column], *, unwrapped: bool) -> RowDecoder:
    """The reader of a record's body written by `parsed`: its fields to the columns by name, what is missing NULL."""
    coercers = [coercer(c.type, native=True) for c in columns]
    names = [c.name for c in columns]

    def decode(body: bytes) -> list[Any] | None:
        stream = io.BytesIO(body)
        try:
            record = fastavro.schemaless_reader(stream, parsed, None)
        except (EOFError, IndexError):
            raise Misfit(f"not a record of its schema: it breaks off at byte {len(body)}") from None
        except (ValueError, KeyError, TypeError, ArithmeticError, MemoryError, AttributeError) as problem:
            raise Misfit(f"not a record of its schema: {problem}") from None
        if stream.tell() != len(body):
            raise Misfit(f"not a record of its schema: {len(body) - stream.tell()} bytes are left behind it")
        if record is None:
            return None
        if unwrapped:
            values = [record]
        elif isinstance(record, dict):
            values = match_fields(record, names)
        else:
            raise Misfit(f"{shown(record)} is not a record with the fields {', '.join(names)}")
        result = []
        for name, coerce, value in zip(names, coercers, values, strict=True):
            try:
                result.append(coerce(value))
            except Misfit as problem:
                raise problem.under(name) from None
        return result

    return decode


def body_encoder(parsed: Any, columns: Sequence[Column], prefix: bytes, *, unwrapped: bool) -> RowEncoder:
    """The writer of rows as records of `parsed`, each behind `prefix`."""
    names = [c.name for c in columns]
    shape = writer_of(parsed, {})

    def encode(cells: Sequence[Any]) -> bytes | None:
        if unwrapped and cells[0] is None:
            return None
        value = shape(cells[0] if unwrapped else dict(zip(names, cells, strict=True)))
        stream = io.BytesIO(prefix)
        stream.seek(len(prefix))
        try:
            fastavro.schemaless_writer(stream, parsed, value)
        except (ValueError, TypeError, ArithmeticError, KeyError, AttributeError, OverflowError) as problem:
            raise Misfit(f"cannot be written by its schema: {problem}") from None
        return stream.getvalue()

    return encode


def writer_of(schema: Any, named: dict[str, Callable[[Any], Any]]) -> Callable[[Any], Any]:
    """What turns a plain value into what fastavro writes by `schema`: names matched without regard to case, a NULL to the field's default where
    it may not be null, a map to its list of entries where the schema wants that."""
    if isinstance(schema, list):
        return _union_writer(schema, named)
    if isinstance(schema, str):
        return lambda value: named[schema](value) if schema in named else _given(value, schema)
    kind = schema["type"]
    if kind == "array":
        return _array_writer(schema["items"], named)
    if kind == "map":
        to_value = writer_of(schema["values"], named)
        return lambda value: {k: to_value(v) for k, v in _given(value, "map")}
    if kind == "record":
        return _record_writer(schema, named)
    if schema.get("logicalType") == "decimal":
        return lambda value: Decimal(_given(value, "decimal"))
    return lambda value: _given(value, str(kind))


def _given(value: Any, kind: str) -> Any:
    if value is None:
        raise Misfit(f"NULL cannot be written: the schema has {kind} here, without null and without a default")
    return value


def _union_writer(branches: list[Any], named: dict[str, Callable[[Any], Any]]) -> Callable[[Any], Any]:
    writers = [writer_of(b, named) for b in branches if b != "null"]
    nullable = "null" in branches

    def write(value: Any) -> Any:
        if value is None and nullable:
            return None
        return writers[0](value) if len(writers) == 1 else _given(value, "a union")

    return write


def _array_writer(items: Any, named: dict[str, Callable[[Any], Any]]) -> Callable[[Any], Any]:
    to_item = writer_of(items, named)
    if isinstance(items, dict) and items.get("connect.internal.type") == "MapEntry":
        return lambda value: [to_item({"key": k, "value": v}) for k, v in _given(value, "map")]
    return lambda value: [to_item(v) for v in _given(value, "array")]


def _record_writer(schema: Any, named: dict[str, Callable[[Any], Any]]) -> Callable[[Any], Any]:
    fields: list[tuple[str, Callable[[Any], Any], bool, Any]] = []

    def write(value: Any) -> Any:
        record = {}
        names = [name for name, _, _, _ in fields]
        for (name, to_field, has_default, default), cell in zip(fields, match_fields(_given(value, "record"), names), strict=True):
            if cell is None and has_default:
                record[name] = default
                continue
            try:
                record[name] = to_field(cell)
            except Misfit as problem:
                raise problem.under(name) from None
        return record

    named[schema["name"]] = write
    for field in schema["fields"]:
        nullable = isinstance(field["type"], list) and "null" in field["type"]
        fields.append((field["name"], writer_of(field["type"], named), "default" in field and not nullable, field.get("default")))
    return write
