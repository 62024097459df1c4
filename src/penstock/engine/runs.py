"""Runs: rows of a table of state by the order of their keys, written once and never changed.

A run is stored as two values: the body, an Arrow record batch of the keys' hashes and rests and the rows' columns, and where the keys have
prefixes the head, which tells them. Its columns can be read where they lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.engine.keys import NO_KEYS, Flags, Keys, Numbers, rising, taken
from penstock.sql.types import SqlType, arrow_type

if TYPE_CHECKING:
    from penstock.log.protocol import Buffer

ALIGNED = 8
"""Arrow's columns begin at multiples of so many bytes."""


@dataclass(frozen=True)
class Run:
    """Rows under distinct keys. Where `gone` is set the row is deleted, and its columns hold anything; None where no row is."""

    keys: Keys
    columns: list[pa.Array]
    gone: Flags | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def slice(self, start: int, end: int) -> Run:
        """The rows from one number to another; nothing is copied."""
        columns = [column.slice(start, max(end - start, 0)) for column in self.columns]
        return Run(self.keys.slice(start, end), columns, None if self.gone is None else self.gone[start:end])

    def within(self, low: tuple[bytes, int], high: tuple[bytes, int] | None) -> Run:
        """The rows whose prefixes and hashes are from one to before another, or to the end."""
        return self.slice(self.keys.place(*low), len(self) if high is None else self.keys.place(*high))

    def without(self, low: bytes, high: bytes) -> Run:
        """The run without the rows whose prefixes are from one to before another."""
        first, after = self.keys.place(low, 0), self.keys.place(high, 0)
        if first == after:
            return self
        parts = [part for part in (self.slice(0, first), self.slice(after, len(self))) if len(part)]
        return merged(parts, keep_gone=True) if len(parts) == 2 else parts[0] if parts else self.slice(0, 0)

    def only(self, columns: Sequence[int]) -> Run:
        """The rows with these of their columns."""
        return Run(self.keys, [self.columns[i] for i in columns], self.gone)

    @property
    def prefixed(self) -> bool:
        """Whether its keys have prefixes."""
        return self.keys.prefixes != (b"",)

    # ------------------------------------------------------------------------------------------ stored

    def body(self) -> pa.Buffer:
        """What `read` takes: the keys and columns."""
        columns = [pa.array(self.keys.hashes), self.keys.rest, *self.columns, *([] if self.gone is None else [pa.array(self.gone)])]
        return pa.RecordBatch.from_arrays(columns, names=[str(i) for i in range(len(columns))]).serialize()

    def head(self) -> bytes:
        """What `read` takes: the prefixes, and where each begins."""
        return msgspec.msgpack.encode((self.keys.prefixes, self.keys.starts.astype("<i8").tobytes()))

    @staticmethod
    def read(body: Buffer, head: Buffer | None, types: Sequence[SqlType], rows: int, *, gone: bool) -> Run:
        """The run, in the memory of `body`."""
        buffer = pa.py_buffer(body)
        if buffer.address % ALIGNED:  # a short value lies among others
            buffer = pa.py_buffer(bytes(buffer))
        fields = [pa.uint64(), pa.binary(), *map(arrow_type, types), *([pa.bool_()] if gone else [])]
        batch = pa.ipc.read_record_batch(buffer, pa.schema([pa.field(str(i), t) for i, t in enumerate(fields)]))
        prefixes: tuple[bytes, ...] = (b"",)
        starts = np.array([0, rows])
        if head is not None:
            prefixes, raw = msgspec.msgpack.decode(bytes(head), type=tuple[tuple[bytes, ...], bytes])
            starts = np.frombuffer(raw, "<i8")
        keys = Keys(prefixes, starts, batch.column(0).to_numpy(), batch.column(1))
        return Run(keys, batch.columns[2 : 2 + len(types)], batch.column(batch.num_columns - 1).to_numpy(zero_copy_only=False) if gone else None)


def merged(runs: Sequence[Run], *, keep_gone: bool) -> Run:
    """One run of several, given from the newest to the oldest: of each key its newest row. Deleted rows go unless they are to be kept, for
    what is older still. Its memory is its own."""
    runs = [run for run in runs if len(run)] or list(runs[:1])
    rest = pa.concat_arrays([run.keys.rest for run in runs])
    hashes = np.concatenate([run.keys.hashes for run in runs])
    gone = np.concatenate([np.zeros(len(run), bool) if run.gone is None else run.gone for run in runs])
    prefixes = sorted({prefix for run in runs for prefix in run.keys.prefixes})
    groups: Numbers | None = None
    if len(prefixes) > 1:
        number = {prefix: i for i, prefix in enumerate(prefixes)}
        groups = np.concatenate([np.array([number[p] for p in run.keys.prefixes])[run.keys.groups] for run in runs])
    order, _ = rising(hashes, groups)  # which keeps the newest first among the same
    if len(runs) > 1:
        order = order[~older(order, hashes, groups, rest)]
    if not keep_gone:
        order = order[~gone[order]]
    if not len(order):
        return Run(NO_KEYS, [pa.array([], column.type) for column in runs[0].columns])
    if groups is None:
        starts = np.array([0, len(order)])
    else:
        found, first = np.unique(groups[order], return_index=True)
        prefixes, starts = [prefixes[i] for i in found.tolist()], np.append(first, len(order))
    index = pa.array(order)
    columns = [pa.concat_arrays(list(parts)).take(index) for parts in zip(*(run.columns for run in runs), strict=True)]
    keys = Keys(tuple(prefixes), starts, hashes[order], taken(rest, order))
    return Run(keys, columns, gone[order] if keep_gone and gone[order].any() else None)


def older(order: Numbers, hashes: np.ndarray, groups: Numbers | None, rest: pa.Array) -> Flags:
    """Which places of an order have the key of a place before."""
    ordered = hashes[order]
    same = np.zeros(len(order), bool)
    same[1:] = ordered[1:] == ordered[:-1]
    if groups is not None:
        same[1:] &= groups[order[1:]] == groups[order[:-1]]
    places = np.flatnonzero(same)
    alike = pc.equal(rest.take(pa.array(order[places])), rest.take(pa.array(order[places - 1]))).to_numpy(zero_copy_only=False)
    if alike.all():
        return same
    # some keys share a hash with others: there every row is compared with all before it
    span = np.cumsum(~same)
    for number in np.unique(span[places[~alike]]).tolist():
        among = np.flatnonzero(span == number)
        seen: set[bytes] = set()
        for place, key in zip(among.tolist(), rest.take(pa.array(order[among])).to_pylist(), strict=True):
            same[place] = key in seen
            seen.add(key)
    return same


def cut(run: Run, most: int) -> list[Run]:
    """The run in pieces of about half of `most` rows where it has more; rows of one prefix and hash stay together."""
    if len(run) <= most:
        return [run]
    keys, count = run.keys, -(-len(run) * 2 // most)
    cuts = {0, len(run)}
    for place in (len(run) * i // count for i in range(1, count)):
        cuts.add(keys.place(keys.prefixes[int(keys.groups[place])], int(keys.hashes[place])))
    return [run.slice(start, end) for start, end in pairwise(sorted(cuts))]
