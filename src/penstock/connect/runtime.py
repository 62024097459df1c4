"""The connector runtime: starts, pauses, restarts and stops connectors, and says how they are."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal as OneOf

from penstock.connect import positions
from penstock.connect.contract import Definition, Leaving, SinkDefinition, SourceDefinition, definition_of
from penstock.connect.delivery import TopicContext, prepare
from penstock.connect.folders import Folders
from penstock.connect.intake import Context, Writing
from penstock.connect.life import Life, TaskState, TaskStatus
from penstock.connect.options import option_faults, parse_options, shown_options
from penstock.connect.records import OpenReader, Position
from penstock.connect.secrets import Secrets
from penstock.connect.task import Defaults, Task, TaskSetup, Worker
from penstock.errors import ConfigError, ConnectorError
from penstock.log.protocol import Log
from penstock.registry.model import SchemaRegistry


@dataclass(frozen=True, slots=True)
class ConnectorStatus:
    """A connector as SHOW CONNECTORS sees it. Its state is FAILED where a task's is, and else that of its tasks. `options` hide secrets."""

    name: str
    kind: OneOf["SOURCE", "SINK"]
    class_name: str
    state: TaskState
    tasks: tuple[TaskStatus, ...]
    options: Mapping[str, str]


@dataclass(frozen=True)
class _Running:
    definition: Definition
    properties: Mapping[str, str]
    folder: Path | None
    tasks: tuple[Task, ...]


class ConnectRuntime:
    """The connectors of one process. Every method may be called from any thread.

    `secret_folders`: `${file:...}` may read below these alone. `file_folders`: options that name files may name those below these, and below
    the folder of the file that creates the connector, but none below `barred_folders`. `env_pattern`: the environment variables that
    `${env:...}` may read. A failed task is started again after `restart_ms`, then twice that, up to `restart_ms_max`. `defaults` are asked
    for at each start of a task.
    """

    def __init__(
        self,
        log: Log,
        open_reader: OpenReader,
        schemas: SchemaRegistry,
        *,
        secret_folders: Sequence[Path] = (),
        file_folders: Sequence[Path] = (),
        barred_folders: Sequence[Path] = (),
        env_pattern: str = ".*",
        restart_ms: int = 1_000,
        restart_ms_max: int = 300_000,
        defaults: Callable[[], Defaults] = Defaults,
    ) -> None:
        def make_secrets(folder: Path | None) -> Secrets:
            allowed = file_folders if folder is None else (*file_folders, folder)
            return Secrets(secret_folders, env_pattern=env_pattern, files=Folders(allowed, barred=barred_folders, base=folder))

        self.folders = Folders(file_folders, barred=barred_folders)
        """Below which folders files may be named by who has none of his own."""
        self._worker = Worker(log, schemas, open_reader, make_secrets, restart_ms, restart_ms_max, defaults)
        self._lock = threading.Lock()
        self._connectors: dict[str, _Running] = {}
        self._leaving: set[str] = set()  # that are being dropped
        self._topics_before: dict[str, frozenset[str]] = {}  # of a connector's tasks that were stopped

    def check(self, kind: str, name: str, properties: Mapping[str, str], *, folder: Path | None = None) -> None:
        """Raise ConfigError or TopicError for what would keep the connector from starting: an unknown class or option, a bad value, a
        secret that is not there, a topic that does not exist, a template's column that the records do not have; ConnectorError where one of the
        name is being dropped. Nothing is sent."""
        self._check_free(name)
        definition = _definition(kind, properties)
        secrets = self._worker.make_secrets(folder)
        with secrets.out_of_errors():
            options = parse_options(definition.all_options, properties, secrets)
            setup = TaskSetup(name, 0, 1, definition, properties, self._worker, folder)
            if isinstance(definition, SinkDefinition):
                preparation = prepare(setup, options, secrets)
                reader = self._worker.open_reader(options["topics"])
                definition.open(options, secrets, TopicContext(name, reader, bool(preparation.change), self._worker.log)).close()
            else:
                life = Life(name, 0, paused=True, restart_ms=0, restart_ms_max=0)
                Writing(life, setup, options, secrets)
                definition.open(options, secrets, Context(life, setup, {})).close()

    def faults(self, definition: Definition, properties: Mapping[str, str]) -> dict[str, str]:
        """What is wrong with each option by itself, by its name."""
        return option_faults(definition.all_options, properties, self._worker.make_secrets(None))

    def start(self, kind: str, name: str, properties: Mapping[str, str], *, folder: Path | None = None, paused: bool = False) -> None:
        """Start a connector from the properties of its statement, secrets unresolved. `folder`: of the file that creates it. What goes wrong
        later shows in its status.
        Raises ConfigError for an unknown class, ConnectorError where a connector of that name runs."""
        definition = _definition(kind, properties)
        count = self._tasks(definition, properties, folder)
        setups = [TaskSetup(name, number, count, definition, dict(properties), self._worker, folder) for number in range(count)]
        running = _Running(definition, dict(properties), folder, tuple(Task(setup, paused=paused) for setup in setups))
        self._check_free(name)
        with self._lock:
            if name in self._connectors:
                raise ConnectorError(f"Connector {name} exists already.", mend="DROP it first, or choose another name.")
            self._connectors[name] = running
        for task in running.tasks:
            task.start()

    def pause(self, name: str, timeout_s: float = 10.0) -> bool:
        """Stop delivering; the place is kept. What is under way may finish: wait for it, at most `timeout_s`, and say whether all is at rest now,
        so that nothing more comes. Raises ConnectorError for an unknown name, as all the others do."""
        return self.begin_pause(name, timeout_s)()

    def begin_pause(self, name: str, timeout_s: float = 10.0) -> Callable[[], bool]:
        """As `pause`, but the wait is the caller's, who calls what comes back."""
        tasks, deadline = self._find(name).tasks, time.monotonic() + timeout_s
        for task in tasks:
            task.ask_to_pause()
        return lambda: all(task.wait_rest(max(0.0, deadline - time.monotonic())) for task in tasks)

    def resume(self, name: str) -> None:
        """Go on after a pause, or at once after a failure."""
        for task in self._find(name).tasks:
            task.resume()

    def restart(self, name: str) -> None:
        """Stop the tasks and start them anew, from the committed place: options' secrets are read again."""
        running = self._find(name)
        self.stop(name)
        self.start(running.definition.kind, name, running.properties, folder=running.folder)

    def restart_tasks(self, name: str, only: Container[int] | None = None) -> None:
        """Let tasks begin anew from the committed place, those of the numbers `only` or all."""
        for number, task in enumerate(self._find(name).tasks):
            if only is None or number in only:
                task.resume()

    def stop(self, name: str) -> None:
        """Stop the connector and forget it. Its place stays committed, so that one of the same name goes on where it was."""
        running = self._taken(name)
        _stop(running.tasks)
        self._topics_before[name] = self._topics_before.get(name, frozenset()).union(*(task.status().topics for task in running.tasks))

    def status(self, name: str) -> ConnectorStatus:
        """The connector as it is now."""
        running = self._find(name)
        tasks = tuple(task.status() for task in running.tasks)
        states = {task.state for task in tasks}
        state: TaskState = "FAILED" if "FAILED" in states else "RUNNING" if "RUNNING" in states else tasks[0].state
        shown = shown_options(running.definition.all_options, running.properties)
        return ConnectorStatus(name, running.definition.kind, running.definition.class_names[0], state, tasks, shown)

    def statuses(self) -> list[ConnectorStatus]:
        """Every connector, by name."""
        with self._lock:
            names = sorted(self._connectors)
        return [self.status(name) for name in names]

    def wait_idle(self, timeout: float | None = None, *, kind: OneOf["SOURCE", "SINK"] | None = None) -> bool:
        """Wait until the running connectors have nothing more to do, at most `timeout` seconds; whether it came to that. First the sources
        look once more and find nothing, then the sinks have delivered all that the log holds. A FAILED connector is never idle, nor is a
        source that always has more; `kind` asks for one kind alone."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._lock:
            running = list(self._connectors.values())
        for each in ("SOURCE", "SINK") if kind is None else (kind,):
            asked = [(task, task.ask()) for connector in running if connector.definition.kind == each for task in connector.tasks]
            for task, ticket in asked:
                if not task.wait_idle(ticket, None if deadline is None else max(0.0, deadline - time.monotonic())):
                    return False
        return True

    def drop(self, name: str) -> list[str]:
        """Stop the connector and forget it with its place, and have its far side forget it. What stays there, a sentence each."""
        return self.begin_drop(name)()

    def begin_drop(self, name: str) -> Callable[[], list[str]]:
        """As `drop`, but the wait is the caller's, who has to call what comes back. Nobody sees the connector any more, yet until that has ended
        there can be no other of its name."""
        running = self._taken(name, leaving=True)

        def finish() -> list[str]:
            try:
                _stop(running.tasks)
                return self._forget(name, running)
            finally:
                self._leaving.discard(name)

        return finish

    def reset(self, name: str) -> list[str]:
        """Forget how far a connector has come, which must be at rest; it begins anew when it goes on. What stays at its far side, a sentence each."""
        return self._forget(name, self._find(name))

    def move(self, name: str, changes: Mapping[str, Position | None]) -> None:
        """Have a source, which must be at rest, go on from other positions; a part whose position is None begins anew."""
        self._find(name)
        positions.change(self._worker.log, name, changes)

    def move_offsets(self, name: str, offsets: Mapping[tuple[str, int], int | None]) -> list[str]:
        """Have a sink, which must be at rest, go on from other offsets, (topic, partition) -> offset; None: from the log's start. What it delivered
        before counts for nothing at a far side that remembers it. What stays there, a sentence each."""
        left = self._clean_up(name, self._find(name))
        positions.forget(self._worker.log, name)
        self._worker.log.commit_offsets(f"connect-{name}", {place: offset or 0 for place, offset in offsets.items()})
        return left

    def topics(self, name: str) -> list[str]:
        """The topics that a connector has read or written since the process started, or since `forget_topics`."""
        now = (task.status().topics for task in self._find(name).tasks)
        return sorted(self._topics_before.get(name, frozenset()).union(*now))

    def forget_topics(self, name: str) -> None:
        """Begin anew to note the topics."""
        self._topics_before.pop(name, None)
        for task in self._find(name).tasks:
            task.forget_topics()

    def _forget(self, name: str, running: _Running) -> list[str]:
        """Forget how far a connector has come: its offsets or its positions, and what its far side keeps for it. It must not run."""
        left = self._clean_up(name, running)
        self._worker.log.delete_group(f"connect-{name}")
        positions.forget(self._worker.log, name)
        self._topics_before.pop(name, None)
        return left

    def _clean_up(self, name: str, running: _Running) -> list[str]:
        definition, log = running.definition, self._worker.log
        known = positions.load(log, name) if isinstance(definition, SourceDefinition) else {}
        incarnation = positions.known_incarnation(log, name) if isinstance(definition, SinkDefinition) else None
        if definition.clean_up is None or not (known or incarnation):
            return []
        secrets = self._worker.make_secrets(running.folder)
        try:
            left = definition.clean_up(
                Leaving(name, lambda: parse_options(definition.all_options, running.properties, secrets), secrets, known, incarnation)
            )
        except Exception as error:  # noqa: BLE001 - nothing at the far side may keep a connector from being dropped
            left = [f"What is kept for it there was not removed: {error}"]
        return [secrets.redact(sentence) for sentence in left]

    def positions(self, name: str) -> dict[str, Position]:
        """How far each part of a source's world is read, as committed; empty for a sink."""
        return positions.load(self._worker.log, name)

    def close(self) -> None:
        """Stop every connector."""
        with self._lock:
            connectors, self._connectors = list(self._connectors.values()), {}
        _stop([task for running in connectors for task in running.tasks])

    def _taken(self, name: str, *, leaving: bool = False) -> _Running:
        """A connector, which is then no longer among those that there are, though where it is `leaving` its name is not free yet."""
        with self._lock:
            running = self._connectors.pop(name, None)
            if running is None:
                raise _unknown(name)
            if leaving:
                self._leaving.add(name)
        return running

    def _find(self, name: str) -> _Running:
        with self._lock:
            running = self._connectors.get(name)
        if running is None:
            raise _unknown(name)
        return running

    def _check_free(self, name: str) -> None:
        if name in self._leaving:
            raise ConnectorError(f"Connector {name} is still being dropped.", mend="Create it once that has ended.")

    def _tasks(self, definition: Definition, properties: Mapping[str, str], folder: Path | None) -> int:
        """How many tasks a connector gets. Where its options cannot be read now it gets one, which says so."""
        try:
            options = parse_options(definition.all_options, properties, self._worker.make_secrets(folder))
        except ConfigError:
            return 1
        most: int = options["tasks.max"]
        return max(1, min(most, definition.tasks(options))) if isinstance(definition, SourceDefinition) else most


def kind_of(properties: Mapping[str, str]) -> OneOf["SOURCE", "SINK"]:
    """Whether the properties are of a source or a sink. Raises ConfigError for an unknown class."""
    return _definition(None, properties).kind


def _definition(kind: str | None, properties: Mapping[str, str]) -> Definition:
    class_name = next((text for key, text in properties.items() if key.lower() == "connector.class"), None)
    if class_name is None:
        raise ConfigError("The connector does not say what it is.", mend="Add 'connector.class'='HttpSink', or another, to WITH.")
    return definition_of(class_name, kind)


def _stop(tasks: Sequence[Task]) -> None:
    """Stop tasks, all at once: each may have something to finish."""
    for task in tasks:
        task.ask_to_stop()
    for task in tasks:
        task.stop()


def _unknown(name: str) -> ConnectorError:
    return ConnectorError(f"There is no connector {name}.", mend="SHOW CONNECTORS lists those that there are.")
