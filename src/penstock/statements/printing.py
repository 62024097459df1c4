"""PRINT: the raw records of a topic, as text."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from penstock.errors import TopicError
from penstock.log.names import check_not_own
from penstock.result import Result
from penstock.sql import ast

if TYPE_CHECKING:
    from penstock.database import Database

LIMIT_DEFAULT = 100
"""Rows of a PRINT without LIMIT in a script; the shell follows the topic instead."""

COLUMNS = ("ROWTIME", "PARTITION", "OFFSET", "KEY", "VALUE")


def print_topic(db: Database, statement: ast.Print) -> Result:
    """The records of a topic as rows of text: from the beginning, or the last ones there are."""
    check_not_own(statement.topic)
    info = db.log.topic(statement.topic)
    if info is None:
        raise TopicError(f"There is no topic {statement.topic!r}.", mend="SHOW TOPICS lists them.").at(statement.position)
    limit = statement.limit if statement.limit is not None else LIMIT_DEFAULT
    rows: list[tuple[Any, ...]] = []
    for partition in range(info.partitions):
        start = db.log.start_offset(statement.topic, partition)
        if not statement.from_beginning:
            start = max(start, db.log.end_offset(statement.topic, partition) - limit * (statement.interval or 1))
        batch = db.log.read(statement.topic, partition, start, max_records=limit * (statement.interval or 1))
        rows += (
            (row["timestamp"], partition, row["offset"], readable(db, row["key"]), readable(db, row["value"])) for row in batch.to_pylist()
        )
    rows.sort(key=lambda row: (row[0], row[1], row[2]))
    return Result(columns=COLUMNS, rows=[(stamp(row[0]), *row[1:]) for row in rows[:: statement.interval or 1][:limit]])


def stamp(time_ms: int) -> str:
    """A time (ms) as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def readable(db: Database, data: bytes | None) -> str | None:
    """Bytes as a person would like to see them: Avro in the registry's format decoded, text as text, a number's 4 or 8 bytes as the number."""
    if data is None:
        return None
    if len(data) > 5 and data[0] == 0:
        decoded = registered(db, data)
        if decoded is not None:
            return decoded
    try:
        text = data.decode()
        if text.isprintable() or not text:
            return text
    except UnicodeDecodeError:
        pass
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
