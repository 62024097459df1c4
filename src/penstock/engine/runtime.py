"""The running queries of a process: each in a thread that sleeps until its topics grow.

`Runtime(threads=False)` runs nothing by itself: `drain` steps all queries until nothing is waiting, which is what tests want.
"""

from __future__ import annotations

import contextlib
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from penstock.engine.task import Task
from penstock.errors import Error, StorageError

if TYPE_CHECKING:
    from penstock.log.protocol import Log

RETRY_S_FIRST, RETRY_S_MAX = 0.5, 30.0


@dataclass
class Running:
    """A query's task and how it is. `error` says why it stands in ERROR; it is tried again from time to time."""

    make: Callable[[], Task]
    task: Task | None = None
    paused: bool = False
    stopping: bool = False
    error: str | None = None
    thread: threading.Thread | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
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

    def start(self, name: str, make: Callable[[], Task], *, paused: bool = False) -> None:
        """Run a query until `stop`. `make` builds its task, in the thread that will run it."""
        running = Running(make, paused=paused)
        self.queries[name] = running
        if self.threads:
            running.thread = threading.Thread(target=self._live, args=(running,), name=f"penstock-{name}", daemon=True)
            running.thread.start()

    def stop(self, name: str) -> None:
        """Stop a query after its present cycle."""
        running = self.queries.pop(name, None)
        if running is None:
            return
        running.stopping = True
        if running.thread is not None and running.thread is not threading.current_thread():
            running.thread.join()
        elif running.task is not None:
            running.task.close()

    def pause(self, name: str) -> None:
        """Let a query rest after its present cycle."""
        self.queries[name].paused = True

    def resume(self, name: str) -> None:
        """Let a paused query go on from where it was."""
        running = self.queries[name]
        running.paused, running.settled = False, -1

    def close(self) -> None:
        """Stop all queries, each after its present cycle."""
        for running in self.queries.values():
            running.stopping = True
        for name in list(self.queries):
            self.stop(name)

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

    def wait_idle(self, timeout_s: float | None = None) -> bool:
        """Wait until every query has processed all that is in the log now, and what came of it. False where time ran out first."""
        if not self.threads:
            self.drain()
            return True
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            version = self.log.version()
            waiting = [r for r in self.queries.values() if r.state == "RUNNING" and r.settled < version]
            if not waiting and version == self.log.version():
                return True
            if deadline is not None and time.monotonic() > deadline:
                return False
            time.sleep(0.002)

    def _live(self, running: Running) -> None:
        """The life of a query's thread. A cycle that fails is tried again after a while: its transaction left nothing behind."""
        try:
            while not running.stopping:
                version = self.log.version()
                if running.paused:
                    self.log.watch(version, 0.2)
                    continue
                try:
                    running.task = running.task or running.make()
                    busy = running.task.step()
                    running.error, running.retry_s = None, RETRY_S_FIRST
                except StorageError as error:
                    running.error = str(error)
                    return
                except Exception as error:  # noqa: BLE001 - one query's failure must not take the others along; it is shown and retried
                    running.error = str(error) if isinstance(error, Error) else "".join(traceback.format_exception(error))
                    self._rest(running)
                    continue
                if not busy:
                    running.settled = version
                    self.log.watch(version, 1.0)
        finally:
            if running.task is not None:
                with contextlib.suppress(Exception):
                    running.task.close()

    def _rest(self, running: Running) -> None:
        """Wait before another try, twice as long each time."""
        if running.task is not None:
            running.task.close()
            running.task = None
        until = time.monotonic() + running.retry_s
        running.retry_s = min(running.retry_s * 2, RETRY_S_MAX)
        while not running.stopping and time.monotonic() < until:
            time.sleep(0.05)
