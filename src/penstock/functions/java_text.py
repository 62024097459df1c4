"""Values as text, and text as values, the way Java does it: what ksqlDB's users see in a STRING.

Facts from the Java API documentation of Double, Integer, LocalDate, LocalTime, LocalDateTime and AbstractCollection.
"""

from __future__ import annotations

import math
import re
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

_INTEGER = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DOUBLE = re.compile(r"[+-]?(NaN|Infinity|([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?)[dDfF]?")


def double_to_string(value: float) -> str:
    """`1.0`, `1.0E10`, `1.0E-5`, `NaN`, `-Infinity`: the shortest digits that give the value back.

    In scientific notation below 0.001 and from 10 million on.
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)
    shown = "".join(map(str, digits))
    return f"{'-' if sign else ''}{shown[0]}.{shown[1:] or '0'}E{exponent + len(digits) - 1}"


def time_to_string(value: time) -> str:
    """`13:25`, `13:25:01`, `13:25:01.500`: seconds and fractions only where they are not zero."""
    shown = f"{value.hour:02}:{value.minute:02}"
    if value.second or value.microsecond:
        shown += f":{value.second:02}"
    if value.microsecond:
        shown += f".{value.microsecond // 1000:03}" if value.microsecond % 1000 == 0 else f".{value.microsecond:06}"
    return shown


def datetime_to_string(value: datetime) -> str:
    """`2021-06-30T12:18:39.446`, always with milliseconds."""
    return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03}" if value.year > 999 else f"{value.isoformat(timespec='milliseconds')}"


def value_to_string(value: Any) -> str:
    """Any value as Java's `toString`: `[1, null]`, `{a=1}`, and a STRUCT's dict as `{A=1}` too."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case float():
            return double_to_string(value)
        case Decimal():
            return f"{value:f}"
        case datetime():
            return datetime_to_string(value)
        case date():
            return value.isoformat()
        case time():
            return time_to_string(value)
        case list():
            return f"[{', '.join(map(value_to_string, value))}]"
        case dict():
            return f"{{{', '.join(f'{value_to_string(k)}={value_to_string(v)}' for k, v in value.items())}}}"
    return str(value)


def string_to_integer(value: str, bits: int) -> int:
    """A whole number of `bits` bits. Raises ValueError for anything else; no spaces, no fraction."""
    if not _INTEGER.fullmatch(value):
        raise ValueError(f"{value!r} is not a whole number")
    number = int(value)
    if not -(1 << (bits - 1)) <= number < 1 << (bits - 1):
        raise ValueError(f"{value!r} does not fit {bits} bits")
    return number


def string_to_double(value: str) -> float:
    """A number as Java's Double.parseDouble reads it. Raises ValueError for anything else."""
    stripped = value.strip()
    if not _DOUBLE.fullmatch(stripped):
        raise ValueError(f"{value!r} is not a number")
    return float(stripped.rstrip("dDfF") if not stripped.endswith("Infinity") else stripped)


def string_to_decimal(value: str) -> Decimal:
    """An exact number. Raises ValueError for anything else."""
    if not _DECIMAL.fullmatch(value):
        raise ValueError(f"{value!r} is not a number")
    return Decimal(value)
