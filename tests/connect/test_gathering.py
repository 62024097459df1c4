"""A sink that gathers records over many puts: what it has not delivered is not committed, and comes again."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from tests.connect.json_records import send

from penstock.connect import contract
from penstock.connect.contract import RefusedError, RetriableError, SinkContext, SinkDefinition
from penstock.connect.records import Record
from penstock.connect.runtime import ConnectRuntime
from penstock.connect.secrets import Secrets
from penstock.log.protocol import Log


class Shelf:
    """What a test's sinks have delivered, in parcels of ten, and what the test tells them."""

    def __init__(self) -> None:
        self.parcels: list[list[int]] = []
        self.failures = 0  # so many parcels fail
        self.due = threading.Event()  # the clock has struck
        self.changed = threading.Condition()

    def wait_for(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.parcels) >= count, 20), self.parcels


class GatherTens:
    """Delivers ten records together, or by the clock what there is. A record `{"N": -1}` is refused."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._gathered: list[Record] = []
        self._delivered: dict[tuple[str, int], int] = {}

    def put(self, records: Sequence[Record]) -> None:
        refused = [(r, "no such number") for r in records if r.columns["N"] == -1]
        for record in records:
            if record.columns["N"] == -1 or (self._gathered and record.offset <= self._gathered[-1].offset):
                continue
            self._gathered.append(record)
        if len(self._gathered) >= 10:
            self._deliver()
        if refused:
            raise RefusedError("Some are refused.", refused=refused)

    def tick(self) -> float | None:
        if self._shelf.due.is_set() and self._gathered:
            self._deliver()
        return 0.01 if self._gathered else None

    def delivered(self) -> Mapping[tuple[str, int], int]:
        return self._delivered

    def close(self) -> None:
        pass

    def _deliver(self) -> None:
        with self._shelf.changed:
            if self._shelf.failures:
                self._shelf.failures -= 1
                raise RetriableError("The shelf is full.")
            self._shelf.parcels.append([record.columns["N"] for record in self._gathered])
            last = self._gathered[-1]
            self._delivered[last.topic, last.partition] = last.offset + 1
            self._gathered.clear()
            self._shelf.changed.notify_all()


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Shelf:
    made = Shelf()

    def open_sink(options: Mapping[str, Any], secrets: Secrets, context: SinkContext) -> GatherTens:
        return GatherTens(made)

    definition = SinkDefinition(("Tens",), "", "", "", (), batch_max=lambda options: 4, open=open_sink)
    monkeypatch.setattr(contract, "definitions", lambda: (definition,))
    return made


def start(runtime: ConnectRuntime, **options: str) -> None:
    runtime.start("SINK", "tens", {"connector.class": "Tens", "topics": "alerts", "retry.backoff.ms": "1", **options})


def test_what_is_gathered_is_committed_when_it_is_delivered_and_comes_again_before(log: Log, runtime: ConnectRuntime, shelf: Shelf) -> None:
    send(log, "alerts", [{"N": n} for n in range(25)])
    start(runtime)
    assert runtime.wait_idle(20)
    assert [len(parcel) for parcel in shelf.parcels] == [12, 12]
    assert log.committed("connect-tens") == {("alerts", 0): 24}
    assert runtime.status("tens").tasks[0].delivered == 24
    runtime.restart("tens")
    send(log, "alerts", [{"N": n} for n in range(25, 36)])
    shelf.wait_for(3)
    assert shelf.parcels[2][0] == 24
    assert runtime.wait_idle(20)


def test_the_clock_delivers_without_new_records(log: Log, runtime: ConnectRuntime, shelf: Shelf) -> None:
    send(log, "alerts", [{"N": n} for n in range(3)])
    start(runtime)
    assert runtime.wait_idle(20)
    assert shelf.parcels == []
    shelf.due.set()
    shelf.wait_for(1)
    assert runtime.wait_idle(20)
    assert shelf.parcels == [[0, 1, 2]]
    send(log, "alerts", [{"N": 3}])
    shelf.wait_for(2)


def test_a_failed_delivery_is_tried_again_and_nothing_is_taken_twice(log: Log, runtime: ConnectRuntime, shelf: Shelf) -> None:
    shelf.failures = 3
    send(log, "alerts", [{"N": n} for n in range(12)])
    start(runtime)
    shelf.wait_for(1)
    assert shelf.parcels == [list(range(12))]


def test_letters_are_written_with_the_offset_that_passes_them(log: Log, runtime: ConnectRuntime, shelf: Shelf) -> None:
    """A refused record behind gathered ones: were its letter written at once, a crash would write it twice."""
    send(log, "alerts", [{"N": 0}, b"no json", {"N": -1}, {"N": 3}])
    start(runtime, **{"errors.tolerance": "all"})
    assert runtime.wait_idle(20)
    assert log.end_offset("dlq-tens", 0) == 0
    assert log.committed("connect-tens") == {}
    runtime.restart("tens")
    assert runtime.wait_idle(20)
    shelf.due.set()
    shelf.wait_for(1)
    deadline = time.monotonic() + 20
    while not log.committed("connect-tens") and time.monotonic() < deadline:
        log.watch(log.version(), 0.05)
    assert shelf.parcels == [[0, 3]]
    assert [letter["value"] for letter in log.read("dlq-tens", 0, 0).to_pylist()] == [b"no json", b'{"N": -1}']
    assert log.committed("connect-tens") == {("alerts", 0): 4}
    runtime.pause("tens")
    assert runtime.wait_idle(20)


def test_a_refused_record_with_nothing_before_it_is_committed_at_once(log: Log, runtime: ConnectRuntime, shelf: Shelf) -> None:
    send(log, "alerts", [b"no json", {"N": -1}])
    start(runtime, **{"errors.tolerance": "all"})
    assert runtime.wait_idle(20)
    assert log.committed("connect-tens") == {("alerts", 0): 2}
    assert log.end_offset("dlq-tens", 0) == 2
