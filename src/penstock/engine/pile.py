"""A column that comes in parts, in memory of its own: what a part was made in is free for the next one, and the whole need not be put together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

TEXTS = {pa.string(), pa.binary()}
MORE = 1.1
"""Texts are taken to be that much longer, in all, than the first part lets one expect."""
TEXT_BYTES_MAX = 1 << 30
"""Texts count their bytes in 32 bits."""


@dataclass
class Room:
    """Memory for rows of one type, of which `rows` are there, and of texts so many `bytes`."""

    numbers: pa.Buffer
    texts: pa.Buffer | None = None
    rows: int = 0
    bytes: int = 0

    def add(self, array: pa.Array) -> pa.Array | None:
        """Copy an array without NULL; the copy, or None where there is no room for it."""
        if self.texts is not None:
            return self.add_texts(array, self.texts)
        width = array.type.bit_width // 8
        start, size = self.rows * width, len(array) * width
        if start + size > self.numbers.size:
            return None
        view(self.numbers)[start : start + size] = view(array.buffers()[1])[array.offset * width :][:size]
        return self.added(array, [None, self.numbers])

    def add_texts(self, array: pa.Array, texts: pa.Buffer) -> pa.Array | None:
        """The same of texts: of their offsets and their bytes."""
        offsets = view(array.buffers()[1], np.int32)[array.offset : array.offset + len(array) + 1]
        first, end = int(offsets[0]), int(offsets[-1])
        if self.bytes + end - first > texts.size or (self.rows + len(array) + 1) * 4 > self.numbers.size:
            return None
        np.add(offsets, self.bytes - first, out=view(self.numbers, np.int32)[self.rows : self.rows + len(array) + 1])
        if end > first:
            view(texts)[self.bytes : self.bytes + end - first] = view(array.buffers()[2])[first:end]
        self.bytes += end - first
        return self.added(array, [None, self.numbers, texts])

    def added(self, array: pa.Array, buffers: list[pa.Buffer | None]) -> pa.Array:
        """The newest rows."""
        self.rows += len(array)
        return pa.Array.from_buffers(array.type, len(array), buffers, null_count=0, offset=self.rows - len(array))


@dataclass
class Pile:
    """One column, of which so many `rows` are still to come."""

    rows: int
    room: Room | None = field(default=None, init=False)
    type: pa.DataType | None = field(default=None, init=False)

    def add(self, array: pa.Array) -> pa.Array:
        """The part's rows, behind those of the part before where that can be. Those with NULLs among them, and those that are no plain numbers or
        texts, stay where they are."""
        expected, self.rows = max(self.rows, len(array)), self.rows - len(array)
        if array.null_count or not len(array) or not (array.type in TEXTS or is_plain(array.type)):
            return array
        if self.room is not None and self.type == array.type and (copy := self.room.add(array)) is not None:
            return copy
        self.room, self.type = begun(array, expected), array.type
        copy = self.room.add(array)
        return array if copy is None else copy


def begun(array: pa.Array, rows: int) -> Room:
    """Memory for so many rows like these. Of what is not used the system need not give any."""
    if array.type not in TEXTS:
        return Room(pa.allocate_buffer(rows * (array.type.bit_width // 8)))
    offsets = view(array.buffers()[1], np.int32)[array.offset : array.offset + len(array) + 1]
    expected = int(int(offsets[-1] - offsets[0]) / len(array) * rows * MORE)
    return Room(pa.allocate_buffer((rows + 1) * 4), pa.allocate_buffer(min(expected, TEXT_BYTES_MAX)))


def is_plain(type_: pa.DataType) -> bool:
    """Whether an array of it is one buffer of values of whole bytes."""
    return bool(pa.types.is_primitive(type_) and type_.bit_width % 8 == 0)


def view(buffer: pa.Buffer, type_: Any = np.uint8) -> np.ndarray[Any, Any]:
    """A buffer's memory as numbers."""
    return np.frombuffer(buffer, type_)


def adjoining(chunks: list[pa.Array]) -> pa.Array | None:
    """Arrays as one where each begins in memory where the one before ends; else None."""
    first = chunks[0]
    if first.type not in TEXTS and not is_plain(first.type):
        return None
    places, after = addresses(first), first.offset
    for chunk in chunks:
        if chunk.null_count or chunk.offset != after or addresses(chunk) != places:
            return None
        after += len(chunk)
    return pa.Array.from_buffers(first.type, after - first.offset, [None, *first.buffers()[1:]], null_count=0, offset=first.offset)


def addresses(array: pa.Array) -> list[int | None]:
    """Where an array's values begin."""
    return [buffer and buffer.address for buffer in array.buffers()[1:]]
