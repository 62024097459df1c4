"""JSON a batch at a time: records of one shape are cut apart and converted column by column.

Most topics carry records that differ only in their scalars: same fields, same order, same spacing. Such a record is cut at the separators of
its shape; each literal is compared byte for byte and each scalar is checked against JSON's grammar, so that what is accepted here is proven to
mean what the exact reading of `json_rows` would give. A record that is not proven goes there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from penstock.formats.coercion import DAY_MS
from penstock.formats.contract import Column, Decoded
from penstock.formats.json_numbers import SIGNS_MAX, WORD, Numbers, numbers_of
from penstock.formats.json_shape import Branch, Leaf, Shape, Token, learn
from penstock.sql.types import Decimal, Primitive, SqlType, Struct, arrow_type

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]
    Wrong = Callable[[NDArray[np.uint8]], Bools]  # which bytes a scalar of the kind cannot have

SHAPES_MAX = 8  # shapes tried on a batch before the rest is read record by record
_BLOCK = SIGNS_MAX


@dataclass(frozen=True)
class Text:
    """The bytes of a batch, with a block of padding on either side, and where its records begin and end."""

    bytes: NDArray[np.uint8]
    words: NDArray[np.uint64]  # the 8 bytes from each position on
    blocks: NDArray[np.void]  # the 16 bytes from each position on
    starts: Ints
    ends: Ints
    buffer: pa.Buffer


def text_of(data: pa.Array) -> Text | None:
    """The text of a batch of records without nulls; None where it is not UTF-8 throughout."""
    try:
        data.cast(pa.string())
    except pa.ArrowInvalid:
        return None
    offsets = np.frombuffer(data.buffers()[1], np.int32)[data.offset:data.offset + len(data) + 1].astype(np.int64)
    first, last = int(offsets[0]), int(offsets[-1])
    padded = np.empty(last - first + 2 * _BLOCK, np.uint8)
    padded[:_BLOCK] = padded[-_BLOCK:] = 0
    if last > first:
        padded[_BLOCK:-_BLOCK] = np.frombuffer(data.buffers()[2], np.uint8)[first:last]
    words: NDArray[np.uint64] = np.ndarray((len(padded) - WORD + 1,), np.dtype("<u8"), padded, 0, (1,))
    blocks: NDArray[np.void] = np.ndarray((len(padded) - _BLOCK + 1,), np.dtype("V16"), padded, 0, (1,))
    offsets += _BLOCK - first
    return Text(padded, words, blocks, offsets[:-1], offsets[1:], pa.py_buffer(padded))


def decode_shapes(data: pa.Array, columns: Sequence[Column], known: list[Shape], *, unwrapped: bool) -> tuple[list[tuple[Ints, Decoded]], Ints]:
    """Decode what records of `data` (no nulls in it) have one of the known shapes, or one learnt on the way (it is added to `known`).
    Return the parts, each the numbers of its rows and their decoding, and the numbers of the rows that remain."""
    rest: Ints = np.arange(len(data), dtype=np.int64)
    text = text_of(data)
    if text is None:
        return [], rest
    parts: list[tuple[Ints, Decoded]] = []
    separators: dict[bytes, Ints] = {}
    for shape in list(known):
        if not len(rest):
            break
        rest = _apply(shape, text, rest, columns, separators, parts)
    tries = 0
    while len(rest) > 16 and tries < SHAPES_MAX:
        tries += 1
        row = int(rest[len(rest) * (tries - 1) // SHAPES_MAX])  # not always the first: one odd record must not stop the learning
        learnt = learn(text.bytes[text.starts[row]:text.ends[row]].tobytes(), columns, unwrapped=unwrapped)
        if learnt is None or learnt in known:
            continue
        before = len(rest)
        rest = _apply(learnt, text, rest, columns, separators, parts)
        if before - len(rest) > max(16, before // 64):
            known.insert(0, learnt)
            del known[SHAPES_MAX:]
    return parts, rest


def _apply(shape: Shape, text: Text, rows: Ints, columns: Sequence[Column], separators: dict[bytes, Ints], parts: list[tuple[Ints, Decoded]]) -> Ints:
    """Decode the rows that have the shape into `parts`; return the others."""
    cut = _cut(shape, text, rows, separators)
    if cut is None:
        return rows
    rows_cut, starts, ends = cut
    good = np.ones(len(rows_cut), np.bool_)
    arrays = [_convert(token, text, s, e, good) for token, s, e in zip(shape.tokens, starts, ends, strict=True)]
    taken = rows_cut
    if not good.all():
        taken = rows_cut[good]
        mask = pa.array(good)
        arrays = [a if a is None else a.filter(mask) for a in arrays]
    if not len(taken):
        return rows
    built = [_build(node, c.type, arrays, len(taken)) for node, c in zip(shape.columns, columns, strict=True)]
    present = pa.repeat(pa.scalar(True), len(taken))
    if not shape.literals[0] and not shape.literals[-1]:
        present = built[0].is_valid()  # a record that is a bare null is no record
    parts.append((taken, Decoded(built, present)))
    return rows[~np.isin(rows, taken, assume_unique=True)] if len(taken) < len(rows) else rows[:0]


def _cut(shape: Shape, text: Text, rows: Ints, separators: dict[bytes, Ints]) -> tuple[Ints, list[Ints], list[Ints]] | None:
    """The rows whose literals are the shape's, and for each token where it starts and ends in them."""
    per_row = sum(shape.counts)
    all_rows = len(rows) == len(text.starts)
    begin, end = (text.starts, text.ends) if all_rows else (text.starts[rows], text.ends[rows])
    places = np.empty((0, len(rows)), np.int64)
    if per_row:
        hits = separators.get(shape.separator)
        if hits is None:
            hits = separators[shape.separator] = _find(text, shape.separator)
        regular = all_rows and len(hits) == len(rows) * per_row
        if regular:
            places = np.ascontiguousarray(hits.reshape(len(rows), per_row).T)
            regular = bool((places[0] >= begin).all() and (places[-1] < end).all())
        if not regular:
            low, high = np.searchsorted(hits, begin), np.searchsorted(hits, end)
            even = high - low == per_row
            rows, begin, end, low = rows[even], begin[even], end[even], low[even]
            if not len(rows):
                return None
            places = hits[low + np.arange(per_row)[:, None]]
    good = end - begin >= sum(map(len, shape.literals)) + len(shape.tokens)
    tails = end - len(shape.literals[-1])
    starts, ends = [begin + len(shape.literals[0])], []
    good &= _same(text, begin, shape.literals[0], good)
    column = 0
    for literal, count, first in zip(shape.literals[1:-1], shape.counts, shape.first, strict=True):
        at = places[column] - first
        column += count
        good &= at > starts[-1]
        good &= _same(text, at, literal, good)
        ends.append(at)
        starts.append(at + len(literal))
    good &= _same(text, tails, shape.literals[-1], good)
    good &= tails > starts[-1]
    ends.append(tails)
    if good.all():
        return rows, starts, ends
    if not good.any():
        return None
    return rows[good], [s[good] for s in starts], [e[good] for e in ends]


def _find(text: Text, separator: bytes) -> Ints:
    """Where the separator occurs in the whole text, ascending."""
    places = np.flatnonzero(text.bytes[:-_BLOCK] == separator[0])
    for distance, byte in enumerate(separator[1:], 1):
        places = places[text.bytes.take(places + distance, mode="clip") == byte]
    return places


def _same(text: Text, at: Ints, literal: bytes, good: Bools) -> Bools:
    """Whether the literal stands at each place."""
    same = good.copy()
    last = len(text.blocks) - 1
    for start in range(0, len(literal), _BLOCK):
        piece = literal[start:start + _BLOCK]
        found = text.blocks[np.clip(at + start, 0, last)].view(np.dtype("<u8"))
        for half in range(0, len(piece), WORD):
            part = piece[half:half + WORD]
            word = found[half // WORD::2]
            if len(part) < WORD:
                word = word & np.uint64((1 << 8 * len(part)) - 1)
            same &= word == np.uint64(int.from_bytes(part, "little"))
    return same


def _slices(text: Text, starts: Ints, ends: Ints) -> pa.Array:
    """The binary array of the bytes between ascending starts and ends."""
    offsets = np.empty(2 * len(starts) + 1, np.int32)
    offsets[:-1:2] = starts
    offsets[1::2] = ends
    offsets[-1] = offsets[-2]
    pieces = pa.Array.from_buffers(pa.binary(), len(offsets) - 1, [None, pa.py_buffer(offsets), text.buffer])
    return pieces.take(pa.array(np.arange(0, 2 * len(starts), 2)))


def _contents(array: pa.Array) -> tuple[NDArray[np.uint8], Ints]:
    """The bytes of a fresh binary array, and the offsets of its values in them."""
    offsets = np.frombuffer(array.buffers()[1], np.int32)[:len(array) + 1].astype(np.int64)
    size = int(offsets[-1])
    return (np.frombuffer(array.buffers()[2], np.uint8)[:size] if size else np.empty(0, np.uint8)), offsets


def _spoil(array: pa.Array, wrong: Wrong, good: Bools) -> None:
    """Mark as not good the rows that hold a wrong byte."""
    content, offsets = _contents(array)
    places = np.flatnonzero(wrong(content))
    if len(places):
        good[np.searchsorted(offsets, places, side="right") - 1] = False


def _not_in_strings(content: NDArray[np.uint8]) -> Bools:
    wrong: Bools = (content < 0x20) | (content == ord('"')) | (content == ord("\\"))
    return wrong


def _not_in_integers(content: NDArray[np.uint8]) -> Bools:
    wrong: Bools = (content - np.uint8(ord("0")) > 9) & (content != ord("-"))
    return wrong


def _not_in_numbers(content: NDArray[np.uint8]) -> Bools:
    wrong: Bools = (content - np.uint8(ord("-")) > 12) | (content == ord("/"))  # - . / 0 to 9 lie side by side
    return wrong


def _is_null(text: Text, starts: Ints, ends: Ints) -> Bools:
    null: Bools = ends - starts == 4
    if null.any():
        null &= (text.words[starts] & np.uint64(0xFFFFFFFF)) == np.uint64(int.from_bytes(b"null", "little"))
    return null


def _with_nulls(array: pa.Array, null: Bools, type_: pa.DataType) -> pa.Array:
    """The same binary values as `type_`, NULL where `null` is."""
    validity = pa.py_buffer(np.packbits(~null, bitorder="little")) if null.any() else None
    return pa.Array.from_buffers(type_, len(array), [validity, *array.buffers()[1:]])


def _convert(token: Token, text: Text, starts: Ints, ends: Ints, good: Bools) -> pa.Array | None:
    """The column of a token; a row whose scalar is not proven becomes not good. None for a token that no column asks for."""
    if token.type is None:
        _check(token, text, starts, ends, good)
        return None
    match token.type:
        case Primitive("STRING"):
            return _strings(text, starts, ends, good)
        case Primitive("BOOLEAN"):
            return _booleans(text, starts, ends, good)
        case Primitive("DOUBLE"):
            return _numbers(text, starts, ends, good, _not_in_numbers, 25, pa.float64())
        case Decimal(precision, scale):
            return _decimals(text, starts, ends, good, precision, scale)
        case Primitive("TIMESTAMP"):
            ms = _numbers(text, starts, ends, good, _not_in_integers, 15, pa.int64())
            return _scaled(ms, 1000).view(pa.timestamp("us"))
        case Primitive("TIME"):
            ms = _ranged(_numbers(text, starts, ends, good, _not_in_integers, 15, pa.int64()), 0, DAY_MS - 1, good)
            return _scaled(ms, 1000).view(pa.time64("us"))
        case Primitive("INTEGER" | "DATE"):
            wide = _numbers(text, starts, ends, good, _not_in_integers, 15, pa.int64())
            return _ranged(wide, -(1 << 31), (1 << 31) - 1, good).cast(pa.int32()).view(arrow_type(token.type))
        case Primitive("BIGINT"):
            return _numbers(text, starts, ends, good, _not_in_integers, 18, pa.int64())
    raise AssertionError(f"no shape holds a {token.type}")


def _check(token: Token, text: Text, starts: Ints, ends: Ints, good: Bools) -> None:
    """Prove that a scalar is JSON, where its value does not matter."""
    match token.kind:
        case "string":
            _strings(text, starts, ends, good)
        case "boolean":
            _booleans(text, starts, ends, good)
        case "number":
            numbers = numbers_of(text.bytes, text.words, starts, ends, 25, whole=False)
            if numbers is None:
                _one_number_each(_plain_numbers(text, starts, ends, good, _not_in_numbers, 25), good)
            else:
                _usable(text, starts, ends, numbers, good)
        case "null":
            good &= _is_null(text, starts, ends)


def _strings(text: Text, starts: Ints, ends: Ints, good: Bools) -> pa.Array:
    quoted = (text.bytes[starts] == 0x22) & (text.bytes[ends - 1] == 0x22) & (ends - starts >= 2)
    null = np.zeros(len(starts), np.bool_)
    if quoted.all():
        array = _slices(text, starts + 1, ends - 1)
    else:
        null = _is_null(text, starts, ends)
        good &= quoted | null
        array = _slices(text, np.where(quoted, starts + 1, starts), np.where(quoted, ends - 1, starts))
    _spoil(array, _not_in_strings, good)
    return _with_nulls(array, null, pa.string())


def _booleans(text: Text, starts: Ints, ends: Ints, good: Bools) -> pa.Array:
    words, sizes = text.words[starts], ends - starts
    true = (sizes == 4) & ((words & np.uint64(0xFFFFFFFF)) == np.uint64(int.from_bytes(b"true", "little")))
    false = (sizes == 5) & ((words & np.uint64(0xFFFFFFFFFF)) == np.uint64(int.from_bytes(b"false", "little")))
    known = true | false
    if known.all():
        return pa.array(true)
    good &= known | _is_null(text, starts, ends)
    return pa.array(true, mask=~known)


def _numbers(text: Text, starts: Ints, ends: Ints, good: Bools, wrong: Wrong, size_max: int, type_: pa.DataType) -> pa.Array:
    """Numbers in the plain grammar (no exponent), of at most `size_max` bytes; the reading by Arrow rounds correctly too."""
    numbers = numbers_of(text.bytes, text.words, starts, ends, size_max, whole=type_ == pa.int64())
    if numbers is not None:
        null = _usable(text, starts, ends, numbers, good)
        return pa.array(numbers.whole() if type_ == pa.int64() else numbers.floats(), mask=null)
    return _read(_plain_numbers(text, starts, ends, good, wrong, size_max), type_, good)


def _usable(text: Text, starts: Ints, ends: Ints, numbers: Numbers, good: Bools) -> Bools | None:
    """Mark as not good the rows with what is neither a number nor null; those without a number, None where there are none."""
    if numbers.fine.all():
        return None
    good &= numbers.fine | _is_null(text, starts, ends)
    return ~numbers.fine


def _plain_numbers(text: Text, starts: Ints, ends: Ints, good: Bools, wrong: Wrong, size_max: int) -> pa.Array:
    """The text of the numbers, NULL for a null and for what is not good."""
    codes = text.bytes
    head = codes[starts]
    first = starts
    minus = head == ord("-")
    if minus.any():
        first = starts + minus
        head = codes[first]
    fine = (head - np.uint8(48) < 10) & (codes[ends - 1] - np.uint8(48) < 10) & (ends - starts <= size_max) & (first < ends)
    zero = np.flatnonzero(head == ord("0"))
    if len(zero):  # 0 and 0.5 are numbers, 007 is none; -0 is left to the exact reading, where it is the integer 0
        rest = ends[zero] - first[zero]
        fine[zero] &= np.where(rest > 1, codes[first[zero] + 1] == ord("."), ~minus[zero])
    null = np.zeros(len(starts), np.bool_)
    if fine.all():
        array = _slices(text, starts, ends)
    else:
        null = _is_null(text, starts, ends)
        good &= fine | null
        array = _slices(text, starts, np.where(fine, ends, starts))
    spoilt = np.ones(len(starts), np.bool_)
    _spoil(array, wrong, spoilt)
    good &= spoilt
    return _with_nulls(array, ~(fine & spoilt), pa.string())


def _one_number_each(numbers: pa.Array, good: Bools) -> None:
    """Mark as not good the rows whose bytes, which are a number's, are none together: 1-2, 1.2.3."""
    content, offsets = _contents(numbers)
    begins, ends = offsets[:-1], offsets[1:]
    points = np.flatnonzero(content == ord("."))
    if len(points) and not (len(points) == len(numbers) and (points >= begins).all() and (points < ends).all()):
        rows = np.searchsorted(offsets, points, side="right") - 1
        good[rows[1:][rows[1:] == rows[:-1]]] = False
    signs = np.flatnonzero(content == ord("-"))
    if len(signs):
        rows = np.searchsorted(offsets, signs, side="right") - 1
        good[rows[signs > begins[rows]]] = False


def _read(numbers: pa.Array, type_: pa.DataType, good: Bools) -> pa.Array:
    try:
        return numbers.cast(type_)
    except pa.ArrowInvalid:  # 1-2, 1.2.3: find the rows, then read the others
        import pyarrow.compute as pc

        well = pc.match_substring_regex(numbers, r"^-?[0-9]+(\.[0-9]+)?$").fill_null(True)
        good &= np.asarray(well)
        return pc.if_else(well, numbers, pa.scalar(None, pa.string())).cast(type_)


def _decimals(text: Text, starts: Ints, ends: Ints, good: Bools, precision: int, scale: int) -> pa.Array:
    import pyarrow.compute as pc

    numbers = _plain_numbers(text, starts, ends, good, _not_in_numbers, 40)
    whole = precision - scale
    fraction = rf"(\.[0-9]{{1,{scale}}})?" if scale else ""
    fits = pc.match_substring_regex(numbers, rf"^-?[0-9]{{1,{max(whole, 1)}}}{fraction}$").fill_null(True)
    if not whole:
        fits = pc.and_(fits, pc.match_substring_regex(numbers, r"^-?0").fill_null(True))
    good &= np.asarray(fits)
    return pc.if_else(fits, numbers, pa.scalar(None, pa.string())).cast(pa.decimal128(precision, scale))


def _ranged(array: pa.Array, low: int, high: int, good: Bools) -> pa.Array:
    """The array with what lies outside the range taken out, and its rows marked."""
    import pyarrow.compute as pc

    inside = pc.and_(pc.greater_equal(array, low), pc.less_equal(array, high)).fill_null(True)
    if pc.all(inside).as_py() is not False:
        return array
    good &= np.asarray(inside)
    return pc.if_else(inside, array, pa.scalar(None, array.type))


def _scaled(array: pa.Array, factor: int) -> pa.Array:
    import pyarrow.compute as pc

    return pc.multiply(array, factor)


def _build(node: Leaf | Branch | None, type_: SqlType, arrays: Sequence[Any], rows: int) -> pa.Array:
    """The column of a node from the columns of the tokens."""
    if node is None:
        return pa.nulls(rows, arrow_type(type_))
    if isinstance(node, Leaf):
        return arrays[node.token]
    assert isinstance(type_, Struct)
    children = [_build(child, f.type, arrays, rows) for child, f in zip(node.children, type_.fields, strict=True)]
    return pa.StructArray.from_arrays(children, fields=list(arrow_type(type_)))
