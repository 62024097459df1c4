"""Memory is kept while a query is in backlog, and given back when none is. In a process of its own: it is the allocator's."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

PROGRAM = """
import numpy as np
from penstock.engine import memory

MB = 1 << 20

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / MB

def work():
    columns = [np.ones(8 * MB, np.uint8) for _ in range(32)]
    del columns

work()
before = resident()
memory.keep("a")
memory.keep("b")
work()
kept = resident() - before
memory.give_back("a")
half = resident() - before
memory.give_back("a")
memory.give_back("b")
print(kept, half, resident() - before)
work()
print(resident() - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library is not glibc, whose allocator is left as it is")
def test_freed_memory_stays_in_a_backlog_alone() -> None:
    output = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout.split()
    kept, one_left, none_left, after = map(float, output)
    assert kept > 200, "what was freed is there for the next batch"
    assert one_left > 200, "another query is still in backlog"
    assert none_left < 50, "nothing is in backlog: it went back"
    assert after < 50, "and from then on goes back at once"
