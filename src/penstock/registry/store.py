"""Where an embedded registry keeps its records: a compacted topic of keys and values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from penstock.log.protocol import Log

TOPIC = "_schemas"


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
    """Records in the compacted topic `_schemas` of a log; the topic is made when there is none."""

    def __init__(self, log: Log) -> None:
        from penstock.log.protocol import TopicConfig

        self.log = log
        if log.topic(TOPIC) is None:
            log.create_topic(TOPIC, 1, TopicConfig(cleanup=frozenset({"compact"}), retention_ms=None))

    def load(self) -> Iterable[tuple[bytes, bytes | None]]:
        offset = self.log.start_offset(TOPIC, 0)
        while True:
            batch = self.log.read(TOPIC, 0, offset)
            if not batch.num_rows:
                return
            yield from zip(batch.column("key").to_pylist(), batch.column("value").to_pylist(), strict=True)
            offset = batch.column("offset")[-1].as_py() + 1

    def append(self, key: bytes, value: bytes | None) -> None:
        import time

        import pyarrow as pa

        from penstock.log.protocol import Append

        header_type = pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())]))
        records = pa.record_batch({
            "timestamp": pa.array([time.time_ns() // 1_000_000], pa.int64()), "key": pa.array([key], pa.binary()),
            "value": pa.array([value], pa.binary()), "headers": pa.nulls(1, header_type),
        })
        self.log.append(Append(TOPIC, 0, records))

    def version(self) -> int:
        return self.log.end_offset(TOPIC, 0)
