"""The shape of records as Arrow batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.errors import RecordError, TopicError
from penstock.log.protocol import RECORD_FIELDS, TopicInfo

HEADERS = pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())]))
RECORDS = pa.schema([("timestamp", pa.int64()), ("key", pa.binary()), ("value", pa.binary()), ("headers", HEADERS)])
"""What is appended: the columns of RECORD_FIELDS."""
READ = pa.schema([("offset", pa.int64()), ("sequence", pa.int64()), *RECORDS])
"""What is read."""
NOTHING_READ = pa.RecordBatch.from_arrays([pa.array([], f.type) for f in READ], schema=READ)


def conform(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with exactly the columns of RECORDS, in their order and types; other columns (offset, sequence) are left out.

    Raises TopicError where a column is missing, has another type that does not convert, or a timestamp is null.
    """
    if not batch.schema.equals(RECORDS):
        columns = []
        for name, field in zip(RECORD_FIELDS, RECORDS, strict=True):
            index = batch.schema.get_field_index(name)
            if index < 0:
                raise TopicError(f"The records have no column {name}, only {', '.join(batch.schema.names)}.", mend="Give all of RECORD_FIELDS.")
            column = batch.column(index)
            try:
                columns.append(column if column.type.equals(field.type) else column.cast(field.type))
            except pa.ArrowException as error:
                raise TopicError(f"The column {name} is {column.type}, not {field.type}: {error}", mend="Convert it.") from error
        batch = pa.RecordBatch.from_arrays(columns, schema=RECORDS)
    if batch.column(0).null_count:
        raise TopicError("A record's timestamp is null.", mend="Give each record its time, in ms since the epoch.")
    return batch


def records(rows: Sequence[tuple[int, bytes | None, bytes | None]], headers: Sequence[Any] | None = None) -> pa.RecordBatch:
    """A batch of (timestamp, key, value) rows; `headers`: a list of (name, value) pairs or None a row."""
    timestamps, keys, values = zip(*rows, strict=True) if rows else ((), (), ())
    structs = [None if h is None else [{"key": k, "value": v} for k, v in h] for h in headers] if headers is not None else [None] * len(rows)
    arrays = [pa.array(timestamps, pa.int64()), pa.array(keys, pa.binary()), pa.array(values, pa.binary()), pa.array(structs, HEADERS)]
    return pa.RecordBatch.from_arrays(arrays, schema=RECORDS)


_NO_HEADERS = pa.nulls(1 << 18, HEADERS)


def no_headers(count: int) -> pa.Array:
    """The headers of records that have none: a slice of one array of nulls, since making one costs four buffers."""
    return _NO_HEADERS[:count] if count <= len(_NO_HEADERS) else pa.nulls(count, HEADERS)


def numbered(batch: pa.RecordBatch, offsets: np.ndarray[Any, Any], sequences: np.ndarray[Any, Any]) -> pa.RecordBatch:
    """The records with `offset` and `sequence` before them."""
    return pa.RecordBatch.from_arrays([pa.array(offsets), pa.array(sequences), *batch.columns], schema=READ)


def check_records(info: TopicInfo, batch: pa.RecordBatch) -> None:
    """Raise RecordError where the topic does not take these records (columns of RECORDS)."""
    config = info.config
    if batch.get_total_buffer_size() > config.max_message_bytes:  # quick for most; a slice's buffers may be larger than it is
        sizes = pc.add(pc.fill_null(pc.binary_length(batch.column(1)), 0), pc.fill_null(pc.binary_length(batch.column(2)), 0))
        largest = pc.max(sizes).as_py() or 0
        if largest > config.max_message_bytes:
            raise RecordError(
                f"A record of {largest} bytes is larger than topic {info.name} takes ({config.max_message_bytes}).",
                mend="Raise its max.message.bytes, or make the record smaller.",
            )
