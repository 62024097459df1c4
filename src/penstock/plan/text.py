"""A typed expression as one line of SQL-like text: for messages and for EXPLAIN."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from decimal import Decimal

from penstock.plan import expressions as ex
from penstock.sql.types import Struct, quote

_PLAIN = re.compile(r"[A-Z_@][A-Z0-9_@$.]*")


def name_text(name: str) -> str:
    """A column's name as it would be written: in backticks only where it needs them (`ALIAS.COLUMN` part by part)."""
    return name if _PLAIN.fullmatch(name) else ".".join(part if _PLAIN.fullmatch(part) else quote(part) for part in name.split(".", 1))


def expression_text(expr: ex.Expr) -> str:
    """`expr` as text, operators in brackets: `(A + CAST(B AS BIGINT))`."""
    match expr:
        case ex.Column(_, name):
            return name_text(name)
        case ex.RowTime():
            return "ROWTIME"
        case ex.WindowBound(_, bound):
            return f"WINDOW{bound}"
        case ex.Parameter(_, name):
            return name_text(name)
        case ex.Literal(_, value):
            return _literal(value)
        case ex.Unit(_, unit):
            return unit
        case ex.Field(_, base, name):
            return f"{expression_text(base)}->{name_text(name)}"
        case ex.Item(_, base, index):
            return f"{expression_text(base)}[{expression_text(index)}]"
        case ex.Arithmetic(_, op, left, right) | ex.Comparison(_, op, left, right) | ex.Logical(_, op, left, right):
            return f"({expression_text(left)} {op} {expression_text(right)})"
        case ex.Concat(_, left, right):
            return f"({expression_text(left)} + {expression_text(right)})"
        case ex.Negate(_, operand):
            return f"-{expression_text(operand)}"
        case ex.Not(_, operand):
            return f"(NOT {expression_text(operand)})"
        case ex.Between(_, operand, low, high):
            return f"({expression_text(operand)} BETWEEN {expression_text(low)} AND {expression_text(high)})"
        case ex.In(_, operand, options):
            return f"({expression_text(operand)} IN ({_list(options)}))"
        case ex.Like(_, operand, pattern, escape):
            tail = f" ESCAPE {_literal(escape)}" if escape else ""
            return f"({expression_text(operand)} LIKE {expression_text(pattern)}{tail})"
        case ex.IsNull(_, operand):
            return f"({expression_text(operand)} IS NULL)"
        case ex.Case(_, whens, default):
            arms = " ".join(f"WHEN {expression_text(c)} THEN {expression_text(r)}" for c, r in whens)
            return f"(CASE {arms}{f' ELSE {expression_text(default)}' if default else ''} END)"
        case ex.Cast(type_, operand):
            return f"CAST({expression_text(operand)} AS {type_})"
        case ex.Lambda(_, parameters, body):
            return f"({', '.join(map(name_text, parameters))}) => {expression_text(body)}"
        case ex.Call(_, name, arguments) | ex.TableCall(_, name, arguments) | ex.AggregateCall(_, name, arguments):
            return f"{name}({_list(arguments)})"
        case ex.MakeArray(_, items):
            return f"ARRAY[{_list(items)}]"
        case ex.MakeMap(_, entries):
            return f"MAP({', '.join(f'{expression_text(k)}:={expression_text(v)}' for k, v in entries)})"
        case ex.MakeStruct(type_, values):
            assert isinstance(type_, Struct)
            return f"STRUCT({', '.join(f'{name_text(f.name)}:={expression_text(v)}' for f, v in zip(type_.fields, values, strict=True))})"
    raise AssertionError(f"no text for {expr}")


def _list(exprs: tuple[ex.Expr, ...]) -> str:
    return ", ".join(map(expression_text, exprs))


def _literal(value: ex.Value) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return "'" + value.replace("'", "''") + "'"
        case bytes():
            return f"X'{value.hex().upper()}'"
        case datetime():
            return f"TIMESTAMP '{value.isoformat(timespec='milliseconds')}'"
        case date():
            return f"DATE '{value.isoformat()}'"
        case time():
            return f"TIME '{value.isoformat(timespec='milliseconds')}'"
        case Decimal():
            return format(value, "f")
        case float():
            return repr(value).upper() if "e" in repr(value) or value != value or value in (float("inf"), float("-inf")) else f"{value!r}E0"
    return str(value)
