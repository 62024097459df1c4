"""Avro a batch at a time, for records of scalars.

Reading keeps a cursor for each record and takes one field of all records at a time; what is accepted is proven (every length, index and number
in its shortest form, the last field ending with the record), and any other record is left to `avro_rows`. Writing leaves the bytes to Polars'
writer and finds the records' boundaries by computing their sizes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.formats.coercion import DAY_MS
from penstock.formats.contract import Column, Decoded
from penstock.sql.types import BIGINT, BOOLEAN, BYTES, DATE, DOUBLE, INTEGER, STRING, TIME, TIMESTAMP, SqlType, arrow_type

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]
    Words = NDArray[np.uint64]

_SCALARS = ("boolean", "int", "long", "float", "double", "string", "bytes")
_READS: dict[str, tuple[SqlType, ...]] = {
    "boolean": (BOOLEAN,), "int": (INTEGER, BIGINT, DOUBLE, DATE, TIME, TIMESTAMP), "long": (INTEGER, BIGINT, TIMESTAMP),
    "float": (DOUBLE,), "double": (DOUBLE,), "string": (STRING,), "bytes": (BYTES,),
}
_WRITES = {BOOLEAN: "boolean", INTEGER: "int", BIGINT: "long", DOUBLE: "double", STRING: "string", BYTES: "bytes", DATE: "int",
           TIME: "int", TIMESTAMP: "long"}
_PAD = 16


@dataclass(frozen=True)
class ScalarField:
    """A field of a writer's record: its scalar type, the union index (0 or 1) of its null (None: never null), and the column that it fills."""

    type: str
    null_index: int | None
    column: int | None


def scalar_fields(parsed: Any, columns: Sequence[Column]) -> list[ScalarField] | None:
    """The fields of a writer's record, where all are scalars and each column takes from its own as it stands; else None."""
    from penstock.formats.coercion import match_fields

    if not isinstance(parsed, dict) or parsed.get("type") != "record" or len({c.name.upper() for c in columns}) != len(columns):
        return None
    positions = {f["name"]: i for i, f in enumerate(parsed["fields"])}
    column_of = {p: i for i, p in enumerate(match_fields(positions, [c.name for c in columns])) if p is not None}
    fields = []
    for position, field in enumerate(parsed["fields"]):
        kind, null_index = field["type"], None
        if isinstance(kind, list):
            if len(kind) != 2 or "null" not in kind:
                return None
            null_index = kind.index("null")
            kind = kind[1 - null_index]
        if isinstance(kind, dict):
            if set(kind) & {"logicalType"}:
                return None
            kind = kind.get("type")
        if kind not in _SCALARS:
            return None
        column = column_of.get(position)
        if column is not None and columns[column].type not in _READS[kind]:
            return None
        fields.append(ScalarField(kind, null_index, column))
    return fields


@dataclass
class _Bodies:
    """The records' bytes, padded, and for each record the cursor, its end, and whether it is proven so far."""

    bytes: NDArray[np.uint8]
    words: Words
    buffer: pa.Buffer
    at: Ints
    ends: Ints
    good: Bools


def decode_scalars(data: pa.Array, skip: int, fields: Sequence[ScalarField], columns: Sequence[Column]) -> tuple[Bools, Decoded]:
    """Read records (no nulls among them) whose body begins `skip` bytes in. Return which rows are proven, and the decoding of those."""
    offsets = np.frombuffer(data.buffers()[1], np.int32)[data.offset:data.offset + len(data) + 1].astype(np.int64)
    first, last = int(offsets[0]), int(offsets[-1])
    padded = np.zeros(last - first + _PAD, np.uint8)
    if last > first:
        padded[:last - first] = np.frombuffer(data.buffers()[2], np.uint8)[first:last]
    words: Words = np.ndarray((len(padded) - 7,), np.dtype("<u8"), padded, 0, (1,))
    offsets -= first
    bodies = _Bodies(padded, words, pa.py_buffer(padded), offsets[:-1] + skip, offsets[1:], np.ones(len(data), np.bool_))
    arrays: list[pa.Array | None] = [None] * len(columns)
    for field in fields:
        null = _read_union(bodies, field)
        array = _read(bodies, field, columns[field.column].type if field.column is not None else None, null)
        if field.column is not None:
            arrays[field.column] = array
    bodies.good &= bodies.at == bodies.ends
    built = [a if a is not None else pa.nulls(len(data), arrow_type(c.type)) for a, c in zip(arrays, columns, strict=True)]
    if not bodies.good.all():
        mask = pa.array(bodies.good)
        built = [a.filter(mask) for a in built]
    return bodies.good, Decoded(built, pa.repeat(pa.scalar(True), int(bodies.good.sum())))


def _take(bodies: _Bodies) -> Words:
    """The eight bytes at each cursor (a cursor beyond the text stands at its end: the record is not good then)."""
    if len(bodies.at) and bodies.at.max() > len(bodies.words) - 1:
        np.minimum(bodies.at, len(bodies.words) - 1, out=bodies.at)
    return bodies.words[bodies.at]


def _read_union(bodies: _Bodies, field: ScalarField) -> Bools | None:
    """Which records are null in the field; None where none is."""
    if field.null_index is None:
        return None
    if len(bodies.at) and bodies.at.max() > len(bodies.bytes) - 1:
        np.minimum(bodies.at, len(bodies.bytes) - 1, out=bodies.at)
    index = bodies.bytes[bodies.at]
    bodies.at = bodies.at + 1
    null: Bools = index == 2 * field.null_index
    bodies.good &= null | (index == 2 * (1 - field.null_index))
    return null if null.any() else None


def _read(bodies: _Bodies, field: ScalarField, type_: SqlType | None, null: Bools | None) -> pa.Array | None:
    match field.type:
        case "boolean":
            value = bodies.bytes[np.minimum(bodies.at, len(bodies.bytes) - 1)]
            _advance(bodies, 1, null)
            bodies.good &= (value <= 1) if null is None else (value <= 1) | null
            return None if type_ is None else pa.array(value == 1, mask=null)
        case "double":
            doubles = _take(bodies).view(np.float64)
            _advance(bodies, 8, null)
            return None if type_ is None else pa.array(doubles, mask=null)
        case "float":
            floats = (_take(bodies) & np.uint64(0xFFFFFFFF)).astype(np.uint32).view(np.float32)
            _advance(bodies, 4, null)
            with np.errstate(invalid="ignore"):  # a NaN that signals is one like any other
                return None if type_ is None else pa.array(floats.astype(np.float64), mask=null)
        case "int" | "long":
            whole = _varint(bodies, null)
            if field.type == "int":
                _demand(bodies, (whole >= -(1 << 31)) & (whole < 1 << 31), null)
            return None if type_ is None else _whole(bodies, whole, type_, null)
    return _read_bytes(bodies, field, type_, null)


def _advance(bodies: _Bodies, size: int, null: Bools | None) -> None:
    bodies.at = bodies.at + size if null is None else bodies.at + np.where(null, 0, size)


def _demand(bodies: _Bodies, fine: Bools, null: Bools | None) -> None:
    bodies.good &= fine if null is None else fine | null


def _varint(bodies: _Bodies, null: Bools | None) -> Ints:
    """The zig-zag number at each cursor, of at most eight bytes and in its shortest form; the cursor moves behind it."""
    word = _take(bodies)
    small = word & np.uint64(0x7F)
    more = (word & np.uint64(0x80)) != 0
    if not (more if null is None else more & ~null).any():
        _advance(bodies, 1, null)
        return ((small >> np.uint64(1)) ^ (np.uint64(0) - (small & np.uint64(1)))).view(np.int64)
    stop = ~word & np.uint64(0x8080808080808080)
    lowest = stop & (np.uint64(0) - stop)
    size = (np.bitwise_count(lowest - np.uint64(1)).astype(np.int64) >> 3) + 1
    kept = word & (lowest | (lowest - np.uint64(1))) & np.uint64(0x7F7F7F7F7F7F7F7F)
    kept = (kept & np.uint64(0x007F007F007F007F)) | ((kept & np.uint64(0x7F007F007F007F00)) >> np.uint64(1))
    kept = (kept & np.uint64(0x00003FFF00003FFF)) | ((kept & np.uint64(0x3FFF00003FFF0000)) >> np.uint64(2))
    kept = (kept & np.uint64(0x000000000FFFFFFF)) | ((kept & np.uint64(0x0FFFFFFF00000000)) >> np.uint64(4))
    shortest = (size == 1) | (kept >> (7 * (size - 1)).astype(np.uint64) != 0)
    _demand(bodies, (stop != 0) & shortest, null)
    size = np.where(stop != 0, size, 1)
    bodies.at = bodies.at + (size if null is None else np.where(null, 0, size))
    return ((kept >> np.uint64(1)) ^ (np.uint64(0) - (kept & np.uint64(1)))).view(np.int64)


def _whole(bodies: _Bodies, whole: Ints, type_: SqlType, null: Bools | None) -> pa.Array:
    """The column of whole numbers as `type_`; rows that do not fit are not good."""
    if type_ in (INTEGER, DATE):
        _demand(bodies, (whole >= -(1 << 31)) & (whole < 1 << 31), null)
        return pa.array(whole.astype(np.int32), mask=null).view(arrow_type(type_))
    if type_ == TIME:
        fine = (whole >= 0) & (whole < DAY_MS)
        _demand(bodies, fine, null)
        return pa.array(np.where(fine, whole, 0) * 1000, mask=null).view(pa.time64("us"))
    if type_ == TIMESTAMP:
        fine = abs(whole) < 1 << 53
        _demand(bodies, fine, null)
        return pa.array(np.where(fine, whole, 0) * 1000, mask=null).view(pa.timestamp("us"))
    return pa.array(whole.astype(np.float64) if type_ == DOUBLE else whole, mask=null)


def _read_bytes(bodies: _Bodies, field: ScalarField, type_: SqlType | None, null: Bools | None) -> pa.Array | None:
    size = _varint(bodies, null)
    if null is not None:
        size = np.where(null, 0, size)
    fine = (size >= 0) & (size <= bodies.ends - bodies.at)
    if not fine.all():
        bodies.good &= fine
        size = np.where(fine, size, 0)
    starts = bodies.at
    bodies.at = bodies.at + size
    if field.type == "bytes" and type_ is None:
        return None
    if not bodies.good.all():  # a lost cursor may stand in another record: such rows take nothing
        starts = np.where(bodies.good, starts, np.maximum.accumulate(np.where(bodies.good, starts, 0)))
        size = np.where(bodies.good, size, 0)
        ends = np.maximum.accumulate(starts + size)
        starts = np.maximum(starts, np.concatenate([[0], ends[:-1]]))
    offsets = np.empty(2 * len(starts) + 1, np.int32)
    offsets[:-1:2] = starts
    offsets[1::2] = starts + size
    offsets[-1] = offsets[-2]
    pieces = pa.Array.from_buffers(pa.binary(), len(offsets) - 1, [None, pa.py_buffer(offsets), bodies.buffer])
    array = pieces.take(pa.array(np.arange(0, 2 * len(starts), 2)))
    if field.type == "string":
        try:
            array = array.cast(pa.string())
        except pa.ArrowInvalid:
            array = _valid_text(array, bodies.good)
    if null is None:
        return array
    return pa.Array.from_buffers(array.type, len(array), [pa.py_buffer(np.packbits(~null, bitorder="little")), *array.buffers()[1:]])


def _valid_text(array: pa.Array, good: Bools) -> pa.Array:
    """The texts that are UTF-8; rows of others are not good, and empty."""
    texts: list[str] = []
    for row, item in enumerate(array.to_pylist()):
        try:
            texts.append(item.decode())
        except UnicodeDecodeError:
            texts.append("")
            good[row] = False
    return pa.array(texts, pa.string())


def writable(parsed: Any, columns: Sequence[Column]) -> bool:
    """Whether `encode_scalars` writes the columns by this schema: a record of the columns in their order, each a union of null and its scalar."""
    if not isinstance(parsed, dict) or parsed.get("type") != "record" or len(parsed["fields"]) != len(columns) or not columns:
        return False
    for field, column in zip(parsed["fields"], columns, strict=True):
        kind = field["type"]
        if not isinstance(kind, list) or len(kind) != 2 or kind[0] != "null":
            return False
        scalar = kind[1]["type"] if isinstance(kind[1], dict) and "logicalType" not in kind[1] else kind[1]
        if field["name"].upper() != column.name.upper() or column.type not in _WRITES or _WRITES[column.type] != scalar:
            return False
    return True


def encode_scalars(arrays: Sequence[pa.Array], columns: Sequence[Column], prefix: bytes) -> pa.Array:
    """Write rows as records, each behind the five bytes of `prefix`."""
    import polars as pl

    rows = len(arrays[0])
    flags = {f"prefix{i}": pl.Series(f"prefix{i}", [None], dtype=pl.Boolean).new_from_index(0, rows) for i in range(len(prefix))}
    sizes = np.full(rows, len(prefix) + len(columns), np.int64)  # each prefix flag is one zero byte, and so is each union's index
    series = []
    for number, (array, column) in enumerate(zip(arrays, columns, strict=True)):
        stored = _stored(array, column.type)
        sizes += _sizes(stored, column.type)
        series.append(pl.Series(f"c{number}", pl.from_arrow(stored)))
    stream = io.BytesIO()
    pl.DataFrame([*flags.values(), *series]).write_avro(stream, compression="uncompressed")
    body = _blocks(stream.getvalue())
    offsets = np.zeros(rows + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    assert len(body) == offsets[-1], "the sizes of Avro records do not add up"
    for place, byte in enumerate(prefix):
        if byte:
            body[offsets[:-1] + place] = byte
    return pa.Array.from_buffers(pa.binary(), rows, [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(body)])


def _stored(array: pa.Array, type_: SqlType) -> pa.Array:
    """The column as the number or text that Avro has for it."""
    if type_ == DATE:
        return array.cast(pa.int32())
    if type_ == TIME:
        return pc.divide(array.cast(pa.int64()), 1000).cast(pa.int32())
    if type_ == TIMESTAMP:
        return pc.floor_temporal(array, 1, "millisecond").cast(pa.timestamp("ms")).cast(pa.int64())
    return array


def _sizes(array: pa.Array, type_: SqlType) -> Ints:
    """The bytes of each value, without the union's index; 0 for NULL."""
    if type_ == BOOLEAN:
        sizes = np.ones(len(array), np.int64)
    elif type_ == DOUBLE:
        sizes = np.full(len(array), 8, np.int64)
    elif type_ in (STRING, BYTES):
        lengths = np.asarray(pc.binary_length(array).fill_null(0)).astype(np.int64)
        sizes = lengths + _varint_sizes(lengths)
    else:
        sizes = _varint_sizes(np.asarray(array.fill_null(0)).astype(np.int64))
    return np.where(np.asarray(array.is_valid()), sizes, 0) if array.null_count else sizes


def _varint_sizes(numbers: Ints) -> Ints:
    zigzag = ((numbers << 1) ^ (numbers >> 63)).view(np.uint64)
    sizes = np.ones(len(numbers), np.int64)
    top = int(zigzag.max()) if len(zigzag) else 0
    limit = 7
    while top >> limit:
        sizes += zigzag >> np.uint64(limit) != 0
        limit += 7
    return sizes


def _blocks(container: bytes) -> NDArray[np.uint8]:
    """The bodies of a container file's blocks, one behind the other."""
    position = 4  # Obj, 1
    while count := _number(container, position):
        items, position = count
        if not items:
            break
        for _ in range(2 * abs(items)):
            size, position = _number(container, position)
            position += size
    position += 16  # the sync marker
    parts = []
    while position < len(container):
        _, position = _number(container, position)
        size, position = _number(container, position)
        parts.append(np.frombuffer(container, np.uint8, size, position))
        position += size + 16
    return np.concatenate(parts) if parts else np.empty(0, np.uint8)


def _number(data: bytes, position: int) -> tuple[int, int]:
    """The zig-zag number at a position, and the position behind it."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), position
