"""Topics of a cluster, and their settings in Kafka's words."""

from __future__ import annotations

import threading
import time
from typing import Any

from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import (
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from penstock.errors import StorageError, TopicError
from penstock.log.kafka.connection import REQUEST_S, Connection
from penstock.log.names import check_config, check_name, check_partitions
from penstock.log.protocol import TopicConfig, TopicInfo

KNOWN_S = 10.0  # how long what is known of a topic is believed: another client may alter it
SETTLE_S = 30.0
LEADER_MOVES = ("NOT_LEADER_FOR_PARTITION", "LEADER_NOT_AVAILABLE", "FENCED_LEADER_EPOCH", "UNKNOWN_LEADER_EPOCH")
"""What a broker says while it or the client has not yet heard who leads a partition."""
SHOW_S = 2.0
UNLIMITED = "-1"
ANY_TIME = str(2**63 - 1)  # timestamps may lie anywhere: histories are replayed, and simulators run ahead


def to_kafka(config: TopicConfig) -> dict[str, str]:
    """The settings by Kafka's names. Without cleanup a topic keeps all."""
    keeps_all = not config.cleanup
    return {
        "cleanup.policy": ",".join(sorted(config.cleanup)) or "delete",
        "retention.ms": UNLIMITED if config.retention_ms is None or keeps_all else str(config.retention_ms),
        "retention.bytes": UNLIMITED if config.retention_bytes is None or keeps_all else str(config.retention_bytes),
        "delete.retention.ms": str(config.delete_retention_ms),
        "max.message.bytes": str(config.max_message_bytes),
        "message.timestamp.before.max.ms": ANY_TIME,
        "message.timestamp.after.max.ms": ANY_TIME,
    }


def from_kafka(settings: dict[str, str]) -> TopicConfig:
    """The settings in our words."""

    def limit(name: str) -> int | None:
        return None if settings[name] == UNLIMITED else int(settings[name])

    return TopicConfig(
        cleanup=frozenset(policy.strip() for policy in settings["cleanup.policy"].split(",") if policy.strip()),
        retention_ms=limit("retention.ms"),
        retention_bytes=limit("retention.bytes"),
        delete_retention_ms=int(settings["delete.retention.ms"]),
        max_message_bytes=int(settings["max.message.bytes"]),
    )


class Topics:
    """The topics of a cluster, remembered for a while."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._admin: Any = connection.admin
        self._known: dict[str, tuple[TopicInfo, float]] = {}
        self._lock = threading.Lock()

    def find(self, name: str) -> TopicInfo | None:
        """The topic, as it was some seconds ago at most; None is always fresh."""
        with self._lock:
            info, until = self._known.get(name, (None, 0.0))
        if info is not None and time.monotonic() < until:
            return info
        return next(iter(self._ask(name)), None)

    def require(self, name: str, partition: int | None = None) -> TopicInfo:
        """The topic; TopicError where it, or its partition, does not exist."""
        info = self.find(name)
        if info is None:
            raise TopicError(f"Topic {name} does not exist.", mend="Create it first, or check its name.")
        if partition is not None and not 0 <= partition < info.partitions:
            self.forget(name)
            info = self.find(name) or info
            if not 0 <= partition < info.partitions:
                raise TopicError(f"Topic {name} has no partition {partition}.", mend=f"It has the partitions 0 to {info.partitions - 1}.")
        return info

    def every(self) -> list[TopicInfo]:
        """All topics, by name."""
        return self._ask(None)

    def partitions(self, name: str | None = None) -> dict[str, int]:
        """How many partitions each topic has, or the one `name`; asked of the cluster now."""
        with self._connection.speaking():
            found = self._admin.list_topics(name, timeout=REQUEST_S) if name else self._admin.list_topics(timeout=REQUEST_S)
        return {topic.topic: len(topic.partitions) for topic in found.topics.values() if topic.error is None and topic.partitions}

    def _ask(self, name: str | None) -> list[TopicInfo]:
        partitions = self.partitions(name)
        with self._connection.speaking():
            resources = [ConfigResource(ResourceType.TOPIC, each) for each in partitions]
            answers = self._admin.describe_configs(resources) if resources else {}
        topics = []
        missing = TopicError("deleted meanwhile")
        for resource, answer in answers.items():
            try:
                entries = self._connection.wait(answer, UNKNOWN_TOPIC_OR_PART=missing)
            except TopicError:
                continue
            settings = {entry.name: entry.value for entry in entries.values()}
            topics.append(TopicInfo(resource.name, partitions[resource.name], from_kafka(settings), internal=resource.name.startswith("_")))
        with self._lock:
            for info in topics:
                self._known[info.name] = info, time.monotonic() + KNOWN_S
        return sorted(topics, key=lambda info: info.name)

    def forget(self, name: str) -> None:
        """Ask anew the next time."""
        with self._lock:
            self._known.pop(name, None)

    def create(self, name: str, partitions: int, config: TopicConfig) -> None:
        """Add a topic with the cluster's default replication; wait until it can be used."""
        check_name(name)
        check_partitions(name, partitions)
        check_config(name, config)
        (answer,) = self._admin.create_topics([NewTopic(name, partitions, -1, config=to_kafka(config))], request_timeout=REQUEST_S).values()
        exists = TopicError(f"Topic {name} exists already.", mend="Use it, or choose another name.")
        self._connection.wait(answer, TOPIC_ALREADY_EXISTS=exists)
        self._settle(name, partitions)

    def alter(self, name: str, partitions: int | None, config: TopicConfig | None) -> None:
        """Add partitions, replace the settings."""
        self.forget(name)
        info = self.require(name)
        try:
            if partitions is not None:
                check_partitions(name, partitions)
                if partitions < info.partitions:
                    mend = "Make a new topic with fewer, and copy."
                    raise TopicError(f"Topic {name} has {info.partitions} partitions and cannot have fewer.", mend=mend)
                if partitions > info.partitions:
                    (answer,) = self._admin.create_partitions([NewPartitions(name, partitions)], request_timeout=REQUEST_S).values()
                    self._connection.wait(answer)
                    self._settle(name, partitions)
            if config is not None:
                check_config(name, config)
                entries = [ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in to_kafka(config).items()]
                resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
                (answer,) = self._admin.incremental_alter_configs([resource]).values()
                self._connection.wait(answer)
                self._settle_config(name, to_kafka(config))
        finally:
            self.forget(name)

    def delete(self, name: str) -> None:
        """Remove a topic; wait until it is gone."""
        (answer,) = self._admin.delete_topics([name], operation_timeout=REQUEST_S).values()
        missing = TopicError(f"Topic {name} does not exist.", mend="Check its name.")
        self._connection.wait(answer, UNKNOWN_TOPIC_OR_PART=missing)
        self.forget(name)
        self._settle(name, 0)

    def _settle(self, name: str, partitions: int) -> None:
        """Wait until the cluster answers for the topic as it is to be: its metadata spreads after the request is done."""
        deadline = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline:
            with self._connection.speaking():
                found = self._admin.list_topics(name, timeout=REQUEST_S).topics.get(name)
            ready = [] if found is None or found.error else [p for p in found.partitions.values() if p.leader >= 0]
            if len(ready) == partitions and (partitions or found is None or found.error):
                return
            time.sleep(0.02)  # the cluster has no event for this
        raise StorageError(f"Topic {name} did not settle within {SETTLE_S:.0f} s.", mend="Check the cluster's health.")

    def _settle_config(self, name: str, wanted: dict[str, str]) -> None:
        """Wait until the cluster shows these settings: a broker may answer from before the change for a moment."""
        deadline = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline:
            shown = next((info for info in self._ask(name)), None)
            if shown is None or to_kafka(shown.config) == wanted:
                return
            time.sleep(0.02)  # the cluster has no event for this
        raise StorageError(f"The settings of topic {name} did not settle within {SETTLE_S:.0f} s.", mend="Check the cluster's health.")

    def ends(self, partitions: dict[str, int]) -> dict[tuple[str, int], int]:
        """The end of each partition of topics, in one request: the offset after the last that a reader may see."""
        wanted = {TopicPartition(name, p): OffsetSpec.latest() for name, count in partitions.items() for p in range(count)}
        return self._offsets(wanted)

    def offset(self, name: str, partition: int, spec: Any) -> int:
        """One offset of a partition: OffsetSpec.earliest(), latest() or for_timestamp(ms); -1 where there is none."""
        self.require(name, partition)
        found = self._offsets({TopicPartition(name, partition): spec})
        if not found:
            raise TopicError(f"Topic {name} does not exist.", mend="Create it first, or check its name.")
        return found[name, partition]

    def _offsets(self, wanted: dict[TopicPartition, Any]) -> dict[tuple[str, int], int]:
        """The offsets of those partitions that exist. Asked again while a partition has no leader that the client knows of."""
        found: dict[tuple[str, int], int] = {}
        deadline = time.monotonic() + SETTLE_S
        gone, moving = TopicError("deleted meanwhile"), StorageError("without a leader")
        while wanted:
            answers = self._admin.list_offsets(wanted, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=REQUEST_S)
            left = {}
            for partition, answer in answers.items():
                try:
                    result = self._connection.wait(answer, UNKNOWN_TOPIC_OR_PART=gone, **dict.fromkeys(LEADER_MOVES, moving))
                    found[partition.topic, partition.partition] = result.offset
                except TopicError:
                    self.forget(partition.topic)
                except StorageError as error:
                    if error is not moving or time.monotonic() > deadline:
                        raise
                    left[partition] = wanted[partition]
            if left:
                time.sleep(0.02)  # the cluster has no event for this
                known = self.partitions()
                left = {partition: spec for partition, spec in left.items() if partition.partition < known.get(partition.topic, 0)}
            wanted = left
        return found

    def wait_for(self, written: dict[tuple[str, int], int]) -> None:
        """Wait until readers see what a transaction has written, `written` being the last offsets: a commit is final before its markers stand
        in the partitions. Not for long: another producer's transaction that is open in the same partition hides it as well."""
        deadline = time.monotonic() + SHOW_S
        while time.monotonic() < deadline:
            found = self._offsets({TopicPartition(name, partition): OffsetSpec.latest() for name, partition in written})
            written = {place: offset for place, offset in written.items() if found.get(place, offset + 1) <= offset}
            if not written:
                return
            time.sleep(0.002)  # the cluster has no event for this
