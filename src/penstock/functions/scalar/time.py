"""Dates and times.

Formats are patterns of Java's DateTimeFormatter: `yyyy-MM-dd HH:mm:ss.SSS`. Time zones are Java's zone ids: `UTC`, `Europe/London`, `+02:00`, `PST`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from penstock.functions.define import Settled, python_scalar, sql_scalar
from penstock.functions.java_time import EPOCH, from_millis, pattern, to_millis
from penstock.functions.java_zones import zone

EPOCH_DAY = EPOCH.date()

_INTERVALS = {
    "MILLISECONDS": "to_milliseconds", "SECONDS": "to_seconds", "MINUTES": "to_minutes", "HOURS": "to_hours",
    "DAYS": "to_days", "WEEKS": "to_weeks", "MONTHS": "to_months", "YEARS": "to_years",
}  # fmt: skip


def interval(unit: str, count: str) -> str:
    """SQL for an interval; `unit` is the SQL of a bare unit, a quoted text."""
    return f"{_INTERVALS[unit.strip(chr(39))]}({count})"


def in_range(sql: str, type_: str) -> str:
    """SQL for a date or timestamp that is an error outside of the years 1 to 9999, which DuckDB goes beyond, and Python and most formats do not."""
    years = f"{type_} '0001-01-01' AND {type_} '9999-12-31{' 23:59:59.999999' if type_ == 'TIMESTAMP' else ''}'"
    return f"CASE WHEN {sql} IS NULL OR {sql} BETWEEN {years} THEN {sql} ELSE CAST(CAST({sql} AS VARCHAR) || ' is no {type_}' AS {type_}) END"


@sql_scalar("DATEADD(unit UNIT, count INTEGER, date DATE) -> DATE")
def dateadd(unit: str, count: str, day: str) -> str:
    """A date some time later.

    unit: the unit of time, from MILLISECONDS to YEARS
    count: how many of them; negative for earlier
    date: the date

    DATEADD(DAYS, 10, PARSE_DATE('2020-01-25', 'yyyy-MM-dd')) -> PARSE_DATE('2020-02-04', 'yyyy-MM-dd')
    """
    return in_range(f"CAST({day} + {interval(unit, count)} AS DATE)", "DATE")


@sql_scalar("DATESUB(unit UNIT, count INTEGER, date DATE) -> DATE")
def datesub(unit: str, count: str, day: str) -> str:
    """A date some time earlier.

    unit: the unit of time, from MILLISECONDS to YEARS
    count: how many of them; negative for later
    date: the date

    DATESUB(DAYS, 10, PARSE_DATE('2020-01-25', 'yyyy-MM-dd')) -> PARSE_DATE('2020-01-15', 'yyyy-MM-dd')
    """
    return in_range(f"CAST({day} - {interval(unit, count)} AS DATE)", "DATE")


@sql_scalar("TIMEADD(unit UNIT, count INTEGER, time TIME) -> TIME")
def timeadd(unit: str, count: str, moment: str) -> str:
    """A time of day some time later, past midnight too.

    unit: the unit of time, from MILLISECONDS to YEARS
    count: how many of them; negative for earlier
    time: the time of day

    TIMEADD(MINUTES, 20, PARSE_TIME('23:50', 'HH:mm')) -> PARSE_TIME('00:10', 'HH:mm')
    """
    return f"({moment} + {interval(unit, count)})"


@sql_scalar("TIMESUB(unit UNIT, count INTEGER, time TIME) -> TIME")
def timesub(unit: str, count: str, moment: str) -> str:
    """A time of day some time earlier, before midnight too.

    unit: the unit of time, from MILLISECONDS to YEARS
    count: how many of them; negative for later
    time: the time of day

    TIMESUB(MINUTES, 20, PARSE_TIME('00:10', 'HH:mm')) -> PARSE_TIME('23:50', 'HH:mm')
    """
    return f"({moment} - {interval(unit, count)})"


@sql_scalar("TIMESTAMPADD(unit UNIT, count INTEGER, timestamp TIMESTAMP) -> TIMESTAMP")
def timestampadd(unit: str, count: str, moment: str) -> str:
    """A timestamp some time later.

    unit: the unit of time, from MILLISECONDS to YEARS
    count: how many of them; negative for earlier
    timestamp: the timestamp

    TIMESTAMPADD(SECONDS, 90, FROM_UNIXTIME(0)) -> FROM_UNIXTIME(90000)
    """
    return in_range(f"({moment} + {interval(unit, count)})", "TIMESTAMP")


@sql_scalar("TIMESTAMPSUB(unit UNIT, count INTEGER, timestamp TIMESTAMP) -> TIMESTAMP")
def timestampsub(unit: str, count: str, moment: str) -> str:
    """A timestamp some time earlier.

    unit: the unit of time, from MILLISECONDS to YEARS
    count: how many of them; negative for later
    timestamp: the timestamp

    TIMESTAMPSUB(SECONDS, 90, FROM_UNIXTIME(90000)) -> FROM_UNIXTIME(0)
    """
    return in_range(f"({moment} - {interval(unit, count)})", "TIMESTAMP")


@sql_scalar("FROM_DAYS(days INTEGER) -> DATE")
def from_days(days: str) -> str:
    """The date some days after 1970-01-01.

    days: how many days

    FROM_DAYS(10) -> PARSE_DATE('1970-01-11', 'yyyy-MM-dd')
    """
    return in_range(f"(DATE '1970-01-01' + {days})", "DATE")


@sql_scalar("UNIX_DATE(date DATE) -> INTEGER")
def unix_date(day: str) -> str:
    """How many days a date, or today in UTC, lies after 1970-01-01.

    date: the date; today if not given

    UNIX_DATE(PARSE_DATE('1970-01-11', 'yyyy-MM-dd')) -> 10
    """
    return f"CAST({day} - DATE '1970-01-01' AS INTEGER)"


@sql_scalar("UNIX_DATE() -> INTEGER", volatile=True)
def unix_date_today() -> str:
    """The form for today."""
    return "CAST(epoch_ms(now()) // 86400000 AS INTEGER)"


@sql_scalar("FROM_UNIXTIME(millis BIGINT) -> TIMESTAMP")
def from_unixtime(millis: str) -> str:
    """The timestamp some milliseconds after 1970-01-01 UTC.

    millis: how many ms

    FORMAT_TIMESTAMP(FROM_UNIXTIME(1577872800123), 'yyyy-MM-dd HH:mm:ss.SSS') -> '2020-01-01 10:00:00.123'
    """
    return in_range(f"make_timestamp({millis} * 1000)", "TIMESTAMP")


@sql_scalar("UNIX_TIMESTAMP(timestamp TIMESTAMP) -> BIGINT")
def unix_timestamp(moment: str) -> str:
    """How many milliseconds a timestamp, or now, lies after 1970-01-01 UTC.

    timestamp: the timestamp; now if not given

    UNIX_TIMESTAMP(FROM_UNIXTIME(5)) -> 5
    """
    return f"epoch_ms({moment})"


@sql_scalar("UNIX_TIMESTAMP() -> BIGINT", volatile=True)
def unix_timestamp_now() -> str:
    """The form for now."""
    return "epoch_ms(now())"


@python_scalar("CONVERT_TZ(timestamp TIMESTAMP, from STRING, to STRING) -> TIMESTAMP")
def convert_tz(moment: datetime, given: str, wanted: str) -> datetime:
    """A timestamp that shows the wall clock of one time zone, as one that shows that of another.

    timestamp: the timestamp
    from: the time zone that it shows
    to: the time zone that the result shall show

    UNIX_TIMESTAMP(CONVERT_TZ(FROM_UNIXTIME(100), '+0200', '+0500')) -> 10800100
    """
    return moment.replace(tzinfo=zone(given)).astimezone(zone(wanted)).replace(tzinfo=None)


# ---------------------------------------------------------------------------------------------- as text


def timestamp_text(moment: datetime, format_: str, zone_name: str) -> str:
    """A TIMESTAMP by a pattern, in a zone."""
    return pattern(format_).format(moment.replace(tzinfo=UTC).astimezone(zone(zone_name)))


def constant_strftime(settled: Settled) -> str | None:
    """The quoted strftime format that equals the call's pattern, where that is a constant, plain, and in UTC: then DuckDB can write it."""
    from penstock.functions.duckdb import text

    format_ = settled.values[1] if len(settled.values) > 1 else None
    if not isinstance(format_, str) or (len(settled.values) > 2 and settled.values[2] != "UTC"):
        return None
    plain = pattern(format_).strftime()
    return None if plain is None else text(plain)


@python_scalar(
    "FORMAT_TIMESTAMP(timestamp TIMESTAMP, format STRING) -> STRING",
    "FORMAT_TIMESTAMP(timestamp TIMESTAMP, format STRING, zone STRING) -> STRING",
    sql=lambda settled: (f := constant_strftime(settled)) and (lambda moment, *_: f"strftime({moment}, {f})"),
)
def format_timestamp(moment: datetime, format_: str, zone_name: str = "UTC") -> str:
    """A timestamp as text.

    timestamp: the timestamp
    format: how to write it, such as yyyy-MM-dd HH:mm:ss.SSS
    zone: the time zone that the text is in, UTC if not given

    FORMAT_TIMESTAMP(FROM_UNIXTIME(1577872800123), 'd MMM yyyy, HH:mm', 'Europe/Berlin') -> '1 Jan 2020, 11:00'
    """
    return timestamp_text(moment, format_, zone_name)


@python_scalar(
    "TIMESTAMPTOSTRING(millis BIGINT, format STRING) -> STRING",
    "TIMESTAMPTOSTRING(millis BIGINT, format STRING, zone STRING) -> STRING",
    sql=lambda settled: (f := constant_strftime(settled)) and (lambda millis, *_: f"strftime(make_timestamp({millis} * 1000), {f})"),
)
def timestamptostring(millis: int, format_: str, zone_name: str = "UTC") -> str:
    """Milliseconds since 1970-01-01 UTC as text, such as ROWTIME. FORMAT_TIMESTAMP does it for a TIMESTAMP.

    millis: ms since 1970-01-01 UTC
    format: how to write it, such as yyyy-MM-dd HH:mm:ss.SSS
    zone: the time zone that the text is in, UTC if not given

    TIMESTAMPTOSTRING(1577872800123, 'yyyy-MM-dd HH:mm:ss.SSS') -> '2020-01-01 10:00:00.123'
    TIMESTAMPTOSTRING(1577872800123, 'hh:mm:ss a', 'America/New_York') -> '05:00:00 AM'
    """
    return timestamp_text(from_millis(millis), format_, zone_name)


@python_scalar("FORMAT_DATE(date DATE, format STRING) -> STRING")
def format_date(day: date, format_: str) -> str:
    """A date as text.

    date: the date
    format: how to write it, such as dd/MM/yyyy

    FORMAT_DATE(FROM_DAYS(17662), 'dd-MMM-yyyy') -> '11-May-2018'
    """
    return pattern(format_).format(datetime.combine(day, time()))


@python_scalar("DATETOSTRING(days INTEGER, format STRING) -> STRING")
def datetostring(days: int, format_: str) -> str:
    """Days since 1970-01-01 as text. FORMAT_DATE does it for a DATE.

    days: days since 1970-01-01
    format: how to write it, such as yyyy-MM-dd

    DATETOSTRING(17662, 'yyyy-MM-dd') -> '2018-05-11'
    """
    try:
        day = EPOCH + timedelta(days=days)
    except OverflowError:
        raise OverflowError(f"{days} days since 1970-01-01 are no date that there is") from None
    return pattern(format_).format(day)


@python_scalar("FORMAT_TIME(time TIME, format STRING) -> STRING")
def format_time(moment: time, format_: str) -> str:
    """A time of day as text.

    time: the time of day
    format: how to write it, such as HH:mm:ss.SSS

    FORMAT_TIME(PARSE_TIME('13:05', 'HH:mm'), 'hh:mm a') -> '01:05 PM'
    """
    return pattern(format_).format(datetime.combine(EPOCH_DAY, moment))


# ---------------------------------------------------------------------------------------------- from text


@python_scalar(
    "PARSE_TIMESTAMP(text STRING, format STRING) -> TIMESTAMP", "PARSE_TIMESTAMP(text STRING, format STRING, zone STRING) -> TIMESTAMP"
)
def parse_timestamp(text: str, format_: str, zone_name: str = "UTC") -> datetime:
    """The timestamp that a text says.

    text: the timestamp as text
    format: how it is written, such as yyyy-MM-dd'T'HH:mm:ssX
    zone: the time zone that it is in unless it says so, UTC if not given

    UNIX_TIMESTAMP(PARSE_TIMESTAMP('2018-05-11T21:58:33', 'yyyy-MM-dd''T''HH:mm:ss')) -> 1526075913000
    """
    return pattern(format_).parse(text, zone(zone_name))


@python_scalar(
    "STRINGTOTIMESTAMP(text STRING, format STRING) -> BIGINT", "STRINGTOTIMESTAMP(text STRING, format STRING, zone STRING) -> BIGINT"
)
def stringtotimestamp(text: str, format_: str, zone_name: str = "UTC") -> int:
    """The milliseconds since 1970-01-01 UTC that a text says. PARSE_TIMESTAMP makes a TIMESTAMP.

    text: the timestamp as text
    format: how it is written, such as yyyy-MM-dd'T'HH:mm:ssX
    zone: the time zone that it is in unless it says so, UTC if not given

    STRINGTOTIMESTAMP('2018-05-11T21:58:33Z', 'yyyy-MM-dd''T''HH:mm:ssX') -> 1526075913000
    """
    return to_millis(pattern(format_).parse(text, zone(zone_name)))


@python_scalar("PARSE_DATE(text STRING, format STRING) -> DATE")
def parse_date(text: str, format_: str) -> date:
    """The date that a text says at its beginning. What follows is passed over.

    text: the date as text
    format: how it is written, such as yyyy-MM-dd

    UNIX_DATE(PARSE_DATE('11/05/2018', 'dd/MM/yyyy')) -> 17662
    UNIX_DATE(PARSE_DATE('2018-05-11T10:00', 'yyyy-MM-dd')) -> 17662
    """
    return pattern(format_).parse_date(text, open_end=True)


@python_scalar("STRINGTODATE(text STRING, format STRING) -> INTEGER")
def stringtodate(text: str, format_: str) -> int:
    """The days since 1970-01-01 that a text says. PARSE_DATE makes a DATE.

    text: the date as text
    format: how it is written, such as yyyy-MM-dd

    STRINGTODATE('2018-05-11', 'yyyy-MM-dd') -> 17662
    """
    return (pattern(format_).parse_date(text) - EPOCH_DAY).days


@python_scalar("PARSE_TIME(text STRING, format STRING) -> TIME")
def parse_time(text: str, format_: str) -> time:
    """The time of day that a text says.

    text: the time as text
    format: how it is written, such as HH:mm:ss

    FORMAT_TIME(PARSE_TIME('01:00:00 Pm', 'hh:mm:ss a'), 'HH:mm') -> '13:00'
    """
    return pattern(format_).parse_time(text)
