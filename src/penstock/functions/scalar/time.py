"""Dates and times."""

from __future__ import annotations

from datetime import UTC

from penstock.functions.define import python_scalar
from penstock.functions.java_time import from_millis, pattern, zone


@python_scalar("TIMESTAMPTOSTRING(millis BIGINT, format STRING) -> STRING", "TIMESTAMPTOSTRING(millis BIGINT, format STRING, zone STRING) -> STRING")
def timestamptostring(millis: int, format_: str, zone_name: str = "UTC") -> str:
    """Milliseconds since 1970-01-01 UTC as text, such as ROWTIME. FORMAT_TIMESTAMP does it for a TIMESTAMP.

    millis: ms since 1970-01-01 UTC
    format: a pattern of Java's DateTimeFormatter
    zone: the time zone that the text is in, UTC if not given

    TIMESTAMPTOSTRING(1577872800123, 'yyyy-MM-dd HH:mm:ss.SSS') -> '2020-01-01 10:00:00.123'
    TIMESTAMPTOSTRING(1577872800123, 'hh:mm:ss a', 'America/New_York') -> '05:00:00 AM'
    """
    return pattern(format_).format(from_millis(millis).replace(tzinfo=UTC).astimezone(zone(zone_name)))
