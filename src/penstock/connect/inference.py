"""The SQL types of plain values, where no schema says them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal as Number
from typing import Any

from penstock.connect.text import json_text
from penstock.sql.types import (
    BIGINT,
    BOOLEAN,
    BYTES,
    DATE,
    DOUBLE,
    INTEGER,
    NULL,
    STRING,
    TIME,
    TIMESTAMP,
    Array,
    Decimal,
    Field,
    Map,
    SqlType,
    Struct,
)  # fmt: skip

_PRECISION_MAX = 38
_BIGINT = range(-(2**63), 2**63)


def shape_of(rows: Sequence[Mapping[str, Any]], known: Mapping[str, SqlType] | None) -> dict[str, SqlType]:
    """The columns of rows with their types, those of `known` first and in its order; what it does not know, or what its type does not fit
    (a transform changed it), is taken from the values. A column of NULLs alone is STRING."""
    names = dict.fromkeys(name for row in rows for name in row)
    ordered = [name for name in known or {} if name in names] + [name for name in names if name not in (known or {})]
    shape = {}
    for name in ordered:
        values = [value for row in rows if (value := row.get(name)) is not None]
        given = (known or {}).get(name)
        shape[name] = given if given is not None and all(fits(value, given) for value in values) else type_of(values)
    return shape


def fits(value: Any, type_: SqlType) -> bool:
    """Whether a plain value is one of the type, on its outside: what lies in lists and structs comes from the same decoder."""
    match value:
        case bool():
            return type_ == BOOLEAN
        case int():
            return type_ in (INTEGER, BIGINT, DOUBLE) or isinstance(type_, Decimal)
        case float():
            return type_ == DOUBLE
        case str():
            return type_ == STRING
        case bytes():
            return type_ == BYTES
        case Number():
            return isinstance(type_, Decimal)
        case datetime():
            return type_ == TIMESTAMP
        case date():
            return type_ == DATE
        case time():
            return type_ == TIME
        case list() | tuple():
            return isinstance(type_, Array)
        case Mapping():
            return isinstance(type_, Map | Struct)
    return False


def type_of(values: Iterable[Any]) -> SqlType:
    """The narrowest type that takes all values. Values that have none in common are STRING (see `as_text`)."""
    found: SqlType = NULL
    for value in values:
        found = _wider(found, _type(value))
    return _without_null(found)


def as_text(value: Any) -> str:
    """A value of a column that is STRING because its values have no type in common."""
    return value if isinstance(value, str) else json_text(value)


def _type(value: Any) -> SqlType:
    match value:
        case None:
            return NULL
        case bool():
            return BOOLEAN
        case int():
            return BIGINT if value in _BIGINT else STRING
        case float():
            return DOUBLE
        case bytes():
            return BYTES
        case Number() if value.is_finite():
            _, digits, exponent = value.as_tuple()
            scale = max(0, -int(exponent))
            precision = max(len(digits) + max(0, int(exponent)), scale)
            return Decimal(precision, scale) if precision <= _PRECISION_MAX else STRING
        case datetime():
            return TIMESTAMP
        case date():
            return DATE
        case time():
            return TIME
        case list() | tuple():
            item: SqlType = NULL
            for part in value:
                item = _wider(item, _type(part))
            return Array(item)
        case Mapping() if value:
            return Struct(tuple(Field(str(name), _type(part)) for name, part in value.items()))
    return STRING


def _wider(one: SqlType, other: SqlType) -> SqlType:
    """The type that takes the values of both."""
    if one == other or other == NULL:
        return one
    match one, other:
        case Array(a), Array(b):
            return Array(_wider(a, b))
        case Struct(fields), Struct(others):
            names = dict.fromkeys([f.name for f in fields] + [f.name for f in others])
            both = [(name, Struct(fields).field(name), Struct(others).field(name)) for name in names]
            return Struct(tuple(Field(n, _wider(a.type if a else NULL, b.type if b else NULL)) for n, a, b in both))
        case Decimal(p, s), Decimal(q, t):
            scale, whole = max(s, t), max(p - s, q - t)
            return Decimal(whole + scale, scale) if whole + scale <= _PRECISION_MAX else DOUBLE
    if one == NULL:
        return other
    numbers = {BIGINT, DOUBLE}
    if (one in numbers or isinstance(one, Decimal)) and (other in numbers or isinstance(other, Decimal)):
        return DOUBLE
    return STRING


def _without_null(type_: SqlType) -> SqlType:
    match type_:
        case Array(item):
            return Array(_without_null(item))
        case Struct(fields):
            return Struct(tuple(Field(f.name, _without_null(f.type)) for f in fields))
    return STRING if type_ == NULL else type_
