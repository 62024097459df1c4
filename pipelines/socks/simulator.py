"""The simulated hand before the camera: a drawer of socks, held up one after the other, with the wall in between."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .classifier import Picture
from .config import Config, Sock
from .drawings import draw

ENTERS, LEAVES = 0.12, 0.85
"""Between which parts of a window the sock is before the camera."""
MOVING = 0.07
"""The part of a window that it takes to bring the sock in, and to take it out."""


class Simulator:
    """What the camera would see. The socks follow from `seed`: each drawer holds two of every design but one, which has lost the other.

    A sock is held up once in every window of the SQL (they begin at multiples of `window_s` since 1970), so that it is counted once. `shown` is
    how many socks were held up before this start.
    """

    def __init__(self, config: Config, *, seed: int, shown: int = 0) -> None:
        self._window_ms = int(config.window_s * 1000)
        self._random = np.random.default_rng([seed, shown])
        self._socks = drawers(config.socks, seed)
        for _ in range(shown):
            next(self._socks)
        self._window = -1
        self._sock: Sock | None = None

    def picture(self, now_ms: int) -> Picture:
        """The picture at a time that never runs backwards."""
        window, into_ms = divmod(now_ms, self._window_ms)
        if window != self._window:
            self._window = window
            # One that begins in the middle of a window would be seen too rarely in it.
            self._sock = next(self._socks) if into_ms <= ENTERS * self._window_ms else None
        into = into_ms / self._window_ms
        entering = min(1.0, (into - ENTERS) / MOVING, (LEAVES - into) / MOVING)
        return draw(self._sock, self._random, entering=max(0.0, entering))


def drawers(socks: tuple[Sock, ...], seed: int) -> Iterator[Sock]:
    """The socks in the order in which they are held up, without end."""
    random = np.random.default_rng([seed, 7])
    while True:
        drawer = [*socks, *socks]
        drawer.pop(int(random.integers(len(drawer))))
        random.shuffle(drawer)
        yield from drawer
