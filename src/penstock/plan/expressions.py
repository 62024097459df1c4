"""Typed expressions: what the AST's expressions become once names and types are settled. Every node knows its type.

Casts that the language does by itself (an INTEGER compared with a BIGINT, an INTEGER passed as a DOUBLE) stand here as `Cast` nodes, so the engine
converts nothing silently. Nothing here knows how an expression is evaluated.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Literal as OneOf

from penstock.sql.types import SqlType

Value = None | bool | int | float | Decimal | str | bytes | date | time | datetime


@dataclass(frozen=True)
class Expr:
    type: SqlType


@dataclass(frozen=True)
class Column(Expr):
    """A column of the input step, by its name there."""

    name: str


@dataclass(frozen=True)
class RowTime(Expr):
    """The row's own timestamp (BIGINT, ms)."""


@dataclass(frozen=True)
class WindowBound(Expr):
    """WINDOWSTART or WINDOWEND of a windowed row (BIGINT, ms)."""

    bound: OneOf["START", "END"]


@dataclass(frozen=True)
class Parameter(Expr):
    """A lambda's parameter inside its body."""

    name: str


@dataclass(frozen=True)
class Literal(Expr):
    """A constant of the given type; `value` None is NULL."""

    value: Value


@dataclass(frozen=True)
class Unit(Expr):
    """A bare interval unit as an argument (type IntervalUnitType)."""

    unit: str


@dataclass(frozen=True)
class Field(Expr):
    base: Expr
    name: str


@dataclass(frozen=True)
class Item(Expr):
    """`base[index]` of an ARRAY (1-based, negative from the end; out of range is NULL) or a MAP."""

    base: Expr
    index: Expr


@dataclass(frozen=True)
class Arithmetic(Expr):
    """Both sides are of `type`, but for DECIMAL, where each keeps its own precision and `type` is the result's."""

    op: OneOf["+", "-", "*", "/", "%"]
    left: Expr
    right: Expr


@dataclass(frozen=True)
class Concat(Expr):
    """`+` of two STRINGs or two BYTES; NULL if either is."""

    left: Expr
    right: Expr


@dataclass(frozen=True)
class Negate(Expr):
    operand: Expr


@dataclass(frozen=True)
class Comparison(Expr):
    """Both sides are of one type. A NULL on either side of a plain comparison makes it false, not NULL (as in ksqlDB)."""

    op: OneOf["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"]
    left: Expr
    right: Expr


@dataclass(frozen=True)
class Logical(Expr):
    op: OneOf["AND", "OR"]
    left: Expr
    right: Expr


@dataclass(frozen=True)
class Not(Expr):
    operand: Expr


@dataclass(frozen=True)
class Between(Expr):
    operand: Expr
    low: Expr
    high: Expr


@dataclass(frozen=True)
class In(Expr):
    operand: Expr
    options: tuple[Expr, ...]


@dataclass(frozen=True)
class Like(Expr):
    operand: Expr
    pattern: Expr
    escape: str | None = None


@dataclass(frozen=True)
class IsNull(Expr):
    operand: Expr


@dataclass(frozen=True)
class Case(Expr):
    """Searched CASE; the conditions are BOOLEAN, the results of `type`."""

    whens: tuple[tuple[Expr, Expr], ...]
    default: Expr | None


@dataclass(frozen=True)
class Cast(Expr):
    """To `type`. A value that cannot be converted is an error of that row (it becomes NULL and is logged)."""

    operand: Expr


@dataclass(frozen=True)
class Lambda(Expr):
    """`type` is a functions.definition.LambdaType."""

    parameters: tuple[str, ...]
    body: Expr


@dataclass(frozen=True)
class Call(Expr):
    """A scalar function; arguments already have the parameter types of its resolution."""

    name: str
    arguments: tuple[Expr, ...]


@dataclass(frozen=True)
class MakeArray(Expr):
    items: tuple[Expr, ...]


@dataclass(frozen=True)
class MakeMap(Expr):
    entries: tuple[tuple[Expr, Expr], ...]


@dataclass(frozen=True)
class MakeStruct(Expr):
    """The fields' names are in `type`."""

    values: tuple[Expr, ...]


@dataclass(frozen=True)
class TableCall(Expr):
    """A table function; `type` is the type of one item of its list."""

    name: str
    arguments: tuple[Expr, ...]


@dataclass(frozen=True)
class AggregateCall(Expr):
    """An aggregate function; only in `steps.Aggregate`. COUNT(*) has no arguments."""

    name: str
    arguments: tuple[Expr, ...]
