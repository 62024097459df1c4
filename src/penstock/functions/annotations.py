"""Python's annotations as SQL types, and values from the one to the other."""

from __future__ import annotations

import dataclasses
import decimal
import types
from collections.abc import Callable
from datetime import date, datetime, time
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints, is_typeddict

from penstock.errors import SqlError
from penstock.sql.types import BIGINT, BOOLEAN, BYTES, DATE, DOUBLE, STRING, TIME, TIMESTAMP, Array, Field, Map, SqlType, Struct

Converter = Callable[[Any], Any]

_PLAIN: dict[Any, SqlType] = {
    bool: BOOLEAN, int: BIGINT, float: DOUBLE, str: STRING, bytes: BYTES, date: DATE, time: TIME, datetime: TIMESTAMP,
}  # fmt: skip


def sql_type(hint: Any) -> SqlType:
    """The SQL type of an annotation.

    bool is BOOLEAN, int BIGINT, float DOUBLE, str STRING, bytes BYTES, date DATE, time TIME, datetime TIMESTAMP, `list[T]` ARRAY, `dict[K, V]` MAP,
    a TypedDict or a dataclass STRUCT (its fields in capitals); `T | None` is T; `Annotated[T, "DECIMAL(10, 2)"]` is the type it names.
    Raises SqlError for any other.
    """
    hint = _present(hint)
    if get_origin(hint) is Annotated:
        named = next((a for a in get_args(hint)[1:] if isinstance(a, str)), None)
        if named is None:
            return sql_type(get_args(hint)[0])
        from penstock.sql.parser import parse_type

        return parse_type(named)
    if hint in _PLAIN:
        return _PLAIN[hint]
    match get_origin(hint), get_args(hint):
        case (o, (item,)) if o is list:
            return Array(sql_type(item))
        case (o, (key, value)) if o is dict:
            return Map(sql_type(key), sql_type(value))
    if _is_record(hint):
        return Struct(tuple(Field(name.upper(), sql_type(h)) for name, h in _fields(hint).items()))
    if hint is decimal.Decimal:
        raise SqlError("A Decimal needs its precision and scale.", mend='Write Annotated[Decimal, "DECIMAL(10, 2)"].')
    raise SqlError(
        f"The annotation {getattr(hint, '__name__', hint)} has no SQL type.",
        mend="Use bool, int, float, str, bytes, date, time, datetime, list[T], dict[K, V], a TypedDict or a dataclass.",
    )


def is_optional(hint: Any) -> bool:
    """Whether an annotation allows None."""
    return get_origin(hint) in (Union, types.UnionType) and type(None) in get_args(hint)


def from_sql(hint: Any) -> Converter | None:
    """What makes SQL's value (a STRUCT is a dict of capital names) into what an annotation says. None where nothing changes."""
    return _converter(hint, reading=True)


def to_sql(hint: Any) -> Converter | None:
    """What makes a value of an annotation into SQL's. None where nothing changes."""
    return _converter(hint, reading=False)


def _converter(hint: Any, *, reading: bool) -> Converter | None:
    hint = _present(hint)
    if get_origin(hint) is Annotated:
        return _converter(get_args(hint)[0], reading=reading)
    match get_origin(hint), get_args(hint):
        case (o, (item,)) if o is list:
            each = _converter(item, reading=reading)
            return each and (lambda values: [None if v is None else each(v) for v in values])
        case (o, (_, value)) if o is dict:
            of_value = _converter(value, reading=reading)
            return of_value and (lambda entries: {k: None if v is None else of_value(v) for k, v in entries.items()})
    if not _is_record(hint):
        return None
    fields = {name: _converter(h, reading=reading) for name, h in _fields(hint).items()}

    def changed(name: str, value: Any) -> Any:
        convert = fields[name]
        return value if convert is None or value is None else convert(value)

    if reading:
        return lambda given: hint(**{name: changed(name, given[name.upper()]) for name in fields})
    if is_typeddict(hint):
        return lambda given: {name.upper(): changed(name, given.get(name)) for name in fields}
    return lambda given: {name.upper(): changed(name, getattr(given, name)) for name in fields}


def _present(hint: Any) -> Any:
    """An annotation without its `| None`."""
    if not is_optional(hint):
        return hint
    others = [a for a in get_args(hint) if a is not type(None)]
    return others[0] if len(others) == 1 else hint


def _is_record(hint: Any) -> bool:
    return is_typeddict(hint) or (isinstance(hint, type) and dataclasses.is_dataclass(hint))


def _fields(hint: Any) -> dict[str, Any]:
    hints = get_type_hints(hint, include_extras=True)
    return hints if is_typeddict(hint) else {f.name: hints[f.name] for f in dataclasses.fields(hint)}
