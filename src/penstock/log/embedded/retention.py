"""Retention: the oldest batches go by time and by size, as Kafka drops segments.

By time: a batch whose latest record is older than `retention_ms`. By size: as long as what remains is at least `retention_bytes`.
"""

from __future__ import annotations

from penstock.log.embedded.batches import header_of
from penstock.log.embedded.environment import Environment
from penstock.log.embedded.partitions import replace_batches, stored
from penstock.log.embedded.topics import Topic, find, head, put_head

BATCHES_PER_TRANSACTION = 1000


def expire(environment: Environment, topic: Topic, partition: int, now_ms: int) -> None:
    """Drop what the topic's settings no longer keep; the start offset moves on."""
    config = topic.info.config
    if "delete" not in config.cleanup or (config.retention_ms is None and config.retention_bytes is None):
        return
    doomed, start = _doomed(environment, topic, partition, now_ms)
    for begin in range(0, len(doomed), BATCHES_PER_TRANSACTION):
        chunk = doomed[begin : begin + BATCHES_PER_TRANSACTION]
        rest = doomed[begin + BATCHES_PER_TRANSACTION :]
        with environment.writing() as view:
            if find(view, topic.info.name) != topic:
                return  # deleted or altered meanwhile: the next pass sees it as it is
            place = replace_batches(view, topic, partition, chunk, [])
            put_head(view, topic, partition, place._replace(start=rest[0][0] if rest else start))


def _doomed(environment: Environment, topic: Topic, partition: int, now_ms: int) -> tuple[list[tuple[int, int]], int]:
    """The batches to drop as (first offset, bytes), and the start offset then."""
    config = topic.info.config
    doomed: list[tuple[int, int]] = []
    with environment.reading(buffers=True) as view:
        place = head(view, topic, partition)
        left = place.bytes
        for base, value in stored(view, topic, partition):
            old = config.retention_ms is not None and header_of(value).timestamp_max < now_ms - config.retention_ms
            too_much = config.retention_bytes is not None and left - len(value) >= config.retention_bytes
            if not (old or too_much):
                return doomed, base if doomed else place.start
            doomed.append((base, len(value)))
            left -= len(value)
        return doomed, place.end
