"""Event time: the wall clock, or a simulated one that runs faster."""

from __future__ import annotations

import threading
import time


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
