"""A small table held in memory: the stored rows that a join meets, for as long as none of them changes.

A large batch would otherwise ask for the keys that it holds and look each of them up, batch after batch, to find the same rows again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice

import pyarrow as pa

from penstock.engine.state import Rows

ROWS_MAX = 100_000
"""A table of more rows is looked up by key."""

BATCH_ROWS_MIN = 10_000
"""A smaller batch looks its keys up: reading the table whole, and hashing it for each batch, would cost more."""


@dataclass
class WholeTable:
    """What a join keeps of its table between batches: all rows, as columns r0, r1, ..., or that they are too many."""

    rows: pa.Table | None = None
    too_large: bool = field(default=False)

    def forget(self) -> None:
        """The table changes."""
        self.rows, self.too_large = None, False

    def read(self, stored: Rows) -> pa.Table | None:
        """The rows; None where the table is too large."""
        if self.rows is None and not self.too_large:
            items = [value for _, value in islice(stored.store.scan(), ROWS_MAX + 1)]
            if len(items) > ROWS_MAX:
                self.too_large = True
            else:
                self.rows = pa.table({f"r{i}": column for i, column in enumerate(stored.codec.decode(items))})
        return self.rows
