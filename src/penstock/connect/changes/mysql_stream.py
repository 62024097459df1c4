"""The binary log of MySQL and MariaDB as a stream of row changes, over python-mysql-replication."""

from __future__ import annotations

import contextlib
import logging
import re
import socket
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.connect.changes.debezium import START_ANEW
from penstock.connect.changes.envelope import Op
from penstock.connect.changes.feed import Feed
from penstock.connect.contract import RetriableError
from penstock.errors import ConnectorError

HEARTBEAT_S = 30
"""How often an idle server says that it lives; three times that without a word, and the connection is given up."""


@dataclass(frozen=True, slots=True)
class LogColumn:
    """A column of the log's table map; `declared` is the library's description."""

    name: str
    is_key: bool
    declared: Any


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that one event changed: (before, after) each. `place`: [number of the file, position] behind the event. `table` tells a table's
    shapes apart: it changes with each new description of it."""

    kind: Op
    schema: str
    name: str
    table: int
    columns: tuple[LogColumn, ...]
    rows: Sequence[tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]]
    file: str
    position: int
    time_s: int
    gtid: str | None
    server_id: int


@dataclass(frozen=True, slots=True)
class Boundary:
    """Between two transactions: the log can be read on from here. `truncated`: (schema, table) that the statement before emptied."""

    file: str
    position: int
    time_s: int = 0
    truncated: tuple[str, str] | None = None


class BinlogStream:
    """The changes from a place of the log on."""

    def __init__(
        self, settings: Mapping[str, Any], server_id: int, file: str, position: int, wanted: Callable[[str, str], bool], wake: Callable[[], None]
    ) -> None:
        from pymysqlreplication import BinLogStreamReader
        from pymysqlreplication.event import GtidEvent, MariadbGtidEvent, QueryEvent, RotateEvent, XidEvent
        from pymysqlreplication.row_event import DeleteRowsEvent, TableMapEvent, UpdateRowsEvent, WriteRowsEvent

        # The library calls what later Pythons warn of, on each TIMESTAMP.
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="pymysqlreplication")
        logging.getLogger("pymysqlreplication").setLevel(logging.ERROR)  # it would warn of each connection that ends, and of what we check
        self._wanted = wanted
        self._sockets: list[socket.socket] = []
        self._shapes: dict[int, tuple[int, tuple[LogColumn, ...]]] = {}
        self._shape_count = 0
        self._reader = BinLogStreamReader(
            connection_settings=dict(settings), server_id=server_id, blocking=True, resume_stream=True, log_file=file, log_pos=position,
            only_events=[
                GtidEvent, MariadbGtidEvent, QueryEvent, RotateEvent, XidEvent, TableMapEvent, DeleteRowsEvent, UpdateRowsEvent, WriteRowsEvent,
            ],
            slave_heartbeat=HEARTBEAT_S, pymysql_wrapper=self._connect, enable_logging=False,
        )  # fmt: skip
        self._feed: Feed[Rows | Boundary] = Feed("mysql-changes", self._events, self._interrupt, wake)

    def take(self, count: int) -> Sequence[Rows | Boundary]:
        """At most `count` events that are there. RetriableError where the connection broke, ConnectorError where the server has not the log."""
        return self._feed.take(count)

    def close(self) -> None:
        """Stop."""
        self._feed.close()
        for each in self._sockets:
            each.close()

    def _connect(self, **settings: Any) -> Any:
        """A connection for the library. The first is the stream's, the second answers its questions; when it wants another, one was lost, and it must
        not quietly begin anew: we do, from what is committed."""
        import pymysql

        if len(self._sockets) == 2:
            raise RetriableError("The connection to the server broke.")
        connection = pymysql.Connection(defer_connect=True, **settings)
        plain = socket.create_connection((settings["host"], settings["port"]), settings.get("connect_timeout"))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.settimeout(None)
        self._sockets.append(plain.dup())  # encryption would take the socket itself over
        connection.connect(plain)
        return connection

    def _interrupt(self) -> None:
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    # ------------------------------------------------------------------ the thread

    def _events(self) -> Iterator[Rows | Boundary]:
        import pymysql
        from pymysqlreplication.event import GtidEvent, MariadbGtidEvent, QueryEvent, RotateEvent, XidEvent
        from pymysqlreplication.row_event import RowsEvent, TableMapEvent

        gtid: str | None = None
        reader = self._reader
        try:
            while True:
                event = reader.fetchone()
                if event is None:
                    raise RetriableError("The server ended the stream.")
                if isinstance(event, GtidEvent | MariadbGtidEvent):
                    gtid = event.gtid
                elif isinstance(event, TableMapEvent):
                    self._describe(event)
                elif isinstance(event, RowsEvent):
                    if self._wanted(event.schema, event.table):
                        yield self._rows(event, gtid)
                elif isinstance(event, RotateEvent):
                    yield Boundary(reader.log_file, reader.log_pos)
                elif isinstance(event, XidEvent):
                    yield Boundary(reader.log_file, reader.log_pos, event.timestamp)
                elif isinstance(event, QueryEvent) and not _INSIDE.match(event.query):
                    yield Boundary(reader.log_file, reader.log_pos, event.timestamp, _truncated(event))
        except pymysql.MySQLError as error:
            code, words = (*error.args, "", "")[:2]
            if code == 1236:
                raise ConnectorError(f"The server cannot send its log from the last position on: {words}.", mend=START_ANEW) from None
            raise RetriableError(f"The connection to the server broke: {words} ({code}).") from None
        except (OSError, AttributeError) as error:  # AttributeError: the library reads from a connection that was closed under it
            raise RetriableError(f"The connection to the server broke: {error}.") from None
        finally:
            with contextlib.suppress(Exception):
                reader.close()

    def _describe(self, event: Any) -> None:
        """Keep a table's columns; the same description again is the same shape."""
        columns = tuple(LogColumn(c.name, bool(c.is_primary), c) for c in event.get_table().columns)
        known = self._shapes.get(event.table_id)
        same = known is not None and [vars(c.declared) for c in known[1]] == [vars(c.declared) for c in columns]
        if not same:
            self._shape_count += 1
            self._shapes[event.table_id] = (self._shape_count, columns)

    def _rows(self, event: Any, gtid: str | None) -> Rows:
        number, columns = self._shapes[event.table_id]
        if any(column.name is None for column in columns):
            raise ConnectorError(
                f"The log does not hold the names of the columns of {event.schema}.{event.table}.",
                mend="SET GLOBAL binlog_row_metadata = FULL, and begin anew: changes that were logged before cannot be read.",
            )
        kind = type(event).__name__[0]
        members = {column.name: column.declared.set_values for column in columns if column.declared.set_values}
        pairs: list[tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]] = []
        for row in event.rows:
            if kind == "U":
                pairs.append((_values(row, "before_", members), _values(row, "after_", members)))
            else:
                values = _values(row, "", members)
                pairs.append((values, None) if kind == "D" else (None, values))
        return Rows(
            _OPS[kind], event.schema, event.table, number, columns, pairs, self._reader.log_file, self._reader.log_pos,
            event.timestamp, gtid, event.packet.server_id,
        )  # fmt: skip


# What stands inside a transaction, and does not end it.
_INSIDE = re.compile(r"\s*(BEGIN|SAVEPOINT|ROLLBACK\s+TO|RELEASE|XA|#)", re.IGNORECASE)
_TRUNCATE = re.compile(r"\s*(?:/\*.*?\*/\s*)*TRUNCATE\s+(?:TABLE\s+)?(?:`?([^`.\s]+)`?\.)?`?([^`;\s]+)`?", re.IGNORECASE)
_OPS: dict[str, Op] = {"W": "c", "U": "u", "D": "d"}


def _truncated(event: Any) -> tuple[str, str] | None:
    match = _TRUNCATE.match(event.query)
    return None if match is None else (match[1] or event.schema.decode(), match[2])


def _values(row: Mapping[str, Any], which: str, members: Mapping[str, Sequence[str]]) -> Mapping[str, Any]:
    """A row's values, those of a SET in the order of its declaration. The library gives None for one without members, which is not NULL."""
    found: dict[str, Any] = dict(row[f"{which}values"])
    for name, order in members.items():
        value = found[name]
        if row[f"{which}none_sources"].get(name) == "empty set":
            found[name] = ""
        elif value is not None:
            found[name] = [member for member in order if member in value]
    return found


def file_number(file: str) -> int:
    """The number of a file of the log: 3 of `binlog.000003`."""
    return int(file.rpartition(".")[2])
