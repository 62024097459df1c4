"""Expressions, names and literals -> text that parses back to the same."""

from __future__ import annotations

import re
from decimal import Decimal

from penstock.sql import ast
from penstock.sql.build_expressions import balanced
from penstock.sql.tokens import RESERVED, UNITS
from penstock.sql.types import quote

_BARE = re.compile(r"[A-Z_][A-Z0-9_]*", re.ASCII)
# Not reserved, but begin something else where a name could stand.
_AMBIGUOUS = frozenset({"ARRAY", "MAP", "STRUCT", "IF", *UNITS})

# How tightly the outermost operator of an expression binds, as in grammar.lark: a looser one inside a tighter one needs brackets.
_ANY, _OR, _AND, _NOT, _PREDICATE, _VALUE, _SUM, _PRODUCT, _SIGNED, _POSTFIX, _PRIMARY = range(11)
_ARITHMETIC = {"||": _VALUE, "+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT, "%": _PRODUCT}
_LOGICAL = {"OR": _OR, "AND": _AND}


def format_expression(expression: ast.Expression) -> str:
    """The expression on one line, with as few brackets as it needs: `parse_expression` of it gives an equal expression."""
    return _at(expression, _ANY)


def format_name(name: str) -> str:
    """An identifier: bare where that reads back as the same name, else in backticks."""
    return name if _BARE.fullmatch(name) and name not in RESERVED and name not in _AMBIGUOUS else quote(name)


def format_string(value: str) -> str:
    """A string literal in single quotes."""
    return "'" + value.replace("'", "''") + "'"


def format_value(value: None | bool | int | Decimal | float | str) -> str:
    """A literal: 1, 1.5 (a DECIMAL), 1.5E0 (a DOUBLE), TRUE, NULL, 'text'."""
    match value:
        case None:
            return "NULL"
        case bool():
            return str(value).upper()
        case str():
            return format_string(value)
        case Decimal():
            written = format(value, "f")
            return written if "." in written else f"{written}."
        case float():
            written = repr(value).upper()
            return written if "E" in written else f"{written}E0"
        case _:
            return str(value)


def _at(expression: ast.Expression, tightness: int) -> str:
    """In a place that takes what binds at least so tightly."""
    text, own = _written(expression)
    return text if own >= tightness else f"({text})"


def _written(expression: ast.Expression) -> tuple[str, int]:
    match expression:
        case ast.Logical():
            return _logical(expression), _LOGICAL[expression.op]
        case ast.Not(operand):
            return f"NOT {_at(operand, _NOT)}", _NOT
        case ast.Comparison(op, left, right):
            return f"{_at(left, _VALUE)} {op} {_at(right, _VALUE)}", _PREDICATE
        case ast.Between(operand, low, high, negated):
            return f"{_at(operand, _VALUE)} {_not(negated)}BETWEEN {_at(low, _VALUE)} AND {_at(high, _VALUE)}", _PREDICATE
        case ast.In(operand, options, negated):
            return f"{_at(operand, _VALUE)} {_not(negated)}IN ({_list(options)})", _PREDICATE
        case ast.Like(operand, pattern, escape, negated):
            ending = f" ESCAPE {format_string(escape)}" if escape is not None else ""
            return f"{_at(operand, _VALUE)} {_not(negated)}LIKE {_at(pattern, _VALUE)}{ending}", _PREDICATE
        case ast.IsNull(operand, negated):
            return f"{_at(operand, _VALUE)} IS {_not(negated)}NULL", _PREDICATE
        case ast.Arithmetic(op, left, right):
            own = _ARITHMETIC[op]
            return f"{_at(left, own)} {op} {_at(right, own + 1)}", own
        case ast.Negate(operand):
            return _negated(operand), _SIGNED
        case ast.Literal(value):
            return format_value(value), _SIGNED if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else _PRIMARY
        case ast.Subscript(base, index):
            return f"{_at(base, _POSTFIX)}[{_at(index, _ANY)}]", _POSTFIX
        case ast.Dereference(base, field):
            return f"{_at(base, _POSTFIX)}->{format_name(field)}", _POSTFIX
    return _primary(expression), _PRIMARY


def _primary(expression: ast.Expression) -> str:
    match expression:
        case ast.ColumnRef(name, source):
            return format_name(name) if source is None else f"{format_name(source)}.{format_name(name)}"
        case ast.FunctionCall(name, arguments):
            return f"{format_name(name)}({_list(arguments)})"
        case ast.Star():
            return "*"
        case ast.IntervalUnit(unit):
            return unit
        case ast.Lambda(parameters, body):
            names = ", ".join(map(format_name, parameters))
            return f"{names if len(parameters) == 1 else f'({names})'} => {_at(body, _ANY)}"
        case ast.Cast(operand, type_):
            return f"CAST({_at(operand, _ANY)} AS {type_})"
        case ast.Case(operand, whens, default):
            parts = ["CASE", *([_at(operand, _ANY)] if operand else [])]
            parts += [f"WHEN {_at(when.condition, _ANY)} THEN {_at(when.result, _ANY)}" for when in whens]
            return " ".join([*parts, *([f"ELSE {_at(default, _ANY)}"] if default else []), "END"])
        case ast.ArrayConstructor(items):
            return f"ARRAY[{_list(items)}]"
        case ast.MapConstructor(entries):
            return f"MAP({', '.join(f'{_at(key, _ANY)} := {_at(value, _ANY)}' for key, value in entries)})"
        case ast.StructConstructor(fields):
            return f"STRUCT({', '.join(f'{format_name(name)} := {_at(value, _ANY)}' for name, value in fields)})"
    raise AssertionError(f"no way to write a {type(expression).__name__}")


def _logical(expression: ast.Logical) -> str:
    """A chain flat, where the parser would build the same tree from it; else with brackets around the inner chains."""
    op, own = expression.op, _LOGICAL[expression.op]
    parts: list[ast.Expression] = []
    waiting: list[ast.Expression] = [expression]
    while waiting:
        part = waiting.pop()
        if isinstance(part, ast.Logical) and part.op == op:
            waiting += [part.right, part.left]
        else:
            parts.append(part)
    if not _same_shape(expression, balanced(op, tuple(parts), None), op):
        parts = [expression.left, expression.right]
    return f" {op} ".join(_at(part, own + 1) for part in parts)


def _same_shape(left: ast.Expression, right: ast.Expression, op: str) -> bool:
    if isinstance(left, ast.Logical) and left.op == op:
        same = isinstance(right, ast.Logical) and right.op == op
        return same and isinstance(right, ast.Logical) and _same_shape(left.left, right.left, op) and _same_shape(left.right, right.right, op)
    return left is right


def _negated(operand: ast.Expression) -> str:
    if isinstance(operand, ast.Literal):  # a sign before a bare number would belong to the number
        written = format_value(operand.value)
        return f"- {written}" if written.startswith("-") else f"-({written})"
    written = _at(operand, _SIGNED)
    return f"- {written}" if written.startswith("-") else f"-{written}"


def _list(expressions: tuple[ast.Expression, ...]) -> str:
    return ", ".join(_at(each, _ANY) for each in expressions)


def _not(negated: bool) -> str:
    return "NOT " if negated else ""
