"""The forms in which a query's rows are written: what begins, each row, what ends, and what is told where it fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from penstock.plan.steps import Column
from penstock.result import Query, Row
from penstock.server.answers import Refusal, to_json
from penstock.server.ksql.errors import error_body
from penstock.server.ksql.schema import field_objects
from penstock.server.ksql.values import to_json as converter
from penstock.sql.types import SqlType, quote


class Form(Protocol):
    """One way to write a query's answer."""

    begin: bytes

    def rows(self, rows: Sequence[Row]) -> bytes:
        """Some rows. Called in a thread."""
        ...

    def end(self, message: str) -> bytes:
        """The end, and why."""
        ...

    def failed(self, refusal: Refusal) -> bytes:
        """The end after a failure."""
        ...


class Values:
    """Rows as lists of JSON's values."""

    def __init__(self, types: Sequence[SqlType]) -> None:
        self._converters = [(i, convert) for i, type_ in enumerate(types) if (convert := converter(type_)) is not None]

    def __call__(self, row: Sequence[Any]) -> list[Any]:
        values = list(row)
        for i, convert in self._converters:
            if values[i] is not None:
                values[i] = convert(values[i])
        return values


class V1:
    """A JSON array of a header, rows and a final message; every element has a line. A push query's line ends with its comma, so that it can be read
    before the next one is there; a pull query's last row ends the array."""

    def __init__(self, query_id: str, query: Query) -> None:
        self._push, self._values = query.is_push, Values(query.types)
        header = {"header": {"queryId": query_id, "schema": query.schema or _schema(query.columns, query.types)}}
        self.begin = b"[" + to_json(header) + self._after

    @property
    def _after(self) -> bytes:
        return b",\n" if self._push else b""

    def _element(self, value: object) -> bytes:
        return to_json(value) + b",\n" if self._push else b",\n" + to_json(value)

    def rows(self, rows: Sequence[Row]) -> bytes:
        """Some rows; those that a table has lost are left out."""
        return b"".join(self._element({"row": {"columns": self._values(row)}}) for row in rows if not row.deleted)

    def end(self, message: str) -> bytes:
        """The end."""
        return to_json({"finalMessage": message}) + b"]\n" if self._push else b"]\n"

    def failed(self, refusal: Refusal) -> bytes:
        """The end after a failure."""
        return (b"" if self._push else b",\n") + to_json({"errorMessage": refusal.message}) + b"]\n"


class V2(V1):
    """As V1, but the key of a table's row stands by itself, and a row that the table has lost is told of."""

    def __init__(self, query_id: str, query: Query) -> None:
        super().__init__(query_id, query)
        at = [i for i, name in enumerate(query.columns) if name in query.key]
        others = [i for i in range(len(query.columns)) if i not in at]
        self._at, self._others = at, others
        if at:
            of = [(query.columns[i], query.types[i]) for i in at]
            rest = [(query.columns[i], query.types[i]) for i in others]
            header = {"queryId": query_id, "key": _schema(*zip(*of, strict=True)), "schema": _schema(*zip(*rest, strict=True)) if rest else ""}
            self.begin = b"[" + to_json({"header": header}) + self._after

    def rows(self, rows: Sequence[Row]) -> bytes:
        """Some rows."""
        if not self._at:
            return super().rows(rows)
        parts = []
        for row in rows:
            values = self._values(row)
            key = [values[i] for i in self._at]
            if row.deleted:
                parts.append(self._element({"row": {"key": key, "tombstone": True}}))
            else:
                parts.append(self._element({"row": {"key": key, "columns": [values[i] for i in self._others]}}))
        return b"".join(parts)


def _schema(names: Sequence[str], types: Sequence[SqlType]) -> str:
    return ", ".join(f"{quote(name)} {type_}" for name, type_ in zip(names, types, strict=True))


class Delimited:
    """A line for the columns, a line a row."""

    def __init__(self, query_id: str, query: Query) -> None:
        self._values = Values(query.types)
        self.begin = to_json(_columns(query_id, query)) + b"\n"

    def rows(self, rows: Sequence[Row]) -> bytes:
        """Some rows."""
        return b"".join(to_json(self._values(row)) + b"\n" for row in rows)

    def end(self, message: str) -> bytes:
        """Nothing more."""
        return b""

    def failed(self, refusal: Refusal) -> bytes:
        """An object that tells of the failure."""
        return to_json(_failure(refusal)) + b"\n"


class Whole(Delimited):
    """The same as one JSON array."""

    def __init__(self, query_id: str, query: Query) -> None:
        super().__init__(query_id, query)
        self.begin = b"[" + to_json(_columns(query_id, query))

    def rows(self, rows: Sequence[Row]) -> bytes:
        """Some rows."""
        return b"".join(b"," + to_json(self._values(row)) for row in rows)

    def end(self, message: str) -> bytes:
        """The end of the array."""
        return b"]"

    def failed(self, refusal: Refusal) -> bytes:
        """An object that tells of the failure, and the end of the array."""
        return b"," + to_json(_failure(refusal)) + b"]"


def _columns(query_id: str, query: Query) -> dict[str, Any]:
    return {"queryId": query_id if query.is_push else None, "columnNames": query.columns, "columnTypes": [str(type_) for type_ in query.types]}


def _failure(refusal: Refusal) -> dict[str, Any]:
    return {"status": "error", **error_body(refusal)}


class Messages:
    """A message for the columns, a message a row; rows that a table has lost are left out."""

    def __init__(self, query: Query) -> None:
        self._values = Values(query.types)
        columns = field_objects((), (Column(name, type_) for name, type_ in zip(query.columns, query.types, strict=True)))
        self.columns = to_json(columns).decode()

    def each(self, rows: Sequence[Row]) -> list[str]:
        """Some rows, each by itself."""
        return [to_json({"row": {"columns": self._values(row)}}).decode() for row in rows if not row.deleted]


class Printed:
    """The records of a topic as lines of text."""

    begin = b""

    def each(self, rows: Sequence[Sequence[Any]]) -> list[str]:
        """Some records, each by itself."""
        return [f"rowtime: {r[0]}, key: {_said(r[3])}, value: {_said(r[4])}, partition: {r[1]}, offset: {r[2]}" for r in rows]

    def rows(self, rows: Sequence[Row]) -> bytes:
        """Some records."""
        return "".join(f"{line}\n" for line in self.each(rows)).encode()

    def end(self, message: str) -> bytes:
        """Nothing more."""
        return b""

    def failed(self, refusal: Refusal) -> bytes:
        """The failure."""
        return f"{refusal.message}\n".encode()


def _said(text: str | None) -> str:
    return "<null>" if text is None else text
