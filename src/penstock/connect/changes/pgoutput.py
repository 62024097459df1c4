"""The messages of PostgreSQL's pgoutput plugin, version 1.

Source: PostgreSQL's documentation, "Logical Replication Message Formats". Values come as text.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

UNCHANGED = object()
"""Stands for a large value that an update did not touch, and that the log therefore does not hold."""

Tuple = Sequence["bytes | None | object"]


@dataclass(frozen=True, slots=True)
class Begin:
    """A transaction begins. `commit_lsn`: where its commit stands; `time_us`: when it came, in us since 2000-01-01 UTC."""

    commit_lsn: int
    time_us: int
    xid: int


@dataclass(frozen=True, slots=True)
class Commit:
    """A transaction ends; `end_lsn` is where the log goes on."""

    commit_lsn: int
    end_lsn: int


@dataclass(frozen=True, slots=True)
class RelationColumn:
    """A column: the number of its type and its modifier."""

    name: str
    type_oid: int
    modifier: int


@dataclass(frozen=True, slots=True)
class Relation:
    """A table as it is from here on. `identity`: d (primary key), f (the whole row), i (an index), n (nothing) is logged of an old row."""

    oid: int
    schema: str
    name: str
    identity: str
    columns: tuple[RelationColumn, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """A row was inserted (I), updated (U) or deleted (D). `old` is the whole old row, or where `old_is_key` only its key; None where the key is that
    of `new`."""

    kind: str
    relation: int
    old: Tuple | None
    new: Tuple | None
    old_is_key: bool = False


@dataclass(frozen=True, slots=True)
class Truncate:
    """Tables were emptied."""

    relations: tuple[int, ...]


Message = Begin | Commit | Relation | Change | Truncate


def decode(data: bytes) -> Message | None:
    """The message; None for one that says nothing of rows (a type's or an origin's name)."""
    return _Reader(data).message()


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def message(self) -> Message | None:
        kind = self._character()
        if kind == "B":
            return Begin(self._int64(), self._int64(), self._int32())
        if kind == "C":
            self._at += 1  # flags, unused
            return Commit(self._int64(), self._int64())
        if kind == "R":
            oid, schema, name, identity = self._int32(), self._text(), self._text(), self._character()
            return Relation(oid, schema or "pg_catalog", name, identity, tuple(self._column() for _ in range(self._int16())))
        if kind == "I":
            relation = self._int32()
            self._at += 1  # N
            return Change("I", relation, None, self._tuple())
        if kind in "UD":
            return self._changed(kind)
        if kind == "T":
            count = self._int32()
            self._at += 1  # options
            return Truncate(tuple(self._int32() for _ in range(count)))
        return None

    def _changed(self, kind: str) -> Change:
        relation, old, is_key = self._int32(), None, False
        mark = self._character()
        if mark in "KO":
            old, is_key = self._tuple(), mark == "K"
            if kind == "U":
                self._at += 1  # N
        return Change(kind, relation, old, self._tuple() if kind == "U" else None, is_key)

    def _column(self) -> RelationColumn:
        self._at += 1  # flags: part of the replica identity, which is not always the key
        return RelationColumn(self._text(), self._int32(), self._int32(signed=True))

    def _tuple(self) -> Tuple:
        values: list[bytes | None | object] = []
        for _ in range(self._int16()):
            kind = self._character()
            if kind == "n":
                values.append(None)
            elif kind == "u":
                values.append(UNCHANGED)
            else:
                length = self._int32()
                values.append(self._data[self._at : self._at + length])
                self._at += length
        return values

    def _character(self) -> str:
        self._at += 1
        return chr(self._data[self._at - 1])

    def _text(self) -> str:
        end = self._data.index(0, self._at)
        text, self._at = self._data[self._at : end].decode(), end + 1
        return text

    def _int16(self) -> int:
        return self._number(">H", 2)

    def _int32(self, *, signed: bool = False) -> int:
        return self._number(">i" if signed else ">I", 4)

    def _int64(self) -> int:
        return self._number(">Q", 8)

    def _number(self, form: str, size: int) -> int:
        self._at += size
        number: int = struct.unpack_from(form, self._data, self._at - size)[0]
        return number
