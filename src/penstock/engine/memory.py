"""Memory between batches: kept while a backlog is worked on, given back when it is over.

A large batch takes and frees columns of many megabytes. By default glibc takes such from the system and returns them each time, and Arrow's own
allocator does so after a moment: the kernel then clears every page again and again, which was a quarter of the time of a query in backlog. While any
query is in backlog, the process keeps what it frees; once none is, what is free goes back to the system at once.
"""

from __future__ import annotations

import ctypes
import threading
from functools import cache

import pyarrow as pa

# glibc's malloc.h
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4
MAPS_MAX = 65_536
"""glibc's default."""
LARGE = 4 << 20
"""Outside a backlog, an allocation of this size is a mapping of its own, which goes back when it is freed."""

_lock = threading.Lock()
_in_backlog: set[str] = set()


def keep(query: str) -> None:
    """The query is in backlog: let the process keep the memory that it frees."""
    with _lock:
        if not _in_backlog and (libc := _glibc()) is not None:
            pa.set_memory_pool(pa.system_memory_pool())
            libc.mallopt(M_MMAP_MAX, 0)
            libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        _in_backlog.add(query)


def give_back(query: str) -> None:
    """The query has nothing waiting, or has ended. Where it was the last one in backlog, free memory goes back to the system (some ms)."""
    with _lock:
        if query not in _in_backlog:
            return
        _in_backlog.remove(query)
        if not _in_backlog and (libc := _glibc()) is not None:
            libc.mallopt(M_MMAP_MAX, MAPS_MAX)
            libc.mallopt(M_MMAP_THRESHOLD, LARGE)
            libc.mallopt(M_TRIM_THRESHOLD, 2 * LARGE)
            libc.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    """The C library, where it is glibc; another one's allocator is left as it is."""
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
