"""The embedded home of the protocol: a log, its transactions and its snapshots over one environment."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping

import pyarrow as pa

from penstock.errors import StorageError, StorageLostError
from penstock.log.embedded import groups, partitions, topics
from penstock.log.embedded.appending import Appender
from penstock.log.embedded.cleaning import Cleaner
from penstock.log.embedded.environment import CLOCK, Environment, View
from penstock.log.embedded.state import delete_stores, open_store
from penstock.log.protocol import Append, Log, Snapshot, StateStore, TopicConfig, TopicInfo, Transaction
from penstock.log.records import check_records, conform


class EmbeddedTransaction(Transaction):
    """A write transaction of LMDB."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._stores: dict[str, StateStore] = {}
        self._sequence: int | None = None

    def append(self, append: Append) -> int:
        records = conform(append.records)
        topic = topics.require(self._view, append.topic, append.partition)
        check_records(topic.info, records)
        before = self._view.advance(CLOCK, records.num_rows)
        self._sequence = before if self._sequence is None else self._sequence
        return partitions.append(self._view, topic, append.partition, records, self._sequence)

    def commit_offsets(self, group: str, offsets: Mapping[tuple[str, int], int]) -> None:
        groups.commit(self._view, group, offsets)

    def state(self, name: str) -> StateStore:
        if name not in self._stores:  # one handle a name, so that all agree on what a clear() has removed
            self._stores[name] = open_store(self._view, name, writable=True)
        return self._stores[name]


class EmbeddedSnapshot(Snapshot):
    """A read transaction of LMDB."""

    def __init__(self, view: View) -> None:
        self._view = view

    def state(self, name: str) -> StateStore:
        return open_store(self._view, name, writable=False)

    def read(self, topic: str, partition: int, offset: int, *, max_records: int = 100_000, max_bytes: int = 64 << 20) -> pa.RecordBatch:
        return partitions.read(self._view, topic, partition, offset, max_records, max_bytes)

    def read_parts(self, topic: str, partition: int, offset: int, *, max_records: int, max_bytes: int) -> Iterator[pa.RecordBatch]:
        return partitions.parts(self._view, topic, partition, offset, max_records, max_bytes, part_records=partitions.PART_RECORDS)

    def end_offset(self, topic: str, partition: int) -> int:
        return topics.head(self._view, topics.require(self._view, topic, partition), partition).end

    def committed(self, group: str) -> dict[tuple[str, int], int]:
        return groups.committed(self._view, group)


class EmbeddedLog(Log):
    """The log in a folder, or in memory. `on_close` is called once, when it has closed."""

    def __init__(self, environment: Environment, *, read_only: bool, on_close: Callable[[], None]) -> None:
        self._environment = environment
        self._read_only = read_only
        self._on_close = on_close
        self._closed = False
        self._appender = Appender(environment)
        self._cleaner = Cleaner(environment)

    def create_topic(self, name: str, partitions: int = 1, config: TopicConfig = TopicConfig()) -> None:
        with self._writing() as view:
            topics.create(view, name, partitions, config)

    def alter_topic(self, name: str, *, partitions: int | None = None, config: TopicConfig | None = None) -> None:
        with self._writing() as view:
            topics.alter(view, name, partitions, config)

    def delete_topic(self, name: str) -> None:
        with self._writing() as view:
            topics.remove(view, name)

    def topic(self, name: str) -> TopicInfo | None:
        with self._reading() as view:
            topic = topics.find(view, name)
        return topic.info if topic else None

    def topics(self) -> list[TopicInfo]:
        with self._reading() as view:
            return [topic.info for topic in topics.every(view)]

    def append(self, *appends: Append) -> list[int]:
        self._check()
        self._cleaner.wake()
        return self._appender.append(appends)

    def read(self, topic: str, partition: int, offset: int, *, max_records: int = 100_000, max_bytes: int = 64 << 20) -> pa.RecordBatch:
        with self._reading() as view:
            return partitions.read(view, topic, partition, offset, max_records, max_bytes)

    def start_offset(self, topic: str, partition: int) -> int:
        with self._reading() as view:
            return topics.head(view, topics.require(view, topic, partition), partition).start

    def end_offset(self, topic: str, partition: int) -> int:
        with self._reading() as view:
            return topics.head(view, topics.require(view, topic, partition), partition).end

    def offset_at(self, topic: str, partition: int, timestamp: int) -> int:
        with self._reading(buffers=True) as view:
            return partitions.offset_at(view, topic, partition, timestamp)

    def commit_offsets(self, group: str, offsets: Mapping[tuple[str, int], int]) -> None:
        with self._writing() as view:
            groups.commit(view, group, offsets)

    def committed(self, group: str) -> dict[tuple[str, int], int]:
        with self._reading() as view:
            return groups.committed(view, group)

    def groups(self) -> list[str]:
        with self._reading() as view:
            return groups.every_group(view)

    def delete_states(self, prefix: str) -> None:
        with self._writing() as view:
            delete_stores(view, prefix)

    def delete_group(self, group: str) -> None:
        with self._writing() as view:
            groups.forget(view, group)

    @contextlib.contextmanager
    def begin(self) -> Iterator[Transaction]:
        with self._writing() as view:
            self._cleaner.wake()
            yield EmbeddedTransaction(view)

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        with self._reading() as view:
            yield EmbeddedSnapshot(view)

    def version(self) -> int:
        self._check(writing=False)
        return self._environment.version()

    def watch(self, version: int, timeout: float | None = None) -> int:
        self._check(writing=False)
        return self._environment.watch(version, timeout)

    def wake(self) -> None:
        self._environment.wake()

    def clean(self, now_ms: int | None = None) -> None:
        self._check()
        self._environment.check_writable()
        self._cleaner.clean(now_ms)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._cleaner.stop()
            self._on_close()

    def _reading(self, *, buffers: bool = False) -> contextlib.AbstractContextManager[View]:
        self._check(writing=False)
        return self._environment.reading(buffers=buffers)

    def _writing(self) -> contextlib.AbstractContextManager[View]:
        self._check()
        return self._environment.writing()

    def _check(self, *, writing: bool = True) -> None:
        if self._closed:
            raise StorageLostError(f"The log {self._environment.name} is closed.", mend="Open it again.")
        if writing and self._read_only:
            raise StorageError(f"The log {self._environment.name} is open read-only.", mend="Write through the handle that is open for writing.")
