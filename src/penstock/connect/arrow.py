"""Python values as Arrow arrays of the SQL types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal as Number
from typing import TYPE_CHECKING, Any

from penstock.errors import DataError
from penstock.sql.types import Array, Decimal, Map, Primitive, SqlType, Struct, arrow_type

if TYPE_CHECKING:
    import pyarrow as pa

_EPOCH = datetime(1970, 1, 1)


def column(values: Sequence[Any], type_: SqlType, name: str) -> tuple[pa.Array, dict[int, DataError]]:
    """Values as an array of `arrow_type(type_)`, and the errors of those that do not fit, by their places: they are NULL in the array."""
    import pyarrow as pa

    convert, arrow = _converter(type_), arrow_type(type_)
    errors: dict[int, DataError] = {}
    try:
        return pa.array([None if v is None else convert(v) for v in values], arrow), errors
    except (pa.ArrowException, TypeError, ValueError, ArithmeticError, AttributeError):
        pass  # one of them does not fit: which, is found out one by one
    single = []
    for place, value in enumerate(values):
        try:
            single.append(pa.array([None if value is None else convert(value)], arrow))
        except (pa.ArrowException, TypeError, ValueError, ArithmeticError, AttributeError) as error:
            errors[place] = DataError(f"{name}: {_shown(value)} is no {type_}: {error}.")
            single.append(pa.nulls(1, arrow))
    return pa.concat_arrays(single), errors


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _converter(type_: SqlType) -> Callable[[Any], Any]:
    """From a natural Python value, not None, to one that `pyarrow.array` takes for the type."""
    match type_:
        case Primitive("TIMESTAMP"):
            return _timestamp
        case Primitive("DATE"):
            return lambda value: value.date() if isinstance(value, datetime) else _only(value, date)
        case Primitive("TIME"):
            return lambda value: _only(value, time)
        case Primitive("BOOLEAN"):
            return lambda value: _only(value, bool)
        case Primitive("STRING"):
            return lambda value: _only(value, str)
        case Primitive("DOUBLE"):
            return float
        case Primitive("BYTES"):
            return bytes
        case Primitive("INTEGER" | "BIGINT"):
            return _whole
        case Decimal(_, scale):
            return lambda value: _decimal(value, scale)
        case Array(item):
            convert = _converter(item)
            return lambda items: [None if i is None else convert(i) for i in items]
        case Map(key, value):
            convert_key, convert_value = _converter(key), _converter(value)
            return lambda pairs: [(convert_key(k), None if v is None else convert_value(v)) for k, v in pairs.items()]
        case Struct(fields):
            converters = [(f.name, _converter(f.type)) for f in fields]
            return lambda record: {name: None if (v := record.get(name)) is None else c(v) for name, c in converters}
    return lambda value: value


def _timestamp(value: Any) -> datetime:
    """A moment in UTC without a zone, from a datetime (in UTC where it has no zone) or from ms since the epoch."""
    if isinstance(value, int):
        return _EPOCH + timedelta(milliseconds=value)
    moment: datetime = value
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _only(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"a {type(value).__name__}")
    return value


def _whole(value: Any) -> int:
    if isinstance(value, bool) or value != int(value):
        raise ValueError("not a whole number")
    return int(value)


def _decimal(value: Any, scale: int) -> Number:
    number = value if isinstance(value, Number) else Number(str(value))
    return number.quantize(Number(1).scaleb(-scale)) if number.is_finite() and -number.as_tuple().exponent < scale else number  # type: ignore[operator]
