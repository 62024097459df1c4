"""What the runtime is to a source, for tests that look at one poll after the other."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from penstock.connect.contract import Source, definition_of
from penstock.connect.options import parse_options
from penstock.connect.records import Position, SourceRecord
from penstock.connect.secrets import Secrets


class Context:
    """A source's context. No wait is longer than `patience_s`."""

    def __init__(self, positions: Mapping[str, Position] | None = None, *, connector: str = "tap", task: int = 0, tasks: int = 1,
                 patience_s: float = 0.05) -> None:  # fmt: skip
        self.positions: dict[str, Position] = dict(positions or {})
        self.connector, self.task, self.tasks = connector, task, tasks
        self.waits: list[float | None] = []
        self._patience_s = patience_s
        self._woken = threading.Event()

    def wait(self, seconds: float | None = None) -> bool:
        self.waits.append(seconds)
        woken = self._woken.wait(self._patience_s if seconds is None else min(seconds, self._patience_s))
        self._woken.clear()
        return woken

    def wake(self) -> None:
        self._woken.set()


def open_source(class_name: str, properties: Mapping[str, str], context: Context, secrets: Secrets | None = None) -> Source:
    """The source of a connector's properties."""
    definition = definition_of(class_name, "SOURCE")
    secrets = secrets or Secrets()
    options: Any = parse_options(definition.all_options, {"connector.class": class_name} | dict(properties), secrets)
    return definition.open(options, secrets, context)  # type: ignore[arg-type, return-value]


def polled(source: Source, context: Context, polls: int = 1) -> list[SourceRecord]:
    """The records of some polls, committed, with what the next start would begin with in `context.positions`."""
    records: list[SourceRecord] = []
    for _ in range(polls):
        batch = source.poll()
        context.positions.update(batch.positions)
        if batch.records or batch.positions:
            source.committed(batch)
        records += batch.records
    return records
