"""Which tables of a database a source reads, and what their columns are."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.connect.databases.columns import Convert, converter, sql_type
from penstock.errors import ConfigError, ConnectorError, DataError
from penstock.sql.types import BIGINT, INTEGER, Field, Struct

if TYPE_CHECKING:
    import sqlalchemy
    from sqlalchemy.engine.interfaces import ReflectedColumn

SYSTEM_SCHEMAS = frozenset({"information_schema", "pg_catalog", "pg_toast", "mysql", "performance_schema", "sys"})


@dataclass(frozen=True)
class TableName:
    """A table as a list names it: `schema` None is the connection's own."""

    schema: str | None
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


@dataclass(frozen=True)
class TableShape:
    """A table as it is now: its columns, each with the type that it has here and the function that makes values of it. `table` is what queries
    are built of, so that SQLAlchemy quotes every name."""

    name: TableName
    table: sqlalchemy.Table
    schema: Struct
    converters: tuple[Convert, ...]
    columns: Mapping[str, ReflectedColumn]


def table_name(text: str) -> TableName:
    """A table of a list: `table`, `schema.table` or `database.schema.table`, in quotes or not."""
    parts = [part.strip('"`') for part in re.findall(r'"[^"]*"|`[^`]*`|[^.]+', text)]
    return TableName(parts[-2] if len(parts) > 1 else None, parts[-1])


def listed(patterns: Sequence[str], table: TableName, default_schema: str | None) -> bool:
    """Whether a list names the table, with its schema or without, in any case of its letters."""
    wanted = {str(table_name(pattern)).lower() for pattern in patterns}
    own = {str(table).lower(), table.name.lower()} if table.schema in (None, default_schema) else {str(table).lower()}
    if default_schema and table.schema is None:
        own.add(f"{default_schema}.{table.name}".lower())
    return bool(wanted & own)


def find_tables(
    connection: sqlalchemy.Connection, *, include: Sequence[str], exclude: Sequence[str], types: Sequence[str], schema: str | None
) -> list[TableName]:
    """The tables to read, sorted. A list may name tables of other schemas; without one it is all tables of `schema` or of the connection's own.
    ConfigError for a table of the list that does not exist."""
    import sqlalchemy

    inspector = sqlalchemy.inspect(connection)
    own = inspector.default_schema_name
    schemas = {schema} | {table_name(text).schema for text in include if table_name(text).schema not in (None, own)}
    found = []
    for each in sorted(schemas, key=str):
        known = inspector.get_schema_names() if each is not None else []
        if each is not None and each not in known:
            raise ConfigError(
                f"There is no schema {each} in the database.", mend=f"There are: {', '.join(s for s in known if s not in SYSTEM_SCHEMAS)}."
            )
        names = set(inspector.get_table_names(each)) if "table" in types else set()
        names |= set(inspector.get_view_names(each)) if "view" in types else set()
        found += [TableName(each, name) for name in sorted(names)]
    if not include:
        return [table for table in found if not listed(exclude, table, own)]
    chosen = [table for table in found if listed(include, table, own)]
    missing = [text for text in include if not any(listed([text], table, own) for table in chosen)]
    if missing:
        raise ConfigError(f"There is no table {', '.join(missing)} in the database.", mend=f"There are: {', '.join(map(str, found)) or 'none'}.")
    return [table for table in chosen if not listed(exclude, table, own)]


def task_of(table: TableName, tasks: int) -> int:
    """Which task reads the table: the same at every start, and whatever other tables there are."""
    return zlib.crc32(str(table).encode()) % tasks


def shape_of(connection: sqlalchemy.Connection, name: TableName, numeric_mapping: str) -> TableShape:
    """The table as it is now. ConnectorError where it is gone."""
    import sqlalchemy
    from sqlalchemy.dialects import mysql

    try:
        columns = sqlalchemy.inspect(connection).get_columns(name.name, name.schema)
    except sqlalchemy.exc.NoSuchTableError:
        raise ConnectorError(f"The table {name} is not there any more.") from None
    types = [sql_type(column["type"], numeric_mapping) for column in columns]
    parts: list[sqlalchemy.Column[Any]]
    if connection.dialect.name == "sqlite":
        # A declared type binds no value there: numbers have up to 64 bits, and everything is read as it was written.
        types = [BIGINT if type_ == INTEGER else type_ for type_ in types]
        parts = [sqlalchemy.Column(column["name"]) for column in columns]
    else:
        raw = (mysql.BIT,)  # comes as a number from SQLAlchemy, as its bytes from the driver
        bound = [sqlalchemy.types.NullType() if isinstance(column["type"], raw) else column["type"] for column in columns]
        parts = [sqlalchemy.Column(column["name"], type_) for column, type_ in zip(columns, bound, strict=True)]
    return TableShape(
        name,
        sqlalchemy.Table(name.name, sqlalchemy.MetaData(), *parts, schema=name.schema),
        Struct(tuple(Field(column["name"], type_) for column, type_ in zip(columns, types, strict=True))),
        tuple(converter(type_) for type_ in types),
        {column["name"]: column for column in columns},
    )


def incrementing_column(shape: TableShape) -> str:
    """The one column that the database numbers by itself. ConfigError where that is not one."""
    from sqlalchemy import Integer

    numbered = [
        name
        for name, column in shape.columns.items()
        if column.get("identity") or column.get("autoincrement") is True or "nextval(" in str(column.get("default") or "")
    ]
    if not numbered:  # SQLite numbers what is declared INTEGER PRIMARY KEY
        keys = [name for name, column in shape.columns.items() if column.get("primary_key")]
        numbered = keys if len(keys) == 1 and isinstance(shape.columns[keys[0]]["type"], Integer) else []
    if len(numbered) != 1:
        raise ConfigError(
            f"The table {shape.name} has {len(numbered)} columns that the database numbers.", mend="Name one in 'incrementing.column.name'."
        )
    return numbered[0]


def plain_row(shape: TableShape, row: Sequence[Any]) -> dict[str, Any]:
    """A row of the table as values by column name. DataError for a value that is not what its column was declared to be."""
    values = {}
    for field, convert, value in zip(shape.schema.fields, shape.converters, row, strict=True):
        try:
            values[field.name] = convert(value)
        except (DataError, ValueError, TypeError, ArithmeticError) as error:
            raise DataError(f"The table {shape.name} holds {str(value)[:100]!r} in {field.name}, a {field.type}: {error}") from None
    return values
