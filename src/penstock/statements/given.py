"""Rows that Python gives, as a source's columns: dicts, an Arrow table, a Polars or a pandas frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from penstock.errors import DataError
from penstock.sql.types import BIGINT, Array, Map, SqlType, Struct, arrow_type

if TYPE_CHECKING:
    from penstock.catalog.model import DataSource

FORMS = "rows are a list of dicts, an Arrow table or record batch, a Polars or a pandas frame"


def columns_given(source: DataSource, rows: Any, timestamp: str | None) -> tuple[dict[str, pa.Array], int]:
    """The columns by name, in `arrow_type`, and the number of rows; ROWTIME is ms. A column that no row has is left out.

    `timestamp` names the field that is the records' time. Raises DataError that names the column.
    """
    headers = {h.name for h in source.headers}
    types = {c.name: c.type for c in source.schema.columns if c.name not in headers} | {"ROWTIME": BIGINT}
    if isinstance(rows, Sequence) and not isinstance(rows, str | bytes):
        return from_dicts(source, rows, types, timestamp)
    return from_table(source, rows, types, timestamp)


def from_dicts(source: DataSource, rows: Sequence[Any], types: Mapping[str, SqlType], timestamp: str | None) -> tuple[dict[str, pa.Array], int]:
    """The columns of rows given as dicts. Raises DataError."""
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise DataError(f"Row {number + 1} is {row!r}, not a dict: {FORMS}.")
    given = {field: column_name(source, field, types, timestamp) for row in rows for field in row}
    columns = {}
    for name in dict.fromkeys(given.values()):
        fields = [field for field, column in given.items() if column == name]
        values = [next((row[f] for f in fields if f in row), None) for row in rows]
        columns[name] = converted(name, values, types[name])
    return columns, len(rows)


def from_table(source: DataSource, rows: Any, types: Mapping[str, SqlType], timestamp: str | None) -> tuple[dict[str, pa.Array], int]:
    """The columns of an Arrow table or of a frame. Raises DataError."""
    table = arrow_table(rows)
    columns: dict[str, pa.Array] = {}
    for field, chunks in zip(table.column_names, table.columns, strict=True):
        name = column_name(source, field, types, timestamp)
        if name in columns:
            raise DataError(f"{name}: the rows have it twice.", mend="Give each column once.")
        column = chunks.combine_chunks()
        if pa.types.is_timestamp(column.type) and name == "ROWTIME":
            column = column.cast(pa.timestamp("ms")).cast(pa.int64())
        try:
            columns[name] = column.cast(arrow_type(types[name]))
        except pa.ArrowException as error:
            raise DataError(f"{name}: {error}") from error
    return columns, table.num_rows


def arrow_table(rows: Any) -> pa.Table:
    """A record batch or a frame as an Arrow table. Raises DataError for anything else."""
    if isinstance(rows, pa.Table):
        return rows
    if isinstance(rows, pa.RecordBatch):
        return pa.Table.from_batches([rows])
    if hasattr(rows, "to_arrow"):
        return rows.to_arrow()
    if type(rows).__module__.split(".")[0] != "pandas":
        raise DataError(f"{rows!r} is no rows: {FORMS}.")
    try:
        return pa.Table.from_pandas(rows, preserve_index=False)
    except (pa.ArrowException, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"The frame cannot be taken over: {error}") from error


def column_name(source: DataSource, field: Any, types: Mapping[str, SqlType], timestamp: str | None) -> str:
    """The column that a field means: the field's name, or that in upper case."""
    if field == timestamp:
        return "ROWTIME"
    for name in (field, str(field).upper()):
        if name in types:
            return str(name)
    raise DataError(f"{source.name} has no column {field}.", mend=f"It has: {', '.join(types)}.")


def converted(name: str, values: list[Any], type_: SqlType) -> pa.Array:
    """Python values as a column. Raises DataError that names the column."""
    if name == "ROWTIME":
        values = [epoch_ms(v) if isinstance(v, datetime) else v for v in values]
    try:
        if isinstance(type_, Array | Map | Struct):
            values = [fitted(v, type_) for v in values]
        return pa.array(values, arrow_type(type_))
    except (pa.ArrowException, OverflowError, ValueError, DataError) as error:
        raise DataError(f"{name}: {error}") from error


def fitted(value: Any, type_: SqlType) -> Any:
    """A nested value as Arrow takes it: a MAP as pairs, a STRUCT's fields under their own names. Raises DataError for a field that is not there."""
    if value is None:
        return None
    match type_:
        case Array(item) if isinstance(value, Sequence) and not isinstance(value, str | bytes):
            return [fitted(v, item) for v in value]
        case Map(_, item) if isinstance(value, Mapping):
            return [(k, fitted(v, item)) for k, v in value.items()]
        case Struct(fields) if isinstance(value, Mapping):
            known = {f.name: f.type for f in fields}
            result: dict[str, Any] = dict.fromkeys(known)
            for field, item in value.items():
                name = field if field in known else str(field).upper()
                if name not in known:
                    raise DataError(f"there is no field {field}; there are {', '.join(known)}.")
                result[name] = fitted(item, known[name])
            return result
        case Array() | Map() | Struct():
            raise DataError(f"{value!r} is no {type_}.")
    return value


def epoch_ms(moment: datetime) -> int:
    """A datetime's ms since the epoch; without a zone it is UTC."""
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
