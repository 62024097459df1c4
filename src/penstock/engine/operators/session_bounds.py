"""Which records and stored sessions make one session: bounds and numbers alone, whatever is aggregated.

A session reaches as far as its first and last records' times, and takes in what lies within the gap of it. That does not depend on the order in which
records come, as long as none comes too late for its session and none meets a session that is forgotten already. So keys of which no record is
that late are done all together, as sorted moments; the records of the others take their turns one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penstock.engine.operators.sides import Flags, Numbers64


@dataclass(frozen=True)
class Rules:
    """A window's bounds, ms: what lies within `gap_ms` of a session belongs to it; a session that ended longer ago than `patience_ms` takes no more
    records; one that ended longer ago than `kept_ms` is forgotten."""

    gap_ms: int
    patience_ms: int
    kept_ms: int


@dataclass(frozen=True)
class Moments:
    """Records in processing order: the number of each one's key, its time, and the newest time of its partition at its turn."""

    keys: Numbers64
    times: Numbers64
    newest: Numbers64

    def late(self, rules: Rules) -> Flags:
        """Those that come too late for a session of their own, or that might meet one that is forgotten."""
        late: Flags = self.newest - self.times > min(rules.patience_ms, rules.kept_ms - rules.gap_ms)
        return late


@dataclass(frozen=True)
class Spans:
    """Sessions, each with the number of its key and its first and last time; those of one key lie further apart than the gap."""

    keys: Numbers64
    starts: Numbers64
    ends: Numbers64


@dataclass(frozen=True)
class Sessions:
    """What records and stored sessions became: for each record and each stored session the number of its session (-1 where it has none: the record is
    too late, the stored session met nothing), and the sessions. `last` is the record that came last to each."""

    of_record: Numbers64
    of_stored: Numbers64
    spans: Spans
    last: Numbers64


def sessions(moments: Moments, stored: Spans, rules: Rules) -> Sessions:
    """Bring records to the stored sessions of their keys. Sessions are numbered in the order in which their last records came."""
    late = moments.late(rules)
    if not late.any():
        return numbered(*together(moments, stored, rules.gap_ms), moments, stored)
    slow = np.unique(moments.keys[late])
    turns, held = np.isin(moments.keys, slow), np.isin(stored.keys, slow)
    of_record, of_stored = np.full(len(moments.keys), -1), np.full(len(stored.keys), -1)
    of_record[~turns], of_stored[~held] = together(
        Moments(moments.keys[~turns], moments.times[~turns], moments.newest[~turns]),
        Spans(stored.keys[~held], stored.starts[~held], stored.ends[~held]),
        rules.gap_ms,
    )
    one_by_one(moments, stored, rules, np.flatnonzero(turns), np.flatnonzero(held), of_record, of_stored)
    return numbered(of_record, of_stored, moments, stored)


def together(moments: Moments, stored: Spans, gap_ms: int) -> tuple[Numbers64, Numbers64]:
    """A number for the session of each record and of each stored session, none of which is late."""
    count, held = len(moments.keys), len(stored.keys)
    # a stored session is two moments that nothing between them parts
    keys = np.concatenate([moments.keys, stored.keys, stored.keys])
    times = np.concatenate([moments.times, stored.starts, stored.ends])
    opens = np.concatenate([np.zeros(count, np.int64), np.ones(held, np.int64), np.full(held, -1)])
    order = np.lexsort((-opens, times, keys))
    keys, times, inside = keys[order], times[order], np.cumsum(opens[order])
    parts = (keys[1:] != keys[:-1]) | ((times[1:] - times[:-1] > gap_ms) & (inside[:-1] == 0))
    numbers = np.empty(len(order), np.int64)
    numbers[order] = np.concatenate([[0], np.cumsum(parts)])[: len(order)]
    return numbers[:count], numbers[count : count + held]


def one_by_one(
    moments: Moments, stored: Spans, rules: Rules, records: Numbers64, held: Numbers64, of_record: Numbers64, of_stored: Numbers64
) -> None:
    """Number the sessions of these records and stored sessions, each record in its turn, above the numbers that are given."""
    first = max(int(of_record.max(initial=-1)), int(of_stored.max(initial=-1))) + 1
    # a session: start, end, and its number, which the records of those that it swallowed lead to
    open_: dict[int, list[tuple[int, int, int]]] = {}
    became: list[int] = []
    for number, key, start, end in zip(*(a.tolist() for a in (held, stored.keys[held], stored.starts[held], stored.ends[held])), strict=True):
        of_stored[number] = len(became)
        open_.setdefault(key, []).append((start, end, len(became)))
        became.append(len(became))
    rows = zip(*(a.tolist() for a in (records, moments.keys[records], moments.times[records], moments.newest[records])), strict=True)
    for row, key, time, newest in rows:
        mine = open_.setdefault(key, [])
        met = [s for s in mine if s[0] <= time + rules.gap_ms and s[1] >= time - rules.gap_ms and s[1] >= newest - rules.kept_ms]
        start, end = min([time, *(s[0] for s in met)]), max([time, *(s[1] for s in met)])
        if end < newest - rules.patience_ms:
            continue
        number = len(became)
        became.append(number)
        for swallowed in met:
            became[swallowed[2]] = number
            mine.remove(swallowed)
        mine.append((start, end, number))
        of_record[row] = number
    for number in reversed(range(len(became))):
        became[number] = became[became[number]]
    final = np.array(became, np.int64) + first
    taken = records[of_record[records] >= 0]
    of_record[taken] = final[of_record[taken]]
    of_stored[held] = final[of_stored[held]]


def numbered(of_record: Numbers64, of_stored: Numbers64, moments: Moments, stored: Spans) -> Sessions:
    """The sessions that have a record, numbered anew, with their bounds."""
    size = max(int(of_record.max(initial=-1)), int(of_stored.max(initial=-1))) + 2
    last = np.full(size, -1)
    taken = np.flatnonzero(of_record >= 0)
    last[of_record[taken]] = taken  # of several for one place the last counts
    found = np.flatnonzero(last >= 0)
    found = found[np.argsort(last[found])]
    new = np.full(size, -1)  # its last place is that of -1
    new[found] = np.arange(len(found))
    of_record, of_stored = new[of_record], new[of_stored]
    starts, ends = np.full(len(found), np.iinfo(np.int64).max), np.full(len(found), np.iinfo(np.int64).min)
    for numbers, first, final in ((of_record, moments.times, moments.times), (of_stored, stored.starts, stored.ends)):
        mine = numbers >= 0
        np.minimum.at(starts, numbers[mine], first[mine])
        np.maximum.at(ends, numbers[mine], final[mine])
    last = last[found]
    return Sessions(of_record, of_stored, Spans(moments.keys[last], starts, ends), last)
