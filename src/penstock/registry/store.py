"""Where an embedded registry keeps its records: a compacted topic of keys and values."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from penstock.log.names import SCHEMAS_TOPIC

if TYPE_CHECKING:
    from penstock.log.protocol import Log


class Store(Protocol):
    """Ordered records by key, a later one replacing an earlier; a value of None removes its key."""

    def load(self) -> Iterable[tuple[bytes, bytes | None]]:
        """All records, in the order in which they were appended."""
        ...

    def append(self, key: bytes, value: bytes | None) -> None:
        """Add a record; it is durable when this returns."""
        ...

    def version(self) -> int:
        """A number that grows when records have been added, by whomever."""
        ...


class MemoryStore(Store):
    """Records that end with the process."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes, bytes | None]] = []

    def load(self) -> Iterable[tuple[bytes, bytes | None]]:
        return list(self.records)

    def append(self, key: bytes, value: bytes | None) -> None:
        self.records.append((key, value))

    def version(self) -> int:
        return len(self.records)


class TopicStore(Store):
    """Records in the compacted topic `_schemas` of a log; the topic is made with the first record."""

    def __init__(self, log: Log) -> None:
        self.log = log

    def load(self) -> Iterable[tuple[bytes, bytes | None]]:
        if self.log.topic(SCHEMAS_TOPIC) is None:
            return
        offset = self.log.start_offset(SCHEMAS_TOPIC, 0)
        while True:
            batch = self.log.read(SCHEMAS_TOPIC, 0, offset)
            if not batch.num_rows:
                return
            yield from zip(batch.column("key").to_pylist(), batch.column("value").to_pylist(), strict=True)
            offset = batch.column("offset")[-1].as_py() + 1

    def append(self, key: bytes, value: bytes | None) -> None:
        from penstock.log.protocol import Append, TopicConfig
        from penstock.log.records import records

        if self.log.topic(SCHEMAS_TOPIC) is None:
            self.log.create_topic(SCHEMAS_TOPIC, 1, TopicConfig(cleanup=frozenset({"compact"}), retention_ms=None))
        self.log.append(Append(SCHEMAS_TOPIC, 0, records([(time.time_ns() // 1_000_000, key, value)])))

    def version(self) -> int:
        return 0 if self.log.topic(SCHEMAS_TOPIC) is None else self.log.end_offset(SCHEMAS_TOPIC, 0)
