"""Dates and times as text by Java's DateTimeFormatter patterns: `yyyy-MM-dd HH:mm:ss.SSS`, `hh:mm a`, `d MMM yy`.

`Pattern` is a compiled pattern: `format` writes with it, `parse` reads with it.
Facts from the Java API documentation of DateTimeFormatter and ZoneId.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Any

from penstock.functions.java_zones import long_name, of_name, zone

EPOCH = datetime(1970, 1, 1)

MONTHS = tuple(calendar.month_name)[1:]
DAYS = tuple(calendar.day_name)
_ERAS = ("BC", "AD")
_QUARTERS = (("Q1", "Q2", "Q3", "Q4"), ("1st quarter", "2nd quarter", "3rd quarter", "4th quarter"))

def from_millis(millis: int) -> datetime:
    """The TIMESTAMP of ms since 1970-01-01 UTC. Raises OverflowError before the year 1 and after 9999."""
    try:
        return EPOCH + timedelta(milliseconds=millis)
    except OverflowError:
        raise OverflowError(f"{millis} ms since 1970-01-01 are no date that there is") from None


def to_millis(value: datetime) -> int:
    """The ms since 1970-01-01 UTC of a TIMESTAMP."""
    return (value - EPOCH) // timedelta(milliseconds=1)


# ---------------------------------------------------------------------------------------------- patterns


@dataclass(frozen=True, slots=True)
class Element:
    """One piece of a pattern: how it is written, the regular expression that reads it, the field it sets and the value read."""

    write: Callable[[datetime], str]
    expression: str
    field: str = ""
    read: Callable[[str], Any] = int
    strftime: str | None = None  # the same in DuckDB's strftime, where there is one


class Pattern:
    """A compiled pattern. Raises ValueError, saying what is wrong, where the text is no pattern."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.elements: list[Element] = []
        expression = ""
        for part in _parts(text):
            if isinstance(part, str):
                expression += part
                continue
            self.elements.append(part)
            expression += f"({part.expression})"
        self.expression = re.compile(expression, re.IGNORECASE)

    def format(self, value: datetime) -> str:
        """Write a moment; its zone is what zone letters show."""
        return "".join([element.write(value) for element in self.elements])

    def strftime(self) -> str | None:
        """The format of DuckDB's strftime that writes the same; None where there is none."""
        shapes = [element.strftime for element in self.elements]
        return None if None in shapes or "(?:" in self.expression.pattern else "".join(map(str, shapes))

    def fields(self, text: str, *, open_end: bool = False) -> dict[str, Any]:
        """What a text says, by field. Raises ValueError where it, or with `open_end` its beginning, does not follow the pattern."""
        found = self.expression.match(text) if open_end else self.expression.fullmatch(text)
        if found is None:
            raise ValueError(f"text {text!r} does not follow the format {self.text!r}")
        return {e.field: e.read(shown) for e, shown in zip(self.elements, found.groups(), strict=True) if e.field and shown is not None}

    def parse(self, text: str, default_zone: tzinfo = UTC) -> datetime:
        """The moment that a text says, as a naive datetime in UTC; what it does not say is that of 1970-01-01T00:00, and `default_zone`."""
        fields = self.fields(text)
        if "epoch" in fields:
            return from_millis(fields["epoch"])
        local = datetime.combine(_date_of(fields), _time_of(fields))
        if fields.get("hour") == 24:
            local += timedelta(days=1)
        return local.replace(tzinfo=fields.get("zone", default_zone)).astimezone(UTC).replace(tzinfo=None)

    def parse_date(self, text: str, *, open_end: bool = False) -> date:
        """The date that a text, or with `open_end` its beginning, says. Raises ValueError where the pattern has a time."""
        fields = self.fields(text, open_end=open_end)
        if fields.keys() & {"hour", "clock", "minute", "second", "fraction", "half"}:
            raise ValueError(f"the format {self.text!r} of a date has a time")
        return _date_of(fields)

    def parse_time(self, text: str) -> time:
        """The time of day that a text says. Raises ValueError where the pattern has a date."""
        fields = self.fields(text)
        if fields.keys() & {"year", "month", "day", "day_of_year"}:
            raise ValueError(f"the format {self.text!r} of a time has a date")
        return _time_of(fields)


@lru_cache(maxsize=1024)
def pattern(text: str) -> Pattern:
    """The compiled form of a pattern, made once."""
    return Pattern(text)


def _parts(text: str) -> list[Element | str]:
    """The elements of a pattern, with the brackets of optional sections as pieces of a regular expression."""
    parts: list[Element | str] = []
    depth = 0
    for token in re.finditer(r"'((?:[^']|'')*)'|([A-Za-z])\2*|(\[)|(\])|([^A-Za-z'\[\]])|(')", text):
        shown = token[0]
        if token[1] is not None:
            parts.append(_literal(token[1].replace("''", "'") or "'"))
        elif token[2]:
            parts.append(_letters(token[2], len(shown), text))
        elif token[3]:
            parts.append("(?:")
            depth += 1
        elif token[4]:
            parts.append(")?")
            depth -= 1
        elif token[5]:
            if shown in "{}#":
                raise ValueError(f"the format {text!r} has a reserved character {shown!r}; quote it")
            parts.append(_literal(shown))
        else:
            raise ValueError(f"the format {text!r} has an open quote")
        if depth < 0:
            break
    if depth:
        raise ValueError(f"the format {text!r} has an unmatched bracket")
    return parts


_STRFTIME = {("month", 2): "%m", ("day", 2): "%d", ("hour", 2): "%H", ("clock", 2): "%I", ("minute", 2): "%M", ("second", 2): "%S"}


def _literal(text: str) -> Element:
    return Element(lambda _: text, re.escape(text), strftime=text.replace("%", "%%"))


def _number(field: str, count: int, read_from: Callable[[datetime], int], most: int = 2) -> Element:
    digits = rf"\d{{{count}}}" if count > 1 else rf"\d{{1,{most}}}"
    return Element(lambda value: f"{read_from(value):0{count}}", digits, field, strftime=_STRFTIME.get((field, count)))


def _name(field: str, names: tuple[str, ...], index: Callable[[datetime], int], first: int) -> Element:
    lowered = [n.lower() for n in names]
    return Element(
        lambda value: names[index(value)],
        "|".join(sorted(map(re.escape, names), key=len, reverse=True)),
        field,
        lambda t: lowered.index(t.lower()) + first,
    )


def _letters(letter: str, count: int, text: str) -> Element:
    """The element of a run of one letter."""
    match letter:
        case "y" | "u":
            return _year(count)
        case "M" | "L":
            if count <= 2:
                return _number("month", count, lambda v: v.month)
            return _name("month", _shortened(MONTHS, count), lambda v: v.month - 1, 1)
        case "E" | "e" | "c" if letter == "E" or count > 2:
            return _name("weekday", _shortened(DAYS, max(count, 3)), lambda v: v.weekday(), 0)
        case "a":
            return _name("half", ("AM", "PM"), lambda v: v.hour // 12, 0)
        case "G":
            return _name("era", _ERAS if count != 4 else ("Before Christ", "Anno Domini"), lambda _: 1, 0)
        case "S":
            return Element(
                lambda v: f"{v.microsecond:06}000"[:count].ljust(count, "0"),
                rf"\d{{{count}}}",
                "fraction",
                lambda t: int(f"{t:0<6}"[:6]),
                "%g" if count == 3 else None,
            )
        case "X" | "x" | "Z" | "O":
            return _offset(letter, count)
        case "V" | "z" | "v":
            read = zone if letter == "V" else of_name
            words = "" if letter == "V" else r"[A-Za-z][A-Za-z -]* Time|"
            return Element(lambda v: _zone_name(v, letter, count), rf"{words}[A-Za-z][A-Za-z0-9/_+:-]*|[+-]\d\d:?\d\d", "zone", read)
        case "Q" | "q":
            if count > 2:
                return _name("quarter", _QUARTERS[count == 4] if count < 5 else ("1", "2", "3", "4"), lambda v: (v.month - 1) // 3, 1)
            return _number("quarter", count, lambda v: (v.month + 2) // 3)
        case "n":
            return _number("nano", count, lambda v: v.microsecond * 1000, 9)
        case "A":
            return _number("milli_of_day", count, lambda v: _micros_of_day(v) // 1000, 8)
        case "N":
            return _number("nano_of_day", count, lambda v: _micros_of_day(v) * 1000, 14)
    numbers: dict[str, tuple[str, Callable[[datetime], int], int]] = {
        "d": ("day", lambda v: v.day, 2),
        "D": ("day_of_year", lambda v: v.timetuple().tm_yday, 3),
        "H": ("hour", lambda v: v.hour, 2),
        "k": ("hour", lambda v: v.hour or 24, 2),
        "K": ("clock", lambda v: v.hour % 12, 2),
        "h": ("clock", lambda v: v.hour % 12 or 12, 2),
        "m": ("minute", lambda v: v.minute, 2),
        "s": ("second", lambda v: v.second, 2),
        "Y": ("week_year", lambda v: _week(v)[0], 4),
        "w": ("week", lambda v: _week(v)[1], 2),
        "W": ("week_of_month", lambda v: (v.day - 1 + _weekday(v.replace(day=1))) // 7 + 1, 1),
        "e": ("weekday_number", lambda v: v.isoweekday() % 7 + 1, 1),
        "c": ("weekday_number", lambda v: v.isoweekday() % 7 + 1, 1),
        "F": ("aligned_week", lambda v: (v.day - 1) % 7 + 1, 1),
    }
    if letter not in numbers:
        raise ValueError(f"the format {text!r} has an unknown letter {letter!r}; quote it if it is text")
    field, read_from, most = numbers[letter]
    if letter == "Y" and count == 2:
        return _number(field, 2, lambda v: _week(v)[0] % 100)
    return _number(field, count, read_from, most)


def _shortened(names: tuple[str, ...], count: int) -> tuple[str, ...]:
    return tuple(n[:3] if count == 3 else n if count == 4 else n[0] for n in names)


def _year(count: int) -> Element:
    if count == 2:
        return Element(lambda v: f"{v.year % 100:02}", r"\d{2}", "year", lambda t: 2000 + int(t))
    digits = rf"\d{{{count}}}|[+-]\d{{{count},9}}" if count > 1 else r"[+-]?\d{1,9}"
    return Element(lambda v: f"{v.year:0{count}}", digits, "year", strftime="%Y" if count == 4 else None)


def _weekday(value: date) -> int:
    """The day of the week, Sunday 0."""
    return value.isoweekday() % 7


def _week(value: date) -> tuple[int, int]:
    """The year and the week that a day lies in, as the United States count: a week begins on Sunday, the first one has the first of January."""
    sunday = value.toordinal() - _weekday(value)
    year = date.fromordinal(min(sunday + 6, date.max.toordinal())).year
    return year, (sunday - _first_sunday(year)) // 7 + 1


def _first_sunday(year: int) -> int:
    """The ordinal of the Sunday that begins a year's first week."""
    first = date(year, 1, 1)
    return first.toordinal() - _weekday(first)


def _micros_of_day(value: datetime) -> int:
    return ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond


def _offset(letter: str, count: int) -> Element:
    """+01, +0100, +01:00 and their like; `X` writes no offset as Z."""
    utc = "Z" if letter == "X" or (letter == "Z" and count == 5) else None

    def write(value: datetime) -> str:
        seconds = int((value.utcoffset() or timedelta()).total_seconds())
        if seconds == 0 and utc:
            return utc
        sign, rest = ("-" if seconds < 0 else "+"), abs(seconds)
        hours, minutes, extra = rest // 3600, rest // 60 % 60, rest % 60
        if letter == "O" or (letter == "Z" and count == 4):
            if seconds == 0:
                return "GMT"
            return f"GMT{sign}{hours:02}:{minutes:02}" if count == 4 else f"GMT{sign}{hours}{f':{minutes:02}' if minutes else ''}"
        shape = (2 if count < 4 else 5) if letter == "Z" else count
        colon = ":" if shape in (3, 5) else ""
        if shape == 1:
            return f"{sign}{hours:02}{f'{minutes:02}' if minutes else ''}"
        return f"{sign}{hours:02}{colon}{minutes:02}{f'{colon}{extra:02}' if extra and shape > 3 else ''}"

    return Element(write, r"Z|(?:GMT)?[+-]\d{1,2}(?::?\d{2})?(?::?\d{2})?|GMT", "zone", lambda t: zone(t.upper()))


def _zone_name(value: datetime, letter: str, count: int) -> str:
    key = getattr(value.tzinfo, "key", None)
    if letter == "z" and count == 4 and (name := long_name(value)):
        return name
    if letter == "V" or key is None:
        shown = value.strftime("%z")
        return key or (
            "Z" if value.utcoffset() == timedelta() and letter == "V" else "UTC" if value.utcoffset() == timedelta() else f"{shown[:3]}:{shown[3:]}"
        )
    return value.tzname() or key


# ---------------------------------------------------------------------------------------------- fields


def _date_of(fields: dict[str, Any]) -> date:
    year = fields.get("year", 1970)
    if fields.get("era") == 0 or not 1 <= year <= 9999:
        raise ValueError(f"the year {year} is out of range (1 to 9999)")
    if "day_of_year" in fields:
        found = date(year, 1, 1) + timedelta(days=fields["day_of_year"] - 1)
        if found.year != year:
            raise ValueError(f"{year} has no day {fields['day_of_year']}")
        return found
    if "week_year" in fields and "week" in fields:
        if not (1 <= fields["week_year"] <= 9999 and 1 <= fields["week"] <= 54 and 1 <= fields.get("weekday_number", 1) <= 7):
            raise ValueError("the year, week or day of the week is out of range")
        return date.fromordinal(_first_sunday(fields["week_year"]) + 7 * fields["week"] - 7 + fields.get("weekday_number", 1) - 1)
    month, day = fields.get("month", 1), fields.get("day", 1)
    if not (1 <= month <= 12 and 1 <= day <= 31):
        raise ValueError(f"there is no month {month}" if not 1 <= month <= 12 else f"there is no day {day}")
    return date(year, month, min(day, calendar.monthrange(year, month)[1]))


def _time_of(fields: dict[str, Any]) -> time:
    if "milli_of_day" in fields:
        return (EPOCH + timedelta(milliseconds=fields["milli_of_day"])).time()
    if "nano_of_day" in fields:
        return (EPOCH + timedelta(microseconds=fields["nano_of_day"] // 1000)).time()
    hour = fields.get("hour", 0) % 24
    if "clock" in fields:
        if not 0 <= fields["clock"] <= 12:
            raise ValueError(f"there is no hour {fields['clock']} on a 12-hour clock")
        hour = fields["clock"] % 12 + 12 * fields.get("half", 0)
    if fields.get("hour", 0) > 24:
        raise ValueError(f"there is no hour {fields['hour']}")
    micros = fields.get("fraction", fields.get("nano", 0) // 1000)
    return time(hour, fields.get("minute", 0), fields.get("second", 0), micros)


# ---------------------------------------------------------------------------------------------- text without a pattern

_PARTIAL = re.compile(
    r"(?P<year>[+-]?\d{4,9})(-(?P<month>\d\d?)(-(?P<day>\d\d?))?)?"
    r"([T ](?P<hour>\d\d?)?(:(?P<minute>\d\d?)(:(?P<second>\d\d?)([.,](?P<fraction>\d{1,9}))?)?)?(?P<zone>Z|[+-]\d\d(:?\d\d)?)?)?"
)


def text_to_timestamp(text: str) -> datetime:
    """A TIMESTAMP of ISO 8601 text, of which any tail may be missing: `2020`, `2020-05`, `2020-05-26T23:59`, `2020-05-26T23:59:58.123+01:00`.

    Raises ValueError for other text. The result is naive, in UTC.
    """
    found = _PARTIAL.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no timestamp: it should look like 2020-05-26T23:59:58.123")
    said = found.groupdict()
    fields: dict[str, Any] = {k: int(v) for k, v in said.items() if v is not None and k not in ("fraction", "zone")}
    fields["fraction"] = int(f"{said['fraction'] or '':0<6}"[:6])
    local = datetime.combine(_date_of(fields), _time_of(fields))
    return local.replace(tzinfo=zone(said["zone"] or "Z")).astimezone(UTC).replace(tzinfo=None)


def text_to_date(text: str) -> date:
    """A DATE of `yyyy-MM-dd` text, of which the tail may be missing. Raises ValueError for other text, a time included."""
    if "T" in text or ":" in text:
        raise ValueError(f"{text!r} is no date: it has a time")
    return text_to_timestamp(text).date()


def text_to_time(text: str) -> time:
    """A TIME of `HH:mm:ss.SSS` text, of which the tail may be missing. Raises ValueError for other text."""
    found = re.fullmatch(r"(\d\d?)(?::(\d\d?)(?::(\d\d?)(?:\.(\d{1,9}))?)?)?", text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no time: it should look like 23:59:58.123")
    hour, minute, second, fraction = found.groups()
    return time(int(hour), int(minute or 0), int(second or 0), int(f"{fraction or '':0<6}"[:6]))
