"""Compaction: of each key the last record remains; a tombstone goes `delete_retention_ms` after a first pass has seen it (KIP-534).

Offsets stay as they were. Older records go in the order of their offsets, so a pass that is cut short at any point leaves a log that means
the same, and the next pass begins where `compacted` still stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa

from penstock.log.embedded.batches import NO_HORIZON, decode, encode_read, header_of
from penstock.log.embedded.environment import Environment
from penstock.log.embedded.partitions import replace_batches, stored
from penstock.log.embedded.topics import Head, Topic, find, head, put_head

KEYS_MAX = 1_000_000  # keys held in memory at once; more are compacted in several rounds
CHUNK_BYTES = 4 << 20
DIRTY_PART_MIN = 0.5  # Kafka's min.cleanable.dirty.ratio


def is_due(place: Head, now_ms: int) -> bool:
    """Whether enough has been written since the last time, or tombstones can go."""
    dirty = place.end > place.compacted and place.bytes - place.compacted_bytes >= DIRTY_PART_MIN * place.bytes
    return dirty or (place.horizon != NO_HORIZON and now_ms >= place.horizon)


def compact(environment: Environment, topic: Topic, partition: int, now_ms: int, stopped: Callable[[], bool] = lambda: False) -> None:
    """Compact a partition up to its end of now."""
    with environment.reading() as view:
        place = head(view, topic, partition)
    end, done = place.end, place.compacted
    while True:
        latest, done = _latest(environment, topic, partition, done, end)
        horizon = _keep_latest(environment, topic, partition, latest, done, now_ms, stopped)
        if horizon is None:
            return
        with environment.writing() as view:
            if find(view, topic.info.name) != topic:
                return
            place = head(view, topic, partition)
            put_head(view, topic, partition, place._replace(compacted=done, compacted_bytes=place.bytes, horizon=horizon))
        if done >= end:
            return


def _chunks(environment: Environment, topic: Topic, partition: int, begin: int, end: int) -> Iterator[list[tuple[int, bytes]]]:
    """The stored batches that reach into [begin, end), some at a time, no transaction open in between."""
    at = begin
    while True:
        chunk: list[tuple[int, bytes]] = []
        size = 0
        with environment.reading() as view:
            for base, value in stored(view, topic, partition, at):
                if base < at and at > begin:
                    continue  # the batch before, whose last records are gone: it was in the chunk before
                if base >= end or (chunk and size + len(value) > CHUNK_BYTES):
                    break
                chunk.append((base, value))
                size += len(value)
        if not chunk:
            return
        yield chunk
        at = max(begin, chunk[-1][0]) + 1


def _latest(environment: Environment, topic: Topic, partition: int, begin: int, end: int) -> tuple[dict[bytes | None, int], int]:
    """The last offset of each key from `begin` on, and the offset up to which that is known."""
    latest: dict[bytes | None, int] = {}
    for chunk in _chunks(environment, topic, partition, begin, end):
        for base, value in chunk:
            batch = decode(value, base)
            latest.update(zip(batch.column("key").to_pylist(), batch.column("offset").to_pylist(), strict=True))
            if len(latest) >= KEYS_MAX:
                return latest, int(batch.column("offset")[-1].as_py()) + 1
    return latest, end


def _keep_latest(
    environment: Environment, topic: Topic, partition: int, latest: dict[bytes | None, int], end: int, now_ms: int, stopped: Callable[[], bool]
) -> int | None:
    """Rewrite the batches before `end` without what is superseded; the earliest horizon of those that remain, None where it was cut short."""
    horizons = []
    for chunk in _chunks(environment, topic, partition, 0, end):
        if stopped():
            return None
        old: list[tuple[int, int]] = []
        new: list[tuple[int, bytes]] = []
        for base, value in chunk:
            kept, horizon, changed = _compacted(decode(value, base), header_of(value).horizon, latest, now_ms, topic.info.config.delete_retention_ms)
            if changed:
                old.append((base, len(value)))
                if kept.num_rows:
                    new.append((int(kept.column(0)[0].as_py()), encode_read(kept, horizon=horizon)))
            if kept.num_rows and horizon != NO_HORIZON:
                horizons.append(horizon)
        if old:
            with environment.writing() as view:
                if find(view, topic.info.name) != topic:
                    return None
                put_head(view, topic, partition, replace_batches(view, topic, partition, old, new))
    return min(horizons, default=NO_HORIZON)


def _compacted(
    batch: pa.RecordBatch, horizon: int, latest: dict[bytes | None, int], now_ms: int, delete_retention_ms: int
) -> tuple[pa.RecordBatch, int, bool]:
    """What remains of a batch, its horizon then, and whether that differs from what is stored. Records without a key go, as in Kafka."""
    offsets = batch.column("offset").to_numpy()
    keys = batch.column("key")
    last = np.fromiter((latest.get(key, -1) for key in keys.to_pylist()), np.int64, len(keys))
    keep = (last <= offsets) & keys.is_valid().to_numpy(zero_copy_only=False)
    tombstones = batch.column("value").is_null().to_numpy(zero_copy_only=False)
    if horizon != NO_HORIZON and now_ms >= horizon:
        keep &= ~tombstones
    kept = batch if keep.all() else batch.filter(pa.array(keep))
    waits = bool((keep & tombstones).any())
    after = (now_ms + delete_retention_ms if horizon == NO_HORIZON else horizon) if waits else NO_HORIZON
    return kept, after, kept is not batch or after != horizon
