"""Two tables joined by their keys: a table of the joined rows, which changes with either side.

Both sides' rows are stored by key. The changes of a cycle stand, key by key, in a line that begins with the stored rows of both sides; carried
forward along it, each side's latest row says what the joined row was before and after each change.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from penstock.engine.operators.changes import Changes, as_stage, carried, nothing, shifted
from penstock.engine.operators.contract import Operator
from penstock.engine.operators.sides import Arrivals, Flags, Numbers64, Rows, Side, latest, numbered
from penstock.engine.stage import Cycle, Stage
from penstock.engine.state import Rows as Stored
from penstock.plan import steps


@dataclass
class TableTableJoin:
    """With `old` the stage carries the joined row before each change, with `every` each change and not a key's last of a cycle."""

    step: steps.TableTableJoin
    left: Operator
    right: Operator
    name: str
    old: bool = False
    every: bool = False

    def __post_init__(self) -> None:
        self.sides = (Side(self.left), Side(self.right))

    def run(self, cycle: Cycle) -> Stage:
        """The joined rows that this cycle's changes change."""
        stages = (self.left.run(cycle), self.right.run(cycle))
        left, right = (side.arrivals(cycle, stage, "TRUE") for side, stage in zip(self.sides, stages, strict=True))
        if not len(left.rows) and not len(right.rows):
            return nothing(self.step, windowed=self.sides[0].windowed, old=self.old)
        keys = (self.sides[0].keys(left.rows), self.sides[1].keys(right.rows))
        distinct = sorted({*keys[0], *keys[1]})
        left_pool, left_had = self.recall(cycle, 0, distinct, left)
        right_pool, right_had = self.recall(cycle, 1, distinct, right)
        _, *numbers = numbered([distinct, *keys])
        changes = self.changes((left, right), (left_pool, right_pool), (numbers[0], numbers[1]), (left_had, right_had))
        self.keep(cycle, 0, keys[0], left)
        self.keep(cycle, 1, keys[1], right)
        return as_stage(cycle, self.step, self.sides, (left_pool, right_pool), changes, old=self.old, every=self.every)

    # ------------------------------------------------------------------------------------------ the changes

    def changes(
        self, arrivals: tuple[Arrivals, Arrivals], pools: tuple[Rows, Rows], keys: tuple[Numbers64, Numbers64], had: tuple[Flags, Flags]
    ) -> Changes:
        """What the arrivals of both sides change. Each pool holds the stored rows of the distinct keys and then the arrivals."""
        distinct = len(had[0])
        (left, right), start = arrivals, np.arange(distinct)
        a, b = len(left.rows), len(right.rows)
        key = np.concatenate([start, *keys])
        record = np.concatenate([np.full(distinct, -1), left.records, right.records])
        order = np.lexsort((record, key))
        side = np.concatenate([np.full(distinct, -1), np.zeros(a, np.int64), np.ones(b, np.int64)])[order]
        row = np.concatenate([start, distinct + np.arange(a), distinct + np.arange(b)])[order]
        there = np.concatenate([had[0], left.present, right.present])[order]
        first = side < 0
        stored_right = np.zeros(len(order), bool)
        stored_right[first] = had[1]
        now = (
            carried(np.where(there, row, -1), side != 1),
            carried(np.where(np.where(first, stored_right, there), row, -1), side != 0),
        )
        was = (shifted(now[0]), shifted(now[1]))
        times = (latest(pools[0].times, now[0]), latest(pools[1].times, now[1]))
        own = np.concatenate([np.zeros(distinct, np.int64), left.rows.times, right.rows.times])[order]
        other = np.where(side == 1, now[0], now[1]) >= 0
        lines = Changes(
            key[order], record[order], np.maximum(own, np.where(side == 1, times[0], times[1])), *now, *was,
            np.where(side == 1, -1, row), np.where(side == 1, row, -1), self.joins(*now), self.joins(*was),
        )  # fmt: skip
        # as in Kafka Streams a row that goes away while the other side's is there is told, whether it was known or not
        return lines.where(~first & (lines.present | lines.had | other))

    def joins(self, left: Numbers64, right: Numbers64) -> Flags:
        """Whether these rows make a joined row."""
        match self.step.join:
            case "INNER":
                return (left >= 0) & (right >= 0)
            case "LEFT":
                return left >= 0
            case "RIGHT":
                return right >= 0
        return (left >= 0) | (right >= 0)

    # ------------------------------------------------------------------------------------------ state

    def store(self, cycle: Cycle, side: int) -> Stored:
        """The store of a side's rows, by key."""
        return Stored(cycle.state(f"{self.name}/{('left', 'right')[side]}"), self.sides[side].codec())

    def recall(self, cycle: Cycle, side: int, keys: list[bytes], arrivals: Arrivals) -> tuple[Rows, Flags]:
        """A side's stored rows of these keys followed by the arrivals, and which keys had a row."""
        had, columns = self.store(cycle, side).lookup(keys)
        return self.sides[side].loaded(columns).followed_by(arrivals.rows), np.array(had, bool)

    def keep(self, cycle: Cycle, side: int, keys: list[bytes], arrivals: Arrivals) -> None:
        """Store each key's last row, forget the deleted."""
        last = {key: row for row, key in enumerate(keys)}
        kept = sorted((key, row) for key, row in last.items() if arrivals.present[row])
        store = self.store(cycle, side)
        if kept:
            index = pa.array([row for _, row in kept])
            store.put([key for key, _ in kept], [column.take(index) for column in self.sides[side].stored(arrivals.rows)])
        store.delete([key for key, row in last.items() if not arrivals.present[row]])
