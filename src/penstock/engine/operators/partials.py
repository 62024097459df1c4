"""The partial rows of a batch, and what of them is a column's value in each group's last row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from penstock.engine.evaluate import one_chunk
from penstock.engine.keys import Keys

LAST_OF = re.compile(r"arg_max(?P<nulls>_null)?\((?P<column>c\d+), _o\)")
"""The partial of an aggregate that is a column's value in the group's last row, or in the last that has one."""
TAKEN_FROM = 10_000
"""From so many rows on it pays to take what a group's last row has from there."""


@dataclass(frozen=True)
class Lasts:
    """The columns of partial rows that are a column's value in each group's last row: that column, whose first row's place is `first`."""

    columns: Mapping[str, pa.Array] = field(default_factory=dict)
    first: int = 0


NO_LASTS = Lasts()


def lasts_of(rows: pa.Table, partials: Mapping[str, str]) -> Lasts:
    """Those of `partials` (names -> SQL), and `_t`, that can be taken from the last rows. It spares DuckDB to keep a value for each group while it
    groups: for texts a third of the work."""
    if rows.num_rows < TAKEN_FROM:
        return NO_LASTS
    first = rows["_o"][0].as_py()
    if rows["_o"][-1].as_py() - first + 1 != rows.num_rows:
        return NO_LASTS
    times = one_chunk(rows["_t"])
    rising = bool((times.to_numpy()[1:] >= times.to_numpy()[:-1]).all())
    found = {"_t": times} if rising else {}
    for name, sql in partials.items():
        call = LAST_OF.fullmatch(sql)
        if call and (call["nulls"] or not rows[call["column"]].null_count):
            found[name] = one_chunk(rows[call["column"]])
    return Lasts(found, first)


@dataclass
class Partials:
    """The partial rows of a batch, one a group: columns c (key, carried), s (partial state), meta. Some are not in `table`: `_p` where all rows are
    of one `partition`, `_g` where it is `_o`, and `lasts`. They are in no order, or in that of the state: then `keys` are theirs."""

    table: pa.Table
    partition: int | None
    lasts: Lasts
    keys: Keys | None = None

    def __len__(self) -> int:
        return len(self.table)

    @property
    def partitions(self) -> npt.NDArray[np.int32]:
        """Each row's partition."""
        if self.partition is not None:
            return np.full(len(self), self.partition, np.int32)
        found: npt.NDArray[np.int32] = one_chunk(self.table["_p"]).to_numpy(zero_copy_only=False)
        return found

    def in_order(self, order: npt.NDArray[np.int64] | None) -> dict[str, pa.Array]:
        """All columns, the rows in an order, or as they are. That uses these up: their memory is for what comes next."""
        partitions = pa.array(self.partitions)
        table, self.table = self.table, self.table.slice(0, 0)
        lasts, self.lasts = self.lasts, NO_LASTS
        rows = {name: one_chunk(table[name]) for name in table.column_names}
        if order is not None:
            index = pa.array(order)
            rows = {name: column.take(index) for name, column in rows.items()}
        if self.partition is not None:
            rows["_p"] = partitions
        rows.setdefault("_g", rows["_o"])
        if lasts.columns:
            index = pc.subtract(rows["_o"], lasts.first)
            rows |= {name: column.take(index) for name, column in lasts.columns.items()}
        return rows
