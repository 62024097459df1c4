"""The line in which the rows of a join's two sides arrive: each row's turn, time as it runs along, and what comes out at whose turn."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.engine.operators.sides import LONGEST_AGO, NEVER, Arrivals, Numbers64, Picks


@dataclass(frozen=True)
class Clock:
    """A cycle's rows of both sides in one line. `numbers` counts all rows that the join has ever seen, by side, beginning at `first`; `records`
    are the places of their source records. `own[s]` is the newest time of side s, `both` that of the two, at each row's turn."""

    first: int
    numbers: tuple[Numbers64, Numbers64]
    records: Numbers64
    own: tuple[Numbers64, Numbers64]
    both: Numbers64

    def at(self, values: Numbers64, numbers: Numbers64) -> Numbers64:
        """The values of the line at the turn of these rows."""
        return values[numbers - self.first]

    def passes(self, times: Numbers64) -> Numbers64:
        """The numbers of the rows with which stream time first passes these times; NEVER where none does."""
        at = np.searchsorted(self.both, times, side="right")
        return np.where(at < len(self.both), self.first + at, NEVER)


def tick(left: Arrivals, right: Arrivals, first: int, reached: tuple[int, int]) -> Clock:
    """Put the arrivals of both sides in line, numbered from `first`; `reached` is the newest time of each side so far."""
    records = np.concatenate([left.records, right.records])
    order = np.argsort(records, kind="stable")
    numbers = np.empty(len(order), np.int64)
    numbers[order] = first + np.arange(len(order))
    times = np.concatenate([left.rows.times, right.rows.times])[order]
    is_left = order < len(left.rows)
    own_left = np.maximum.accumulate(np.maximum(np.where(is_left, times, LONGEST_AGO), reached[0]))
    own_right = np.maximum.accumulate(np.maximum(np.where(is_left, LONGEST_AGO, times), reached[1]))
    sides = (numbers[: len(left.rows)], numbers[len(left.rows) :])
    return Clock(first, sides, records[order], (own_left, own_right), np.maximum(own_left, own_right))


@dataclass
class Output:
    """Joined rows in the making: which rows make them, and at whose turn they come out."""

    picks: list[Picks] = field(default_factory=list)
    order: list[tuple[Numbers64, ...]] = field(default_factory=list)

    def pairs(self, picks: Picks, turns: Numbers64, times: Numbers64, numbers: Numbers64) -> None:
        """Add pairs. `times` and `numbers` are those of the earlier rows: a turn's pairs come out in their order."""
        self.picks.append(picks)
        nothing = np.zeros(len(turns), np.int64)
        self.order.append((numbers, nothing, nothing, times, np.ones(len(turns), np.int64), turns))

    def alone(self, side: int, rows: Numbers64, turns: Numbers64, times: Numbers64, numbers: Numbers64) -> None:
        """Add rows of one side that go out without a partner as they come, of these times and numbers."""
        self._alone(side, rows, (numbers, np.zeros(len(rows), np.int64)), times, 1, turns)

    def closed(self, side: int, rows: Numbers64, turns: Numbers64, times: Numbers64, numbers: Numbers64, keys: pa.Array) -> None:
        """Add rows of one side whose window closed without a partner: before the pairs of their turn, by time; of those of one time the right side's
        first, and of one side by key, as in Kafka Streams."""
        ranks = pc.rank(keys, tiebreaker="dense").to_numpy(zero_copy_only=False).astype(np.int64)
        self._alone(side, rows, (numbers, ranks), times, 0, turns)

    def _alone(self, side: int, rows: Numbers64, own: tuple[Numbers64, Numbers64], times: Numbers64, place: int, turns: Numbers64) -> None:
        none = np.full(len(rows), -1)
        self.picks.append((none, rows) if side else (rows, none))
        self.order.append((*own, np.full(len(rows), 1 - side), times, np.full(len(rows), place), turns))

    def sorted(self) -> tuple[Picks, Numbers64]:
        """All rows in the order in which they come out, and at whose turn each does."""
        left, right = (np.concatenate(part) for part in zip(*self.picks, strict=True))
        order = [np.concatenate(part) for part in zip(*self.order, strict=True)]
        index = np.lexsort(order)
        return (left[index], right[index]), order[-1][index]
