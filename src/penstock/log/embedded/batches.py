"""A stored batch: a header of 40 bytes, then the message of an Arrow IPC record batch (its schema is known, so it is not stored).

The key is (topic id, partition, offset of the first record), big-endian, so that keys sort as the records do. Offsets count up by one from the first
record's, unless a flag says that they are stored as a column: compaction leaves gaps. Sequences are all that of the first record (a batch as it was
written), count up by one from it (single records merged), or are stored as a column.
Where no record has headers, their column is not stored: Arrow writes a list column's buffers even where all of it is null.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from penstock.log.records import RECORDS, no_headers, numbered

KEY = struct.Struct(">IIQ")
HEADER = struct.Struct("<BBxxIqqqq")
VERSION = 1
EXPLICIT_OFFSETS = 1
EXPLICIT_SEQUENCES = 2
NO_HEADERS = 4
ONE_SEQUENCE = 8
HEADERS_AT = RECORDS.get_field_index("headers")
NO_HORIZON = -1
OFFSET_COLUMN, SEQUENCE_COLUMN = pa.field("offset", pa.int64()), pa.field("sequence", pa.int64())


@dataclass(frozen=True, slots=True)
class Header:
    """`timestamp_min`, `timestamp_max`: ms. `sequence`: of the first record. `horizon`: from when on (ms) compaction drops tombstones
    (KIP-534), NO_HORIZON until a first pass has seen them."""

    flags: int
    count: int
    timestamp_min: int
    timestamp_max: int
    sequence: int
    horizon: int


def counts_up(numbers: np.ndarray[Any, Any]) -> bool:
    """Whether each number is one more than that before it."""
    return len(numbers) < 2 or bool((np.diff(numbers) == 1).all())


def encode(
    batch: pa.RecordBatch,
    sequence: int,
    *,
    horizon: int = NO_HORIZON,
    offsets: np.ndarray[Any, Any] | None = None,
    sequences: np.ndarray[Any, Any] | None = None,
) -> bytes:
    """The stored form of records (columns of RECORDS). `sequence` is that of the first, and of all where no `sequences` are given."""
    flags = ONE_SEQUENCE if sequences is None or bool((sequences == sequence).all()) else 0
    if batch.column(HEADERS_AT).null_count == batch.num_rows:
        flags |= NO_HEADERS
        batch = batch.remove_column(HEADERS_AT)
    if offsets is not None and not counts_up(offsets):
        flags |= EXPLICIT_OFFSETS
        batch = batch.append_column(OFFSET_COLUMN, pa.array(offsets, pa.int64()))
    if sequences is not None and not flags & ONE_SEQUENCE and not counts_up(sequences):
        flags |= EXPLICIT_SEQUENCES
        batch = batch.append_column(SEQUENCE_COLUMN, pa.array(sequences, pa.int64()))
    timestamps = batch.column(0)
    if len(timestamps) == 1:
        earliest = latest = timestamps[0].as_py()
    else:
        times = timestamps.to_numpy()
        earliest, latest = int(times.min()), int(times.max())
    header = HEADER.pack(VERSION, flags, batch.num_rows, earliest, latest, sequence, horizon)
    return b"".join((header, memoryview(batch.serialize())))


def header_of(value: bytes | memoryview) -> Header:
    """The header of a stored batch."""
    _, flags, count, earliest, latest, sequence, horizon = HEADER.unpack_from(value)
    return Header(flags, count, earliest, latest, sequence, horizon)


def _schema(flags: int) -> pa.Schema:
    """The columns of a stored batch."""
    schema = RECORDS.remove(HEADERS_AT) if flags & NO_HEADERS else RECORDS
    schema = schema.append(OFFSET_COLUMN) if flags & EXPLICIT_OFFSETS else schema
    return schema.append(SEQUENCE_COLUMN) if flags & EXPLICIT_SEQUENCES else schema


_SCHEMAS = [_schema(flags) for flags in range(16)]


def decode(value: bytes, base: int) -> pa.RecordBatch:
    """The records of a stored batch whose first offset is `base`, with the columns of READ. It shares the memory of `value`."""
    _, flags, count, _, _, sequence, _ = HEADER.unpack_from(value)
    stored = pa.ipc.read_record_batch(pa.py_buffer(value).slice(HEADER.size), _SCHEMAS[flags])
    if flags & NO_HEADERS:
        stored = stored.add_column(HEADERS_AT, RECORDS.field(HEADERS_AT), no_headers(count))
    offsets = stored.column("offset").to_numpy() if flags & EXPLICIT_OFFSETS else np.arange(base, base + count)
    if flags & ONE_SEQUENCE:
        sequences = np.full(count, sequence)
    else:
        sequences = stored.column("sequence").to_numpy() if flags & EXPLICIT_SEQUENCES else np.arange(sequence, sequence + count)
    if flags & (EXPLICIT_OFFSETS | EXPLICIT_SEQUENCES):
        stored = stored.select(range(len(RECORDS)))
    return numbered(stored, offsets, sequences)


def decode_all(values: Sequence[tuple[int, bytes]]) -> pa.RecordBatch:
    """The records of stored batches, given as (first offset, value), in one. Those without columns for numbers are numbered together, since
    small ones are many."""
    if len(values) == 1:
        return decode(values[0][1], values[0][0])
    parts, sequences, counts = [], [], []
    kind = HEADER.unpack_from(values[0][1])[1]
    for _, value in values:
        _, flags, count, _, _, sequence, _ = HEADER.unpack_from(value)
        if flags & (EXPLICIT_OFFSETS | EXPLICIT_SEQUENCES) or flags != kind:
            return pa.concat_batches([decode(value, base) for base, value in values])
        parts.append(pa.ipc.read_record_batch(pa.py_buffer(value).slice(HEADER.size), _SCHEMAS[flags]))
        sequences.append(sequence)
        counts.append(count)
    ends = np.cumsum(counts)
    begins = ends - counts
    bases = np.array([base for base, _ in values])
    together = pa.concat_batches(parts)
    if kind & NO_HEADERS:
        together = together.add_column(HEADERS_AT, RECORDS.field(HEADERS_AT), no_headers(together.num_rows))
    offsets = np.arange(bases[0], bases[0] + ends[-1])
    if not (bases - begins == bases[0]).all():  # records between were deleted
        offsets = np.repeat(bases - begins, counts) + np.arange(ends[-1])
    if kind & ONE_SEQUENCE:
        return numbered(together, offsets, np.repeat(np.array(sequences), counts))
    return numbered(together, offsets, np.repeat(np.array(sequences) - begins, counts) + np.arange(ends[-1]))


def encode_read(batch: pa.RecordBatch, *, horizon: int = NO_HORIZON) -> bytes:
    """The stored form of records that were read (columns of READ), with offsets and sequences explicit only where they need be."""
    offsets, sequences = batch.column(0).to_numpy(), batch.column(1).to_numpy()
    return encode(
        batch.select(range(2, 2 + len(RECORDS))),
        int(sequences[0]),
        horizon=horizon,
        offsets=offsets,
        sequences=sequences,
    )
