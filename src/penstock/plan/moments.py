"""Dates and times in text: the STRING literals that stand where a timestamp, a date or a time is wanted."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from penstock.errors import Position, SqlError
from penstock.sql.types import DATE, TIME, SqlType

_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?")
_TIME = re.compile(r"(\d{1,2})(?::(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?")
_OFFSET = re.compile(r"([+-])(\d{2}):?(\d{2})?")
EPOCH = datetime(1970, 1, 1)


def parse_moment(text: str, type_: SqlType, position: Position | None = None) -> date | time | datetime:
    """A literal as the TIMESTAMP, DATE or TIME it means. A timestamp may be partial (`2018`, `2018-01-01T12`) and may end in a zone (`Z`,
    `+0100`, `Europe/Berlin`); UTC where it has none. Raises SqlError."""
    try:
        if type_ == DATE:
            return _date(text.strip())
        return _time(text.strip()) if type_ == TIME else _timestamp(text.strip())
    except (ValueError, ZoneInfoNotFoundError, OverflowError):
        example = "2020-12-31" if type_ == DATE else "23:59:59.123" if type_ == TIME else "2020-12-31T23:59:59.123"
        raise SqlError(f"'{text}' is no {type_}.", mend=f"Write it like '{example}'.", position=position) from None


def to_ms(moment: datetime) -> int:
    """A timestamp (UTC, no zone) in ms since 1970."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def _date(text: str) -> date:
    match = _DATE.fullmatch(text)
    if not match:
        raise ValueError(text)
    return date(*(int(part or 1) for part in match.groups()))


def _time(text: str) -> time:
    match = _TIME.fullmatch(text)
    if not match:
        raise ValueError(text)
    hour, minute, second, fraction = match.groups()
    return time(int(hour), int(minute or 0), int(second or 0), int((fraction or "0").ljust(6, "0")[:6]))


def _timestamp(text: str) -> datetime:
    day, _, rest = text.partition("T") if "T" in text else text.partition(" ")
    clock = _TIME.match(rest)
    midnight = clock is not None and clock.group(1) == "24" and not any(int(part) for part in clock.groups()[1:] if part)
    moment = datetime.combine(_date(day), _time(clock.group()) if clock and not midnight else time())
    if midnight:  # 24:00 is the next day's 00:00
        moment += timedelta(days=1)
    zone = (rest[clock.end():] if clock else rest).strip()
    if zone:
        moment = moment.replace(tzinfo=_zone(zone)).astimezone(UTC).replace(tzinfo=None)
    return moment


def _zone(text: str) -> timezone | ZoneInfo:
    if text in ("Z", "UTC", "GMT"):
        return UTC
    if offset := _OFFSET.fullmatch(text):
        sign, hours, minutes = offset.groups()
        ahead = timedelta(hours=int(hours), minutes=int(minutes or 0))
        return timezone(ahead if sign == "+" else -ahead)
    return ZoneInfo(text)
