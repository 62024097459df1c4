"""The tables that a sink writes: how they are found, made and widened, and what a value is there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal as Number
from typing import TYPE_CHECKING, Any

from penstock.connect.databases.tables import TableName
from penstock.connect.text import json_text
from penstock.errors import ConnectorError
from penstock.sql.types import BIGINT, BOOLEAN, BYTES, DATE, DOUBLE, INTEGER, STRING, TIME, TIMESTAMP, Decimal, SqlType

if TYPE_CHECKING:
    import sqlalchemy

KEY_LENGTH_MAX = 255
"""MySQL indexes no text without a length."""


@dataclass(frozen=True)
class Target:
    """A table as it is: `table` binds values as they are given. `lists`: the columns that take a list."""

    table: sqlalchemy.Table
    lists: frozenset[str]

    def column(self, name: str) -> str | None:
        """The table's own spelling of a column: exactly as given or, where that is not there, in another case."""
        columns = self.table.c.keys()
        if name in columns:
            return name
        return next((each for each in columns if each.lower() == name.lower()), None)


def find(connection: sqlalchemy.Connection, name: TableName) -> Target | None:
    """The table; None where there is none."""
    import sqlalchemy

    try:
        columns = sqlalchemy.inspect(connection).get_columns(name.name, name.schema)
    except sqlalchemy.exc.NoSuchTableError:
        return None
    table = sqlalchemy.Table(name.name, sqlalchemy.MetaData(), *(sqlalchemy.Column(c["name"]) for c in columns), schema=name.schema)
    return Target(table, frozenset(c["name"] for c in columns if isinstance(c["type"], sqlalchemy.ARRAY)))


def create(connection: sqlalchemy.Connection, name: TableName, columns: Mapping[str, SqlType], keys: Sequence[str]) -> None:
    """Make the table; another task may have been quicker."""
    import sqlalchemy

    parts = [
        sqlalchemy.Column(each, column_type(type_, is_key=each in keys), primary_key=each in keys, autoincrement=False)
        for each, type_ in columns.items()
    ]
    sqlalchemy.Table(name.name, sqlalchemy.MetaData(), *parts, schema=name.schema).create(connection, checkfirst=True)


def widen(connection: sqlalchemy.Connection, target: Target, columns: Mapping[str, SqlType]) -> None:
    """Add columns, which may be NULL."""
    import sqlalchemy
    from sqlalchemy.schema import CreateColumn

    preparer = connection.dialect.identifier_preparer
    for name, type_ in columns.items():
        column = CreateColumn(sqlalchemy.Column(name, column_type(type_, is_key=False))).compile(dialect=connection.dialect)
        connection.exec_driver_sql(f"ALTER TABLE {preparer.format_table(target.table)} ADD COLUMN {column}".replace("%", "%%"))


def column_type(type_: SqlType, *, is_key: bool) -> Any:
    """The database's type for a column."""
    import sqlalchemy as sa
    from sqlalchemy.dialects import mysql

    families = ("mysql", "mariadb")
    match type_:
        case Decimal(precision, scale):
            return sa.Numeric(precision, scale)
        case _ if type_ == STRING and is_key:
            return sa.Text().with_variant(sa.String(KEY_LENGTH_MAX), *families)
        case _ if type_ == BYTES:
            return sa.LargeBinary().with_variant(mysql.VARBINARY(KEY_LENGTH_MAX) if is_key else mysql.LONGBLOB(), *families)
        case _ if type_ == TIMESTAMP:
            return sa.DateTime().with_variant(mysql.DATETIME(fsp=3), *families)
        case _ if type_ == TIME:
            return sa.Time().with_variant(mysql.TIME(fsp=3), *families)
        case _:
            plain = {BOOLEAN: sa.Boolean(), INTEGER: sa.Integer(), BIGINT: sa.BigInteger(), DOUBLE: sa.Double(), DATE: sa.Date()}
            return plain.get(type_) or sa.Text().with_variant(mysql.LONGTEXT(), *families)  # type: ignore[call-overload]


def guessed(values: Iterable[Any]) -> SqlType:
    """The type of a column that only its values tell; text where they are all NULL."""
    for value in values:
        match value:
            case bool():
                return BOOLEAN
            case int():
                return BIGINT
            case float():
                return DOUBLE
            case Number():
                return Decimal(38, min(18, max(0, -int(value.as_tuple().exponent)))) if value.is_finite() else DOUBLE
            case bytes():
                return BYTES
            case datetime():
                return TIMESTAMP
            case date():
                return DATE
            case time():
                return TIME
            case str() | list() | dict():
                return STRING
    return STRING


def bound(value: Any, dialect: str, *, takes_list: bool) -> Any:
    """A value as the driver takes it: what is nested as JSON, and for SQLite, which has few types, dates as text and DECIMAL by its digits."""
    if isinstance(value, list) and takes_list:
        return value
    if isinstance(value, list | tuple | Mapping):
        return json_text(value)
    if dialect == "sqlite":
        if isinstance(value, datetime):
            return value.isoformat(" ")
        if isinstance(value, date | time):
            return value.isoformat()
        if isinstance(value, Number):
            return str(value)
    return value


def absent(name: TableName) -> ConnectorError:
    """The error for a table that is not there."""
    return ConnectorError(f"There is no table {name} in the database.", mend="Create it, or set 'auto.create'='true'.")
