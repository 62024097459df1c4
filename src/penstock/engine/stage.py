"""Rows on their way from one operator to the next: a DuckDB relation that has not run yet.

A stage's columns are `c0`, `c1`, ... in the order of its schema, and then the meta columns:

| column | type | what |
| --- | --- | --- |
| `_t` | BIGINT | the row's timestamp, ms |
| `_p` | INTEGER | its partition |
| `_o` | BIGINT | its place in processing order; unique within a batch |
| `_g` | BIGINT | the place of the source record that brought it: never the same in two sources, so it orders the rows of a join's two sides |
| `_present` | BOOLEAN | false for a tombstone (a table's deleted row, a stream's null value) |
| `_ws`, `_we` | BIGINT | the window's bounds, ms; where `windowed` |
| `_old` | STRUCT | the value columns (by their `c` names) before this change, NULL where there were none; where `old` |

Operators that keep no state only add to the SQL, so that DuckDB runs a chain of them as one query.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.engine.cycle_state import CycleState, Home
from penstock.engine.evaluate import Evaluator, one_chunk
from penstock.engine.sql import Compiler
from penstock.functions.definition import PythonFunction
from penstock.functions.duckdb_names import physical
from penstock.plan.steps import Schema
from penstock.sql.types import SqlType, arrow_type

if TYPE_CHECKING:
    from penstock.log.protocol import Append, StateStore, Transaction


@dataclass(frozen=True)
class Stage:
    """Rows that have not been computed yet: `sql`, the `schema` of its columns, and what is known of them."""
    sql: str
    schema: Schema
    is_table: bool = False
    windowed: bool = False
    old: bool = False
    disorder_ms: int | None = None
    """No row is older than the newest row before it in its partition and batch by more than this; None where nothing is known."""
    oldest_ms: int = 0
    """No row is older than this."""
    empty: bool = False
    partition: int | None = None
    """The partition of all rows; None where they may be of several."""
    in_place: bool = False
    """Each row stands where its record does: `_o` is `_g`."""
    rows: int = 0
    """About how many rows its source read; 0 where nothing is known. For choosing the cheaper way, not for counting."""

    @property
    def columns(self) -> dict[str, str]:
        """A column's name -> its SQL."""
        return {column.name: f"c{i}" for i, column in enumerate(self.schema.columns)}

    @property
    def old_columns(self) -> dict[str, str]:
        """The same for the row before the change; the key is the same."""
        keys = len(self.schema.key)
        return {column.name: f"c{i}" if i < keys else f"struct_extract(_old, 'c{i}')" for i, column in enumerate(self.schema.columns)}

    @property
    def meta(self) -> list[str]:
        """The meta columns that this stage has."""
        return ["_t", "_p", "_o", "_g", "_present", *(["_ws", "_we"] if self.windowed else []), *(["_old"] if self.old else [])]

    def select(self, columns: Iterable[str], schema: Schema, tail: str = "", **changes: object) -> Stage:
        """The stage with other columns (SQL, named in order) and the same meta columns."""
        named = [f"{sql} AS c{i}" for i, sql in enumerate(columns)]
        sql = f"SELECT {', '.join([*named, *self.meta])} FROM ({self.sql}) {tail}"
        return replace(self, sql=sql, schema=schema, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Fault:
    """A record or value that could not be processed; it goes to the processing log."""

    kind: str  # DESERIALIZATION, EVALUATION, SERIALIZATION
    reason: str
    topic: str = ""
    partition: int = -1
    offset: int = -1


@dataclass
class Origin:
    """Where the rows of a batch came from: by place (`_g`), the topic, partition and offset."""

    parts: list[tuple[int, str, int, pa.Array, Sequence[int]]] = field(default_factory=list)  # (source number, topic, partition, places, offsets)
    headed: list[tuple[pa.Array, pa.Array]] = field(default_factory=list)  # (places, headers) of the parts that have any headers

    @property
    def count(self) -> int:
        """The number of records, those twice that two sources read."""
        return sum(len(offsets) for *_, offsets in self.parts)

    def of(self, place: int) -> tuple[str, int, int]:
        """The topic, partition and offset of a place; an empty name and -1 where it is none of this batch."""
        for _, topic, partition, places, offsets in self.parts:
            rising = places.to_numpy()  # a view; a batch may have a fault for each of its records
            number = int(np.searchsorted(rising, place))
            if number < len(rising) and rising[number] == place:
                return topic, partition, int(offsets[number])
        return "", -1, -1

    def headers(self, places: pa.Array) -> pa.Array | None:
        """The headers of the records at these places, NULL where there are none; None where no record of the batch has any."""
        if not self.headed:
            return None
        index = pc.index_in(places.cast(pa.int64()), pa.concat_arrays([known for known, _ in self.headed]))
        return pa.concat_arrays([headers for _, headers in self.headed]).take(index)


class Cycle:
    """One step of a query: a batch of records in, and what is to be committed out. All that it does becomes durable together."""

    def __init__(self, query: str, home: Home, evaluator: Evaluator, *, careful: bool, every_change: bool) -> None:
        self.query = query
        self.careful = careful
        self.every_change = every_change
        self.origin = Origin()
        self.appends: list[Append] = []
        self.faults: list[Fault] = []
        self.keys_touched = 0
        """How many keys' states the cycle looked up: where they are nearly as many as the records, a larger batch spares work."""
        self._state = CycleState(home)
        self._evaluator = evaluator

    # ------------------------------------------------------------------------------------------ evaluation

    def bind(self, table: pa.Table | pa.RecordBatch) -> str:
        """Make a table readable in this cycle's SQL; its name there."""
        return self._evaluator.bind(table)

    def rows(self, table: pa.Table) -> str:
        """SQL of a table's rows, for a stage: whoever wants them as they are gets the table."""
        return self._evaluator.rows(table)

    def known(self, stage: Stage) -> pa.Table | None:
        """The stage's rows where they are computed already."""
        return self._evaluator.known(stage.sql)

    def need(self, functions: Iterable[PythonFunction]) -> None:
        """Register the Python functions that SQL of this cycle calls."""
        self._evaluator.need(functions)

    def table(self, sql: str) -> pa.Table:
        """Run SQL. Raises EvaluationError where a row makes it fail."""
        return self._evaluator.table(sql)

    def run(self, stage: Stage) -> pa.Table:
        """The stage's rows."""
        return self._evaluator.table(stage.sql)

    def spent(self, sql: str) -> None:
        """Nobody will run this SQL again: the memory of the rows that it reads is for what comes next."""
        self._evaluator.forget(sql)

    def held(self, stage: Stage, table: pa.Table | None = None) -> tuple[Stage, pa.Table]:
        """The stage's rows, and the stage over them, so that what lies before runs once."""
        table = self.run(stage) if table is None else table
        return replace(stage, sql=f"SELECT * FROM {self.bind(table)}", empty=table.num_rows == 0), table

    def compute(self, stage: Stage, compiler: Compiler, sqls: list[str], what: list[str]) -> tuple[Stage, list[str]]:
        """In a careful cycle, evaluate expressions so that what fails is NULL and reported; else leave them to run with the rest.

        `what` says what each expression is, for the report. Returns the stage to read from and the SQL of the values there.
        """
        self.need(compiler.needs.values())
        if not self.careful:
            return stage, sqls
        made = {i: compiler.compiled[sql] for i, sql in enumerate(sqls) if sql in compiler.compiled and not sql.isidentifier()}
        sqls = list(sqls)
        held: dict[str, str] = {}
        for i, part in made.items():
            if part.volatile:
                sqls[i], made[i] = part.drawn(held)
        drawn = "".join(f", {sql} AS {name}" for name, sql in held.items())
        numbered = self.bind(self.table(f"SELECT *{drawn}, row_number() OVER () - 1 AS _row FROM ({stage.sql})"))
        tried = {i: f"TRY(struct_pack(v := {sqls[i]}))" for i in made}
        rows = self.table(f"SELECT {', '.join(['*', *(f'{sql} AS e{i}' for i, sql in tried.items())])} FROM {numbered}")
        values = list(sqls)
        for i, part in made.items():
            values[i] = f"struct_extract(e{i}, 'v')"
            failed = one_chunk(rows[f"e{i}"]).is_null().to_numpy(zero_copy_only=False).nonzero()[0].tolist()
            if failed:
                values[i] = f"CASE WHEN e{i} IS NULL THEN TRY({part.guarded()}) ELSE {values[i]} END"
                origins = one_chunk(rows["_g"])
                for row, reason in zip(failed, self._evaluator.row_errors(numbered, failed, sqls[i]), strict=True):
                    self.fault("EVALUATION", f"{what[i]}: {reason}", origins[row].as_py())
        return replace(stage, sql=f"SELECT * FROM {self.bind(rows)}"), values

    def report(self, table: pa.Table, sql: str) -> None:
        """Report the rows of a table, with their places in `_g`, on which an expression fails."""
        numbered = self.bind(table.append_column("_row", pa.array(np.arange(table.num_rows))))
        tried = self.table(f"SELECT TRY(struct_pack(v := {sql})) AS e, _row FROM {numbered}")
        failed = one_chunk(tried["_row"]).filter(one_chunk(tried["e"]).is_null()).to_pylist()
        places = one_chunk(table["_g"])
        for row, reason in zip(failed, self._evaluator.row_errors(numbered, failed, sql), strict=True):
            self.fault("EVALUATION", reason, places[row].as_py())

    def arrays(self, table: pa.Table, names: Iterable[str], types: Iterable[SqlType]) -> list[pa.Array]:
        """Columns of a table as plain arrays of the types' one physical form."""
        columns = (one_chunk(table[name]) for name in names)
        return [physical(c, arrow_type(t)) for c, t in zip(columns, types, strict=True)]

    # ------------------------------------------------------------------------------------------ state and output

    @property
    def transaction(self) -> Transaction:
        """The write transaction, begun when first asked for."""
        return self._state.transaction

    def state(self, name: str) -> StateStore:
        """A state store of this query. The cycle's first write begins its transaction."""
        return self._state.store(f"{self.query}/{name}")

    def append(self, append: Append) -> None:
        """Write records, at the latest when the cycle ends: a cycle that writes already keeps none of them in memory."""
        self.appends.append(append)
        if self._state.writes:
            self.flush()

    def flush(self) -> None:
        """Hand the records to the transaction."""
        appends, self.appends = self.appends, []
        for append in appends:
            self.transaction.append(append)

    def fault(self, kind: str, reason: str, place: int | None = None) -> None:
        """Report what could not be processed; `place` (a row's `_g`) says which record it came from."""
        topic, partition, offset = self.origin.of(place) if place is not None else ("", -1, -1)
        self.faults.append(Fault(kind, reason, topic, partition, offset))

    def __enter__(self) -> Cycle:
        self._state.__enter__()
        return self

    def __exit__(self, *exc: object) -> bool | None:
        try:
            return self._state.__exit__(*exc)
        finally:
            self._evaluator.release()
