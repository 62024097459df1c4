"""SESSION windows: a key's records that follow each other within the gap make one session; one that comes between two joins them.

A batch's records and the stored sessions of their keys are brought together by their bounds alone (`session_bounds`); then the records of each
session are aggregated at once, and joined to the state of the stored ones. Sessions that were swallowed are deleted, and a tombstone tells so.
Stored by partition, by bucket of time of the end, then by key, end and start: so a batch finds and leaves its sessions among those of their time,
however many older ones are kept. Where closed ones alone are emitted, a second store has them by end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from penstock.engine.evaluate import one_chunk
from penstock.engine.operators.aggregate import LONGEST_AGO, empty_stage, grace_of, retention_of
from penstock.engine.operators.contract import Operator
from penstock.engine.operators.grouping import Grouping, window_prefix
from penstock.engine.operators.session_bounds import Moments, Rules, Sessions, Spans, sessions
from penstock.engine.operators.sides import Numbers64, big_endians
from penstock.engine.rows import RowCodec, pack_keys
from penstock.engine.sql import Compiler
from penstock.engine.stage import Cycle, Stage
from penstock.engine.state import Numbers, Rows, beyond, big_endian, bounded
from penstock.functions.duckdb import duckdb_type
from penstock.plan import steps
from penstock.sql.types import STRING

if TYPE_CHECKING:
    from penstock.log.protocol import StateStore

MINUTE_MS = 60 * 1000


class Key(NamedTuple):
    """A partition and a framed key. A session's key in the store is its partition, the bucket of its end, its key, its end, its start."""

    partition: int
    framed: bytes

    @staticmethod
    def of(stored: bytes) -> Key:
        """That of a key in the store."""
        return Key(int.from_bytes(stored[:2], "big"), stored[10:-16])

    def within(self, bucket: bytes) -> bytes:
        """What the keys in the store begin with of its sessions in a bucket."""
        return self.partition.to_bytes(2, "big") + bucket + self.framed


@dataclass(frozen=True)
class Stored:
    """Stored sessions: their keys in the store, their spans, and their rows (columns c, m, _t, _p)."""

    keys: list[bytes]
    spans: Spans
    rows: pa.Table


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
        self.state_names = [f"m{i}" for i in range(len(self.grouping.state))]
        self.names = [*[f"c{i}" for i in range(self.width)], *self.state_names, "_t", "_p"]
        patience = self.window.size_ms + grace_of(self.window)
        self.rules = Rules(self.window.size_ms, patience, max(self.window.retention_ms or 0, patience))
        self.bucket_ms = max(self.window.size_ms, MINUTE_MS)

    def run(self, cycle: Cycle) -> Stage:
        """The changes that the batch makes to the sessions."""
        stage = self.input.run(cycle)
        if stage.empty:
            return empty_stage(self.step, self.grouping, old=self.old)
        times = Numbers(cycle.state(f"{self.name}/times"))
        keyed = f"_present AND {stage.columns[self.step.schema.key[0].name]} IS NOT NULL" if len(self.grouping.keys) == 1 else "_present"
        table = cycle.table(f"SELECT * FROM ({stage.sql}) WHERE {keyed} ORDER BY _o")
        if not table.num_rows:
            return empty_stage(self.step, self.grouping, old=self.old)
        # where every change counts, each record is a batch of its own
        parts = [table.slice(row, 1) for row in range(table.num_rows)] if cycle.every_change else [table]
        changes = [self.batch(cycle, stage, part, times) for part in parts]
        emitted = [t for t in ([self.close(cycle, times, table)] if self.final else changes) if t is not None and t.num_rows]
        self.expire(cycle, times, table)
        if not emitted:
            return empty_stage(self.step, self.grouping, old=self.old)
        rows = pa.concat_tables(emitted)
        rows = rows.set_column(rows.column_names.index("_o"), "_o", pa.array(np.arange(rows.num_rows)))
        return self.emit(cycle, rows)

    # ------------------------------------------------------------------------------------------ a batch

    def batch(self, cycle: Cycle, stage: Stage, table: pa.Table, times: Numbers) -> pa.Table | None:
        """Bring records into the sessions; rows c, m, _t, _ws, _we, _present and meta, what is gone before what is new."""
        keys, codes = self.keys(cycle, stage, table)
        reached, moments = self.advance(times, table, codes)
        store = Rows(cycle.state(f"{self.name}/groups"), self.grouping.codec)
        stored = self.stored(store, moments, keys, reached)
        found = sessions(moments, stored.spans, self.rules)
        if not len(found.last):
            return None
        merged = self.fold(cycle, stored, found, self.own(cycle, stage, table, found))
        self.store_back(cycle, store, stored, found, [keys[code] for code in found.spans.keys.tolist()], merged)
        return self.changes(cycle, stored, found, merged)

    def keys(self, cycle: Cycle, stage: Stage, table: pa.Table) -> tuple[list[Key], Numbers64]:
        """The keys, each with its partition, and the number of each record's."""
        names = [stage.columns[c.name] for c in self.step.schema.key]
        columns, types = cycle.arrays(table, names, self.grouping.keys), self.grouping.keys
        if types == (STRING,):
            encoded = columns[0].dictionary_encode()
            packed = pack_keys([encoded.dictionary], types)
        else:
            encoded = pa.array(pack_keys(columns, types), pa.binary()).dictionary_encode()
            packed = encoded.dictionary.to_pylist()
        framed_keys = list(map(framed, packed))
        numbers = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        partition = one_chunk(table["_p"]).to_numpy(zero_copy_only=False).astype(np.int64)
        if partition.min() == partition.max():
            return [Key(int(partition[0]), key) for key in framed_keys], numbers
        pairs, codes = np.unique(numbers * (partition.max() + 1) + partition, return_inverse=True)
        places = zip(*(a.tolist() for a in np.divmod(pairs, partition.max() + 1)), strict=True)
        return [Key(p, framed_keys[number]) for number, p in places], codes

    def advance(self, times: Numbers, table: pa.Table, codes: Numbers64) -> tuple[dict[int, int], Moments]:
        """Move stream time on. What it was before, by partition; and the records, with the stream time at the turn of each."""
        time, partition = (one_chunk(table[c]).to_numpy(zero_copy_only=False) for c in ("_t", "_p"))
        newest = np.empty(len(time), np.int64)
        before = {}
        for p in np.unique(partition).tolist():
            mine = partition == p
            before[p] = times.get(f"time/{p}", LONGEST_AGO)
            newest[mine] = np.maximum(np.maximum.accumulate(time[mine]), before[p])
            times.put(f"time/{p}", int(newest[mine][-1]))
        return before, Moments(codes, time, newest)

    def stored(self, store: Rows, moments: Moments, keys: list[Key], reached: dict[int, int]) -> Stored:
        """The stored sessions that the records may meet, those of a key in the order of time. None ends later than its partition has `reached`."""
        gap = self.rules.gap_ms
        low, high = np.full(len(keys), np.iinfo(np.int64).max), np.full(len(keys), np.iinfo(np.int64).min)
        np.minimum.at(low, moments.keys, moments.times - gap)
        np.maximum.at(high, moments.keys, moments.times + gap)
        # what is forgotten before the first record comes is not even read
        low = np.maximum(low, int(moments.newest.min()) - self.rules.kept_ms)
        last = np.array([reached[key.partition] for key in keys])
        first_bucket = low // self.bucket_ms
        counts = np.maximum(last // self.bucket_ms - first_bucket + 1, 0)
        code = np.repeat(np.arange(len(keys)), counts)
        bucket = first_bucket[code] + np.arange(len(code)) - np.repeat(np.cumsum(counts) - counts, counts)
        ranges = []
        for number, begin, end in zip(code.tolist(), big_endians(bucket), big_endians(low[code]), strict=True):
            prefix = keys[number].within(begin)
            ranges.append((prefix + end, prefix + b"\xff" * 16))
        ranges.sort()
        stored_keys, columns = store.scan_many(ranges)
        numbers = {key: number for number, key in enumerate(keys)}
        codes = np.fromiter((numbers[Key.of(key)] for key in stored_keys), np.int64, len(stored_keys))
        ends, starts = bounds([key[-16:] for key in stored_keys])
        near = starts <= high[codes]
        if not near.all():
            stored_keys = [stored_keys[row] for row in np.flatnonzero(near).tolist()]
            columns = [column.filter(pa.array(near)) for column in columns]
        return Stored(stored_keys, Spans(codes[near], starts[near], ends[near]), pa.table(dict(zip(self.names, columns, strict=True))))

    def own(self, cycle: Cycle, stage: Stage, table: pa.Table, found: Sessions) -> pa.Table:
        """The records' own part of each session, in the order of the sessions: columns c, m (state), _t, _p, _o, _g."""
        if (found.of_record < 0).any():
            table = table.filter(pa.array(found.of_record >= 0))
        numbers = pa.array(found.of_record[found.of_record >= 0])
        compiler = Compiler(stage.columns)
        keys = [compiler.columns[c.name] for c in stage.schema.key]
        carried = [compiler.columns[name] for name in self.step.carried]
        named = [f"any_value({sql}) AS c{i}" for i, sql in enumerate([*keys, *carried])]
        partials = self.grouping.named(self.grouping.partials(compiler))
        cycle.need([*compiler.needs.values(), *self.grouping.needs])
        meta = ["max(_t) AS _t", "arg_max(_p, _o) AS _p", "max(_o) AS _o", "max(_g) AS _g", "_session"]
        source = cycle.bind(table.append_column("_session", numbers))
        own = f"SELECT {', '.join([*named, *partials, *meta])} FROM {source} GROUP BY _session ORDER BY _session"
        rows = cycle.table(self.grouping.begun(own))
        names = [*self.names[: self.width], *[f"s{i}" for i in range(len(self.grouping.state))], "_t", "_p"]
        columns = dict(zip(self.names, cycle.arrays(rows, names, self.grouping.codec.types), strict=True))
        return pa.table(columns | {name: one_chunk(rows[name]).cast(pa.int64()) for name in ("_o", "_g")})

    def fold(self, cycle: Cycle, stored: Stored, found: Sessions, own: pa.Table) -> pa.Table:
        """The sessions as they are now: to the records' own part comes, before it, the state of what was stored, in the order of time."""
        table = own.append_column("_ws", pa.array(found.spans.starts)).append_column("_we", pa.array(found.spans.ends))
        joined = np.flatnonzero(found.of_stored >= 0)
        if not len(joined):
            return table
        joined = joined[np.argsort(found.of_stored[joined], kind="stable")]
        owners, first, counts = np.unique(found.of_stored[joined], return_index=True, return_counts=True)
        state = stored.rows.take(pa.array(joined[first])).select([*self.state_names, "_t"])
        for turn in range(1, int(counts.max())):
            more = np.flatnonzero(counts > turn)
            later = self.combined(cycle, state.take(pa.array(more)), stored.rows.take(pa.array(joined[first[more] + turn])))
            state = replaced(state, later, more)
        return replaced(table, self.combined(cycle, state, own.take(pa.array(owners))), owners)

    def combined(self, cycle: Cycle, earlier: pa.Table, later: pa.Table) -> pa.Table:
        """The states m and the times _t of sessions joined, row by row."""
        pairs = {"_ht": earlier["_t"], "_st": later["_t"]}
        for i, name in enumerate(self.state_names):
            pairs |= {f"h{i}": earlier[name], f"s{i}": later[name]}
        columns = [*self.grouping.merges(combine=True), "greatest(_ht, _st) AS _t"]
        return cycle.table(f"SELECT {', '.join(columns)} FROM {cycle.bind(pa.table(pairs))}")

    def store_back(self, cycle: Cycle, store: Rows, stored: Stored, found: Sessions, keys: list[Key], merged: pa.Table) -> None:
        """Replace the swallowed sessions by what they became; `keys` are the sessions' own."""
        gone = [stored.keys[row] for row in np.flatnonzero(found.of_stored >= 0).tolist()]
        spans = found.spans
        bounds = map(bytes.__add__, big_endians(spans.ends), big_endians(spans.starts))
        buckets = big_endians(spans.ends // self.bucket_ms)
        now = [key.within(bucket) + bound for key, bucket, bound in zip(keys, buckets, bounds, strict=True)]
        # neighbours in the store are written one after the other
        order = sorted(range(len(now)), key=now.__getitem__)
        rows = pa.array(order)
        store.delete(sorted(gone))
        store.put([now[row] for row in order], [column.take(rows) for column in cycle.arrays(merged, self.names, self.grouping.codec.types)])
        if self.final:
            index = cycle.state(f"{self.name}/ends")
            index.delete_many(list(map(end_key, gone)))
            index.put_many(sorted((end_key(key), b"") for key in now))

    def changes(self, cycle: Cycle, stored: Stored, found: Sessions, merged: pa.Table) -> pa.Table:
        """A tombstone for each stored session that was joined to something, and the sessions as they are now."""
        spans = stored.spans
        owner = found.of_stored
        now_start, now_end = found.spans.starts[owner], found.spans.ends[owner]
        grown = (spans.starts != now_start) | (spans.ends != now_end)
        if cycle.every_change:
            # a record that falls on its session's only moment changes nothing of its bounds
            grown = now_start != now_end
        gone = np.flatnonzero((owner >= 0) & grown)
        gone = gone[np.lexsort((spans.starts[gone], owner[gone]))]
        tombstones = stored.rows.take(pa.array(gone))
        of = pa.array(owner[gone])
        extra = {
            "_o": one_chunk(merged["_o"]).take(of), "_g": pa.nulls(len(gone), pa.int64()), "_ws": pa.array(spans.starts[gone]),
            "_we": pa.array(spans.ends[gone]), "_present": pa.array(np.zeros(len(gone), bool)),
        }  # fmt: skip
        for name, values in extra.items():
            tombstones = tombstones.append_column(name, values)
        present = merged.append_column("_present", pa.array(np.ones(merged.num_rows, bool)))
        return pa.concat_tables([tombstones.select(present.column_names), present])

    # ------------------------------------------------------------------------------------------ closing and expiring

    def close(self, cycle: Cycle, times: Numbers, table: pa.Table) -> pa.Table | None:
        """The sessions that stream time has now closed, and that were not emitted before."""
        found: list[bytes] = []
        index = cycle.state(f"{self.name}/ends")
        for p in np.unique(one_chunk(table["_p"]).to_numpy(zero_copy_only=False)).tolist():
            limit = times.get(f"time/{p}", LONGEST_AGO) - grace_of(self.window) - self.window.size_ms
            done = times.get(f"emitted/{p}", LONGEST_AGO)
            if limit <= done:
                continue
            found += [key for key, _ in index.scan(window_prefix(p, done), window_prefix(p, limit))]
            times.put(f"emitted/{p}", limit)
        if not found:
            return None
        store = Rows(cycle.state(f"{self.name}/groups"), self.grouping.codec)
        _, columns = store.lookup(list(map(self.key_of, found)))
        rows = pa.table(dict(zip(self.names, columns, strict=True)))
        count = len(found)
        rows = rows.append_column("_o", pa.array(np.arange(count))).append_column("_g", pa.nulls(count, pa.int64()))
        ends, starts = bounds([key[2:18] for key in found])
        rows = rows.append_column("_ws", pa.array(starts)).append_column("_we", pa.array(ends))
        return rows.append_column("_present", pa.array([True] * count))

    def key_of(self, end_key: bytes) -> bytes:
        """The key in the store of what the store by end has under this one."""
        ends, _ = bounds([end_key[2:18]])
        return end_key[:2] + big_endian(int(ends[0]) // self.bucket_ms) + end_key[18:] + end_key[2:18]

    def expire(self, cycle: Cycle, times: Numbers, table: pa.Table) -> None:
        """Forget the sessions that are past their retention, by whole buckets."""
        for p in np.unique(one_chunk(table["_p"]).to_numpy(zero_copy_only=False)).tolist():
            limit = (times.get(f"time/{p}", LONGEST_AGO) - retention_of(self.window) - self.window.size_ms) // self.bucket_ms
            if limit <= times.get(f"expired/{p}", LONGEST_AGO):
                continue
            cycle.state(f"{self.name}/groups").delete_range(window_prefix(p, LONGEST_AGO), window_prefix(p, limit))
            if self.final:
                cycle.state(f"{self.name}/ends").delete_range(window_prefix(p, LONGEST_AGO), window_prefix(p, limit * self.bucket_ms))
            times.put(f"expired/{p}", limit)

    # ------------------------------------------------------------------------------------------ what goes on

    def emit(self, cycle: Cycle, rows: pa.Table) -> Stage:
        """The changes as a stage: results out of the state columns."""
        self.grouping.report(cycle, rows.filter(rows["_present"]))
        columns = [f"c{i}" for i in range(self.width)]
        columns += [f"{sql} AS c{self.width + i}" for i, sql in enumerate(self.grouping.results("m", careful=cycle.careful))]
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


def kept_sessions(store: StateStore, codec: RowCodec, wanted: Sequence[bytes] | None) -> tuple[dict[str, pa.Array], list[pa.Array]]:
    """The stored sessions, all or those of these keys: the bounds (`_ws`, `_we`) and the columns of each. Of each bucket that there is only the
    wanted keys are read."""
    rows = Rows(store, codec)
    if wanted is None:
        keys, columns = rows.scan()
    else:
        prefixes = [place + framed(key) for place in buckets(store) for key in sorted(wanted)] if wanted else []
        keys, columns = rows.scan_many([(prefix, prefix + b"\xff" * 16) for prefix in prefixes])
    ends, starts = bounds([key[-16:] for key in keys])
    return {"_ws": pa.array(starts), "_we": pa.array(ends)}, columns


def buckets(store: StateStore) -> Iterator[bytes]:
    """What the keys of each partition's buckets begin with."""
    at = b""
    while (item := next(store.scan(at), None)) is not None:
        yield item[0][:10]
        at = beyond(item[0][:10])


def replaced(table: pa.Table, rows: pa.Table, at: Numbers64) -> pa.Table:
    """The table with the columns of `rows` in place of its own at these row numbers."""
    place = np.arange(table.num_rows)
    place[at] = table.num_rows + np.arange(len(at))
    index = pa.array(place)
    for name in rows.column_names:
        column = one_chunk(table[name])
        both = pa.concat_arrays([column, one_chunk(rows[name]).cast(column.type)])
        table = table.set_column(table.column_names.index(name), name, both.take(index))
    return table


def framed(key: bytes) -> bytes:
    """A key with its length before it, so that none is the beginning of another."""
    short = bounded(key)
    return len(short).to_bytes(2, "big") + short


def bounds(raw: list[bytes]) -> tuple[Numbers64, Numbers64]:
    """The ends and the starts (ms) of sessions, out of the 16 bytes of each in a state key."""
    numbers = np.frombuffer(b"".join(raw), ">u8").reshape(-1, 2).astype(np.uint64) ^ np.uint64(1 << 63)
    ends, starts = numbers.astype(np.int64).T
    return ends, starts


def end_key(key: bytes) -> bytes:
    """The key in the store by end of the session of this key: partition, end, start, framed key."""
    return key[:2] + key[-16:] + key[10:-16]
