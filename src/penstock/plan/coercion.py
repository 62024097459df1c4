"""Which types go together: the common type of several expressions, and the casts that the language does by itself.

The rules are those of ksqlDB's implicit coercion: numbers widen (INTEGER, BIGINT, DECIMAL, DOUBLE), a STRING literal becomes what its company is,
a literal number or boolean among strings becomes a string, and arrays, maps and structs do so piece by piece.
"""

from __future__ import annotations

import decimal
from collections.abc import Sequence

from penstock.errors import Position, SqlError
from penstock.plan import expressions as ex
from penstock.plan.moments import parse_moment
from penstock.plan.text import expression_text
from penstock.sql.types import (
    BIGINT,
    BOOLEAN,
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
    is_numeric,
)

DIGITS_MAX = 38  # of a DECIMAL, in the physical form that columns have
_TRUE_WORDS, _FALSE_WORDS = ("true", "yes"), ("false", "no")


def as_decimal(type_: SqlType) -> Decimal:
    """The DECIMAL that holds every value of an INTEGER or BIGINT; a DECIMAL is itself."""
    if isinstance(type_, Decimal):
        return type_
    return Decimal(10, 0) if type_ == INTEGER else Decimal(19, 0)


def bounded(precision: int, scale: int) -> Decimal:
    """A DECIMAL of at most 38 digits, keeping the digits behind the point as far as they fit."""
    return Decimal(min(precision, DIGITS_MAX), min(scale, DIGITS_MAX))


def common_number(left: SqlType, right: SqlType) -> SqlType:
    """The number type that holds the values of both."""
    if left == right:
        return left
    if DOUBLE in (left, right):
        return DOUBLE
    if isinstance(left, Decimal) or isinstance(right, Decimal):
        a, b = as_decimal(left), as_decimal(right)
        scale = max(a.scale, b.scale)
        return bounded(max(a.precision - a.scale, b.precision - b.scale) + scale, scale)
    return BIGINT


def arithmetic_type(op: str, left: SqlType, right: SqlType) -> SqlType:
    """The type of `left op right` of two numbers; a DECIMAL's precision and scale grow so that + - * lose nothing."""
    if not (isinstance(left, Decimal) or isinstance(right, Decimal)) or DOUBLE in (left, right):
        return common_number(left, right)
    a, b = as_decimal(left), as_decimal(right)
    match op:
        case "+" | "-":
            scale = max(a.scale, b.scale)
            return bounded(max(a.precision - a.scale, b.precision - b.scale) + scale + 1, scale)
        case "*":
            return bounded(a.precision + b.precision + 1, a.scale + b.scale)
        case "/":
            scale = max(6, a.scale + b.precision + 1)
            return bounded(a.precision - a.scale + b.scale + scale, min(scale, DIGITS_MAX - min(DIGITS_MAX, a.precision - a.scale + b.scale)))
        case _:
            scale = max(a.scale, b.scale)
            return bounded(min(a.precision - a.scale, b.precision - b.scale) + scale, scale)


# ---------------------------------------------------------------------------------------------- literals


def decimal_type(value: decimal.Decimal) -> Decimal:
    """The DECIMAL of a literal: `1.50` is DECIMAL(3, 2)."""
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    scale = max(0, -exponent)
    return Decimal(max(len(digits) + max(0, exponent), scale, 1), scale)


def number_type(text: str) -> SqlType | None:
    """The type that a number in a string has as a literal, or None where it is no number."""
    try:
        value = decimal.Decimal(text.strip())
    except decimal.InvalidOperation:
        return None
    if not value.is_finite():
        return None
    if value == value.to_integral_value() and "." not in text and "e" not in text.lower():
        return INTEGER if -(2**31) <= value < 2**31 else BIGINT if -(2**63) <= value < 2**63 else decimal_type(value)
    return decimal_type(value)


def _is_text_literal(expr: ex.Expr) -> bool:
    return isinstance(expr, ex.Literal) and isinstance(expr.value, str)


def _is_null(expr: ex.Expr) -> bool:
    return expr.type == NULL


def _is_scalar_literal(expr: ex.Expr) -> bool:
    return isinstance(expr, ex.Literal) and expr.value is not None


# ---------------------------------------------------------------------------------------------- the common type


def unify(exprs: Sequence[ex.Expr], position: Position | None) -> SqlType:
    """The type that all `exprs` can be coerced to. NULL where all are a bare NULL. Raises SqlError where there is none."""
    known = [e for e in exprs if not _is_null(e)]
    if not known:
        return NULL
    fixed = [e for e in known if not _is_text_literal(e)]
    if not fixed:
        return STRING
    first = next((e for e in fixed if not _is_scalar_literal(e)), fixed[0])
    if any(e.type == STRING for e in fixed) and isinstance(first, ex.Literal) is False and first.type == STRING:
        for e in fixed:
            if e.type != STRING and not _is_scalar_literal(e):
                raise _mismatch(STRING, e, position)
        return STRING
    match first.type:
        case Array():
            return Array(_unify_parts(first, [_array_items(e) for e in known if _is_like(first, e, position)], position))
        case Map():
            entries = [_map_entries(e) for e in known if _is_like(first, e, position)]
            return Map(_unify_parts(first, [k for k, _ in entries], position), _unify_parts(first, [v for _, v in entries], position))
        case Struct():
            return _unify_structs([e for e in known if _is_like(first, e, position)], position)
    if is_numeric(first.type):
        result = first.type
        for e in known:
            if is_numeric(e.type):
                result = common_number(result, e.type)
            elif _is_text_literal(e):
                assert isinstance(e, ex.Literal)
                number = number_type(str(e.value))
                if number is None:
                    raise _bad_text(_base_name(first.type), str(e.value), position)
                result = common_number(result, number)
            else:
                raise _mismatch(first.type, e, position)
        return result
    for e in known:
        if _is_text_literal(e):
            assert isinstance(e, ex.Literal)
            text_as(str(e.value), first.type, position)
        elif e.type != first.type:
            raise _mismatch(first.type, e, position)
    return first.type


def _is_like(first: ex.Expr, other: ex.Expr, position: Position | None) -> bool:
    if type(first.type) is not type(other.type):
        raise _mismatch(first.type, other, position)
    return True


def _unify_parts(whole: ex.Expr, parts: list[list[ex.Expr]], position: Position | None) -> SqlType:
    flat = [e for part in parts for e in part]
    result = unify(flat, position)
    return STRING if result == NULL and flat else result


def _sample(type_: SqlType) -> ex.Expr:
    """Something of a type that is no literal: what is inside an expression that is not spelled out."""
    return ex.Column(type_, "")


def _array_items(expr: ex.Expr) -> list[ex.Expr]:
    if isinstance(expr, ex.MakeArray):
        return _valued(expr.items)
    assert isinstance(expr.type, Array)
    return [_sample(expr.type.item)]


def _valued(exprs: Sequence[ex.Expr]) -> list[ex.Expr]:
    """The expressions but for constant NULLs, where others remain: those took the others' type, and can take another."""
    return [e for e in exprs if not (isinstance(e, ex.Literal) and e.value is None)] or list(exprs)


def _map_entries(expr: ex.Expr) -> tuple[list[ex.Expr], list[ex.Expr]]:
    if isinstance(expr, ex.MakeMap):
        return _valued([k for k, _ in expr.entries]), _valued([v for _, v in expr.entries])
    assert isinstance(expr.type, Map)
    return [_sample(expr.type.key)], [_sample(expr.type.value)]


def _struct_fields(expr: ex.Expr) -> list[tuple[str, ex.Expr]]:
    assert isinstance(expr.type, Struct)
    values = expr.values if isinstance(expr, ex.MakeStruct) else [_sample(f.type) for f in expr.type.fields]
    return [(f.name, v) for f, v in zip(expr.type.fields, values, strict=True)]


def _unify_structs(exprs: Sequence[ex.Expr], position: Position | None) -> Struct:
    fields: dict[str, list[ex.Expr]] = {}
    for expr in exprs:
        for name, value in _struct_fields(expr):
            fields.setdefault(name, []).append(value)
    return Struct(tuple(Field(name, unify(values, position)) for name, values in fields.items()))


def _base_name(type_: SqlType) -> str:
    return "DECIMAL" if isinstance(type_, Decimal) else str(type_)


def _mismatch(type_: SqlType, expr: ex.Expr, position: Position | None) -> SqlError:
    text = f" ({expression_text(expr)})" if not (isinstance(expr, ex.Column) and expr.name == "") else ""
    return SqlError(f"operator does not exist: {type_} = {expr.type}{text}.", mend="Bring both to one type with CAST.", position=position)


def _bad_text(type_: str, text: str, position: Position | None) -> SqlError:
    return SqlError(f'invalid input syntax for type {type_}: "{text}".',
                    mend=f"Write a {type_}, or CAST the other values to STRING.", position=position)


def text_as(text: str, type_: SqlType, position: Position | None) -> ex.Value:
    """The value of a STRING literal as a `type_` (a scalar type). Raises SqlError where it is none."""
    word = text.strip().lower()
    if type_ == BOOLEAN and word:
        if any(w.startswith(word) for w in _TRUE_WORDS):
            return True
        if any(w.startswith(word) for w in _FALSE_WORDS):
            return False
    elif type_ == DOUBLE:
        try:
            return float(text)
        except ValueError:
            pass
    elif is_numeric(type_) and (number := number_type(text)) is not None:
        value = decimal.Decimal(text.strip())
        if isinstance(type_, Decimal):
            return _rescaled(value, type_)
        if common_number(type_, number) == type_ or value == value.to_integral_value():
            return int(value)
    elif type_ in (DATE, TIME, TIMESTAMP):
        return parse_moment(text, type_, position)
    raise _bad_text(_base_name(type_), text, position)


def _rescaled(value: decimal.Decimal, type_: Decimal) -> decimal.Decimal:
    with decimal.localcontext(prec=2 * DIGITS_MAX):
        return value.quantize(decimal.Decimal(1).scaleb(-type_.scale), rounding=decimal.ROUND_HALF_UP)


# ---------------------------------------------------------------------------------------------- casts


def coerce(expr: ex.Expr, target: SqlType, position: Position | None = None) -> ex.Expr:
    """`expr` as a `target`: itself where it is one, a constant converted now where it is a literal, else a Cast."""
    if expr.type == target:
        return expr
    match expr, target:
        case ex.Literal(value=None), _:
            return ex.Literal(target, None)
        case ex.Literal(value=str(text)), _ if _is_scalar(target) and target != STRING:
            return ex.Literal(target, text_as(text, target, position))
        case ex.Literal(value=value), Decimal() if isinstance(value, int | decimal.Decimal) and not isinstance(value, bool):
            return ex.Literal(target, _rescaled(decimal.Decimal(value), target))
        case ex.Literal(value=value), _ if target == DOUBLE and isinstance(value, int | decimal.Decimal) and not isinstance(value, bool):
            return ex.Literal(DOUBLE, float(value))
        case ex.Literal(value=int(value)), _ if target in (INTEGER, BIGINT) and not isinstance(value, bool):
            return ex.Literal(target, value)
        case ex.Literal(value=value), _ if target == STRING and value is not None:
            return ex.Literal(STRING, _value_text(value))
        case ex.MakeArray(items=items), Array(item):
            return ex.MakeArray(target, tuple(coerce(e, item, position) for e in items))
        case ex.MakeMap(entries=entries), Map(key, value_type):
            return ex.MakeMap(target, tuple((coerce(k, key, position), coerce(v, value_type, position)) for k, v in entries))
        case ex.MakeStruct(), Struct(fields):
            values = dict(_struct_fields(expr))
            return ex.MakeStruct(target, tuple(coerce(values.get(f.name, ex.Literal(NULL, None)), f.type, position) for f in fields))
    return ex.Cast(target, expr)


def _is_scalar(type_: SqlType) -> bool:
    return not isinstance(type_, Array | Map | Struct)


def _value_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
