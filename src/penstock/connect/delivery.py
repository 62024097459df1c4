"""A sink's run: reads records, delivers them, and commits its place after the delivery."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from penstock.connect.contract import RefusedError, Sink, SinkDefinition
from penstock.connect.dead_letters import Stage, ensure_topic, letter_of_sink
from penstock.connect.life import Life, TaskInterruptedError
from penstock.connect.records import Record, RecordReader
from penstock.connect.retries import Retries
from penstock.connect.secrets import Secrets
from penstock.errors import ConnectorError, DataError, Error

if TYPE_CHECKING:
    from penstock.connect.task import TaskSetup

READ_MAX = 500
"""Records read at once, however few of them go into a delivery."""
WATCH_S = 0.1
"""The longest wait for records before the task looks whether it was stopped."""

_logger = logging.getLogger("penstock.connect")


def deliver(life: Life, setup: TaskSetup, definition: SinkDefinition, options: Mapping[str, Any], secrets: Secrets) -> None:
    """Deliver until interrupted."""
    reader = setup.worker.open_reader(options["topics"])
    sink = definition.open(options, secrets, reader.columns())
    try:
        _Delivery(life, setup, definition, options, secrets, sink).run(reader)
    finally:
        sink.close()


class _Delivery:
    """One run of a task: positions, retries, refusals."""

    def __init__(
        self, life: Life, setup: TaskSetup, definition: SinkDefinition, options: Mapping[str, Any], secrets: Secrets, sink: Sink
    ) -> None:
        self._life, self._setup, self._secrets, self._sink = life, setup, secrets, sink
        self._log = setup.worker.log
        self._group = f"connect-{setup.connector}"
        self._batch_max = definition.batch_max(options)
        self._retries = Retries(life, setup.connector, options, secrets)
        self._tolerant: bool = options["errors.tolerance"] == "all"
        named = options["errors.deadletterqueue.topic.name"]
        self._dead_letters: str = f"dlq-{setup.connector}" if named is None else named
        self._positions: dict[tuple[str, int], int] = dict(self._log.committed(self._group))

    def run(self, reader: RecordReader) -> None:
        if self._tolerant and self._dead_letters:
            ensure_topic(self._log, self._dead_letters)
        while self._life.may_run():
            version = self._log.version()
            mine = [(topic, p) for topic, p in reader.partitions() if p % self._setup.of == self._setup.id]
            moved = [self._drain(reader, topic, p) for topic, p in mine]
            if not any(moved):
                self._life.note_idle(version)
                while self._life.may_run() and self._log.watch(version, WATCH_S) == version:
                    pass

    def _drain(self, reader: RecordReader, topic: str, partition: int) -> bool:
        """Deliver the next records of a partition; whether there were any."""
        records = reader.read(topic, partition, self._positions.get((topic, partition), 0), READ_MAX)
        run: list[Record] = []
        for record in records:
            if record.error is None:
                run.append(record)
                if len(run) < self._batch_max:
                    continue
            self._deliver(run)
            run = []
            if record.error is not None:
                self._refuse(record, DataError(record.error), "VALUE_CONVERTER")
        self._deliver(run)
        return bool(records)

    def _deliver(self, records: Sequence[Record]) -> None:
        if not records:
            return
        if not self._life.may_run():
            raise TaskInterruptedError
        try:
            self._retries.until_done(lambda: self._sink.put(records))
        except RefusedError as error:
            if len(records) == 1:
                self._refuse(records[0], error, "TASK_PUT")
            else:  # one of them spoils the batch: only that one is to suffer
                for record in records:
                    self._deliver([record])
            return
        last = records[-1]
        self._positions[last.topic, last.partition] = last.offset + 1
        self._log.commit_offsets(self._group, {(last.topic, last.partition): last.offset + 1})
        self._life.count(delivered=len(records))

    def _refuse(self, record: Record, error: Error, stage: Stage) -> None:
        """Let a record go to the dead letter topic, together with its offset, or fail where errors.tolerance is none."""
        safe = type(error)(self._secrets.redact(f"{record.place}: {error}"))
        if not self._tolerant:
            raise ConnectorError(safe.what, mend="With 'errors.tolerance'='all' such records go to a dead letter topic.")
        position = {(record.topic, record.partition): record.offset + 1}
        with self._log.begin() as transaction:
            if self._dead_letters:
                letter = letter_of_sink(record, connector=self._setup.connector, task=self._setup.id, stage=stage, error=safe)
                letter.append(transaction, self._dead_letters)
            transaction.commit_offsets(self._group, position)
        self._positions.update(position)
        self._life.count(refused=1)
        _logger.warning("connector %s refused %s", self._setup.connector, safe.what)
