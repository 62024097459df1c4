"""What a query reads: the next records of all its sources, in one order of arrival."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa

from penstock.engine.arrival import certain, line, turns
from penstock.engine.operators.source import Records, Source
from penstock.engine.stage import Origin
from penstock.log.protocol import Log, Snapshot

BATCH_RECORDS_MAX = 200_000
BATCH_BYTES_MAX = 64 << 20
RECORD_BYTES = 80
"""A batch of many records may have so many bytes for each, where that is more."""
ROWS_REPEATED = 1 << 17
"""The partition of no more rows is a slice of an array that is there."""

Place = tuple[str, int]
"""A topic and a partition."""
Taken = tuple[Origin, dict[Place, int]]
"""Where the records of a batch came from, and the positions behind them."""


class Intake:
    """Positions of a query in its topics. `take` reads on; `commit`ted positions are what the next `take` starts from."""

    def __init__(self, sources: list[Source], log: Log, group: str, *, latest: bool) -> None:
        self.sources = sources
        self.log = log
        self.positions: dict[Place, int] = {}
        self.left = False
        """Whether `take` left records for the next time that were there already."""
        committed = log.committed(group)
        tables = {s.step.topic for s in sources if s.step.kind == "TABLE"}
        # of what came together a table's rows come first, for whoever joins them
        for topic in sorted({s.step.topic: None for s in sources}, key=lambda topic: topic not in tables):
            info = log.topic(topic)
            for partition in range(info.partitions if info else 0):
                place = (topic, partition)
                start = log.end_offset(*place) if latest else log.start_offset(*place)
                self.positions[place] = committed.get(place, start)

    def take(self, snapshot: Snapshot, limit: int = BATCH_RECORDS_MAX) -> Taken | None:
        """Give each source its next records; None where there is nothing new.

        Of several topics or partitions, only those records are taken before which nothing can still turn up. A limit of 1 means the very next record.
        """
        for source in self.sources:
            source.clear()
        ends = {place: snapshot.end_offset(*place) for place in self.positions}
        taken = self.take_some(snapshot, limit, ends)
        self.left = taken is not None and (self.positions | taken[1]) != ends
        return taken

    def take_some(self, snapshot: Snapshot, limit: int, ends: Mapping[Place, int]) -> Taken | None:
        """The same, given where the partitions end."""
        waiting = [place for place, offset in self.positions.items() if ends[place] > offset]
        most_bytes = max(BATCH_BYTES_MAX, limit * RECORD_BYTES)
        if len(waiting) == 1:
            return self.take_from(snapshot, waiting[0], limit, most_bytes, ends[waiting[0]])
        each = max(limit // max(len(waiting), 1), 1)
        read = {place: snapshot.read(*place, self.positions[place], max_records=each, max_bytes=most_bytes) for place in waiting}
        read = {place: batch for place, batch in read.items() if batch.num_rows}
        if not read:
            return None
        if limit == 1:
            place = min(read, key=lambda place: (read[place]["sequence"][0].as_py(), read[place]["timestamp"][0].as_py()))
            read = {place: read[place].slice(0, 1)}
        if len(read) == 1:
            places = [np.arange(batch.num_rows) for batch in read.values()]
        else:
            read, places = in_line(read, [behind(batch) < ends[place] for place, batch in read.items()])
        origin = Origin()
        self.deal(origin, read, places)
        return origin, {place: behind(batch) for place, batch in read.items()}

    def take_from(self, snapshot: Snapshot, place: Place, limit: int, most_bytes: int, end: int) -> Taken | None:
        """The next records where only one partition has any: they are in order, and need not be in memory all at once."""
        origin, count, position = Origin(), 0, self.positions[place]
        # in one piece, so that it does not stand between the memory of the parts, which is freed
        places = np.arange(min(limit, end - position))
        for batch in snapshot.read_parts(*place, position, max_records=limit, max_bytes=most_bytes):
            self.deal(origin, {place: batch}, [places[count : count + batch.num_rows]], len(places))
            count, position = count + batch.num_rows, behind(batch)
        return (origin, {place: position}) if count else None

    def deal(self, origin: Origin, read: dict[Place, pa.RecordBatch], places: list[np.ndarray], most_records: int = 0) -> None:
        """Hand records to the sources, each with its place in the order of arrival, and note where they came from. They are all of the batch, or
        a part of one that has at most so many. Where two sources read a topic, a record has two places, one right behind the other."""
        readers = {topic: [number for number, source in enumerate(self.sources) if source.step.topic == topic] for topic, _ in read}
        most = max(len(numbers) for numbers in readers.values())
        mine: list[list[tuple[int, pa.RecordBatch, np.ndarray]]] = [[] for _ in self.sources]
        for ((topic, partition), batch), turns_of in zip(read.items(), places, strict=True):
            for turn, number in enumerate(readers[topic]):
                span = turns_of if most == 1 else turns_of * most + turn
                origin.parts.append((number, topic, partition, pa.array(span), offsets_of(batch)))
                if batch["headers"].null_count < batch.num_rows:
                    origin.headed.append((pa.array(span), batch["headers"]))
                mine[number].append((partition, batch, span))
        for source, share in zip(self.sources, mine, strict=True):
            if (records := gather(share)) is not None:
                source.take(records, most_records)


def offsets_of(batch: pa.RecordBatch) -> Sequence[int]:
    """The offsets of records, in no memory where they follow one another."""
    first, after = int(batch["offset"][0].as_py()), behind(batch)
    if after - first == batch.num_rows:
        return range(first, after)
    offsets: Sequence[int] = batch["offset"].to_numpy()
    return offsets


def behind(batch: pa.RecordBatch) -> int:
    """The offset after the last of records that were read."""
    return int(batch["offset"][-1].as_py()) + 1


def in_line(read: dict[Place, pa.RecordBatch], unread: list[bool]) -> tuple[dict[Place, pa.RecordBatch], list[np.ndarray]]:
    """Of the next records of several partitions those whose turn is certain, and their places. `unread`: whether there are more of a partition's."""
    keys = turns(list(read.values()))
    counts = certain(keys, unread)
    taken = {place: batch.slice(0, count) for (place, batch), count in zip(read.items(), counts, strict=True) if count}
    return taken, line([key[:count] for key, count in zip(keys, counts, strict=True) if count])


def gather(share: list[tuple[int, pa.RecordBatch, np.ndarray]]) -> Records | None:
    """One source's records of all its partitions, in order."""
    if not share:
        return None
    names = ("offset", "timestamp", "key", "value", "headers")
    if len(share) == 1:
        partition, batch, places = share[0]
        return Records(pa.array(places), repeated(partition, batch.num_rows), *(batch[name] for name in names))
    spans = np.concatenate([span for _, _, span in share])
    order = pa.array(np.argsort(spans, kind="stable"))
    partitions = pa.concat_arrays([repeated(partition, batch.num_rows) for partition, batch, _ in share])
    columns = [pa.concat_arrays([batch[name] for _, batch, _ in share]) for name in names]
    return Records(*(column.take(order) for column in (pa.array(spans), partitions, *columns)))


def repeated(partition: int, rows: int) -> pa.Array:
    """The partition of so many rows: of a part's a slice of one array."""
    return partition_column(partition).slice(0, rows) if rows <= ROWS_REPEATED else pa.array(np.full(rows, partition, np.int32))


@lru_cache(maxsize=16)
def partition_column(partition: int) -> pa.Array:
    """The same partition for many rows."""
    return pa.array(np.full(ROWS_REPEATED, partition, np.int32))
