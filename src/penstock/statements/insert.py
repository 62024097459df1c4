"""INSERT INTO ... VALUES, and rows from Python."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from penstock import formats
from penstock import plan as planner
from penstock.catalog.model import DataSource
from penstock.engine.operators.sink import RECORD_HEADERS
from penstock.engine.operators.source import as_columns, options
from penstock.engine.sql import Compiler
from penstock.errors import DataError, SqlError
from penstock.log.partition import partitions_for
from penstock.log.protocol import Append
from penstock.result import Result
from penstock.sql import ast
from penstock.sql.types import arrow_type
from penstock.statements.view import View

if TYPE_CHECKING:
    from penstock.database import Database


def insert_values(db: Database, statement: ast.InsertValues) -> Result:
    """INSERT INTO ... VALUES: one row of constant expressions."""
    plan = planner.plan_insert_values(statement, View(db))
    compiler = Compiler({})
    sqls = [f"{compiler(expr)} AS c{i}" for i, (_, expr) in enumerate(plan.values)]
    with db.evaluator() as evaluator:
        evaluator.need(compiler.needs.values())
        row = evaluator.once(f"SELECT {', '.join(sqls)}", statement.position)
    columns = {name: row[f"c{i}"].combine_chunks() for i, (name, _) in enumerate(plan.values)}
    append(db, plan.source, columns, 1)
    return Result(f"1 row is inserted into {plan.source.name}.")


def insert_rows(db: Database, name: str, rows: Any, timestamp: str | None) -> int:
    """Append rows given as dicts, an Arrow table, a Polars or a pandas frame."""
    source = db.catalog.source(name) or db.catalog.source(name.upper())
    if source is None:
        raise SqlError(f"There is no stream or table {name}.", mend="SHOW STREAMS and SHOW TABLES list what there is.")
    if source.read_only:
        raise SqlError(f"{source.name} is read-only.")
    types = {c.name: arrow_type(c.type) for c in source.schema.columns} | {"ROWTIME": pa.int64()}
    if isinstance(rows, Sequence):
        columns, count = from_dicts(source, rows, types, timestamp)
    else:
        columns, count = from_table(source, rows, types, timestamp)
    if count:
        append(db, source, columns, count)
    return count


def from_dicts(
    source: DataSource, rows: Sequence[Mapping[str, Any]], types: Mapping[str, pa.DataType], timestamp: str | None
) -> tuple[dict[str, pa.Array], int]:
    """Arrow columns of rows given as dicts, and the number of rows. Raises DataError that names the column."""
    given = {field: column_name(source, field, types, timestamp) for row in rows for field in row}
    columns = {}
    for name in dict.fromkeys(given.values()):
        fields = [field for field, column in given.items() if column == name]
        values = [next((row[f] for f in fields if f in row), None) for row in rows]
        columns[name] = converted(name, values, types[name])
    return columns, len(rows)


def from_table(source: DataSource, rows: Any, types: Mapping[str, pa.DataType], timestamp: str | None) -> tuple[dict[str, pa.Array], int]:
    """Arrow columns of an Arrow table, a Polars or a pandas frame. Raises DataError that names the column."""
    if isinstance(rows, pa.RecordBatch):
        rows = pa.Table.from_batches([rows])
    if not isinstance(rows, pa.Table):
        rows = rows.to_arrow() if hasattr(rows, "to_arrow") else pa.Table.from_pandas(rows, preserve_index=False)
    columns = {}
    for field in rows.column_names:
        name = column_name(source, field, types, timestamp)
        column = rows[field].combine_chunks()
        if pa.types.is_timestamp(column.type) and name == "ROWTIME":
            column = column.cast(pa.timestamp("ms")).cast(pa.int64())
        try:
            columns[name] = column.cast(types[name])
        except pa.ArrowInvalid as error:
            raise DataError(f"{name}: {error}") from error
    return columns, rows.num_rows


def column_name(source: DataSource, field: str, types: Mapping[str, pa.DataType], timestamp: str | None) -> str:
    """The column that a field means: the field's name, or that in upper case."""
    if field == timestamp:
        return "ROWTIME"
    for name in (field, field.upper()):
        if name in types:
            return name
    raise DataError(f"{source.name} has no column {field}.", mend=f"It has: {', '.join(types)}.")


def converted(name: str, values: list[Any], type_: pa.DataType) -> pa.Array:
    """Python values as a column. Raises DataError that names the column."""
    if name == "ROWTIME":
        values = [epoch_ms(v) if isinstance(v, datetime) else v for v in values]
    try:
        return pa.array([list(v.items()) if isinstance(v, dict) and pa.types.is_map(type_) else v for v in values], type_)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise DataError(f"{name}: {error}") from error


def epoch_ms(moment: datetime) -> int:
    """A datetime's ms since the epoch; without a zone it is UTC."""
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def append(db: Database, source: DataSource, columns: dict[str, pa.Array], count: int) -> None:
    """Encode rows and append them durably. A table's row without any value column is a tombstone."""

    def of(name: str, type_: pa.DataType) -> pa.Array:
        return columns.get(name, pa.nulls(count, type_))

    headers = {h.name for h in source.headers}
    keys = [of(c.name, arrow_type(c.type)) for c in source.schema.key]
    values = [c for c in source.schema.value if c.name not in headers]
    present = np.ones(count, bool)
    if source.kind == "TABLE":
        present = np.zeros(count, bool) if values else present
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
    batch = pa.RecordBatch.from_arrays(
        [times, encoded_keys.data, encoded_values.data, pa.nulls(count, RECORD_HEADERS)], names=["timestamp", "key", "value", "headers"]
    )
    info = db.log.topic(source.topic)
    assert info is not None
    if info.partitions == 1 or not db.spread:
        db.log.append(Append(source.topic, 0, batch))
        return
    valid = encoded_keys.data.is_valid().to_numpy(zero_copy_only=False)
    partitions = np.where(valid, partitions_for(encoded_keys.data, info.partitions), np.arange(count) % info.partitions)
    parts = [(p, batch.filter(pa.array(partitions == p))) for p in range(info.partitions)]
    db.log.append(*(Append(source.topic, p, rows) for p, rows in parts if rows.num_rows))


RUN: dict[type, Callable[[Database, Any], Result]] = {ast.InsertValues: insert_values}
