"""A table joined to another's primary key: many rows of the left may refer to one of the right.

Both sides' rows are stored by their keys, the left's with what they refer to; an index lists for each key of the right the left rows that refer to
it. A cycle works on the left rows that change and those that refer to a changed row of the right. Each of them, and each row of the right that they
refer to, is there in versions, one behind the other: the stored one and those that the cycle brings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from penstock.engine.operators.changes import Changes, as_stage, nothing, shifted
from penstock.engine.operators.contract import Operator
from penstock.engine.operators.sides import NEVER, Arrivals, Flags, Numbers64, Rows, Side, latest, marked, numbered
from penstock.engine.operators.stateless import Select
from penstock.engine.stage import Cycle, Stage
from penstock.engine.state import Rows as Stored
from penstock.engine.state import beyond, bounded
from penstock.plan import expressions as ex
from penstock.plan import steps

REFERENCE = "(foreign key)"
REFERENCE_BYTES_MAX = 90
"""How long a reference may be in a key of the index, which also holds the key of a left row."""


@dataclass(frozen=True)
class Versions:
    """Versions of rows, sorted by key and then by when each came (`since`: the place of its source record, -1 for the stored ones). `rows`
    numbers them in their side's pool; `until` says when the next one came. A key's first version is the stored one, `there` or not."""

    keys: Numbers64
    since: Numbers64
    until: Numbers64
    rows: Numbers64
    there: Flags

    def at(self, keys: Numbers64, records: Numbers64) -> Numbers64:
        """The rows of these keys as they were at these places; -1 where there was none. A negative key has none."""
        if not len(self.keys):
            return np.full(len(keys), -1)
        most = int(max(self.since.max(), records.max(initial=0))) + 2
        place = np.searchsorted(self.keys * most + self.since + 1, np.maximum(keys, 0) * most + records + 1, side="right") - 1
        return np.where((keys >= 0) & self.there[place], self.rows[place], -1)


def versions(stored: Flags, keys: Numbers64, arrivals: Arrivals) -> Versions:
    """The versions of as many keys as there are `stored` flags, in a pool of their stored rows followed by the arrivals."""
    count = len(stored)
    key = np.concatenate([np.arange(count), keys])
    since = np.concatenate([np.full(count, -1), arrivals.records])
    order = np.lexsort((since, key))
    key, since = key[order], since[order]
    until = np.full(len(key), NEVER)
    until[:-1] = np.where(key[1:] == key[:-1], since[1:], NEVER)
    return Versions(key, since, until, order, np.concatenate([stored, arrivals.present])[order])


@dataclass
class ForeignKeyJoin:
    """INNER and LEFT joins. With `old` the stage carries the joined row before each change, with `every` each change, not a key's last of a cycle."""

    step: steps.ForeignKeyJoin
    left: Operator
    right: Operator
    name: str
    old: bool = False
    every: bool = False

    def __post_init__(self) -> None:
        schema = self.left.step.schema
        key = tuple(ex.Column(c.type, c.name) for c in schema.key)
        value = (*(ex.Column(c.type, c.name) for c in schema.value), self.step.foreign_key)
        reference = steps.Column(REFERENCE, self.step.foreign_key.type)
        referring = steps.Select(steps.Schema(schema.key, (*schema.value, reference)), "TABLE", self.left.step, key, value)
        self.referring = Select(referring, self.left)
        self.sides = (Side(self.referring), Side(self.right))

    def run(self, cycle: Cycle) -> Stage:
        """The joined rows that this cycle's changes change."""
        stages = (self.referring.run(cycle), self.right.run(cycle))
        left, right = (side.arrivals(cycle, stage, "TRUE") for side, stage in zip(self.sides, stages, strict=True))
        if not len(left.rows) and not len(right.rows):
            return nothing(self.step, windowed=self.sides[0].windowed, old=self.old)
        left_keys, right_keys = self.sides[0].keys(left.rows), self.sides[1].keys(right.rows)
        changed = sorted(set(left_keys))
        rows = sorted({*changed, *self.referrers(cycle, right_keys)})
        left_pool, left_had = self.recall(cycle, 0, rows, left)
        there = np.concatenate([left_had, left.present])
        references = self.references(left_pool, there)
        targets = sorted({*right_keys, *(key for key in references if key is not None)})
        right_pool, right_had = self.recall(cycle, 1, targets, right)
        _, left_number = numbered([rows, left_keys])
        number = {key: i for i, key in enumerate(targets)}
        # one more for no row at all, which -1 finds
        reference = np.array([*(-1 if key is None else number[key] for key in references), -1], np.int64)
        changes = self.changes(
            versions(left_had, left_number, left),
            versions(right_had, np.array([number[key] for key in right_keys], np.int64), right),
            (left, right), (left_pool, right_pool), reference,
        )  # fmt: skip
        self.keep(cycle, 0, left_keys, left)
        self.keep(cycle, 1, right_keys, right)
        self.index(cycle, rows, references, left_keys)
        return as_stage(cycle, self.step, self.sides, (left_pool, right_pool), changes, old=self.old, every=self.every)

    # ------------------------------------------------------------------------------------------ the changes

    def changes(
        self, left: Versions, right: Versions, arrivals: tuple[Arrivals, Arrivals], pools: tuple[Rows, Rows], reference: Numbers64
    ) -> Changes:
        """What the arrivals change. `reference` says for each row of the left's pool which key of the right it refers to, -1 for
        none; its last item is -1."""
        key_of = np.empty(len(pools[0]), np.int64)
        key_of[left.rows] = left.keys
        rows, targets = self.meetings(left, right, reference)
        records = right.since[targets]
        own = left.since >= 0
        mine = left.rows[own]
        start = left.rows[~own]
        # a left row's line begins with what is stored; then its own changes and those of what it refers to
        owner = np.concatenate([start, mine, rows])
        record = np.concatenate([np.full(len(start), -1), left.since[own], records])
        kind = np.repeat([0, 1, 2], [len(start), len(mine), len(rows)])
        there = np.concatenate([left.there[~own], left.there[own], np.ones(len(rows), bool)])
        target = np.concatenate([
            right.at(reference[start], np.full(len(start), -1)), right.at(reference[mine], left.since[own]),
            np.where(right.there[targets], right.rows[targets], -1),
        ])  # fmt: skip
        time = np.concatenate([pools[0].times[start], pools[0].times[mine], pools[1].times[right.rows[targets]]])
        order = np.lexsort((record, key_of[owner]))
        owner, record, kind, there, target, time = (a[order] for a in (owner, record, kind, there, target, time))
        now = (np.where(there, owner, -1), target)
        was = (shifted(now[0]), shifted(now[1]))
        other = np.where(kind == 2, pools[0].times[owner], latest(pools[1].times, target))
        lines = Changes(
            key_of[owner], record, np.maximum(time, other), *now, *was, owner, np.full(len(owner), -1), self.joins(*now), self.joins(*was)
        )
        # as in Kafka Streams a left row that referred to something tells its end, whether it had met anything or not
        referred = reference[was[0]] >= 0
        return lines.where((kind == 2) | (kind == 1) & (lines.present | lines.had | referred))

    @staticmethod
    def meetings(left: Versions, right: Versions, reference: Numbers64) -> tuple[Numbers64, Numbers64]:
        """Each new version of the right with each row of the left that refers to it at that time: rows of the left's pool, and places in `right`."""
        referring = np.flatnonzero(left.there & (reference[left.rows] >= 0))
        targets = reference[left.rows[referring]]
        order = np.argsort(targets, kind="stable")
        referring, targets = referring[order], targets[order]
        new = np.flatnonzero(right.since >= 0)
        low, high = (np.searchsorted(targets, right.keys[new], side=side) for side in ("left", "right"))
        counts = high - low
        place = np.repeat(new, counts)
        within = np.arange(len(place)) - np.repeat(np.cumsum(counts) - counts, counts)
        version = referring[np.repeat(low, counts) + within]
        live = (left.since[version] < right.since[place]) & (right.since[place] < left.until[version])
        return left.rows[version[live]], place[live]

    def joins(self, left: Numbers64, right: Numbers64) -> Flags:
        """Whether these rows make a joined row."""
        return (left >= 0) & (right >= 0) if self.step.join == "INNER" else left >= 0

    # ------------------------------------------------------------------------------------------ state

    def store(self, cycle: Cycle, side: int) -> Stored:
        """The store of a side's rows, by key."""
        return Stored(cycle.state(f"{self.name}/{('left', 'right')[side]}"), self.sides[side].codec())

    def recall(self, cycle: Cycle, side: int, keys: list[bytes], arrivals: Arrivals) -> tuple[Rows, Flags]:
        """A side's stored rows of these keys followed by the arrivals, and which keys had a row."""
        had, columns = self.store(cycle, side).lookup(keys)
        return self.sides[side].loaded(columns).followed_by(arrivals.rows), np.array(had, bool)

    def references(self, rows: Rows, there: Flags) -> list[bytes | None]:
        """The right's key that each row of the left's pool refers to; None for a NULL and for a row that is not there."""
        column = rows.columns[-1]
        known = np.flatnonzero(there & column.is_valid().to_numpy(zero_copy_only=False))
        found: list[bytes | None] = [None] * len(there)
        bounds = [b.take(pa.array(known)) for b in rows.bounds]
        part = Rows([column.take(pa.array(known))], rows.times[known], bounds)
        for row, key in zip(known.tolist(), self.sides[1].keys(part), strict=True):
            found[row] = key
        return found

    def referrers(self, cycle: Cycle, targets: list[bytes]) -> list[bytes]:
        """The keys of the stored left rows that refer to these keys of the right."""
        prefixes = sorted({indexed(key) for key in targets})
        items = cycle.state(f"{self.name}/index").scan_many([(p, beyond(p)) for p in prefixes])
        return [value for _, value in items]

    def keep(self, cycle: Cycle, side: int, keys: list[bytes], arrivals: Arrivals) -> None:
        """Store each key's last row, forget the deleted."""
        last = {key: row for row, key in enumerate(keys)}
        kept = sorted((key, row) for key, row in last.items() if arrivals.present[row])
        store = self.store(cycle, side)
        if kept:
            index = pa.array([row for _, row in kept])
            store.put([key for key, _ in kept], [column.take(index) for column in self.sides[side].stored(arrivals.rows)])
        store.delete([key for key, row in last.items() if not arrivals.present[row]])

    def index(self, cycle: Cycle, rows: list[bytes], references: list[bytes | None], changed: list[bytes]) -> None:
        """Bring the index up to date for the left rows that changed."""
        place = {key: i for i, key in enumerate(rows)}
        last = {key: len(rows) + i for i, key in enumerate(changed)}
        moved = [(key, references[place[key]], references[row]) for key, row in last.items() if references[place[key]] != references[row]]
        index = cycle.state(f"{self.name}/index")
        index.delete_many([indexed(old) + key for key, old, _ in moved if old is not None])
        index.put_many(sorted((indexed(new) + key, key) for key, _, new in moved if new is not None))


def indexed(reference: bytes) -> bytes:
    """What the entries of a reference begin with in the index."""
    return marked(bounded(reference, REFERENCE_BYTES_MAX))
