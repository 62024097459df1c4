"""Converters: what keys and values become as bytes, by Kafka Connect's names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from penstock import formats
from penstock.connect.arrow import column
from penstock.connect.text import json_text, plain_text
from penstock.errors import DataError, Error
from penstock.formats import Column, SerdeOptions
from penstock.registry.model import SchemaRegistry
from penstock.sql.types import BYTES, STRING, SqlType, Struct

Converter = Callable[[str, Sequence[Any], SqlType | None], list[bytes | None | Error]]
"""(topic, values, their type or None) -> the bytes of each, None for None, or the error that keeps it from them."""


def converters(schemas: SchemaRegistry) -> tuple[Converter, Converter]:
    """The converters of keys and of values."""
    return text_or_bytes, by_nature(WithSchema("AVRO", is_key=False, schemas=schemas))


def text_or_bytes(topic: str, values: Sequence[Any], schema: SqlType | None) -> list[bytes | None | Error]:
    """Text as UTF-8 and bytes as they stand; anything else as its text."""
    return [_text(value) for value in values]


def by_nature(with_schema: Converter) -> Converter:
    """The default for values: text and bytes as they stand, others by their schema, or as JSON where there is none."""

    def convert(topic: str, values: Sequence[Any], schema: SqlType | None) -> list[bytes | None | Error]:
        if schema in (STRING, BYTES):
            return text_or_bytes(topic, values, schema)
        if schema is not None:
            return with_schema(topic, values, schema)
        return [_text(value) if isinstance(value, str | bytes) else _json(value) for value in values]

    return convert


class WithSchema:
    """A format of the registry: the schema becomes the newest of its subject, if the subject's compatibility allows it."""

    def __init__(self, format_name: str, *, is_key: bool, schemas: SchemaRegistry) -> None:
        self._format, self._is_key, self._schemas = format_name, is_key, schemas
        self._encoders: dict[tuple[str, SqlType], formats.Encoder] = {}

    def __call__(self, topic: str, values: Sequence[Any], schema: SqlType | None) -> list[bytes | None | Error]:
        """The bytes of values of one topic and schema."""
        import pyarrow as pa

        if schema is None:
            return [None if value is None else DataError(f"{self._format} needs a schema, which the records do not have.") for value in values]
        columns = _columns(schema, is_key=self._is_key)
        try:
            encoder = self._encoder(topic, schema, columns)
        except Error as error:
            return [None if value is None else error for value in values]
        errors: dict[int, Error] = {}
        arrays = []
        for each in columns:
            cells = [None if v is None else v.get(each.name) for v in values] if isinstance(schema, Struct) else list(values)
            array, wrong = column(cells, each.type, each.name)
            arrays.append(array)
            errors = {**wrong, **errors}
        encoded = encoder(arrays, pa.array([value is not None for value in values]))
        errors |= {error.row: DataError(error.reason) for error in encoded.errors}
        return [errors.get(place, data) for place, data in enumerate(encoded.data.to_pylist())]

    def _encoder(self, topic: str, schema: SqlType, columns: Sequence[Column]) -> formats.Encoder:
        encoder = self._encoders.get((topic, schema))
        if encoder is None:
            # A key of one field stays a record, as Connect writes it; a SQL key of one column would not.
            options = SerdeOptions(is_key=False, subject=f"{topic}-{'key' if self._is_key else 'value'}", wrap_single=isinstance(schema, Struct))
            encoder = self._encoders[topic, schema] = formats.encoder(self._format, columns, options, self._schemas)
        return encoder


def _columns(schema: SqlType, *, is_key: bool) -> list[Column]:
    if isinstance(schema, Struct):
        return [Column(field.name, field.type) for field in schema.fields]
    return [Column("ROWKEY" if is_key else "ROWVAL", schema)]


def _text(value: Any) -> bytes | None | Error:
    if value is None or isinstance(value, bytes):
        return value
    return _utf8(plain_text(value))


def _json(value: Any) -> bytes | None | Error:
    return None if value is None else _utf8(json_text(value))


def _utf8(text: str) -> bytes | Error:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return DataError(f"The text {text[:60]!r} holds half a surrogate pair, which UTF-8 has no bytes for.")
