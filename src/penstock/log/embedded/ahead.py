"""Writing zeros where the file is about to grow, in small pieces, before LMDB writes what belongs there.

LMDB writes a transaction's neighbouring pages by one system call. Linux then takes page cache in pieces as large as what is written, up to megabytes,
and large pieces of free memory are those that nobody has used for long: on a virtual machine they may not even be there until the host brings
them. A page that is new in the cache cost 9 µs so, and 1 µs in pieces of a megabyte; over a page that is in the cache already LMDB writes in half.

Only what lies beyond the end of the file is written, where there can be nothing. Pages that LMDB does not need after all it will need for the
next transactions; it never looks at them before.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lmdb import _Database

PIECE_BYTES = 1 << 20
GROWTH_BYTES_MIN = 2 * PIECE_BYTES
"""Growth that is smaller costs LMDB no more than us."""
ZEROS = bytes(PIECE_BYTES)


def large_pages(txn: Any, tables: Sequence[_Database]) -> int:
    """How many pages the large values of the tables take."""
    return sum(txn.stat(table)["overflow_pages"] for table in tables)


def grow(file: int, end: int, room: int) -> None:
    """Make the file reach to `end`, unless that is little, or more than half of the `room` that there is for it. What the disk does not take LMDB
    will be told of."""
    size = os.fstat(file).st_size
    if not GROWTH_BYTES_MIN <= end - size <= room // 2:
        return
    with contextlib.suppress(OSError):
        for at in range(size, end, PIECE_BYTES):
            os.pwrite(file, ZEROS[: end - at], at)
