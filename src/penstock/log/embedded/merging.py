"""Merging: many small batches become few large ones, so that what was written record by record is read in bulk.

Batches are merged in runs: up to a size, and until the run is exhausted in tiers (a batch is only written again with others that together
hold as many records), so that each record is rewritten a few times at most. The offset `merged` of a partition's head stands before the first batch
that may still grow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from penstock.log.embedded.batches import NO_HORIZON, Header, decode_all, encode_read, header_of
from penstock.log.embedded.environment import Environment, View
from penstock.log.embedded.partitions import replace_batches, stored
from penstock.log.embedded.topics import Topic, find, head, put_head

RUN_BYTES = 1 << 20
RUN_BATCHES = 2000
RETENTION_PARTS = 10  # a merged batch holds back at most this part of what retention keeps


@dataclass(slots=True)
class _Run:
    """Neighbouring batches that can become one: (first offset, bytes) of each, the records of each, and the offset of the batch after them."""

    batches: list[tuple[int, int]]
    records: list[int]
    full: bool
    following: int | None


def merge(environment: Environment, topic: Topic, partition: int, stopped: Callable[[], bool] = lambda: False) -> None:
    """Merge the small batches of a partition, pass by pass until nothing more is gained."""
    while _pass(environment, topic, partition, stopped):
        pass


def _pass(environment: Environment, topic: Topic, partition: int, stopped: Callable[[], bool]) -> bool:
    """Walk the batches once; whether any were merged."""
    merged = False
    settling = True  # no run so far may still grow
    settled: int | None = None
    at: int | None = None
    while not stopped():
        with environment.reading(buffers=True) as view:
            run = _next_run(view, topic, partition, head(view, topic, partition).merged if at is None else at)
        if run is None:
            break
        run = _worth_writing(run)
        if len(run.batches) > 1 and _is_balanced(run):
            with environment.writing() as view:
                if find(view, topic.info.name) != topic:
                    return False
                _merge_run(view, topic, partition, run)
            merged, settling = True, False
        elif settling and len(run.batches) == 1 and run.full:
            settled = run.following
        else:
            settling = False
        if run.following is None:
            break
        at = run.following
    if settled is not None:
        with environment.writing() as view:
            if find(view, topic.info.name) == topic:
                put_head(view, topic, partition, head(view, topic, partition)._replace(merged=settled))
    return merged


def _is_balanced(run: _Run) -> bool:
    return 2 * max(run.records) <= sum(run.records)


def _worth_writing(run: _Run) -> _Run:
    """Cut a full run before its dominating batch, or after it where that is the first: the tail of a partition may yet grow, others may not."""
    while run.full and len(run.batches) > 1 and not _is_balanced(run):
        cut = max(run.records.index(max(run.records)), 1)
        run = _Run(run.batches[:cut], run.records[:cut], True, run.batches[cut][0])
    return run


def _next_run(view: View, topic: Topic, partition: int, offset: int) -> _Run | None:
    config = topic.info.config
    bytes_max = RUN_BYTES
    if "delete" in config.cleanup and config.retention_bytes is not None:
        bytes_max = min(bytes_max, config.retention_bytes // RETENTION_PARTS)
    span_max = config.retention_ms // RETENTION_PARTS if "delete" in config.cleanup and config.retention_ms is not None else None
    batches: list[tuple[int, int]] = []
    records: list[int] = []
    size = 0
    earliest = latest = 0
    first: Header | None = None
    for base, value in stored(view, topic, partition, offset):
        if base < offset:
            continue
        header = header_of(value)
        if first is None:
            first, earliest, latest = header, header.timestamp_min, header.timestamp_max
        else:
            earliest, latest = min(earliest, header.timestamp_min), max(latest, header.timestamp_max)
            apart = (header.horizon == NO_HORIZON) != (first.horizon == NO_HORIZON) or (span_max is not None and latest - earliest > span_max)
            if apart or size + len(value) > bytes_max or len(batches) == RUN_BATCHES:
                return _Run(batches, records, True, base)
        batches.append((base, len(value)))
        records.append(header.count)
        size += len(value)
    return _Run(batches, records, False, None) if batches else None


def _merge_run(view: View, topic: Topic, partition: int, run: _Run) -> None:
    values: list[tuple[int, bytes]] = []
    for base, value in stored(view, topic, partition, run.batches[0][0]):
        if len(values) == len(run.batches):
            break
        values.append((base, value))
    horizon = max(header_of(value).horizon for _, value in values)
    together = encode_read(decode_all(values), horizon=horizon)
    put_head(view, topic, partition, replace_batches(view, topic, partition, run.batches, [(run.batches[0][0], together)]))
