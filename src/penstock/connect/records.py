"""What a sink reads, decoded records, through an interface that the statements implement; and what a source brings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from penstock.sql.types import SqlType


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a topic, decoded.

    `columns` holds the key's and the value's columns by name, in the schema's order, as natural Python values; of a tombstone only the key's,
    and `tombstone` is True. `key` and `value` are the bytes as stored, for dead letters. `error` is the reason why the bytes could not be
    decoded (then `columns` is empty). `timestamp` is in ms. `origin` is the topic that the record stands in, where a transform has given it another
    `topic` to go to.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    columns: Mapping[str, Any]
    key_columns: tuple[str, ...] = ()
    tombstone: bool = False
    key: bytes | None = None
    value: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = field(default=())
    error: str | None = None
    origin: str | None = None

    @property
    def stands_in(self) -> str:
        """The topic that the record was read from, whatever topic it is sent on as."""
        return self.origin or self.topic

    @property
    def place(self) -> str:
        """Where the record stands: `topic-partition@offset`."""
        return f"{self.stands_in}-{self.partition}@{self.offset}"

    def value_columns(self) -> dict[str, Any]:
        """The columns that are not part of the key."""
        return {name: value for name, value in self.columns.items() if name not in self.key_columns}


class RecordReader(Protocol):
    """Decoded records of some topics, from wherever the caller asks. It keeps no position and may be called from any thread."""

    def partitions(self) -> list[tuple[str, int]]:
        """Every (topic, partition) there is to read now."""
        ...

    def columns(self) -> frozenset[str] | None:
        """The names of the columns that every record has; None where that is not known before reading (no schema)."""
        ...

    def types(self, topic: str) -> Mapping[str, SqlType] | None:
        """The types of the columns of a topic's records, key columns first; None where nothing says them."""
        ...

    def read(self, topic: str, partition: int, offset: int, max_records: int) -> list[Record]:
        """At most `max_records` records from `offset` on, in order, without waiting; an empty list at the end of the log. A record that cannot be
        decoded comes with `error`, in its place. An offset below the log's start reads from the start."""
        ...


OpenReader = Callable[[Sequence[str]], RecordReader]
"""Topic names -> a reader of them. Raises TopicError for a topic that does not exist."""

Position = Mapping[str, Any]
"""How far a source has read in one part of its world (a table, a file, a change log): a JSON object whose members are the source's own affair."""


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """One record from outside, before it becomes bytes.

    `key` and `value` are natural Python values. Where `value_schema` is given they are values of that type (a `Struct`'s is a dict by field name;
    DECIMAL a Decimal, DATE, TIME and TIMESTAMP Python's own without a zone, BYTES bytes), else None, str, bytes, bool, int, float, list or dict.
    A value of None is a tombstone. `timestamp` is in ms; None is the time of the append. `partition`: None goes by the key. `error` is the
    reason why the source could not read it: it then goes the way that `errors.tolerance` says, with what there is of it as `value`.
    """

    topic: str
    value: Any
    key: Any = None
    value_schema: SqlType | None = None
    key_schema: SqlType | None = None
    timestamp: int | None = None
    partition: int | None = None
    headers: Sequence[tuple[str, bytes]] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class SourceBatch:
    """What a poll brings: records, and how far each part of the source's world is read when they are stored. Both become durable in one
    transaction; positions without records are committed too, and an empty batch costs nothing."""

    records: Sequence[SourceRecord] = ()
    positions: Mapping[str, Position] = field(default_factory=dict)
