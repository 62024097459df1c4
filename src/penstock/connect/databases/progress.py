"""The queries by which a table (or a query) is read on from where it was: by a growing number, by times of change, or both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from penstock.errors import ConnectorError, DataError

if TYPE_CHECKING:
    import sqlalchemy
    from sqlalchemy.sql.elements import ColumnElement


@dataclass(frozen=True)
class Progress:
    """How rows are put in order, and which are new.

    `number`: the growing column, or None. `times`: the columns of the last change, of which the first that is not NULL counts. `delay_ms`: a row
    is left alone until it is so old, so that transactions which took their time before can still come in.
    """

    number: ColumnElement[Any] | None
    times: Sequence[ColumnElement[Any]]
    delay_ms: int

    @property
    def extra(self) -> list[ColumnElement[Any]]:
        """What to select behind the row, to know the position after it."""
        return [part for part in (self.number, self._time) if part is not None]

    @property
    def _time(self) -> ColumnElement[Any] | None:
        import sqlalchemy

        if not self.times:
            return None
        return self.times[0] if len(self.times) == 1 else sqlalchemy.func.coalesce(*self.times)

    @staticmethod
    def _as_text(column: ColumnElement[Any]) -> bool:
        """SQLite keeps times as text, and compares them as they were written: there columns have no type (`tables.shape_of`)."""
        import sqlalchemy

        return isinstance(column.type, sqlalchemy.types.NullType)

    def condition(self, position: Mapping[str, Any], end: Any) -> list[ColumnElement[bool]]:
        """The conditions for rows after the position, changed before `end`."""
        import sqlalchemy

        time, conditions = self._time, []
        if time is not None:
            if end is not None:
                until = sqlalchemy.func.replace(time, "T", " ") if self._as_text(self.times[0]) else time
                conditions.append(until < end)
            since = _parsed(position.get("timestamp"), text=self._as_text(self.times[0]))
            if since is not None and self.number is not None and "incrementing" in position:
                later_number = sqlalchemy.and_(time == since, self.number > number(position))
                conditions.append(sqlalchemy.or_(time > since, later_number))
            elif since is not None:
                conditions.append(time > since)
            else:
                conditions.append(time.is_not(None))
        elif self.number is not None and "incrementing" in position:
            conditions.append(self.number > number(position))
        return conditions

    def order(self) -> list[ColumnElement[Any]]:
        """The order of reading."""
        time = self._time
        return [part for part in (time, self.number) if part is not None]

    def position(self, extra: Sequence[Any]) -> dict[str, Any]:
        """The position after a row, from the values of `extra`."""
        values = list(extra)
        position: dict[str, Any] = {}
        if self.number is not None:
            position["incrementing"] = _number(values.pop(0))
        if self.times:
            position["timestamp"] = _written(values.pop(0))
        return position

    def end(self, connection: sqlalchemy.Connection) -> Any:
        """The time up to which changes count: the database's clock, less the delay, at the resolution of the column, since rows of the present
        second may still be joined by others."""
        import sqlalchemy

        if not self.times:
            return None
        dialect, column = connection.dialect.name, self.times[0]
        if self._as_text(column):
            return connection.scalar(sqlalchemy.select(sqlalchemy.func.strftime("%Y-%m-%d %H:%M:%S", "now", f"-{self.delay_ms / 1000} seconds")))
        zoned = bool(getattr(column.type, "timezone", False))
        if dialect == "postgresql":
            now = connection.scalar(sqlalchemy.select(sqlalchemy.func.current_timestamp() if zoned else sqlalchemy.func.localtimestamp()))
            digits = getattr(column.type, "precision", None)
        elif dialect in ("mysql", "mariadb"):
            now = connection.scalar(sqlalchemy.select(sqlalchemy.func.now(6)))
            digits = getattr(column.type, "fsp", None) or 0
        else:
            now, digits = connection.scalar(sqlalchemy.select(sqlalchemy.func.current_timestamp())), 0
        if not isinstance(now, datetime):
            raise ConnectorError(f"The database tells the time as {now!r}, which is not understood.")
        now -= timedelta(milliseconds=self.delay_ms)
        unit = 10 ** (6 - (6 if digits is None else digits))
        return now.replace(microsecond=now.microsecond // unit * unit)


def number(position: Mapping[str, Any]) -> int:
    """The growing number of a position."""
    return int(position["incrementing"])


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or value != int(value):
        raise DataError(f"The growing column holds {value!r}, which is no whole number.", mend="Name another in 'incrementing.column.name'.")
    return int(value)


def _written(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _parsed(value: str | None, *, text: bool) -> Any:
    return value if value is None or text else datetime.fromisoformat(value)


def initial(timestamp_ms: int, *, zoned: bool, text: bool) -> str:
    """The position `timestamp.initial` stands for, as the column writes its times; UTC."""
    at = datetime.fromtimestamp(timestamp_ms / 1000, UTC)
    if text:
        return at.strftime("%Y-%m-%d %H:%M:%S")
    return (at if zoned else at.replace(tzinfo=None)).isoformat()
