"""Operators, casts and constructors over typed expressions: each settles its type and brings its sides together. Raises SqlError."""

from __future__ import annotations

from penstock.errors import Position, SqlError
from penstock.plan import expressions as ex
from penstock.plan.coercion import arithmetic_type, as_decimal, coerce, common_number, unify
from penstock.plan.scope import nearest
from penstock.plan.text import expression_text
from penstock.sql.types import (
    BIGINT,
    BOOLEAN,
    BYTES,
    DATE,
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

COMPARISON_NAMES = {
    "=": "EQUAL", "<>": "NOT_EQUAL", "<": "LESS_THAN", "<=": "LESS_THAN_OR_EQUAL", ">": "GREATER_THAN", ">=": "GREATER_THAN_OR_EQUAL",
    "IS DISTINCT FROM": "IS_DISTINCT_FROM", "IS NOT DISTINCT FROM": "IS_NOT_DISTINCT_FROM",
}
MOMENTS = (DATE, TIME, TIMESTAMP)


def dereference(base: ex.Expr, name: str, position: Position | None) -> ex.Expr:
    """`base->name`."""
    if not isinstance(base.type, Struct):
        raise SqlError(f"Expected STRUCT type, got: {base.type}: {expression_text(base)} has no field '{name}'.",
                       mend="-> reads a field of a STRUCT.", position=position)
    found = base.type.field(name)
    if found is None:
        names = [f.name for f in base.type.fields]
        mend = nearest(name, names) or f"There are {', '.join(names)}."
        raise SqlError(f"Could not find field '{name}' in '{expression_text(base)}'.", mend=mend, position=position)
    return ex.Field(found.type, base, name)


def item(base: ex.Expr, index: ex.Expr, position: Position | None) -> ex.Expr:
    """`base[index]`."""
    match base.type:
        case Array(item):
            if index.type not in (INTEGER, BIGINT):
                raise SqlError(f"An array's index is an INTEGER, but {expression_text(index)} is {index.type}.", mend="Count from 1.",
                               position=position)
            return ex.Item(item, base, index)
        case Map(key, value):
            if index.type != key and not isinstance(index, ex.Literal) and not (is_numeric(index.type) and is_numeric(key)):
                raise SqlError(f"The map's key is {key}, but {expression_text(index)} is {index.type}.", mend="Cast it.", position=position)
            return ex.Item(value, base, coerce(index, key, position))
    raise SqlError(f"{expression_text(base)} is {base.type}: only an ARRAY or a MAP has items.", mend="Read a STRUCT's field with ->.",
                   position=position)


def arithmetic(op: str, left: ex.Expr, right: ex.Expr, position: Position | None) -> ex.Expr:
    """`left op right` of numbers, or + and || of strings and bytes."""
    if NULL in (left.type, right.type):
        shown = f"({expression_text(left)} {op} {expression_text(right)})"
        raise SqlError(f"Error processing expression: {shown}. Arithmetic on types {_word(left)} and {_word(right)} are not supported.",
                       mend="Cast the NULL: CAST(NULL AS INT).", position=position)
    if op in ("+", "||") and left.type == right.type and left.type in (STRING, BYTES):
        return ex.Concat(left.type, left, right)
    if op == "||":
        raise SqlError(f"|| joins two STRINGs, but got {left.type} and {right.type}.", mend="Cast both to STRING, or use CONCAT.", position=position)
    if not (is_numeric(left.type) and is_numeric(right.type)):
        shown = f"({expression_text(left)} {op} {expression_text(right)})"
        names = " ".join("DECIMAL" if isinstance(e.type, Decimal) else str(e.type) for e in (left, right))
        mend = "Cast both to STRING, or use CONCAT." if STRING in (left.type, right.type) and op == "+" else "Cast both to numbers."
        raise SqlError(f"Error processing expression: {shown}. Unsupported arithmetic types. {names}.", mend=mend, position=position)
    type_ = arithmetic_type(op, left.type, right.type)
    if isinstance(type_, Decimal):
        left, right = coerce(left, as_decimal(left.type)), coerce(right, as_decimal(right.type))
    else:
        left, right = coerce(left, type_), coerce(right, type_)
    return ex.Arithmetic(type_, op, left, right)  # type: ignore[arg-type]  # || went out above


def _word(expr: ex.Expr) -> str:
    return "null" if expr.type == NULL else str(expr.type)


def negate(operand: ex.Expr, position: Position | None) -> ex.Expr:
    """`-operand`."""
    if not is_numeric(operand.type):
        raise SqlError(f"- takes a number, but {expression_text(operand)} is {operand.type}.", mend="Cast it.", position=position)
    return ex.Negate(operand.type, operand)


def compare(op: str, left: ex.Expr, right: ex.Expr, position: Position | None) -> ex.Expr:
    """`left op right`, both brought to one type. Raises SqlError where they cannot be compared so."""
    distinct = op.endswith("DISTINCT FROM")
    if NULL in (left.type, right.type) and not distinct:
        raise SqlError(f"Comparison with NULL not supported: {_upper_null(left)} {op} {_upper_null(right)}.",
                       mend="Use IS NULL or IS NOT NULL.", position=position)
    type_ = comparison_type(left, right, equality=distinct or op in ("=", "<>"))
    if type_ is None:
        shown = f"{expression_text(left)} ({left.type}) to {expression_text(right)} ({right.type})"
        raise SqlError(f"Cannot compare {shown} with {COMPARISON_NAMES[op]}.", mend="Cast one of them.", position=position)
    return ex.Comparison(BOOLEAN, op, coerce(left, type_, position), coerce(right, type_, position))  # type: ignore[arg-type]


def _upper_null(expr: ex.Expr) -> str:
    return "NULL" if expr.type == NULL else expression_text(expr)


def comparison_type(left: ex.Expr, right: ex.Expr, *, equality: bool) -> SqlType | None:
    """The type that both are compared as, or None where they cannot be. Only equality compares booleans and nested values."""
    a, b = left.type, right.type
    if a == NULL or b == NULL:
        return b if a == NULL else a
    if is_numeric(a) and is_numeric(b):
        return common_number(a, b)
    if STRING in (a, b) and (a in MOMENTS or b in MOMENTS):
        return a if a in MOMENTS else b
    if {a, b} == {DATE, TIMESTAMP}:
        return TIMESTAMP
    if isinstance(a, Array | Map | Struct) and type(a) is type(b):
        try:
            return unify([left, right], None) if equality else None
        except SqlError:
            return None
    if a != b or (a == BOOLEAN and not equality):
        return None
    return a


def like(operand: ex.Expr, pattern: ex.Expr, escape: str | None, position: Position | None) -> ex.Expr:
    """`operand LIKE pattern`."""
    for side in (operand, pattern):
        if side.type not in (STRING, NULL):
            raise SqlError(f"Like condition must be between strings, but {expression_text(side)} is {side.type}.", mend="Cast it to STRING.",
                           position=position)
    if escape is not None and len(escape) != 1:
        raise SqlError(f"ESCAPE takes one character, but got '{escape}'.", mend="Write one, like ESCAPE '!'.", position=position)
    return ex.Like(BOOLEAN, coerce(operand, STRING), coerce(pattern, STRING), escape)


def cast(operand: ex.Expr, type_: SqlType, position: Position | None) -> ex.Expr:
    """CAST(operand AS type)."""
    from penstock.functions.casts import cast_sql

    if operand.type == NULL:
        return coerce(operand, type_)
    if operand.type == type_:
        return operand
    try:
        cast_sql(operand.type, type_)
    except SqlError as error:
        raise SqlError(f"Cast of {operand.type} to {type_} is not supported.", mend=error.mend, position=position) from None
    return ex.Cast(type_, operand)


def make_array(items: list[ex.Expr], position: Position | None) -> ex.Expr:
    """ARRAY[...]."""
    if not items:
        raise SqlError("Array constructor cannot be empty. Please supply at least one element.", position=position)
    type_ = unify(items, position)
    if type_ == NULL:
        raise SqlError("Cannot construct an array with all NULL elements.", mend="Cast one of them: ARRAY[CAST(NULL AS INT)].", position=position)
    return ex.MakeArray(Array(type_), tuple(coerce(i, type_, position) for i in items))


def make_map(entries: list[tuple[ex.Expr, ex.Expr]], position: Position | None) -> ex.Expr:
    """MAP(...)."""
    if not entries:
        raise SqlError("Map constructor cannot be empty. Please supply at least one key value pair.", position=position)
    key, value = unify([k for k, _ in entries], position), unify([v for _, v in entries], position)
    for type_, what in ((key, "keys"), (value, "values")):
        if type_ == NULL:
            raise SqlError(f"Cannot construct a map with all NULL {what}.", mend="Cast one of them.", position=position)
    return ex.MakeMap(Map(key, value), tuple((coerce(k, key, position), coerce(v, value, position)) for k, v in entries))


def make_struct(fields: list[tuple[str, ex.Expr]], position: Position | None) -> ex.Expr:
    """STRUCT(...)."""
    names = [n for n, _ in fields]
    if twice := next((n for n in names if names.count(n) > 1), None):
        raise SqlError(f"Duplicate field names found in STRUCT: '{twice}'.", mend="Rename one of them.", position=position)
    return ex.MakeStruct(Struct(tuple(Field(n, e.type) for n, e in fields)), tuple(e for _, e in fields))


