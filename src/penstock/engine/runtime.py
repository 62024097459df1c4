"""The running queries of a process: each in a thread that sleeps until its topics grow.

`Runtime(threads=False)` runs nothing by itself: `drain` steps all queries until nothing is waiting, which is what tests want.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from penstock.engine.evaluate import EvaluationError
from penstock.engine.task import Task
from penstock.errors import Error, StorageLostError

if TYPE_CHECKING:
    from penstock.log.protocol import Log

RETRY_S_FIRST, RETRY_S_MAX = 0.5, 30.0
WATCH_S = 1.0

_logger = logging.getLogger("penstock.engine")


@dataclass
class Running:
    """A query's task and how it is. `error` says why it stands in ERROR; it is tried again from time to time."""

    make: Callable[[], Task]
    task: Task | None = None
    paused: bool = False
    stopping: threading.Event = field(default_factory=threading.Event)
    error: str | None = None
    thread: threading.Thread | None = None
    stepping: threading.Lock = field(default_factory=threading.Lock)
    """Held for each cycle."""
    retry_s: float = RETRY_S_FIRST
    settled: int = -1
    """The log's version up to which nothing was waiting."""

    @property
    def state(self) -> str:
        """RUNNING, PAUSED or ERROR."""
        return "PAUSED" if self.paused else "ERROR" if self.error else "RUNNING"


class Runtime:
    """Starts, stops and pauses the queries of one log."""

    def __init__(self, log: Log, *, threads: bool = True) -> None:
        self.log = log
        self.threads = threads
        self.queries: dict[str, Running] = {}
        self._changed = threading.Condition()
        """Notified where a query settles, fails, pauses or stops."""

    def start(self, name: str, make: Callable[[], Task], *, paused: bool = False) -> None:
        """Run a query until `stop`. `make` builds its task, in the thread that will run it."""
        running = Running(make, paused=paused)
        self.queries[name] = running
        if self.threads:
            running.thread = threading.Thread(target=self._live, args=(running,), name=f"penstock-{name}", daemon=True)
            running.thread.start()

    def stop(self, *names: str) -> None:
        """Stop queries after their present cycle; one that is not there is no error."""
        found = [running for name in names if (running := self.queries.pop(name, None)) is not None]
        for running in found:
            running.stopping.set()
        if any(running.thread is not None for running in found):
            self.log.wake()
        for running in found:
            if running.thread is not None and running.thread is not threading.current_thread():
                running.thread.join()
            elif running.task is not None:
                running.task.close()
        self._notify()

    def pause(self, name: str) -> None:
        """Let a query rest; its present cycle is over when this returns."""
        running = self.queries[name]
        running.paused = True
        with running.stepping:
            self._notify()

    def resume(self, name: str) -> None:
        """Let a paused query go on from where it was."""
        running = self.queries[name]
        running.paused, running.settled = False, -1
        self.log.wake()

    def close(self) -> None:
        """Stop all queries, each after its present cycle."""
        self.stop(*self.queries)

    # ------------------------------------------------------------------------------------------ stepping

    def drain(self) -> None:
        """Process all that is waiting, in the caller's thread (only where there are no threads)."""
        busy = True
        while busy:
            busy = False
            for running in list(self.queries.values()):
                if not running.paused:
                    running.task = running.task or running.make()
                    busy |= running.task.step()
        for running in list(self.queries.values()):
            if running.task is not None:
                running.task.rest()

    def wait_idle(self, timeout_s: float | None = None) -> bool:
        """Wait until every query has processed all that is in the log now, and what came of it; one in ERROR is not waited for. False where time
        ran out first."""
        if not self.threads:
            self.drain()
            return True
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        with self._changed:
            while True:
                version = self.log.version()
                if all(r.state != "RUNNING" or r.settled >= version for r in list(self.queries.values())):
                    return True
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                self._changed.wait(left)

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    # ------------------------------------------------------------------------------------------ a query's thread

    def _live(self, running: Running) -> None:
        """The life of a query's thread. A cycle that fails is tried again after a while: its transaction left nothing behind. Only where the log
        takes nothing more until it is opened anew the query stays in ERROR."""
        try:
            while not running.stopping.is_set():
                try:
                    version = self.log.version()
                    if not self._step(running):
                        self._settle(running, version)
                        if running.task is not None:
                            running.task.rest()
                        self.log.watch(version, WATCH_S)
                except StorageLostError as error:
                    self._fail(running, error)
                    return
                except Exception as error:  # noqa: BLE001 - one query's failure must not take the others along; it is shown and retried
                    self._fail(running, error)
                    running.stopping.wait(running.retry_s)
                    running.retry_s = min(running.retry_s * 2, RETRY_S_MAX)
        finally:
            if running.task is not None:
                with contextlib.suppress(Exception):
                    running.task.close()

    def _step(self, running: Running) -> bool:
        """One cycle, unless the query is paused. Whether there may be more to do at once."""
        with running.stepping:
            if running.paused:
                return False
            running.task = running.task or running.make()
            busy = running.task.step()
            running.error, running.retry_s = None, RETRY_S_FIRST
            return busy

    def _settle(self, running: Running, version: int) -> None:
        """Note that nothing was waiting in the log at this version."""
        with self._changed:
            running.settled = version
            self._changed.notify_all()

    def _fail(self, running: Running, error: Exception) -> None:
        """Note what went wrong. The task is made anew for the next try, since it may have been left half way."""
        _logger.debug("A query failed.", exc_info=error)
        with running.stepping, self._changed:
            running.error = described(error)
            task, running.task = running.task, None
            self._changed.notify_all()
        if task is not None:
            with contextlib.suppress(Exception):
                task.close()


def described(error: Exception) -> str:
    """What SHOW QUERIES says of a failure: a user's error in its own words, any other with the place it came from."""
    if isinstance(error, Error | EvaluationError):
        return str(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({frame.filename}:{frame.lineno})"
