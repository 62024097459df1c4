"""A small table held in memory: the stored rows that a join meets, for as long as none of them changes.

A batch would otherwise be asked for the keys that it holds and each of them looked up, batch after batch, to find the same rows again.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import pyarrow as pa

from penstock.engine.state import Rows

ROWS_MAX = 100_000
"""A table of more rows is looked up by key, whatever the batch."""

BATCH_ROWS_MIN = 10_000
SMALL_ROWS_MAX = 2_000
"""A batch of fewer rows than BATCH_ROWS_MIN meets only a table of at most SMALL_ROWS_MAX whole: reading a larger one, and hashing it for each
batch, would cost more than the query for the batch's keys, some 2 ms."""


@dataclass
class WholeTable:
    """What a join keeps of its table between batches: all rows, as columns r0, r1, ..., or how many there are at least."""

    rows: pa.Table | None = None
    exceeds: int = 0

    def forget(self) -> None:
        """The table changes."""
        self.rows, self.exceeds = None, 0

    def read(self, stored: Rows, batch_rows: int) -> pa.Table | None:
        """The rows; None where the table is too large for a batch of so many rows."""
        most = ROWS_MAX if batch_rows >= BATCH_ROWS_MIN else SMALL_ROWS_MAX
        if self.rows is None and self.exceeds < most:
            items = [value for _, value in islice(stored.store.scan(), most + 1)]
            if len(items) > most:
                self.exceeds = most
            else:
                self.rows = pa.table({f"r{i}": column for i, column in enumerate(stored.codec.decode(items))})
        return self.rows if self.rows is not None and self.rows.num_rows <= most else None
