"""Where a record's file lies: the folders that a partitioner makes from the record, as Confluent's partitioners do."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from penstock.connect.contract import RefusedError
from penstock.connect.records import Record
from penstock.connect.text import plain_text
from penstock.errors import ConfigError

DAILY = "'year'=YYYY/'month'=MM/'day'=dd"
HOURLY = f"{DAILY}/'hour'=HH"
DAY_MS, HOUR_MS = 86_400_000, 3_600_000
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
"""The folder of records whose partitioning column is NULL: the name that Hive, Spark and DuckDB know."""

_MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

Moment = Callable[[Record], int]
"""From a record to the time, in ms since the epoch, that counts for it."""


class Partitioner(Protocol):
    """From a record to its folder below its topic's, without slashes at the ends; empty for none. Raises RefusedError."""

    def __call__(self, record: Record) -> str: ...


def folder_name(text: str) -> str:
    """Text as the name of one folder: what could lead elsewhere, or would mean something in a path, is percent-encoded."""
    name = quote(text, safe=" !#$&'()+,-.:;=@[]^_`{}~")
    return name.replace(".", "%2E") if name in (".", "..") else name or "%00"


def no_folders(record: Record) -> str:
    """DefaultPartitioner: the topic's partition."""
    return f"partition={record.partition}"


def by_fields(names: Sequence[str]) -> Partitioner:
    """FieldPartitioner: a folder `NAME=value` for each column."""

    def folders(record: Record) -> str:
        return "/".join(f"{folder_name(name)}={_value(record, name)}" for name in names)

    return folders


def _value(record: Record, name: str) -> str:
    value = column_of(record, name)
    return NO_VALUE if value is None else folder_name(plain_text(value))


def column_of(record: Record, name: str) -> Any:
    """A column's value, by its name in any case. Raises RefusedError where the record has none of that name."""
    if name in record.columns:
        return record.columns[name]
    for known, value in record.columns.items():
        if known.lower() == name.lower():
            return value
    raise RefusedError(f"It has no column {name}, which its folder depends on.")


def by_time(pattern: str, duration_ms: int, zone: ZoneInfo, moment: Moment) -> Partitioner:
    """TimeBasedPartitioner: folders from a pattern of Java's, for the beginning of the span of `duration_ms` in which the record lies."""
    write = _format(pattern)

    def folders(record: Record) -> str:
        at = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=moment(record))
        local = at.astimezone(zone).replace(tzinfo=None)
        past = int((local - datetime(1970, 1, 1)) / timedelta(milliseconds=1)) % duration_ms
        return write(local - timedelta(milliseconds=past))

    return folders


def time_zone(name: str) -> ZoneInfo:
    """A time zone by its name. Raises ConfigError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(f"'timezone' is '{name}', which is no time zone.", mend="Write UTC, or a name such as Europe/London.") from None


def field_time(name: str) -> Moment:
    """RecordField: a column's time, given as TIMESTAMP, DATE, ms since the epoch, or text in ISO 8601 (UTC where it has no zone)."""

    def moment(record: Record) -> int:
        value = column_of(record, name)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        try:
            at = datetime.fromisoformat(value) if isinstance(value, str) else value
        except ValueError:
            at = None
        if isinstance(at, date) and not isinstance(at, datetime):
            at = datetime(at.year, at.month, at.day)
        if not isinstance(at, datetime):
            raise RefusedError(f"Its column {name}, which says its time, holds none.")
        return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)

    return moment


def _format(pattern: str) -> Callable[[datetime], str]:
    """A pattern of Java's (and Joda's) date formats: letters in a row are a part of the date, text stands between quotes."""
    parts: list[Callable[[datetime], str]] = []
    for quoted, letters, other in re.findall(r"'((?:[^']|'')*)'|([A-Za-z]+)|([^A-Za-z']+|')", pattern):
        if letters:
            parts += [_part(run[0], len(run), pattern) for run in (m[0] for m in re.finditer(r"(.)\1*", letters))]
        else:
            parts.append(_text(other or quoted.replace("''", "'") or "'"))
    if any(name in ("", ".", "..") for name in "".join(p(datetime(2000, 1, 1)) for p in parts).split("/")):
        raise ConfigError(f"'path.format' is '{pattern}', which makes an empty name, or one that leads elsewhere.")
    return lambda at: "".join(part(at) for part in parts)


def _text(text: str) -> Callable[[datetime], str]:
    return lambda at: text


def _part(letter: str, count: int, pattern: str) -> Callable[[datetime], str]:
    numbers: Mapping[str, Callable[[datetime], int]] = {
        "M": lambda at: at.month,
        "L": lambda at: at.month,
        "d": lambda at: at.day,
        "D": lambda at: at.timetuple().tm_yday,
        "H": lambda at: at.hour,
        "k": lambda at: at.hour or 24,
        "K": lambda at: at.hour % 12,
        "h": lambda at: at.hour % 12 or 12,
        "m": lambda at: at.minute,
        "s": lambda at: at.second,
        "w": lambda at: at.isocalendar().week,
        "e": lambda at: at.isoweekday(),
    }
    if letter in "yYu":
        return lambda at: f"{at.year % 100:02d}" if count == 2 else f"{at.year:0{count}d}"
    if letter in "ML" and count > 2:
        return lambda at: _MONTHS[at.month - 1][: 3 if count == 3 else None]
    if letter == "E":
        return lambda at: _DAYS[at.weekday()][: 3 if count <= 3 else None]
    if letter == "a":
        return lambda at: "AM" if at.hour < 12 else "PM"
    if letter == "S":
        return lambda at: f"{at.microsecond:06d}".ljust(count, "0")[:count]
    if letter not in numbers:
        raise ConfigError(f"'path.format' is '{pattern}'; {letter} is no part of a date in it.", mend="Text stands between quotes: 'year'=YYYY.")
    return lambda at: f"{numbers[letter](at):0{count}d}"
