"""What a query reads: the next records of all its sources, in one order of arrival."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from penstock.engine.operators.source import Records, Source
from penstock.engine.stage import Origin
from penstock.log.protocol import Log, Snapshot

BATCH_RECORDS_MAX = 200_000
BATCH_BYTES_MAX = 64 << 20


@dataclass
class Part:
    """Records of one partition, as one source of the query reads them."""

    source: int
    topic: str
    partition: int
    batch: pa.RecordBatch
    finished: bool  # nothing was left behind


class Intake:
    """Positions of a query in its topics. `take` reads on; `commit`ted positions are what the next `take` starts from."""

    def __init__(self, sources: list[Source], log: Log, group: str, *, latest: bool) -> None:
        self.sources = sources
        self.log = log
        self.positions: dict[tuple[str, int], int] = {}
        committed = log.committed(group)
        for topic in {s.step.topic for s in sources}:
            info = log.topic(topic)
            for partition in range(info.partitions if info else 0):
                place = (topic, partition)
                start = log.end_offset(*place) if latest else log.start_offset(*place)
                self.positions[place] = committed.get(place, start)

    def take(self, snapshot: Snapshot | Log, limit: int = BATCH_RECORDS_MAX) -> tuple[Origin, dict[tuple[str, int], int]] | None:
        """Give each source its next records; return where they came from and the positions behind them, or None where there is nothing new.

        Of several topics or partitions, only those records are taken before which nothing can still turn up: all have smaller
        sequence numbers than whatever was left unread. A limit of 1 means the very next record.
        """
        waiting = [place for place, offset in self.positions.items() if snapshot.end_offset(*place) > offset]
        each = max(limit // max(len(waiting), 1), 1)
        read = {place: snapshot.read(*place, self.positions[place], max_records=each, max_bytes=BATCH_BYTES_MAX) for place in waiting}
        read = {place: batch for place, batch in read.items() if batch.num_rows}
        if not read:
            for source in self.sources:
                source.records = None
            return None
        horizon: int | None = None
        if limit == 1:
            place = min(read, key=lambda place: read[place]["sequence"][0].as_py())
            read = {place: read[place].slice(0, 1)}
        elif len(self.positions) > 1:
            for place, batch in read.items():
                if batch["offset"][-1].as_py() + 1 < snapshot.end_offset(*place):
                    last = batch["sequence"][-1].as_py()
                    horizon = last if horizon is None else min(horizon, last)
        if horizon is not None:
            read = {place: up_to(batch, horizon) for place, batch in read.items()}
            read = {place: batch for place, batch in read.items() if batch.num_rows}
        positions = {place: batch["offset"][-1].as_py() + 1 for place, batch in read.items()}
        return self.deal(read), positions

    def deal(self, read: dict[tuple[str, int], pa.RecordBatch]) -> Origin:
        """Hand the records to the sources, each with its place in the order of arrival."""
        parts = [
            (number, topic, partition, batch)
            for (topic, partition), batch in read.items()
            for number, source in enumerate(self.sources)
            if source.step.topic == topic
        ]
        places = arrival([batch["sequence"].to_numpy() for *_, batch in parts])
        origin = Origin()
        mine: list[list[tuple[int, pa.RecordBatch, np.ndarray]]] = [[] for _ in self.sources]
        at = 0
        for number, topic, partition, batch in parts:
            span = places[at : at + batch.num_rows]
            at += batch.num_rows
            origin.parts.append((number, topic, partition, pa.array(span), batch["offset"]))
            if batch["headers"].null_count < batch.num_rows:
                origin.headed.append((pa.array(span), batch["headers"]))
            mine[number].append((partition, batch, span))
        for source, share in zip(self.sources, mine, strict=True):
            source.records = gather(share)
        return origin


def up_to(batch: pa.RecordBatch, horizon: int) -> pa.RecordBatch:
    """The records whose sequence number is at most `horizon`."""
    wanted = batch["sequence"].to_numpy() <= horizon
    count = int(wanted.sum())
    # the numbers rise in all but some homes of the log, and then nothing need be copied
    return batch.slice(0, count) if wanted[:count].all() else batch.filter(pa.array(wanted))


def arrival(sequences: list[np.ndarray]) -> np.ndarray:
    """The place of each record of several parts in the order of arrival. Records of one sequence number keep the order of their partition."""
    together = sequences[0] if len(sequences) == 1 else np.concatenate(sequences)
    if (together[1:] >= together[:-1]).all():
        return np.arange(len(together))
    order = np.argsort(together, kind="stable")
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    return places


def gather(share: list[tuple[int, pa.RecordBatch, np.ndarray]]) -> Records | None:
    """One source's records of all its partitions, in order."""
    if not share:
        return None
    places = np.concatenate([span for _, _, span in share])
    partitions = np.concatenate([np.full(batch.num_rows, partition, np.int32) for partition, batch, _ in share])
    names = ("offset", "timestamp", "key", "value", "headers")
    columns = [pa.concat_arrays([batch[name] for _, batch, _ in share]) if len(share) > 1 else share[0][1][name] for name in names]
    if len(share) > 1:
        index = np.argsort(places, kind="stable")
        rows = pa.array(index)
        places, partitions, columns = places[index], partitions[index], [column.take(rows) for column in columns]
    return Records(pa.array(places), pa.array(partitions), *columns)
