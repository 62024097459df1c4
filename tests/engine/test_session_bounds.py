"""Sessions out of records' times: all together the same as one after the other."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np
import pytest

from penstock.engine.operators.session_bounds import Moments, Rules, Spans, sessions


@dataclass
class Told:
    """A session as the rules tell it, record by record."""

    key: int
    start: int
    end: int
    records: list[int] = field(default_factory=list)
    stored: list[int] = field(default_factory=list)


def told(moments: Moments, stored: Spans, rules: Rules) -> list[Told]:
    """Every record in turn against all sessions of its key; those that got a record."""
    open_ = [Told(*span, stored=[i]) for i, span in enumerate(zip(stored.keys.tolist(), stored.starts.tolist(), stored.ends.tolist(), strict=True))]
    for record, (key, time, newest) in enumerate(zip(moments.keys.tolist(), moments.times.tolist(), moments.newest.tolist(), strict=True)):
        met = [
            s for s in open_
            if s.key == key and s.start - rules.gap_ms <= time <= s.end + rules.gap_ms and s.end >= newest - rules.kept_ms
        ]  # fmt: skip
        one = Told(key, min([time, *(s.start for s in met)]), max([time, *(s.end for s in met)]))
        if one.end < newest - rules.patience_ms:
            continue
        one.records = sorted([record, *(r for s in met for r in s.records)])
        one.stored = sorted(i for s in met for i in s.stored)
        open_ = [s for s in open_ if s not in met] + [one]
    return [s for s in open_ if s.records]


def spans_of(dice: random.Random, keys: int, gap: int, until: int) -> Spans:
    """Sessions of some keys, those of one key further apart than the gap, in the order of time."""
    found = []
    for key in range(keys):
        time = dice.randrange(4 * gap)
        while time < until and dice.random() < 0.7:
            end = time + dice.randrange(3 * gap)
            found.append((key, time, end))
            time = end + gap + 1 + dice.randrange(3 * gap)
    columns = np.array(found, np.int64).reshape(-1, 3).T
    return Spans(*columns)


@pytest.mark.parametrize("lateness", [0, 15, 60, 300])
def test_together_or_in_turn_the_same_sessions(lateness: int) -> None:
    dice = random.Random(lateness)
    ways: set[bool] = set()
    for _ in range(150):
        gap = dice.randrange(1, 20)
        patience = gap + dice.choice([0, 10, 100])
        rules = Rules(gap, patience, max(patience, dice.choice([0, 50, 500])))
        times = np.cumsum([dice.randrange(8) for _ in range(60)]) + 100
        times -= np.array([dice.randrange(lateness + 1) if dice.random() < 0.3 else 0 for _ in times])
        newest = np.maximum.accumulate(times)
        moments = Moments(np.array([dice.randrange(4) for _ in times]), times, newest)
        stored = spans_of(dice, 4, gap, 150)
        # what is forgotten at the first turn is not even given
        there = stored.ends >= newest[0] - rules.kept_ms
        stored = Spans(stored.keys[there], stored.starts[there], stored.ends[there])
        ways.add(bool(moments.late(rules).any()))
        found = sessions(moments, stored, rules)
        expected = sorted(told(moments, stored, rules), key=lambda s: s.records[-1])
        assert found.last.tolist() == [s.records[-1] for s in expected]
        assert [*zip(*(a.tolist() for a in (found.spans.keys, found.spans.starts, found.spans.ends)), strict=True)] == [
            (s.key, s.start, s.end) for s in expected
        ]
        for number, session in enumerate(expected):
            assert np.flatnonzero(found.of_record == number).tolist() == session.records
            assert np.flatnonzero(found.of_stored == number).tolist() == session.stored
        assert (found.of_record >= 0).sum() == sum(len(s.records) for s in expected)
        assert (found.of_stored >= 0).sum() == sum(len(s.stored) for s in expected)
    assert ways == ({True, False} if lateness < 300 else {True}) or lateness == 0


def test_no_records_make_no_sessions() -> None:
    none = np.zeros(0, np.int64)
    found = sessions(Moments(none, none, none), Spans(np.array([0]), np.array([5]), np.array([9])), Rules(5, 5, 5))
    assert found.of_stored.tolist() == [-1]
    assert not len(found.spans.keys)
