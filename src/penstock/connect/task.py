"""A connector's task: a thread that runs a sink's delivery or a source's intake, and begins anew after a failure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from penstock.connect.contract import Definition, SinkDefinition
from penstock.connect.delivery import deliver
from penstock.connect.intake import take_in
from penstock.connect.life import Life, TaskInterruptedError, TaskStatus
from penstock.connect.options import parse_options
from penstock.connect.records import OpenReader
from penstock.connect.secrets import Secrets
from penstock.errors import ConnectorError, Error
from penstock.log.protocol import Log
from penstock.registry.model import SchemaRegistry


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for connectors that do not say otherwise: the partitions of new topics, and the options of converters."""

    partitions: int = 1
    converters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Worker:
    """What a process gives to all of its tasks. `defaults` are asked for anew at each start of a task."""

    log: Log
    schemas: SchemaRegistry
    open_reader: OpenReader
    make_secrets: Callable[[Path | None], Secrets]  # from the folder of the file that creates the connector
    restart_ms: int
    restart_ms_max: int
    defaults: Callable[[], Defaults] = field(default=Defaults)


@dataclass(frozen=True, slots=True)
class TaskSetup:
    """All that a task is made from. `properties` hold references to secrets, never secrets."""

    connector: str
    id: int
    of: int  # tasks of the connector; a sink's partition p belongs to task p modulo this
    definition: Definition
    properties: Mapping[str, str]
    worker: Worker
    folder: Path | None = None  # of the file that creates the connector


class Task:
    """One task, from `start` to `stop`. Every public method may be called from any thread."""

    def __init__(self, setup: TaskSetup, *, paused: bool = False) -> None:
        self._setup = setup
        worker = setup.worker
        self._life = Life(setup.connector, setup.id, paused=paused, restart_ms=worker.restart_ms, restart_ms_max=worker.restart_ms_max)
        self._thread = threading.Thread(target=self._live, name=f"connect-{setup.connector}-{setup.id}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def ask_to_pause(self) -> None:
        """Stop working, keep the place; what is under way may finish."""
        self._life.want("PAUSED")
        self._setup.worker.log.wake()

    def wait_rest(self, timeout_s: float) -> bool:
        """Wait, after a pause, until nothing is under way; whether that came in time."""
        return self._life.wait_rest(timeout_s)

    def resume(self) -> None:
        """Go on from the committed place; a FAILED task tries again at once."""
        self._life.want("RUNNING")
        self._setup.worker.log.wake()

    def ask_to_stop(self) -> None:
        """End the task: what is under way may finish, its place is then committed."""
        self._life.want("STOPPED")
        self._setup.worker.log.wake()

    def stop(self, timeout_s: float = 10.0) -> None:
        """End the task and wait for it. What hangs is left behind after `timeout_s`."""
        self.ask_to_stop()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def status(self) -> TaskStatus:
        """The task as it is now."""
        return self._life.status()

    def forget_topics(self) -> None:
        """Forget which topics it has read or written."""
        self._life.forget_topics()

    def ask(self) -> int:
        """A ticket for `wait_idle`: of a sink, what the log holds now; of a source, the question whether there is anything to bring."""
        return self._setup.worker.log.version() if isinstance(self._setup.definition, SinkDefinition) else self._life.ask()

    def wait_idle(self, ticket: int, timeout_s: float | None) -> bool:
        """Wait until the task has nothing more to do of what there was at `ask`, or is paused or stopped; whether that came in time."""
        return self._life.wait_idle(ticket, timeout_s)

    def _live(self) -> None:
        while self._life.await_permission():
            try:
                self._run()
            except TaskInterruptedError:
                continue
            except Error as error:
                self._life.fail(str(error))
        self._life.end()

    def _run(self) -> None:
        """Work until interrupted. The connector's code is made anew at each start, and with it the secrets are read anew."""
        definition, secrets = self._setup.definition, self._setup.worker.make_secrets(self._setup.folder)
        try:
            with secrets.out_of_errors():
                options = parse_options(definition.all_options, self._setup.properties, secrets)
                if isinstance(definition, SinkDefinition):
                    deliver(self._life, self._setup, definition, options, secrets)
                else:
                    take_in(self._life, self._setup, definition, options, secrets)
        except Error:
            raise
        except Exception as error:  # noqa: BLE001 - a connector's bug fails its own task, never the process; only its redacted text goes on
            what = secrets.redact(f"Unexpected {type(error).__name__}: {error}")
            raise ConnectorError(what, mend="This is a bug; please report it.") from None
