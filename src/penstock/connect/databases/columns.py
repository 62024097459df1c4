"""The columns of a relational database as SQL types and natural Python values."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN
from decimal import Decimal as Number
from typing import TYPE_CHECKING, Any

from penstock.errors import DataError
from penstock.sql.types import BIGINT, BOOLEAN, BYTES, DATE, DOUBLE, INTEGER, STRING, TIME, TIMESTAMP, Array, Decimal, SqlType

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

PRECISION_MAX = 38
SCALE_UNKNOWN = 18
"""The scale of a NUMERIC that was declared without one: 20 digits before the point are left."""
_INTEGER_DIGITS, _BIGINT_DIGITS = 9, 18
_DAY = timedelta(days=1)
_ZERO_DATE = "0000-00-00"

Convert = Callable[[Any], Any]


def sql_type(column: TypeEngine[Any], numeric_mapping: str = "none") -> SqlType:
    """The SQL type of a column's; what has no like (intervals, networks, JSON) is its text."""
    import sqlalchemy as sa
    from sqlalchemy.dialects import mysql, postgresql

    unsigned = bool(getattr(column, "unsigned", False))
    match column:
        case mysql.BIT():
            return BOOLEAN if column.length in (None, 1) else BYTES
        case mysql.TINYINT() if column.display_width == 1:
            return BOOLEAN
        case sa.Boolean():
            return BOOLEAN
        case sa.BigInteger():
            return Decimal(20, 0) if unsigned else BIGINT
        case mysql.YEAR() | mysql.MEDIUMINT() | mysql.TINYINT() | sa.SmallInteger():
            return INTEGER
        case sa.Integer():
            return BIGINT if unsigned else INTEGER
        case sa.Float():
            return DOUBLE
        case sa.Numeric():
            return decimal_type(column.precision, column.scale, numeric_mapping)
        case sa.Date():
            return DATE
        case sa.Time():
            return TIME
        case sa.DateTime():
            return TIMESTAMP
        case sa.LargeBinary() | sa.types._Binary():
            return BYTES
        case sa.ARRAY() | postgresql.ARRAY():
            item: SqlType = sql_type(column.item_type, numeric_mapping)
            for _ in range((column.dimensions or 1) - 1):
                item = Array(item)
            return Array(item)
        case _:
            return STRING


def decimal_type(precision: int | None, scale: int | None, numeric_mapping: str = "none") -> SqlType:
    """The type of NUMERIC(precision, scale) by `numeric.mapping`: a DECIMAL, or the number that holds it."""
    if numeric_mapping != "none" and precision is not None and not scale and precision <= _BIGINT_DIGITS:
        return INTEGER if precision <= _INTEGER_DIGITS else BIGINT
    if numeric_mapping == "best_fit" and precision is not None and scale and precision <= _BIGINT_DIGITS:
        return DOUBLE
    if numeric_mapping == "best_fit_eager_double" and (precision is None or scale):
        return DOUBLE
    if precision is None:
        return Decimal(PRECISION_MAX, SCALE_UNKNOWN)
    return Decimal(min(precision, PRECISION_MAX), min(scale or 0, PRECISION_MAX))


def converter(type_: SqlType) -> Convert:
    """The function from what a driver gives for a column of the type to its natural Python value. It raises DataError for what does not fit."""
    match type_:
        case Decimal():
            return lambda value: None if value is None else as_decimal(value, type_)
        case Array(item):
            inner = converter(item)
            return lambda value: None if value is None else [inner(each) for each in value]
        case _:
            convert = _CONVERT[type_]
            return lambda value: None if value is None else convert(value)


def as_decimal(value: Any, type_: Decimal) -> Number:
    """The number with the type's scale, rounded half to even where it has more digits. DataError where it is too large."""
    number = value if isinstance(value, Number) else Number(str(value))
    if not number.is_finite():
        raise DataError(f"{number} is no {type_}.")
    if number.adjusted() >= type_.precision - type_.scale and number:
        raise DataError(f"{number} has more digits than {type_}.", mend="Cast the column in a query, or choose another numeric.mapping.")
    from decimal import Context

    return number.quantize(Number(1).scaleb(-type_.scale), rounding=ROUND_HALF_EVEN, context=Context(prec=PRECISION_MAX + 1))


def text_of(value: Any) -> str:
    """A value that has no type here, as its text: JSON for what is nested."""
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, set | frozenset):
        return ",".join(sorted(map(str, value)))
    if isinstance(value, bytes | memoryview):
        return bytes(value).decode(errors="replace")
    return str(value)


def as_time(value: Any) -> time:
    """A time of day. MySQL's TIME may be an interval beyond a day or below zero: a DataError."""
    if isinstance(value, timedelta):
        if not timedelta(0) <= value < _DAY:
            raise DataError(f"{value} is no time of day.", mend="Read the column as text, by a query.")
        return (datetime.min + value).time()
    if isinstance(value, str):
        value = time.fromisoformat(value)
    if value.tzinfo is not None:
        value = (datetime(2000, 1, 2, tzinfo=value.tzinfo).combine(datetime(2000, 1, 2), value)).astimezone(UTC).time()
    return value  # type: ignore[no-any-return]


def as_date(value: Any) -> date | None:
    """A date; MySQL's zero date is NULL."""
    if isinstance(value, str):
        return None if value.startswith(_ZERO_DATE) else datetime.fromisoformat(value).date()
    return value  # type: ignore[no-any-return]


def as_timestamp(value: Any) -> datetime | None:
    """A point in time without a zone: UTC where the database knew the zone, as it stands where not. MySQL's zero date is NULL."""
    if isinstance(value, str):
        if value.startswith(_ZERO_DATE):
            return None
        value = datetime.fromisoformat(value)
    elif isinstance(value, int | float):
        value = datetime.fromtimestamp(value / 1000, UTC)  # SQLite has no type for it: ms since the epoch, as Java writes it there
    return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo is not None else value  # type: ignore[no-any-return]


def as_bytes(value: Any) -> bytes:
    """Bytes of what drivers give for them."""
    return value.encode() if isinstance(value, str) else bytes(value)


def as_boolean(value: Any) -> bool:
    """True or false; a BIT(1) comes as a byte."""
    return any(value) if isinstance(value, bytes) else bool(value)


_CONVERT: Mapping[SqlType, Convert] = {
    BOOLEAN: as_boolean,
    INTEGER: int,
    BIGINT: int,
    DOUBLE: float,
    STRING: lambda value: value if isinstance(value, str) else text_of(value),
    BYTES: as_bytes,
    DATE: as_date,
    TIME: as_time,
    TIMESTAMP: as_timestamp,
}
