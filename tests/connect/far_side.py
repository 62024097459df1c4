"""A small source for the runtime's tests, and the world that it reads: parts, each a list of items that only grows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.connect.contract import RetriableError, SourceContext, SourceDefinition
from penstock.connect.options import Option
from penstock.connect.records import Position, SourceBatch, SourceRecord
from penstock.connect.secrets import Secrets
from penstock.errors import ConnectorError
from penstock.sql.types import SqlType

BATCH = 7
"""Items of a part that a poll brings at most."""


class FarSide:
    """The world: parts by name, failures on purpose, and what was done to it."""

    def __init__(self) -> None:
        self.parts: dict[str, list[Any]] = {"a": []}
        self.schema: SqlType | None = None
        self.failures: list[Exception] = []
        """What the next polls raise."""
        self.acknowledged: list[Mapping[str, Position]] = []
        self.polls = 0
        self.closed = 0
        self.on_commit: Callable[[], object] = lambda: None
        self.on_clean_up: Callable[[], Sequence[str]] = tuple
        """What is done when a connector is dropped, and what then stays."""
        self._contexts: list[SourceContext] = []
        self.changed = threading.Condition()
        self.record: Callable[[str, int, Any], SourceRecord] = lambda part, n, item: SourceRecord(f"from-{part}", item, key=str(n))

    def add(self, part: str, *items: Any) -> None:
        """Something happens in the world; the sources are told."""
        self.parts.setdefault(part, []).extend(items)
        for context in self._contexts:
            context.wake()

    def definition(self) -> SourceDefinition:
        """The connector of this world."""

        def open_source(options: Mapping[str, Any], secrets: Secrets, context: SourceContext) -> _Reader:
            return _Reader(self, options, secrets, context)

        return SourceDefinition(
            class_names=("FarSide",),
            summary="Reads the world of a test.",
            documentation="",
            example="",
            options=(Option("word", "password", "A secret.", ""), Option("interval.ms", "integer", "Between two looks.", None)),
            open=open_source,
            tasks=lambda options: len(self.parts),
            clean_up=lambda *_: self.on_clean_up(),
        )

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds."""
        with self.changed:
            assert self.changed.wait_for(condition, 20)

    def joined(self, context: SourceContext) -> None:
        """A source has come."""
        self._contexts.append(context)


class _Reader:
    def __init__(self, far: FarSide, options: Mapping[str, Any], secrets: Secrets, context: SourceContext) -> None:
        self._far, self._options, self._context = far, options, context
        far.joined(context)

    def poll(self) -> SourceBatch:
        with self._far.changed:
            self._far.polls += 1
            self._far.changed.notify_all()
        while True:
            if self._far.failures:
                raise self._far.failures.pop(0)
            batch = self._look()
            if batch.records or batch.positions:
                return batch
            interval_ms = self._options["interval.ms"]
            self._context.wait(None if interval_ms is None else interval_ms / 1000)

    def _look(self) -> SourceBatch:
        mine = sorted(self._far.parts)[self._context.task :: self._context.tasks]
        records, positions = [], {}
        for part in mine:
            start = int(self._context.positions.get(part, {"next": 0})["next"])
            items = self._far.parts[part][start : start + BATCH]
            records += [self._far.record(part, start + n, item) for n, item in enumerate(items) if item != "skipped"]
            if items:
                positions[part] = {"next": start + len(items)}
        return SourceBatch(records, positions)

    def committed(self, batch: SourceBatch) -> None:
        with self._far.changed:
            self._far.acknowledged.append(dict(batch.positions))
            self._far.changed.notify_all()
        self._far.on_commit()

    def close(self) -> None:
        self._far.closed += 1


def not_now(what: str = "The world is away.", retry_after_s: float | None = None) -> RetriableError:
    """A failure that is worth another try."""
    return RetriableError(what, retry_after_s=retry_after_s)


def never(what: str = "The world says no.") -> ConnectorError:
    """A failure that is not."""
    return ConnectorError(what)
