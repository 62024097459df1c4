"""JSON, one record at a time: the exact reading and writing that the paths over whole batches must equal."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import orjson

from penstock.formats.coercion import Misfit, NeedsExactNumbers, coercer, match_fields, shown
from penstock.formats.contract import Column
from penstock.formats.rows import RowDecoder, RowEncoder, holds_decimal
from penstock.sql.types import Array, Map, Primitive, SqlType, Struct
from penstock.sql.types import Decimal as DecimalType

_quick = msgspec.json.Decoder()
_exact = msgspec.json.Decoder(float_hook=Decimal)


def row_decoder(columns: Sequence[Column], *, unwrapped: bool) -> RowDecoder:
    """The reader of a record: an object of named fields, or with `unwrapped` the one column's value by itself."""
    coercers = [coercer(c.type) for c in columns]
    names = [c.name for c in columns]
    fractions = any(holds_decimal(c.type) for c in columns)

    def cells(document: Any) -> list[Any] | None:
        if document is None:
            return None
        if unwrapped:
            values = [document]
        elif isinstance(document, dict):
            values = match_fields(document, names)
        else:
            raise Misfit(f"{shown(document)} is not a JSON object with the fields {', '.join(names)}")
        result = []
        for name, coerce, value in zip(names, coercers, values, strict=True):
            try:
                result.append(coerce(value))
            except Misfit as problem:
                raise problem.under(name) from None
        return result

    def decode(data: bytes) -> list[Any] | None:
        if not fractions:
            try:
                return cells(_quick.decode(data))
            except NeedsExactNumbers:
                pass
            except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
                pass  # a number beyond a double, or broken text: the exact reading tells
        return cells(_read_exactly(data))

    return decode


def _read_exactly(data: bytes) -> Any:
    try:
        return _exact.decode(data)
    except UnicodeDecodeError as problem:
        raise Misfit(f"not JSON: its text is not UTF-8: {problem.reason}") from None
    except msgspec.DecodeError as problem:
        raise Misfit(f"not JSON: {_explain(str(problem), data)}") from None
    except RecursionError:
        raise Misfit("not JSON that can be read: it is nested too deeply") from None
    except (ValueError, ArithmeticError) as problem:
        raise Misfit(f"not JSON: {problem}") from None


def _explain(message: str, data: bytes) -> str:
    """The reader's message in our words: `trailing comma in array at byte 3`."""
    if "truncated" in message:
        return f"it breaks off at byte {len(data)}" if data.strip() else "it is empty"
    text = message.removeprefix("JSON is malformed: ")
    if text.endswith(")") and " (byte " in text:
        text, _, place = text[:-1].rpartition(" (byte ")
        return f"{text} at byte {place}"
    return text


def row_encoder(columns: Sequence[Column], *, unwrapped: bool) -> RowEncoder:
    """The writer of a record. Names stand as the columns have them, absent values as null; an unwrapped NULL is a null record."""
    plain = [_writer(c.type) for c in columns]
    names = [c.name for c in columns]
    if any(holds_decimal(c.type) for c in columns):
        return _decimal_row_encoder(columns, unwrapped=unwrapped)

    def encode(cells: Sequence[Any]) -> bytes | None:
        values = [v if v is None or write is None else write(v) for v, write in zip(cells, plain, strict=True)]
        if unwrapped:
            return None if values[0] is None else _dump(values[0])
        return _dump(dict(zip(names, values, strict=True)))

    return encode


def name_head(name: str) -> bytes:
    """What stands before a field's value: `"NAME":`."""
    return orjson.dumps(name) + b":"


def _dump(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError as problem:
        raise Misfit(f"cannot be written as JSON: {problem}") from None


def _writer(type_: SqlType) -> Callable[[Any], Any] | None:
    """What makes a value writable by orjson as it should stand; None for nothing to do."""
    match type_:
        case Primitive("DOUBLE"):
            return lambda v: v if math.isfinite(v) else _special(v)
        case Primitive("BYTES"):
            return lambda v: b64encode(v).decode()
        case Array(item) if to_item := _writer(item):
            return lambda items: [None if i is None else to_item(i) for i in items]
        case Map(_, value):
            to_value = _writer(value)
            return lambda pairs: {k: v if v is None or to_value is None else to_value(v) for k, v in pairs}
        case Struct(fields):
            inner = {f.name: write for f in fields if (write := _writer(f.type))}
            if inner:
                return lambda record: {k: v if v is None or k not in inner else inner[k](v) for k, v in record.items()}
    return None


def _special(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _decimal_row_encoder(columns: Sequence[Column], *, unwrapped: bool) -> RowEncoder:
    """As `row_encoder`, for rows that hold a DECIMAL: orjson cannot write one as a number, so text is put together from the parts."""
    texts = [_text_writer(c.type) for c in columns]
    heads = [name_head(c.name) for c in columns]

    def encode(cells: Sequence[Any]) -> bytes | None:
        if unwrapped:
            return None if cells[0] is None else texts[0](cells[0])
        parts = [head + (b"null" if v is None else text(v)) for head, text, v in zip(heads, texts, cells, strict=True)]
        return b"{" + b",".join(parts) + b"}"

    return encode


def _text_writer(type_: SqlType) -> Callable[[Any], bytes]:
    match type_:
        case DecimalType():
            return lambda v: format(v, "f").encode()
        case Array(item) if holds_decimal(item):
            to_item = _text_writer(item)
            return lambda items: b"[" + b",".join(b"null" if i is None else to_item(i) for i in items) + b"]"
        case Map(_, value) if holds_decimal(value):
            to_value = _text_writer(value)
            return lambda pairs: b"{" + b",".join(
                orjson.dumps(k) + b":" + (b"null" if v is None else to_value(v)) for k, v in dict(pairs).items()) + b"}"
        case Struct(fields) if holds_decimal(type_):
            writers = [(f.name, orjson.dumps(f.name) + b":", _text_writer(f.type)) for f in fields]
            return lambda record: b"{" + b",".join(
                head + (b"null" if record[name] is None else write(record[name])) for name, head, write in writers) + b"}"
    write = _writer(type_)
    return lambda v: _dump(v if write is None else write(v))
