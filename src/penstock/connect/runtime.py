"""The connector runtime: starts, pauses, restarts and stops connectors, and says how they are."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal as OneOf

from penstock.connect.contract import SinkDefinition, definition_of
from penstock.connect.options import parse_options, shown_options
from penstock.connect.records import OpenReader
from penstock.connect.secrets import Secrets
from penstock.connect.task import SinkTask, TaskSetup, TaskState, TaskStatus
from penstock.errors import ConfigError, ConnectorError
from penstock.log.protocol import Log


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
    definition: SinkDefinition
    properties: Mapping[str, str]
    tasks: tuple[SinkTask, ...]


class ConnectRuntime:
    """The connectors of one process. Every method may be called from any thread.

    `secret_folders`: `${file:...}` may read below these alone. `env_pattern`: the environment variables that `${env:...}` may read. A failed
    task is started again after `restart_ms`, then twice that, up to `restart_ms_max`.
    """

    def __init__(
        self,
        log: Log,
        open_reader: OpenReader,
        *,
        secret_folders: Sequence[Path] = (),
        env_pattern: str = ".*",
        restart_ms: int = 1_000,
        restart_ms_max: int = 300_000,
    ) -> None:
        self._log = log
        self._open_reader = open_reader
        self._secret_folders = tuple(secret_folders)
        self._env_pattern = env_pattern
        self._restart_ms = restart_ms
        self._restart_ms_max = restart_ms_max
        self._lock = threading.Lock()
        self._connectors: dict[str, _Running] = {}

    def check(self, kind: str, name: str, properties: Mapping[str, str]) -> None:
        """Raise ConfigError or TopicError for what would keep the connector from starting: an unknown class or option, a bad value, a
        secret that is not there, a topic that does not exist, a template's column that the records do not have. Nothing is sent."""
        definition = self._definition(kind, properties)
        secrets = self._secrets()
        options = parse_options(definition.all_options, properties, secrets)
        reader = self._open_reader(options["topics"])
        definition.open(options, secrets, reader.columns()).close()

    def start(self, kind: str, name: str, properties: Mapping[str, str], *, paused: bool = False) -> None:
        """Start a connector from the properties of its statement, secrets unresolved. What goes wrong later shows in its status.
        Raises ConfigError for an unknown class, ConnectorError where a connector of that name runs."""
        definition = self._definition(kind, properties)
        tasks_max = _tasks_max(definition, properties)
        setups = [
            TaskSetup(name, number, tasks_max, definition, dict(properties), self._log, self._open_reader, self._secrets,
                      self._restart_ms, self._restart_ms_max)
            for number in range(tasks_max)
        ]  # fmt: skip
        running = _Running(definition, dict(properties), tuple(SinkTask(setup, paused=paused) for setup in setups))
        with self._lock:
            if name in self._connectors:
                raise ConnectorError(f"Connector {name} exists already.", mend="DROP it first, or choose another name.")
            self._connectors[name] = running
        for task in running.tasks:
            task.start()

    def pause(self, name: str) -> None:
        """Stop delivering; the place is kept. Raises ConnectorError for an unknown name, as all the others do."""
        for task in self._find(name).tasks:
            task.pause()

    def resume(self, name: str) -> None:
        """Go on after a pause, or at once after a failure."""
        for task in self._find(name).tasks:
            task.resume()

    def restart(self, name: str) -> None:
        """Stop the tasks and start them anew, from the committed place: options' secrets are read again."""
        running = self._find(name)
        self.stop(name)
        self.start(running.definition.kind, name, running.properties)

    def stop(self, name: str) -> None:
        """Stop the connector and forget it. Its committed offsets stay, so that one of the same name goes on where it was."""
        with self._lock:
            running = self._connectors.pop(name, None)
        if running is None:
            raise _unknown(name)
        for task in running.tasks:
            task.stop()

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

    def wait_idle(self, timeout: float | None = None) -> bool:
        """Wait until the running connectors have delivered all that the log holds now, at most `timeout` seconds; whether they have.
        A FAILED one has not."""
        deadline = None if timeout is None else time.monotonic() + timeout
        version = self._log.version()
        with self._lock:
            tasks = [task for running in self._connectors.values() for task in running.tasks]
        return all(task.wait_idle(version, None if deadline is None else max(0.0, deadline - time.monotonic())) for task in tasks)

    def close(self) -> None:
        """Stop every connector."""
        with self._lock:
            connectors, self._connectors = list(self._connectors.values()), {}
        for running in connectors:
            for task in running.tasks:
                task.stop()

    def _find(self, name: str) -> _Running:
        with self._lock:
            running = self._connectors.get(name)
        if running is None:
            raise _unknown(name)
        return running

    def _secrets(self) -> Secrets:
        return Secrets(self._secret_folders, env_pattern=self._env_pattern)

    def _definition(self, kind: str, properties: Mapping[str, str]) -> SinkDefinition:
        class_name = next((text for key, text in properties.items() if key.lower() == "connector.class"), None)
        if class_name is None:
            raise ConfigError("The connector does not say what it is.", mend="Add 'connector.class'='HttpSink', or another, to WITH.")
        definition = definition_of(class_name, kind)
        assert isinstance(definition, SinkDefinition)
        return definition


def _tasks_max(definition: SinkDefinition, properties: Mapping[str, str]) -> int:
    option = next(option for option in definition.all_options if option.name == "tasks.max")
    text = next((text for key, text in properties.items() if key.lower() == option.name), None)
    return int(option.default if text is None else option.parse(text, Secrets()))


def _unknown(name: str) -> ConnectorError:
    return ConnectorError(f"There is no connector {name}.", mend="SHOW CONNECTORS lists those that there are.")
