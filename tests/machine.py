"""How the machine is, for tests that judge by the clock."""

from __future__ import annotations

import contextlib
import resource
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path


def how_slow() -> float:
    """How much longer work takes now than on an idle machine: 1 or more."""
    wall, own = time.perf_counter(), time.thread_time()
    sum(range(1_000_000))
    return max(1.0, (time.perf_counter() - wall) / (time.thread_time() - own))


def idle_median_ms(what: str, waits_s: Sequence[float], slowness: Sequence[float]) -> float:
    """The median of what waits took (s), in ms as an idle machine would have it: `slowness` is `how_slow` before each. Printed, for `pytest -s`."""
    median_ms, slow = statistics.median(waits_s) * 1000, statistics.median(slowness)
    print(f"\n{what}: median {median_ms:.0f} ms on a machine {slow:.1f} times as slow as idle, {median_ms / slow:.0f} ms of an idle one")
    return median_ms / slow


@contextlib.contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size` (bytes): to a writer that is a full disk, and needs no rights."""
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))


def peak_mb(process: int) -> float:
    """The most memory that a running process has had resident. (What `wait` tells of an ended one begins with the memory of who started it.)"""
    status = Path(f"/proc/{process}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024
