"""GROUP BY of a table: a changed row leaves the group that it was in and enters the one that it is in now.

Each change becomes up to two signed rows, the old value out (-1) and the new value in (+1). A batch's rows in and rows out are made into
partial states by group; the stored state takes those in first and then gives those out, so that a value that came and went within the batch
is found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from penstock.engine.evaluate import one_chunk
from penstock.engine.keys import Keys, state_keys
from penstock.engine.operators.aggregate import emitted, empty_stage
from penstock.engine.operators.contract import Operator
from penstock.engine.operators.grouping import Grouping
from penstock.engine.sql import Compiler
from penstock.engine.stage import Cycle, Stage
from penstock.functions.duckdb import duckdb_type
from penstock.plan import steps


@dataclass
class Regroup:
    """The rekeying of a table before its aggregation: signed rows, with the column `_sign`. Without a `Rekey` step the key stays."""

    step: steps.Step
    input: Operator
    rekey: steps.Rekey | None

    def run(self, cycle: Cycle) -> Stage:
        """The old values out and the new values in, in order."""
        stage = self.input.run(cycle)
        now = Compiler(stage.columns)
        before = Compiler(stage.old_columns, now.needs, compiled=now.compiled)
        schema = self.step.schema
        sides = []
        for compiler in (before, now):
            keys = [compiler(e) for e in self.rekey.key] if self.rekey else [compiler.columns[c.name] for c in schema.key]
            sides.append(keys)
        count = len(sides[0])
        names = [c.name for c in schema.key]
        stage, keys = cycle.compute(stage, now, [*sides[0], *sides[1]], [*[f"{n} of the row before" for n in names], *names])
        cycle.need(now.needs.values())
        meta = ["_t", "0 AS _p" if self.rekey else "_p", "_g", "TRUE AS _present", *(["_ws", "_we"] if stage.windowed else [])]
        parts = []
        for sign, condition, side, compiler in ((-1, "_old IS NOT NULL", keys[:count], before), (1, "_present", keys[count:], now)):
            columns = [*side, *(compiler.columns[c.name] for c in schema.value)]
            named = [f"{sql} AS c{i}" for i, sql in enumerate(columns)]
            known = "".join(f" AND ({key}) IS NOT NULL" for key in side)
            place = f"_o * 2 + {1 if sign > 0 else 0} AS _o"
            parts.append(f"SELECT {', '.join([*named, *meta, place, f'{sign} AS _sign'])} FROM ({stage.sql}) WHERE {condition}{known}")
        partition = 0 if self.rekey else stage.partition
        return replace(stage, sql=" UNION ALL ".join(parts), schema=schema, old=False, partition=partition, in_place=False)


@dataclass
class TableAggregate:
    """Aggregation over a table's signed rows."""

    step: steps.Aggregate
    input: Regroup
    name: str
    old: bool = False
    properties: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.grouping = Grouping(self.step, self.properties)
        self.width = len(self.grouping.keys) + len(self.grouping.carried)

    def run(self, cycle: Cycle) -> Stage:
        """The groups that the batch changes."""
        stage = self.input.run(cycle)
        if stage.empty:
            return empty_stage(self.step, self.grouping, old=self.old)
        table = cycle.table(f"SELECT * FROM ({stage.sql}) ORDER BY _o")
        changes = [self.merge(cycle, stage, part) for part in self.parts(cycle, table)]
        if not changes:
            return empty_stage(self.step, self.grouping, old=self.old)
        rows = pa.concat_tables(changes)
        return emitted(cycle, self.step, self.grouping, rows, old=self.old)

    def parts(self, cycle: Cycle, table: pa.Table) -> Iterable[pa.Table]:
        """The batch at once, or where every change counts, one changed row at a time."""
        if not table.num_rows:
            return []
        if not cycle.every_change:
            return [table]
        change = one_chunk(table["_o"]).to_numpy(zero_copy_only=False) // 2
        starts = np.flatnonzero(np.r_[True, change[1:] != change[:-1]]).tolist()
        return [table.slice(a, b - a) for a, b in zip(starts, [*starts[1:], table.num_rows], strict=True)]

    def merge(self, cycle: Cycle, stage: Stage, part: pa.Table) -> pa.Table:
        """Store the groups' new state; rows c (key, carried, aggregates), r (results before), _had and meta."""
        grouping, keyed = self.grouping, len(self.grouping.keys)
        batch = cycle.table(self.partial_sql(cycle, stage, cycle.bind(part)))
        rest = state_keys(cycle.arrays(batch, [f"c{i}" for i in range(keyed)], grouping.keys), grouping.keys, batch.num_rows)
        keys, order = Keys.sorted(rest)
        store = grouping.table(cycle.state(f"{self.name}/groups"))
        had, stored = store.lookup(keys, range(self.width, self.width + len(grouping.state) + 1))
        columns = dict(zip(batch.column_names, batch.take(pa.array(order)).columns, strict=True))
        columns |= dict(zip([*(f"h{i}" for i in range(len(grouping.state))), "_ht"], stored, strict=True)) | {"_had": pa.array(had)}
        merged = cycle.table(self.merge_sql(cycle.bind(pa.table(columns)), careful=cycle.careful))
        grouping.report(cycle, merged)
        names = [*[f"c{i}" for i in range(self.width)], *[f"m{i}" for i in range(len(grouping.state))], "_t", "_p"]
        store.put(keys, cycle.arrays(merged, names, grouping.codec.types))
        in_turn = np.argsort(one_chunk(merged["_o"]).to_numpy(zero_copy_only=False), kind="stable")
        return merged.drop_columns([f"m{i}" for i in range(len(grouping.state))]).take(pa.array(in_turn))

    def partial_sql(self, cycle: Cycle, stage: Stage, part: str) -> str:
        """One row a group: columns c, s (the partial state of the rows in), u (of the rows out), whether there are such, meta."""
        compiler = Compiler(stage.columns)
        partials = self.grouping.named(self.grouping.partials(compiler))
        cycle.need([*compiler.needs.values(), *self.grouping.needs])
        keys = [f"c{i}" for i in range(len(self.grouping.keys))]
        carried = [f"any_value({compiler.columns[name]}) AS c{len(keys) + i}" for i, name in enumerate(self.step.carried)]
        by = f" GROUP BY {', '.join(keys)}" if keys else ""
        sides = [f"SELECT {', '.join([*keys, *partials, 'count(*) AS n'])} FROM {part} WHERE _sign = {sign}{by}" for sign in (1, -1)]
        groups = f"SELECT {', '.join([*keys, *carried, 'max(_t) AS _t', 'any_value(_p) AS _p', 'max(_o) AS _o', 'max(_g) AS _g'])} FROM {part}{by}"
        state = range(len(self.grouping.state))
        chosen = [f"g.{c} AS {c}" for c in [*[f"c{i}" for i in range(self.width)], "_t", "_p", "_o", "_g"]]
        chosen += [f"a.s{i} AS s{i}" for i in state] + [f"b.s{i} AS u{i}" for i in state]
        chosen += ["coalesce(a.n, 0) > 0 AS _in", "coalesce(b.n, 0) > 0 AS _out"]
        matches = {name: " AND ".join(f"g.{k} = {name}.{k}" for k in keys) or "TRUE" for name in "ab"}
        joins = [f"LEFT JOIN ({side}) {name} ON {match}" for side, (name, match) in zip(sides, matches.items(), strict=True)]
        return f"SELECT {', '.join(chosen)} FROM ({groups}) g {' '.join(joins)}"

    def merge_sql(self, table: str, *, careful: bool) -> str:
        """The new state, the results after and before, in the order of the table."""
        grouping = self.grouping
        taken, given, number = [], [], 0
        for resolved in grouping.calls:
            span = range(number, number + len(resolved.state))
            types = [duckdb_type(t) for t in resolved.state]
            merged = resolved.merge([f"h{i}" for i in span], [f"s{i}" for i in span])
            taken += [f"CAST(CASE WHEN _in THEN {sql} ELSE h{i} END AS {t}) AS i{i}" for i, sql, t in zip(span, merged, types, strict=True)]
            assert resolved.undo is not None
            undone = resolved.undo([f"i{i}" for i in span], [f"u{i}" for i in span])
            given += [f"CAST(CASE WHEN _out THEN {sql} ELSE i{i} END AS {t}) AS m{i}" for i, sql, t in zip(span, undone, types, strict=True)]
            number += len(resolved.state)
        base = [f"c{i}" for i in range(self.width)]
        state = [f"m{i}" for i in range(number)]
        results = [f"{sql} AS c{self.width + i}" for i, sql in enumerate(grouping.results("m", careful=careful))]
        before = [f"{sql} AS r{i}" for i, sql in enumerate(grouping.results("h", careful=careful))]
        meta = ["greatest(_t, coalesce(_ht, _t)) AS _t", "_p", "_o", "_g", "_had"]
        inner = f"SELECT *, {', '.join(given)} FROM (SELECT *, {', '.join(taken)} FROM {table})"
        return f"SELECT {', '.join([*base, *results, *before, *state, *meta])} FROM ({inner})"
