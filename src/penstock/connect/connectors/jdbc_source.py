"""JDBC source: reads tables of a relational database, or a query, again and again, and brings the rows that are new."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from penstock.connect.contract import SourceContext, SourceDefinition
from penstock.connect.databases.address import CONNECTION_OPTIONS, database_url, open_engine, shown
from penstock.connect.databases.failures import failure
from penstock.connect.databases.progress import Progress, initial
from penstock.connect.databases.query import query_shape
from penstock.connect.databases.tables import TableName, TableShape, find_tables, incrementing_column, plain_row, shape_of, task_of
from penstock.connect.options import REQUIRED, Option
from penstock.connect.records import SourceBatch, SourceRecord
from penstock.connect.secrets import Secrets
from penstock.errors import ConfigError, ConnectorError, DataError

if TYPE_CHECKING:
    import sqlalchemy
    from sqlalchemy.sql.elements import ColumnElement

QUERY = "query"
"""The name of a query's position."""
MODES = ("bulk", "incrementing", "timestamp", "timestamp+incrementing")

OPTIONS = (
    *CONNECTION_OPTIONS,
    Option(
        "mode",
        "choice",
        "Which rows are new: `bulk` reads everything each time; `incrementing` the rows with a larger number; `timestamp` those changed since; "
        "`timestamp+incrementing` tells apart by the number what has the same time.",
        REQUIRED,
        choices=MODES,
    ),
    Option(
        "incrementing.column.name",
        "string",
        "The column whose number grows with each new row. Empty: the one that the database numbers by itself.",
        "",
    ),
    Option(
        "timestamp.column.name",
        "list",
        "The columns that hold when a row changed, with commas between them; the first that is not NULL counts.",
        (),
    ),
    Option("validate.non.null", "boolean", "Whether to refuse such columns where they may be NULL, since such a row would never be read.", True),
    Option(
        "timestamp.delay.interval.ms",
        "integer",
        "Leave a row alone until its time is so old, in ms: longer than the longest transaction.",
        0,
        minimum=0,
    ),
    Option(
        "timestamp.initial",
        "integer",
        "Where a new connector begins, in ms since the epoch; -1 is now. Not given, all rows are read.",
        None,
        minimum=-1,
    ),
    Option(
        "table.whitelist",
        "list",
        "The tables to read, as `table` or `schema.table`. Empty: every table.",
        (),
        aliases=("table.include.list",),
    ),
    Option("table.blacklist", "list", "Tables to leave out.", (), aliases=("table.exclude.list",)),
    Option("table.types", "list", "What counts as a table: `TABLE`, `VIEW`.", ("TABLE",)),
    Option("schema.pattern", "string", "The schema of the tables; not given, the connection's own.", None),
    Option(
        "query",
        "string",
        "A SELECT to read instead of tables. It is read as a subquery, whose columns the mode's conditions are put on.",
        "",
    ),
    Option("topic.prefix", "string", "The topic of a table is this and the table's name; that of a query is this alone.", REQUIRED),
    Option("poll.interval.ms", "integer", "How often to look for new rows, in ms.", 5_000, minimum=1),
    Option("table.poll.interval.ms", "integer", "How often to look for new tables, where `table.whitelist` is empty, in ms.", 60_000, minimum=1),
    Option(
        "batch.max.rows", "integer", "At most this many rows at once (more in mode `timestamp`, where many have the same time).", 1_000, minimum=1
    ),
    Option(
        "numeric.mapping",
        "choice",
        "What becomes of NUMERIC: `none` a DECIMAL; `precision_only` an INTEGER or BIGINT where there are no digits after the point; `best_fit` a "
        "DOUBLE too where it holds up to 18 digits; `best_fit_eager_double` a DOUBLE wherever there are digits after the point.",
        "none",
        choices=("none", "precision_only", "best_fit", "best_fit_eager_double"),
    ),
)


@dataclass
class _Part:
    """A table, or the query, that this task reads. `due_s`: when to look again, by the monotonic clock."""

    key: str
    topic: str
    table: TableName | None
    shape: TableShape | None = None
    progress: Progress | None = None
    position: dict[str, Any] = field(default_factory=dict)
    due_s: float = 0.0
    rows: Iterator[Sequence[Sequence[Any]]] | None = None  # of a bulk pass under way


class JdbcSource:
    """The source of one task: its tables, each read on when it is due."""

    def __init__(self, options: Mapping[str, Any], secrets: Secrets, context: SourceContext) -> None:
        self._options, self._secrets, self._context = options, secrets, context
        self._mode: str = options["mode"]
        _check(options)
        self._url, _ = database_url(options, secrets)
        self._engine: sqlalchemy.Engine | None = None
        self._bulk: sqlalchemy.Connection | None = None
        self._parts: list[_Part] = []
        self._tables_due_s = 0.0

    def poll(self) -> SourceBatch:
        """The next rows of the part that is due first."""
        from sqlalchemy.exc import SQLAlchemyError

        try:
            self._find_parts()
            part = min(self._parts, key=lambda each: each.due_s, default=None)
            due_s = min(self._tables_due_s, part.due_s if part else self._tables_due_s)
            if (left_s := due_s - time.monotonic()) > 0:
                self._context.wait(left_s)
                return SourceBatch()
            if part is None or part.due_s > due_s:
                return SourceBatch()
            return self._read_bulk(part) if self._mode == "bulk" else self._read_new(part)
        except SQLAlchemyError as error:
            self.close()
            raise failure(error, f"Reading from {shown(self._url)}", self._secrets) from None

    def committed(self, batch: SourceBatch) -> None:
        """Nothing: the database knows nothing of who reads it."""

    def close(self) -> None:
        """Close the connection."""
        if self._bulk is not None:
            self._bulk.close()
            self._bulk = None
        for part in self._parts:
            part.rows, part.shape = None, None
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _connect(self) -> sqlalchemy.Connection:
        if self._engine is None:
            self._engine = open_engine(self._options, self._secrets)
        return self._engine.connect()

    # ------------------------------------------------------------------ what there is to read

    def _find_parts(self) -> None:
        """Look for tables, at the first poll and from time to time; positions of known parts stay."""
        if time.monotonic() < self._tables_due_s:
            return
        options = self._options
        prefix: str = options["topic.prefix"]
        fixed = bool(options["query"] or options["table.whitelist"])
        if options["query"]:
            self._parts = [_Part(QUERY, prefix, None)] if self._context.task == 0 else []
        else:
            with self._connect() as connection:
                tables = find_tables(
                    connection,
                    include=options["table.whitelist"],
                    exclude=options["table.blacklist"],
                    types=[each.lower() for each in options["table.types"]],
                    schema=options["schema.pattern"],
                )
            known = {part.key: part for part in self._parts}
            mine = [table for table in tables if self._is_mine(table, tables)]
            self._parts = [known.get(str(table)) or _Part(str(table), f"{prefix}{table.name}", table) for table in mine]
        for part in self._parts:
            part.position = part.position or dict(self._context.positions.get(part.key, {}))
        self._tables_due_s = float("inf") if fixed else time.monotonic() + options["table.poll.interval.ms"] / 1000

    def _is_mine(self, table: TableName, tables: Sequence[TableName]) -> bool:
        """A list of tables is dealt out evenly; of all tables, any may come later, so that a table's name decides."""
        tasks = self._context.tasks
        task = tables.index(table) % tasks if self._options["table.whitelist"] else task_of(table, tasks)
        return task == self._context.task

    def _shape(self, connection: sqlalchemy.Connection, part: _Part) -> tuple[TableShape, Progress]:
        """The part's columns as they are now, and its order. A table's shape is looked up before each of its readings that may bring rows."""
        options = self._options
        if part.table is None:
            part.shape = part.shape or query_shape(connection, options["query"], options["numeric.mapping"])
        else:
            part.shape = shape_of(connection, part.table, options["numeric.mapping"])
        shape = part.shape
        number = (options["incrementing.column.name"] or incrementing_column(shape)) if "incrementing" in self._mode else None
        times = options["timestamp.column.name"] if "timestamp" in self._mode else ()
        return shape, Progress(
            None if number is None else self._column(shape, number),
            [self._column(shape, name) for name in times],
            options["timestamp.delay.interval.ms"],
        )

    def _column(self, shape: TableShape, name: str) -> ColumnElement[Any]:
        found = next((key for key in shape.columns if key == name), None) or next((key for key in shape.columns if key.lower() == name.lower()), None)
        if found is None:
            raise ConfigError(f"{shape.name} has no column {name}.", mend=f"It has: {', '.join(shape.columns)}.")
        several = len(self._options["timestamp.column.name"]) > 1 and name != self._options["incrementing.column.name"]
        column = shape.columns[found]
        nullable = column.get("nullable", False) and not column.get("primary_key")  # SQLite calls its own row numbers nullable
        if self._options["validate.non.null"] and nullable and not several:
            raise ConfigError(
                f"The column {found} of {shape.name} may be NULL, and rows where it is would never be read.",
                mend="Declare it NOT NULL, or set 'validate.non.null'='false'.",
            )
        return shape.table.c[found]

    # ------------------------------------------------------------------ reading

    def _read_new(self, part: _Part) -> SourceBatch:
        import sqlalchemy

        rows_max: int = self._options["batch.max.rows"]
        with self._connect() as connection:
            shape, progress = self._shape(connection, part)
            end = progress.end(connection)
            position = part.position or self._initial(progress, end)
            query = sqlalchemy.select(*shape.table.c, *(each.label(f"penstock_{i}") for i, each in enumerate(progress.extra))).select_from(
                shape.table
            )
            query = query.where(*progress.condition(position, end)).order_by(*progress.order())
            rows = connection.execute(query.limit(rows_max + 1)).all()
            width, more = len(shape.schema.fields), len(rows) > rows_max
            rows = rows[:rows_max] if more else rows
            if more and progress.number is None:
                # Rows of one time stay together: the position cannot stand between them.
                before = [row for row in rows if row[-1] < rows[-1][-1]]
                rows = before or connection.execute(
                    sqlalchemy.select(*shape.table.c, progress.extra[-1].label("penstock_0")).where(progress.extra[-1] == rows[-1][-1])
                ).all()  # fmt: skip
        part.due_s = 0.0 if more else time.monotonic() + self._options["poll.interval.ms"] / 1000
        if rows:
            position = progress.position(rows[-1][width:])
        elif position == part.position:
            return SourceBatch()
        part.position = position
        return SourceBatch(_records(part.topic, shape, [row[:width] for row in rows]), {part.key: position})

    def _initial(self, progress: Progress, end: Any) -> dict[str, Any]:
        """Where a new connector begins: at `timestamp.initial`, or before the first row."""
        given = self._options["timestamp.initial"]
        if given is None or not progress.times:
            return {}
        if given == -1:
            return {"timestamp": end if isinstance(end, str) else end.isoformat()}
        column = progress.times[0]
        import sqlalchemy

        return {
            "timestamp": initial(given, zoned=bool(getattr(column.type, "timezone", False)), text=isinstance(column.type, sqlalchemy.types.NullType))
        }

    def _read_bulk(self, part: _Part) -> SourceBatch:
        """The next rows of the pass under way. A pass is one query, read through a cursor of the server's where it has such."""
        import sqlalchemy

        rows_max: int = self._options["batch.max.rows"]
        if part.rows is None:
            self._bulk = self._connect()
            shape, _ = self._shape(self._bulk, part)
            query = sqlalchemy.select(*shape.table.c).select_from(shape.table)
            part.rows = self._bulk.execution_options(stream_results=True, max_row_buffer=rows_max).execute(query).partitions(rows_max)
        rows = next(part.rows, None)
        if rows is None:
            assert self._bulk is not None
            self._bulk.close()
            self._bulk, part.rows = None, None
            part.due_s = time.monotonic() + self._options["poll.interval.ms"] / 1000
            return SourceBatch()
        # A pass goes to its end before another part is looked at: there is one connection.
        part.due_s = float("-inf")
        assert part.shape is not None
        return SourceBatch(_records(part.topic, part.shape, rows))


def _records(topic: str, shape: TableShape, rows: Sequence[Sequence[Any]]) -> list[SourceRecord]:
    try:
        return [SourceRecord(topic, plain_row(shape, row), value_schema=shape.schema) for row in rows]
    except DataError as error:
        raise ConnectorError(error.what, mend="Read it by a query that casts the column.") from None


def _check(options: Mapping[str, Any]) -> None:
    """What only all options together can tell."""
    mode = options["mode"]
    if options["query"] and (options["table.whitelist"] or options["table.blacklist"]):
        raise ConfigError("'query' and a list of tables exclude each other.")
    if options["table.whitelist"] and options["table.blacklist"]:
        raise ConfigError("'table.whitelist' and 'table.blacklist' exclude each other.")
    if "timestamp" in mode and not options["timestamp.column.name"]:
        raise ConfigError(f"'mode'='{mode}' needs 'timestamp.column.name'.", mend="Name the column that holds when a row changed.")
    if "incrementing" in mode and options["query"] and not options["incrementing.column.name"]:
        raise ConfigError(f"'mode'='{mode}' needs 'incrementing.column.name' where a query is read.")
    unknown = [each for each in options["table.types"] if each.lower() not in ("table", "view")]
    if unknown:
        raise ConfigError(f"'table.types' holds '{unknown[0]}'.", mend="There are TABLE and VIEW.")


def _open(options: Mapping[str, Any], secrets: Secrets, context: SourceContext) -> JdbcSource:
    return JdbcSource(options, secrets, context)


def _tasks(options: Mapping[str, Any]) -> int:
    """As many as there are tables; where they are not listed, as many as are allowed."""
    if options["query"]:
        return 1
    return len(options["table.whitelist"]) or int(options["tasks.max"])


DEFINITION = SourceDefinition(
    class_names=("JdbcSource", "JdbcSourceConnector", "io.confluent.connect.jdbc.JdbcSourceConnector"),
    summary="Reads tables of PostgreSQL, MySQL, MariaDB, SQLite and others, or a query, and brings the rows that are new.",
    documentation="""\
Each table becomes a topic, each row a record whose value has the table's columns, and no key (`ValueToKey` and `ExtractField` make one). Install
the driver by `pip install 'penstock[postgres]'` or `'penstock[mysql]'`; SQLite needs `'penstock[jdbc]'` alone.

What was read is committed together with the records, so no row is brought twice, however often the process is killed; `bulk` alone begins a pass
again that was cut short. What the modes cannot see is what a query cannot see: a row that was deleted, in `incrementing` a row that was changed, a
row that became visible after one with a larger number or a later time. Where that matters, give transactions time by `timestamp.delay.interval.ms`,
or use change data capture.

Times are compared in the database, by its own clock. A row counts when its time is over: with a column of whole seconds, in the next second.
A table that gets another column is read with it from the next poll on. Without a precision NUMERIC is a DECIMAL(38, 18). Types that have no like
(UUID, JSON, intervals, enums, networks) are their text; an unsigned BIGINT is a DECIMAL(20, 0); TINYINT(1) and BIT(1) are BOOLEAN. TIMESTAMP is UTC
where the column knows its zone, and as it stands where it does not.""",
    example="""\
CREATE SOURCE CONNECTOR demo WITH (
  'connector.class' = 'io.confluent.connect.jdbc.JdbcSourceConnector',
  'connection.url' = 'jdbc:mysql://asgard:3306/demo',
  'connection.user' = '${file:/etc/demo.properties:USER}',
  'connection.password' = '${file:/etc/demo.properties:PASSWORD}',
  'table.whitelist' = 'sales,orders,customers',
  'mode' = 'timestamp+incrementing',
  'timestamp.column.name' = 'updated_at',
  'incrementing.column.name' = 'id',
  'topic.prefix' = 'demo-'
);""",
    options=OPTIONS,
    open=_open,
    tasks=_tasks,
)
