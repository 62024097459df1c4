"""A database: one folder (or memory), its topics, sources and running queries, and the SQL that works on them."""

from __future__ import annotations

import atexit
import contextlib
import sys
import threading
import weakref
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from penstock import settings
from penstock.cancellation import Cancellation
from penstock.errors import Error
from penstock.result import Query, Result

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow as pa

    from penstock.connect.runtime import ConnectRuntime
    from penstock.engine.evaluate import Evaluator
    from penstock.sql import ast


EVALUATORS_MAX = 8
"""How many evaluators a database keeps while no statement uses them."""


@dataclass
class Session:
    """What a client has set for its statements. `script_folder`: that of the file which they come from; `remote`: they come over the network, so
    that they may name files of the allowed folders only."""

    properties: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    variable_names: dict[str, str] = field(default_factory=dict)
    """The variables' names as DEFINE wrote them, by those in lower case."""
    asserted: dict[str, dict[int, int]] = field(default_factory=dict)
    """By topic and partition, the offset behind the last record that ASSERT VALUES took."""
    script_folder: Path | None = None
    remote: bool = False
    scripts: int = 0
    """How many scripts are running one another."""
    cancellation: Cancellation = field(default_factory=Cancellation)
    """To end what the session is doing."""


class Database:
    """An open database; made by `penstock.connect`. Thread-safe; use it as a context manager or call `close`.

    Persistent queries run in background threads of the process that has the folder open for writing.
    """

    def __init__(
        self,
        path: str | Path = ":memory:",
        *,
        functions: str | Path | None = None,
        properties: Mapping[str, str] | None = None,
        read_only: bool = False,
        start_connectors: bool = True,
        threads: bool = True,
        spread: bool = True,
    ) -> None:
        from penstock.catalog.store import Catalog
        from penstock.engine.runtime import Runtime
        from penstock.log import open_log
        from penstock.registry.embedded import EmbeddedRegistry
        from penstock.registry.store import TopicStore

        self.path = str(path)
        self.read_only = read_only
        self.spread = spread
        """Whether records go to the partitions of their keys; False, for tests: all that is written goes to partition 0."""
        self.log = open_log(None if self.path == ":memory:" else Path(path), read_only=read_only)
        try:
            self.schemas = EmbeddedRegistry(TopicStore(self.log))
            self.catalog = Catalog(self.log)
            self._own = Session(self.catalog.properties() | settings.checked(properties or {}))
            self._present = threading.local()
            self.pulls: deque[float] = deque()
            """When the pull queries of the last second were asked."""
            self.runtime = Runtime(self.log, threads=threads)
            self._connect: ConnectRuntime | None = None
            self._lock = threading.RLock()
            self._evaluators: list[Evaluator] = []
            """Those that no statement uses just now."""
            if functions is not None:
                self.load_functions(functions)
            if not read_only:
                self._restart(start_connectors=start_connectors)
            _OPEN.add(self)
        except BaseException:
            self.log.close()
            raise

    def _restart(self, *, start_connectors: bool) -> None:
        """Bring up what was running when the folder was last closed."""
        from penstock.statements import connectors, queries

        self._connect = connectors.open_runtime(self)
        queries.ensure_processing_log(self)
        for query in self.catalog.queries():
            queries.launch(self, query)
        for connector in self.catalog.connectors():
            folder = None if connector.folder is None else Path(connector.folder)
            paused = connector.state != "RUNNING" or not start_connectors
            self._connect.start(connector.kind, connector.name, connector.options, folder=folder, paused=paused)

    # ------------------------------------------------------------------------------------------ SQL

    def execute(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[Result]:
        """Run statements, separated by semicolons; one result each. Stops at the first that fails, raising `penstock.Error`.
        With `parameters` each `:name` in the text stands for a value, as in `query`.

        >>> import penstock
        >>> with penstock.connect(":memory:") as db:
        ...     _ = db.execute("CREATE STREAM s (id STRING KEY, n INT) WITH (kafka_topic='s', value_format='JSON', partitions=1);")
        ...     _ = db.execute("INSERT INTO s (id, n) VALUES ('a', 1);")
        ...     db.execute("SELECT id, n FROM s;")[0].rows
        [('a', 1)]
        """
        return list(self.execute_each(sql, parameters))

    def execute_each(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Iterator[Result]:
        """Like `execute`, each result as it is there."""
        for statement in self.statements(sql, parameters):
            yield self.run(statement)

    def run(self, statement: ast.Statement) -> Result:
        """Run one statement, such as `statements` gives. Raises `penstock.Error`."""
        from penstock.statements import WAITS, run

        with nullcontext() if type(statement).__name__ in WAITS else self._lock:
            return run(self, statement)

    def statements(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Iterator[ast.Statement]:
        """The statements of a text, with the session's variables and the parameters in place. Raises SqlError at the first mistake, before
        anything runs."""
        from penstock.sql.parser import parse

        substituted = settings.value(self.properties, "ksql.variable.substitution.enable")
        yield from parse(sql, self.variables if substituted else None, parameters)

    def define(self, name: str, value: str) -> None:
        """Let `${name}`, in any case, stand for a text in the statements to come, as DEFINE does.

        >>> import penstock
        >>> with penstock.connect(":memory:") as db:
        ...     db.define("format", "JSON")
        ...     db.execute("CREATE STREAM s (n INT) WITH (kafka_topic='s', value_format='${format}');")[0].message
        'Stream S is created, and its topic s.'
        """
        self.variables[name.lower()] = value
        self.session.variable_names[name.lower()] = name

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None, *, timeout: float | None = None) -> Query:
        """Run one SELECT: a pull query, or with EMIT a push query, which ends after `timeout` seconds without a row.

        With `parameters` each `:name` in the text stands for a value (None, bool, int, float, Decimal, str, date, time, datetime, or a list of
        them), never for SQL, whatever it holds. Raises SqlError, also for a name without a value.

        >>> import penstock
        >>> with penstock.connect(":memory:") as db:
        ...     _ = db.execute("CREATE STREAM s (n INT) WITH (kafka_topic='s', value_format='JSON', partitions=1);")
        ...     _ = db.insert("s", [{"n": 1}, {"n": 2}])
        ...     [row["N"] for row in db.query("SELECT n FROM s WHERE n > 1 EMIT CHANGES LIMIT 1;")]
        [2]
        >>> with penstock.connect(":memory:") as db:
        ...     _ = db.execute("CREATE STREAM s (name STRING) WITH (kafka_topic='s', value_format='JSON', partitions=1);")
        ...     _ = db.insert("s", [{"name": "O'Hara"}, {"name": "x"}])
        ...     db.query("SELECT name FROM s WHERE name = :name;", {"name": "O'Hara"}).fetchall()
        [("O'Hara",)]
        """
        statements = list(self.statements(sql, parameters))
        if len(statements) != 1:
            raise Error(f"query() takes one SELECT, but there are {len(statements)} statements.", mend="Use execute().")
        return self.ask(statements[0], timeout=timeout)

    def ask(self, statement: ast.Statement, *, timeout: float | None = None) -> Query:
        """Like `query`, of a statement such as `statements` gives. Several threads may ask at once."""
        from penstock.statements.select import select

        return select(self, statement, timeout=timeout)

    def run_script(self, path: str | Path) -> list[Result]:
        """Run the statements of a file. Connectors that it creates may use the files of its folder."""
        try:
            text = Path(path).read_text()
        except OSError as error:
            raise Error(f"{path} cannot be read: {error.strerror}.") from error
        with self.script(path):
            return self.execute(text)

    @contextmanager
    def script(self, path: str | Path) -> Iterator[None]:
        """What is executed within comes from this file: its connectors' relative paths start at its folder, and may reach what is in it."""
        with self._lock:
            session = self.session
            before, session.script_folder = session.script_folder, Path(path).resolve().parent
            try:
                yield
            finally:
                session.script_folder = before

    @property
    def script_folder(self) -> Path | None:
        """The folder of the file whose statements are being executed."""
        return self.session.script_folder

    # ------------------------------------------------------------------------------------------ sessions

    @property
    def session(self) -> Session:
        """The session of this thread: one that it has entered, or else the database's own."""
        found: Session | None = getattr(self._present, "session", None)
        return self._own if found is None else found

    @contextmanager
    def enter(self, session: Session) -> Iterator[Session]:
        """What this thread executes within belongs to a session of its own."""
        before = getattr(self._present, "session", None)
        self._present.session = session
        try:
            yield session
        finally:
            self._present.session = before

    def remote_session(self, properties: Mapping[str, object], variables: Mapping[str, str]) -> Session:
        """A session for a request that comes over the network, to `enter`: the database's settings, and before them the request's own. Raises
        ConfigError for a setting that is unknown or that a request cannot set, and for a bad value."""
        return Session(
            self._own.properties | settings.of_request(properties),
            {name.lower(): text for name, text in variables.items()},
            {name.lower(): name for name in variables},
            remote=True,
        )

    @property
    def properties(self) -> dict[str, str]:
        """The settings of the present session."""
        return self.session.properties

    @property
    def shared_properties(self) -> dict[str, str]:
        """The settings of the database, which every new session begins with."""
        return self._own.properties

    @property
    def variables(self) -> dict[str, str]:
        """The variables of the present session, by their names in lower case."""
        return self.session.variables

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No statement runs meanwhile: for what consists of several steps."""
        with self._lock:
            yield

    def create_connector(self, name: str, config: Mapping[str, object]) -> str:
        """See to it that a connector of this configuration runs, and say what became of it: one that is there goes on as it is, or, where the
        configuration is another, from where it was with the new one. The class in `connector.class` says whether it is a source or a sink.
        Raises `penstock.Error` for what is wrong in the configuration."""
        from penstock.statements.connectors import ensure_connector

        with self._lock:
            return ensure_connector(self, name, config, self.script_folder).message

    # ------------------------------------------------------------------------------------------ data

    def insert(
        self,
        source: str,
        rows: Sequence[Mapping[str, Any]] | pa.Table | pa.RecordBatch | polars.DataFrame | pandas.DataFrame,
        *,
        timestamp: str | None = None,
    ) -> int:
        """Append rows to a stream or table by column name; durable when it returns. The number of rows.

        Columns that are missing are NULL. A field ROWTIME, or the one named by `timestamp`, is the record's time (ms, or a datetime);
        else it is now. A row of a table whose value columns are all missing is a tombstone.

        >>> import penstock
        >>> with penstock.connect(":memory:") as db:
        ...     _ = db.execute("CREATE STREAM s (id STRING KEY, n INT) WITH (kafka_topic='s', value_format='JSON', partitions=1);")
        ...     db.insert("s", [{"id": "a", "n": 1}, {"id": "b", "n": 2}])
        2
        """
        from penstock.statements.insert import insert_rows

        return insert_rows(self, source, rows, timestamp)

    def insert_together(self, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> int:
        """Append rows to several streams and tables, name -> rows as dicts, in one transaction: all of them are there or none. The number of rows.

        >>> import penstock
        >>> with penstock.connect(":memory:") as db:
        ...     _ = db.execute("CREATE STREAM s (n INT) WITH (kafka_topic='s', value_format='JSON', partitions=1);")
        ...     _ = db.execute("CREATE TABLE t (id STRING PRIMARY KEY, n INT) WITH (kafka_topic='t', value_format='JSON', partitions=1);")
        ...     db.insert_together({"s": [{"n": 1}, {"n": 2}], "t": [{"id": "last", "n": 2}]})
        3
        """
        from penstock.statements.insert import insert_together

        return insert_together(self, rows)

    # ------------------------------------------------------------------------------------------ life

    @contextmanager
    def evaluator(self) -> Iterator[Evaluator]:
        """A connection to evaluate expressions with, for the length of a statement. Each thread gets one of its own."""
        from penstock.engine.evaluate import Evaluator

        try:
            evaluator = self._evaluators.pop()
        except IndexError:
            evaluator = Evaluator()
        try:
            with self.session.cancellation.interrupted_by(evaluator.connection.interrupt):
                yield evaluator
        finally:
            evaluator.release()
            if len(self._evaluators) < EVALUATORS_MAX:
                self._evaluators.append(evaluator)
            else:
                evaluator.close()

    def load_functions(self, path: str | Path) -> None:
        """Run a Python file that defines functions with `@penstock.udf` and its like; it may import the modules beside it. Raises Error, with the
        line, for what goes wrong."""
        from penstock.functions import files

        files.load(path)

    @property
    def connectors(self) -> ConnectRuntime:
        """The connector runtime. Raises Error where the folder is open for reading only: connectors run in the process that writes."""
        if self._connect is None:
            raise Error(f"{self.path} is open for reading only: connectors run in the process that writes.")
        return self._connect

    def start_connectors(self) -> None:
        """Start the connectors that have waited since the database was opened with `start_connectors=False`; those that run go on undisturbed,
        and those that PAUSE CONNECTOR stopped stay so. Their options' secrets and variables are read now.

        >>> import penstock
        >>> with penstock.connect(":memory:", start_connectors=False) as db:
        ...     db.start_connectors()
        """
        with self._lock:
            for connector in self.catalog.connectors():
                if connector.state == "RUNNING" and self.connectors.status(connector.name).state == "PAUSED":
                    self.connectors.restart(connector.name)  # rather than resumed: how many tasks it has may depend on what is known only now

    def refresh(self) -> None:
        """Of a database that is open for reading only: see what the process that writes has changed."""
        with self._lock:
            self.catalog.refresh()

    def wait_idle(self, timeout: float | None = None) -> bool:
        """Wait until the queries have processed all that is there. False where `timeout` (s) ran out first."""
        return self.runtime.wait_idle(timeout)

    def close(self) -> None:
        """Stop the queries after their present cycle and close the folder. Closing twice is no error."""
        if self._connect is not None:
            self._connect.close()
        self.runtime.close()
        self.log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


_OPEN: weakref.WeakSet[Database] = weakref.WeakSet()


@atexit.register
def _close_what_is_open() -> None:
    """A program that ends without `close` still ends its queries between two cycles, and quietly."""
    for database in list(_OPEN):
        with contextlib.suppress(Error):
            database.close()
    if (evaluation := sys.modules.get("penstock.engine.evaluate")) is not None:  # after the databases, whose queries use it
        evaluation.Evaluator.close_all()


def connect(
    path: str | Path = ":memory:",
    *,
    functions: str | Path | None = None,
    properties: Mapping[str, str] | None = None,
    read_only: bool = False,
    start_connectors: bool = True,
) -> Database:
    """Open the database in a folder, making it where there is none; ":memory:" is one that is gone when closed.

    `properties` are settings as SET takes them, and come before those that ALTER SYSTEM has kept; `functions` is a Python file with functions
    for SQL; with `read_only` the folder may be in use by a process that writes. With `start_connectors=False` the connectors that are there
    wait for `Database.start_connectors`: for a program that has to bring their far side up first, or to say where it is. Raises
    `penstock.Error` where the folder is in use by another writer, or is not a database's.
    """
    return Database(path, functions=functions, properties=properties, read_only=read_only, start_connectors=start_connectors)
