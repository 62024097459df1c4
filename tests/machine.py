"""How the machine is, for tests that judge by the clock."""

from __future__ import annotations

import time


def how_slow() -> float:
    """How much longer work takes now than on an idle machine: 1 or more."""
    wall, own = time.perf_counter(), time.thread_time()
    sum(range(1_000_000))
    return max(1.0, (time.perf_counter() - wall) / (time.thread_time() - own))
