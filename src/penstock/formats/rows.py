"""From codecs of one row to codecs of a batch: the reference path of every format, and its only one for small batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from penstock.formats.coercion import Misfit
from penstock.formats.contract import Column, Decoded, Encoded, RowError
from penstock.sql.types import Array, Decimal, Map, Primitive, SqlType, Struct, arrow_type

if TYPE_CHECKING:
    import pyarrow as pa

RowDecoder = Callable[[bytes], Sequence[Any] | None]
"""One record's bytes to one value a column, in the forms of `coercion`; None where the record as a whole is null. Raises Misfit."""

RowEncoder = Callable[[Sequence[Any]], bytes | None]
"""One value a column, in the forms of `plain_values`, to bytes; None for a null record. Raises Misfit."""


def decode_rows(columns: Sequence[Column], decode: RowDecoder, data: pa.Array) -> Decoded:
    """Decode every row by itself."""
    import pyarrow as pa

    values: list[list[Any]] = [[] for _ in columns]
    appends = [v.append for v in values]
    present: list[bool] = []
    errors: list[RowError] = []
    for row, item in enumerate(data.to_pylist()):
        cells = None
        if item is not None:
            try:
                cells = decode(item)
            except Misfit as problem:
                errors.append(RowError(row, str(problem)))
        present.append(cells is not None)
        if cells is None:
            for append in appends:
                append(None)
        else:
            for append, cell in zip(appends, cells, strict=True):
                append(cell)
    arrays = [pa.array(v, arrow_type(c.type)) for v, c in zip(values, columns, strict=True)]
    return Decoded(arrays, pa.array(present, pa.bool_()), errors)


def encode_rows(columns: Sequence[Column], encode: RowEncoder, arrays: Sequence[pa.Array], present: pa.Array) -> Encoded:
    """Encode every row by itself."""
    import pyarrow as pa

    data: list[bytes | None] = []
    errors: list[RowError] = []
    lists = [plain_values(a, c.type) for a, c in zip(arrays, columns, strict=True)]
    rows = zip(*lists, strict=True) if lists else ((),) * len(present)
    for row, (cells, there) in enumerate(zip(rows, present.to_pylist(), strict=True)):
        item = None
        if there:
            try:
                item = encode(cells)
            except Misfit as problem:
                errors.append(RowError(row, str(problem)))
        data.append(item)
    return Encoded(pa.array(data, pa.binary()), errors)


def plain_values(array: pa.Array, type_: SqlType) -> list[Any]:
    """The values of a column for a row encoder: DATE as days, TIME as ms of the day, TIMESTAMP as ms since the epoch; MAP as a list of pairs,
    STRUCT as a dict, DECIMAL as Decimal, the others as Python has them."""
    convert = _plain(type_)
    values: list[Any] = array.cast(_storage(type_)).to_pylist() if _has_time(type_) else array.to_pylist()
    return values if convert is None else [None if v is None else convert(v) for v in values]


def _has_time(type_: SqlType) -> bool:
    match type_:
        case Primitive(name):
            return name in ("DATE", "TIME", "TIMESTAMP")
        case Array(item):
            return _has_time(item)
        case Map(key, value):
            return _has_time(key) or _has_time(value)
        case Struct(fields):
            return any(_has_time(f.type) for f in fields)
    return False


def _storage(type_: SqlType) -> pa.DataType:
    """The Arrow type of a column with its dates and times as the numbers that they are."""
    import pyarrow as pa

    match type_:
        case Primitive("DATE"):
            return pa.int32()
        case Primitive("TIME" | "TIMESTAMP"):
            return pa.int64()
        case Array(item):
            return pa.list_(_storage(item))
        case Map(key, value):
            return pa.map_(_storage(key), _storage(value))
        case Struct(fields):
            return pa.struct([pa.field(f.name, _storage(f.type)) for f in fields])
    return arrow_type(type_)


def _plain(type_: SqlType) -> Callable[[Any], Any] | None:
    """What is left to do to a value after the cast to `_storage`; None for nothing."""
    match type_:
        case Primitive("TIME" | "TIMESTAMP"):
            return lambda us: us // 1000
        case Array(item) if to_item := _plain(item):
            return lambda items: [None if i is None else to_item(i) for i in items]
        case Map(key, value):
            to_key, to_value = _plain(key), _plain(value)
            if to_key or to_value:
                return lambda pairs: [
                    (to_key(k) if to_key else k, to_value(v) if to_value and v is not None else v) for k, v in pairs
                ]
        case Struct(fields):
            inner = {f.name: convert for f in fields if (convert := _plain(f.type))}
            if inner:
                return lambda record: {
                    k: inner[k](v) if v is not None and k in inner else v for k, v in record.items()
                }
    return None


def holds_decimal(type_: SqlType) -> bool:
    """Whether a DECIMAL stands anywhere in the type."""
    match type_:
        case Decimal():
            return True
        case Array(item):
            return holds_decimal(item)
        case Map(key, value):
            return holds_decimal(key) or holds_decimal(value)
        case Struct(fields):
            return any(holds_decimal(f.type) for f in fields)
    return False


def join(parts: Sequence[Decoded]) -> Decoded:
    """The decoding of a batch from those of its pieces, in order."""
    import pyarrow as pa

    errors, start = [], 0
    for part in parts:
        errors += [RowError(e.row + start, e.reason) for e in part.errors]
        start += len(part.present)
    columns = [pa.concat_arrays(pieces) for pieces in zip(*(p.columns for p in parts), strict=True)]
    return Decoded(columns, pa.concat_arrays([p.present for p in parts]), errors)


def merge(parts: Sequence[tuple[Any, Decoded]], total: int, columns: Sequence[Column]) -> Decoded:
    """Put decoded parts of a batch together. A part is the ascending row numbers (numpy int64) that it holds, and their decoding; rows that
    no part holds are null."""
    import numpy as np
    import pyarrow as pa

    parts = [p for p in parts if len(p[0])]
    if len(parts) == 1 and len(parts[0][0]) == total:
        return parts[0][1]
    place = np.full(total, -1, np.int64)
    start = 0
    errors: list[RowError] = []
    for numbers, decoded in parts:
        place[numbers] = np.arange(start, start + len(numbers))
        start += len(numbers)
        errors += [RowError(int(numbers[e.row]), e.reason) for e in decoded.errors]
    indices = pa.array(place, mask=place < 0)
    arrays = [
        pa.concat_arrays([d.columns[i] for _, d in parts] or [pa.nulls(0, arrow_type(c.type))]).take(indices)
        for i, c in enumerate(columns)
    ]
    present = pa.concat_arrays([d.present for _, d in parts] or [pa.array([], pa.bool_())]).take(indices).fill_null(False)
    return Decoded(arrays, present, sorted(errors, key=lambda e: e.row))
