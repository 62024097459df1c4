"""Which topics there are, and where each partition begins and ends."""

from __future__ import annotations

import functools
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from penstock.errors import TopicError
from penstock.log.embedded.batches import KEY, NO_HORIZON
from penstock.log.embedded.environment import CLOCK, View
from penstock.log.names import check_config, check_name, check_partitions
from penstock.log.protocol import TopicConfig, TopicInfo

TOPIC = b"topic/"
HEAD = b"head/"
GROUP = b"group/"
NEXT_TOPIC = b"next topic"
PARTITION = struct.Struct(">II")
POSITIONS = struct.Struct("<8q")


@dataclass(frozen=True, slots=True)
class Topic:
    """`id` is never used again, so that nothing of a deleted topic can come back."""

    id: int
    info: TopicInfo


class Head(NamedTuple):
    """Where a partition stands. `start`, `end`: its first and its next offset. `bytes`, `batches`: stored. `merged`, `compacted`: the offsets
    up to which merging and compaction have been; `compacted_bytes`: what was stored then; `horizon`: the first time (ms) at which
    tombstones can go, NO_HORIZON where none wait."""

    start: int = 0
    end: int = 0
    bytes: int = 0
    batches: int = 0
    merged: int = 0
    compacted: int = 0
    compacted_bytes: int = 0
    horizon: int = NO_HORIZON


@functools.lru_cache(maxsize=4096)
def _decode(name: str, value: bytes) -> Topic:
    stored = json.loads(value)
    config = stored["config"]
    config["cleanup"] = frozenset(config["cleanup"])
    return Topic(stored["id"], TopicInfo(name, stored["partitions"], TopicConfig(**config), internal=name.startswith("_")))


def _store(view: View, topic: Topic) -> None:
    config = topic.info.config
    settings = {
        "cleanup": sorted(config.cleanup),
        "retention_ms": config.retention_ms,
        "retention_bytes": config.retention_bytes,
        "delete_retention_ms": config.delete_retention_ms,
        "max_message_bytes": config.max_message_bytes,
    }
    value = json.dumps({"id": topic.id, "partitions": topic.info.partitions, "config": settings})
    view.put(TOPIC + topic.info.name.encode(), value.encode())
    view.advance(CLOCK, 1)


def find(view: View, name: str) -> Topic | None:
    """The topic, or None."""
    value = view.get(TOPIC + name.encode())
    return _decode(name, value) if value else None


def require(view: View, name: str, partition: int | None = None) -> Topic:
    """The topic; TopicError where it, or its partition, does not exist."""
    topic = find(view, name)
    if topic is None:
        raise TopicError(f"Topic {name} does not exist.", mend="Create it first, or check its name.")
    if partition is not None and not 0 <= partition < topic.info.partitions:
        raise TopicError(f"Topic {name} has no partition {partition}.", mend=f"It has the partitions 0 to {topic.info.partitions - 1}.")
    return topic


def every(view: View) -> Iterator[Topic]:
    """All topics, by name."""
    for key, value in view.items(TOPIC):
        yield _decode(key.removeprefix(TOPIC).decode(), value)


def create(view: View, name: str, partitions: int, config: TopicConfig) -> None:
    """Add a topic."""
    check_name(name)
    check_partitions(name, partitions)
    check_config(name, config)
    if find(view, name):
        raise TopicError(f"Topic {name} exists already.", mend="Use it, or choose another name.")
    _store(view, Topic(view.advance(NEXT_TOPIC, 1), TopicInfo(name, partitions, config)))


def alter(view: View, name: str, partitions: int | None, config: TopicConfig | None) -> None:
    """Add partitions, replace the settings."""
    topic = require(view, name)
    info = topic.info
    if partitions is not None:
        check_partitions(name, partitions)
        if partitions < info.partitions:
            raise TopicError(f"Topic {name} has {info.partitions} partitions and cannot have fewer.", mend="Make a new topic with fewer, and copy.")
        info = replace(info, partitions=partitions)
    if config is not None:
        check_config(name, config)
        info = replace(info, config=config)
    if info != topic.info:
        _store(view, Topic(topic.id, info))


def remove(view: View, name: str) -> None:
    """Remove a topic, what groups committed on it, and its records."""
    topic = require(view, name)
    view.txn.delete(TOPIC + name.encode(), db=view.meta)
    view.advance(CLOCK, 1)
    for partition in range(topic.info.partitions):
        view.txn.delete(HEAD + PARTITION.pack(topic.id, partition), db=view.meta)
    suffixes = {PARTITION.pack(topic.id, p) for p in range(topic.info.partitions)}
    for key in [k for k, _ in view.items(GROUP) if k[-PARTITION.size :] in suffixes]:
        view.txn.delete(key, db=view.meta)
    with view.txn.cursor(view.batches) as cursor:
        end = KEY.pack(topic.id + 1, 0, 0)
        more = cursor.set_range(KEY.pack(topic.id, 0, 0))
        while more and cursor.key() < end:
            more = cursor.delete()


def head(view: View, topic: Topic, partition: int) -> Head:
    """Where the partition stands."""
    value = view.get(HEAD + PARTITION.pack(topic.id, partition))
    return Head(*POSITIONS.unpack(value)) if value else Head()


def put_head(view: View, topic: Topic, partition: int, head: Head) -> None:
    """Store where the partition stands."""
    view.put(HEAD + PARTITION.pack(topic.id, partition), POSITIONS.pack(*head))
