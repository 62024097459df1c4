"""Statements that DuckDB plans once and runs again over other tables.

To plan a statement takes DuckDB some milliseconds, to run it over a few rows less than one. A query runs the same few statements for each batch, so
where batches are small, which is where somebody waits for the result, planning was nearly all of the work.
"""

from __future__ import annotations

import re
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from penstock.functions.duckdb_names import distinct

TABLE = re.compile(r"'(?:[^']|'')*'|\b(batch\d+)\b")
"""The name of a bound table, or a text, which may hold the like of one."""

ROWS_MAX = 2_000
"""Tables of more rows than this together are worth a plan of their own, which knows how many rows each has."""

STATEMENTS_MAX = 64
"""How many statements of a query are kept planned; the one used longest ago makes room."""

# the copy is of a few rows
warnings.filterwarnings("ignore", message="Arrow output on a DB-API result makes an extra copy", category=UserWarning)


class Slot:
    """What a planned statement reads in the place of a table: DuckDB asks it for the rows anew at each run."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self.rows: pa.Table | None = None

    def __arrow_c_schema__(self) -> object:
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return (self.schema.empty_table() if self.rows is None else self.rows).__arrow_c_stream__(requested_schema)


@dataclass
class Statement:
    """A planned statement: its name inside DuckDB, and the slot of each table that its SQL names."""

    name: str
    slots: dict[str, Slot]

    def fits(self, tables: Mapping[str, pa.Table]) -> bool:
        """Whether the tables have the columns that it was planned for."""
        return all(slot.schema.equals(tables[name].schema) for name, slot in self.slots.items())


class PreparedStatements:
    """The planned statements of one connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._statements: OrderedDict[str, Statement | None] = OrderedDict()
        self._count = 0

    def run(self, sql: str, tables: Mapping[str, pa.Table]) -> pa.Table | None:
        """The result of a SELECT over small tables (the name in the SQL -> the table) that was run before; None where it is to be run as it is.

        Raises what DuckDB raises.
        """
        if not tables or sum(table.num_rows for table in tables.values()) > ROWS_MAX:
            return None
        if sql not in self._statements:
            self._keep(sql, None)  # most statements are run once: only one that comes again is planned for good
            return None
        self._statements.move_to_end(sql)
        tables = {name: distinct(table) for name, table in tables.items()}
        statement = self._statements[sql]
        if statement is None or not statement.fits(tables):
            statement = self._plan(sql, tables)
            self._keep(sql, statement)
        for name, slot in statement.slots.items():
            slot.rows = tables[name]
        try:
            return self._connection.execute(f"EXECUTE {statement.name}").to_arrow_table()
        finally:
            for slot in statement.slots.values():
                slot.rows = None

    def _plan(self, sql: str, tables: Mapping[str, pa.Table]) -> Statement:
        self._count += 1
        name = f"planned{self._count}"
        slots = {table: Slot(tables[table].schema) for table in tables}
        statement = Statement(name, slots)
        for table, slot in slots.items():
            self._connection.register(f"{name}_{table}", slot)
        try:
            self._connection.execute(f"PREPARE {name} AS {renamed(sql, name)}")
        except duckdb.Error:
            self._unregister(statement)
            raise
        return statement

    def _keep(self, sql: str, statement: Statement | None) -> None:
        self._forget(self._statements.pop(sql, None))
        self._statements[sql] = statement
        if len(self._statements) > STATEMENTS_MAX:
            self._forget(self._statements.popitem(last=False)[1])

    def _forget(self, statement: Statement | None) -> None:
        if statement is not None:
            self._connection.execute(f"DEALLOCATE {statement.name}")
            self._unregister(statement)

    def _unregister(self, statement: Statement) -> None:
        for table in statement.slots:
            self._connection.unregister(f"{statement.name}_{table}")


def tables_named(sql: str) -> set[str]:
    """The names of bound tables that a SELECT reads."""
    return {found[1] for found in TABLE.finditer(sql) if found[1]}


def renamed(sql: str, statement: str) -> str:
    """The SELECT with the name of each bound table as that of the statement's own slot."""
    return TABLE.sub(lambda found: f"{statement}_{found[1]}" if found[1] else found[0], sql)
