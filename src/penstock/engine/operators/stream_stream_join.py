"""Two streams joined within a window of time: each row meets the other side's rows of its key whose time is near enough to its own.

Each pair comes out once, when the later of its rows arrives. A side's rows are stored in buckets of time, by key and time within a bucket: a
cycle fetches for each distinct key the stretch of time that its rows reach, and forgets whole buckets. Rows wait for partners as long as
Kafka Streams keeps them: the window's two sides and the grace period together (at least 24 hours where no grace period is given), by the newest
time of their own side.

An outer join's row that met nothing when it came goes out alone: at once where no grace period is given or its window has closed already;
else it waits, and goes out when stream time, that of both sides together, passes its window and the grace period without a partner.
A query's state is one for all partitions, so is its stream time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.engine.operators.changes import nothing
from penstock.engine.operators.contract import Operator
from penstock.engine.operators.sides import (
    EMPTY,
    LONGEST_AGO,
    NEVER,
    Numbers64,
    Picks,
    Rows,
    Side,
    all_marked,
    big_endians,
    joined,
    latest,
    sortable,
    take,
)
from penstock.engine.operators.turns import Clock, Output, tick
from penstock.engine.stage import Cycle, Stage
from penstock.engine.state import Numbers, big_endian
from penstock.engine.state import Rows as Stored
from penstock.plan import steps
from penstock.sql.types import BIGINT

MINUTE_MS = 60 * 1000
DAY_MS = 24 * 3600 * 1000
REACH_MS_MAX = 1 << 60


@dataclass
class Partners:
    """One side in a cycle: its arrivals, then the stored rows that may match; in the end behind them those that waited in vain. `numbers` are the
    numbers of the arrivals and stored rows, `keys` the places of their keys among the cycle's."""

    rows: Rows
    numbers: Numbers64
    keys: Numbers64
    arrived: int


@dataclass(frozen=True)
class Keys:
    """The keys of a cycle's arrivals, each once, marked and in the order of their bytes; `of` are the places there of each side's arrivals."""

    marked: pa.Array
    of: tuple[Numbers64, Numbers64]


@dataclass
class StreamStreamJoin:
    """INNER, LEFT, RIGHT and FULL joins of two streams."""

    step: steps.StreamStreamJoin
    left: Operator
    right: Operator
    name: str

    def __post_init__(self) -> None:
        step = self.step
        before, after = min(step.before_ms, REACH_MS_MAX), min(step.after_ms, REACH_MS_MAX)
        self.sides = (Side(self.left), Side(self.right))
        self.codecs = tuple(side.codec(BIGINT) for side in self.sides)
        # how far before and after a row of each side its partners on the other may lie
        self.behind, self.ahead = (before, after), (after, before)
        self.span_ms = before + after + 1
        self.grace_ms = min(max(DAY_MS - before - after, 0) if step.grace_ms is None else step.grace_ms, REACH_MS_MAX)
        self.retention_ms = before + after + self.grace_ms
        self.bucket_ms = max(self.span_ms, min(self.retention_ms // 8, MINUTE_MS))
        self.outer = (step.join in ("LEFT", "FULL"), step.join in ("RIGHT", "FULL"))

    def run(self, cycle: Cycle) -> Stage:
        """The rows joined, or given up, at the turns of this cycle's arrivals."""
        stages = (self.left.run(cycle), self.right.run(cycle))
        left, right = (side.arrivals(cycle, stage, "_present") for side, stage in zip(self.sides, stages, strict=True))
        if not len(left.rows) and not len(right.rows):
            return nothing(self.step, windowed=self.sides[0].windowed)
        times = Numbers(cycle.state(f"{self.name}/times"))
        reached = (times.get("time/0", LONGEST_AGO), times.get("time/1", LONGEST_AGO))
        clock = tick(left, right, times.get("rows", 0), reached)
        keys = placed(self.sides[0].key_array(left.rows), self.sides[1].key_array(right.rows))
        partners = (
            self.partners(cycle, 0, left.rows, clock, keys, right.rows.times, reached[0]),
            self.partners(cycle, 1, right.rows, clock, keys, left.rows.times, reached[1]),
        )
        picks = self.pairs(partners, clock)
        output = self.meetings(partners, picks)
        for side in (0, 1):
            if self.outer[side]:
                self.lonely(cycle, side, partners, picks, clock, output)
            self.keep(cycle, side, partners[side], keys, clock)
        for side in (0, 1):
            times.put(f"time/{side}", int(clock.own[side][-1]))
            self.expire(cycle, side, times, int(clock.own[side][-1]))
        times.put("rows", clock.first + len(clock.both))
        return self.emit(cycle, (partners[0].rows, partners[1].rows), output, clock)

    # ------------------------------------------------------------------------------------------ partners

    def partners(self, cycle: Cycle, side: int, rows: Rows, clock: Clock, keys: Keys, others: Numbers64, reached: int) -> Partners:
        """A side's arrivals and its stored rows that the other side's arrivals, of the times `others`, may meet."""
        stored_keys, columns = self.store(cycle, side).scan_many(self.ranges(side, keys, others, reached))
        if not stored_keys:
            return Partners(rows, clock.numbers[side], keys.of[side], len(rows))
        places = pc.index_in(pc.binary_slice(pa.array(stored_keys, pa.binary()), 8, -16), keys.marked).to_numpy(zero_copy_only=False)
        numbers = columns[-1].to_numpy(zero_copy_only=False).astype(np.int64)
        together = rows.followed_by(self.sides[side].loaded(columns))
        return Partners(together, np.concatenate([clock.numbers[side], numbers]), np.concatenate([keys.of[side], places]), len(rows))

    def ranges(self, side: int, keys: Keys, times: Numbers64, reached: int) -> list[tuple[bytes, bytes]]:
        """The stretches of a side's store that hold what the other side's arrivals, of these times, may meet, sorted."""
        low = np.maximum(times - self.behind[1 - side], reached - self.retention_ms + 1)
        high = np.minimum(times + self.ahead[1 - side], reached)
        rows = np.flatnonzero(low <= high)
        if not len(rows):
            return []
        low, high, place = low[rows], high[rows], keys.of[1 - side][rows]
        # a stretch is no longer than a bucket, so it lies in one or two
        first, last = low // self.bucket_ms, high // self.bucket_ms
        two = first != last
        bucket, place = np.concatenate([first, last[two]]), np.concatenate([place, place[two]])
        low = np.concatenate([low, (last * self.bucket_ms)[two]])
        high = np.concatenate([np.minimum(high, (first + 1) * self.bucket_ms - 1), high[two]])
        order = np.lexsort((place, bucket))
        bucket, place, low, high = (a[order] for a in (bucket, place, low, high))
        starts = np.flatnonzero(np.concatenate([[True], (np.diff(bucket) != 0) | (np.diff(place) != 0)]))
        lows, highs = np.minimum.reduceat(low, starts), np.maximum.reduceat(high, starts) + 1
        prefixes = pc.binary_join_element_wise(sortable(bucket[starts]), keys.marked.take(pa.array(place[starts])), EMPTY)
        begin, end = (pc.binary_join_element_wise(prefixes, sortable(bound), EMPTY).to_pylist() for bound in (lows, highs))
        return list(zip(begin, end, strict=True))

    # ------------------------------------------------------------------------------------------ pairs

    def pairs(self, partners: tuple[Partners, Partners], clock: Clock) -> Picks:
        """All pairs of rows of which the later is an arrival."""
        left, right = partners
        # an arrival on the left meets all that is on the right, what is stored on the left the right's arrivals alone
        every = self.near(left, slice(0, left.arrived), right, slice(0, None))
        rest = self.near(left, slice(left.arrived, None), right, slice(0, right.arrived))
        picks = [np.concatenate([a, b]) for a, b in zip(every, rest, strict=True)]
        numbers = [p.numbers[pick] for p, pick in zip(partners, picks, strict=True)]
        there = np.zeros(len(picks[0]), bool)
        for side in (0, 1):
            # the other side's rows are there from this time on, at the turn of an arrival
            turn = np.flatnonzero(numbers[side] > numbers[1 - side])
            oldest = clock.at(clock.own[1 - side], numbers[side][turn]) - self.retention_ms
            there[turn] = partners[1 - side].rows.times[picks[1 - side][turn]] > oldest
        return picks[0][there], picks[1][there]

    def near(self, left: Partners, lefts: slice, right: Partners, rights: slice) -> Picks:
        """The pairs of rows of these slices that have one key and lie within the window of each other."""
        keys, times = right.keys[rights], right.rows.times[rights]
        mine, mine_times = left.keys[lefts], left.rows.times[lefts]
        if not len(keys) or not len(mine):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        # key and time as one number each: a time is its rank among the right side's times
        known = np.sort(times)
        width = len(known) + 1
        points = keys * width + np.searchsorted(known, times)
        begin = mine * width + np.searchsorted(known, mine_times - self.behind[0])
        end = mine * width + np.searchsorted(known, mine_times + self.ahead[0], side="right")
        order, turn = np.argsort(points), np.argsort(begin)  # what is looked up in order is found several times quicker
        points = points[order]
        begin, end = np.searchsorted(points, begin[turn]), np.searchsorted(points, end[turn])
        counts = end - begin
        ends = np.cumsum(counts)
        found = np.arange(ends[-1]) + np.repeat(begin - ends + counts, counts)
        return np.repeat(turn, counts) + (lefts.start or 0), order[found] + (rights.start or 0)

    def meetings(self, partners: tuple[Partners, Partners], picks: Picks) -> Output:
        """The pairs, each in its turn; those of one arrival by time and age of their other row."""
        left, right = (p.numbers[pick] for p, pick in zip(partners, picks, strict=True))
        times = [p.rows.times[pick] for p, pick in zip(partners, picks, strict=True)]
        earlier = np.where(left > right, times[1], times[0])
        output = Output()
        output.pairs(picks, np.maximum(left, right), earlier, np.minimum(left, right))
        return output

    # ------------------------------------------------------------------------------------------ rows that stay alone

    def lonely(self, cycle: Cycle, side: int, partners: tuple[Partners, Partners], picks: Picks, clock: Clock, output: Output) -> None:
        """Add the rows of an outer side that go out alone in this cycle, and store those that wait on."""
        p = partners[side]
        own, other = p.numbers[picks[side]], partners[1 - side].numbers[picks[1 - side]]
        met = np.zeros(len(p.numbers), bool)
        met[picks[side][own > other]] = True
        later = np.full(len(p.numbers), NEVER)
        np.minimum.at(later, picks[side][own < other], other[own < other])
        times, numbers = p.rows.times[: p.arrived], p.numbers[: p.arrived]
        alone = np.flatnonzero(~met[: p.arrived])
        if self.step.grace_ms is None:
            output.alone(side, alone, numbers[alone], times[alone], numbers[alone])
            return
        late = times[alone] + self.ahead[side] < clock.at(clock.both, numbers[alone])
        now, waiting = alone[late], alone[~late]
        output.alone(side, now, numbers[now], times[now], numbers[now])
        closes = clock.passes(times[waiting] + self.ahead[side] + self.grace_ms)
        going = (closes != NEVER) & (later[waiting] > closes)
        self.wait(cycle, side, p, waiting[(closes == NEVER) & (later[waiting] == NEVER)])
        gone = waiting[going], closes[going], numbers[waiting[going]]
        rows, turns, numbers = map(np.concatenate, zip(gone, self.given_up(cycle, side, p, later, clock), strict=True))
        if len(rows):
            times, keyed = p.rows.times[rows], len(self.step.schema.key)
            columns = [take(c, rows) for c in p.rows.columns[:keyed]]
            keys = self.sides[side].key_array(Rows(columns, times, [take(b, rows) for b in p.rows.bounds]))
            output.closed(side, rows, turns, times, numbers, keys)

    def waiting(self, cycle: Cycle, side: int) -> Stored:
        """The store of a side's rows that have met nothing so far, by time and number."""
        return Stored(cycle.state(f"{self.name}/waiting-{side}"), self.codecs[side])

    def wait(self, cycle: Cycle, side: int, p: Partners, rows: Numbers64) -> None:
        """Store rows that wait for a partner, by time and number."""
        index = pa.array(rows)
        columns = [c.take(index) for c in [*self.sides[side].stored(p.rows), pa.array(p.numbers)]]
        keys = map(bytes.__add__, big_endians(p.rows.times[rows]), big_endians(p.numbers[rows]))
        self.waiting(cycle, side).put(list(keys), columns)

    def given_up(self, cycle: Cycle, side: int, p: Partners, later: Numbers64, clock: Clock) -> tuple[Numbers64, Numbers64, Numbers64]:
        """The rows of earlier cycles whose window closes in this one without a partner, now behind the others, with their turns and numbers; those
        that met one before wait no more."""
        store = self.waiting(cycle, side)
        met = np.flatnonzero(later[p.arrived :] != NEVER) + p.arrived
        closed, columns = store.scan(b"", big_endian(int(clock.both[-1]) - self.ahead[side] - self.grace_ms))
        met_keys = list(map(bytes.__add__, big_endians(p.rows.times[met]), big_endians(p.numbers[met])))
        partner = dict(zip(met_keys, later[met].tolist(), strict=True))
        store.delete(sorted({*met_keys, *closed}))
        if not closed:
            none = np.zeros(0, np.int64)
            return none, none, none
        rows = self.sides[side].loaded(columns)
        numbers = columns[-1].to_numpy(zero_copy_only=False).astype(np.int64)
        turns = clock.passes(rows.times + self.ahead[side] + self.grace_ms)
        going = np.array([partner.get(key, NEVER) for key in closed]) > turns
        at = len(p.rows) + np.arange(len(closed))
        p.rows = p.rows.followed_by(rows)
        return at[going], turns[going], numbers[going]

    # ------------------------------------------------------------------------------------------ state

    def store(self, cycle: Cycle, side: int) -> Stored:
        """The store of a side's rows, by bucket of time, key, time and number."""
        return Stored(cycle.state(f"{self.name}/{('left', 'right')[side]}"), self.codecs[side])

    def keep(self, cycle: Cycle, side: int, p: Partners, keys: Keys, clock: Clock) -> None:
        """Store the arrivals that later rows may still meet."""
        times = p.rows.times[: p.arrived]
        rows = np.flatnonzero(times > clock.own[side][-1] - self.retention_ms)
        if not len(rows):
            return
        buckets, places = times[rows] // self.bucket_ms, p.keys[rows]
        # neighbours in the store are written one after the other
        order = np.argsort((buckets - buckets.min()) * len(keys.marked) + places, kind="stable")
        rows, index = rows[order], pa.array(rows[order])
        parts = (sortable(buckets[order]), keys.marked.take(pa.array(places[order])), sortable(times[rows]), sortable(p.numbers[rows]))
        columns = [c.take(index) for c in [*self.sides[side].stored(p.rows), pa.array(p.numbers)]]
        self.store(cycle, side).put(pc.binary_join_element_wise(*parts, EMPTY).to_pylist(), columns)

    def expire(self, cycle: Cycle, side: int, times: Numbers, reached: int) -> None:
        """Forget the buckets that nothing can meet any more."""
        limit = (reached - self.retention_ms + 1) // self.bucket_ms
        if reached == LONGEST_AGO or limit <= times.get(f"expired/{side}", 0):
            return
        self.store(cycle, side).store.delete_range(b"", big_endian(limit))
        times.put(f"expired/{side}", limit)

    # ------------------------------------------------------------------------------------------ what goes on

    def emit(self, cycle: Cycle, rows: tuple[Rows, Rows], output: Output, clock: Clock) -> Stage:
        """The stage of the output's rows; the time of each is that of its newer part."""
        picks, turns = output.sorted()
        if not len(turns):
            return nothing(self.step, windowed=self.sides[0].windowed)
        table = joined(self.step.schema, self.sides, rows, picks, picks)
        times = np.maximum(latest(rows[0].times, picks[0]), latest(rows[1].times, picks[1]))
        table |= {
            "_t": pa.array(times), "_p": pa.array(np.zeros(len(turns), np.int32)), "_o": pa.array(np.arange(len(turns))),
            "_g": pa.array(clock.at(clock.records, turns)), "_present": pa.array(np.ones(len(turns), bool)),
        }  # fmt: skip
        return Stage(cycle.rows(pa.table(table)), self.step.schema, windowed=self.sides[0].windowed)


def placed(left: pa.Array, right: pa.Array) -> Keys:
    """The keys of both sides' arrivals."""
    together = pa.concat_arrays([left, right]).dictionary_encode()
    marked = all_marked(together.dictionary)
    order = pc.array_sort_indices(marked)
    place = np.empty(len(order), np.int64)
    place[order.to_numpy(zero_copy_only=False)] = np.arange(len(order))
    places = place[together.indices.to_numpy(zero_copy_only=False)]
    return Keys(marked.take(order), (places[: len(left)], places[len(left) :]))
