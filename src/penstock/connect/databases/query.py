"""A user's SELECT as if it were a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from penstock.connect.databases.columns import converter, decimal_type
from penstock.connect.databases.tables import TableName, TableShape
from penstock.errors import ConfigError
from penstock.sql.types import BIGINT, BOOLEAN, BYTES, DATE, DOUBLE, INTEGER, STRING, TIME, TIMESTAMP, Array, Decimal, Field, SqlType, Struct

if TYPE_CHECKING:
    import sqlalchemy

SAMPLE_ROWS = 100
"""So many rows are looked at where a driver does not tell all of a type."""

# PostgreSQL's numbers of its types, which are fixed.
_POSTGRES: dict[int, SqlType] = {
    16: BOOLEAN, 21: INTEGER, 23: INTEGER, 20: BIGINT, 26: BIGINT, 700: DOUBLE, 701: DOUBLE, 17: BYTES, 1082: DATE, 1083: TIME, 1266: TIME,
    1114: TIMESTAMP, 1184: TIMESTAMP, 1000: Array(BOOLEAN), 1005: Array(INTEGER), 1007: Array(INTEGER), 1016: Array(BIGINT),
    1021: Array(DOUBLE), 1022: Array(DOUBLE), 1009: Array(STRING), 1015: Array(STRING),
}  # fmt: skip
_NUMERIC = 1700
# MySQL's: TINY, SHORT, INT24, YEAR; LONG, which may be unsigned, LONGLONG; FLOAT, DOUBLE; dates and times; BIT.
_MYSQL: dict[int, SqlType] = {
    1: INTEGER, 2: INTEGER, 9: INTEGER, 13: INTEGER, 3: BIGINT, 8: BIGINT, 4: DOUBLE, 5: DOUBLE, 10: DATE, 11: TIME, 7: TIMESTAMP, 12: TIMESTAMP,
    16: BYTES,
}  # fmt: skip
_MYSQL_DECIMALS = (0, 246)


def query_shape(connection: sqlalchemy.Connection, query: str, numeric_mapping: str) -> TableShape:
    """The shape of a SELECT's result. The types are the driver's, where it does not tell those of the first rows. ConfigError where a column has
    no name or two have the same."""
    import sqlalchemy

    text = sqlalchemy.text(query.rstrip().rstrip(";").replace(":", r"\:"))
    dialect = connection.dialect.name
    probe: Any = sqlalchemy.select(sqlalchemy.literal_column("*")).select_from(text.columns().subquery("penstock_query"))
    result = connection.execute(probe.limit(0 if dialect == "postgresql" else SAMPLE_ROWS))
    description = list(result.cursor.description) if result.cursor is not None else []
    sample = result.all()
    names = [str(column[0]) for column in description]
    if len(set(names)) < len(names) or not all(names):
        raise ConfigError("The columns of 'query' are not all named, or not differently.", mend="Name them: SELECT a AS x, b AS y ...")
    if dialect == "postgresql":
        types = [_postgres_type(column, numeric_mapping) for column in description]
    elif dialect in ("mysql", "mariadb"):
        types = [_mysql_type(column, [row[i] for row in sample], numeric_mapping) for i, column in enumerate(description)]
    else:
        types = [_type_of([row[i] for row in sample]) for i in range(len(names))]
    bound = [sqlalchemy.types.NullType() if dialect == "sqlite" else _bound(type_) for type_ in types]
    table = text.columns(*(sqlalchemy.column(name, type_) for name, type_ in zip(names, bound, strict=True))).subquery("penstock_query")
    shape = Struct(tuple(Field(name, type_) for name, type_ in zip(names, types, strict=True)))
    infos: Any = {name: {"name": name, "nullable": False} for name in names}
    return TableShape(TableName(None, "query"), table, shape, tuple(map(converter, types)), infos)  # type: ignore[arg-type]


def _postgres_type(column: Any, numeric_mapping: str) -> SqlType:
    if column.type_code == _NUMERIC:
        return decimal_type(column.precision, column.scale, numeric_mapping)
    return _POSTGRES.get(column.type_code, STRING)


def _mysql_type(column: Any, sample: Sequence[Any], numeric_mapping: str) -> SqlType:
    """The type of a column of MySQL's. What is bytes and what text shows only in the values."""
    code, length, scale = column[1], column[3], column[5]
    if code in _MYSQL_DECIMALS:
        return decimal_type(length - 1 - (scale > 0), scale, numeric_mapping)
    if code in _MYSQL:
        return _MYSQL[code]
    return BYTES if any(isinstance(value, bytes) for value in sample) else STRING


def _type_of(values: Sequence[Any]) -> SqlType:
    """The type that holds the values; STRING where they are all NULL."""
    kinds = {type(value) for value in values if value is not None}
    if kinds and kinds <= {bool, int}:
        return BIGINT
    if kinds and kinds <= {bool, int, float}:
        return DOUBLE
    return BYTES if kinds == {bytes} else STRING


def _bound(type_: SqlType) -> Any:
    """The type by which SQLAlchemy reads a column of a query."""
    import sqlalchemy

    match type_:
        case Decimal(precision, scale):
            return sqlalchemy.Numeric(precision, scale)
        case _ if type_ == TIMESTAMP:
            return sqlalchemy.DateTime()
        case _:
            return sqlalchemy.types.NullType()
