"""Noticing change: the ends of all topics, asked of the cluster and compared with those before."""

from __future__ import annotations

import threading
import time

from penstock.log.kafka.topics import Topics

POLL_S = 0.05
TOPICS_S = 1.0  # how often a look includes topics that others have created


class Changes:
    """A count of the changes noticed. Threads that wait at the same time share one look."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._changed = threading.Condition()
        self._looking = threading.Lock()
        self._version = 0
        self._ends: dict[tuple[str, int], int] | None = None
        self._partitions: dict[str, int] = {}
        self._partitions_until = 0.0
        self._hints = 0
        self._looked = 0.0
        self._closed = False

    def hint(self) -> None:
        """This process has written: whoever waits looks now."""
        with self._changed:
            self._hints += 1
            self._partitions_until = 0.0
            self._changed.notify_all()

    def wake(self) -> None:
        """Count a change that was none, and let whoever waits go."""
        with self._looking:
            self._version += 1
        with self._changed:
            self._hints += 1
            self._changed.notify_all()

    def version(self) -> int:
        """The count after a look at the cluster."""
        asked = time.monotonic()
        with self._looking:
            if self._looked < asked:
                self._look()
            return self._version

    def _look(self) -> None:
        began = time.monotonic()
        if began >= self._partitions_until:
            self._partitions_until = began + TOPICS_S
            self._partitions = {name: count for name, count in self._topics.partitions().items() if not name.startswith("__")}
        ends = self._topics.ends(self._partitions)
        if ends != self._ends:
            self._version += 1
            self._ends = ends
        self._looked = began

    def watch(self, version: int, timeout: float | None) -> int:
        """Wait until the count exceeds `version`, for `timeout` s at most, or the log is closed; return the count then."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            before = self._hints
            now = self.version()
            left = POLL_S if deadline is None else min(POLL_S, deadline - time.monotonic())
            if now > version or left <= 0 or self._closed:
                return now
            with self._changed:
                if self._hints == before and not self._closed:
                    self._changed.wait(left)

    def close(self) -> None:
        """Let go whoever waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
