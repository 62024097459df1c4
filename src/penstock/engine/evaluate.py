"""Running SQL over Arrow tables: one DuckDB connection of one thread for each query.

A fast pass evaluates expressions as they are. Where a row makes DuckDB raise, the batch is done again in a careful pass, which wraps each expression
in TRY so that the bad row alone becomes NULL, and says which rows those were and why.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import duckdb
import pyarrow as pa

from penstock.engine.pile import adjoining
from penstock.engine.prepared import PreparedStatements, tables_named
from penstock.errors import DataError, Position
from penstock.functions.definition import PythonFunction
from penstock.functions.duckdb import UsersOwnError, register
from penstock.functions.duckdb_names import distinct

REASONS_MAX = 20
"""How many rows of one expression and batch are asked for their own reason; the others share the first one's."""


ROWS_IN_ONE_CHUNK = 1 << 22
"""A result of no more rows comes as plain arrays, which nobody need put together."""

NULL_IN_LAMBDA = " is NULL in a lambda"
"""What a text says that stands for arithmetic with NULL: see `engine.sql`."""
NO_VALUE = re.compile(rf"Could not convert string ['\"](.* is no [A-Z]+(?:\(\d+, ?\d+\))?|.*{NULL_IN_LAMBDA}.*)['\"] to ", re.DOTALL)
"""How DuckDB words the casts of `functions.casts` and of lambdas, which say themselves what is wrong."""


FUNCTION = re.compile(r"\bpenstock_(\w+)_[0-9a-f]{10}\b")
"""The name of a Python function inside DuckDB."""
FAILED = re.compile(rf"\b{UsersOwnError.__name__}: (.*)")
"""What a user's own function raised, in DuckDB's words around it."""

WORDINGS = (
    (re.compile(r"Overflow in \w+ of INT(?:8|16|32|64|128) \((.*)\)!?"), r"\1 is beyond its type"),
    (re.compile(r"Overflow in \w+ of numeric value!?"), "the result is beyond its type"),
    (re.compile(r"Casting value \"(.*)\" to type (DECIMAL\(\d+, ?\d+\)) failed: value is out of range!?"), r"\1 is beyond the range of \2"),
    (re.compile(r"Could not cast value (.*) to (DECIMAL\(\d+, ?\d+\))"), r"\1 is beyond the range of \2"),
    (re.compile(r"Type \w+ with value (.*) can't be cast .* destination type (\w+)"), r"\1 is beyond the range of \2"),
    (re.compile(r"invalid (?:date|timestamp) field format: \"(.* is no (?:DATE|TIMESTAMP))\", expected format is .*"), r"\1"),
    (re.compile(r"invalid (date|time|timestamp) field format: \"(.*)\", expected format is .*"), r"\2 is no \1"),
    (
        re.compile(r"(?:date|timestamp|interval) .*out of range.*|.*Date out of range.*|Date and time not in timestamp range.*", re.IGNORECASE),
        "the result is no date that there is",
    ),
    (re.compile(r"(?:DivisionByZero|DivisionUndefined): \[.*\]"), "division by zero"),
    (re.compile(r"(?:InvalidOperation|Overflow): \[.*\]"), "the number cannot be computed"),
    (re.compile(r"Map keys can not be NULL\.?|ArrowInvalid: Invalid Map: key field cannot contain null values"), "a MAP's key is NULL"),
    (re.compile(r"Map keys must be unique\.?"), "two entries of a MAP have the same key"),
    (re.compile(r"(?:OverflowError: )?Python int too large to convert to C .*"), "the result is beyond its type"),
    (re.compile(r"ArrowInvalid: Value (.*) too large to fit in C integer type"), r"\1 is beyond its type"),
    (re.compile(r"ArrowInvalid: .*(?:Decimal|Precision|precision).*"), "the result does not fit its DECIMAL"),
    (re.compile(r"ArrowInvalid: (.*)"), r"the result does not fit its type: \1"),
)
"""The words of DuckDB, Arrow and Python for what a value cannot be, and ours."""


class EvaluationError(Exception):
    """Some row of a batch cannot be evaluated: take the careful pass."""


class FunctionError(EvaluationError):
    """A user's own function raised on some row of a batch."""


@dataclass
class Instance:
    """A DuckDB that all evaluators of one kind share: functions live in its catalog."""

    connection: duckdb.DuckDBPyConnection
    registered: set[str] = field(default_factory=set)


class Evaluator:
    """A DuckDB connection with what a query's expressions need. Belongs to one thread at a time.

    A `careful` one is for SQL with TRY: DuckDB computes an expression that occurs twice once and ahead, and one of constants while it plans, outside
    of the TRY around it, unless told not to, which can be told to a whole DuckDB only.
    """

    _instances: ClassVar[dict[bool, Instance]] = {}
    _lock = threading.Lock()

    def __init__(self, *, careful: bool = False) -> None:
        with Evaluator._lock:
            if careful not in Evaluator._instances:
                connection = duckdb.connect(":memory:", config={"threads": 1})
                connection.execute("SET enable_progress_bar = false; SET TimeZone = 'UTC'")
                if careful:
                    connection.execute("SET disabled_optimizers = 'common_subexpressions,expression_rewriter,statistics_propagation'")
                Evaluator._instances[careful] = Instance(connection)
            self._instance = Evaluator._instances[careful]
            self.connection = self._instance.connection.cursor()
        self._prepared = PreparedStatements(self.connection)
        self._bound: dict[str, pa.Table] = {}
        self._registered: list[str] = []
        self._known: dict[str, pa.Table] = {}
        self._count = 0

    @classmethod
    def close_all(cls) -> None:
        """End every DuckDB, as the program ends and no query runs any more: what it holds of Python must go before the interpreter does, or its
        binding tells of leaks. One that a thread is still busy with is left to its fate."""
        with cls._lock:
            for instance in cls._instances.values():
                with contextlib.suppress(duckdb.Error):
                    instance.connection.close()
            cls._instances.clear()

    def need(self, functions: Iterable[PythonFunction]) -> None:
        """Register Python functions, each once."""
        for function in functions:
            if function.name not in self._instance.registered:
                with Evaluator._lock:
                    if function.name not in self._instance.registered:
                        register(self.connection, function)
                        self._instance.registered.add(function.name)

    def bind(self, table: pa.Table | pa.RecordBatch) -> str:
        """Make a table readable in SQL until `release`; return its name."""
        if isinstance(table, pa.RecordBatch):
            table = pa.Table.from_batches([table])
        self._count += 1
        name = f"batch{self._count}"
        self._bound[name] = table
        return name

    def rows(self, table: pa.Table) -> str:
        """SQL of a table's rows. To run it as it is costs nothing."""
        sql = f"SELECT {', '.join(table.column_names)} FROM {self.bind(table)}"
        self._known[sql] = table
        return sql

    def known(self, sql: str) -> pa.Table | None:
        """The rows of this SQL where they need not be computed."""
        return self._known.get(sql)

    def forget(self, sql: str) -> None:
        """Forget the bound tables that the SQL names: nothing will read them any more."""
        gone = self._read_by(sql)
        for name in gone.keys() & set(self._registered):
            self.connection.unregister(name)
            self._registered.remove(name)
        for name in gone:
            del self._bound[name]
        self._known = {text: table for text, table in self._known.items() if all(table is not lost for lost in gone.values())}

    def release(self) -> None:
        """Forget the bound tables; their names may be given again."""
        for name in self._registered:
            self.connection.unregister(name)
        self._registered.clear()
        self._bound.clear()
        self._known.clear()
        self._count = 0

    def _read_by(self, sql: str) -> dict[str, pa.Table]:
        """The bound tables that the SQL names."""
        return {name: self._bound[name] for name in tables_named(sql) if name in self._bound}

    def _register(self, tables: dict[str, pa.Table]) -> None:
        """Show DuckDB the tables that it has not seen: it takes longer than a small query over them, and not all that is bound is read."""
        for name, table in tables.items():
            if name not in self._registered:
                self.connection.register(name, distinct(table))
                self._registered.append(name)

    def table(self, sql: str) -> pa.Table:
        """Run a query; raise EvaluationError where a row's value makes it fail."""
        known = self.known(sql)
        if known is not None:
            return known
        tables = self._read_by(sql)
        try:
            result = self._prepared.run(sql, tables)
            if result is None:
                self._register(tables)
                result = self.connection.sql(sql).to_arrow_table(ROWS_IN_ONE_CHUNK)
            return result
        except (duckdb.ConversionException, duckdb.InvalidInputException, duckdb.OutOfRangeException) as error:
            kind = FunctionError if FAILED.search(str(error)) else EvaluationError
            raise kind(reason_of(error)) from error

    def once(self, sql: str, position: Position | None = None) -> pa.Table:
        """Run a query over constants alone; a value that cannot be computed is the user's error."""
        try:
            return self.table(sql)
        except EvaluationError as error:
            raise DataError(f"A value cannot be computed: {error}", position=position) from error

    def row_errors(self, table: str, rows: list[int], sql: str) -> list[str]:
        """Why an expression failed in these rows of a bound table whose column `_row` numbers them; one reason a row."""
        reasons: list[str] = []
        self._register(self._read_by(table))
        for row in rows[:REASONS_MAX]:
            try:
                self.connection.sql(f"SELECT {sql} FROM {table} WHERE _row = {row}").fetchall()
                reasons.append("could not be evaluated")
            except duckdb.Error as error:
                reasons.append(reason_of(error))
        return reasons + reasons[:1] * (len(rows) - len(reasons))

    def close(self) -> None:
        """Release everything. The instance behind all evaluators stays."""
        self.release()
        self.connection.close()


def reason_of(error: duckdb.Error) -> str:
    """DuckDB's message without its own framing."""
    message = str(error).split("\n")[0]
    if failed := FAILED.search(message):
        return failed[1]
    for marker in ("Python exception occurred while executing the UDF: ", "Error: "):
        if marker in message:
            message = message.split(marker, 1)[1]
    message = FUNCTION.sub(lambda found: found[1].upper(), message)
    if message.startswith("Division by zero"):
        return "division by zero"
    if found := NO_VALUE.match(message):
        return found[1]
    message = message.partition(" when casting from source column")[0]
    for pattern, wording in WORDINGS:
        if found := pattern.fullmatch(message):
            return found.expand(wording).replace("INT32", "INTEGER").replace("INT64", "BIGINT").replace("FLOAT64", "DOUBLE")
    return message


def one_chunk(column: pa.ChunkedArray | pa.Array) -> Any:
    """A table's column as one plain array."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    together = adjoining(column.chunks) if column.num_chunks else None
    return column.combine_chunks() if together is None else together
