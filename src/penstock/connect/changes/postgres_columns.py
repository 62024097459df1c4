"""PostgreSQL's types as SQL types, and their text as values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal as Number
from typing import Any

from penstock.connect.changes.pgoutput import UNCHANGED
from penstock.connect.databases.columns import as_decimal, decimal_type
from penstock.errors import DataError
from penstock.sql.types import BIGINT, BOOLEAN, BYTES, DATE, DOUBLE, INTEGER, STRING, TIME, TIMESTAMP, Array, Decimal, SqlType

Read = Callable[[Any], Any]
EPOCH = datetime(1970, 1, 1)
_MICROSECONDS = 6
_NUMERIC, _BIT, _VARBIT = 1700, 1560, 1562
_MONEY = Decimal(19, 2)


@dataclass(frozen=True)
class Rendering:
    """How values are rendered: decimal.handling.mode, time.precision.mode and the text for values that the log does not hold."""

    decimals: str = "precise"
    times: str = "adaptive"
    unavailable: str = "__debezium_unavailable_value"


@dataclass(frozen=True)
class CatalogType:
    """What pg_type says of a type: `base` of a domain with its modifier, `element` of an array."""

    base: int = 0
    base_modifier: int = -1
    element: int = 0


def column_of(oid: int, modifier: int, catalog: Mapping[int, CatalogType], rendering: Rendering) -> tuple[SqlType, Read]:
    """The type of a column, and the function from the log's bytes to its value."""
    type_, read = _resolved(oid, modifier, catalog, rendering)
    missing = rendering.unavailable if type_ == STRING else rendering.unavailable.encode() if type_ == BYTES else None

    def of_bytes(data: Any) -> Any:
        if data is None:
            return None
        return missing if data is UNCHANGED else read(data.decode())

    return type_, of_bytes


def _resolved(oid: int, modifier: int, catalog: Mapping[int, CatalogType], rendering: Rendering) -> tuple[SqlType, Callable[[str], Any]]:
    known = _known(oid, modifier, rendering)
    if known is not None:
        return known
    entry = catalog.get(oid, CatalogType())
    if entry.base:
        return _resolved(entry.base, entry.base_modifier, catalog, rendering)
    if entry.element:
        item, read = _resolved(entry.element, modifier, catalog, rendering)
        return Array(item), lambda text: read_array(text, read)
    return STRING, str


def _known(oid: int, modifier: int, rendering: Rendering) -> tuple[SqlType, Callable[[str], Any]] | None:
    if oid in _PLAIN:
        return _PLAIN[oid]
    if oid == _NUMERIC:
        precision, scale = ((modifier - 4) >> 16, (modifier - 4) & 0x7FF) if modifier >= 0 else (None, None)
        return _decimal(decimal_type(precision, scale), rendering.decimals, Number)
    if oid == 790:
        return _decimal(_MONEY, rendering.decimals, lambda text: Number(re.sub(r"[^\d.-]", "", text)))
    if oid in (_BIT, _VARBIT):
        if oid == _BIT and modifier == 1:
            return BOOLEAN, lambda text: text == "1"
        return BYTES, lambda text: int(text or "0", 2).to_bytes((len(text) + 7) // 8, "little")
    if oid == 1184:  # with a zone
        if rendering.times == "connect":
            return TIMESTAMP, lambda text: _instant(text).astimezone(UTC).replace(tzinfo=None)
        return STRING, lambda text: _instant(text).astimezone(UTC).isoformat().replace("+00:00", "Z")
    if oid == 1266:
        return STRING, str
    digits = modifier if modifier >= 0 else _MICROSECONDS
    if oid == 1082:
        return (DATE, _date) if rendering.times == "connect" else (INTEGER, lambda text: (_date(text) - EPOCH.date()).days)
    if oid == 1114:
        return _timestamp(digits, rendering.times)
    if oid == 1083:
        return _time(digits, rendering.times)
    return None


def _decimal(type_: SqlType, mode: str, read: Callable[[str], Number]) -> tuple[SqlType, Callable[[str], Any]]:
    if mode == "string":
        return STRING, str
    if mode == "double":
        return DOUBLE, lambda text: float(read(text))
    assert isinstance(type_, Decimal)

    def exact(text: str) -> Any:
        number = read(text)
        if not number.is_finite():
            return None  # NaN and the infinities have no place in a DECIMAL
        try:
            return as_decimal(number, type_)
        except DataError:
            return number  # too large: the record goes the way of those that cannot be converted

    return type_, exact


def _timestamp(digits: int, mode: str) -> tuple[SqlType, Callable[[str], Any]]:
    if mode == "connect":
        return TIMESTAMP, _moment
    if mode == "adaptive" and digits <= 3:
        return BIGINT, lambda text: micros(_moment(text)) // 1000
    return BIGINT, lambda text: micros(_moment(text))


def _time(digits: int, mode: str) -> tuple[SqlType, Callable[[str], Any]]:
    def of_day(text: str) -> int:
        hours, minutes, seconds = text.split(":")
        return (int(hours) * 3600 + int(minutes) * 60) * 1_000_000 + round(float(seconds) * 1_000_000)

    if mode == "connect":
        return TIME, lambda text: time.max if text.startswith("24") else time.fromisoformat(text)
    if mode == "adaptive" and digits <= 3:
        return INTEGER, lambda text: of_day(text) // 1000
    return BIGINT, of_day


def micros(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def _moment(text: str) -> datetime:
    """A timestamp without a zone; what lies beyond Python's years 1 to 9999 (infinity, BC) is the first or the last there is."""
    if text.endswith(" BC") or text == "-infinity":
        return datetime.min
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return datetime.max


def _instant(text: str) -> datetime:
    moment = _moment(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _date(text: str) -> date:
    return _moment(text).date()


def read_array(text: str, read: Callable[[str], Any]) -> list[Any]:
    """An array's text, `{1,NULL,"a \\"b\\""}`, as a list."""
    text = text[text.index("{") :]  # bounds may stand before it
    stack: list[list[Any]] = [[]]
    for match in _ARRAY_PART.finditer(text):
        part = match[0]
        if part == "{":
            stack.append([])
        elif part == "}":
            done = stack.pop()
            stack[-1].append(done)
        elif part != ",":
            quoted = part.startswith('"')
            plain = re.sub(r"\\(.)", r"\1", part[1:-1] if quoted else part, flags=re.DOTALL)
            stack[-1].append(None if part.upper() == "NULL" else read(plain))
    whole: list[Any] = stack[0][0]
    return whole


_ARRAY_PART = re.compile(r'[{},]|"(?:[^"\\]|\\.)*"|(?:[^{},"\\]|\\.)+', re.DOTALL)

_PLAIN: dict[int, tuple[SqlType, Callable[[str], Any]]] = {
    16: (BOOLEAN, lambda text: text == "t"),
    17: (BYTES, lambda text: bytes.fromhex(text[2:])),
    20: (BIGINT, int),
    21: (INTEGER, int),
    23: (INTEGER, int),
    26: (BIGINT, int),
    700: (DOUBLE, float),
    701: (DOUBLE, float),
    25: (STRING, str),
    1042: (STRING, str),
    1043: (STRING, str),
    2950: (STRING, str),
}
