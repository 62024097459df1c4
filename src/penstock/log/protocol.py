"""The log: topics of records in partitions. One protocol, two homes (embedded in LMDB; Apache Kafka).

Records travel as Arrow record batches with the columns of `RECORD_FIELDS`; a batch read back has `offset` and `sequence` before them.

`sequence` (int64) orders records over all topics and partitions of a log by arrival: records that became durable together share one, and it is
smaller than that of any later write. Kafka has no such order: there it is the record's timestamp, which may fall within a partition.
A query over several topics or partitions merges them by sequence, then timestamp (`penstock.engine.arrival`).
Nothing above this package may know which home it talks to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from typing import TypeAlias

    import pyarrow as pa

    Buffer: TypeAlias = bytes | memoryview | pa.Buffer
    """What a value may be given as, and lent as."""

RECORD_FIELDS = ("timestamp", "key", "value", "headers")
"""timestamp: int64, ms since the epoch. key, value: binary, null allowed. headers: list<struct<key: string, value: binary>>, null where none."""


@dataclass(frozen=True, slots=True)
class TopicConfig:
    """A topic's settings, by Kafka's names and meanings. None is unlimited.

    `cleanup`: a set of "delete" (drop old segments by `retention_ms`, `retention_bytes`) and "compact" (keep the last record of a key; a
    tombstone stays `delete_retention_ms`).
    """

    cleanup: frozenset[str] = frozenset({"delete"})
    retention_ms: int | None = 7 * 24 * 3600 * 1000
    retention_bytes: int | None = None
    delete_retention_ms: int = 24 * 3600 * 1000
    max_message_bytes: int = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class TopicInfo:
    """A topic as it is. `internal`: its name begins with an underscore (changelogs, the command topic), so lists for people leave it out."""

    name: str
    partitions: int
    config: TopicConfig = field(default_factory=TopicConfig)
    internal: bool = False


@dataclass(frozen=True, slots=True)
class Append:
    """Records for one partition: a batch with the columns of RECORD_FIELDS."""

    topic: str
    partition: int
    records: pa.RecordBatch


class StateStore(Protocol):
    """Ordered bytes -> bytes, of one query and operator, inside one transaction. Keys are at most 500 bytes
    (a longer one is the caller's to hash). Reads see the transaction's own writes."""

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values in the order of `keys`; quickest where the keys are sorted."""
        ...

    def borrow(self, key: bytes) -> Buffer | None:
        """The value as memory of the store where that spares a copy: for large values that are written once, since one that this transaction
        has itself replaced or deleted may still show. Good until the next write, or the end of the transaction or snapshot."""
        ...

    def put_many(self, items: Iterable[tuple[bytes, Buffer]]) -> None:
        """Put items, quickest where their keys are sorted. An iterator costs less than a list: Python then keeps no million tuples."""
        ...

    def delete_many(self, keys: Sequence[bytes]) -> None: ...

    def delete_range(self, start: bytes, end: bytes) -> None:
        """Remove the items with start <= key < end."""
        ...

    def scan(self, start: bytes = b"", end: bytes | None = None, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """The items with start <= key < end, in key order."""
        ...

    def scan_many(self, ranges: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """The items of many ranges (start <= key < end), one range after the other; quickest where the ranges are sorted."""
        ...

    def count(self) -> int:
        """How many items there are; counted by a scan."""
        ...

    def clear(self) -> None:
        """Remove every item, and what the store itself takes up."""
        ...


class Transaction(Protocol):
    """One atomic step: appends, committed offsets and state become durable together, or not at all."""

    def append(self, append: Append) -> int:
        """Append records; return the offset of the first. Stored timestamps are the given ones."""
        ...

    def commit_offsets(self, group: str, offsets: Mapping[tuple[str, int], int]) -> None:
        """`offsets`: (topic, partition) -> the next offset to read."""
        ...

    def state(self, name: str) -> StateStore: ...


class Snapshot(Protocol):
    """A consistent view of all state and topics, read only. Close it soon: an open one keeps old pages alive."""

    def state(self, name: str) -> StateStore: ...

    def read(self, topic: str, partition: int, offset: int, *, max_records: int = 100_000, max_bytes: int = 64 << 20) -> pa.RecordBatch: ...

    def read_parts(self, topic: str, partition: int, offset: int, *, max_records: int, max_bytes: int) -> Iterator[pa.RecordBatch]:
        """What `read` would give, in parts of some ten thousand records, so that whoever keeps none of them needs the memory of one. None is
        empty."""
        ...

    def end_offset(self, topic: str, partition: int) -> int: ...

    def committed(self, group: str) -> dict[tuple[str, int], int]: ...


class Log(Protocol):
    """Topics, offsets and state. Thread-safe. Writes of one thread inside its own `begin()` block go through the transaction: the log's own
    writing methods raise StorageError there."""

    def create_topic(self, name: str, partitions: int = 1, config: TopicConfig = TopicConfig()) -> None:
        """TopicError where the topic exists, or the name is not one that Kafka allows (1-249 of a-z A-Z 0-9 . _ -)."""
        ...

    def alter_topic(self, name: str, *, partitions: int | None = None, config: TopicConfig | None = None) -> None:
        """Add partitions (never fewer) and replace the settings."""
        ...

    def delete_topic(self, name: str) -> None:
        """Remove the topic, its records and what groups committed on it."""
        ...

    def topic(self, name: str) -> TopicInfo | None: ...

    def topics(self) -> list[TopicInfo]: ...

    def append(self, *appends: Append) -> list[int]:
        """Append in a transaction of its own; durable when it returns. The base offsets. Concurrent calls share one durable write.

        TopicError: an unknown topic or partition, a record above `max_message_bytes`. A compacted topic of Kafka's refuses null
        keys, too; here such a record is taken, whoever reads it reports it, and compaction drops it."""
        ...

    def read(self, topic: str, partition: int, offset: int, *, max_records: int = 100_000, max_bytes: int = 64 << 20) -> pa.RecordBatch:
        """Records from `offset` on, in order, with the columns `offset`, `sequence` and RECORD_FIELDS; an empty batch at the end of the log. An
        offset below the start reads from the start; one above the end is a TopicError. The batch is the caller's: it outlives any transaction."""
        ...

    def start_offset(self, topic: str, partition: int) -> int: ...

    def end_offset(self, topic: str, partition: int) -> int:
        """The offset that the next record will have."""
        ...

    def offset_at(self, topic: str, partition: int, timestamp: int) -> int:
        """The first offset whose record's timestamp is at or after `timestamp` (ms), or the end offset."""
        ...

    def commit_offsets(self, group: str, offsets: Mapping[tuple[str, int], int]) -> None: ...

    def committed(self, group: str) -> dict[tuple[str, int], int]: ...

    def groups(self) -> list[str]:
        """The consumer groups that have committed offsets, sorted."""
        ...

    def delete_group(self, group: str) -> None:
        """Forget what the group committed; nothing happens where it is unknown."""
        ...

    def delete_states(self, prefix: str) -> None:
        """Remove the state stores whose names begin with `prefix`."""
        ...

    def begin(self) -> AbstractContextManager[Transaction]:
        """A write transaction: committed durably when the block ends, undone where it raises."""
        ...

    def snapshot(self) -> AbstractContextManager[Snapshot]: ...

    def version(self) -> int:
        """A number that grows with each change of any topic."""
        ...

    def watch(self, version: int, timeout: float | None = None) -> int:
        """Wait until `version()` exceeds `version` or `timeout` (s) has passed; return the version now. Costs nothing while it waits,
        and wakes for appends of this process at once (of another process within 50 ms)."""
        ...

    def wake(self) -> None:
        """Let everyone in this process who watches look around now: `version()` grows as if a topic had changed."""
        ...

    def clean(self, now_ms: int | None = None) -> None:
        """Apply retention and compaction now (the home also does so by itself from time to time)."""
        ...

    def close(self) -> None: ...
