"""What transforms work on: one small view of a sink's record and of a source's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from penstock.connect.records import Record, SourceRecord
from penstock.sql.types import SqlType

LONE_VALUE = "ROWVAL"
"""The column of a value that is no object."""
LONE_KEY = "ROWKEY"
"""The column of a key that is no object and had no column before."""


@dataclass(frozen=True, slots=True)
class Message:
    """A record between its far side and its topic, as plain values.

    `key` and `value` are as in `SourceRecord`; where a schema is given the value is of it, and the two change together. `key_column` names
    the key of a sink's record where it is of one column; then `key` is its value. `offset` is a sink's. `typed`: dates and times are Python's
    own, with or without a schema.
    """

    topic: str
    key: Any
    value: Any
    key_schema: SqlType | None = None
    value_schema: SqlType | None = None
    timestamp: int | None = None
    partition: int | None = None
    offset: int | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    key_column: str | None = None
    typed: bool = False


def of_source(record: SourceRecord) -> Message:
    """The view of what a source brings."""
    return Message(
        record.topic, record.key, record.value, record.key_schema, record.value_schema, record.timestamp,
        record.partition, None, tuple(record.headers), None, record.value_schema is not None,
    )  # fmt: skip


def to_source(message: Message) -> SourceRecord:
    """What a source's message has become."""
    return SourceRecord(
        message.topic, message.value, message.key, message.value_schema, message.key_schema, message.timestamp, message.partition, message.headers
    )


def of_sink(record: Record) -> Message:
    """The view of what a sink is to deliver."""
    names = record.key_columns
    key: Any = record.columns.get(names[0]) if len(names) == 1 else {name: record.columns.get(name) for name in names} or None
    value = None if record.tombstone else record.value_columns()
    return Message(
        record.topic, key, value, None, None, record.timestamp, record.partition, record.offset, tuple(record.headers),
        names[0] if len(names) == 1 else None, True,
    )  # fmt: skip


def to_sink(message: Message, record: Record) -> Record:
    """What a sink's message has become. Its place and its stored bytes stay those of `record`."""
    if isinstance(message.key, Mapping):
        keys = dict(message.key)
    elif message.key is None and message.key_column is None:
        keys = {}
    else:
        keys = {message.key_column or LONE_KEY: message.key}
    values = dict(message.value) if isinstance(message.value, Mapping) else {} if message.value is None else {LONE_VALUE: message.value}
    return replace(
        record,
        topic=message.topic,
        origin=record.stands_in,
        timestamp=record.timestamp if message.timestamp is None else message.timestamp,
        columns=keys | values,
        key_columns=tuple(keys),
        tombstone=message.value is None,
        headers=message.headers,
    )
