"""A stream enriched from a table: each record meets the table's row as of its own place in processing order.

The table's rows are stored by key. A batch without changes of the table is a plain join with the rows that it needs; one with changes is an
as-of join over those rows and the changes, by place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pyarrow as pa

from penstock.engine.operators.contract import Operator
from penstock.engine.operators.whole_table import WholeTable
from penstock.engine.rows import RowCodec, pack_keys
from penstock.engine.stage import Cycle, Stage
from penstock.engine.state import Rows, all_bounded, big_endian
from penstock.functions.duckdb import duckdb_type
from penstock.plan import steps
from penstock.sql.types import BIGINT, SqlType, arrow_type


@dataclass
class StreamTableJoin:
    """A stream joined with a table by the table's key; INNER or LEFT."""
    step: steps.StreamTableJoin
    left: Operator
    right: Operator
    name: str

    def __post_init__(self) -> None:
        right = self.right.step.schema
        self.key_types: list[SqlType] = [c.type for c in right.key]
        self.right_columns = right.columns
        self.codec = RowCodec([c.type for c in right.columns])
        self.whole = WholeTable()

    def run(self, cycle: Cycle) -> Stage:
        """The stream's rows with the table's columns. The table's changes are stored."""
        left, right = self.left.run(cycle), self.right.run(cycle)
        if left.empty and right.empty:
            return self.joined(left, left.sql, "SELECT NULL")
        windowed = right.windowed
        keys = [f"c{i}" for i in range(len(self.key_types))] + (["_ws"] if windowed else [])
        changes = self.changes(cycle, right, keys)
        if changes.num_rows:
            self.whole.forget()
        elif not windowed and (table := self.whole.read(self.rows(cycle), left.rows)) is not None:
            return self.joined(left, self.plain(left, cycle.bind(table), keys))
        if not changes.num_rows:
            left = left if cycle.known(left) is not None else cycle.held(left)[0]
            wanted = cycle.table(f"SELECT DISTINCT {', '.join(keys)} FROM ({left.sql}) WHERE _present AND c0 IS NOT NULL ORDER BY ALL")
            stored = cycle.bind(self.lookup(cycle, wanted, windowed)[0])
            return self.joined(left, self.plain(left, stored, keys))
        left, _ = cycle.held(left)
        changed = cycle.bind(changes)
        wanted = cycle.table(
            f"SELECT {', '.join(keys)} FROM ({left.sql}) WHERE _present AND c0 IS NOT NULL UNION SELECT {', '.join(keys)} FROM {changed} ORDER BY ALL"
        )
        stored, packed = self.lookup(cycle, wanted, windowed)
        base = cycle.bind(stored)
        width = len(self.right_columns)
        names = [f"r{i}" for i in range(width)] + (["r_ws"] if windowed else [])
        now = [f"c{i} AS r{i}" for i in range(width)] + (["_ws AS r_ws"] if windowed else [])
        versions = (
            f"SELECT {', '.join(names)}, -1::BIGINT AS r_g, TRUE AS r_there FROM {base} "
            f"UNION ALL SELECT {', '.join(now)}, _g, _present FROM {changed}"
        )
        condition = " AND ".join(f"l.{k} = r.{self.key_name(k)}" for k in keys)
        blank = [f"CASE WHEN r_there THEN {n} END AS {n}" for n in names]
        rows = (
            f"SELECT l.*, {', '.join(blank)}, coalesce(r_there, FALSE) AS r_there "
            f"FROM ({left.sql}) l ASOF LEFT JOIN ({versions}) r ON {condition} AND l._g >= r.r_g"
        )
        kept = rows if self.step.join == "LEFT" else f"SELECT * FROM ({rows}) WHERE r_there"
        # the join's own order is by key: back into processing order
        result = self.joined(left, f"{kept} ORDER BY _o")
        self.store(cycle, changes, wanted, packed, keys)
        return result

    def rows(self, cycle: Cycle) -> Rows:
        """The table's stored rows."""
        return Rows(cycle.state(f"{self.name}/table"), self.codec)

    def plain(self, left: Stage, stored: str, keys: list[str]) -> str:
        """The join with rows that do not change within the batch."""
        condition = " AND ".join(f"l.{k} = r.{self.key_name(k)}" for k in keys)
        return f"SELECT l.*, r.* FROM ({left.sql}) l {self.side} JOIN {stored} r ON {condition}"

    @property
    def side(self) -> str:
        """The kind of join, as SQL says it."""
        return "LEFT" if self.step.join == "LEFT" else "INNER"

    def key_name(self, key: str) -> str:
        """The table's name of a key column of the stream."""
        return "r_ws" if key == "_ws" else f"r{key[1:]}"

    def changes(self, cycle: Cycle, right: Stage, keys: list[str]) -> pa.Table:
        """The table's changes of this batch, in order."""
        columns = [f"c{i}" for i in range(len(self.right_columns))]
        window = ["_ws"] if right.windowed else []
        if right.empty:
            return pa.table({c: pa.array([], arrow_type(column.type)) for c, column in zip(columns, self.right_columns, strict=True)})
        return cycle.table(f"SELECT {', '.join([*columns, *window, '_g', '_present'])} FROM ({right.sql}) ORDER BY _o")

    def packed(self, cycle: Cycle, table: pa.Table, windowed: bool) -> list[bytes]:
        """The state key of each row."""
        types = [*self.key_types, *([BIGINT] if windowed else [])]
        names = [f"c{i}" for i in range(len(self.key_types))]
        keys = pack_keys(cycle.arrays(table, names, types[: len(names)]), types[: len(names)])
        if windowed:
            keys = [k + big_endian(s) for k, s in zip(keys, table["_ws"].to_pylist(), strict=True)]
        return all_bounded(keys)

    def lookup(self, cycle: Cycle, wanted: pa.Table, windowed: bool) -> tuple[pa.Table, list[bytes]]:
        """The stored rows of these keys, as columns r0, r1, ... (and r_ws); and the keys packed."""
        packed = self.packed(cycle, wanted, windowed)
        self.whole.met = len(packed)
        found, columns = self.rows(cycle).lookup(packed)
        table = pa.table({f"r{i}": column for i, column in enumerate(columns)})
        if windowed:
            table = table.append_column("r_ws", wanted["_ws"])
        return table.filter(pa.array(found, pa.bool_())), packed

    def store(self, cycle: Cycle, changes: pa.Table, wanted: pa.Table, packed: list[bytes], keys: list[str]) -> None:
        """Keep each changed key's last row, forget the deleted."""
        all_keys = self.packed(cycle, changes, "_ws" in keys)
        last = {key: row for row, key in enumerate(all_keys)}
        present = changes["_present"].to_pylist()
        rows = self.rows(cycle)
        kept = sorted((key, row) for key, row in last.items() if present[row])
        columns = cycle.arrays(changes, [f"c{i}" for i in range(len(self.right_columns))], self.codec.types)
        if kept:
            index = pa.array([row for _, row in kept])
            rows.put([key for key, _ in kept], [c.take(index) for c in columns])
        rows.delete([key for key, row in last.items() if not present[row]])

    def joined(self, left: Stage, rows: str, empty: str = "") -> Stage:
        """The output's columns, by name from the left or the right."""
        if empty:
            types = [f"CAST(NULL AS {duckdb_type(c.type)}) AS c{i}" for i, c in enumerate(self.step.schema.columns)]
            return replace(left, sql=f"SELECT {', '.join([*types, *left.meta])} FROM ({left.sql}) WHERE FALSE", schema=self.step.schema)
        sources = {c.name: f"r{i}" for i, c in enumerate(self.right_columns)} | left.columns
        columns = [f"{sources[c.name]} AS c{i}" for i, c in enumerate(self.step.schema.columns)]
        sql = f"SELECT {', '.join([*columns, *left.meta])} FROM ({rows}) WHERE _present AND c0 IS NOT NULL"
        return replace(left, sql=sql, schema=self.step.schema)
