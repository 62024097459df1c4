"""PostgreSQL's streaming replication protocol, over libpq as psycopg offers it.

Source: PostgreSQL's documentation, "Streaming Replication Protocol".
"""

from __future__ import annotations

import os
import select
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.connect.changes.feed import Feed
from penstock.connect.contract import RetriableError
from penstock.errors import ConnectorError

if TYPE_CHECKING:
    from psycopg import pq

STATUS_S = 10.0
"""How often the server hears from us at least; by default it gives a silent client up after 60 s."""
EPOCH_US = 946_684_800_000_000
"""2000-01-01 UTC, PostgreSQL's zero of time, in us since 1970."""


@dataclass(frozen=True, slots=True)
class WalData:
    """A message of the output plugin."""

    data: bytes


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """The server has sent everything before `end_lsn`."""

    end_lsn: int


class ReplicationConnection:
    """A connection in replication mode. `words` redacts what the server says. Every error of the connection is a RetriableError, what the server
    refuses a ConnectorError."""

    def __init__(self, conninfo: str, words: Callable[[str], str]) -> None:
        from psycopg import pq

        self._words = words
        self._connection: pq.abc.PGconn = pq.PGconn.connect(conninfo.encode())
        if self._connection.status != pq.ConnStatus.OK:
            message = self._error()
            self.close()
            raise RetriableError(f"The connection to PostgreSQL failed: {message}.")

    def query(self, command: str) -> list[list[str | None]]:
        """Run a command and give its rows."""
        from psycopg import pq

        result = self._connection.exec_(command.encode())
        if result.status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
            raise self._refusal(result)
        cells = [[result.get_value(row, column) for column in range(result.nfields)] for row in range(result.ntuples)]
        return [[None if cell is None else cell.decode() for cell in row] for row in cells]

    def stream(self, slot: str, lsn: int, publication: str, wake: Callable[[], None]) -> ReplicationStream:
        """Begin to stream what the slot holds from `lsn` on."""
        from psycopg import pq

        names = quoted(publication).replace("'", "''")
        options = f"(proto_version '1', publication_names '{names}')"
        result = self._connection.exec_(f"START_REPLICATION SLOT {quoted(slot)} LOGICAL {written(lsn)} {options}".encode())
        if result.status != pq.ExecStatus.COPY_BOTH:
            raise self._refusal(result)
        return ReplicationStream(self._connection, self._error, lsn, wake)

    def close(self) -> None:
        """Close the connection."""
        self._connection.finish()

    def _refusal(self, result: pq.abc.PGresult) -> ConnectorError:
        from psycopg import pq

        state = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
        what = f"PostgreSQL refused: {self._error()}."
        # 55006: the slot is in use, by our own earlier connection perhaps, which the server has not noticed is gone.
        retry = not state or state.startswith(("08", "53", "57")) or state == "55006"
        return RetriableError(what) if retry else ConnectorError(what)

    def _error(self) -> str:
        return self._words(" ".join(self._connection.get_error_message().split()).removeprefix("ERROR: ").rstrip("."))


class ReplicationStream:
    """What the server sends, in order. `acknowledge` lets it forget what is durable here."""

    def __init__(self, connection: pq.abc.PGconn, error: Callable[[], str], lsn: int, wake: Callable[[], None]) -> None:
        self._connection, self._error = connection, error
        self._flushed = self._received = lsn
        self._bell_read, self._bell = os.pipe()
        self._lock = threading.Lock()
        self._stopped = False
        self._feed: Feed[WalData | KeepAlive] = Feed("postgres-changes", self._messages, self._stop, wake)

    def take(self, count: int) -> Sequence[WalData | KeepAlive]:
        """At most `count` messages that are there. RetriableError where the connection broke."""
        return self._feed.take(count)

    def acknowledge(self, lsn: int) -> None:
        """Everything before `lsn` is durable."""
        if lsn > self._flushed:
            self._flushed = lsn
            self._ring()

    def close(self) -> None:
        """Tell the server how far we are, and stop."""
        self._feed.close()
        os.close(self._bell)
        os.close(self._bell_read)

    def _stop(self) -> None:
        self._stopped = True
        self._ring()

    def _ring(self) -> None:
        os.write(self._bell, b"!")

    # ------------------------------------------------------------------ the thread, which alone touches the connection

    def _messages(self) -> Iterator[WalData | KeepAlive]:
        next_status_s, told = 0.0, -1
        while True:
            size, data = self._connection.get_copy_data(1)
            if size > 0:
                message, wants_answer = self._parsed(bytes(data))
                if message is not None:
                    yield message
                if wants_answer:
                    told = self._tell()
                continue
            if size < 0:
                raise RetriableError(f"PostgreSQL ended the stream: {self._error() or 'it is shutting down'}.")
            now = time.monotonic()
            if self._flushed != told or now >= next_status_s:
                told, next_status_s = self._tell(), now + STATUS_S
            if self._stopped:
                return
            readable, _, _ = select.select([self._connection.socket, self._bell_read], [], [], max(0.0, next_status_s - now))
            if self._bell_read in readable:
                os.read(self._bell_read, 4096)
            if self._connection.socket in readable:
                self._receive()

    def _receive(self) -> None:
        from psycopg import OperationalError

        try:
            self._connection.consume_input()
        except OperationalError:
            raise RetriableError(f"The connection to PostgreSQL broke: {self._error()}.") from None

    def _parsed(self, data: bytes) -> tuple[WalData | KeepAlive | None, bool]:
        if data[:1] == b"w":
            start = struct.unpack_from(">Q", data, 1)[0]
            self._received = max(self._received, start)
            return WalData(data[25:]), False
        end, _, wants_answer = struct.unpack_from(">QQB", data, 1)
        self._received = max(self._received, end)
        return KeepAlive(end), bool(wants_answer)

    def _tell(self) -> int:
        """Send how far we are; the LSN that was sent as durable."""
        from psycopg import OperationalError

        flushed = self._flushed
        now_us = time.time_ns() // 1000 - EPOCH_US
        status = b"r" + struct.pack(">QQQQB", max(self._received, flushed), flushed, flushed, now_us, 0)
        try:
            self._connection.put_copy_data(status)
            self._connection.flush()
        except OperationalError:
            raise RetriableError(f"The connection to PostgreSQL broke: {self._error()}.") from None
        return flushed


def quoted(name: str) -> str:
    """An identifier in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def written(lsn: int) -> str:
    """An LSN as PostgreSQL writes it: `16/B374D848`."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def parsed(lsn: str) -> int:
    """The number of an LSN."""
    high, low = lsn.split("/")
    return (int(high, 16) << 32) | int(low, 16)
