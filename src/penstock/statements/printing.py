"""PRINT: the raw records of a topic, as text."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from penstock.errors import TopicError
from penstock.log.names import check_not_own
from penstock.result import Result
from penstock.sql import ast
from penstock.statements.describe import stamp

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.database import Database
    from penstock.log.protocol import TopicInfo
    from penstock.statements.records import ReadRecord

LIMIT_DEFAULT = 100
"""Rows of a PRINT without LIMIT in a script; the shell follows the topic instead."""

COLUMNS = ("ROWTIME", "PARTITION", "OFFSET", "KEY", "VALUE")


def print_topic(db: Database, statement: ast.Print) -> Result:
    """The records of a topic as rows of text: from the beginning, or the last ones there are."""
    info = topic_of(db, statement)
    limit = statement.limit if statement.limit is not None else LIMIT_DEFAULT
    rows: list[tuple[Any, ...]] = []
    printer = Printer(db, statement.topic)
    for partition in range(info.partitions):
        start = db.log.start_offset(statement.topic, partition)
        if not statement.from_beginning:
            start = max(start, db.log.end_offset(statement.topic, partition) - limit * (statement.interval or 1))
        rows += printer.rows(db.log.read(statement.topic, partition, start, max_records=limit * (statement.interval or 1)), partition)
    rows.sort(key=lambda row: (row[0], row[1], row[2]))
    return Result(columns=COLUMNS, rows=rows[:: statement.interval or 1][:limit])


def topic_of(db: Database, statement: ast.Print) -> TopicInfo:
    """The topic. Raises TopicError where there is none, or it is the database's own."""
    check_not_own(statement.topic)
    info = db.log.topic(statement.topic)
    if info is None:
        raise TopicError(f"There is no topic {statement.topic!r}.", mend="SHOW TOPICS lists them.").at(statement.position)
    return info


class Printer:
    """Shows a topic's records: as the source over the topic reads them, where there is one and the bytes are not text anyway; else by what the bytes
    look like."""

    def __init__(self, db: Database, topic: str) -> None:
        from penstock.statements.records import Reader

        self._db = db
        self._source = next((s for s in reversed(db.catalog.sources()) if s.topic == topic), None)
        self._reader = Reader(db, self._source) if self._source else None

    def rows(self, batch: pa.RecordBatch, partition: int) -> list[tuple[Any, ...]]:
        """A row of COLUMNS for each record of a batch."""
        known = self._reader.read(batch, partition) if self._reader else [None] * batch.num_rows
        return [
            (stamp(row["timestamp"]), partition, row["offset"], self._key(row["key"], read), self._value(row["value"], read))
            for row, read in zip(batch.to_pylist(), known, strict=True)
        ]

    def _key(self, data: bytes | None, read: ReadRecord | None) -> str | None:
        if data is None or read is None or read.problem or not read.key:
            return readable(self._db, data)
        # A key that is text is shown as it is, unless it is a part of a windowed one.
        plain = data.decode() if is_text(data) and read.window is None else text_of(read.key)
        return plain if read.window is None else f"{plain}@{read.window[0]}/{read.window[1]}"

    def _value(self, data: bytes | None, read: ReadRecord | None) -> str | None:
        if data is None or read is None or read.problem or read.value is None or is_text(data):
            return readable(self._db, data)
        return json.dumps(read.value, default=str, ensure_ascii=False)


def text_of(columns: dict[str, Any]) -> str:
    """A key's columns: the value of a single one, else all by name."""
    values = list(columns.values())
    return str(values[0]) if len(values) == 1 and isinstance(values[0], str | int | float) else json.dumps(columns, default=str, ensure_ascii=False)


def is_text(data: bytes) -> bool:
    """Whether bytes are text that can be shown."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return False
    return text.isprintable()


def readable(db: Database, data: bytes | None) -> str | None:
    """Bytes as a person would like to see them: Avro in the registry's format decoded, text as text, a number's 4 or 8 bytes as the number."""
    if data is None:
        return None
    if len(data) > 5 and data[0] == 0:
        decoded = registered(db, data)
        if decoded is not None:
            return decoded
    if is_text(data):
        return data.decode()
    if len(data) in (4, 8):
        return str(int.from_bytes(data, "big", signed=True))
    return "0x" + data.hex()


def registered(db: Database, data: bytes) -> str | None:
    """An Avro record in the registry's wire format as JSON, None where it is none."""
    import io

    import fastavro

    from penstock.errors import SchemaError

    try:
        schema = db.schemas.by_id(int.from_bytes(data[1:5], "big"))
        if schema.type != "AVRO":
            return None
        value = fastavro.schemaless_reader(io.BytesIO(data[5:]), fastavro.parse_schema(json.loads(schema.text)), None)
    except (SchemaError, ValueError, EOFError, LookupError):
        return None
    return json.dumps(value, default=str, ensure_ascii=False)


RUN: dict[type, Callable[[Database, Any], Result]] = {ast.Print: print_topic}
