"""What a function is: one definition is its registration, its types, its code and its documentation.

The planner resolves a call by name and argument types (`functions.resolve_scalar` ...) and learns the concrete parameter and return
types; the engine asks the same resolution for DuckDB SQL. A function that DuckDB lacks is Python, registered in DuckDB on first use: its SQL is
then a call of that name, and `needs` says what to register. So there is one way to evaluate, and callers see no difference.
"""

from __future__ import annotations

import decimal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.sql.types import SqlType


@dataclass(frozen=True, slots=True)
class Variable(SqlType):
    """A type variable of a signature: the T of `ARRAY<T>`. It stands only in definitions, never in a plan."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class AnyDecimal(SqlType):
    """Any DECIMAL, in a signature; resolution replaces it by the argument's own precision and scale."""

    def __str__(self) -> str:
        return "DECIMAL"


@dataclass(frozen=True, slots=True)
class IntervalUnitType(SqlType):
    """The type of a bare unit such as DAYS; its SQL is the quoted text 'DAYS'."""

    def __str__(self) -> str:
        return "INTERVALUNIT"


@dataclass(frozen=True, slots=True)
class LambdaType(SqlType):
    """The type of a lambda: what its parameters are and what its body must return (the planner casts the body where it differs).

    Its SQL is DuckDB's `lambda x, y: body`, the parameters plain or double-quoted identifiers.
    """

    parameters: tuple[SqlType, ...]
    returns: SqlType

    def __str__(self) -> str:
        return f"LAMBDA ({', '.join(map(str, self.parameters))}) => {self.returns}"


@dataclass(frozen=True, slots=True)
class LambdaArgument:
    """A lambda as an argument not yet typed: `infer` types its body once the types of its `arity` parameters are known."""

    arity: int
    infer: Callable[[tuple[SqlType, ...]], SqlType]


@dataclass(frozen=True, slots=True)
class LiteralArgument:
    """A constant as an argument, where its value can decide the type or the state: the 3 of `TOPK(x, 3)`. NULL has the type NULL.

    A plain `SqlType` may stand for a constant too, but then a parameter that must be a constant refuses it.
    """

    type: SqlType
    value: None | bool | int | float | decimal.Decimal | str


Argument = SqlType | LiteralArgument | LambdaArgument
"""A lambda that is typed already may come as its `LambdaType`."""


@dataclass(frozen=True, slots=True)
class UsersOwn:
    """What the reports of a user's own function tell of it: its name in SQL, and the file that it stands in."""

    name: str
    file: str


@dataclass(frozen=True, slots=True)
class PythonFunction:
    """A Python function to be registered in DuckDB under `name` (unique for its types).

    `call` takes and returns one value of each row in the natural Python types (int, float, Decimal, str, bytes, date, time, datetime, list,
    dict for MAP and STRUCT); with `nulls` it is called even where an argument is NULL, else the result is NULL there.
    Of a user's own function, `own` says which it is.
    """

    name: str
    parameters: tuple[SqlType, ...]
    returns: SqlType
    call: Callable[..., Any]
    nulls: bool = False
    own: UsersOwn | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """A scalar or table function with its types settled. A table function's SQL is a LIST, of which each item becomes a row;
    its `return_type` is the item's."""

    name: str
    parameter_types: tuple[SqlType, ...]  # one for each argument; the planner casts where an argument's type differs
    return_type: SqlType
    sql: Callable[[Sequence[str]], str]  # the arguments' SQL -> the call's
    needs: tuple[PythonFunction, ...] = ()
    volatile: bool = False  # a new value at every call: RANDOM, UUID, UNIX_TIMESTAMP


@dataclass(frozen=True, slots=True)
class ResolvedAggregate:
    """An aggregate with its types settled, as SQL over a state of one or more columns, so that it runs by column.

    For the rows that a key has in a batch, `partial` makes a state; `merge` joins the stored state and it; `result` reads it.
    Where the input is a table, `undo` takes the partial state of replaced rows out of the stored one.
    """

    name: str
    parameter_types: tuple[SqlType, ...]
    return_type: SqlType
    state: tuple[SqlType, ...]  # the types of the state's columns
    partial: Callable[[Sequence[str], str], Sequence[str]]
    """(arguments' SQL, SQL of the arrival order, a BIGINT) -> for each state column ONE aggregate call, to which ` OVER (...)` may be
    appended: `sum(x)`, `arg_max(x, o)`, `list(x ORDER BY o) FILTER (x IS NOT NULL)`."""
    merge: Callable[[Sequence[str], Sequence[str]], Sequence[str]]
    """(stored state's columns, the partial's) -> scalar SQL for each state column. The stored columns are all NULL for a new key."""
    result: Callable[[Sequence[str]], str]
    undo: Callable[[Sequence[str], Sequence[str]], Sequence[str]] | None = None
    """Like `merge`, taking the partial away; None where the aggregate cannot run over a table."""
    needs: tuple[PythonFunction, ...] = ()
    combine: Callable[[Sequence[str], Sequence[str]], Sequence[str]] | None = None
    """Joins two stored states, where session windows grow together; None where `merge` does that too."""
    sessions: bool = True
    """Whether two states can be joined at all; else the planner refuses the aggregate in session windows."""

    @property
    def is_users_own(self) -> bool:
        """Whether it is of a user's Python, so that any part of it may raise."""
        return any(need.own for need in self.needs)
