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
SMALL_ROWS = 2_000
"""A table of at most so many rows is read whole by every batch."""
PER_BATCH_ROW, PER_KEY = 0.1, 8
"""What a larger one must not exceed: so many rows for each row of the batch, or for each key that the batch before looked up. To hash a row for a
batch costs about an eighth of looking one up, so a batch of few keys is not made to pay for a table of many."""


@dataclass
class WholeTable:
    """What a join keeps of its table between batches: all rows, as columns r0, r1, ..., or how many there are at least. `met`: how many keys the
    last batch that looked rows up asked for."""

    rows: pa.Table | None = None
    exceeds: int = 0
    met: int = 0

    def forget(self) -> None:
        """The table changes."""
        self.rows, self.exceeds = None, 0

    def read(self, stored: Rows, batch_rows: int) -> pa.Table | None:
        """The rows; None where the table is too large for a batch of so many rows."""
        most = min(ROWS_MAX, max(SMALL_ROWS, int(batch_rows * PER_BATCH_ROW), self.met * PER_KEY))
        if self.rows is None and self.exceeds < most:
            items = [value for _, value in islice(stored.store.scan(), most + 1)]
            if len(items) > most:
                self.exceeds = most
            else:
                self.rows = pa.table({f"r{i}": column for i, column in enumerate(stored.codec.decode(items))})
        return self.rows if self.rows is not None and self.rows.num_rows <= most else None
