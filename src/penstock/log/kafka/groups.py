"""What consumer groups have committed in a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

from penstock.errors import Error, TopicError
from penstock.log.kafka.connection import REQUEST_S, Connection
from penstock.log.kafka.topics import Topics


class Groups:
    """The groups of a cluster."""

    def __init__(self, connection: Connection, topics: Topics) -> None:
        self._connection = connection
        self._admin: Any = connection.admin
        self._topics = topics

    def check(self, group: str, offsets: Mapping[tuple[str, int], int]) -> None:
        """Raise TopicError where these offsets cannot be committed."""
        if not group or "\0" in group:
            raise TopicError(f"{group[:50]!r} cannot be a consumer group's name.", mend="Use 1 to 480 bytes without NUL.")
        for (topic, partition), offset in offsets.items():
            self._topics.require(topic, partition)
            if offset < 0:
                raise TopicError(f"Group {group} cannot commit offset {offset} of topic {topic}.", mend="Commit the next offset to read, 0 or more.")

    def commit(self, group: str, offsets: Mapping[tuple[str, int], int]) -> None:
        """Set the next offsets to read; the group must have no members that consume just now."""
        self.check(group, offsets)
        if not offsets:
            return
        positions = [TopicPartition(topic, partition, offset) for (topic, partition), offset in offsets.items()]
        (answer,) = self._admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, positions)], request_timeout=REQUEST_S).values()
        busy = TopicError(f"Group {group} has members that consume just now.", mend="Stop them first, or use another group.")
        result = self._connection.wait(answer, UNKNOWN_MEMBER_ID=busy, NON_EMPTY_GROUP=busy)
        for position in result.topic_partitions:
            if position.error:
                raise self._connection.failure(position.error)

    def committed(self, group: str) -> dict[tuple[str, int], int]:
        """What the group has committed."""
        (answer,) = self._admin.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group)], require_stable=True, request_timeout=REQUEST_S
        ).values()
        unknown = Error("an unknown group")
        try:
            found = self._connection.wait(answer, GROUP_ID_NOT_FOUND=unknown)
        except Error as error:
            if error is unknown:
                return {}
            raise
        return {(p.topic, p.partition): p.offset for p in found.topic_partitions if p.offset >= 0 and self._topics.find(p.topic)}

    def every(self) -> list[str]:
        """The groups, sorted."""
        found = self._connection.wait(self._admin.list_consumer_groups(request_timeout=REQUEST_S))
        return sorted(group.group_id for group in found.valid)

    def delete(self, group: str) -> None:
        """Forget a group; nothing happens where it is unknown."""
        (answer,) = self._admin.delete_consumer_groups([group], request_timeout=REQUEST_S).values()
        unknown = Error("an unknown group")
        try:
            self._connection.wait(answer, GROUP_ID_NOT_FOUND=unknown)
        except Error as error:
            if error is not unknown:
                raise
