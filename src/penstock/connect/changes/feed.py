"""A thread that waits on a database's connection, so that the task can wait for it and for being stopped at once, at no cost."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")

WAITING_MAX = 10_000
"""So many items may wait for the task; then the thread leaves the rest to the connection."""


class Feed(Generic[Item]):
    """Items in the order in which they came. `read` gives the next ones, waiting for them, until it raises; `interrupt` makes it raise, and is
    called from another thread. `wake` tells the task that there is something."""

    def __init__(self, name: str, read: Callable[[], Iterator[Item]], interrupt: Callable[[], None], wake: Callable[[], None]) -> None:
        self._read, self._interrupt, self._wake = read, interrupt, wake
        self._items: deque[Item] = deque()
        self._room = threading.Condition()
        self._closed = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)
        self._thread.start()

    def take(self, count: int) -> list[Item]:
        """At most `count` items that are there, without waiting. What made the thread end is raised after the last of them."""
        with self._room:
            taken = [self._items.popleft() for _ in range(min(count, len(self._items)))]
            self._room.notify_all()
            if not taken and self._failure is not None:
                raise self._failure
            return taken

    def close(self) -> None:
        """End the thread."""
        with self._room:
            self._closed = True
            self._room.notify_all()
        self._interrupt()
        self._thread.join(5)

    def _live(self) -> None:
        try:
            for item in self._read():
                with self._room:
                    self._room.wait_for(lambda: len(self._items) < WAITING_MAX or self._closed)
                    if self._closed:
                        return
                    self._items.append(item)
                    first = len(self._items) == 1
                if first:
                    self._wake()
        except BaseException as error:  # noqa: BLE001 - raised again by `take`, in the task's own thread
            with self._room:
                self._failure = error
            self._wake()
