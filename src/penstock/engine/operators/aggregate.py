"""GROUP BY: partial aggregates of a batch, merged with the stored state of the keys that the batch touches.

A batch's rows become one partial row a key (and window), or in every-change mode one running partial a record. Those rows meet the stored
state, looked up once a key, in one SQL query that yields the new state and the results. Windows are the prefixes of the state's keys, so that
the ones that close or expire lie next to each other.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from penstock.engine.evaluate import one_chunk
from penstock.engine.keys import Flags, Keys, state_keys
from penstock.engine.operators.contract import Operator
from penstock.engine.operators.grouping import Grouping, window_prefix, window_starts
from penstock.engine.operators.partials import NO_LASTS, Partials, lasts_of
from penstock.engine.operators.sorting import by_sorting
from penstock.engine.sql import Compiler
from penstock.engine.stage import Cycle, Stage
from penstock.engine.state import Numbers
from penstock.engine.table import Table, in_key_order
from penstock.functions.duckdb import duckdb_type
from penstock.plan import steps

Numbers64 = npt.NDArray[np.int64]

DAY_MS = 24 * 3600 * 1000
LONGEST_AGO = -(1 << 62)


def grace_of(window: steps.Window) -> int:
    """The grace period, ms. Where none is given ksqlDB keeps a window open for a day after its start."""
    return max(DAY_MS - window.size_ms, 0) if window.grace_ms is None else window.grace_ms


def retention_of(window: steps.Window) -> int:
    """How long a window is kept after its end, ms: never less than it may still change."""
    return max(window.retention_ms if window.retention_ms is not None else DAY_MS, window.size_ms + grace_of(window))


@dataclass
class Aggregate:
    """Aggregation over a stream: without a window, or with tumbling or hopping ones. With `final`, only closed windows are emitted."""

    step: steps.Aggregate
    input: Operator
    name: str
    old: bool = False
    final: bool = False
    properties: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.grouping = Grouping(self.step, self.properties)

    # ------------------------------------------------------------------------------------------ the batch's part

    def run(self, cycle: Cycle) -> Stage:
        """The changed groups; with `final` those of the windows that this batch closed."""
        stage = self.input.run(cycle)
        if stage.empty:
            return empty_stage(self.step, self.grouping, old=self.old)
        times = Numbers(cycle.state(f"{self.name}/times"))
        if self.step.window:
            stage = self.on_time(cycle, stage, times)
        batch = cycle.table(self.batch_sql(cycle, stage)) if cycle.every_change else self.partials(cycle, stage)
        cycle.spent(stage.sql)
        if not len(batch):
            return empty_stage(self.step, self.grouping, old=self.old)
        changes = self.merge_groups(cycle, batch) if isinstance(batch, Partials) else self.merge_changes(cycle, batch)
        if not self.step.window:
            return self.emit(cycle, changes)
        reached = self.advance(times, changes)
        closed = self.close(cycle, times, reached) if self.final else None
        self.expire(cycle, times, reached)
        return self.emit(cycle, changes if closed is None else closed)

    def partials(self, cycle: Cycle, stage: Stage) -> Partials:
        """The partial rows of a batch whose groups have one each."""
        rows = cycle.known(stage) if stage.in_place else None
        compiler = Compiler(stage.columns)
        parts = {f"s{i}": sql for i, sql in enumerate(self.grouping.partials(compiler))}
        lasts = NO_LASTS if rows is None else lasts_of(rows, parts)
        if rows is not None and stage.partition is not None and len(self.grouping.keys) == 1 and not self.step.window and not self.step.carried:
            key, rest = compiler.columns[stage.schema.key[0].name], {name: sql for name, sql in parts.items() if name not in lasts.columns}
            if (found := by_sorting(rows, key, self.grouping.keys[0], rest, lasts)) is not None:
                return Partials(found[0], stage.partition, lasts, found[1])
        return Partials(cycle.table(self.batch_sql(cycle, stage, lasts.columns)), stage.partition, lasts)

    def batch_sql(self, cycle: Cycle, stage: Stage, lasts: Container[str] = ()) -> str:
        """SQL of the partial rows, without the columns `lasts`, `_p` where all rows have one, and `_g` where it is `_o`."""
        compiler = Compiler(stage.columns)
        columns = [compiler.columns[c.name] for c in stage.schema.key] + [compiler.columns[name] for name in self.step.carried]
        named = [f"{sql} AS c{i}" for i, sql in enumerate(columns)]
        keys = [compiler.columns[c.name] for c in stage.schema.key]
        source = self.windows(stage)
        # a record without a key belongs to no group; where the groups' key has several columns the step before has seen to it
        known = f"_present AND {keys[0]} IS NOT NULL" if len(keys) == 1 else "_present"
        # each thing to group by, and each maximum to keep, costs a batch of many groups a tenth of its time
        several = stage.partition is None
        group = [*(["_p"] if several else []), "_ws", *keys] if self.step.window else keys or ["1"]
        if cycle.every_change:
            over = f" OVER (PARTITION BY {', '.join(group)} ORDER BY _o ROWS UNBOUNDED PRECEDING)"
            partials = self.grouping.named(self.grouping.partials(compiler), over)
            meta = [f"max(_t){over} AS _t", "_p", "_o", "_g", *(["_ws"] if self.step.window else [])]
            sql = f"SELECT {', '.join([*named, *partials, *meta])} FROM {source} WHERE {known} ORDER BY _o"
            if self.step.window:
                sql += ", _ws"
        else:
            keyed = len(stage.schema.key)
            named = [n if i < keyed else f"any_value({columns[i]}) AS c{i}" for i, n in enumerate(named)]
            partials = self.grouping.named(self.grouping.partials(compiler), without=lasts)
            meta = ["max(_o) AS _o", *(["max(_t) AS _t"] if "_t" not in lasts else [])]
            meta += [] if stage.in_place else ["max(_g) AS _g"]
            meta += ["_p" if self.step.window else "any_value(_p) AS _p"] if several else []
            meta += ["_ws"] if self.step.window else []
            sql = (
                f"SELECT {', '.join([*named, *partials, *meta])} FROM {source} WHERE {known} "
                + (f"GROUP BY {', '.join(group)}" if group != ["1"] else "HAVING count(*) > 0")
            )
        cycle.need([*compiler.needs.values(), *self.grouping.needs])
        return sql

    def windows(self, stage: Stage) -> str:
        """The input with a row for each window that holds it."""
        window = self.step.window
        if window is None:
            return f"({stage.sql})"
        if window.kind == "TUMBLING":
            rows = f"SELECT *, _t - _t % {window.size_ms} AS _ws FROM ({stage.sql})"
        else:
            assert window.advance_ms
            first = f"greatest(_t - {window.size_ms - window.advance_ms}, 0) // {window.advance_ms} * {window.advance_ms}"
            rows = f"SELECT *, unnest(range({first}, _t + 1, {window.advance_ms})) AS _ws FROM ({stage.sql})"
        late = f" WHERE _ws + {window.size_ms + grace_of(window)} > _newest" if stage.disorder_ms is None else ""
        return f"(SELECT * FROM ({rows}){late})"

    # ------------------------------------------------------------------------------------------ lateness

    def on_time(self, cycle: Cycle, stage: Stage, times: Numbers) -> Stage:
        """Make sure that records late for their window are left out.

        Where no row is behind the newest by more than the grace period, none can be late. Otherwise each row gets `_newest`, the stream
        time at its turn, and `windows` judges by it.
        """
        assert self.step.window
        reached = max((value for name, value in times.items() if name.startswith("time/")), default=LONGEST_AGO)
        grace = grace_of(self.step.window)
        if stage.disorder_ms is not None and max(stage.disorder_ms, reached - stage.oldest_ms) <= grace:
            return stage
        table = cycle.table(f"SELECT * FROM ({stage.sql}) WHERE _present ORDER BY _o")
        time, partition = (one_chunk(table[c]).to_numpy(zero_copy_only=False) for c in ("_t", "_p"))
        newest = np.empty(len(time), np.int64)
        for p in np.unique(partition).tolist():
            rows = partition == p
            running = np.maximum.accumulate(time[rows]) if rows.any() else time[rows]
            newest[rows] = np.maximum(running, times.get(f"time/{p}", LONGEST_AGO))
        table = table.append_column("_newest", pa.array(newest))
        return replace(stage, sql=f"SELECT * FROM {cycle.bind(table)}", disorder_ms=None)

    def advance(self, times: Numbers, changes: pa.Table) -> dict[int, int]:
        """Move stream time on; return it by partition."""
        time, partition = (one_chunk(changes[c]).to_numpy(zero_copy_only=False) for c in ("_st", "_p"))
        reached = {}
        for p in np.unique(partition).tolist():
            reached[p] = max(int(time[partition == p].max()), times.get(f"time/{p}", LONGEST_AGO))
            times.put(f"time/{p}", reached[p])
        return reached

    # ------------------------------------------------------------------------------------------ the state's part

    def store(self, cycle: Cycle) -> Table:
        """The stored groups."""
        return self.grouping.table(cycle.state(f"{self.name}/groups"))

    def group_keys(self, cycle: Cycle, batch: Partials) -> tuple[Keys, Numbers64]:
        """The keys of partial rows, of which each group has one, in the order of the state, and which row each one is."""
        return Keys.sorted(self.rests(cycle, batch.table), *self.window_prefixes(batch.table, batch.partitions))

    def change_keys(self, cycle: Cycle, batch: pa.Table) -> tuple[Keys, Numbers64]:
        """The keys of partial rows, of which a group has one for each record, in the order of the state, each once, and for each row the number of
        its key."""
        rests = self.rests(cycle, batch)
        prefixes, groups = self.window_prefixes(batch, one_chunk(batch["_p"]).to_numpy(zero_copy_only=False))
        known = rests.dictionary_encode()
        codes = known.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        if groups is not None:
            codes += groups * len(known.dictionary)
        _, first, number = np.unique(codes, return_index=True, return_inverse=True)
        keys, order = Keys.sorted(rests.take(pa.array(first)), prefixes, None if groups is None else groups[first])
        return keys, inverse(order)[number]

    def rests(self, cycle: Cycle, batch: pa.Table) -> pa.Array:
        """The rests of the partial rows' keys."""
        types = self.grouping.keys
        return state_keys(cycle.arrays(batch, [f"c{i}" for i in range(len(types))], types), types, batch.num_rows)

    def window_prefixes(self, batch: pa.Table, partitions: npt.NDArray[np.int32]) -> tuple[list[bytes], Numbers64 | None]:
        """The prefixes of the partial rows' windows, sorted, and the number of each row's; one empty prefix and None where there are no windows."""
        if not self.step.window:
            return [b""], None
        starts = one_chunk(batch["_ws"]).to_numpy(zero_copy_only=False)
        known_starts, start = np.unique(starts, return_inverse=True)
        pairs, groups = np.unique(partitions.astype(np.int64) * len(known_starts) + start, return_inverse=True)
        numbers = (divmod(pair, len(known_starts)) for pair in pairs.tolist())
        return [window_prefix(partition, int(known_starts[i])) for partition, i in numbers], groups

    def merge_groups(self, cycle: Cycle, batch: Partials) -> pa.Table:
        """Join the partial rows with the stored state, store the new one, and return rows with results: columns c (key, carried, aggregates), r
        (results before), had, meta; `_st` is the newest record's own time. They come in the order of the state."""
        grouping = self.grouping
        keys, order = (batch.keys, None) if batch.keys is not None else self.group_keys(cycle, batch)
        cycle.keys_touched = max(cycle.keys_touched, len(keys))
        store = self.store(cycle)
        had, held = store.lookup(keys, grouping.looked_up)
        merged = self.merged(cycle, batch.in_order(order), had, held)
        grouping.report(cycle, merged)
        store.put(keys, cycle.arrays(merged, grouping.stored, grouping.codec.types))
        return merged

    def merged(self, cycle: Cycle, rows: dict[str, pa.Array], had: Flags, held: list[pa.Array]) -> pa.Table:
        """Partial rows joined with the states that are stored for them. DuckDB computes what is new; the other columns are taken over as they are."""
        grouping = self.grouping
        stored = dict(zip([f"h{i}" for i in range(len(grouping.state))], held, strict=False))
        state = [f"m{i}" for i in range(len(grouping.state))]
        results = {f"c{grouping.width + i}": sql for i, sql in enumerate(grouping.results("m", careful=cycle.careful))}
        before = {f"r{i}": sql for i, sql in enumerate(grouping.results("h", careful=cycle.careful))} if self.old else {}
        same = {f"c{grouping.width + i}": f"m{column}" for i, column in grouping.unchanged.items()}
        kept = {f"m{i}": rows[f"s{i}"] for i in grouping.newest if not rows[f"s{i}"].null_count}
        values = [f"{sql} AS {name}" for name, sql in (results | before).items() if name not in same]
        wanted = [*(name for name in state if name not in kept), *values]
        source = cycle.bind(pa.table({name: array for name, array in rows.items() if name[0] != "_"} | stored))
        # DuckDB runs as many threads as it is given, one; so the order of the rows is that of the result
        found = cycle.table(f"SELECT {', '.join(wanted)} FROM (SELECT *, {', '.join(grouping.merges())} FROM {source})") if wanted else pa.table({})
        cycle.spent(source)
        new = kept | dict(zip(found.column_names, found.columns, strict=True))
        columns = {name: array for name, array in rows.items() if name[0] != "s"}
        columns |= {name: new[same.get(name, name)] for name in [*results, *before, *state]}
        columns |= {"_st": rows["_t"], "_t": pc.max_element_wise(rows["_t"], held[-1]), "_had": pa.array(had)}
        return pa.table(columns)

    def merge_changes(self, cycle: Cycle, batch: pa.Table) -> pa.Table:
        """The same where a group has a row for each record, with its state then, in the order of the records."""
        grouping = self.grouping
        keys, number = self.change_keys(cycle, batch)
        cycle.keys_touched = max(cycle.keys_touched, len(keys))
        store = self.store(cycle)
        had, stored = store.lookup(keys, grouping.looked_up)
        held = dict(zip([*(f"h{i}" for i in range(len(grouping.state))), "_ht"], stored, strict=True)) | {"_had": pa.array(had)}
        index = pa.array(number)
        held = {name: column.take(index) for name, column in held.items()}
        table = pa.table(dict(zip(batch.column_names, batch.columns, strict=True)) | held)
        merged = cycle.table(self.changes_sql(cycle, cycle.bind(table)))
        grouping.report(cycle, merged)
        last = pa.array(last_of_each(number, len(keys)))
        store.put(keys, [column.take(last) for column in cycle.arrays(merged, grouping.stored, grouping.codec.types)])
        return merged

    def changes_sql(self, cycle: Cycle, table: str) -> str:
        """SQL that joins the bound rows of each record with the state beside them. The row before a record's is its key's previous one in this batch,
        else the stored one."""
        grouping, width = self.grouping, self.grouping.width
        base = [f"c{i}" for i in range(width)]
        results = [f"{sql} AS c{width + i}" for i, sql in enumerate(grouping.results("m", careful=cycle.careful))]
        meta = ["_t", "_st", "_p", "_o", "_g", *(["_ws"] if self.step.window else [])]
        state = [f"m{i}" for i in range(len(grouping.state))]
        before, previous, had = [], [], "_had"
        if self.old:
            group = ", ".join([*(["_ws", "_p"] if self.step.window else []), *[f"c{i}" for i in range(len(grouping.keys))]]) or "1"
            chain = f"OVER (PARTITION BY {group} ORDER BY _o)"
            before = [f"{sql} AS r{i}" for i, sql in enumerate(grouping.results("b", careful=cycle.careful))]
            previous = [f"CASE WHEN lag(_o) {chain} IS NULL THEN h{i} ELSE lag(m{i}) {chain} END AS b{i}" for i in range(len(state))]
            previous.append(f"(_had OR lag(_o) {chain} IS NOT NULL) AS _had2")
            had = "_had2 AS _had"
        merged = [*base, *(f"h{i}" for i in range(len(state))), *grouping.merges(), "_t AS _st", "greatest(_t, coalesce(_ht, _t)) AS _t"]
        return (
            f"SELECT {', '.join([*base, *results, *before, *state, *meta, had])} FROM ("
            f"SELECT {', '.join(['*', *previous])} FROM ("
            f"SELECT {', '.join([*merged, *(m for m in meta if m not in ('_t', '_st')), '_had'])} FROM {table}))"
            f" ORDER BY _o{', _ws' if self.step.window else ''}"
        )

    # ------------------------------------------------------------------------------------------ closing and expiring windows

    def close(self, cycle: Cycle, times: Numbers, reached: dict[int, int]) -> pa.Table:
        """The final rows of the windows whose end and grace period stream time has now passed."""
        window = self.step.window
        assert window
        parts: list[list[pa.Array]] = []
        for p, time in reached.items():
            limit = time - grace_of(window) - window.size_ms + 1  # windows that start before this are closed
            done = times.get(f"emitted/{p}", LONGEST_AGO)
            if limit <= done:
                continue
            keys, columns = self.store(cycle).scan(window_prefix(p, done), window_prefix(p, limit))
            times.put(f"emitted/{p}", limit)
            order = in_key_order(keys)
            parts.append([window_starts(keys), *(column.take(order) for column in columns)])
        grouping, width = self.grouping, len(self.grouping.keys) + len(self.grouping.carried)
        nothing = [pa.array([], pa.int64()), *grouping.codec.decode([])]
        names = ["_ws"] + [f"c{i}" for i in range(width)] + [f"m{i}" for i in range(len(grouping.state))] + ["_t", "_p"]
        table = pa.table({name: pa.concat_arrays(list(column)) for name, *column in zip(names, nothing, *parts, strict=True)})
        results = [f"{sql} AS c{width + i}" for i, sql in enumerate(grouping.results("m", careful=cycle.careful))]
        before = [f"CAST(NULL AS {duckdb_type(c.type)}) AS r{i}" for i, c in enumerate(self.step.aggregates)]
        grouping.report(cycle, table.append_column("_g", pa.nulls(table.num_rows, pa.int64())))
        return cycle.table(
            f"SELECT {', '.join([*[f'c{i}' for i in range(width)], *results, *before])}, _t, _p, _ws, "
            f"row_number() OVER () AS _o, CAST(NULL AS BIGINT) AS _g, FALSE AS _had FROM {cycle.bind(table)}"
        )

    def expire(self, cycle: Cycle, times: Numbers, reached: dict[int, int]) -> None:
        """Forget the windows that are past their retention, now and then."""
        window = self.step.window
        assert window
        retention = retention_of(window)
        for p, time in reached.items():
            limit = time - retention - window.size_ms
            done = times.get(f"expired/{p}", LONGEST_AGO)
            if limit - done < max(window.size_ms, 1000):
                continue
            self.store(cycle).forget(window_prefix(p, LONGEST_AGO), window_prefix(p, limit))
            times.put(f"expired/{p}", limit)

    # ------------------------------------------------------------------------------------------ what goes on

    def emit(self, cycle: Cycle, changes: pa.Table) -> Stage:
        """The changed groups as a stage."""
        return emitted(cycle, self.step, self.grouping, changes, old=self.old)


def emitted(cycle: Cycle, step: steps.Aggregate, grouping: Grouping, changes: pa.Table, *, old: bool) -> Stage:
    """The stage of changed groups: columns c, and r (the results before) where `_had`."""
    columns = [f"c{i}" for i in range(len(step.schema.columns))]
    if not old:
        made = {"_present": pa.array(np.ones(changes.num_rows, bool))}
        if step.window:
            made |= {"_ws": changes["_ws"], "_we": pc.add(changes["_ws"], step.window.size_ms)}
        rows = changes.select([*columns, "_t", "_p", "_o", "_g"])
        sql = cycle.rows(pa.table(dict(zip(rows.column_names, rows.columns, strict=True)) | made))
    else:
        meta = ["_t", "_p", "_o", "_g", "TRUE AS _present"]
        meta += ["_ws", f"_ws + {step.window.size_ms} AS _we"] if step.window else []
        keys, carried = len(grouping.keys), len(grouping.carried)
        fields = [f"c{keys + i} := c{keys + i}" for i in range(carried)]
        fields += [f"c{keys + carried + i} := r{i}" for i in range(len(step.aggregates))]
        meta.append(f"CASE WHEN _had THEN struct_pack({', '.join(fields)}) END AS _old")
        sql = f"SELECT {', '.join([*columns, *meta])} FROM {cycle.bind(changes)}"
    return Stage(sql, step.schema, is_table=True, windowed=step.window is not None, old=old, empty=changes.num_rows == 0)


def empty_stage(step: steps.Aggregate, grouping: Grouping, *, old: bool) -> Stage:
    """A stage of no rows with the right columns."""
    fields = [f"CAST(NULL AS {duckdb_type(c.type)}) AS c{i}" for i, c in enumerate(step.schema.columns)]
    meta = ["0::BIGINT AS _t", "0 AS _p", "0::BIGINT AS _o", "0::BIGINT AS _g", "TRUE AS _present"]
    meta += ["0::BIGINT AS _ws", "0::BIGINT AS _we"] if step.window else []
    keys = len(grouping.keys)
    olds = ", ".join(f"c{keys + i} := CAST(NULL AS {duckdb_type(c.type)})" for i, c in enumerate(step.schema.value))
    meta += [f"struct_pack({olds}) AS _old"] if old else []
    sql = f"SELECT {', '.join([*fields, *meta])} WHERE FALSE"
    return Stage(sql, step.schema, is_table=True, windowed=step.window is not None, old=old, empty=True)


def inverse(order: Numbers64) -> Numbers64:
    """Where an order puts each row."""
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    return places


def last_of_each(numbers: Numbers64, count: int) -> Numbers64:
    """The place of the last of each of the numbers below `count`, all of which occur."""
    last = np.empty(count, np.int64)
    last[numbers] = np.arange(len(numbers))
    return last
