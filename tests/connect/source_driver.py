"""Runs a source's code as the runtime does, batch by batch, where a test wants to look at each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from penstock.connect.contract import RetriableError, Source, SourceDefinition, definition_of
from penstock.connect.folders import Folders
from penstock.connect.options import parse_options
from penstock.connect.records import Position, SourceRecord
from penstock.connect.secrets import Secrets


class StoppedError(Exception):
    """The task is to stop."""


class Driver:
    """One task of a source. `records` are those committed, `positions` what was committed with them; `restart` goes on from there."""

    def __init__(
        self,
        class_name: str,
        options: Mapping[str, str],
        *,
        task: int = 0,
        tasks: int = 1,
        positions: Mapping[str, Position] | None = None,
        folders: Sequence[Path] = (),
    ) -> None:
        definition = definition_of(class_name, "SOURCE")
        assert isinstance(definition, SourceDefinition)
        self._definition, self._given = definition, {"connector.class": class_name, **options}
        self._folders = folders
        self.connector, self.task, self.tasks = "test", task, tasks
        self.positions: dict[str, Position] = dict(positions or {})
        self.records: list[SourceRecord] = []
        self.batches: list[int] = []
        self._changed = threading.Condition()
        self._woken = self._stopped = False
        self.source: Source = self._open()

    def _open(self) -> Source:
        self.secrets = Secrets(files=Folders(self._folders))
        return self._definition.open(parse_options(self._definition.all_options, self._given, self.secrets), self.secrets, self)

    def wait(self, seconds: float | None = None) -> bool:
        """As the runtime's."""
        with self._changed:
            self._changed.wait_for(lambda: self._woken or self._stopped, seconds)
            if self._stopped:
                raise StoppedError
            woken, self._woken = self._woken, False
            return woken

    def wake(self) -> None:
        """As the runtime's."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def stop(self) -> None:
        """End the present wait, from another thread."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def step(self) -> list[SourceRecord]:
        """One poll and its commit."""
        batch = self.source.poll()
        self.records += batch.records
        self.positions.update(batch.positions)
        if batch.records or batch.positions:
            self.batches.append(len(batch.records))
        self.source.committed(batch)
        return list(batch.records)

    def until(self, enough: Callable[[], Any], timeout_s: float = 60) -> list[SourceRecord]:
        """Poll until it is enough; all records so far. A far side that is away is tried again."""
        deadline = time.monotonic() + timeout_s
        while not enough():
            assert time.monotonic() < deadline, f"only {len(self.records)} records came: {self.records[-3:]}"
            try:
                self.step()
            except RetriableError:
                time.sleep(0.05)  # as the runtime does, which waits longer
        return self.records

    def take(self, count: int, timeout_s: float = 60) -> list[SourceRecord]:
        """Poll until so many more records came; these."""
        start = len(self.records)
        self.until(lambda: len(self.records) >= start + count, timeout_s)
        return self.records[start:]

    def run_on(self) -> None:
        """Poll until it raises."""
        while True:
            self.step()

    def restart(self) -> None:
        """Close the source without a word and open it anew from the committed positions."""
        self.source.close()
        self.source = self._open()

    def close(self) -> None:
        """Close the source."""
        self.source.close()
