"""The keys of a table of state, as columns: what they are, and the order in which runs of rows keep them.

A key is a prefix, which many rows share (a window; empty where there is none), and the rest. Runs are sorted by prefix, so that the rows of a
window lie together, and then by a hash of the rest: numbers are sorted and searched many times as quickly as bytes are.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from penstock.engine.rows import pack_key_array
from penstock.engine.state import KEY_BYTES_MAX, bounded
from penstock.sql.types import SqlType

Numbers = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

# odd numbers with about as many ones as zeros, to spread bits by multiplying
SPREAD = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93))
HALF = np.uint64(32)
LOW_BYTES = np.array([(1 << (8 * n)) - 1 for n in range(9)], np.uint64)
"""LOW_BYTES[n] keeps the first n bytes of eight."""
HASHED_TOGETHER = 16_384
"""So many keys are hashed at a time, for what lies between to stay in the processor's cache."""
FEW_TAKEN = 8
"""One key of more than so many is few."""
PACKED_FROM = 10_000
"""So many hashes are sorted by Polars, fewer by NumPy."""
FEW_WRONG = 1_000
"""Of hashes that are alike in their upper bits so many kinds are put in order one by one."""


@dataclass(frozen=True)
class Keys:
    """Keys in the order of runs. Those of `prefixes[i]` stand from `starts[i]` to `starts[i + 1]`; no prefix is without any."""

    prefixes: tuple[bytes, ...]
    starts: Numbers
    hashes: Hashes
    rest: pa.Array

    @staticmethod
    def sorted(rest: pa.Array, prefixes: Sequence[bytes] = (b"",), groups: Numbers | None = None) -> tuple[Keys, Numbers]:
        """The keys of rests (binary) in order, and which row each one is. `groups` gives the number of each row's prefix, of which there is
        else one; prefixes are sorted, and each is some row's."""
        hashes = hashed(rest)
        order, hashes = rising(hashes, groups)
        if groups is None:
            starts = np.array([0, len(hashes)] if len(hashes) else [0])
            return Keys(tuple(prefixes) if len(hashes) else (), starts, hashes, taken(rest, order)), order
        starts = np.searchsorted(groups[order], np.arange(len(prefixes) + 1))
        return Keys(tuple(prefixes), starts, hashes, taken(rest, order)), order

    @staticmethod
    def of(rests: Sequence[bytes], prefix: bytes = b"") -> tuple[Keys, Numbers]:
        """Few keys of one prefix."""
        return Keys.sorted(pa.array(rests, pa.binary()), (prefix,))

    def __len__(self) -> int:
        return len(self.hashes)

    @cached_property
    def groups(self) -> Numbers:
        """The number of each key's prefix."""
        return np.repeat(np.arange(len(self.prefixes)), np.diff(self.starts))

    @cached_property
    def number(self) -> dict[bytes, int]:
        """A prefix's number."""
        return {prefix: i for i, prefix in enumerate(self.prefixes)}

    def to_list(self) -> list[bytes]:
        """The keys as bytes, prefix and rest."""
        rests: list[bytes] = self.rest.to_pylist()
        if self.prefixes == (b"",):
            return rests
        return [self.prefixes[group] + rest for group, rest in zip(self.groups.tolist(), rests, strict=True)]

    def slice(self, start: int, end: int) -> Keys:
        """The keys from one number to another; nothing is copied."""
        if start == 0 and end == len(self):
            return self
        first = int(np.searchsorted(self.starts, start, "right")) - 1
        last = int(np.searchsorted(self.starts, end, "left"))
        if end <= start:
            return NO_KEYS
        starts = np.clip(self.starts[first : last + 1], start, end) - start
        return Keys(self.prefixes[first:last], starts, self.hashes[start:end], self.rest.slice(start, end - start))

    def take(self, numbers: Numbers) -> Keys:
        """The keys of these rising numbers."""
        if len(numbers) == len(self):
            return self
        counts = np.diff(np.searchsorted(numbers, self.starts))
        some = np.flatnonzero(counts)
        starts = np.concatenate([[0], np.cumsum(counts[some])])
        return Keys(tuple(self.prefixes[i] for i in some.tolist()), starts, self.hashes[numbers], self.rest.take(pa.array(numbers)))

    def place(self, prefix: bytes, hash_: int = 0) -> int:
        """The number of the first key that is not before a prefix and hash."""
        number = bisect_left(self.prefixes, prefix)
        start = int(self.starts[number])
        if number == len(self.prefixes) or self.prefixes[number] != prefix or hash_ == 0:
            return start
        return start + int(np.searchsorted(self.hashes[start : self.starts[number + 1]], np.uint64(hash_)))

    def find(self, wanted: Keys, among: Flags | None = None) -> Numbers:
        """The number of each wanted key here, -1 where it is not; only those flagged in `among` are looked for."""
        found = np.full(len(wanted), -1, np.int64)
        shared = [(i, self.number[prefix]) for i, prefix in enumerate(wanted.prefixes) if prefix in self.number]
        if not shared:
            return found
        first, last = shared[0][1], shared[-1][1]
        base = int(self.starts[first])
        here = self.hashes[base : self.starts[last + 1]]
        if len(shared) == 1:
            rows = np.arange(wanted.starts[shared[0][0]], wanted.starts[shared[0][0] + 1])
            here = self.hashes[base : self.starts[first + 1]]
            there = wanted.hashes[rows[0] : rows[-1] + 1]
        else:
            # prefix and hash as one number: the prefix's in the upper bits, as many as it takes, over the hash's upper ones
            bits = (last - first).bit_length()
            turn = np.full(len(wanted.prefixes), -1, np.int64)
            for i, number in shared:
                turn[i] = number - first
            turns = turn[wanted.groups]
            rows = np.flatnonzero(turns >= 0)
            there = joined(turns[rows], wanted.hashes[rows], bits)
            here = joined(np.repeat(np.arange(last - first + 1), np.diff(self.starts[first : last + 2])), here, bits)
        if among is not None:
            open_ = among[rows]
            rows, there = rows[open_], there[open_]
        if len(here) * FEW_TAKEN < len(there):
            some = among_few(there, here)
            rows, there = rows[some], there[some]
        at = np.searchsorted(here, there)
        while len(rows):
            alike = at < len(here)
            alike[alike] = here[at[alike]] == there[alike]
            rows, there, at = rows[alike], there[alike], at[alike]
            same = pc.equal(taken(self.rest, at + base), taken(wanted.rest, rows)).to_numpy(zero_copy_only=False)
            found[rows[same]] = at[same] + base
            # two keys may have one hash: those that met another's look at the next
            rows, there, at = rows[~same], there[~same], at[~same] + 1
        return found


def among_few(many: Hashes, few: Hashes) -> Numbers:
    """The places of those of many rising numbers that are among few rising ones."""
    starts, ends = np.searchsorted(many, few), np.searchsorted(many, few, "right")
    counts = ends - starts
    counts[1:][few[1:] == few[:-1]] = 0
    if counts.max(initial=0) <= 1:
        found: Numbers = starts[counts == 1]
        return found
    before = np.cumsum(counts) - counts
    return np.repeat(starts - before, counts) + np.arange(int(counts.sum()))


NO_KEYS = Keys((), np.zeros(1, np.int64), np.zeros(0, np.uint64), pa.array([], pa.binary()))


def joined(turns: Numbers, hashes: Hashes, bits: int) -> Hashes:
    """Numbers of `bits` bits before hashes, of which the last bits go."""
    upper: Hashes = turns.astype(np.uint64) << np.uint64(64 - bits)
    upper |= hashes >> np.uint64(bits)
    return upper


def state_keys(columns: Sequence[pa.Array], types: Sequence[SqlType], rows: int) -> pa.Array:
    """The packed keys of so many rows, each within the length that a store takes; without columns all keys are empty."""
    if not columns:
        return pa.array([b""] * rows, pa.binary())
    packed = pack_key_array(columns, types)
    if rows and pc.max(pc.binary_length(packed)).as_py() > KEY_BYTES_MAX:
        return pa.array(map(bounded, packed.to_pylist()), pa.binary())
    return packed


def hashed(keys: pa.Array) -> Hashes:
    """A 64-bit hash of each of the keys (binary, none NULL). It is stored, so it must never change."""
    hashes: Hashes = np.empty(len(keys), np.uint64)
    for start in range(0, len(keys), HASHED_TOGETHER):
        hashes[start : start + HASHED_TOGETHER] = hashed_part(keys.slice(start, HASHED_TOGETHER))
    return hashes


def hashed_part(keys: pa.Array) -> Hashes:
    """The hashes of some keys: of their lengths, of as many bytes as are over eights, and then of eight at a time."""
    count = len(keys)
    offsets = offsets_of(keys).astype(np.int64)
    lengths = np.diff(offsets)
    hashes: Hashes = lengths.astype(np.uint64)
    longest = int(lengths.max(initial=0))
    if not longest:
        return mixed(hashes)
    # eight bytes beyond the end, so that the last word of the last key can be read whole
    data = np.zeros(int(offsets[-1] - offsets[0]) + 8, np.uint8)
    data[:-8] = np.frombuffer(keys.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
    words = np.ndarray((len(data) - 7,), "<u8", data, 0, (1,))  # every place as the beginning of a word
    if int(lengths.min()) == longest:
        first = (longest - 1) % 8 + 1
        hashes = mixed(hashes ^ (words[::longest][:count] & LOW_BYTES[first]))
        for at in range(first, longest, 8):
            hashes = mixed(hashes ^ words[at::longest][:count])
        return hashes
    at = offsets[:-1] - offsets[0]
    firsts = (lengths - 1) % 8 + 1
    firsts[lengths == 0] = 0
    hashes = mixed(hashes ^ (words[at] & LOW_BYTES[firsts]))
    at, left = at + firsts, lengths - firsts
    while len(rows := np.flatnonzero(left > 0)):
        hashes[rows] = mixed(hashes[rows] ^ words[at[rows]])
        at, left = at + 8, left - 8
    return hashes


def number_hashes(values: Numbers) -> Hashes:
    """The hashes of the keys that are one whole number each (INTEGER or BIGINT, as 32 or 64 bits), quicker. No two have the same: a number's bytes
    come into its hash in one step, and to mix is to put the numbers of 64 bits in another order."""
    size = values.dtype.itemsize
    unsigned = (values ^ values.dtype.type(np.iinfo(values.dtype).min)).byteswap().view(f"u{size}").astype(np.uint64)
    length, sign = np.array([size + 1], np.uint64), np.uint64(ord("n"))
    if size == 8:
        return mixed(mixed(length ^ sign) ^ unsigned)
    return mixed((unsigned << np.uint64(8) | sign) ^ length)


def offsets_of(keys: pa.Array) -> npt.NDArray[np.int32]:
    """Where each key (binary) begins in its buffer, and where the last one ends."""
    if not len(keys):
        return np.zeros(1, np.int32)
    return np.frombuffer(keys.buffers()[1], np.int32)[keys.offset : keys.offset + len(keys) + 1]


def rising(hashes: Hashes, groups: Numbers | None = None) -> tuple[Numbers, Hashes]:
    """The order in which the hashes rise, within each group where there are groups, and the hashes so; the first of the same stays before."""
    if len(hashes) < PACKED_FROM:
        order: Numbers = np.argsort(hashes, kind="stable")
        risen = hashes[order]
    else:
        order, risen = packed_rising(hashes)
    if groups is None:
        return order, risen
    few = int(groups.max(initial=0)) < 1 << 16  # NumPy sorts 16 bits by counting
    moved = np.argsort(groups[order].astype(np.uint16) if few else groups[order], kind="stable")
    return order[moved], risen[moved]


def packed_rising(hashes: Hashes) -> tuple[Numbers, Hashes]:
    """The same without groups: the upper bits are sorted with the numbers in the lower ones, by Polars, which takes 16 ns each, NumPy up to 60."""
    import polars as pl

    bits = np.uint64((len(hashes) - 1).bit_length())
    packed = hashes >> bits
    packed <<= bits
    for start in range(0, len(hashes), HASHED_TOGETHER):
        part = packed[start : start + HASHED_TOGETHER]
        part |= np.arange(start, start + len(part), dtype=np.uint64)
    packed = pl.Series(pl.from_arrow(pa.array(packed))).sort(multithreaded=False).to_numpy()
    order: Numbers = (packed & np.uint64((1 << int(bits)) - 1)).view(np.int64)
    risen = np.take(hashes, order, mode="clip")
    wrong = np.flatnonzero(risen[1:] < risen[:-1])
    if not len(wrong):
        return order, risen
    # some differ in their lower bits alone
    upper = packed >> bits
    some = np.unique(upper[wrong])
    if len(some) > FEW_WRONG:
        order = np.argsort(hashes, kind="stable")
        return order, hashes[order]
    for value in some.tolist():
        span = slice(*np.searchsorted(upper, np.array([value, value + 1], np.uint64)).tolist())
        moved = np.argsort(risen[span], kind="stable")
        order[span], risen[span] = order[span][moved], risen[span][moved]
    return order, risen


def taken(keys: pa.Array, order: Numbers) -> pa.Array:
    """The keys (binary, none NULL) of these rows; where many are taken, those of one length, as numbers are, move as pieces of that length."""
    if len(order) * FEW_TAKEN < len(keys):
        return keys.take(pa.array(order))  # to look at the lengths of all keys would cost more than to take these few
    offsets = offsets_of(keys)
    length = int(offsets[-1] - offsets[0]) // max(len(keys), 1)
    if not length or not (np.diff(offsets) == length).all():
        return keys.take(pa.array(order))
    pieces = np.frombuffer(keys.buffers()[2], f"V{length}", len(keys), int(offsets[0]))
    # "clip" spares NumPy the way through a buffer: these are rows that there are
    moved = np.take(pieces, order, mode="clip")
    ends = np.arange(0, (len(order) + 1) * length, length, dtype=np.int32)
    return pa.Array.from_buffers(pa.binary(), len(order), [None, pa.py_buffer(ends), pa.py_buffer(moved)])


def mixed(numbers: Hashes) -> Hashes:
    """Each bit spread over the others."""
    numbers = numbers ^ (numbers >> HALF)
    for factor in SPREAD:
        numbers *= factor
        numbers ^= numbers >> HALF
    return numbers
