"""A sink's task: a thread that reads records, delivers them, and commits its place after the delivery."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from typing import Literal as OneOf

from penstock.connect.contract import RefusedError, RetriableError, Sink, SinkDefinition
from penstock.connect.dead_letters import append_letter, ensure_topic
from penstock.connect.options import parse_options
from penstock.connect.records import OpenReader, Record, RecordReader
from penstock.connect.secrets import Secrets
from penstock.errors import ConnectorError, DataError, Error
from penstock.log.protocol import Log

TaskState = OneOf["RUNNING", "PAUSED", "FAILED", "STOPPED"]

READ_MAX = 500
"""Records read at once, however few of them go into a delivery."""
WATCH_S = 0.1
"""The longest wait for records before the task looks whether it was stopped."""
RETRY_WAIT_MS_MAX = 60_000
RETRY_AFTER_S_MAX = 3600.0

_logger = logging.getLogger("penstock.connect")


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """A task as SHOW and DESCRIBE CONNECTOR see it. `reason` says why it FAILED; `delivered` and `refused` count records since the start
    of the process, `restarts` the restarts since the last delivery."""

    id: int
    state: TaskState
    reason: str = ""
    delivered: int = 0
    refused: int = 0
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class TaskSetup:
    """All that a task is made from. `properties` hold references to secrets, never secrets."""

    connector: str
    id: int
    of: int  # tasks of the connector; partition p belongs to task p modulo this
    definition: SinkDefinition
    properties: Mapping[str, str]
    log: Log
    open_reader: OpenReader
    make_secrets: Callable[[], Secrets]
    restart_ms: int
    restart_ms_max: int


class _InterruptedError(Exception):
    """The task was paused or stopped while it waited."""


class SinkTask:
    """One task, from `start` to `stop`. Every public method may be called from any thread."""

    def __init__(self, setup: TaskSetup, *, paused: bool = False) -> None:
        self._setup = setup
        self._group = f"connect-{setup.connector}"
        self._changed = threading.Condition()
        self._wanted: OneOf["RUNNING", "PAUSED", "STOPPED"] = "PAUSED" if paused else "RUNNING"
        self._state: TaskState = self._wanted
        self._reason = ""
        self._delivered = self._refused = self._restarts = 0
        self._idle_at_version = -1
        self._commands = 0  # pauses, resumes and stops so far
        self._commands_at_start = 0  # of the present run: any later one ends it, even a pause that was taken back at once
        self._thread = threading.Thread(target=self._live, name=f"{self._group}-{setup.id}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def pause(self) -> None:
        """Stop delivering, keep the place."""
        self._want("PAUSED")

    def resume(self) -> None:
        """Go on from the committed place; a FAILED task tries again at once."""
        self._want("RUNNING")

    def stop(self, timeout_s: float = 10.0) -> None:
        """End the task: a delivery under way may finish, its offset is then committed. A request that hangs is left behind after `timeout_s`."""
        self._want("STOPPED")
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def status(self) -> TaskStatus:
        """The task as it is now."""
        with self._changed:
            return TaskStatus(self._setup.id, self._state, self._reason, self._delivered, self._refused, self._restarts)

    def wait_idle(self, version: int, timeout_s: float | None) -> bool:
        """Wait until the task has delivered all that the log held at `version`, or is paused or stopped; whether that came within `timeout_s`."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._state in ("PAUSED", "STOPPED") or (self._state == "RUNNING" and self._idle_at_version >= version), timeout_s
            )

    def _want(self, wanted: OneOf["RUNNING", "PAUSED", "STOPPED"]) -> None:
        with self._changed:
            if self._wanted != "STOPPED":
                self._wanted = wanted
            if wanted == self._wanted != "STOPPED":
                self._state = wanted  # the thread follows before its next delivery
            self._commands += 1
            self._changed.notify_all()
        self._setup.log.wake()

    # ------------------------------------------------------------------ the thread

    def _live(self) -> None:
        while self._await_permission():
            try:
                self._run()
            except _InterruptedError:
                continue
            except Error as error:
                self._fail(str(error))
        with self._changed:
            self._state = "STOPPED"
            self._changed.notify_all()

    def _await_permission(self) -> bool:
        """Wait while paused or, where failed, until the time of the restart. False: stop."""
        with self._changed:
            if self._state == "FAILED" and self._wanted == "RUNNING":
                wait_ms = min(self._setup.restart_ms_max, self._setup.restart_ms * 2 ** min(self._restarts, 20))
                self._changed.wait_for(lambda: self._wanted != "RUNNING" or self._state != "FAILED", wait_ms / 1000)
                self._restarts += 1
            self._changed.wait_for(lambda: self._wanted != "PAUSED")
            if self._wanted == "STOPPED":
                return False
            self._state = "RUNNING"
            self._commands_at_start = self._commands
            return True

    def _fail(self, reason: str) -> None:
        with self._changed:
            self._reason = reason
            if self.may_run():
                self._state = "FAILED"
            self._changed.notify_all()
        _logger.error("connector %s, task %d failed: %s", self._setup.connector, self._setup.id, reason)

    def _run(self) -> None:
        """Deliver until interrupted. The sink is made anew at each start, and with it the secrets are read anew."""
        setup, secrets = self._setup, self._setup.make_secrets()
        try:
            options = parse_options(setup.definition.all_options, setup.properties, secrets)
            reader = setup.open_reader(options["topics"])
            sink = setup.definition.open(options, secrets, reader.columns())
            try:
                _Delivery(self, setup, self._group, options, secrets, sink).run(reader)
            finally:
                sink.close()
        except _InterruptedError:
            raise
        except Error as error:
            error.what, error.mend = secrets.redact(error.what), secrets.redact(error.mend)
            raise
        except Exception as error:  # noqa: BLE001 - a connector's bug fails its own task, never the process; only its redacted text goes on
            what = secrets.redact(f"Unexpected {type(error).__name__}: {error}")
            raise ConnectorError(what, mend="This is a bug; please report it.") from None

    # ------------------------------------------------------------------ what the delivery tells and asks

    def may_run(self) -> bool:
        """Whether the delivery should go on."""
        return self._commands == self._commands_at_start

    def wait(self, seconds: float) -> None:
        """Wait, unless interrupted before the time is over: then _InterruptedError is raised."""
        with self._changed:
            if self._changed.wait_for(lambda: not self.may_run(), seconds):
                raise _InterruptedError

    def count(self, *, delivered: int = 0, refused: int = 0) -> None:
        """Count records whose offset is committed. The first ends a series of restarts."""
        with self._changed:
            self._delivered += delivered
            self._refused += refused
            self._restarts, self._reason = 0, ""

    def note_idle(self, version: int) -> None:
        """All that the log held at `version` is delivered."""
        with self._changed:
            self._idle_at_version = version
            self._reason = ""
            self._changed.notify_all()


class _Delivery:
    """One run of a task: positions, retries, refusals."""

    def __init__(
        self, task: SinkTask, setup: TaskSetup, group: str, options: Mapping[str, Any], secrets: Secrets, sink: Sink
    ) -> None:
        self._task, self._setup, self._group, self._secrets, self._sink = task, setup, group, secrets, sink
        self._log = setup.log
        self._batch_max = setup.definition.batch_max(options)
        self._retries_max: int = options["max.retries"]
        self._backoff_ms: int = options["retry.backoff.ms"]
        self._tolerant: bool = options["errors.tolerance"] == "all"
        named = options["errors.deadletterqueue.topic.name"]
        self._dead_letters: str = f"dlq-{setup.connector}" if named is None else named
        # A sink's random waits need no seed that anyone knows: they keep tasks from retrying in step.
        self._jitter = random.Random()  # noqa: S311
        self._positions: dict[tuple[str, int], int] = dict(self._log.committed(group))

    def run(self, reader: RecordReader) -> None:
        if self._tolerant and self._dead_letters:
            ensure_topic(self._log, self._dead_letters)
        while self._task.may_run():
            version = self._log.version()
            mine = [(topic, p) for topic, p in reader.partitions() if p % self._setup.of == self._setup.id]
            moved = [self._drain(reader, topic, p) for topic, p in mine]
            if not any(moved):
                self._task.note_idle(version)
                while self._task.may_run() and self._log.watch(version, WATCH_S) == version:
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
        if not self._task.may_run():
            raise _InterruptedError
        try:
            self._put_with_retries(records)
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
        self._task.count(delivered=len(records))

    def _put_with_retries(self, records: Sequence[Record]) -> None:
        for attempt in range(self._retries_max + 1):
            try:
                self._sink.put(records)
                return
            except RetriableError as error:
                if attempt == self._retries_max:
                    raise ConnectorError(f"{error.what} ({attempt + 1} tries)", mend="It is tried again by and by.") from None
                wait_s = min(RETRY_WAIT_MS_MAX, self._backoff_ms * 2 ** min(attempt, 20)) / 1000 * self._jitter.uniform(0.8, 1.2)
                if error.retry_after_s is not None:
                    wait_s = min(error.retry_after_s, RETRY_AFTER_S_MAX)
                _logger.warning("connector %s: %s Next try in %.1f s.", self._setup.connector, self._secrets.redact(error.what), wait_s)
                self._task.wait(wait_s)

    def _refuse(self, record: Record, error: Error, stage: str) -> None:
        """Let a record go to the dead letter topic, together with its offset, or fail where errors.tolerance is none."""
        safe = type(error)(self._secrets.redact(f"{record.place}: {error}"))
        if not self._tolerant:
            raise ConnectorError(safe.what, mend="With 'errors.tolerance'='all' such records go to a dead letter topic.")
        position = {(record.topic, record.partition): record.offset + 1}
        with self._log.begin() as transaction:
            if self._dead_letters:
                append_letter(
                    transaction, self._dead_letters, record, connector=self._setup.connector, task=self._setup.id, stage=stage, error=safe
                )
            transaction.commit_offsets(self._group, position)
        self._positions.update(position)
        self._task.count(refused=1)
        _logger.warning("connector %s refused %s", self._setup.connector, safe.what)

