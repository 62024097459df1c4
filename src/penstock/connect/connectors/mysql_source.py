"""MySQL source: every change of the tables of MySQL and MariaDB, from the server's binary log."""

from __future__ import annotations

import random
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from penstock.connect.changes.capture import Capture, SnapshotTable
from penstock.connect.changes.debezium import COMMON_OPTIONS, START_ANEW, capture_documentation
from penstock.connect.changes.envelope import ChangedColumn, ChangedTable, NameFilter, Row, topic_name
from penstock.connect.changes.mysql_columns import Rendering, column_of, of_log
from penstock.connect.changes.mysql_database import SYSTEM_SCHEMAS, ConsistentReading, MySqlDatabase
from penstock.connect.changes.mysql_stream import HEARTBEAT_S, BinlogStream, Boundary, Rows, file_number
from penstock.connect.contract import SourceContext, SourceDefinition
from penstock.connect.databases.address import need
from penstock.connect.options import Option
from penstock.connect.records import SourceBatch, SourceRecord
from penstock.connect.secrets import Secrets
from penstock.connect.tls import client_context
from penstock.errors import ConnectorError
from penstock.sql.types import BIGINT, INTEGER, STRING, Field, Struct

SOURCE = Struct(
    tuple(
        Field(name, BIGINT if name in ("ts_ms", "server_id", "pos") else INTEGER if name == "row" else STRING)
        for name in ("version", "connector", "name", "ts_ms", "snapshot", "db", "table", "server_id", "gtid", "file", "pos", "row")
    )
)

OPTIONS = (
    Option("database.port", "integer", "The server's port.", 3306, minimum=1),
    Option(
        "database.server.id",
        "integer",
        "The number of this reader among the server's replicas, which must be no other's. Not given, it is drawn at random.",
        None,
        minimum=1,
    ),
    Option(
        "database.ssl.mode",
        "choice",
        "How to encrypt: `disabled`; `preferred`, where the server can; `required`; `verify_ca`, and its certificate must be of an authority that we "
        "trust; `verify_identity`, and for this host. Not given it is `verify_identity` with a trust store, else `preferred`.",
        None,
        choices=("disabled", "preferred", "required", "verify_ca", "verify_identity"),
    ),
    Option(
        "database.ssl.ca",
        "path",
        "The file of the authorities to trust (PEM); without it, those of the system.",
        None,
        aliases=("database.ssl.truststore",),
    ),
    Option("database.ssl.truststore.password", "password", "Not needed: PEM files of certificates have no password.", ""),
    Option("database.ssl.keystore", "path", "The file with our certificate and its private key (PEM), where the server asks for one.", None),
    Option("database.ssl.keystore.password", "password", "The private key's password.", ""),
    Option("database.include.list", "list", "Regular expressions of the databases to capture; empty: all.", (), aliases=("database.whitelist",)),
    Option("database.exclude.list", "list", "Regular expressions of databases to leave out.", (), aliases=("database.blacklist",)),
    *COMMON_OPTIONS,
    Option(
        "snapshot.locking.mode",
        "choice",
        "Whether to lock writing out for the moment in which the snapshot begins: `minimal`, where the server cannot tell the snapshot's place of "
        "the log by itself (MySQL; MariaDB can); `extended`, always.",
        "minimal",
        choices=("minimal", "extended"),
    ),
    Option(
        "time.precision.mode",
        "choice",
        "What becomes of dates and times: `adaptive_time_microseconds` numbers as Debezium has them (DATE in days; TIME in us; DATETIME in ms up to "
        "three digits, else in us), `connect` the types DATE, TIME and TIMESTAMP.",
        "adaptive_time_microseconds",
        choices=("adaptive_time_microseconds", "adaptive", "connect"),
    ),
    Option(
        "bigint.unsigned.handling.mode",
        "choice",
        "What becomes of an unsigned BIGINT: `long` a BIGINT, which the largest do not fit; `precise` a DECIMAL(20, 0).",
        "long",
        choices=("long", "precise"),
    ),
)


class MySqlSource(Capture[MySqlDatabase, ConsistentReading, BinlogStream]):
    """The source: first a consistent snapshot, then the binary log."""

    PART = "mysql"

    def __init__(self, options: Mapping[str, Any], secrets: Secrets, context: SourceContext) -> None:
        need("pymysqlreplication", "mysql")
        super().__init__(options, secrets, context, NameFilter(options["database.include.list"], options["database.exclude.list"]))
        self._rendering = Rendering(options["decimal.handling.mode"], options["time.precision.mode"], options["bigint.unsigned.handling.mode"])
        self._encryption = _encryption(options)
        # Any number that is no other replica's does; a secret it is not.
        self._server_id: int = options["database.server.id"] or random.randint(1 << 20, (1 << 31) - 1)  # noqa: S311
        self._tables: dict[tuple[str, str], tuple[int, ChangedTable]] = {}
        self._waiting: list[Rows | Boundary] = []  # taken from the stream, and not yet given
        # The place, as it is when all that was given is committed.
        self._file, self._at = "", 0  # between two transactions
        self._rows = 0  # rows of our tables behind it that were given
        self._skip = 0  # of them, those that an earlier run has given

    def committed(self, batch: SourceBatch) -> None:
        """Nothing: the server keeps its log by its own rules."""

    def close(self) -> None:
        """Close the connections."""
        self._waiting.clear()
        super().close()

    # ------------------------------------------------------------------ the start

    def _connect(self) -> MySqlDatabase:
        self._tables.clear()
        return MySqlDatabase(self._settings(), self._secrets.redact)

    def _start(self, database: MySqlDatabase) -> None:
        lost = bool(self._file) and not database.has_file(self._file)
        if lost and self._mode != "when_needed":
            raise ConnectorError(f"The server no longer has its log {self._file}, and with it changes since the last start.", mend=START_ANEW)
        wanted = [(schema, name) for schema, name in database.tables() if self._is_wanted(schema, name)]
        anew = not self._file or lost
        self._choose_tables(wanted, anew=anew)
        if self._left is not None:
            self._reading = ConsistentReading(database, lock=self._options["snapshot.locking.mode"] == "extended")
            self._snapshot = self._read_tables(wanted, [file_number(self._reading.file), self._reading.position])
        if anew:
            self._file, self._at = (self._reading.file, self._reading.position) if self._reading else database.place()
            self._rows = self._skip = 0

    def _load_place(self, position: Mapping[str, Any]) -> None:
        self._file, self._at = str(position.get("file", "")), int(position.get("pos", 0))
        self._skip, self._rows = int(position.get("rows", 0)), 0

    def _place(self) -> dict[str, Any]:
        return {"file": self._file, "pos": self._at, "rows": max(self._rows, self._skip)}

    def _is_wanted(self, schema: str, name: str) -> bool:
        return schema.lower() not in SYSTEM_SCHEMAS and super()._is_wanted(schema, name)

    def _settings(self) -> dict[str, Any]:
        options = self._options
        return {
            "host": options["database.hostname"], "port": options["database.port"], "user": options["database.user"],
            "password": options["database.password"] or "", "charset": "utf8mb4", "connect_timeout": 30, "read_timeout": 3 * HEARTBEAT_S,
        } | self._encryption  # fmt: skip

    # ------------------------------------------------------------------ the snapshot

    def _snapshot_table(self, schema: str, name: str) -> SnapshotTable | None:
        assert self._database is not None
        assert self._reading is not None
        reading, found = self._reading, self._database.table(schema, name)
        if found is None:
            return None
        columns = tuple(ChangedColumn(column.name, *column_of(column.declared, self._rendering)) for column in found.columns)
        table = self._table(schema, name, columns, tuple(column.name for column in found.keys))

        def rows(after: Sequence[Any] | None, count: int) -> Iterator[list[Row]]:
            for some in reading.rows(found, after, count):
                yield [{column.name: column.read(value) for column, value in zip(columns, row, strict=True)} for row in some]

        return SnapshotTable(table, found.is_ordered, self._source(table, int(time.time()), reading.file, reading.position, snapshot=True), rows)

    def _table(self, schema: str, name: str, columns: tuple[ChangedColumn, ...], keys: tuple[str, ...]) -> ChangedTable:
        return ChangedTable(schema, name, topic_name(self._prefix, schema, name), columns, keys, SOURCE)

    # ------------------------------------------------------------------ the stream

    def _open_stream(self) -> BinlogStream:
        return BinlogStream(self._settings(), self._server_id, self._file, self._at, self._is_wanted, self._context.wake)

    def _read_stream(self, stream: BinlogStream) -> SourceBatch:
        records: list[SourceRecord] = []
        while len(records) < self._batch:
            self._waiting = self._waiting or list(stream.take(100))
            if not self._waiting:
                break
            event = self._waiting.pop(0)
            if isinstance(event, Boundary):
                records += self._pass(event)
            else:
                records += self._change(event, self._batch - len(records))
        return self._given(records)

    def _pass(self, boundary: Boundary) -> list[SourceRecord]:
        """A transaction is over. The server begins by saying where it begins, which is where we are."""
        if (boundary.file, boundary.position) == (self._file, self._at):
            return []
        self._file, self._at, self._rows, self._skip = boundary.file, boundary.position, 0, 0
        place = [file_number(boundary.file), boundary.position]
        truncated, found = boundary.truncated, list[SourceRecord]()
        if truncated and self._is_wanted(*truncated):
            known = self._tables.get(truncated)
            table = known[1] if known else self._table(*truncated, columns=(), keys=())
            found = self._emptied(table, self._source(table, boundary.time_s, boundary.file, boundary.position, snapshot=False), place)
        self._seam.forget_before(place)
        return found

    def _change(self, event: Rows, room: int) -> list[SourceRecord]:
        """The records of an event's rows; where they are too many, the rest of the event goes back to those that wait."""
        known = self._tables.get((event.schema, event.name))
        if known is None or known[0] != event.table:
            columns = tuple(ChangedColumn(column.name, *column_of(of_log(column.declared), self._rendering)) for column in event.columns)
            keys = tuple(column.name for column in event.columns if column.is_key)
            known = self._tables[event.schema, event.name] = (event.table, self._table(event.schema, event.name, columns, keys))
        table = known[1]
        found: list[SourceRecord] = []
        place = [file_number(event.file), event.position]
        for number, (before, after) in enumerate(event.rows):
            if len(found) >= room:
                rest = Rows(**{name: getattr(event, name) for name in Rows.__slots__} | {"rows": event.rows[number:]})
                self._waiting.insert(0, rest)
                break
            self._rows += 1
            if self._rows <= self._skip:
                continue  # given before the last start
            source = self._source(
                table, event.time_s, event.file, event.position, snapshot=False, gtid=event.gtid, row=number, server=event.server_id
            )
            found += self._records(table, event.kind, _read(table, before), _read(table, after), source, place)
        return found

    def _source(
        self, table: ChangedTable, time_s: int, file: str, position: int, *, snapshot: bool, gtid: str | None = None, row: int = 0, server: int = 0
    ) -> Row:
        return {
            "version": "penstock", "connector": "mysql", "name": self._prefix, "ts_ms": time_s * 1000, "snapshot": "true" if snapshot else "false",
            "db": table.schema, "table": table.name, "server_id": server, "gtid": gtid, "file": file, "pos": position, "row": row,
        }  # fmt: skip


def _encryption(options: Mapping[str, Any]) -> dict[str, Any]:
    """The driver's arguments for `database.ssl...`. Raises ConfigError."""
    mode = options["database.ssl.mode"] or ("verify_identity" if options["database.ssl.ca"] else "preferred")
    if mode in ("disabled", "preferred"):
        return {"ssl_disabled": mode == "disabled"}  # what the driver does of itself is to prefer it
    context = client_context(
        options,
        authorities="database.ssl.ca",
        certificate="database.ssl.keystore",
        key=None,
        unlocked_by="database.ssl.keystore.password",
        check_hostname=mode == "verify_identity",
    )
    if mode == "required":
        context.verify_mode = ssl.CERT_NONE
    return {"ssl": context}


def _read(table: ChangedTable, values: Mapping[str, Any] | None) -> Row | None:
    return None if values is None else {column.name: column.read(values[column.name]) for column in table.columns}


_OWN_DOCUMENTATION = """\
The server needs `log_bin`, `binlog_format = ROW`, `binlog_row_image = FULL` and `binlog_row_metadata = FULL` (MySQL from 8.0.14, MariaDB from 10.5
on): with the last the log says by itself what each column is called and is, so that a column that is added or dropped shows in the records from its
first change on, and no history of the schema is kept. The user needs `REPLICATION SLAVE`, `REPLICATION CLIENT` (`BINLOG MONITOR`), SELECT on the
tables, and for a snapshot of MySQL `RELOAD`.

Positions are the file, the place between two transactions, and the rows behind it. To read a table on from a key needs a key of whole numbers or
text; a table with another or none is read in one piece, in memory. Keep the server's log (`binlog_expire_logs_seconds`) for longer than the
connector may be away.

TIMESTAMP is text in ISO 8601, UTC (a TIMESTAMP with `connect`); zero dates are NULL; JSON, ENUM and SET are text. XA transactions show when they
are prepared."""

DEFINITION = SourceDefinition(
    class_names=(
        "MySqlSource",
        "MySqlConnector",
        "MariaDbConnector",
        "io.debezium.connector.mysql.MySqlConnector",
        "io.debezium.connector.mariadb.MariaDbConnector",
    ),
    summary="Captures every change of the tables of MySQL and MariaDB, in order, from the server's binary log.",
    documentation=capture_documentation("DATABASE") + _OWN_DOCUMENTATION,
    example="""\
CREATE SOURCE CONNECTOR customers WITH (
  'connector.class' = 'io.debezium.connector.mysql.MySqlConnector',
  'database.hostname' = 'localhost',
  'database.port' = '3306',
  'database.user' = 'debezium',
  'database.password' = '${file:/etc/demo.properties:PASSWORD}',
  'database.server.id' = '42',
  'database.server.name' = 'asgard',
  'table.whitelist' = 'demo.customers',
  'transforms' = 'unwrap',
  'transforms.unwrap.type' = 'io.debezium.transforms.ExtractNewRecordState'
);""",
    options=OPTIONS,
    open=lambda options, secrets, context: MySqlSource(options, secrets, context),
)
