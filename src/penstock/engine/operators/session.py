"""SESSION windows: a key's records that follow each other within the gap make one session; one that comes between two joins them.

A batch's records are made into sessions of their own first, by column. Those then meet the stored sessions of their keys: what lies within the
gap of each other becomes one. Sessions that were swallowed are deleted, and a tombstone tells so.
Stored by key, then end, then start; a second store has them by end, for what closes or expires.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from penstock.engine.evaluate import one_chunk
from penstock.engine.operators.aggregate import LONGEST_AGO, Grouping, empty_stage, grace_of, retention_of
from penstock.engine.operators.contract import Operator
from penstock.engine.rows import pack_keys
from penstock.engine.sql import Compiler
from penstock.engine.stage import Cycle, Stage
from penstock.engine.state import Numbers, Rows, big_endian, bounded
from penstock.functions.duckdb import duckdb_type
from penstock.plan import steps


@dataclass(frozen=True)
class Session:
    """A session of one key: its bounds (ms, both inside), and where its row lies in the pool of rows; `stored` tells it from a batch's own."""

    key: bytes
    start: int
    end: int
    row: int
    stored: bool


@dataclass
class SessionAggregate:
    """Aggregation over a stream by sessions. With `final`, only closed sessions are emitted."""

    step: steps.Aggregate
    input: Operator
    name: str
    old: bool = False
    final: bool = False
    properties: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert self.step.window
        self.grouping = Grouping(self.step, self.properties)
        self.window = self.step.window
        self.width = len(self.grouping.keys) + len(self.grouping.carried)

    def run(self, cycle: Cycle) -> Stage:
        """The changes that the batch makes to the sessions."""
        stage = self.input.run(cycle)
        if stage.empty:
            return empty_stage(self.step, self.grouping, old=self.old)
        times = Numbers(cycle.state(f"{self.name}/times"))
        keyed = f"_present AND {stage.columns[self.step.schema.key[0].name]} IS NOT NULL" if len(self.grouping.keys) == 1 else "_present"
        held, table = cycle.held(stage, cycle.table(f"SELECT * FROM ({stage.sql}) WHERE {keyed} ORDER BY _o"))
        if not table.num_rows:
            return empty_stage(self.step, self.grouping, old=self.old)
        changes = []
        for part in self.parts(cycle, table, times):
            held = replace(held, sql=f"SELECT * FROM {cycle.bind(part)}")
            changes.append(self.batch(cycle, held, times))
        emitted = [t for t in ([self.close(cycle, times, table)] if self.final else changes) if t is not None and t.num_rows]
        self.expire(cycle, times, table)
        if not emitted:
            return empty_stage(self.step, self.grouping, old=self.old)
        rows = pa.concat_tables(emitted)
        rows = rows.set_column(rows.column_names.index("_o"), "_o", pa.array(np.arange(rows.num_rows)))
        return self.emit(cycle, rows)

    def parts(self, cycle: Cycle, table: pa.Table, times: Numbers) -> Iterable[pa.Table]:
        """The batch in one piece where only its outcome counts; record by record where every change does, or where some may come too late."""
        time, partition = (one_chunk(table[c]).to_numpy(zero_copy_only=False) for c in ("_t", "_p"))
        patience = self.window.size_ms + grace_of(self.window)
        late = False
        for p in np.unique(partition).tolist():
            mine = time[partition == p]
            newest = np.maximum(np.maximum.accumulate(mine), times.get(f"time/{p}", LONGEST_AGO))
            late |= bool((newest - mine > patience).any())
        if not cycle.every_change and not late:
            return [table]
        return [table.slice(row, 1) for row in range(table.num_rows)]

    # ------------------------------------------------------------------------------------------ a batch

    def batch(self, cycle: Cycle, stage: Stage, times: Numbers) -> pa.Table | None:
        """Merge the batch's sessions into the stored ones; rows c, m, _t, _ws, _we, _present and meta, what is gone before what is new."""
        own = cycle.table(self.sessions_sql(cycle, stage))
        reached = self.advance(times, own)
        key_columns = cycle.arrays(own, [f"c{i}" for i in range(len(self.grouping.keys))], self.grouping.keys)
        keys = [framed(key) for key in pack_keys(key_columns, self.grouping.keys)]
        starts, ends, partition = (one_chunk(own[c]).to_pylist() for c in ("_ws", "_we", "_p"))
        gap = self.window.size_ms
        store = Rows(cycle.state(f"{self.name}/groups"), self.grouping.codec)
        found: dict[bytes, list[Session]] = {}
        for row, key in enumerate(keys):
            found.setdefault(key, []).append(Session(key, starts[row], ends[row], row, stored=False))
        pool_keys: list[bytes] = []
        for key, mine in found.items():
            low, high = min(s.start for s in mine) - gap, max(s.end for s in mine) + gap
            for stored_key, _ in store.store.scan(key + big_endian(low), key + b"\xff" * 16):
                start, end = bounds(stored_key)
                if start <= high and end >= self.remembered(reached, partition[mine[0].row]):
                    mine.append(Session(key, start, end, len(keys) + len(pool_keys), stored=True))
                    pool_keys.append(stored_key)
        _, stored = store.lookup(pool_keys)
        groups = [g for key in found for g in overlapping(found[key], gap)]
        groups = [g for g in groups if any(not s.stored for s in g)]
        groups = [g for g in groups if max(s.end for s in g) >= self.closed_before(reached, partition[next(s.row for s in g if not s.stored)])]
        if not groups:
            return None
        pool = self.pool(cycle, own, stored)
        merged = self.fold(cycle, pool, groups)
        self.store_back(cycle, store, groups, merged)
        return self.changes(cycle, pool, groups, merged)

    def sessions_sql(self, cycle: Cycle, stage: Stage) -> str:
        """The batch's own sessions: columns c, s (partial state), meta, ordered by their last record."""
        compiler = Compiler(stage.columns)
        keys = [compiler.columns[c.name] for c in stage.schema.key]
        carried = [f"any_value({compiler.columns[name]})" for name in self.step.carried]
        named = [f"{sql} AS c{i}" for i, sql in enumerate([*keys, *carried])]
        partials = self.grouping.partials(compiler, "")
        cycle.need([*compiler.needs.values(), *self.grouping.needs])
        by = ", ".join(["_p", *keys])
        numbered = f"SELECT *, CASE WHEN _t - lag(_t) OVER (PARTITION BY {by} ORDER BY _t, _o) <= {self.window.size_ms} THEN 0 ELSE 1 END AS _new"
        counted = f"sum(_new) OVER (PARTITION BY {by} ORDER BY _t, _o ROWS UNBOUNDED PRECEDING) AS _session"
        sessions = f"SELECT *, {counted} FROM ({numbered} FROM ({stage.sql}))"
        meta = ["min(_t) AS _ws", "max(_t) AS _we", "max(_t) AS _t", "_p", "max(_o) AS _o", "max(_g) AS _g"]
        own = f"SELECT {', '.join([*named, *partials, *meta])} FROM ({sessions}) GROUP BY {by}, _session ORDER BY max(_o)"
        return self.grouping.begun(own)

    def advance(self, times: Numbers, own: pa.Table) -> dict[int, int]:
        """Move stream time on; return it by partition."""
        time, partition = (one_chunk(own[c]).to_numpy(zero_copy_only=False) for c in ("_t", "_p"))
        reached = {}
        for p in np.unique(partition).tolist():
            reached[p] = max(int(time[partition == p].max()), times.get(f"time/{p}", LONGEST_AGO))
            times.put(f"time/{p}", reached[p])
        return reached

    def closed_before(self, reached: dict[int, int], partition: int) -> int:
        """A session that ends before this is closed: the gap and the grace period after its end have passed."""
        return reached[partition] - grace_of(self.window) - self.window.size_ms

    def remembered(self, reached: dict[int, int], partition: int) -> int:
        """A stored session that ends before this is past its retention, and joined no more."""
        kept = max(self.window.retention_ms or 0, self.window.size_ms + grace_of(self.window))
        return reached[partition] - kept

    def pool(self, cycle: Cycle, own: pa.Table, stored: list[pa.Array]) -> pa.Table:
        """The rows of the batch's sessions, then of the stored ones: columns c, m (state), _t, _p, _o, _g."""
        state = range(len(self.grouping.state))
        names = [*[f"c{i}" for i in range(self.width)], *[f"m{i}" for i in state], "_t", "_p"]
        ours = cycle.arrays(own, [*names[: self.width], *[f"s{i}" for i in state], "_t", "_p"], self.grouping.codec.types)
        columns = {name: pa.concat_arrays([a, b]) for name, a, b in zip(names, ours, stored, strict=True)}
        blank = pa.nulls(len(stored[0]), pa.int64())
        for name in ("_o", "_g"):
            columns[name] = pa.concat_arrays([one_chunk(own[name]).cast(pa.int64()), blank])
        return pa.table(columns)

    def fold(self, cycle: Cycle, pool: pa.Table, groups: list[list[Session]]) -> pa.Table:
        """One row a group: its sessions' states merged, the stored ones first and in order, all groups side by side."""
        state = len(self.grouping.state)
        members = [[s.row for s in sorted(g, key=lambda s: (not s.stored, s.start))] for g in groups]
        newest = pa.array([next(s.row for s in g if not s.stored) for g in groups])
        acc = pool.take(pa.array([m[0] for m in members]))
        for number in ("_o", "_g", "_p"):
            acc = acc.set_column(acc.column_names.index(number), number, pool[number].take(newest))
        for turn in range(1, max(map(len, members))):
            rows = [i for i, m in enumerate(members) if len(m) > turn]
            other = pool.take(pa.array([members[i][turn] for i in rows]))
            mine = acc.take(pa.array(rows))
            pairs = {f"h{i}": mine[f"m{i}"] for i in range(state)} | {f"s{i}": other[f"m{i}"] for i in range(state)}
            pairs |= {"_ht": mine["_t"], "_st": other["_t"]}
            columns = [*self.grouping.merges(combine=True), "greatest(_ht, _st) AS _t"]
            merged = cycle.table(f"SELECT {', '.join(columns)} FROM {cycle.bind(pa.table(pairs))}")
            place = np.full(acc.num_rows, -1)
            place[rows] = np.arange(len(rows))
            index = pa.array(np.where(place >= 0, place + acc.num_rows, np.arange(acc.num_rows)))
            for name in [*[f"m{i}" for i in range(state)], "_t"]:
                both = pa.concat_arrays([one_chunk(acc[name]), one_chunk(merged[name]).cast(acc[name].type)])
                acc = acc.set_column(acc.column_names.index(name), name, both.take(index))
        bounds_of = {"_ws": [min(s.start for s in g) for g in groups], "_we": [max(s.end for s in g) for g in groups]}
        for name, values in bounds_of.items():
            acc = acc.append_column(name, pa.array(values, pa.int64()))
        return acc

    def store_back(self, cycle: Cycle, store: Rows, groups: list[list[Session]], merged: pa.Table) -> None:
        """Replace the swallowed sessions by what they became."""
        index = cycle.state(f"{self.name}/ends")
        gone = [s for g in groups for s in g if s.stored]
        partition = one_chunk(merged["_p"]).to_pylist()
        store.delete([stored_key(s.key, s.start, s.end) for s in gone])
        index.delete_many([end_key(partition[i], s.end, s.start, s.key) for i, g in enumerate(groups) for s in g if s.stored])
        names = [*[f"c{i}" for i in range(self.width)], *[f"m{i}" for i in range(len(self.grouping.state))], "_t", "_p"]
        spans = zip(merged["_ws"].to_pylist(), merged["_we"].to_pylist(), strict=True)
        keys = [(g[0].key, start, end) for g, (start, end) in zip(groups, spans, strict=True)]
        store.put([stored_key(k, start, end) for k, start, end in keys], cycle.arrays(merged, names, self.grouping.codec.types))
        index.put_many([(end_key(p, end, start, k), b"") for p, (k, start, end) in zip(partition, keys, strict=True)])

    def changes(self, cycle: Cycle, pool: pa.Table, groups: list[list[Session]], merged: pa.Table) -> pa.Table:
        """A tombstone for each stored session that was joined to something, and the sessions as they are now."""
        spans = list(zip(merged["_ws"].to_pylist(), merged["_we"].to_pylist(), strict=True))
        order = merged["_o"].to_pylist()
        gone = [
            (s, order[i]) for i, g in enumerate(groups) for s in sorted(g, key=lambda s: s.start)
            if s.stored and (cycle.every_change or (s.start, s.end) != spans[i])
        ]  # fmt: skip
        if cycle.every_change:  # a record that falls on its session's only moment changes nothing of its bounds
            own = [next(s for s in g if not s.stored) for g in groups]
            alone = {s.key for s, span in zip(own, spans, strict=True) if span == (s.start, s.start)}
            gone = [(s, o) for s, o in gone if s.key not in alone]
        tombstones = pool.take(pa.array([s.row for s, _ in gone], pa.int64()))
        extra = {"_ws": [s.start for s, _ in gone], "_we": [s.end for s, _ in gone], "_o": [o for _, o in gone]}
        for name, values in extra.items():
            tombstones = self.with_column(tombstones, name, pa.array(values, pa.int64()))
        tombstones = tombstones.append_column("_present", pa.array([False] * len(gone), pa.bool_()))
        present = merged.append_column("_present", pa.array([True] * merged.num_rows, pa.bool_()))
        return pa.concat_tables([tombstones.select(present.column_names), present])

    @staticmethod
    def with_column(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
        """The table with a column replaced or added."""
        at = table.column_names.index(name) if name in table.column_names else -1
        return table.append_column(name, column) if at < 0 else table.set_column(at, name, column)

    # ------------------------------------------------------------------------------------------ closing and expiring

    def close(self, cycle: Cycle, times: Numbers, table: pa.Table) -> pa.Table | None:
        """The sessions that stream time has now closed, and that were not emitted before."""
        found: list[tuple[int, int, int, bytes]] = []
        index = cycle.state(f"{self.name}/ends")
        for p in np.unique(one_chunk(table["_p"]).to_numpy(zero_copy_only=False)).tolist():
            limit = times.get(f"time/{p}", LONGEST_AGO) - grace_of(self.window) - self.window.size_ms
            done = times.get(f"emitted/{p}", LONGEST_AGO)
            if limit <= done:
                continue
            found += [(p, *ending(key)) for key, _ in index.scan(end_key(p, done, 0, b"")[:10], end_key(p, limit, 0, b"")[:10])]
            times.put(f"emitted/{p}", limit)
        if not found:
            return None
        store = Rows(cycle.state(f"{self.name}/groups"), self.grouping.codec)
        _, columns = store.lookup([stored_key(key, start, end) for _, start, end, key in found])
        names = [*[f"c{i}" for i in range(self.width)], *[f"m{i}" for i in range(len(self.grouping.state))], "_t", "_p"]
        rows = pa.table(dict(zip(names, columns, strict=True)))
        count = len(found)
        rows = rows.append_column("_o", pa.array(np.arange(count))).append_column("_g", pa.nulls(count, pa.int64()))
        for at, name in ((1, "_ws"), (2, "_we")):
            rows = rows.append_column(name, pa.array([f[at] for f in found], pa.int64()))
        return rows.append_column("_present", pa.array([True] * count))

    def expire(self, cycle: Cycle, times: Numbers, table: pa.Table) -> None:
        """Forget the sessions that are past their retention."""
        index, store = cycle.state(f"{self.name}/ends"), cycle.state(f"{self.name}/groups")
        for p in np.unique(one_chunk(table["_p"]).to_numpy(zero_copy_only=False)).tolist():
            limit = times.get(f"time/{p}", LONGEST_AGO) - retention_of(self.window) - self.window.size_ms
            done = times.get(f"expired/{p}", LONGEST_AGO)
            if limit - done < max(self.window.size_ms, 1000):
                continue
            keys = [key for key, _ in index.scan(end_key(p, LONGEST_AGO, 0, b"")[:10], end_key(p, limit, 0, b"")[:10])]
            store.delete_many([stored_key(key, start, end) for start, end, key in map(ending, keys)])
            index.delete_many(keys)
            times.put(f"expired/{p}", limit)

    # ------------------------------------------------------------------------------------------ what goes on

    def emit(self, cycle: Cycle, rows: pa.Table) -> Stage:
        """The changes as a stage: results out of the state columns."""
        columns = [f"c{i}" for i in range(self.width)]
        columns += [f"{sql} AS c{self.width + i}" for i, sql in enumerate(self.grouping.results("m"))]
        meta = ["_t", "_p", "_o", "_g", "_present", "_ws", "_we"]
        if self.old:
            # a session's row never changes in place: it is deleted and made anew
            keys = len(self.grouping.keys)
            values = [sql.rsplit(" AS ", 1)[0] for sql in columns[keys:]]
            fields = ", ".join(f"c{keys + i} := {sql}" for i, sql in enumerate(values))
            types = ", ".join(f"c{keys + i} := CAST(NULL AS {duckdb_type(c.type)})" for i, c in enumerate(self.step.schema.value))
            meta.append(f"CASE WHEN _present THEN CASE WHEN FALSE THEN struct_pack({types}) END ELSE struct_pack({fields}) END AS _old")
        return Stage(
            f"SELECT {', '.join([*columns, *meta])} FROM {cycle.bind(rows)}", self.step.schema, is_table=True, windowed=True, old=self.old,
            empty=rows.num_rows == 0,
        )  # fmt: skip


def overlapping(sessions: list[Session], gap: int) -> Iterable[list[Session]]:
    """Groups of sessions that lie within the gap of each other."""
    group: list[Session] = []
    reach = 0
    for session in sorted(sessions, key=lambda s: (s.start, s.end)):
        if group and session.start - reach <= gap:
            group.append(session)
            reach = max(reach, session.end)
            continue
        if group:
            yield group
        group, reach = [session], session.end
    if group:
        yield group


def framed(key: bytes) -> bytes:
    """A key with its length before it, so that none is the beginning of another."""
    short = bounded(key)
    return len(short).to_bytes(2, "big") + short


def stored_key(key: bytes, start: int, end: int) -> bytes:
    """The state key of a session of a framed key."""
    return key + big_endian(end) + big_endian(start)


def bounds(stored: bytes) -> tuple[int, int]:
    """(start, end) of a session's state key."""
    return int.from_bytes(stored[-8:], "big") - (1 << 63), int.from_bytes(stored[-16:-8], "big") - (1 << 63)


def end_key(partition: int, end: int, start: int, key: bytes) -> bytes:
    """The key of a session in the store by end."""
    return partition.to_bytes(2, "big") + big_endian(end) + big_endian(start) + key


def ending(key: bytes) -> tuple[int, int, bytes]:
    """(start, end, framed key) of a key of the store by end."""
    end, start = (int.from_bytes(key[at : at + 8], "big") - (1 << 63) for at in (2, 10))
    return start, end, key[18:]
