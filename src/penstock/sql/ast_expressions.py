"""The expressions of the syntax tree, and what every node of it has; `ast` hands them on."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal as OneOf

from penstock.errors import Position
from penstock.sql.types import SqlType


@dataclass(frozen=True, kw_only=True)
class Node:
    position: Position | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Expression(Node):
    """Base of the expressions."""


@dataclass(frozen=True, eq=False)
class Literal(Expression):
    """NULL (None), a boolean, an integer (INTEGER if it fits 32 bits, else BIGINT), a Decimal (`1.5`), a float (`1.5E0`) or a string.

    A minus sign before a number belongs to the literal. Equality heeds the type: `1`, `TRUE`, `1.0` and `1E0` are four literals.
    """

    value: None | bool | int | Decimal | float | str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Literal) and (type(self.value), repr(self.value)) == (type(other.value), repr(other.value))

    def __hash__(self) -> int:
        return hash((type(self.value), repr(self.value)))


@dataclass(frozen=True)
class ColumnRef(Expression):
    """A column, `source.name` or only `name`; also a pseudo column (ROWTIME, ROWPARTITION, ROWOFFSET, WINDOWSTART, WINDOWEND) or a
    lambda's parameter."""

    name: str
    source: str | None = None


@dataclass(frozen=True)
class Dereference(Expression):
    """`base->field`"""

    base: Expression
    field: str


@dataclass(frozen=True)
class Subscript(Expression):
    """`base[index]`: of an array (from 1, or from the end if negative), or of a map."""

    base: Expression
    index: Expression


@dataclass(frozen=True)
class Arithmetic(Expression):
    """`||` joins strings, as `+` does between strings."""

    op: OneOf["+", "-", "*", "/", "%", "||"]
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Negate(Expression):
    operand: Expression


@dataclass(frozen=True)
class Comparison(Expression):
    op: OneOf["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"]
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Logical(Expression):
    op: OneOf["AND", "OR"]
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Not(Expression):
    operand: Expression


@dataclass(frozen=True)
class Between(Expression):
    operand: Expression
    low: Expression
    high: Expression
    negated: bool = False


@dataclass(frozen=True)
class In(Expression):
    operand: Expression
    options: tuple[Expression, ...]
    negated: bool = False


@dataclass(frozen=True)
class Like(Expression):
    operand: Expression
    pattern: Expression
    escape: str | None = None
    negated: bool = False


@dataclass(frozen=True)
class IsNull(Expression):
    operand: Expression
    negated: bool = False


@dataclass(frozen=True)
class When(Node):
    condition: Expression
    result: Expression


@dataclass(frozen=True)
class Case(Expression):
    """CASE WHEN condition ..., or with `operand` CASE operand WHEN value ..."""

    operand: Expression | None
    whens: tuple[When, ...]
    default: Expression | None


@dataclass(frozen=True)
class Cast(Expression):
    operand: Expression
    type: SqlType


@dataclass(frozen=True)
class Star(Expression):
    """The `*` of COUNT(*)."""


@dataclass(frozen=True)
class IntervalUnit(Expression):
    """A bare unit as an argument: the DAYS of DATEADD(DAYS, 5, d). In the plural, upper case."""

    unit: str


@dataclass(frozen=True)
class Lambda(Expression):
    """`x => body` or `(x, y) => body`."""

    parameters: tuple[str, ...]
    body: Expression


@dataclass(frozen=True)
class FunctionCall(Expression):
    name: str  # upper case
    arguments: tuple[Expression, ...]


@dataclass(frozen=True)
class ArrayConstructor(Expression):
    items: tuple[Expression, ...]


@dataclass(frozen=True)
class MapConstructor(Expression):
    entries: tuple[tuple[Expression, Expression], ...]


@dataclass(frozen=True)
class StructConstructor(Expression):
    """`STRUCT(a := 1, b := 2)`"""

    fields: tuple[tuple[str, Expression], ...]
