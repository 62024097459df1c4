"""Operators that keep nothing: filter, select, flat map, rekey. They only write SQL."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.engine.operators.contract import Operator
from penstock.engine.sql import Compiler
from penstock.engine.stage import Cycle, Stage
from penstock.plan import expressions as ex
from penstock.plan import steps
from penstock.plan.text import expression_text
from penstock.plan.walk import columns_in


def label(name: str, expr: ex.Expr) -> str:
    """What a report calls an expression: its column, or where the planner made that up the expression itself."""
    return expression_text(expr) if name.startswith("KSQL_") else name


@dataclass
class Filter:
    """WHERE and HAVING. A table's row that no longer satisfies the condition becomes a tombstone."""
    step: steps.Filter
    input: Operator

    def run(self, cycle: Cycle) -> Stage:
        """The rows that satisfy the condition."""
        stage = self.input.run(cycle)
        compiler = Compiler(stage.columns)
        condition = compiler.predicate(self.step.predicate)
        if not stage.is_table:
            stage, (condition,) = cycle.compute(stage, compiler, [condition], ["WHERE"])
            return stage.select(self.columns(stage), self.step.schema, f"WHERE _present AND ({condition})")
        before = Compiler(stage.old_columns, compiler.needs, compiled=compiler.compiled).predicate(self.step.predicate)
        stage, (condition, before) = cycle.compute(stage, compiler, [condition, before], ["the condition", "the condition on the row before"])
        # a row that stops satisfying the condition is deleted; one that never did stays unseen
        now, was = f"(_present AND coalesce({condition}, FALSE))", f"(_old IS NOT NULL AND coalesce({before}, FALSE))"
        meta = {"_present": f"{now} AS _present", "_old": f"CASE WHEN {was} THEN _old END AS _old"}
        columns = [f"c{i}" for i in range(len(stage.schema.columns))] + [meta.get(m, m) for m in stage.meta]
        return replace(stage, sql=f"SELECT {', '.join(columns)} FROM ({stage.sql}) WHERE {now} OR {was}", schema=self.step.schema)

    def columns(self, stage: Stage) -> list[str]:
        """The stage's columns as they are."""
        return [f"c{i}" for i in range(len(stage.schema.columns))]


@dataclass
class Select:
    """The SELECT list: new columns out of a row's own."""
    step: steps.Select
    input: Operator

    def run(self, cycle: Cycle) -> Stage:
        """The rows with the new columns."""
        stage = self.input.run(cycle)
        exprs = self.step.key + self.step.value
        names = [label(column.name, expr) for column, expr in zip(self.step.schema.columns, exprs, strict=True)]
        compiler = Compiler(stage.columns)
        sqls = [compiler(expr) for expr in exprs]
        if not stage.old:
            known = cycle.known(stage)
            if known is not None and all(sql in known.column_names for sql in sqls):
                columns = {f"c{i}": known[sql] for i, sql in enumerate(sqls)} | {name: known[name] for name in stage.meta}
                cycle.spent(stage.sql)
                return replace(stage, sql=cycle.rows(pa.table(columns)), schema=self.step.schema)
            stage, sqls = cycle.compute(stage, compiler, sqls, names)
            return stage.select(sqls, self.step.schema)
        keys = len(self.step.key)
        before = Compiler(stage.old_columns, compiler.needs, compiled=compiler.compiled)
        olds = [before(expr) for expr in self.step.value]
        stage, both = cycle.compute(stage, compiler, sqls + olds, names + [f"{name} of the row before" for name in names[keys:]])
        sqls, olds = both[: len(sqls)], both[len(sqls) :]
        packed = ", ".join([*(f"c{keys + i} := {sql}" for i, sql in enumerate(olds)), *(["c_ := TRUE"] if not olds else [])])
        meta = [m if m != "_old" else f"CASE WHEN _old IS NOT NULL THEN struct_pack({packed}) END AS _old" for m in stage.meta]
        named = [f"{sql} AS c{i}" for i, sql in enumerate(sqls)]
        return replace(stage, sql=f"SELECT {', '.join([*named, *meta])} FROM ({stage.sql})", schema=self.step.schema)


@dataclass
class FlatMap:
    """Table functions: a row for each element of the longest list, shorter lists filled up with NULL."""
    step: steps.FlatMap
    input: Operator

    def run(self, cycle: Cycle) -> Stage:
        """The rows, each in the place of the record it came from."""
        stage = self.input.run(cycle)
        compiler = Compiler(stage.columns)
        calls = [compiler(call) for call in self.step.calls]
        stage, calls = cycle.compute(stage, compiler, calls, [call.name for call in self.step.calls])
        width = len(stage.schema.columns)
        lists = [f"l{i}" for i in range(len(calls))]
        longest = f"greatest({', '.join(f'coalesce(len({name}), 0)' for name in lists)})"
        rows = (
            f"SELECT *, unnest(range(1, {longest} + 1)) AS _i FROM "
            f"(SELECT *, {', '.join(f'{sql} AS {name}' for sql, name in zip(calls, lists, strict=True))} FROM ({stage.sql}) WHERE _present)"
        )
        columns = [f"c{i}" for i in range(width)] + [f"list_extract({name}, _i) AS c{width + i}" for i, name in enumerate(lists)]
        # the rows of one record follow each other in its place
        meta = [m if m != "_o" else "row_number() OVER (ORDER BY _o, _i) AS _o" for m in stage.meta]
        return replace(stage, sql=f"SELECT {', '.join([*columns, *meta])} FROM ({rows})", schema=self.step.schema, in_place=False)


@dataclass
class Rekey:
    """A new key; the value columns stay. A query's state is one for all partitions, so its rows all go on as of partition 0, under one stream time;
    the sink gives them the partition of their key."""

    step: steps.Rekey
    input: Operator

    def run(self, cycle: Cycle) -> Stage:
        """The rows under their new key; a row whose key has a NULL is left out, unless the plan keeps it."""
        stage = self.input.run(cycle)
        compiler = Compiler(stage.columns)
        keys = [compiler(expr) for expr in self.step.key]
        if self.step.keep_null:
            # as in ksqlDB: of a record without a value, all that is known are its key columns
            known = {column.name for column in stage.schema.key}
            for i, expr in enumerate(self.step.key):
                if not columns_in(expr) <= known:
                    plain, keys[i] = keys[i], f"CASE WHEN _present THEN {keys[i]} END"
                    compiler.compiled[keys[i]] = compiler.compiled[plain]
        names = [label(column.name, expr) for column, expr in zip(self.step.schema.key, self.step.key, strict=True)]
        if not stage.old and (moved := self.moved(cycle, stage, keys)) is not None:
            return moved
        stage, keys = cycle.compute(stage, compiler, keys, names)
        kept = stage.columns
        values = [kept[column.name] for column in self.step.schema.value]
        tail = "WHERE _present"
        if keys and not self.step.keep_null:
            # one NULL among several grouping columns is enough to drop a row, as in ksqlDB
            tail += "".join(f" AND ({key}) IS NOT NULL" for key in keys)
        if self.step.keep_null:
            tail = ""
        named = [f"{sql} AS c{i}" for i, sql in enumerate([*keys, *values])]
        meta = ["0 AS _p" if m == "_p" else m for m in stage.meta]
        return replace(stage, sql=f"SELECT {', '.join([*named, *meta])} FROM ({stage.sql}) {tail}", schema=self.step.schema, partition=0)

    def moved(self, cycle: Cycle, stage: Stage, keys: list[str]) -> Stage | None:
        """The same where nothing is to be computed: the rows are known, the new key is some of their columns, and no row is left out."""
        known = cycle.known(stage)
        if known is None or not all(key in known.column_names for key in keys):
            return None
        if not pc.all(known["_present"]).as_py() or (not self.step.keep_null and any(known[key].null_count for key in keys)):
            return None
        values = [stage.columns[column.name] for column in self.step.schema.value]
        columns = {f"c{i}": known[name] for i, name in enumerate([*keys, *values])} | {name: known[name] for name in stage.meta}
        columns["_p"] = pa.array(np.zeros(known.num_rows, np.int32))
        cycle.spent(stage.sql)
        return replace(stage, sql=cycle.rows(pa.table(columns)), schema=self.step.schema, partition=0)
