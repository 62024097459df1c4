"""State of a query, typed: columns in and out over the log's bytes.

Keys longer than the store takes are replaced by their hash. A cycle's writes go through its one transaction (what it reads before the first of
them comes from a snapshot: `engine.cycle_state`); nothing is kept between cycles, so memory does not grow with the state.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

from penstock.engine.rows import RowCodec

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.log.protocol import StateStore

KEY_BYTES_MAX = 400


def bounded(key: bytes, limit: int = KEY_BYTES_MAX) -> bytes:
    """The key itself, or where it is longer than `limit` bytes its first half and a 32-byte hash of the whole."""
    return key if len(key) <= limit else key[: limit // 2] + blake2b(key, digest_size=32).digest()


def beyond(prefix: bytes) -> bytes:
    """The first key beyond all that begin with `prefix`, which must not be all 0xFF."""
    cut = prefix.rstrip(b"\xff")
    return cut[:-1] + bytes([cut[-1] + 1])


def all_bounded(keys: list[bytes]) -> list[bytes]:
    """The keys, the too long among them made shorter."""
    return keys if max(map(len, keys), default=0) <= KEY_BYTES_MAX else list(map(bounded, keys))


class Rows:
    """A table of state inside one cycle: key bytes -> a row of typed columns."""

    def __init__(self, store: StateStore, codec: RowCodec) -> None:
        self.store = store
        self.codec = codec

    def lookup(self, keys: Sequence[bytes]) -> tuple[list[bool], list[pa.Array]]:
        """For each key whether it is there, and the columns (NULL where it is not). Keys may come in any order; sorted is quickest."""
        found = self.store.get_many(keys)
        return [row is not None for row in found], self.codec.decode(found)

    def put(self, keys: Sequence[bytes], columns: Sequence[pa.Array]) -> None:
        """Store a row of the columns under each key."""
        rows = self.codec.encode(columns) if columns else [b""] * len(keys)
        self.store.put_many(zip(keys, rows, strict=True))

    def delete(self, keys: Sequence[bytes]) -> None:
        """Remove the rows of these keys."""
        self.store.delete_many(keys)

    def scan(self, start: bytes = b"", end: bytes | None = None) -> tuple[list[bytes], list[pa.Array]]:
        """All rows with start <= key < end: their keys and columns."""
        items = list(self.store.scan(start, end))
        return [k for k, _ in items], self.codec.decode([v for _, v in items])

    def scan_many(self, ranges: Sequence[tuple[bytes, bytes]]) -> tuple[list[bytes], list[pa.Array]]:
        """The rows of many ranges of keys, one range after the other."""
        items = self.store.scan_many(ranges)
        return [k for k, _ in items], self.codec.decode([v for _, v in items])


class Numbers:
    """Named 64-bit numbers that a query remembers: stream times, next offsets."""

    def __init__(self, store: StateStore) -> None:
        self.store = store

    def get(self, name: str, default: int) -> int:
        """The number of a name, or `default`."""
        (raw,) = self.store.get_many([name.encode()])
        return default if raw is None else int.from_bytes(raw, "big", signed=True)

    def put(self, name: str, value: int) -> None:
        """Store a number under a name."""
        self.store.put_many([(name.encode(), value.to_bytes(8, "big", signed=True))])

    def items(self) -> Iterator[tuple[str, int]]:
        """All names and numbers, in the order of the names."""
        for name, raw in self.store.scan():
            yield name.decode(), int.from_bytes(raw, "big", signed=True)


def big_endian(number: int) -> bytes:
    """A signed 64-bit number as 8 bytes that sort as the numbers do."""
    return ((number + (1 << 63)) & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "big")
