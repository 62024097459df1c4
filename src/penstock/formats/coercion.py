"""Values of a record to the Python values of the SQL types.

A coercer takes a value as a format's reader gives it and returns what `pyarrow.array` takes for the column's type: int, float, str, bytes,
bool, Decimal; DATE as days, TIME and TIMESTAMP as microseconds; lists, lists of pairs for MAP, dicts for STRUCT. None is NULL everywhere.
The rules are ksqlDB's: text to number, number to text, a fraction cut off for an integer; what does not fit is refused, never bent.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import decimal
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.sql.types import Array, Map, Primitive, SqlType, Struct
from penstock.sql.types import Decimal as DecimalType

Coercer = Callable[[Any], Any]

DAY_MS = 86_400_000
_WHOLE_MAX = 1 << 64
_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_SPECIAL = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_CONTEXT = decimal.Context(prec=100)
_EPOCH = datetime.datetime(1970, 1, 1)


class Misfit(Exception):  # noqa: N818 - not an error of the program: a record's value that its column cannot take
    """A value does not fit its column; `reason` says which and why."""

    def __init__(self, reason: str, path: str = "") -> None:
        self.reason = reason
        self.path = path
        super().__init__(reason)

    def under(self, name: str) -> Misfit:
        """The same misfit seen from the enclosing value."""
        return Misfit(self.reason, name + ("" if not self.path or self.path.startswith("[") else ".") + self.path)

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason


class NeedsExactNumbers(Exception):  # noqa: N818 - a request to read the record again, not an error
    """A fraction is wanted as text or DECIMAL, so that the reader must not pass it through a float."""


def misfit(value: Any, type_: SqlType, why: str = "") -> Misfit:
    """The misfit of a value: `'wet' is not a DOUBLE`."""
    word = str(type_)
    article = "an" if word[0] in "AEIOU" else "a"
    return Misfit(f"{shown(value)} is not {article} {word}{': ' + why if why else ''}")


def shown(value: Any) -> str:
    """A value for a message, at most some 60 characters."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return "an array"
    if isinstance(value, decimal.Decimal):
        return str(value)
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def coercer(type_: SqlType, *, native: bool = False) -> Coercer:
    """The coercer of a type. `native` is for readers that know bytes, dates, times and binary numbers (Avro, Protobuf); JSON writes them as base64
    and as numbers in decimal."""
    match type_:
        case DecimalType(precision, scale):
            to_decimal = _decimal(type_, precision, scale)
            return (lambda value: to_decimal(_shortest(value))) if native else to_decimal
        case Array(item):
            return _array(type_, coercer(item, native=native))
        case Map(key, value):
            return _map(type_, coercer(key, native=native), coercer(value, native=native))
        case Struct(fields):
            return struct_coercer(type_, [(f.name, coercer(f.type, native=native)) for f in fields])
        case Primitive("STRING"):
            return _native_string if native else _string
        case Primitive("BYTES"):
            return _native_bytes if native else _base64_bytes
        case Primitive(name):
            return _PRIMITIVES[name](type_)
    raise AssertionError(f"no coercion to {type_}")


def match_fields(record: Mapping[str, Any], names: Sequence[str]) -> list[Any]:
    """The values of `names` in a record: by the exact name, or else by the first that differs only in case; None where there is none."""
    values = []
    upper: dict[str, Any] | None = None
    for name in names:
        if name in record:
            values.append(record[name])
            continue
        if upper is None:
            upper = {}
            for spelling, value in record.items():
                upper.setdefault(spelling.upper(), value)
        values.append(upper.get(name.upper()))
    return values


def struct_coercer(type_: SqlType | None, fields: Sequence[tuple[str, Coercer]]) -> Callable[[Any], dict[str, Any] | None]:
    """The coercer of a record of named fields, each with its own."""
    names = [name for name, _ in fields]

    def to_struct(value: Any) -> dict[str, Any] | None:
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise misfit(value, type_) if type_ else Misfit(f"{shown(value)} is not a record of named fields")
        result = {}
        for (name, to_field), item in zip(fields, match_fields(value, names), strict=True):
            try:
                result[name] = to_field(item)
            except Misfit as problem:
                raise problem.under(name) from None
        return result

    return to_struct


def _array(type_: SqlType, to_item: Coercer) -> Coercer:
    def to_array(value: Any) -> list[Any] | None:
        if value is None:
            return None
        if not isinstance(value, list | tuple):
            raise misfit(value, type_)
        items = []
        for index, item in enumerate(value):
            try:
                items.append(to_item(item))
            except Misfit as problem:
                raise problem.under(f"[{index}]") from None
        return items

    return to_array


def _map(type_: SqlType, to_key: Coercer, to_value: Coercer) -> Coercer:
    def to_map(value: Any) -> list[tuple[Any, Any]] | None:
        if value is None:
            return None
        if isinstance(value, Mapping):
            entries = list(value.items())
        elif isinstance(value, list) and all(isinstance(e, Mapping) and {"key", "value"} <= e.keys() for e in value):
            entries = [(e["key"], e["value"]) for e in value]  # how Connect writes a map whose keys are not plain strings
        else:
            raise misfit(value, type_)
        items: dict[Any, Any] = {}
        for key, item in entries:
            if key is None:
                raise Misfit(f"a {type_} cannot have a NULL key")
            try:
                items[to_key(key)] = to_value(item)
            except Misfit as problem:
                raise problem.under(f"[{key!r}]") from None
        return list(items.items())

    return to_map


def _string(value: Any) -> str | None:
    if value is None or type(value) is str:
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | decimal.Decimal):
        return str(value)
    if isinstance(value, float):
        raise NeedsExactNumbers
    if isinstance(value, dict | list):
        if _has_float(value):
            raise NeedsExactNumbers
        import msgspec

        return msgspec.json.Encoder(decimal_format="number").encode(value).decode()
    if isinstance(value, bytes):
        raise misfit(value, Primitive("STRING"))
    return str(value)


def _native_string(value: Any) -> str | None:
    if isinstance(value, float):
        from penstock.formats.delimited import double_text

        return double_text(value)
    return _string(_shortest(value))


def _shortest(value: Any) -> Any:
    """A value whose binary fractions are the shortest decimals that stand for them; what is no number stays text."""
    if isinstance(value, float):
        return decimal.Decimal(repr(value)) if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {name: _shortest(item) for name, item in value.items()}
    if isinstance(value, list):
        return list(map(_shortest, value))
    return value


def _has_float(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_float, value.values()))
    if isinstance(value, list):
        return any(map(_has_float, value))
    return isinstance(value, float)


def _base64_bytes(value: Any) -> bytes | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise misfit(value, Primitive("BYTES"), "bytes are written as base64 text")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise misfit(value, Primitive("BYTES"), "it is not base64") from None


def _native_bytes(value: Any) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    raise misfit(value, Primitive("BYTES"))


def _boolean(type_: SqlType) -> Coercer:
    def to_boolean(value: Any) -> bool | None:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        raise misfit(value, type_)

    return to_boolean


def _whole(type_: SqlType, low: int, high: int, why: str) -> Callable[[Any], int | None]:
    def to_whole(value: Any) -> int | None:
        if value is None:
            return None
        number: int
        if type(value) is int:
            number = value
        elif isinstance(value, float | decimal.Decimal):
            if not -_WHOLE_MAX < value < _WHOLE_MAX:  # nor NaN
                raise misfit(value, type_)
            number = int(value)
        elif isinstance(value, str) and _INTEGER.fullmatch(value) and len(value) <= 40:
            number = int(value)
        else:
            raise misfit(value, type_)
        if not low <= number <= high:
            raise misfit(value, type_, why)
        return number

    return to_whole


def _integer(bits: int) -> Callable[[SqlType], Coercer]:
    limit: int = 1 << (bits - 1)
    return lambda type_: _whole(type_, -limit, limit - 1, f"it does not fit {bits} bits")


def _double(type_: SqlType) -> Coercer:
    def to_double(value: Any) -> float | None:
        if value is None or type(value) is float:
            return value
        if isinstance(value, bool):
            raise misfit(value, type_)
        if isinstance(value, str):
            if value in _SPECIAL:
                return _SPECIAL[value]
            if not _NUMBER.fullmatch(value):
                raise misfit(value, type_)
        elif not isinstance(value, int | decimal.Decimal | float):
            raise misfit(value, type_)
        try:
            number = float(value)
        except OverflowError:
            number = float("inf")
        if number in (float("inf"), float("-inf")) and not isinstance(value, float):
            raise misfit(value, type_, "it is too large")
        return number

    return to_double


def _decimal(type_: SqlType, precision: int, scale: int) -> Coercer:
    step = decimal.Decimal(1).scaleb(-scale)
    limit = decimal.Decimal(10) ** (precision - scale)

    def to_decimal(value: Any) -> decimal.Decimal | None:
        if value is None:
            return None
        if isinstance(value, bool):
            raise misfit(value, type_)
        if isinstance(value, float):
            raise NeedsExactNumbers
        if isinstance(value, int | decimal.Decimal) or (isinstance(value, str) and _NUMBER.fullmatch(value)):
            number = decimal.Decimal(value)
        else:
            raise misfit(value, type_)
        if not number.is_finite() or number.copy_abs() >= limit:  # abs() would round to 28 digits
            raise misfit(value, type_, f"it has more than {precision - scale} digits before the point")
        fitted = number.quantize(step, context=_CONTEXT)
        if fitted != number:
            raise misfit(value, type_, f"it has more than {scale} digits after the point")
        return fitted

    return to_decimal


def _date(type_: SqlType) -> Coercer:
    to_days = _whole(type_, -(1 << 31), (1 << 31) - 1, "days since 1970-01-01 are expected")

    def to_date(value: Any) -> int | None:
        if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
            return value.toordinal() - _EPOCH.toordinal()
        return to_days(value)

    return to_date


def _time(type_: SqlType) -> Coercer:
    to_ms = _whole(type_, 0, DAY_MS - 1, "milliseconds of the day are expected")

    def to_time(value: Any) -> int | None:
        if isinstance(value, datetime.time):
            return ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond // 1000 * 1000
        ms = to_ms(value)
        return None if ms is None else ms * 1000

    return to_time


def _timestamp(type_: SqlType) -> Coercer:
    limit = (1 << 63) // 1000 - 1
    to_ms = _whole(type_, -limit, limit, "milliseconds since 1970-01-01 are expected")

    def to_timestamp(value: Any) -> int | None:
        if isinstance(value, datetime.datetime):
            plain = value.astimezone(datetime.UTC).replace(tzinfo=None) if value.tzinfo else value
            return (plain - _EPOCH) // datetime.timedelta(milliseconds=1) * 1000
        ms = to_ms(value)
        return None if ms is None else ms * 1000

    return to_timestamp


def _null(type_: SqlType) -> Coercer:
    def to_null(value: Any) -> None:
        if value is not None:
            raise misfit(value, type_)

    return to_null


_PRIMITIVES: dict[str, Callable[[SqlType], Coercer]] = {
    "BOOLEAN": _boolean, "INTEGER": _integer(32), "BIGINT": _integer(64), "DOUBLE": _double,
    "DATE": _date, "TIME": _time, "TIMESTAMP": _timestamp, "NULL": _null,
}
