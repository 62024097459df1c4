"""What the captures of databases share: from a snapshot into the stream of changes, and how far it has come."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast

from penstock.connect.changes.debezium import Heartbeat, common_names, snapshot_mode
from penstock.connect.changes.envelope import ChangedTable, NameFilter, Op, Row
from penstock.connect.changes.seam import Place, Seam
from penstock.connect.contract import SourceContext
from penstock.connect.records import SourceBatch, SourceRecord
from penstock.connect.secrets import Secrets


class Opened(Protocol):
    """What a capture opens and closes: connections, mostly."""

    def close(self) -> None:
        """Let go of it."""
        ...


class DatabaseConnection(Opened, Protocol):
    """An ordinary connection to the database."""

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Run a statement."""
        ...

    def check(self) -> None:
        """Raise ConfigError where the server does not log what is needed."""
        ...


Database = TypeVar("Database", bound=DatabaseConnection)
Reading = TypeVar("Reading", bound=Opened)
Stream = TypeVar("Stream", bound=Opened)


@dataclass(frozen=True)
class SnapshotTable:
    """A table as the snapshot has it. `is_ordered`: its rows can be read on from a key; `rows`: (key, count) -> the rows behind that key, None for
    all, so many at a time. `source` is the envelope's."""

    table: ChangedTable
    is_ordered: bool
    source: Row
    rows: Callable[[Sequence[Any] | None, int], Iterator[Sequence[Row]]]


class Capture(ABC, Generic[Database, Reading, Stream]):
    """A source of changes: first a consistent snapshot of the tables (`_reading`), then what the server logs from its place on (`_stream`).

    The position, part `PART`, is the place in the log, the tables that the snapshot has yet to read, and what `Seam` must remember.
    """

    PART: ClassVar[str]

    def __init__(self, options: Mapping[str, Any], secrets: Secrets, context: SourceContext, wanted_schema: NameFilter) -> None:
        self._options, self._secrets, self._context = options, secrets, context
        self._prefix, self._wanted_table = common_names(options)
        self._wanted_schema = wanted_schema
        self._mode = snapshot_mode(options)
        self._batch: int = options["max.batch.size"]
        self._skipped = set(options["skipped.operations"])
        self._heartbeat = Heartbeat(options, self._prefix)
        self._database: Database | None = None
        self._reading: Reading | None = None
        self._snapshot: Iterator[SourceBatch] | None = None
        self._stream: Stream | None = None
        self._is_started = False
        self._left: list[str] | None = None  # tables that the snapshot has yet to read; None: it is over
        self._seam = Seam()

    # ------------------------------------------------------------------ what each database has of its own

    @abstractmethod
    def _connect(self) -> Database:
        """Connect to the server."""

    def _announced(self, database: Database) -> SourceBatch | None:
        """What is to be stored before the start arranges it at the server; None: nothing."""
        return None

    @abstractmethod
    def _start(self, database: Database) -> None:
        """Find the place to go on from; set `_snapshot` where rows are to be read."""

    @abstractmethod
    def _open_stream(self) -> Stream:
        """The changes from the place on."""

    @abstractmethod
    def _read_stream(self, stream: Stream) -> SourceBatch:
        """The next changes, by way of `_given`."""

    @abstractmethod
    def _load_place(self, position: Mapping[str, Any]) -> None:
        """Take the place over from a committed position, which is empty at the first start."""

    @abstractmethod
    def _place(self) -> dict[str, Any]:
        """The place as it is when all that was given is committed."""

    @abstractmethod
    def _snapshot_table(self, schema: str, name: str) -> SnapshotTable | None:
        """A table of the snapshot; None where it has none of that name."""

    # ------------------------------------------------------------------ the contract

    def poll(self) -> SourceBatch:
        """The next rows of the snapshot, then the next changes."""
        try:
            return self._poll()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connections."""
        self._snapshot, self._is_started = None, False
        for each in (self._stream, self._reading, self._database):
            if each is not None:
                each.close()
        self._database = self._reading = self._stream = None

    def _poll(self) -> SourceBatch:
        if self._database is None:
            self._database = self._connect()
            self._database.check()
            self._load()
            if announced := self._announced(self._database):
                return announced
        if not self._is_started:
            self._start(self._database)
            self._is_started = True
        if self._snapshot is not None:
            batch = next(self._snapshot, None)
            if batch is not None:
                return batch
            self._snapshot = None
        if self._mode == "initial_only":
            self._context.wait(None)
            return SourceBatch()
        if self._stream is None:
            self._stream = self._open_stream()
        return self._read_stream(self._stream)

    # ------------------------------------------------------------------ the position

    def _load(self) -> None:
        position = self._context.positions.get(self.PART, {})
        self._left = list(position["left"]) if "left" in position else None
        self._seam = Seam(position.get("ranges"))
        self._load_place(position)

    def _position(self) -> dict[str, Any]:
        position = self._place() | {"ranges": self._seam.as_json()}
        if self._left is not None:
            position["left"] = list(self._left)
        return {self.PART: position}

    # ------------------------------------------------------------------ the snapshot

    def _is_wanted(self, schema: str, name: str) -> bool:
        return self._wanted_schema(schema) and self._wanted_table(f"{schema}.{name}")

    def _choose_tables(self, wanted: Sequence[tuple[str, str]], *, anew: bool) -> None:
        """Say which tables the snapshot has yet to read. `anew`: there is no place to go on from."""
        if anew or (self._mode == "always" and self._left is None):
            self._left = None if self._mode == "never" else [f"{schema}.{name}" for schema, name in wanted]
            self._seam = Seam()

    def _read_tables(self, wanted: Sequence[tuple[str, str]], at: Place) -> Iterator[SourceBatch]:
        """The rows of the tables that are left, as they stand at `at`. A table without an ordered key is given as a whole, so that it is never
        read twice in part."""
        assert self._left is not None
        yield SourceBatch((), self._position())
        by_name = {f"{schema}.{name}": (schema, name) for schema, name in wanted}
        while self._left:
            name = self._left[0]
            found = self._snapshot_table(*by_name[name]) if name in by_name else None
            if found is None:
                self._left.pop(0)
                continue
            whole: list[SourceRecord] = []
            for rows in found.rows(self._seam.upto(name), self._batch):
                records = [record for row in rows for record in found.table.records("r", None, row, found.source, tombstones=False)]
                if not found.is_ordered:
                    whole += records
                    continue
                self._seam.done(name, _sortable(found.table, rows[-1]), at)
                yield SourceBatch(records, self._position())
            self._left.pop(0)
            self._seam.done(name, None, at)
            yield SourceBatch(whole, self._position())
        self._left = None
        yield SourceBatch((), self._position())
        assert self._reading is not None
        self._reading.close()
        self._reading = None

    # ------------------------------------------------------------------ the stream

    def _records(self, table: ChangedTable, op: Op, before: Row | None, after: Row | None, source: Row, place: Place) -> list[SourceRecord]:
        """The records of a changed row; a change of the key is a delete and a create, and of the two the snapshot may have seen one."""
        moved = before is not None and after is not None and table.key_of(before) != table.key_of(after)
        parts: list[tuple[Op, Row | None, Row | None]] = [("d", before, None), ("c", None, after)] if moved else [(op, before, after)]
        found: list[SourceRecord] = []
        for each, old, new in parts:
            row = new if new is not None else old
            assert row is not None
            if each not in self._skipped and not self._seam.has_seen(table.full_name, _sortable(table, row), place):
                found += table.records(each, old, new, source, tombstones=self._options["tombstones.on.delete"])
        return found

    def _emptied(self, table: ChangedTable, source: Row, place: Place) -> list[SourceRecord]:
        """The record of a table that was truncated."""
        if "t" in self._skipped or self._seam.has_seen(table.full_name, None, place):
            return []
        return table.records("t", None, None, source, tombstones=False)

    def _given(self, records: list[SourceRecord]) -> SourceBatch:
        """The records with the heartbeat that is due; where there are none, wait."""
        heartbeat = self._heartbeat.due(cast(DatabaseConnection, self._database).rows)
        if heartbeat is not None:
            records.append(heartbeat)
        if records:
            return SourceBatch(records, self._position())
        self._context.wait(self._heartbeat.left_s())
        return SourceBatch()


def _sortable(table: ChangedTable, row: Row) -> list[Any] | None:
    """The key as the seam compares it; None where keys of such types are not ordered here."""
    key = [row[name] for name in table.keys]
    return key if key and all(isinstance(part, int | str) for part in key) else None
