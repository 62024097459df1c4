"""The records of one partition: append, read, find a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from penstock.errors import TopicError
from penstock.log.embedded.batches import KEY, decode, decode_all, encode, header_of
from penstock.log.embedded.environment import View
from penstock.log.embedded.topics import Head, Topic, head, put_head, require
from penstock.log.records import NOTHING_READ

BYTES_READ_MAX = 1 << 30  # binary columns count their bytes in 32 bits
PART_RECORDS = 50_000  # a part that has so many records gets no further batch


def append(
    view: View,
    topic: Topic,
    partition: int,
    batch: pa.RecordBatch,
    sequence: int,
) -> int:
    """Append checked records (columns of RECORDS), all with one sequence number; return the offset of the first."""
    place = head(view, topic, partition)
    if not batch.num_rows:
        return place.end
    value = encode(batch, sequence)
    view.txn.put(KEY.pack(topic.id, partition, place.end), value, db=view.batches)
    after = place._replace(end=place.end + batch.num_rows, bytes=place.bytes + len(value), batches=place.batches + 1)
    put_head(view, topic, partition, after)
    return place.end


def stored(view: View, topic: Topic, partition: int, offset: int = 0) -> Iterator[tuple[int, Any]]:
    """The stored batches from the one that may hold `offset` on: (first offset, value), the value of the view's kind."""
    prefix = KEY.pack(topic.id, partition, 0)[:8]
    with view.txn.cursor(view.batches) as cursor:
        at = KEY.pack(topic.id, partition, offset)
        found = cursor.set_range(at)
        if not found or bytes(cursor.key()) != at:  # the offset may stand inside the batch before
            found = cursor.prev() if found else cursor.last()
            if not found:
                found = cursor.first()
            elif bytes(cursor.key())[:8] != prefix:
                found = cursor.next()
        while found:
            key = bytes(cursor.key())
            if key[:8] != prefix:
                return
            yield int.from_bytes(key[8:], "big"), cursor.value()
            found = cursor.next()


def replace_batches(view: View, topic: Topic, partition: int, old: Sequence[tuple[int, int]], new: Sequence[tuple[int, bytes]]) -> Head:
    """Put stored batches in the place of others: `old` as (first offset, bytes), `new` as (first offset, value). Return the head, not stored yet."""
    for base, _ in old:
        view.txn.delete(KEY.pack(topic.id, partition, base), db=view.batches)
    for base, value in new:
        view.txn.put(KEY.pack(topic.id, partition, base), value, db=view.batches)
    place = head(view, topic, partition)
    grown = sum(len(value) for _, value in new) - sum(size for _, size in old)
    return place._replace(bytes=place.bytes + grown, batches=place.batches + len(new) - len(old))


def read(view: View, name: str, partition: int, offset: int, max_records: int, max_bytes: int) -> pa.RecordBatch:
    """Records from `offset` on, as the protocol's `read`."""
    return next(parts(view, name, partition, offset, max_records, max_bytes, part_records=max_records), NOTHING_READ)


def parts(
    view: View, name: str, partition: int, offset: int, max_records: int, max_bytes: int, *, part_records: int
) -> Iterator[pa.RecordBatch]:
    """The same records, some stored batches at a time: as many as have `part_records` records together. None is empty."""
    topic = require(view, name, partition)
    place = head(view, topic, partition)
    if offset > place.end:
        raise TopicError(
            f"Topic {name}, partition {partition} ends at offset {place.end}; {offset} is beyond it.", mend="Read from an offset up to its end."
        )
    offset = max(offset, place.start)
    if offset == place.end or max_records < 1:
        return
    max_bytes = min(max_bytes, BYTES_READ_MAX)
    left, size = max_records, 0
    values: list[tuple[int, bytes]] = []
    count = 0  # the least that the values hold: a batch that begins before the offset may have gaps
    for base, value in stored(view, topic, partition, offset):
        if size and size + len(value) > max_bytes and (count or left < max_records):
            break
        values.append((base, value))
        size += len(value)
        count += max(0, header_of(value).count - max(0, offset - base))
        if count >= min(part_records, left):
            found = from_offset(values, offset, left, max_bytes)
            yield found
            left -= found.num_rows
            values, count = [], 0
            if left <= 0:
                return
    if values and (found := from_offset(values, offset, left, max_bytes)).num_rows:
        yield found


def from_offset(values: Sequence[tuple[int, bytes]], offset: int, most: int, max_bytes: int) -> pa.RecordBatch:
    """At most so many records of stored batches, those from an offset on; of a single batch that is too large a part."""
    found = decode_all(values)
    found = found.slice(int(np.searchsorted(found.column(0).to_numpy(), offset)), most)
    size = len(values[0][1])
    return found if size <= max_bytes else found.slice(0, max(1, found.num_rows * max_bytes // size))


def offset_at(view: View, name: str, partition: int, timestamp: int) -> int:
    """The first offset whose record's timestamp is at or after `timestamp`, or the end offset. Of batches only the headers are read."""
    topic = require(view, name, partition)
    place = head(view, topic, partition)
    for base, value in stored(view, topic, partition, place.start):
        if header_of(value).timestamp_max < timestamp:
            continue
        batch = decode(bytes(value), base)
        late = np.flatnonzero((batch.column(2).to_numpy() >= timestamp) & (batch.column(0).to_numpy() >= place.start))
        if len(late):
            return int(batch.column(0)[int(late[0])].as_py())
    return place.end
