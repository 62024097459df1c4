"""Cleaning by itself: retention, compaction and merging from time to time, in a thread that starts with the first write."""

from __future__ import annotations

from penstock.log.embedded.environment import Environment


class Cleaner:
    """The cleaner of one log."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def wake(self) -> None:
        """There has been a write."""

    def clean(self, now_ms: int | None) -> None:
        """Clean everything now; `now_ms` stands for the time."""

    def stop(self) -> None:
        """End the thread."""
