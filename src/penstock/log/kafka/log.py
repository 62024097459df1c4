"""The Kafka home of the protocol; what is particular to it stands in `penstock.log.kafka`."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

import pyarrow as pa
from confluent_kafka.admin import OffsetSpec

from penstock.errors import StorageError, StorageLostError, TopicError
from penstock.log.kafka.changes import Changes
from penstock.log.kafka.connection import Connection
from penstock.log.kafka.groups import Groups
from penstock.log.kafka.producing import Producing, check
from penstock.log.kafka.reading import Readers
from penstock.log.kafka.topics import Topics
from penstock.log.protocol import Append, Log, Snapshot, StateStore, TopicConfig, TopicInfo, Transaction
from penstock.log.records import conform


class KafkaLog(Log):
    """The log of a cluster, with its state in the local log `state`."""

    def __init__(self, connection: Connection, state: Log, transactional_id: str | None) -> None:
        self._name = f"Kafka at {connection.bootstrap}"
        self._topics = Topics(connection)
        self._groups = Groups(connection, self._topics)
        self._producing = Producing(connection, transactional_id)
        self._readers = Readers(connection)
        self._changes = Changes(self._topics)
        self._state = state
        self._writer = threading.Lock()
        self._writing_thread: int | None = None
        self._closed = False

    def create_topic(self, name: str, partitions: int = 1, config: TopicConfig = TopicConfig()) -> None:
        self._check()
        self._topics.create(name, partitions, config)
        self._changes.hint()

    def alter_topic(self, name: str, *, partitions: int | None = None, config: TopicConfig | None = None) -> None:
        self._check()
        self._topics.alter(name, partitions, config)
        self._changes.hint()

    def delete_topic(self, name: str) -> None:
        self._check()
        self._topics.delete(name)
        self._readers.forget(name)
        self._changes.hint()

    def topic(self, name: str) -> TopicInfo | None:
        self._check()
        return self._topics.find(name)

    def topics(self) -> list[TopicInfo]:
        self._check()
        return [info for info in self._topics.every() if not info.name.startswith("__")]  # the broker's own are not the log's

    def append(self, *appends: Append) -> list[int]:
        self._check()
        self._check_outside()
        if len(appends) > 1:
            with self.begin() as transaction:
                return [transaction.append(append) for append in appends]
        offsets = [self._append(self._producing.plain, append) for append in appends]
        self._changes.hint()
        return offsets

    def _append(self, producer: Any, append: Append) -> int:
        info = self._topics.require(append.topic, append.partition)
        records = conform(append.records)
        check(info, records)
        if not records.num_rows:
            return self.end_offset(append.topic, append.partition)
        return self._producing.append(producer(), info, Append(append.topic, append.partition, records))

    def read(self, topic: str, partition: int, offset: int, *, max_records: int = 100_000, max_bytes: int = 64 << 20) -> pa.RecordBatch:
        end = self.end_offset(topic, partition)
        return self._read_before(end, topic, partition, offset, max_records, max_bytes)

    def _read_before(self, end: int, topic: str, partition: int, offset: int, max_records: int, max_bytes: int) -> pa.RecordBatch:
        if offset > end:
            raise TopicError(
                f"Topic {topic}, partition {partition} ends at offset {end}; {offset} is beyond it.", mend="Read from an offset up to its end."
            )
        return self._readers.read(topic, partition, max(offset, 0), end, max_records, max_bytes)

    def start_offset(self, topic: str, partition: int) -> int:
        self._check()
        return self._topics.offset(topic, partition, OffsetSpec.earliest())

    def end_offset(self, topic: str, partition: int) -> int:
        self._check()
        return self._topics.offset(topic, partition, OffsetSpec.latest())

    def offset_at(self, topic: str, partition: int, timestamp: int) -> int:
        self._check()
        found = self._topics.offset(topic, partition, OffsetSpec.for_timestamp(max(timestamp, 0)))
        return found if found >= 0 else self.end_offset(topic, partition)

    def commit_offsets(self, group: str, offsets: Mapping[tuple[str, int], int]) -> None:
        self._check()
        self._check_outside()
        self._groups.commit(group, offsets)

    def committed(self, group: str) -> dict[tuple[str, int], int]:
        self._check()
        return self._groups.committed(group)

    def groups(self) -> list[str]:
        self._check()
        return self._groups.every()

    def delete_group(self, group: str) -> None:
        self._check()
        self._groups.delete(group)

    def delete_states(self, prefix: str) -> None:
        self._check()
        self._check_outside()
        self._state.delete_states(prefix)

    @contextlib.contextmanager
    def begin(self) -> Iterator[Transaction]:
        self._check()
        self._check_outside()
        with self._writer, contextlib.ExitStack() as stack:
            self._writing_thread = threading.get_ident()
            stack.callback(self._leave)
            transaction = KafkaTransaction(self, self._state)
            with transaction.local:
                try:
                    yield transaction
                except BaseException:
                    transaction.abort()
                    raise
                transaction.commit()
        self._changes.hint()

    def _leave(self) -> None:
        self._writing_thread = None

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        self._check()
        with self._state.snapshot() as state:
            yield KafkaSnapshot(self, state)

    def version(self) -> int:
        self._check()
        return self._changes.version()

    def watch(self, version: int, timeout: float | None = None) -> int:
        self._check()
        return self._changes.watch(version, timeout)

    def wake(self) -> None:
        self._changes.wake()

    def clean(self, now_ms: int | None = None) -> None:
        self._check()  # the broker cleans by itself

    def close(self) -> None:
        if self._closed:
            return
        self._check_outside()
        self._closed = True
        self._changes.close()
        with self._writer:
            self._producing.close()
            self._readers.close()
            self._state.close()

    def _check(self) -> None:
        if self._closed:
            raise StorageLostError(f"The log {self._name} is closed.", mend="Open it again.")

    def _check_outside(self) -> None:
        if self._writing_thread == threading.get_ident():
            raise StorageError("This thread is inside a transaction already.", mend="Use the transaction's own append, commit_offsets and state.")


class KafkaTransaction(Transaction):
    """A transaction of Kafka for records and offsets, begun with the first of them; beside it one of LMDB for state."""

    def __init__(self, log: KafkaLog, state: Log) -> None:
        self._log = log
        self._producer: Any = None
        self._written: dict[tuple[str, int], int] = {}
        self.local = _LocalState(state)

    def append(self, append: Append) -> int:
        offset = self._log._append(self._begun, append)
        if append.records.num_rows:
            self._written[append.topic, append.partition] = offset
        return offset

    def commit_offsets(self, group: str, offsets: Mapping[tuple[str, int], int]) -> None:
        self._log._groups.check(group, offsets)
        if offsets:
            self._log._producing.commit_offsets(self._begun(), group, offsets)

    def state(self, name: str) -> StateStore:
        return self.local.store(name)

    def _begun(self) -> Any:
        if self._producer is None:
            self._producer = self._log._producing.begin()
        return self._producer

    def commit(self) -> None:
        """Commit the records and offsets."""
        if self._producer is not None:
            self._log._producing.commit(self._producer)
            self._log._topics.wait_for(self._written)

    def abort(self) -> None:
        """Undo the records and offsets."""
        if self._producer is not None:
            self._log._producing.abort(self._producer)


class _LocalState:
    """A transaction of the local log, begun with the first state that is asked for; it ends as the block does."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._block: AbstractContextManager[Transaction] | None = None
        self._transaction: Transaction | None = None

    def store(self, name: str) -> StateStore:
        if self._transaction is None:
            self._block = self._log.begin()
            self._transaction = self._block.__enter__()
        return self._transaction.state(name)

    def __enter__(self) -> _LocalState:
        return self

    def __exit__(self, *error: Any) -> None:
        if self._block is not None:
            self._block.__exit__(*error)


class KafkaSnapshot(Snapshot):
    """LMDB's snapshot of the state; of topics what is before the ends that they had at the first look."""

    def __init__(self, log: KafkaLog, state: Snapshot) -> None:
        self._log = log
        self._state = state
        self._ends: dict[tuple[str, int], int] = log._topics.ends(log._topics.partitions())

    def state(self, name: str) -> StateStore:
        return self._state.state(name)

    def read(self, topic: str, partition: int, offset: int, *, max_records: int = 100_000, max_bytes: int = 64 << 20) -> pa.RecordBatch:
        return self._log._read_before(self.end_offset(topic, partition), topic, partition, offset, max_records, max_bytes)

    def read_parts(self, topic: str, partition: int, offset: int, *, max_records: int, max_bytes: int) -> Iterator[pa.RecordBatch]:
        batch = self.read(topic, partition, offset, max_records=max_records, max_bytes=max_bytes)
        if batch.num_rows:
            yield batch

    def end_offset(self, topic: str, partition: int) -> int:
        if (topic, partition) not in self._ends:
            self._log._topics.require(topic, partition)
            raise TopicError(f"Topic {topic}, partition {partition} is younger than the snapshot.", mend="Take a new snapshot.")
        return self._ends[topic, partition]

    def committed(self, group: str) -> dict[tuple[str, int], int]:
        return self._log.committed(group)
