"""Java's patterns of dates and times, written and read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.functions.evaluation import connection

from penstock.functions import java_zones
from penstock.functions.java_regex import compiled, replacement
from penstock.functions.java_time import from_millis, pattern, text_to_timestamp, to_millis
from penstock.functions.java_zones import zone
from penstock.functions.scalar.json import steps_of

MOMENT = datetime(2020, 7, 5, 15, 4, 9, 123456, ZoneInfo("America/New_York"))


@pytest.mark.parametrize(
    ("format_", "wanted"),
    [
        ("yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "2020-07-05T15:04:09.123-04:00"),
        ("yy y uuuu M MMM MMMM d D E EEEE", "20 2020 2020 7 Jul July 5 187 Sun Sunday"),
        ("h hh K k H a", "3 03 3 15 15 PM"),
        ("S SSSSSS SSSSSSSSS n A", "1 123456 123456000 123456000 54249123"),
        ("X XX x Z O OOOO VV z", "-04 -0400 -04 -0400 GMT-4 GMT-04:00 America/New_York EDT"),
        ("Q 'o''clock' '' G", "3 o'clock ' AD"),
        ("QQ QQQ QQQQ QQQQQ", "03 Q3 3rd quarter 3"),
        ("zzz zzzz", "EDT Eastern Daylight Time"),
        ("YYYY w W e", "2020 28 2 1"),
        ("[HH:mm]", "15:04"),
    ],
)
def test_format(format_: str, wanted: str) -> None:
    assert pattern(format_).format(MOMENT) == wanted


@pytest.mark.parametrize("format_", ["yyyy-MM-dd HH:mm:ss.SSS", "dd/MM/yyyy 'at' hh%mm", "HH", "yyyyMMdd"])
def test_the_strftime_of_a_pattern_writes_the_same(format_: str) -> None:
    moment = MOMENT.astimezone(UTC)
    in_duckdb = connection().execute("SELECT strftime(?::TIMESTAMP, ?)", [moment.replace(tzinfo=None), pattern(format_).strftime()]).fetchall()
    assert in_duckdb == [(pattern(format_).format(moment),)]


@pytest.mark.parametrize("format_", ["d.M.yyyy", "EEE", "HH:mm a", "[HH]", "XXX", "SSSSSS"])
def test_a_pattern_that_duckdb_cannot_write_has_no_strftime(format_: str) -> None:
    assert pattern(format_).strftime() is None


@pytest.mark.parametrize(
    ("format_", "text", "wanted"),
    [
        ("yyyyMMddHHmm", "202007051504", datetime(2020, 7, 5, 15, 4)),
        ("d MMM yy", "5 jul 20", datetime(2020, 7, 5)),
        ("yyyy-DDD", "2020-187", datetime(2020, 7, 5)),
        ("HH:mm", "15:04", datetime(1970, 1, 1, 15, 4)),
        ("yyyy-MM-dd HH:mm", "2020-01-01 24:00", datetime(2020, 1, 2)),
        ("yyyy-MM-dd[ HH:mm]", "2020-01-01", datetime(2020, 1, 1)),
        ("yyyy-MM-dd HH:mm VV", "2020-07-05 15:04 Europe/Berlin", datetime(2020, 7, 5, 13, 4)),
        ("yyyy-MM-dd HH:mm Z", "2020-07-05 15:04 +0200", datetime(2020, 7, 5, 13, 4)),
        ("hh:mm a", "12:30 AM", datetime(1970, 1, 1, 0, 30)),
        ("yyyy-MM-dd HH:mm zzzz", "2020-07-05 15:04 pacific standard time", datetime(2020, 7, 5, 22, 4)),
        ("yyyy-MM-dd HH:mm z", "2020-07-05 15:04 CEST", datetime(2020, 7, 5, 13, 4)),
        ("yyyy-MM-dd HH:mm z", "2020-07-05 15:04 BST", datetime(2020, 7, 5, 14, 4)),
        ("yyyy-MM-dd HH:mm z", "2020-01-05 15:04 utc", datetime(2020, 1, 5, 15, 4)),
        ("yyyy-MM-dd HH:mm z", "2020-01-05 15:04 Europe/Berlin", datetime(2020, 1, 5, 14, 4)),
        ("YYYY-'W'ww-e", "2020-W01-4", datetime(2020, 1, 1)),
        ("YYYY-'W'w", "2019-W53", datetime(2019, 12, 29)),
    ],
)
def test_parse(format_: str, text: str, wanted: datetime) -> None:
    assert pattern(format_).parse(text) == wanted


@pytest.mark.parametrize(
    ("format_", "text"),
    [("yyyy-MM-dd", "2020-13-01"), ("HH:mm", "25:00"), ("yyyy", "20"), ("hh a", "13 PM"), ("yyyy-MM", "2020-01x")],
)
def test_text_that_does_not_fit(format_: str, text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message differs by case
        pattern(format_).parse(text)


@pytest.mark.parametrize("format_", ["yyyy-jj", "'open", "[HH", "HH]", "{HH}"])
def test_text_that_is_no_pattern(format_: str) -> None:
    with pytest.raises(ValueError, match="the format"):
        pattern(format_)


def test_zones() -> None:
    for name in ("UTC", "Z", "GMT+2", "+02:00", "-0330", "PST", "PDT", "Europe/London"):
        assert datetime(2020, 1, 1, tzinfo=zone(name)).utcoffset() is not None
    with pytest.raises(ValueError, match="unknown time zone"):
        zone("Nowhere/City")


def test_milliseconds() -> None:
    assert to_millis(from_millis(-1)) == -1
    assert to_millis(text_to_timestamp("2018-05-11T21:58:33.5Z")) == 1526075913500


def test_unknown_zones_do_not_read_the_time_zone_database_each(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []

    def look() -> set[str]:
        looked.append(1)
        return {"Europe/Paris"}

    monkeypatch.setattr(java_zones, "available_timezones", look)
    java_zones.known_zones.cache_clear()
    try:
        for number in range(3):
            with pytest.raises(ValueError, match=f"'Nowhere/{number}'"):
                zone(f"Nowhere/{number}")
    finally:
        java_zones.known_zones.cache_clear()
    assert len(looked) == 1


@pytest.mark.parametrize("cached", [zone, pattern, compiled, replacement, steps_of])
def test_what_is_kept_of_texts_in_the_data_is_bounded(cached: Any) -> None:
    assert cached.cache_parameters()["maxsize"] == 1024
