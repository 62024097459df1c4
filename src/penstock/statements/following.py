"""PRINT that goes on: the records of a topic, and those that come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from penstock.result import Row
from penstock.sql import ast
from penstock.statements.printing import COLUMNS, Printer, topic_of

if TYPE_CHECKING:
    from penstock.database import Database

WATCH_S = 0.5
READ_MAX = 1000


class TopicRows:
    """The rows of a PRINT: without LIMIT they never end. Records of several partitions come in the order in which they are found. To be
    iterated over, or taken as they are there. Raises TopicError where there is no such topic, or it is the database's own."""

    columns = COLUMNS
    is_push = True

    def __init__(self, db: Database, statement: ast.Print) -> None:
        self._db, self._statement = db, statement
        self._closed = False
        self._seen = self._shown = 0
        partitions = range(topic_of(db, statement).partitions)
        self._printer = Printer(db, statement.topic)
        start = db.log.start_offset if statement.from_beginning else db.log.end_offset
        self._offsets = {partition: start(statement.topic, partition) for partition in partitions}

    def __iter__(self) -> Iterator[Row]:
        while not self.ended:
            version = self._db.log.version()
            rows = self.take()
            yield from rows
            if not rows:
                self._db.log.watch(version, WATCH_S)

    @property
    def ended(self) -> bool:
        """Whether no more rows will come."""
        return self._closed or self._shown == self._statement.limit

    def take(self) -> list[Row]:
        """The rows of those records that are there now, at most some thousand; without waiting."""
        interval, limit = self._statement.interval or 1, self._statement.limit
        while not self.ended:
            rows, found = [], False
            for row in self._read():
                found = True
                if self._seen % interval == 0 and self._shown != limit:
                    rows.append(row)
                    self._shown += 1
                self._seen += 1
            if rows or not found:
                return rows
        return []

    def _read(self) -> Iterator[Row]:
        for partition in range(topic_of(self._db, self._statement).partitions):
            offset = self._offsets.setdefault(partition, 0)
            batch = self._db.log.read(self._statement.topic, partition, offset, max_records=READ_MAX)
            if batch.num_rows:
                self._offsets[partition] = batch["offset"][-1].as_py() + 1
                yield from (Row(row, COLUMNS) for row in self._printer.rows(batch, partition))

    def close(self) -> None:
        """End the rows."""
        self._closed = True
