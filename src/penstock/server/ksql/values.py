"""Values between JSON and SQL, as ksqlDB's interface writes them.

DECIMALs are JSON numbers with all their digits, BYTES are base64, DATE, TIME and TIMESTAMP ISO 8601 (in UTC), ARRAY is an array, MAP and STRUCT are
objects.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal as Number
from typing import Any

from penstock.errors import DataError
from penstock.sql.types import Array, Decimal, Map, SqlType, Struct

Convert = Callable[[Any], Any]


def to_json(type_: SqlType) -> Convert | None:
    """How a value of a type becomes one of JSON; None: as it is."""
    match type_:
        case Array(item):
            inner = to_json(item)
            return (lambda values: values and [v if v is None else inner(v) for v in values]) if inner else None
        case Map(key, item):
            return _map(key, to_json(item))
        case Struct(fields):
            parts = [(f.name, to_json(f.type)) for f in fields]
            return lambda value: (
                value and {name: convert(value[name]) if convert and value[name] is not None else value[name] for name, convert in parts}
            )
    return _SCALARS.get(str(type_))


def _map(key: SqlType, inner: Convert | None) -> Convert:
    name = to_json(key) or (lambda k: k)

    def convert(value: Any) -> Any:
        if value is None:
            return None
        pairs = value.items() if isinstance(value, dict) else value
        return {_name(name(k)): inner(v) if inner and v is not None else v for k, v in pairs}

    return convert


def _name(key: Any) -> str:
    """A MAP's key as the name in an object."""
    if isinstance(key, str):
        return key
    return json.dumps(key, default=str)


def _number(value: float | None) -> float | str | None:
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _stamp(value: datetime | None) -> str | None:
    if value is None:
        return None
    moment = value.astimezone(UTC) if value.tzinfo else value
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds")


_SCALARS: Mapping[str, Convert] = {
    "DOUBLE": _number,
    "BYTES": lambda value: None if value is None else base64.b64encode(value).decode(),
    "TIMESTAMP": _stamp,
    "DATE": lambda value: None if value is None else value.isoformat(),
    "TIME": lambda value: None if value is None else value.isoformat(timespec="auto" if not value.microsecond else "milliseconds"),
}


# ---------------------------------------------------------------------------------------------- the other way


def from_json(value: Any, type_: SqlType) -> Any:
    """A value of JSON as Python has one of a type, for `Database.insert`. Raises DataError, which says what it is not."""
    if value is None:
        return None
    match type_:
        case Array(item):
            if not isinstance(value, list):
                raise _misfit(value, type_)
            return [from_json(v, item) for v in value]
        case Map(key, item):
            if not isinstance(value, dict):
                raise _misfit(value, type_)
            return {_key(k, key): from_json(v, item) for k, v in value.items()}
        case Struct():
            if not isinstance(value, dict):
                raise _misfit(value, type_)
            return {name: from_json(v, _field(type_, name)) for name, v in value.items()}
        case Decimal():
            return _decimal(value, type_)
    return _READ[str(type_)](value, type_)


def _misfit(value: Any, type_: SqlType) -> DataError:
    shown = json.dumps(value, default=str)
    return DataError(f"{shown if len(shown) <= 60 else shown[:57] + '...'} is no {type_}.")


def _field(type_: Struct, name: str) -> SqlType:
    field = type_.field(name) or type_.field(name.upper())
    if field is None:
        raise DataError(f"there is no field {name}; there are {', '.join(f.name for f in type_.fields)}.")
    return field.type


def _key(text: str, type_: SqlType) -> Any:
    """A MAP's key, which JSON has as text."""
    if str(type_) == "STRING":
        return text
    try:
        return from_json(json.loads(text, parse_float=Number), type_)
    except ValueError:
        raise _misfit(text, type_) from None


def _decimal(value: Any, type_: SqlType) -> Number:
    if isinstance(value, bool) or not isinstance(value, int | float | Number | str):
        raise _misfit(value, type_)
    try:
        return Number(value if isinstance(value, str | Number) else str(value))
    except ArithmeticError:
        raise _misfit(value, type_) from None


def _whole(value: Any, type_: SqlType) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _misfit(value, type_)
    return value


def _double(value: Any, type_: SqlType) -> float:
    if value in ("NaN", "Infinity", "-Infinity"):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Number):
        raise _misfit(value, type_)
    return float(value)


def _boolean(value: Any, type_: SqlType) -> bool:
    if not isinstance(value, bool):
        raise _misfit(value, type_)
    return value


def _text(value: Any, type_: SqlType) -> str:
    """Text; a number or a truth value as JSON writes it."""
    if isinstance(value, dict | list):
        raise _misfit(value, type_)
    return value if isinstance(value, str) else str(value) if isinstance(value, Number) else json.dumps(value)


def _bytes(value: Any, type_: SqlType) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise _misfit(value, type_) from None


def _moment(kind: Callable[[str], Any]) -> Callable[[Any, SqlType], Any]:
    def read(value: Any, type_: SqlType) -> Any:
        try:
            return kind(value)
        except (ValueError, TypeError):
            raise _misfit(value, type_) from None

    return read


def _timestamp(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


_READ: Mapping[str, Callable[[Any, SqlType], Any]] = {
    "BOOLEAN": _boolean, "INTEGER": _whole, "BIGINT": _whole, "DOUBLE": _double, "STRING": _text, "BYTES": _bytes,
    "TIMESTAMP": _moment(_timestamp), "DATE": _moment(date.fromisoformat), "TIME": _moment(time.fromisoformat),
}  # fmt: skip
