"""What a capture asks of MySQL or MariaDB: its settings, tables, the place of the log, consistent reading."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.connect.changes.mysql_columns import TEXTS, Declared, of_catalog
from penstock.connect.contract import RetriableError
from penstock.errors import ConfigError, ConnectorError

SYSTEM_SCHEMAS = frozenset({"information_schema", "mysql", "performance_schema", "sys"})
_NEEDED = {"log_bin": "ON", "binlog_format": "ROW", "binlog_row_image": "FULL", "binlog_row_metadata": "FULL"}
# Not let in, no such database, no right: no fault of the moment.
_OURS = frozenset({1044, 1045, 1049, 1064, 1142, 1143, 1146, 1227, 1698})
_NUMBERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})


@dataclass(frozen=True)
class CatalogColumn:
    """A column as the catalog has it."""

    name: str
    declared: Declared
    is_key: bool


@dataclass(frozen=True)
class CatalogTable:
    """A table as the catalog has it now."""

    schema: str
    name: str
    columns: tuple[CatalogColumn, ...]

    @property
    def keys(self) -> tuple[CatalogColumn, ...]:
        """The primary key's columns, in the order of the table."""
        return tuple(column for column in self.columns if column.is_key)

    @property
    def is_ordered(self) -> bool:
        """Whether the table can be read on from a key."""
        return bool(self.keys) and all(column.declared.kind in _NUMBERS | TEXTS for column in self.keys)


class MySqlDatabase:
    """A connection to the server. Its time zone is UTC."""

    def __init__(self, settings: Mapping[str, Any], words: Callable[[str], str]) -> None:
        self._settings, self._words = dict(settings), words
        self._connection = self.connect()
        version = str(self.rows("SELECT VERSION()")[0][0])
        self.is_mariadb = "mariadb" in version.lower()

    def connect(self, **more: Any) -> Any:
        """Another connection. RetriableError where the server is away, ConnectorError where it does not let us in."""
        import pymysql

        try:
            return pymysql.connect(
                **{**self._settings, "autocommit": True, "init_command": "SET time_zone = '+00:00', net_write_timeout = 3600"} | more
            )
        except pymysql.MySQLError as error:
            raise self.failure(error, "The connection to the server failed") from None

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def failure(self, error: Exception, doing: str) -> ConnectorError:
        """What an error of the driver means."""
        code, text = (*error.args, "", "")[:2]
        what = f"{doing}: {self._words(' '.join(str(text or code).split()))} ({code})."
        return ConnectorError(what, mend="Check the address and the user's rights.") if code in _OURS else RetriableError(what)

    def rows(self, query: str, parameters: Sequence[Any] = (), connection: Any = None) -> list[tuple[Any, ...]]:
        """Run a statement."""
        import pymysql

        try:
            with (connection or self._connection).cursor() as cursor:
                cursor.execute(query, tuple(parameters) or None)
                return list(cursor.fetchall())
        except pymysql.MySQLError as error:
            raise self.failure(error, "The server refused") from None

    # ------------------------------------------------------------------ the log

    def check(self) -> None:
        """Raise ConfigError where the server does not log what is needed."""
        names = ", ".join(f"'{name}'" for name in _NEEDED)
        found = {str(name): str(value).upper() for name, value in self.rows(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})")}
        wrong = {name: value for name, value in _NEEDED.items() if found.get(name, "not there") != value}
        if not wrong:
            return
        if "log_bin" in wrong:
            raise ConfigError("The server writes no binary log.", mend="Set log_bin = binlog in its configuration and restart it.")
        is_so = ", ".join(f"{name} is {found.get(name, 'not there')}" for name in wrong)
        mend = " ".join(f"SET GLOBAL {name} = {value};" for name, value in wrong.items())
        raise ConfigError(f"The server's binary log lacks what is needed: {is_so}.", mend=f"{mend} And the same in its configuration.")

    def place(self, connection: Any = None) -> tuple[str, int]:
        """(file, position) of the log's end."""
        try:
            rows = self.rows("SHOW BINARY LOG STATUS" if not self.is_mariadb else "SHOW MASTER STATUS", connection=connection)
        except ConnectorError:
            rows = self.rows("SHOW MASTER STATUS", connection=connection)  # MySQL before 8.2
        if not rows:
            raise ConfigError("The server writes no binary log.", mend="Set log_bin = binlog in its configuration and restart it.")
        return str(rows[0][0]), int(rows[0][1])

    def has_file(self, file: str) -> bool:
        """Whether the server still has a file of its log."""
        return any(row[0] == file for row in self.rows("SHOW BINARY LOGS"))

    # ------------------------------------------------------------------ tables

    def tables(self) -> list[tuple[str, str]]:
        """(database, table) of every table, sorted."""
        rows = self.rows("SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE' ORDER BY 1, 2")
        return [(schema, name) for schema, name in rows if schema.lower() not in SYSTEM_SCHEMAS]

    def table(self, schema: str, name: str) -> CatalogTable | None:
        """The table as it is now; None where it is gone."""
        names = (
            "COLUMN_NAME", "COLUMN_KEY", "COLUMN_TYPE", "DATA_TYPE", "CHARACTER_MAXIMUM_LENGTH", "NUMERIC_PRECISION", "NUMERIC_SCALE",
            "DATETIME_PRECISION",
        )  # fmt: skip
        query = f"SELECT {', '.join(names)} FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION"  # noqa: S608
        rows = [dict(zip(names, row, strict=True)) for row in self.rows(query, (schema, name))]
        columns = tuple(CatalogColumn(row["COLUMN_NAME"], of_catalog(row), row["COLUMN_KEY"] == "PRI") for row in rows)
        return CatalogTable(schema, name, columns) if columns else None


class ConsistentReading:
    """The tables as they stood at one place of the log. MariaDB tells the place of a consistent snapshot by itself; MySQL does not, so that for the
    moment of asking all writing is locked out (`lock`: in any case)."""

    def __init__(self, database: MySqlDatabase, *, lock: bool) -> None:
        import pymysql.cursors

        self._database = database
        self._connection = database.connect(cursorclass=pymysql.cursors.SSCursor, autocommit=False)
        locked = lock or not database.is_mariadb
        if locked:
            database.rows("FLUSH TABLES WITH READ LOCK")
        try:
            self._run("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            self._run("START TRANSACTION WITH CONSISTENT SNAPSHOT")
            if locked:
                self.file, self.position = database.place()
            else:
                rows = database.rows("SHOW STATUS LIKE 'binlog_snapshot_%'", connection=self._connection)
                status = {str(name).lower(): value for name, value in rows}
                self.file, self.position = str(status["binlog_snapshot_file"]), int(status["binlog_snapshot_position"])
        finally:
            if locked:
                database.rows("UNLOCK TABLES")

    def rows(self, table: CatalogTable, after: Sequence[Any] | None, batch: int) -> Iterator[list[tuple[Any, ...]]]:
        """The rows with keys after `after`, in the order of keys where the table has such, in batches."""
        import pymysql

        order = [_order(_quoted(key.name), key.declared) for key in table.keys] if table.is_ordered else []
        columns = ", ".join(_selected(column) for column in table.columns)
        query = f"SELECT {columns} FROM {_quoted(table.schema)}.{_quoted(table.name)}"  # noqa: S608 - names are quoted
        if after is not None:
            query += f" WHERE ({', '.join(order)}) > ({', '.join(_order('%s', key.declared) for key in table.keys)})"
        if order:
            query += f" ORDER BY {', '.join(order)}"
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(query, tuple(after) if after is not None else None)
                while rows := cursor.fetchmany(batch):
                    yield list(rows)
        except pymysql.MySQLError as error:
            raise self._database.failure(error, f"Reading {table.schema}.{table.name} broke off") from None

    def close(self) -> None:
        """Let go of the snapshot."""
        self._connection._force_close()  # an answer that is not read to its end would otherwise be waited for

    def _run(self, statement: str) -> None:
        self._database.rows(statement, connection=self._connection)


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _order(expression: str, declared: Declared) -> str:
    """What to order by: text by its bytes in UTF-8, whatever its collation."""
    return f"CAST(CONVERT({expression} USING utf8mb4) AS BINARY)" if declared.kind in TEXTS else expression


def _selected(column: CatalogColumn) -> str:
    """A column in a SELECT: a FLOAT as the number that it is, which its text is not."""
    name = _quoted(column.name)
    return f"{name} * 1e0" if column.declared.kind == "float" else name
