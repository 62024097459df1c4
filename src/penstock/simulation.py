"""What simulated systems share: a clock that can run fast, and threads whose failure ends the whole, instead of going unseen."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Clock:
    """Time that starts at `start_ms` (ms since the epoch) and runs `speed` times as fast as the world's."""

    def __init__(self, start_ms: int, speed: float = 1.0) -> None:
        self._start_ms = start_ms
        self._speed = speed
        self._started = time.monotonic()

    def now_ms(self) -> int:
        """The time now."""
        return self._start_ms + int((time.monotonic() - self._started) * 1000 * self._speed)

    def wait_until(self, at_ms: int, stop: threading.Event) -> bool:
        """Wait until the clock shows `at_ms`; False where `stop` was set before."""
        while (left_ms := at_ms - self.now_ms()) > 0:
            if stop.wait(left_ms / 1000 / self._speed):
                return False
        return not stop.is_set()


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
