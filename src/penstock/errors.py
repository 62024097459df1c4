"""Errors a user can cause, each saying what is wrong, where, why, and the mend."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Position:
    """A place in SQL text: `line` and `column`, both counted from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.line}:{self.column}"


class Error(Exception):
    """Base of every error that a user's input, data or configuration can cause.

    `what` names the thing and what is wrong with it; `mend` says what to do about it.
    `position` is the place in the SQL text, where there is one. `str(error)` is the whole message on one line:
    `Line 3:12: SUM takes a number, but MESSAGE is a STRING. Cast it, or use COUNT.`
    """

    def __init__(self, what: str, *, mend: str = "", position: Position | None = None) -> None:
        self.what = what
        self.mend = mend
        self.position = position
        super().__init__(what)

    def __str__(self) -> str:
        where = f"Line {self.position}: " if self.position else ""
        return f"{where}{self.what}{' ' + self.mend if self.mend else ''}"

    def at(self, position: Position | None) -> Error:
        """Set the place in the SQL text, unless a closer one is known already; return the error itself."""
        if self.position is None:
            self.position = position
        return self


class SqlError(Error):
    """The SQL text cannot be understood, or asks for what cannot be done."""


class DataError(Error):
    """A record or a value does not fit its format, schema or type."""


class SchemaError(Error):
    """A schema is malformed, unknown, or incompatible with the earlier ones of its subject."""


class TopicError(Error):
    """A topic does not exist, exists already, or is used wrongly."""


class RecordError(TopicError):
    """A topic does not take a record: it is too large."""


class StorageError(Error):
    """The folder cannot be opened, is in use by another writer, or failed to write durably."""


class StorageLostError(StorageError):
    """The folder takes nothing more until it is opened anew: a write failed and what is on the disk is unknown, or it was closed."""


class ConfigError(Error):
    """A setting, an option or a connector's configuration is unknown or has a bad value."""


class ConnectorError(Error):
    """A connector's far side refused or failed."""
