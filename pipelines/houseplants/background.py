"""Threads whose failure ends the whole, instead of going unseen."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Background:
    """Runs functions in threads until `stop`; where one fails, sets `stop`, and `join` raises what it raised."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._threads: list[threading.Thread] = []
        self._failures: list[BaseException] = []

    def start(self, name: str, work: Callable[[], None]) -> None:
        """Run `work` in a thread."""

        def guarded() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - raised again by join
                if not self._stop.is_set():  # what breaks while all is being closed is of no interest
                    self._failures.append(error)
                self._stop.set()

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def join(self, timeout_s: float = 10) -> None:
        """Wait for the threads, which should have been told to stop, and raise the first failure."""
        for thread in self._threads:
            thread.join(timeout_s)
        if self._failures:
            raise self._failures[0]
