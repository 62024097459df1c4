"""PRINT in a terminal: the records of a topic, and those that come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import penstock
from penstock.errors import TopicError
from penstock.sql import ast
from penstock.statements.printing import COLUMNS, readable, stamp

WATCH_S = 0.5
READ_MAX = 1000


class TopicRows:
    """The rows of a PRINT: without LIMIT they never end. Records of several partitions come in the order in which they are found."""

    columns = COLUMNS

    def __init__(self, db: penstock.Database, statement: ast.Print) -> None:
        self._db, self._statement = db, statement
        self._closed = False
        partitions = range(self._partitions())
        start = db.log.start_offset if statement.from_beginning else db.log.end_offset
        self._offsets = {partition: start(statement.topic, partition) for partition in partitions}

    def _partitions(self) -> int:
        info = self._db.log.topic(self._statement.topic)
        if info is None:
            raise TopicError(f"There is no topic {self._statement.topic!r}.", mend="SHOW TOPICS lists them.").at(self._statement.position)
        return info.partitions

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        interval, limit = self._statement.interval or 1, self._statement.limit
        seen = shown = 0
        while not self._closed and shown != limit:
            version = self._db.log.version()
            rows = list(self._read())
            for row in rows:
                if seen % interval == 0:
                    yield row
                    shown += 1
                    if shown == limit:
                        return
                seen += 1
            if not rows:
                self._db.log.watch(version, WATCH_S)

    def _read(self) -> Iterator[tuple[Any, ...]]:
        for partition in range(self._partitions()):
            offset = self._offsets.setdefault(partition, 0)
            for record in self._db.log.read(self._statement.topic, partition, offset, max_records=READ_MAX).to_pylist():
                self._offsets[partition] = record["offset"] + 1
                key, value = readable(self._db, record["key"]), readable(self._db, record["value"])
                yield (stamp(record["timestamp"]), partition, record["offset"], key, value)

    def close(self) -> None:
        """End the rows."""
        self._closed = True


def follow_topic(db: penstock.Database, statement: ast.Print) -> TopicRows:
    """The rows of a PRINT statement. Raises TopicError where there is no such topic."""
    return TopicRows(db, statement)
