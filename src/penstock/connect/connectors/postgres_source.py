"""PostgreSQL source: every change of its tables, from the server's own log."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from penstock.connect.changes.capture import Capture, SnapshotTable
from penstock.connect.changes.debezium import COMMON_OPTIONS, START_ANEW, capture_documentation
from penstock.connect.changes.envelope import ChangedColumn, ChangedTable, NameFilter, Op, Row, topic_name
from penstock.connect.changes.pgoutput import UNCHANGED, Begin, Change, Commit, Relation, Truncate, Tuple, decode
from penstock.connect.changes.postgres_columns import Rendering, column_of
from penstock.connect.changes.postgres_database import SESSION, ConsistentReading, PostgresDatabase, TableColumns, create_slot
from penstock.connect.changes.postgres_made import Made
from penstock.connect.changes.postgres_stream import EPOCH_US, KeepAlive, ReplicationConnection, ReplicationStream
from penstock.connect.contract import CLEAN_UP_S, Leaving, RetriableError, SourceContext, SourceDefinition
from penstock.connect.databases.address import need
from penstock.connect.databases.local_files import authorities, host
from penstock.connect.options import REQUIRED, Option
from penstock.connect.records import SourceBatch, SourceRecord
from penstock.connect.secrets import Secrets
from penstock.errors import ConnectorError, Error
from penstock.sql.types import BIGINT, STRING, Field, Struct

SOURCE = Struct(
    tuple(
        Field(name, BIGINT if name in ("ts_ms", "txId", "lsn") else STRING)
        for name in ("version", "connector", "name", "ts_ms", "snapshot", "db", "schema", "table", "txId", "lsn")
    )
)

OPTIONS = (
    Option("database.port", "integer", "The server's port.", 5432, minimum=1),
    Option("database.dbname", "string", "The database.", REQUIRED),
    Option(
        "database.sslmode",
        "choice",
        "How to encrypt: `disable`; `allow`, where the server insists; `prefer`, where it can; `require`; `verify-ca`, and its certificate must be "
        "of an authority that we trust; `verify-full`, and for this host.",
        "prefer",
        choices=("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
        aliases=("database.ssl.mode",),
    ),
    Option("database.sslrootcert", "string", "The file of the authorities to trust (PEM); `system` for those of the system.", None),
    Option("database.sslcert", "path", "The file with our certificate (PEM), where the server asks for one.", None),
    Option("database.sslkey", "path", "The file with our certificate's private key (PEM), which nobody else may read.", None),
    Option("database.sslpassword", "password", "The private key's password.", None),
    Option("plugin.name", "choice", "The output plugin: PostgreSQL's own.", "pgoutput", choices=("pgoutput",)),
    Option("slot.name", "string", "The replication slot, by which the server keeps what was not read. Each connector needs its own.", "debezium"),
    Option(
        "slot.drop.on.stop",
        "boolean",
        "Whether to drop the slot whenever the connector stops or pauses; what changes until it starts again is then not seen. For trials.",
        False,
    ),
    Option("publication.name", "string", "The publication that says which tables the server sends.", "dbz_publication"),
    Option(
        "publication.autocreate.mode",
        "choice",
        "What to do where it does not exist: create it for `all_tables`, for those wanted (`filtered`), for `no_tables`, or fail (`disabled`).",
        "all_tables",
        choices=("all_tables", "filtered", "no_tables", "disabled"),
    ),
    Option("schema.include.list", "list", "Regular expressions of the schemas to capture; empty: all.", (), aliases=("schema.whitelist",)),
    Option("schema.exclude.list", "list", "Regular expressions of schemas to leave out.", (), aliases=("schema.blacklist",)),
    *COMMON_OPTIONS,
    Option(
        "time.precision.mode",
        "choice",
        "What becomes of dates and times: `adaptive` numbers as Debezium has them (DATE in days; TIME and TIMESTAMP in ms up to three digits, else "
        "in us), `adaptive_time_microseconds` the same with TIME in us always, `connect` the types DATE, TIME and TIMESTAMP.",
        "adaptive",
        choices=("adaptive", "adaptive_time_microseconds", "connect"),
    ),
    Option("unavailable.value.placeholder", "string", "Stands for a large value that an update did not touch.", "__debezium_unavailable_value"),
)


class PostgresSource(Capture[PostgresDatabase, ConsistentReading, ReplicationStream]):
    """The source: first a consistent snapshot, then the stream of one replication slot."""

    PART = "postgres"

    def __init__(self, options: Mapping[str, Any], secrets: Secrets, context: SourceContext) -> None:
        need("psycopg", "postgres")
        super().__init__(options, secrets, context, NameFilter(options["schema.include.list"], options["schema.exclude.list"]))
        self._rendering = Rendering(options["decimal.handling.mode"], options["time.precision.mode"], options["unavailable.value.placeholder"])
        self._conninfo = _conninfo(options, secrets)
        self._replication: ReplicationConnection | None = None
        self._tables: dict[int, ChangedTable | None] = {}
        # The place, as it is when all that was given is committed.
        self._lsn = 0
        self._begin: Begin | None = None
        self._events = 0  # changes of the transaction at hand that were taken
        self._skip = (0, 0)  # (commit LSN, changes of it that an earlier run has taken)
        self._acknowledge = 0

    def poll(self) -> SourceBatch:
        """The next rows of the snapshot, then the next changes."""
        import psycopg

        try:
            return super().poll()
        except psycopg.OperationalError as error:
            raise RetriableError(f"The connection to PostgreSQL broke: {self._words(error)}.") from None
        except psycopg.Error as error:
            raise ConnectorError(f"PostgreSQL refused: {self._words(error)}.") from None

    def committed(self, batch: SourceBatch) -> None:
        """Let the server forget what is durable here."""
        if self._stream is not None:
            self._stream.acknowledge(self._acknowledge)

    def close(self) -> None:
        """Close the connections."""
        # The slot is free once the replication ends, and its connection may go only after the stream that reads from it.
        stopping, self._database = self._database, None
        super().close()
        if self._replication is not None:
            self._replication.close()
            self._replication = None
        if stopping is not None:
            if self._options["slot.drop.on.stop"]:
                stopping.drop_slot(self._options["slot.name"])
            stopping.close()

    def _words(self, error: BaseException) -> str:
        return self._secrets.redact(" ".join(str(error).split()).rstrip("."))

    # ------------------------------------------------------------------ the start

    def _connect(self) -> PostgresDatabase:
        self._tables.clear()
        return PostgresDatabase(self._conninfo, self._secrets.redact)

    def _announced(self, database: PostgresDatabase) -> SourceBatch | None:
        """The slot and the publication that are about to be made: stored first, or a kill could leave them without a trace."""
        made = Made.of(self._context.positions)
        may_create = self._options["publication.autocreate.mode"] != "disabled"
        more = made.with_missing(database, self._options["slot.name"], self._options["publication.name"] if may_create else None)
        return None if more == made else SourceBatch(positions=more.as_positions())

    def _start(self, database: PostgresDatabase) -> None:
        options = self._options
        wanted = [(schema, name) for schema, name in database.tables() if self._is_wanted(schema, name)]
        database.ensure_publication(options["publication.name"], options["publication.autocreate.mode"], wanted)
        flushed, name = database.slot(options["slot.name"]), options["slot.name"]
        known = self.PART in self._context.positions
        if known and flushed is None and self._mode != "when_needed" and not options["slot.drop.on.stop"]:
            raise ConnectorError(f"The slot {name} is gone, and with it the changes since the last start.", mend=START_ANEW)
        anew = not known or flushed is None
        self._choose_tables(wanted, anew=anew)
        self._replication = database.replication()
        snapshot: tuple[int, str] | None = None
        if flushed is None:
            snapshot = create_slot(self._replication, name, temporary=False, export=self._left is not None)
        if anew:
            self._lsn = flushed if flushed is not None else snapshot[0] if snapshot else 0
            self._skip, self._events = (0, 0), 0
        if self._left is not None:
            # A slot that was there before cannot say how the tables stood then: another, which the server drops by itself, says how they stand now.
            at = snapshot or create_slot(self._replication, f"{name[:40]}_{os.urandom(8).hex()}", temporary=True, export=True)
            self._reading = ConsistentReading(database, *at)
            self._snapshot = self._read_tables(wanted, [self._reading.lsn])

    def _load_place(self, position: Mapping[str, Any]) -> None:
        self._begin, self._events, self._acknowledge = None, 0, 0
        self._lsn = int(position.get("lsn", 0))
        self._skip = (int(position.get("transaction", 0)), int(position.get("events", 0)))

    def _place(self) -> dict[str, Any]:
        place: dict[str, Any] = {"lsn": self._lsn}
        if self._begin is not None:
            events = max(self._events, self._skip[1]) if self._begin.commit_lsn == self._skip[0] else self._events
            place |= {"transaction": self._begin.commit_lsn, "events": events}
        elif self._skip[0]:
            place |= {"transaction": self._skip[0], "events": self._skip[1]}
        return place

    # ------------------------------------------------------------------ the snapshot

    def _snapshot_table(self, schema: str, name: str) -> SnapshotTable | None:
        assert self._reading is not None
        reading, found = self._reading, self._reading.table(schema, name)
        if found is None:
            return None
        table = self._changed_table(found)

        def rows(after: Sequence[Any] | None, count: int) -> Iterator[list[Row]]:
            for some in reading.rows(found, after, count):
                yield [_row(table, row) for row in some]

        return SnapshotTable(table, found.is_ordered, self._source(table, time.time_ns() // 1_000_000, 0, reading.lsn, snapshot=True), rows)

    # ------------------------------------------------------------------ the stream

    def _open_stream(self) -> ReplicationStream:
        assert self._replication is not None
        options = self._options
        return self._replication.stream(options["slot.name"], self._lsn, options["publication.name"], self._context.wake)

    def _read_stream(self, stream: ReplicationStream) -> SourceBatch:
        records: list[SourceRecord] = []
        while len(records) < self._batch:
            # One message at a time near the end, so that a batch never ends within a message's records.
            messages = stream.take(max(1, (self._batch - len(records)) // 4))
            if not messages:
                break
            for message in messages:
                if isinstance(message, KeepAlive):
                    if self._begin is None:
                        self._done(message.end_lsn)
                else:
                    records += self._take(message.data)
        if not records:
            # What came concerned none of our tables: the server may forget it, and the position need not be written.
            stream.acknowledge(self._acknowledge)
        return self._given(records)

    def _done(self, lsn: int) -> None:
        self._lsn = self._acknowledge = max(self._lsn, lsn)
        if self._lsn > self._skip[0]:
            self._skip = (0, 0)
        self._seam.forget_before([self._lsn])

    def _take(self, data: bytes) -> list[SourceRecord]:
        message = decode(data)
        match message:
            case Begin():
                self._begin, self._events = message, 0
            case Commit():
                self._begin = None
                self._done(message.end_lsn)
            case Relation():
                self._tables[message.oid] = self._relation(message)
            case Change() | Truncate():
                assert self._begin is not None
                self._events += 1
                if self._begin.commit_lsn == self._skip[0] and self._events <= self._skip[1]:
                    return []  # taken before the last start
                return self._change(message, self._begin) if isinstance(message, Change) else self._truncate(message, self._begin)
        return []

    def _relation(self, relation: Relation) -> ChangedTable | None:
        if not self._is_wanted(relation.schema, relation.name):
            return None
        assert self._database is not None
        keys = self._database.keys(relation.oid)
        names = {column.name for column in relation.columns}
        known = TableColumns(relation.oid, relation.schema, relation.name, relation.columns, tuple(key for key in keys if key in names))
        return self._changed_table(known)

    def _changed_table(self, found: TableColumns) -> ChangedTable:
        assert self._database is not None
        catalog = self._database.types([column.type_oid for column in found.columns])
        columns = tuple(ChangedColumn(c.name, *column_of(c.type_oid, c.modifier, catalog, self._rendering)) for c in found.columns)
        return ChangedTable(found.schema, found.name, topic_name(self._prefix, found.schema, found.name), columns, found.keys, SOURCE)

    def _change(self, change: Change, begin: Begin) -> list[SourceRecord]:
        table = self._tables.get(change.relation)
        if table is None:
            return []
        after = None if change.new is None else _row(table, _filled(change.new, None if change.old_is_key else change.old))
        before = None if change.old is None else _row(table, change.old)
        if before is None and after is None:
            mend = "Give the table a primary key or REPLICA IDENTITY FULL."
            raise ConnectorError(f"A row of {table.full_name} was deleted, and the log does not say which.", mend=mend)
        source = self._logged(table, begin)
        return self._records(table, _OPS[change.kind], before, after, source, [begin.commit_lsn])

    def _truncate(self, message: Truncate, begin: Begin) -> list[SourceRecord]:
        tables = [table for oid in message.relations if (table := self._tables.get(oid)) is not None]
        return [record for table in tables for record in self._emptied(table, self._logged(table, begin), [begin.commit_lsn])]

    def _logged(self, table: ChangedTable, begin: Begin) -> Row:
        """The envelope's source of a change in a transaction of the log."""
        return self._source(table, (begin.time_us + EPOCH_US) // 1000, begin.xid, begin.commit_lsn, snapshot=False)

    def _source(self, table: ChangedTable, ts_ms: int, xid: int, lsn: int, *, snapshot: bool) -> Row:
        return {
            "version": "penstock", "connector": "postgresql", "name": self._prefix, "ts_ms": ts_ms, "snapshot": "true" if snapshot else "false",
            "db": self._options["database.dbname"], "schema": table.schema, "table": table.name, "txId": xid, "lsn": lsn,
        }  # fmt: skip


_OPS: dict[str, Op] = {"I": "c", "U": "u", "D": "d"}


def _row(table: ChangedTable, values: Tuple) -> dict[str, Any]:
    return {column.name: column.read(value) for column, value in zip(table.columns, values, strict=True)}


def _filled(new: Tuple, old: Tuple | None) -> Tuple:
    """The new row; what it leaves out as unchanged is that of the old one, where the log holds it whole."""
    return new if old is None else [before if value is UNCHANGED else value for value, before in zip(new, old, strict=True)]


def _conninfo(options: Mapping[str, Any], secrets: Secrets) -> dict[str, Any]:
    trusted = options["database.sslrootcert"]
    given = {
        "host": host(options["database.hostname"], "database.hostname", secrets.files), "port": options["database.port"],
        "dbname": options["database.dbname"], "user": options["database.user"],
        "password": options["database.password"], "sslmode": options["database.sslmode"],
        "sslrootcert": trusted and authorities(trusted, "database.sslrootcert", secrets.files), "sslpassword": options["database.sslpassword"],
        **{name: str(path) for name in ("sslcert", "sslkey") if (path := options[f"database.{name}"])},
    }  # fmt: skip
    return {name: value for name, value in given.items() if value is not None} | {
        "options": SESSION, "client_encoding": "UTF8", "application_name": "penstock", "connect_timeout": 30,
        "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3,
    }  # fmt: skip


def _clean_up(leaving: Leaving) -> list[str]:
    made, secrets = Made.of(leaving.positions), leaving.secrets
    try:
        options = leaving.read_options()
        database = PostgresDatabase(_conninfo(options, secrets) | {"connect_timeout": CLEAN_UP_S}, secrets.redact)
    except Error as error:
        return made.left(error.what)
    with contextlib.closing(database):
        return made.dropped(database, options["slot.name"])


_OWN_DOCUMENTATION = """\
The server needs `wal_level = logical`, the user the right `REPLICATION` and SELECT on the tables. Of an old row the log holds the primary key only;
`ALTER TABLE ... REPLICA IDENTITY FULL` makes `before` whole. A table without a primary key needs that for updates and deletes.

Once positions are committed the slot lets the server forget. To read a table on from a key needs a key of numbers, text or UUIDs; a table with
another or none is read in one piece, in memory.

A column that is added or dropped shows in the records from its first change on. The slot keeps the server's log as long as the connector is away.
DROP CONNECTOR drops the slot and the publication that the connector made, the publication unless another slot of the database may need it; one that
was there before stays. Where the server is away then, the answer says what is left and how to remove it.

NUMERIC without a precision is a DECIMAL(38, 18); NaN and infinities are NULL. TIMESTAMPTZ is text in ISO 8601, UTC (a TIMESTAMP with `connect`).
Types that have no like (JSON, enums, intervals, networks) are their text. Values of an array, a number or a time that are too large for the row and
were not touched by an update are NULL, unless the replica identity is FULL."""

DEFINITION = SourceDefinition(
    class_names=("PostgresSource", "PostgresConnector", "io.debezium.connector.postgresql.PostgresConnector"),
    summary="Captures every change of PostgreSQL's tables, in order, from the server's log.",
    documentation=capture_documentation("SCHEMA") + _OWN_DOCUMENTATION,
    example="""\
CREATE SOURCE CONNECTOR customers WITH (
  'connector.class' = 'io.debezium.connector.postgresql.PostgresConnector',
  'database.hostname' = 'localhost',
  'database.user' = 'postgres',
  'database.password' = '${env:PGPASSWORD}',
  'database.dbname' = 'demo',
  'topic.prefix' = 'asgard',
  'table.include.list' = 'public.customers',
  'slot.name' = 'customers'
);""",
    options=OPTIONS,
    open=lambda options, secrets, context: PostgresSource(options, secrets, context),
    clean_up=_clean_up,
)
