"""Time zones by Java's ids, and the names that patterns with `z` show and read.

Facts from the Java API documentation of ZoneId and TimeZone; the names are those that the zones have in English.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

_SHORT_IDS = {
    "EST": "-05:00", "MST": "-07:00", "HST": "-10:00", "ACT": "Australia/Darwin", "AET": "Australia/Sydney",
    "AGT": "America/Argentina/Buenos_Aires", "ART": "Africa/Cairo", "AST": "America/Anchorage",
    "BET": "America/Sao_Paulo", "BST": "Asia/Dhaka", "CAT": "Africa/Harare", "CNT": "America/St_Johns",
    "CST": "America/Chicago", "CTT": "Asia/Shanghai", "EAT": "Africa/Addis_Ababa", "ECT": "Europe/Paris", "IET": "America/Indiana/Indianapolis",
    "IST": "Asia/Kolkata", "JST": "Asia/Tokyo", "MIT": "Pacific/Apia", "NET": "Asia/Yerevan", "NST": "Pacific/Auckland", "PLT": "Asia/Karachi",
    "PNT": "America/Phoenix", "PRT": "America/Puerto_Rico", "PST": "America/Los_Angeles", "SST": "Pacific/Guadalcanal", "VST": "Asia/Ho_Chi_Minh",
    "PDT": "America/Los_Angeles", "EDT": "America/New_York", "CDT": "America/Chicago", "MDT": "America/Denver",
}  # fmt: skip


@cache
def known_zones() -> frozenset[str]:
    """The names of the regions there are. Looked up once: that reads the folders of the time zone database, some 10 ms."""
    return frozenset(available_timezones())


@lru_cache(maxsize=1024)
def zone(name: str) -> tzinfo:
    """The time zone of a Java zone id: `Europe/London`, `UTC`, `Z`, `+02:00`, `GMT+2`, `PST`. Raises ValueError for an unknown one."""
    plain = _SHORT_IDS.get(name, name)
    if plain in ("Z", "UTC", "GMT", "UT"):
        return UTC
    offset = re.fullmatch(r"(?:UTC|GMT|UT)?([+-])(\d{1,2})(?::?(\d{2}))?(?::?(\d{2}))?", plain)
    if offset:
        seconds = int(offset[2]) * 3600 + int(offset[3] or 0) * 60 + int(offset[4] or 0)
        return timezone(timedelta(seconds=seconds if offset[1] == "+" else -seconds))
    if plain not in known_zones():
        raise ValueError(f"unknown time zone {name!r}")
    return ZoneInfo(plain)


# ---------------------------------------------------------------------------------------------- names

_NAMES = (
    ("UTC", "Coordinated Universal Time", "Coordinated Universal Time"),
    ("America/New_York America/Toronto America/Detroit", "Eastern Standard Time", "Eastern Daylight Time"),
    ("America/Chicago America/Winnipeg America/Mexico_City", "Central Standard Time", "Central Daylight Time"),
    ("America/Denver America/Phoenix America/Edmonton", "Mountain Standard Time", "Mountain Daylight Time"),
    ("America/Los_Angeles America/Vancouver America/Tijuana", "Pacific Standard Time", "Pacific Daylight Time"),
    ("America/Anchorage", "Alaska Standard Time", "Alaska Daylight Time"),
    ("Pacific/Honolulu", "Hawaii-Aleutian Standard Time", "Hawaii-Aleutian Daylight Time"),
    ("America/Halifax", "Atlantic Standard Time", "Atlantic Daylight Time"),
    ("America/St_Johns", "Newfoundland Standard Time", "Newfoundland Daylight Time"),
    ("America/Sao_Paulo", "Brasilia Standard Time", "Brasilia Summer Time"),
    ("America/Argentina/Buenos_Aires", "Argentina Standard Time", "Argentina Summer Time"),
    ("Europe/London", "Greenwich Mean Time", "British Summer Time"),
    ("Europe/Paris Europe/Berlin Europe/Madrid Europe/Rome Europe/Amsterdam Europe/Brussels Europe/Vienna Europe/Zurich Europe/Stockholm "
     "Europe/Oslo Europe/Copenhagen Europe/Prague Europe/Warsaw Europe/Budapest", "Central European Standard Time", "Central European Summer Time"),
    ("Europe/Athens Europe/Helsinki Europe/Kiev Europe/Kyiv Europe/Bucharest Europe/Sofia Africa/Cairo", "Eastern European Standard Time",
     "Eastern European Summer Time"),
    ("Europe/Lisbon", "Western European Standard Time", "Western European Summer Time"),
    ("Europe/Moscow", "Moscow Standard Time", "Moscow Summer Time"),
    ("Africa/Johannesburg", "South Africa Standard Time", "South Africa Standard Time"),
    ("Asia/Kolkata", "India Standard Time", "India Standard Time"),
    ("Asia/Dubai", "Gulf Standard Time", "Gulf Standard Time"),
    ("Asia/Singapore", "Singapore Standard Time", "Singapore Standard Time"),
    ("Asia/Shanghai", "China Standard Time", "China Daylight Time"),
    ("Asia/Hong_Kong", "Hong Kong Standard Time", "Hong Kong Summer Time"),
    ("Asia/Tokyo", "Japan Standard Time", "Japan Daylight Time"),
    ("Asia/Seoul", "Korean Standard Time", "Korean Daylight Time"),
    ("Australia/Perth", "Australian Western Standard Time", "Australian Western Daylight Time"),
    ("Australia/Adelaide Australia/Darwin", "Australian Central Standard Time", "Australian Central Daylight Time"),
    ("Australia/Sydney Australia/Melbourne Australia/Brisbane", "Australian Eastern Standard Time", "Australian Eastern Daylight Time"),
    ("Pacific/Auckland", "New Zealand Standard Time", "New Zealand Daylight Time"),
)  # fmt: skip
"""Regions, and the names of their time in winter and in summer; the first region of several is meant where a name is read."""

_ABBREVIATIONS = {
    "BST": "Europe/London", "WET": "Europe/Lisbon", "WEST": "Europe/Lisbon", "CET": "Europe/Paris", "CEST": "Europe/Paris", "EET": "Europe/Athens",
    "EEST": "Europe/Athens", "MSK": "Europe/Moscow", "KST": "Asia/Seoul", "HKT": "Asia/Hong_Kong", "SGT": "Asia/Singapore",
    "SAST": "Africa/Johannesburg", "AWST": "Australia/Perth", "ACST": "Australia/Adelaide", "ACDT": "Australia/Adelaide",
    "AEST": "Australia/Sydney", "AEDT": "Australia/Sydney", "NZST": "Pacific/Auckland", "NZDT": "Pacific/Auckland", "EST": "America/New_York",
    "MST": "America/Denver", "HST": "Pacific/Honolulu", "AKST": "America/Anchorage", "AKDT": "America/Anchorage", "ADT": "America/Halifax",
    "NDT": "America/St_Johns",
}  # fmt: skip
"""The short names that no id is, or an id of something else."""

_OF_REGION = {region: (winter, summer) for regions, winter, summer in _NAMES for region in regions.split()}
_REGIONS = {name.lower(): regions.split()[0] for regions, *names in reversed(_NAMES) for name in names}


def long_name(value: datetime) -> str | None:
    """The name of the time that a moment is given in, such as `Central European Summer Time`; None where none is known."""
    key = getattr(value.tzinfo, "key", None) or ("UTC" if value.tzinfo is UTC else None)
    names = _OF_REGION.get(key or "")
    return names[bool(value.dst())] if names else None


def of_name(text: str) -> tzinfo:
    """The zone that `z` reads: a long or short name, or an id. Raises ValueError for an unknown one."""
    return zone(_REGIONS.get(text.lower()) or _ABBREVIATIONS.get(text.upper()) or (text.upper() if "/" not in text else text))
