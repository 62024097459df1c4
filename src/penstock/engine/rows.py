"""Rows of columns as one bytes value each, and back: how state is stored.

A row is a null bitmap, a fixed slot for each column of fixed width, a 4-byte length for each of variable width, and then those columns'
bytes. Whole columns are packed and unpacked with numpy; only nested values (ARRAY, MAP, STRUCT) go one by one, as MessagePack.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypedDict

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from penstock.functions.duckdb_names import physical
from penstock.sql.types import Array, Decimal, Map, Primitive, SqlType, Struct, arrow_type

FIXED = {"BOOLEAN": 1, "INTEGER": 4, "BIGINT": 8, "DOUBLE": 8, "DATE": 4, "TIME": 8, "TIMESTAMP": 8}
Bytes = npt.NDArray[np.uint8]


def width(type_: SqlType) -> int | None:
    """Bytes of a column's fixed slot, None where the width varies."""
    if isinstance(type_, Decimal):
        return 16
    return FIXED.get(type_.name) if isinstance(type_, Primitive) else None


def python_type(type_: SqlType) -> Any:
    """The Python type as which MessagePack carries a nested value of a type."""
    import datetime
    import decimal

    match type_:
        case Decimal():
            return decimal.Decimal | None
        case Array(item):
            items: Any = list
            return items[python_type(item)] | None
        case Map(key, value):
            pairs: Any = list
            pair: Any = tuple
            return pairs[pair[python_type(key), python_type(value)]] | None
        case Struct(fields):
            return TypedDict("Row", {f.name: python_type(f.type) for f in fields}) | None  # type: ignore[operator]
        case Primitive(name):
            plain: dict[str, type] = {
                "BOOLEAN": bool, "INTEGER": int, "BIGINT": int, "DOUBLE": float, "STRING": str, "BYTES": bytes,
                "DATE": datetime.date, "TIME": datetime.time, "TIMESTAMP": datetime.datetime,
            }  # fmt: skip
            return plain[name] | None
    raise AssertionError(type_)


class RowCodec:
    """Packs and unpacks rows of the given column types."""

    def __init__(self, types: Sequence[SqlType]) -> None:
        self.types = tuple(types)
        self.fixed = [(i, w) for i, t in enumerate(types) if (w := width(t)) is not None]
        self.variable = [i for i, t in enumerate(types) if width(t) is None]
        self.bitmap = (len(types) + 7) // 8
        self.lengths_at = self.bitmap + sum(w for _, w in self.fixed)
        self.head = self.lengths_at + 4 * len(self.variable)
        self._encoder = msgspec.msgpack.Encoder()
        self._decoders: dict[int, Callable[[bytes], Any]] = {
            i: msgspec.msgpack.Decoder(python_type(types[i])).decode for i in self.variable if not isinstance(types[i], Primitive)
        }

    # ------------------------------------------------------------------------------------------ packing

    def encode(self, columns: Sequence[pa.Array]) -> list[bytes]:
        """One bytes value for each row of the columns (in `arrow_type`), of which there must be some."""
        rows = len(columns[0]) if columns else 0
        head = np.zeros((rows, self.head), np.uint8)
        for i, column in enumerate(columns):
            if column.null_count:
                nulls = column.is_null().to_numpy(zero_copy_only=False)
                head[:, i // 8] |= nulls.astype(np.uint8) << (i % 8)
        at = self.bitmap
        for i, size in self.fixed:
            head[:, at : at + size] = fixed_bytes(columns[i], size)
            at += size
        if not self.variable:
            return row_bytes(head) if self.head else [b""] * rows
        parts = []
        for position, i in enumerate(self.variable):
            part = self.variable_bytes(i, columns[i])
            lengths = pc.binary_length(part).to_numpy(zero_copy_only=False).astype("<u4")
            start = self.lengths_at + 4 * position
            head[:, start : start + 4] = lengths.view(np.uint8).reshape(-1, 4)
            parts.append(part)
        heads = pa.FixedSizeBinaryArray.from_buffers(pa.binary(self.head), rows, [None, pa.py_buffer(head)]).cast(pa.binary())
        packed: list[bytes] = pc.binary_join_element_wise(heads, *parts, b"").to_pylist()
        return packed

    def variable_bytes(self, i: int, column: pa.Array) -> pa.Array:
        """The bytes of a column of variable width, empty for NULL."""
        if i in self._decoders:
            encode = self._encoder.encode
            column = physical(column, arrow_type(self.types[i]))
            return pa.array([b"" if v is None else encode(v) for v in column.to_pylist()], pa.binary())
        column = column.cast(pa.binary())
        return pc.coalesce(column, pa.scalar(b"", pa.binary())) if column.null_count else column

    # ------------------------------------------------------------------------------------------ unpacking

    def decode(self, rows: Sequence[bytes | None]) -> list[pa.Array]:
        """The columns of packed rows; a None row is NULL in every column."""
        count = len(rows)
        if None in rows:
            blank = self.blank
            rows = [blank if r is None else r for r in rows]
        data: Bytes = np.frombuffer(b"".join(rows), np.uint8)  # type: ignore[arg-type]
        if self.variable:
            sizes = np.fromiter(map(len, rows), np.int64, count)  # type: ignore[arg-type]
            starts = np.cumsum(sizes) - sizes
            # every place as the beginning of a head: copied whole, not byte by byte
            heads = np.ndarray((max(len(data) - self.head + 1, 0),), f"V{self.head}", data, 0, (1,))
            head = heads[starts].view(np.uint8).reshape(count, self.head)
        else:
            starts = np.zeros(0, np.int64)
            head = data.reshape(count, self.head)
        columns: list[pa.Array | None] = [None] * len(self.types)
        at = self.bitmap
        for i, size in self.fixed:
            columns[i] = fixed_array(head[:, at : at + size], self.types[i], self.valid(head, i))
            at += size
        begin = starts + self.head
        for position, i in enumerate(self.variable):
            field = self.lengths_at + 4 * position
            lengths = head[:, field : field + 4].copy().view("<u4").reshape(-1).astype(np.int64)
            columns[i] = self.variable_array(data, begin, lengths, i, self.valid(head, i))
            begin = begin + lengths
        return columns

    @property
    def blank(self) -> bytes:
        """A row that is NULL in every column."""
        return b"\xff" * self.bitmap + b"\0" * (self.head - self.bitmap)

    def valid(self, head: Bytes, i: int) -> npt.NDArray[np.bool_]:
        """Which rows of a head, (rows, bytes), have a value in column `i`."""
        valid: npt.NDArray[np.bool_] = (head[:, i // 8] >> (i % 8)) & 1 == 0
        return valid

    def variable_array(
        self, data: Bytes, begin: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], i: int, valid: npt.NDArray[np.bool_]
    ) -> pa.Array:
        """Column `i` out of the rows' joined bytes: each value begins at `begin` and has `lengths` bytes."""
        # the pieces are every other one of those between the values' beginnings and ends
        cuts = np.empty(2 * len(lengths) + 1, np.int32)
        cuts[:-1:2], cuts[1::2] = begin, begin + lengths
        cuts[-1] = cuts[-2] if len(lengths) else 0
        pieces = pa.Array.from_buffers(pa.binary(), 2 * len(lengths), [None, pa.py_buffer(cuts), pa.py_buffer(data)])
        numbers = np.arange(0, 2 * len(lengths), 2)
        binary = pieces.take(pa.array(numbers, mask=None if valid.all() else ~valid))
        if i not in self._decoders:
            return binary.view(pa.string()) if self.types[i] == Primitive("STRING") else binary
        decode = self._decoders[i]
        return pa.array([None if v is None else decode(v) for v in binary.to_pylist()], arrow_type(self.types[i]))


def mask_buffer(valid: npt.NDArray[np.bool_]) -> pa.Buffer | None:
    """Arrow's validity bitmap, None where all are valid."""
    return None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))


def fixed_bytes(column: pa.Array, size: int) -> Bytes:
    """The raw little-endian bytes of a fixed-width column, (rows, size); NULLs hold anything."""
    if pa.types.is_boolean(column.type):
        flags: Bytes = column.cast(pa.uint8()).fill_null(0).to_numpy(zero_copy_only=False).reshape(-1, 1)
        return flags
    if not len(column):
        return np.zeros((0, size), np.uint8)
    return np.frombuffer(column.buffers()[1], np.uint8)[column.offset * size : (column.offset + len(column)) * size].reshape(-1, size)


def fixed_array(raw: Bytes, type_: SqlType, valid: npt.NDArray[np.bool_]) -> pa.Array:
    """A column of fixed width out of its raw bytes, (rows, size)."""
    data = np.ascontiguousarray(raw)
    if type_ == Primitive("BOOLEAN"):
        return pa.array(data.reshape(-1).astype(bool), mask=None if valid.all() else ~valid)
    return pa.Array.from_buffers(arrow_type(type_), len(data), [mask_buffer(valid), pa.py_buffer(data)])


def row_bytes(rows: Bytes) -> list[bytes]:
    """Each row of bytes by itself."""
    whole: list[bytes] = np.ascontiguousarray(rows).view(f"V{rows.shape[1]}").ravel().tolist()
    return whole


SIGNED = {"INTEGER": 4, "BIGINT": 8, "DATE": 4, "TIME": 8, "TIMESTAMP": 8}


def plain(columns: Sequence[pa.Array], types: Sequence[SqlType]) -> bool:
    """Whether a key is one value, of a type whose bytes are made by column."""
    return len(columns) == 1 and not columns[0].null_count and isinstance(types[0], Primitive) and types[0].name in ("STRING", *SIGNED)


def pack_keys(columns: Sequence[pa.Array], types: Sequence[SqlType]) -> list[bytes]:
    """A state key for each row: equal exactly where all columns are equal.

    A single STRING is its own UTF-8 text, a single whole number sorts as numbers do: then rows in the order of the column touch the store in
    its own order, which is several times quicker than leaping about.
    """
    if not plain(columns, types):
        return RowCodec(types).encode(columns)
    if types[0] == Primitive("STRING"):
        joined: list[bytes] = pack_key_array(columns, types).to_pylist()
        return joined
    return row_bytes(sortable_bytes(columns[0], types[0]))


def pack_key_array(columns: Sequence[pa.Array], types: Sequence[SqlType]) -> pa.Array:
    """The same as an array of binary."""
    if not plain(columns, types):
        return pa.array(RowCodec(types).encode(columns), pa.binary())
    if types[0] == Primitive("STRING"):
        return pc.binary_join_element_wise(pa.scalar(b"s", pa.binary()), columns[0].cast(pa.binary()), b"")
    raw = sortable_bytes(columns[0], types[0])
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(raw.shape[1]), len(raw), [None, pa.py_buffer(raw)]).cast(pa.binary())


def sortable_bytes(column: pa.Array, type_: SqlType) -> Bytes:
    """Whole numbers without NULLs as bytes that sort as they do, (rows, size)."""
    assert isinstance(type_, Primitive)
    size = SIGNED[type_.name]
    raw = np.empty((len(column), size + 1), np.uint8)
    raw[:, 0] = ord("n")
    raw[:, 1:] = fixed_bytes(column, size)[:, ::-1]
    raw[:, 1] ^= 0x80
    return raw
