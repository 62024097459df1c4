"""INSERT INTO ... VALUES, and rows from Python."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock import formats
from penstock import plan as planner
from penstock.catalog.model import DataSource
from penstock.engine.operators.source import as_columns, options
from penstock.engine.sql import Compiler
from penstock.errors import DataError, Position, SqlError
from penstock.functions.duckdb_names import physical
from penstock.log.partition import partitions_for
from penstock.log.protocol import RECORD_FIELDS, Append
from penstock.log.records import HEADERS
from penstock.result import Result
from penstock.sql import ast
from penstock.sql.types import arrow_type
from penstock.statements.given import columns_given
from penstock.statements.view import View

if TYPE_CHECKING:
    from penstock.database import Database


def insert_values(db: Database, statement: ast.InsertValues) -> Result:
    """INSERT INTO ... VALUES: one row of constant expressions."""
    plan = planner.plan_insert_values(statement, View(db))
    db.log.append(*encoded(db, plan.source, computed(db, plan, statement.position), 1, tombstones=False))
    return Result(f"1 row is inserted into {plan.source.name}.")


def computed(db: Database, plan: planner.InsertPlan, position: Position | None) -> dict[str, pa.Array]:
    """The values of constant expressions, each as a column of one row. Raises DataError for one that cannot be computed."""
    compiler = Compiler({})
    sqls = [f"{compiler(expr)} AS c{i}" for i, (_, expr) in enumerate(plan.values)]
    with db.evaluator() as evaluator:
        evaluator.need(compiler.needs.values())
        row = evaluator.once(f"SELECT {', '.join(sqls)}", position)
    return {name: physical(row[f"c{i}"].combine_chunks(), arrow_type(expr.type)) for i, (name, expr) in enumerate(plan.values)}


def insert_rows(db: Database, name: str, rows: Any, timestamp: str | None) -> int:
    """Append rows given as dicts, an Arrow table, a Polars or a pandas frame."""
    source = writable(db, name)
    columns, count = columns_given(source, rows, timestamp)
    if count:
        db.log.append(*encoded(db, source, columns, count))
    return count


def insert_together(db: Database, rows: Mapping[str, Sequence[Any]]) -> int:
    """Append rows of several sources in one transaction. The number of rows."""
    appends: list[Append] = []
    total = 0
    for name, of_source in rows.items():
        source = writable(db, name)
        columns, count = columns_given(source, of_source, None)
        if count:
            appends += encoded(db, source, columns, count)
            total += count
    if appends:
        with db.log.begin() as transaction:
            for append in appends:
                transaction.append(append)
    return total


def writable(db: Database, name: str) -> DataSource:
    """The stream or table of a name. Raises SqlError where there is none, or it takes no rows."""
    source = db.catalog.source(name) or db.catalog.source(name.upper())
    if source is None:
        raise SqlError(f"There is no stream or table {name}.", mend="SHOW STREAMS and SHOW TABLES list what there is.")
    if source.read_only:
        raise SqlError(f"{source.name} is read-only.")
    return source


def encoded(db: Database, source: DataSource, columns: dict[str, pa.Array], count: int, *, tombstones: bool = True) -> list[Append]:
    """Rows in their topic's formats, by partition. With `tombstones` a table's row without any value deletes its key; INSERT VALUES never does,
    as in ksqlDB. Raises DataError."""

    def of(name: str, type_: pa.DataType) -> pa.Array:
        return columns.get(name, pa.nulls(count, type_))

    headers = {h.name for h in source.headers}
    keys = [of(c.name, arrow_type(c.type)) for c in source.schema.key]
    values = [c for c in source.schema.value if c.name not in headers]
    present = np.ones(count, bool)
    if source.kind == "TABLE":
        present = np.zeros(count, bool) if values and tombstones else present
        for column in values:
            present |= of(column.name, arrow_type(column.type)).is_valid().to_numpy(zero_copy_only=False)
        for column, array in zip(source.schema.key, keys, strict=True):
            if array.null_count:
                raise DataError(f"A row of the table {source.name} needs its primary key {column.name}.", mend="Give it a value.")
    has_key = np.zeros(count, bool)
    for array in keys:
        has_key |= array.is_valid().to_numpy(zero_copy_only=False)
    key_options, value_options = (options(f, source.topic, is_key=k) for f, k in ((source.key_format, True), (source.value_format, False)))
    key_encoder = formats.encoder(source.key_format.name, as_columns(source.schema.key), key_options, db.schemas)
    value_encoder = formats.encoder(source.value_format.name, as_columns(values), value_options, db.schemas)
    encoded_keys = key_encoder(keys, pa.array(has_key))
    encoded_values = value_encoder([of(c.name, arrow_type(c.type)) for c in values], pa.array(present))
    for error in [*encoded_keys.errors, *encoded_values.errors]:
        raise DataError(f"Row {error.row + 1} cannot be written to {source.name}: {error.reason}")
    now = int(time.time() * 1000)
    times = of("ROWTIME", pa.int64()).fill_null(now)
    if count and (oldest := pc.min(times).as_py()) < 0:
        raise DataError(f"ROWTIME: {oldest} ms is before 1970, which no record's time can be.")
    batch = pa.RecordBatch.from_arrays(
        [times, encoded_keys.data, encoded_values.data, pa.nulls(count, HEADERS)], names=list(RECORD_FIELDS)
    )
    info = db.log.topic(source.topic)
    assert info is not None
    if info.partitions == 1 or not db.spread:
        return [Append(source.topic, 0, batch)]
    valid = encoded_keys.data.is_valid().to_numpy(zero_copy_only=False)
    partitions = np.where(valid, partitions_for(encoded_keys.data, info.partitions), np.arange(count) % info.partitions)
    parts = [(p, batch.filter(pa.array(partitions == p))) for p in range(info.partitions)]
    return [Append(source.topic, p, rows) for p, rows in parts if rows.num_rows]


RUN: dict[type, Callable[[Database, Any], Result]] = {ast.InsertValues: insert_values}
