"""The seam between the snapshot and the log: which changes the snapshot's rows hold already.

A snapshot that is cut short by a crash is gone; the rest of the rows is then read by another one, later in the log. So a table's rows may come from
several snapshots, each good for a range of keys. A change that a row's own snapshot has seen is left out, any other is taken: nothing is
missing and nothing is there twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Place = list[Any]
"""A place of the log as JSON, comparable with others: PostgreSQL's [LSN], MySQL's [number of the file, position]."""


class Seam:
    """For each table its ranges: [last key of the range, or None for all the rest; place of the snapshot], in the order of keys."""

    def __init__(self, ranges: Mapping[str, Sequence[Sequence[Any]]] | None = None) -> None:
        self._ranges: dict[str, list[list[Any]]] = {table: [list(r) for r in given] for table, given in (ranges or {}).items()}

    def done(self, table: str, key: Sequence[Any] | None, place: Place) -> None:
        """The snapshot at `place` has read the table up to this key; None: to its end."""
        ranges = self._ranges.setdefault(table, [])
        if ranges and ranges[-1][1] == place:
            ranges.pop()
        ranges.append([None if key is None else list(key), place])

    def upto(self, table: str) -> list[Any] | None:
        """The last key that was read of a table that is not finished."""
        ranges = self._ranges.get(table)
        return None if not ranges else ranges[-1][0]

    def has_seen(self, table: str, key: Sequence[Any] | None, place: Place) -> bool:
        """Whether the snapshot of the row with this key holds what was committed at `place`. A table without ranges was not read."""
        for last, at in self._ranges.get(table, ()):
            if last is None or (key is not None and ordered(key) <= ordered(last)):
                return bool(place < at)
        return False

    def forget_before(self, place: Place) -> None:
        """The log is read beyond `place`: ranges of earlier snapshots have nothing more to say."""
        self._ranges = {table: ranges for table, ranges in self._ranges.items() if any(at > place for _, at in ranges)}

    def as_json(self) -> dict[str, list[list[Any]]]:
        """For the position."""
        return {table: [list(each) for each in ranges] for table, ranges in self._ranges.items()}


def ordered(key: Sequence[Any]) -> list[Any]:
    """A key in the order in which the snapshot reads: numbers by size, text by its bytes in UTF-8."""
    return [part.encode() if isinstance(part, str) else part for part in key]
