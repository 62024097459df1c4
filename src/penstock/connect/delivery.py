"""A sink's run: reads records, delivers them, and commits how far everything is delivered."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from penstock.connect import positions
from penstock.connect.contract import GatheringSink, RefusedError, Sink, SinkDefinition
from penstock.connect.converters import Converter, sink_converters
from penstock.connect.dead_letters import Letter, Stage, letter_of_sink
from penstock.connect.life import Life
from penstock.connect.records import Record, RecordReader
from penstock.connect.retries import Retries
from penstock.connect.secrets import Secrets
from penstock.connect.tolerance import Tolerance
from penstock.connect.transforms.chain import Chain, chain
from penstock.connect.transforms.message import of_sink, to_sink
from penstock.errors import DataError, Error
from penstock.log.protocol import Log
from penstock.sql.types import SqlType

if TYPE_CHECKING:
    from penstock.connect.task import TaskSetup

READ_MAX = 500
"""Records read at once, however few of them go into a delivery; a sink of larger batches gets them."""
WATCH_S = 0.1
"""The longest wait for records before the task looks whether it was stopped."""

Place = tuple[str, int]
"""A topic and a partition."""


@dataclass(frozen=True, slots=True)
class TopicContext:
    """A sink's context: what the reader of its topics knows. Where transforms stand between, they may make any columns."""

    connector: str
    reader: RecordReader
    changed: bool
    log: Log

    @property
    def columns(self) -> frozenset[str] | None:
        """The columns that every record has."""
        return None if self.changed else self.reader.columns()

    def types(self, topic: str) -> Mapping[str, SqlType] | None:
        """The types of a topic's columns."""
        return None if self.changed else self.reader.types(topic)

    def incarnation(self) -> str:
        """Which connector of this name this is."""
        return positions.incarnation(self.log, self.connector)


@dataclass(frozen=True, slots=True)
class Preparation:
    """What stands between a topic and the sink: how records without a stream or table are read, and the transforms."""

    converters: tuple[Converter, Converter] | None
    change: Chain

    def read(self, records: Sequence[Record]) -> Sequence[Record]:
        """The records with the columns that the converters find in those of topics without a stream or table."""
        bare = [place for place, record in enumerate(records) if not record.columns and not record.key_columns and record.error is None]
        if self.converters is None or not bare:
            return records
        keys = self.converters[0].read([records[place].key for place in bare])
        values = self.converters[1].read([records[place].value for place in bare])
        found = list(records)
        for place, key, value in zip(bare, keys, values, strict=True):
            record = found[place]
            if isinstance(key, Error) or isinstance(value, Error):
                where, wrong = ("key", key) if isinstance(key, Error) else ("value", value)
                found[place] = replace(record, error=f"{where}: {wrong}")
            else:
                found[place] = to_sink(replace(of_sink(record), key=key, value=value), record)
        return found

    def changed(self, record: Record) -> Record | None:
        """What the transforms make of a record, None where they drop it. Raises DataError."""
        if not self.change:
            return record
        message = self.change(of_sink(record))
        return None if message is None else to_sink(message, record)


def prepare(setup: TaskSetup, options: Mapping[str, Any], secrets: Secrets) -> Preparation:
    """The preparation that a sink's options ask for. Raises ConfigError."""
    worker = setup.worker
    converters = sink_converters(setup.properties, worker.defaults().converters, worker.schemas, secrets)
    return Preparation(converters, chain(options, setup.properties, secrets))


def deliver(life: Life, setup: TaskSetup, definition: SinkDefinition, options: Mapping[str, Any], secrets: Secrets) -> None:
    """Deliver until interrupted."""
    reader = setup.worker.open_reader(options["topics"])
    preparation = prepare(setup, options, secrets)
    sink = definition.open(options, secrets, TopicContext(setup.connector, reader, bool(preparation.change), setup.worker.log))
    try:
        _Delivery(life, setup, definition, options, secrets, sink, preparation).run(reader)
    finally:
        sink.close()


class _Passage:
    """What a run holds of one partition: where it reads on, which records the sink has and may still lose, which were refused."""

    def __init__(self, position: int) -> None:
        self.position = self.committed = position
        self._given: deque[int] = deque()
        self._letters: deque[tuple[int, Letter]] = deque()

    def give(self, record: Record) -> None:
        """The sink has taken the record."""
        self._given.append(record.offset)
        self.position = record.offset + 1

    def drop(self, record: Record) -> None:
        """A transform has dropped the record, and all that came before it is given or refused."""
        self.position = max(self.position, record.offset + 1)

    def refuse(self, record: Record, letter: Letter) -> None:
        """The record is not the sink's; its letter is written with the offset that passes it."""
        self._letters.append((record.offset, letter))
        self.position = record.offset + 1

    def take(self, upto: int) -> int:
        """Forget the taken records before the offset `upto`: they are delivered. How many they were."""
        count = 0
        while self._given and self._given[0] < upto:
            self._given.popleft()
            count += 1
        return count

    def safe(self) -> int:
        """The offset before which nothing is open: that of the first record that the sink may lose, else the end of what was read."""
        return self._given[0] if self._given else self.position

    def take_letters(self) -> list[Letter]:
        """The letters before `safe`."""
        letters = []
        while self._letters and self._letters[0][0] < self.safe():
            letters.append(self._letters.popleft()[1])
        return letters


class _Delivery:
    """One run of a task. A sink that gathers is asked how far it is; any other has delivered what it has taken."""

    def __init__(
        self,
        life: Life,
        setup: TaskSetup,
        definition: SinkDefinition,
        options: Mapping[str, Any],
        secrets: Secrets,
        sink: Sink,
        preparation: Preparation,
    ) -> None:
        self._life, self._setup, self._sink, self._preparation = life, setup, sink, preparation
        self._gathering = sink if isinstance(sink, GatheringSink) else None
        self._log = setup.worker.log
        self._group = f"connect-{setup.connector}"
        self._batch_max = definition.batch_max(options)
        self._retries = Retries(life, options, secrets)
        self._tolerance = Tolerance(setup, options, secrets)
        self._passages = {place: _Passage(offset) for place, offset in self._log.committed(self._group).items()}

    def run(self, reader: RecordReader) -> None:
        self._tolerance.prepare()
        while self._life.may_run():
            version = self._log.version()
            mine = [(topic, p) for topic, p in reader.partitions() if p % self._setup.of == self._setup.id]
            moved = [self._drain(reader, place) for place in mine]
            due_s = self._tick()
            if not any(moved):
                self._rest(version, due_s)

    def _rest(self, version: int, due_s: float | None) -> None:
        """Wait for records, or until a sink that gathers has something to do by the clock."""
        self._life.note_idle(version)
        until = None if due_s is None else time.monotonic() + due_s
        while self._life.may_run():
            wait_s = WATCH_S if until is None else min(WATCH_S, until - time.monotonic())
            if wait_s <= 0 or self._log.watch(version, wait_s) != version:
                return

    def _drain(self, reader: RecordReader, place: Place) -> bool:
        """Deliver the next records of a partition; whether there were any."""
        passage = self._passages.setdefault(place, _Passage(0))
        records = reader.read(*place, passage.position, max(READ_MAX, self._batch_max))
        run: list[Record] = []
        dropped: Record | None = None
        for record in self._preparation.read(records):
            changed, fault = self._changed(record)
            if changed is not None:
                run.append(changed)
            elif fault is None:
                dropped = record
            if fault is None and len(run) < self._batch_max:
                continue
            self._deliver(place, run)
            run = []
            if fault is not None:
                self._refuse(place, record, *fault)
        self._deliver(place, run)
        if dropped is not None:
            passage.drop(dropped)
        if records:
            self._settle(place)
        return bool(records)

    def _changed(self, record: Record) -> tuple[Record | None, tuple[Error, Stage] | None]:
        """What the sink is to get for a record, None where it gets nothing; and why, where it is to be refused."""
        if record.error is not None:
            return None, (DataError(record.error), "VALUE_CONVERTER")
        try:
            return self._preparation.changed(record), None
        except DataError as error:
            return None, (error, "TRANSFORMATION")

    def _deliver(self, place: Place, records: Sequence[Record]) -> None:
        if not records:
            return
        self._life.check()
        reasons: dict[int, str] = {}
        mend = ""
        try:
            self._retries.until_done(lambda: self._sink.put(records))
        except RefusedError as error:
            if not error.refused and len(records) > 1:  # one of them spoils the batch: only that one is to suffer
                for record in records:
                    self._deliver(place, [record])
                return
            reasons = {record.offset: reason for record, reason in error.refused} or {records[0].offset: error.what}
            mend = error.mend
        for record in records:
            if record.offset in reasons:
                self._refuse(place, record, RefusedError(reasons[record.offset], mend=mend), "TASK_PUT")
            else:
                self._passages[place].give(record)
        self._settle(place)

    def _tick(self) -> float | None:
        """Let a sink that gathers deliver what is due; the seconds until it wants to be asked again."""
        if self._gathering is None:
            return None
        due_s = self._retries.until_done(self._gathering.tick)
        for place in self._passages:
            self._settle(place)
        return due_s

    def _refuse(self, place: Place, record: Record, error: Error, stage: Stage) -> None:
        """Let a record go to the dead letter topic, or fail where errors.tolerance is none."""
        try:
            safe = self._tolerance.accept(record.place, error, record.key, record.value)
        except Error:
            self._settle(place)
            raise
        letter = letter_of_sink(record, connector=self._setup.connector, task=self._setup.id, stage=stage, error=safe)
        self._passages[place].refuse(record, letter)

    def _settle(self, place: Place) -> None:
        """Commit what is open no more: the offset, and with it, in one transaction, the dead letters that lie before it."""
        passage = self._passages[place]
        upto = passage.position if self._gathering is None else self._gathering.delivered().get(place, 0)
        delivered, safe = passage.take(upto), passage.safe()
        if safe <= passage.committed:
            return
        letters = passage.take_letters()
        with self._log.begin() as transaction:
            for letter in letters:
                self._tolerance.append(transaction, letter)
            transaction.commit_offsets(self._group, {place: safe})
        passage.committed = safe
        self._life.count(delivered=delivered, refused=len(letters), topics=(place[0],))
