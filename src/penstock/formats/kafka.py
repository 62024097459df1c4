"""KAFKA: one bare value, as Kafka's own serializers write it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from penstock.formats.contract import Column, Decoded, Decoder, Encoded, Encoder, RowError, SerdeOptions
from penstock.formats.definition import Format, describe_columns, type_word
from penstock.registry.model import SchemaRegistry
from penstock.sql.types import BIGINT, BYTES, DOUBLE, INTEGER, STRING

if TYPE_CHECKING:
    import pyarrow as pa

_TYPES = (INTEGER, BIGINT, DOUBLE, STRING, BYTES)
_NUMBERS = {INTEGER: (">i4", "<i4"), BIGINT: (">i8", "<i8"), DOUBLE: (">f8", "<f8")}


class KafkaDecoder:
    """Reads the one column, or none (the bytes of a key that no column asks for)."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.column = columns[0] if columns else None

    def __call__(self, data: pa.Array) -> Decoded:
        column = self.column
        if column is None:
            return Decoded([], data.is_valid())
        if column.type == STRING:
            array, errors = _texts(data, column.name)
        elif column.type == BYTES:
            array, errors = data, []
        else:
            array, errors = _numbers(data, column)
        return Decoded([array], array.is_valid(), errors)


def _texts(data: pa.Array, name: str) -> tuple[pa.Array, list[RowError]]:
    import pyarrow as pa

    try:
        return data.cast(pa.string()), []
    except pa.ArrowInvalid:
        pass
    values: list[str | None] = []
    errors = []
    for row, item in enumerate(data.to_pylist()):
        text = None
        if item is not None:
            try:
                text = item.decode()
            except UnicodeDecodeError as problem:
                errors.append(RowError(row, f"{name}: the bytes are not UTF-8 text: {problem.reason} at byte {problem.start}"))
        values.append(text)
    return pa.array(values, pa.string()), errors


def _numbers(data: pa.Array, column: Column) -> tuple[pa.Array, list[RowError]]:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    from penstock.sql.types import arrow_type

    big, little = _NUMBERS[column.type]  # type: ignore[index]
    size = np.dtype(big).itemsize
    errors = []
    lengths = pc.binary_length(data)
    right = pc.equal(lengths, size)
    if pc.all(right).as_py() is False:
        wrong = np.flatnonzero(np.asarray(pc.invert(right).fill_null(False)))
        errors = [RowError(int(row), f"{column.name}: {lengths[row]} bytes are not {_article(column)}, which has {size}") for row in wrong]
        data = pc.if_else(right, data, pa.scalar(None, pa.binary()))
    whole = data.drop_null() if data.null_count else data
    raw = b"" if not len(whole) else whole.buffers()[2]
    start = np.frombuffer(whole.buffers()[1], np.int32)[whole.offset] if len(whole) else 0
    numbers = np.frombuffer(raw, big, count=len(whole), offset=int(start)).astype(little)
    array = pa.array(numbers, arrow_type(column.type))
    if data.null_count:
        places = np.cumsum(np.asarray(data.is_valid())) - 1
        array = array.take(pa.array(places, mask=np.asarray(data.is_null())))
    return array, errors


def _article(column: Column) -> str:
    return f"{'an' if column.type == INTEGER else 'a'} {column.type}"


class KafkaEncoder:
    """Writes the one column; NULL is a null record."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.column = columns[0] if columns else None

    def __call__(self, columns: Sequence[pa.Array], present: pa.Array) -> Encoded:
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        if self.column is None:
            return Encoded(pa.nulls(len(present), pa.binary()))
        array = columns[0]
        if self.column.type in (STRING, BYTES):
            data = array.cast(pa.binary())
        else:
            big, _ = _NUMBERS[self.column.type]  # type: ignore[index]
            numbers = np.asarray(array.fill_null(0)).astype(big)
            fixed = pa.Array.from_buffers(pa.binary(numbers.itemsize), len(numbers), [None, pa.py_buffer(numbers.tobytes())])
            data = fixed.cast(pa.binary())
            if array.null_count:
                data = pc.if_else(array.is_valid(), data, pa.scalar(None, pa.binary()))
        return Encoded(data if pc.all(present).as_py() is not False else pc.if_else(present, data, pa.scalar(None, pa.binary())))


def reject(columns: Sequence[Column], options: SerdeOptions) -> str | None:
    """Exactly one column, of a type that Kafka has a serializer for."""
    if len(columns) > 1:
        return f"The 'KAFKA' format only supports a single field. Got: {describe_columns(columns, options)}"
    for column in columns:
        if column.type not in _TYPES:
            return f"The 'KAFKA' format does not support type '{type_word(column.type)}', column: `{column.name}`"
    return None


FORMAT = Format(
    name="KAFKA",
    summary="One bare value, as Kafka's own serializers write it.",
    description=(
        "Exactly one column. INTEGER is 4 bytes and BIGINT 8 bytes, big-endian; DOUBLE is 8 bytes, IEEE 754 big-endian; STRING is UTF-8 text; "
        "BYTES are themselves; `NULL` is a null record. Nothing is converted: bytes of another length are an error of that record."
    ),
    decode=lambda columns, options, schemas: _decoder(columns, options, schemas),
    encode=lambda columns, options, schemas: _encoder(columns, options, schemas),
    reject=reject,
    multi_column_keys=False,
    can_wrap=False,
)


def _decoder(columns: Sequence[Column], options: SerdeOptions, schemas: SchemaRegistry) -> Decoder:
    return KafkaDecoder(columns)


def _encoder(columns: Sequence[Column], options: SerdeOptions, schemas: SchemaRegistry) -> Encoder:
    return KafkaEncoder(columns)
