"""JSON: a text object of named fields, or a bare value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from penstock.formats.contract import Column, Decoded, Decoder, Encoded, Encoder, SerdeOptions
from penstock.formats.definition import Format, is_unwrapped, map_key_is_not_string
from penstock.registry.model import SchemaRegistry
from penstock.sql.types import Array, Map, Primitive, SqlType, Struct
from penstock.sql.types import Decimal as DecimalType

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.formats.json_shape import Shape

ROWS_MIN = 48  # below so many records, one by one is quicker
ROWS_AT_ONCE = 25_000  # so many records' working arrays stay in the processor's cache: a fifth quicker than 200,000
_MAGIC = 0


class JsonDecoder:
    """Reads batches of JSON; remembers the shapes of the records that it has met."""

    def __init__(self, columns: Sequence[Column], *, unwrapped: bool) -> None:
        from penstock.formats.json_rows import row_decoder
        from penstock.formats.json_shape import decodable

        self.columns = columns
        self.unwrapped = unwrapped
        self.decode_row = row_decoder(columns, unwrapped=unwrapped)
        self.shaped = all(decodable(c.type) for c in columns) and len(columns) > 0
        self.shapes: list[Shape] = []

    def __call__(self, data: pa.Array) -> Decoded:
        from penstock.formats.rows import decode_rows, join

        if len(data) < ROWS_MIN or not self.shaped:
            return decode_rows(self.columns, self._row, data)
        if len(data) <= ROWS_AT_ONCE:
            return self._shapes(data)
        return join([self._shapes(data.slice(start, ROWS_AT_ONCE)) for start in range(0, len(data), ROWS_AT_ONCE)])

    def _shapes(self, data: pa.Array) -> Decoded:
        import numpy as np
        import pyarrow as pa

        from penstock.formats.json_columns import decode_shapes
        from penstock.formats.rows import decode_rows, merge

        numbers = np.arange(len(data), dtype=np.int64)
        valid = data
        if data.null_count:
            numbers = np.flatnonzero(np.asarray(data.is_valid()))
            valid = data.drop_null()
        parts, rest = decode_shapes(valid, self.columns, self.shapes, unwrapped=self.unwrapped)
        if len(rest):
            parts.append((rest, decode_rows(self.columns, self._row, valid.take(pa.array(rest)))))
        if len(parts) > 1 or data.null_count:
            parts = [(numbers[rows], part) for rows, part in parts]
        return merge(parts, len(data), self.columns)

    def _row(self, data: bytes) -> Sequence[Any] | None:
        # a record written with a schema's id before it (JSON_SR) is read too
        return self.decode_row(data[5:] if len(data) > 5 and data[0] == _MAGIC else data)


class JsonEncoder:
    """Writes batches of JSON."""

    def __init__(self, columns: Sequence[Column], *, unwrapped: bool) -> None:
        from penstock.formats.json_rows import row_encoder

        self.columns = columns
        self.encode_row = row_encoder(columns, unwrapped=unwrapped)
        self.unwrapped = unwrapped
        self.columnar = len(columns) > 0 and all(_columnar(c.type) for c in columns)

    def __call__(self, columns: Sequence[pa.Array], present: pa.Array) -> Encoded:
        from penstock.formats.rows import encode_rows

        if self.columnar and len(present) >= ROWS_MIN:
            data = self._encode_columns(columns, present)
            if data is not None:
                return Encoded(data)
        return encode_rows(self.columns, self.encode_row, columns, present)

    def _encode_columns(self, columns: Sequence[pa.Array], present: pa.Array) -> pa.Array | None:
        """Write by Polars, whose text for these types is the same byte for byte; None where a double is not finite, which it writes as null."""
        import polars as pl
        import pyarrow as pa
        import pyarrow.compute as pc

        series = []
        for array, column in zip(columns, self.columns, strict=True):
            if not _finite(array, column.type):
                return None
            series.append(pl.Series(column.name, pl.from_arrow(_numbers(array, column.type))))
        text = pl.DataFrame(series).to_struct("record").struct.json_encode().to_arrow().cast(pa.binary())
        if self.unwrapped:
            text = _without_name(text, self.columns[0].name)
            present = pc.and_(present, columns[0].is_valid())
        return text if pc.all(present).as_py() else pc.if_else(present, text, pa.scalar(None, pa.binary()))


def _without_name(text: pa.Array, name: str) -> pa.Array:
    """The value of each {"NAME":value}: the bytes between where the value begins and the closing brace."""
    import numpy as np
    import pyarrow as pa

    from penstock.formats.json_rows import name_head

    head = len(name_head(name)) + 1
    offsets = np.frombuffer(text.buffers()[1], np.int32)[text.offset:text.offset + len(text) + 1]
    cut = np.empty(2 * len(text) + 1, np.int32)
    cut[:-1:2] = offsets[:-1] + head
    cut[1::2] = offsets[1:] - 1
    cut[-1] = cut[-2]
    pieces = pa.Array.from_buffers(pa.binary(), 2 * len(text), [None, pa.py_buffer(cut), text.buffers()[2]])
    return pieces.take(pa.array(np.arange(0, 2 * len(text), 2)))


def _columnar(type_: SqlType) -> bool:
    match type_:
        case DecimalType() | Map():
            return False
        case Array(item):
            return _columnar(item)
        case Struct(fields):
            return len(fields) > 0 and all(_columnar(f.type) for f in fields)
    return str(type_) not in ("BYTES", "NULL")


def _finite(array: pa.Array, type_: SqlType) -> bool:
    import pyarrow.compute as pc

    match type_:
        case Primitive("DOUBLE"):
            return pc.all(pc.is_finite(array)).as_py() is not False
        case Array(item):
            return _finite(array.values, item)
        case Struct(fields):
            return all(_finite(array.field(i), f.type) for i, f in enumerate(fields))
    return True


def _numbers(array: pa.Array, type_: SqlType) -> pa.Array:
    """Dates and times as the numbers that JSON has for them: days, ms of the day, ms since the epoch."""
    import pyarrow as pa
    import pyarrow.compute as pc

    match type_:
        case Primitive("DATE"):
            return array.cast(pa.int32())
        case Primitive("TIME"):
            return array.cast(pa.time32("ms"), safe=False).cast(pa.int32())
        case Primitive("TIMESTAMP"):
            return pc.floor_temporal(array, 1, "millisecond").cast(pa.timestamp("ms")).cast(pa.int64())
        case Array(item):
            inner = _numbers(array.values, item)
            return pa.Array.from_buffers(pa.list_(inner.type), len(array), array.buffers()[:2], offset=array.offset, children=[inner])
        case Struct(fields):
            children = [_numbers(array.field(i), f.type) for i, f in enumerate(fields)]
            return pa.StructArray.from_arrays(
                children, names=[f.name for f in fields], mask=array.is_null() if array.null_count else None)
    return array


def reject(columns: Sequence[Column], options: SerdeOptions) -> str | None:
    """JSON writes a MAP as an object, whose names are text."""
    if any(map_key_is_not_string(c.type) for c in columns):
        return "JSON only supports MAP types with STRING keys"
    return None


FORMAT = Format(
    name="JSON",
    summary="Text objects, without the schema registry.",
    description=(
        "A record is an object whose fields are the columns; `NULL` is `null`, and a field that is missing reads as `NULL`. Field names match "
        "column names exactly, or else by the first field that differs only in case. A number is read from text too (`\"49\"`), a STRING from "
        "any value; an integer takes a fraction's whole part. DECIMAL is written in plain notation, BYTES as base64, DATE as days since "
        "1970-01-01, TIME as milliseconds of the day, TIMESTAMP as milliseconds since 1970-01-01 UTC, a MAP as an object (so its keys must be "
        "STRING). Records of JSON_SR are read too."
    ),
    decode=lambda columns, options, schemas: _decoder(columns, options, schemas),
    encode=lambda columns, options, schemas: _encoder(columns, options, schemas),
    reject=reject,
)


def _decoder(columns: Sequence[Column], options: SerdeOptions, schemas: SchemaRegistry) -> Decoder:
    return JsonDecoder(columns, unwrapped=is_unwrapped(FORMAT, columns, options))


def _encoder(columns: Sequence[Column], options: SerdeOptions, schemas: SchemaRegistry) -> Encoder:
    return JsonEncoder(columns, unwrapped=is_unwrapped(FORMAT, columns, options))
