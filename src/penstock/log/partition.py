"""Which partition a key belongs to: as Kafka's default partitioner has it, so that data written by either meets.

murmur2 (Austin Appleby's, 32 bits, seed 0x9747b28c), made positive, modulo the number of partitions.
"""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

SEED = 0x9747B28C
M = 0x5BD1E995
R = 24
MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """The hash of `data`, 0 to 2**32 - 1."""
    h = SEED ^ len(data)
    whole = len(data) & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * M & MASK
        k = (k ^ k >> R) * M & MASK
        h = h * M & MASK ^ k
    if whole < len(data):
        h = (h ^ int.from_bytes(data[whole:], "little")) * M & MASK
    h = (h ^ h >> 13) * M & MASK
    return h ^ h >> 15


def partition_for(key: bytes, partitions: int) -> int:
    """The partition, 0 to `partitions` - 1, of a record with this key."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


_turn = itertools.count()
_turn_lock = threading.Lock()


def next_partition(partitions: int) -> int:
    """A partition for records without a key: each call gives the next one, so that a batch stays together and batches take turns."""
    with _turn_lock:
        return next(_turn) % partitions


def partitions_for(keys: pa.Array, partitions: int) -> np.ndarray[Any, Any]:
    """The partition of each key, int32; all records without a key of one call go together to the partition whose turn it is.

    `keys`: binary. Keys are hashed a length at a time, four bytes of all of them at once.
    """
    import numpy as np
    import pyarrow as pa

    count = len(keys)
    if partitions == 1 or count == 0:
        return np.zeros(count, np.int32)
    if not pa.types.is_binary(keys.type):
        keys = keys.cast(pa.binary())
    offsets = np.frombuffer(keys.buffers()[1], np.int32, count + 1, keys.offset * 4)
    body = keys.buffers()[2]
    data = np.frombuffer(body, np.uint8) if body is not None and body.size else np.zeros(0, np.uint8)
    starts, lengths = offsets[:-1].astype(np.int64), np.diff(offsets)
    hashes: np.ndarray[Any, Any] = np.empty(count, np.uint32)
    order = np.argsort(lengths, kind="stable")
    bounds = np.flatnonzero(np.diff(lengths[order], prepend=-1, append=-1))
    for begin, end in itertools.pairwise(bounds):
        rows = order[begin:end]
        hashes[rows] = _murmur2_of_one_length(data, starts[rows], int(lengths[rows[0]]))
    result: np.ndarray[Any, Any] = ((hashes & np.uint32(0x7FFFFFFF)) % np.uint32(partitions)).astype(np.int32)
    if keys.null_count:
        result[keys.is_null().to_numpy(zero_copy_only=False)] = next_partition(partitions)
    return result


def _murmur2_of_one_length(data: np.ndarray[Any, Any], starts: np.ndarray[Any, Any], length: int) -> np.ndarray[Any, Any]:
    import numpy as np

    m = np.uint32(M)
    h: np.ndarray[Any, Any] = np.full(len(starts), (SEED ^ length) & MASK, np.uint32)

    def at(position: int) -> np.ndarray[Any, Any]:
        column: np.ndarray[Any, Any] = data[starts + position].astype(np.uint32)
        return column

    for i in range(0, length & ~3, 4):
        k = (at(i) | at(i + 1) << np.uint32(8) | at(i + 2) << np.uint32(16) | at(i + 3) << np.uint32(24)) * m
        k = (k ^ k >> np.uint32(R)) * m
        h = h * m ^ k
    rest = length & 3
    if rest:
        for i in range(rest):
            h ^= at((length & ~3) + i) << np.uint32(8 * i)
        h *= m
    h = (h ^ h >> np.uint32(13)) * m
    h ^= h >> np.uint32(15)
    return h
