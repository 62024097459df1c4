"""A source's run: polls, converts, and commits records and positions in one transaction."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.connect import positions
from penstock.connect.contract import Source, SourceDefinition
from penstock.connect.converters import source_converters
from penstock.connect.dead_letters import Letter, Stage, letter_of_source
from penstock.connect.life import Life
from penstock.connect.records import Position, SourceBatch, SourceRecord
from penstock.connect.retries import Retries
from penstock.connect.secrets import Secrets
from penstock.connect.tolerance import Tolerance
from penstock.connect.transforms.chain import chain
from penstock.connect.transforms.message import of_source, to_source
from penstock.errors import DataError, Error, TopicError
from penstock.log.names import check_not_own
from penstock.log.partition import next_partition, partition_for
from penstock.log.protocol import Append, Log, TopicConfig, TopicInfo

if TYPE_CHECKING:
    from penstock.connect.task import TaskSetup


def take_in(life: Life, setup: TaskSetup, definition: SourceDefinition, options: Mapping[str, Any], secrets: Secrets) -> None:
    """Bring records in until interrupted."""
    context = Context(life, setup, positions.load(setup.worker.log, setup.connector))
    writing = Writing(life, setup, options, secrets)
    retries = Retries(life, options, secrets)
    source = definition.open(options, secrets, context)
    try:
        while life.may_run():
            _poll_once(life, retries, source, writing, context)
    finally:
        source.close()


def _poll_once(life: Life, retries: Retries, source: Source, writing: Writing, context: Context) -> None:
    life.look()
    batch = retries.until_done(source.poll)
    moved = any(context.positions.get(part) != place for part, place in batch.positions.items())
    if batch.records or batch.positions:
        writing.commit(batch)
        context.move(batch.positions)
        retries.until_done(lambda: source.committed(batch))
    if not batch.records and not moved:
        life.found_nothing()


class Context:
    """What the runtime gives to a source's code: `contract.SourceContext`."""

    def __init__(self, life: Life, setup: TaskSetup, at: Mapping[str, Position]) -> None:
        self._life, self._setup, self._positions = life, setup, dict(at)

    @property
    def connector(self) -> str:
        """The connector's name."""
        return self._setup.connector

    @property
    def task(self) -> int:
        """Which task this is."""
        return self._setup.id

    @property
    def tasks(self) -> int:
        """How many tasks there are."""
        return self._setup.of

    @property
    def positions(self) -> Mapping[str, Position]:
        """How far each part was read, as last committed."""
        return self._positions

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for `wake` (True) or until the time has passed (False)."""
        return self._life.wait_for_wake(seconds)

    def wake(self) -> None:
        """End the present wait, or else the next one."""
        self._life.wake()

    def move(self, moved: Mapping[str, Position]) -> None:
        """Positions were committed."""
        self._positions.update(moved)


@dataclass(slots=True)
class _Ready:
    """A record on its way to bytes. `origin` is as the source brought it; `fault` says what kept it from its topic, and at which stage."""

    origin: SourceRecord
    record: SourceRecord
    key: bytes | None = None
    value: bytes | None = None
    fault: tuple[Stage, Error] | None = None


class Writing:
    """Turns records into bytes and commits them. Made for a check alone it raises ConfigError for what the options have wrong."""

    def __init__(self, life: Life, setup: TaskSetup, options: Mapping[str, Any], secrets: Secrets) -> None:
        worker, defaults = setup.worker, setup.worker.defaults()
        self._life, self._setup = life, setup
        self._log = worker.log
        self._topics = _Topics(self._log, options, defaults.partitions)
        self._change = chain(options, setup.properties, secrets)
        self._keys, self._values = source_converters(setup.properties, defaults.converters, worker.schemas, secrets)
        self._tolerance = Tolerance(setup, options, secrets)

    def commit(self, batch: SourceBatch) -> None:
        """Make the batch's records and positions durable together. Raises ConnectorError for a record that cannot be converted, where that
        is not tolerated."""
        self._topics.look_anew()
        all_ready = self._changed(batch.records)
        self._convert([ready for ready in all_ready if ready.fault is None])
        good = [ready for ready in all_ready if ready.fault is None]
        letters = [self._letter(ready.origin, *ready.fault) for ready in all_ready if ready.fault is not None]
        appends = self._topics.appends(good)
        if letters:
            self._tolerance.prepare()
        with self._log.begin() as transaction:
            for append in appends:
                transaction.append(append)
            for letter in letters:
                self._tolerance.append(transaction, letter)
            positions.store(transaction, self._setup.connector, batch.positions)
        self._life.count(delivered=len(good), refused=len(letters), topics={append.topic for append in appends})

    def _changed(self, records: Sequence[SourceRecord]) -> list[_Ready]:
        """What the transforms make of the records, without those that they drop."""
        found = []
        for record in records:
            if record.error is not None or not self._change:
                fault: tuple[Stage, Error] | None = None if record.error is None else ("VALUE_CONVERTER", DataError(record.error))
                found.append(_Ready(record, record, fault=fault))
                continue
            try:
                message = self._change(of_source(record))
            except DataError as error:
                found.append(_Ready(record, record, fault=("TRANSFORMATION", error)))
                continue
            if message is not None:
                found.append(_Ready(record, to_source(message)))
        return found

    def _convert(self, all_ready: Sequence[_Ready]) -> None:
        """Fill in keys and values, those of one topic and schema at once: a schema's converter works by columns."""
        by_key: dict[Any, list[_Ready]] = {}
        by_value: dict[Any, list[_Ready]] = {}
        for ready in all_ready:
            by_key.setdefault((ready.record.topic, ready.record.key_schema), []).append(ready)
            by_value.setdefault((ready.record.topic, ready.record.value_schema), []).append(ready)
        for (topic, schema), some in by_key.items():
            for ready, key in zip(some, self._keys.write(topic, [r.record.key for r in some], schema), strict=True):
                if isinstance(key, Error):
                    ready.fault = "KEY_CONVERTER", key
                else:
                    ready.key = key
        for (topic, schema), some in by_value.items():
            for ready, value in zip(some, self._values.write(topic, [r.record.value for r in some], schema), strict=True):
                if isinstance(value, Error):
                    ready.fault = ready.fault or ("VALUE_CONVERTER", value)
                else:
                    ready.value = value
        for ready in all_ready:
            if ready.fault is None and (wrong := self._topics.fault(ready)):
                ready.fault = "VALUE_CONVERTER", wrong

    def _letter(self, record: SourceRecord, stage: Stage, error: Error) -> Letter:
        safe = self._tolerance.accept(f"A record for the topic {record.topic}", error, record.key, record.value)
        return letter_of_source(record, connector=self._setup.connector, task=self._setup.id, stage=stage, error=safe)


class _Topics:
    """The topics that records go to, made at their first record."""

    def __init__(self, log: Log, options: Mapping[str, Any], partitions: int) -> None:
        self._log = log
        self._known: dict[str, TopicInfo] = {}
        self._partitions: int = options["topic.creation.default.partitions"] or partitions
        retention_ms = options["topic.creation.default.retention.ms"]
        self._config = TopicConfig(
            cleanup=frozenset(options["topic.creation.default.cleanup.policy"].split(",")), retention_ms=None if retention_ms < 0 else retention_ms
        )

    def fault(self, ready: _Ready) -> Error | None:
        """Why the record cannot go to its topic, which is made where there is none; None where it can."""
        record = ready.record
        try:
            info = self._info(record.topic)
        except TopicError as error:
            return error
        if record.partition is not None and not 0 <= record.partition < info.partitions:
            return DataError(f"The partition {record.partition} is none of the topic's {info.partitions}.")
        if (size := len(ready.key or b"") + len(ready.value or b"")) > info.config.max_message_bytes:
            return DataError(f"It has {size} bytes, more than the topic takes ({info.config.max_message_bytes}).")
        if record.timestamp is not None and record.timestamp < 0:
            return DataError(f"The timestamp {record.timestamp} is before 1970, which no record's time can be.")
        return None

    def appends(self, good: Sequence[_Ready]) -> list[Append]:
        """The records by topic and partition, each in the order in which they came."""
        from penstock.log.records import records

        now = time.time_ns() // 1_000_000
        parts: dict[tuple[str, int], list[_Ready]] = {}
        turns: dict[str, int] = {}  # of records without a key: those of one batch stay together
        for ready in good:
            record = ready.record
            partition = record.partition
            if partition is None and ready.key is not None:
                partition = partition_for(ready.key, self._info(record.topic).partitions)
            elif partition is None:
                if record.topic not in turns:
                    turns[record.topic] = next_partition(self._info(record.topic).partitions)
                partition = turns[record.topic]
            parts.setdefault((record.topic, partition), []).append(ready)
        return [
            Append(topic, partition, records(
                [(now if r.record.timestamp is None else r.record.timestamp, r.key, r.value) for r in some],
                [list(r.record.headers) or None for r in some],
            ))
            for (topic, partition), some in parts.items()
        ]  # fmt: skip

    def look_anew(self) -> None:
        """Forget what is known of the topics: they may have changed."""
        self._known.clear()

    def _info(self, topic: str) -> TopicInfo:
        """The topic, made where there is none. Raises TopicError."""
        check_not_own(topic)
        info = self._known.get(topic) or self._log.topic(topic)
        if info is None:
            try:
                self._log.create_topic(topic, self._partitions, self._config)
            except TopicError:
                if self._log.topic(topic) is None:  # else another task was quicker
                    raise
            info = self._log.topic(topic)
            assert info is not None
        self._known[topic] = info
        return info
