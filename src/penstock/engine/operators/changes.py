"""Changes of a joined table: what each one makes of a row, and what that row was before."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa

from penstock.engine.operators.sides import Flags, Numbers64, Picks, Rows, Side, joined
from penstock.engine.stage import Cycle, Stage
from penstock.functions.duckdb import duckdb_type
from penstock.plan import steps
from penstock.sql.types import arrow_type


@dataclass(frozen=True)
class Changes:
    """Changes of joined rows, sorted by the rows' keys and then in processing order. `left` and `right` number the rows that are joined now,
    -1 for none; `left_before` and `right_before` those before the change; `left_owner` and `right_owner` those that give the key."""

    keys: Numbers64
    records: Numbers64
    times: Numbers64
    left: Numbers64
    right: Numbers64
    left_before: Numbers64
    right_before: Numbers64
    left_owner: Numbers64
    right_owner: Numbers64
    present: Flags
    had: Flags

    def __len__(self) -> int:
        return len(self.keys)

    def where(self, index: Numbers64 | Flags) -> Changes:
        """Those of these numbers, or those flagged."""
        return Changes(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    def last_of_each(self) -> Changes:
        """One change a key: from what the row was before the first to what it is after the last."""
        if not len(self):
            return self
        step = np.flatnonzero(np.diff(self.keys)) + 1
        first, last = np.concatenate([[0], step]), np.concatenate([step, [len(self)]]) - 1
        before = {name: getattr(self, name)[first] for name in ("left_before", "right_before", "had")}
        return Changes(**{f.name: before.get(f.name, getattr(self, f.name)[last]) for f in fields(self)})

    def in_order(self) -> Changes:
        """In processing order; the changes that one record brought are in the order of their keys."""
        return self.where(np.lexsort((self.keys, self.records)))


def carried(values: Numbers64, given: Flags) -> Numbers64:
    """The values, where they are not `given` that of the nearest place before. The first must be given."""
    return values[np.maximum.accumulate(np.where(given, np.arange(len(values)), 0))]


def shifted(values: Numbers64) -> Numbers64:
    """The value before each, -1 before the first."""
    return np.concatenate([[-1], values[:-1]])


def as_stage(
    cycle: Cycle,
    step: steps.TableTableJoin | steps.ForeignKeyJoin,
    sides: tuple[Side, Side],
    pools: tuple[Rows, Rows],
    changes: Changes,
    *,
    old: bool,
    every: bool,
) -> Stage:
    """The changes as a table's stage: with `every`, and in each cycle that emits every change, all of them, else a key's last."""
    changes = (changes if every or cycle.every_change else changes.last_of_each()).in_order()
    if not len(changes):
        return nothing(step, windowed=sides[0].windowed, old=old)
    owners = (changes.left_owner, None if isinstance(step, steps.ForeignKeyJoin) else changes.right_owner)
    table = joined(step.schema, sides, pools, (changes.left, changes.right), owners)
    count = len(changes)
    table |= {
        "_t": pa.array(changes.times), "_p": pa.array(np.zeros(count, np.int32)), "_o": pa.array(np.arange(count)),
        "_g": pa.array(changes.records), "_present": pa.array(changes.present),
    }  # fmt: skip
    if old:
        table["_old"] = before(step.schema, sides, pools, changes)
    bounds = ["_ws", "_we"] if sides[0].windowed else []
    columns = [f"c{i}" for i in range(len(step.schema.columns))]
    meta = ["_t", "_p", "_o", "_g", "_present", *bounds, *(["_old"] if old else [])]
    sql = f"SELECT {', '.join([*columns, *meta])} FROM {cycle.bind(pa.table(table))}"
    return Stage(sql, step.schema, is_table=True, windowed=bool(bounds), old=old)


def before(schema: steps.Schema, sides: tuple[Side, Side], pools: tuple[Rows, Rows], changes: Changes) -> pa.Array:
    """The rows before the changes, NULL where there were none."""
    picks: Picks = (changes.left_before, changes.right_before)
    table = joined(schema, sides, pools, picks, (changes.left_owner, None))
    keyed = len(schema.key)
    names = [f"c{keyed + i}" for i in range(len(schema.value))]
    columns = [table[name] for name in names]
    types = [pa.field(name, arrow_type(c.type)) for name, c in zip(names, schema.value, strict=True)]
    if not names:
        columns, types = [pa.nulls(len(changes), pa.bool_())], [pa.field("c_", pa.bool_())]
    return pa.StructArray.from_arrays(columns, fields=types, mask=pa.array(~changes.had))


def nothing(step: steps.Step, *, windowed: bool, old: bool = False) -> Stage:
    """A stage of no rows with the right columns."""
    columns = [f"CAST(NULL AS {duckdb_type(c.type)}) AS c{i}" for i, c in enumerate(step.schema.columns)]
    meta = ["0::BIGINT AS _t", "0 AS _p", "0::BIGINT AS _o", "0::BIGINT AS _g", "TRUE AS _present"]
    meta += ["0::BIGINT AS _ws", "0::BIGINT AS _we"] if windowed else []
    keyed = len(step.schema.key)
    olds = ", ".join(f"c{keyed + i} := CAST(NULL AS {duckdb_type(c.type)})" for i, c in enumerate(step.schema.value)) or "c_ := TRUE"
    meta += [f"struct_pack({olds}) AS _old"] if old else []
    sql = f"SELECT {', '.join([*columns, *meta])} WHERE FALSE"
    return Stage(sql, step.schema, is_table=step.kind == "TABLE", windowed=windowed, old=old, empty=True)
