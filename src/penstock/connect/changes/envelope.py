"""A change of a row as a record: Debezium's envelope, with the row before and after."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from typing import Literal as OneOf

from penstock.connect.records import SourceRecord
from penstock.sql.types import BIGINT, STRING, Field, SqlType, Struct

Op = OneOf["c", "u", "d", "r", "t"]
"""create, update, delete, read (by the snapshot), truncate."""
Row = Mapping[str, Any]


@dataclass(frozen=True)
class ChangedColumn:
    """A column: `read` makes a natural Python value of what the log or the snapshot gives for it."""

    name: str
    type: SqlType
    read: Callable[[Any], Any]


@dataclass(frozen=True)
class ChangedTable:
    """A table as it is at a place of the log. `schema` is what stands before the table in its name: PostgreSQL's schema, MySQL's database.
    `source` names the fields of the envelope's source and their types."""

    schema: str
    name: str
    topic: str
    columns: tuple[ChangedColumn, ...]
    keys: tuple[str, ...]
    source: Struct

    @property
    def full_name(self) -> str:
        """`schema.table`."""
        return f"{self.schema}.{self.name}"

    @cached_property
    def row_schema(self) -> Struct:
        """The row's type."""
        return Struct(tuple(Field(column.name, column.type) for column in self.columns))

    @cached_property
    def key_schema(self) -> Struct | None:
        """The key's type: a struct of the primary key; None where the table has none."""
        fields = tuple(field for field in self.row_schema.fields if field.name in self.keys)
        return Struct(fields) if fields else None

    @cached_property
    def value_schema(self) -> Struct:
        """The envelope's type."""
        row = self.row_schema
        parts: tuple[tuple[str, SqlType], ...] = (("before", row), ("after", row), ("source", self.source), ("op", STRING), ("ts_ms", BIGINT))
        return Struct(tuple(Field(name, type_) for name, type_ in parts))

    def key_of(self, row: Row) -> dict[str, Any] | None:
        """The row's primary key."""
        return {name: row[name] for name in self.keys} if self.keys else None

    def records(self, op: Op, before: Row | None, after: Row | None, source: Row, *, tombstones: bool) -> list[SourceRecord]:
        """The records of one change: a delete is followed by a tombstone, and a change of the primary key is a delete and a create."""
        old = self.key_of(before) if before is not None else None
        new = self.key_of(after) if after is not None else None
        if op == "u" and old is not None and old != new:
            return [
                *self.records("d", before, None, source, tombstones=tombstones),
                *self.records("c", None, after, source, tombstones=tombstones),
            ]
        value = {"before": before, "after": after, "source": source, "op": op, "ts_ms": time.time_ns() // 1_000_000}
        key = old if after is None else new
        found = [SourceRecord(self.topic, value, key=key, value_schema=self.value_schema, key_schema=self.key_schema)]
        if op == "d" and tombstones and key is not None:
            found.append(SourceRecord(self.topic, None, key=key, key_schema=self.key_schema))
        return found


def topic_name(*parts: str) -> str:
    """A topic's name of the parts; what Kafka does not allow in it becomes an underscore."""
    return re.sub(r"[^a-zA-Z0-9._-]", "_", ".".join(part for part in parts if part))


class NameFilter:
    """Debezium's include and exclude lists: regular expressions for a whole name, in any case of its letters."""

    def __init__(self, include: Sequence[str], exclude: Sequence[str]) -> None:
        self._include = [re.compile(pattern, re.IGNORECASE) for pattern in include]
        self._exclude = [re.compile(pattern, re.IGNORECASE) for pattern in exclude]

    def __call__(self, *names: str) -> bool:
        """Whether one that has these names is wanted."""
        if self._include and not any(pattern.fullmatch(name) for pattern in self._include for name in names):
            return False
        return not any(pattern.fullmatch(name) for pattern in self._exclude for name in names)
