"""The life of a connector's task: its states, its waits, and what it has counted. Sinks and sources share it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal as OneOf

TaskState = OneOf["RUNNING", "PAUSED", "FAILED", "STOPPED"]

_logger = logging.getLogger("penstock.connect")


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """A task as SHOW and DESCRIBE CONNECTOR see it. `reason` says why it FAILED, or what it is about to try again; `delivered` and
    `refused` count records since the start of the process (a source's delivered records are those that are in their topics), `restarts` the
    restarts since the last delivery, `topics` are those of its records."""

    id: int
    state: TaskState
    reason: str = ""
    delivered: int = 0
    refused: int = 0
    restarts: int = 0
    topics: frozenset[str] = frozenset()


class TaskInterruptedError(BaseException):
    """The task was paused or stopped while it waited. Not an Exception: a connector that catches those must not catch this."""


class Life:
    """The life of one task. Every method may be called from any thread."""

    def __init__(self, connector: str, task_id: int, *, paused: bool, restart_ms: int, restart_ms_max: int) -> None:
        self._connector, self._id = connector, task_id
        self._restart_ms, self._restart_ms_max = restart_ms, restart_ms_max
        self._changed = threading.Condition()
        self._wanted: OneOf["RUNNING", "PAUSED", "STOPPED"] = "PAUSED" if paused else "RUNNING"
        self._state: TaskState = self._wanted
        self._reason = ""
        self._told: set[str] = set()  # troubles in the log since anything worked
        self._delivered = self._refused = self._restarts = 0
        self._topics: frozenset[str] = frozenset()
        self._commands = 0  # pauses, resumes and stops so far
        self._commands_at_start = 0  # of the present run: any later one ends it, even a pause that was taken back at once
        self._working = False  # between the permission of a run and its end, connections closed
        self._idle_at = -1
        self._woken = False
        self._asked = 0  # how often it was asked whether there is anything to do
        self._looking_since = 0  # the question that the present look answers

    # ------------------------------------------------------------------ what is asked from outside

    def want(self, wanted: OneOf["RUNNING", "PAUSED", "STOPPED"]) -> None:
        """Pause, resume (a FAILED task tries again at once) or stop. The thread follows before its next delivery."""
        with self._changed:
            if self._wanted != "STOPPED":
                self._wanted = wanted
            if wanted == self._wanted != "STOPPED":
                self._state = wanted
            self._commands += 1
            self._changed.notify_all()

    def status(self) -> TaskStatus:
        """The task as it is now."""
        with self._changed:
            return TaskStatus(self._id, self._state, self._reason, self._delivered, self._refused, self._restarts, self._topics)

    def ask(self) -> int:
        """Have a source look once more whether there is anything; the number of the question, for `wait_idle`."""
        with self._changed:
            self._asked += 1
            self._woken = True
            self._changed.notify_all()
            return self._asked

    def wait_idle(self, ticket: int, timeout_s: float | None) -> bool:
        """Wait until the task was idle at `ticket` (a log's version or the number of a question), or is paused or stopped; whether that came
        within `timeout_s`."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._state in ("PAUSED", "STOPPED") or (self._state == "RUNNING" and self._idle_at >= ticket), timeout_s
            )

    def wait_rest(self, timeout_s: float) -> bool:
        """Wait until a pause or a stop has ended the present run, or a resume has taken it back; whether that came within `timeout_s`."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._working or self._wanted == "RUNNING", timeout_s)

    def wake(self) -> None:
        """End the present `wait_for_wake`, or else the next one."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    # ------------------------------------------------------------------ the thread's own

    def await_permission(self) -> bool:
        """Wait while paused or, where failed, until the time of the restart. False: stop."""
        with self._changed:
            self._working = False
            self._changed.notify_all()
            if self._state == "FAILED" and self._wanted == "RUNNING":
                wait_ms = min(self._restart_ms_max, self._restart_ms * 2 ** min(self._restarts, 20))
                self._changed.wait_for(lambda: self._wanted != "RUNNING" or self._state != "FAILED", wait_ms / 1000)
                self._restarts += 1
            self._changed.wait_for(lambda: self._wanted != "PAUSED")
            if self._wanted == "STOPPED":
                return False
            self._state = "RUNNING"
            self._working = True
            self._commands_at_start = self._commands
            self._woken = False
            return True

    def fail(self, reason: str) -> None:
        """The run has failed."""
        with self._changed:
            self._reason = reason
            if self.may_run():
                self._state = "FAILED"
            self._changed.notify_all()
        self._tell(logging.ERROR, f"task {self._id} failed: {reason}", "It is tried again by itself.")

    def end(self) -> None:
        """The thread is over."""
        with self._changed:
            self._state = "STOPPED"
            self._changed.notify_all()

    def may_run(self) -> bool:
        """Whether the present run should go on."""
        return self._commands == self._commands_at_start

    def check(self) -> None:
        """Raise TaskInterruptedError where the present run should not go on."""
        if not self.may_run():
            raise TaskInterruptedError

    def wait(self, seconds: float) -> None:
        """Wait, unless interrupted before the time is over: then TaskInterruptedError is raised."""
        with self._changed:
            if self._changed.wait_for(lambda: not self.may_run(), seconds):
                raise TaskInterruptedError

    def look(self) -> None:
        """A look whether there is anything to do begins now."""
        with self._changed:
            self._looking_since = self._asked

    def found_nothing(self) -> None:
        """The look found nothing."""
        self.note_idle(self._looking_since)

    def wait_for_wake(self, seconds: float | None) -> bool:
        """Wait for `wake`: True; or until the time is over: False. Who waits with nothing before him is idle. Raises TaskInterruptedError."""
        with self._changed:
            if not self._woken:
                self.found_nothing()
            self._changed.wait_for(lambda: self._woken or not self.may_run(), seconds)
            self.check()
            woken, self._woken = self._woken, False
            self.look()
            return woken

    def forget_topics(self) -> None:
        """Forget the topics of the records so far."""
        with self._changed:
            self._topics = frozenset()

    def count(self, *, delivered: int = 0, refused: int = 0, topics: Iterable[str] = ()) -> None:
        """Count records whose place is committed, and note their topics. The first ends a series of restarts."""
        with self._changed:
            self._delivered += delivered
            self._refused += refused
            self._topics = self._topics.union(topics)
            self._restarts, self._reason = 0, ""
            self._told.clear()

    def note_trouble(self, reason: str, wait_s: float) -> None:
        """What is about to be tried again, after a wait."""
        with self._changed:
            self._reason = reason
        self._tell(logging.WARNING, reason, f"Next try in {wait_s:.1f} s.")

    def note_idle(self, ticket: int) -> None:
        """All that there was at `ticket` is done."""
        with self._changed:
            self._idle_at = ticket
            self._reason = ""
            self._told.clear()
            self._changed.notify_all()

    def _tell(self, level: int, trouble: str, then: str) -> None:
        """Log a trouble, once until something works again: a far side that stays away would fill the log, and the screen of whoever looks around in
        a database whose far sides are not there. The status says it all the time."""
        with self._changed:
            level = logging.DEBUG if trouble in self._told else level
            self._told.add(trouble)
        _logger.log(level, "connector %s: %s %s", self._connector, trouble, then)
