"""Ending what nobody waits for any more: a query whose client has gone, a wait of a server that stops."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from penstock.errors import Error


class Cancellation:
    """Word to what is under way that it should end. Any thread may `ask`; what is under way looks, waits, or says how it is interrupted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = threading.Event()
        self._interrupts: list[Callable[[], None]] = []

    def ask(self) -> None:
        """Interrupt what is under way, and keep what follows from beginning. Asking again interrupts again."""
        with self._lock:
            self._asked.set()
            for interrupt in self._interrupts:
                interrupt()

    def check(self) -> None:
        """Raise Error where it was asked for."""
        if self._asked.is_set():
            raise Error("The statement was ended before it was done: its client has gone, or the server stops.")

    def wait(self, seconds: float) -> None:
        """Wait for a time. Raises Error where it is asked for meanwhile."""
        self._asked.wait(seconds)
        self.check()

    @contextmanager
    def interrupted_by(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """What runs within ends, with an error of its own, when `interrupt` is called, which may be from any thread. That error becomes ours."""
        self.check()
        with self._lock:
            self._interrupts.append(interrupt)
        try:
            yield
        except Exception:
            self.check()
            raise
        finally:
            with self._lock:
                self._interrupts.remove(interrupt)
