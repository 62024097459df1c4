"""Penstock's scalar functions in ordinary SQL, which DuckDB evaluates: a macro for each that a query calls and DuckDB lacks.

DuckDB chooses among a macro's forms by the types of the arguments, so a function becomes one macro with a form for each of its signatures. Among
ARRAYs and MAPs it cannot always choose, so that there are forms for those types alone which the query's sources have.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from functools import cache
from itertools import pairwise, product
from typing import TYPE_CHECKING

from penstock import functions
from penstock.errors import Error
from penstock.functions.definition import AnyDecimal, IntervalUnitType, LambdaType, Resolved, Variable
from penstock.functions.duckdb import duckdb_type, register
from penstock.sql.tokens import Token
from penstock.sql.types import BIGINT, BOOLEAN, DATE, DOUBLE, INTEGER, STRING, TIME, TIMESTAMP, Array, Map, SqlType, Struct

if TYPE_CHECKING:
    import duckdb

    from penstock.functions.signature import Signature

STANDS_FOR = (BOOLEAN, INTEGER, BIGINT, DOUBLE, STRING, DATE, TIME, TIMESTAMP)
"""What a type variable of a signature may be: DuckDB's macros have none."""
LITERAL_ARRAYS = (Array(STRING), Array(INTEGER))
"""ARRAYs that a query itself may make."""
BOUNDED = {"LPAD", "RPAD"}
"""Functions that DuckDB has too, but without a bound on the length of what they fill in."""
VARIABLES_MAX = 2
ARGUMENTS_MAX = 8
"""How many arguments a variadic function takes here."""


@cache
def known_to_duckdb() -> frozenset[str]:
    """The names of DuckDB's own functions, in upper case."""
    import duckdb

    with duckdb.connect(":memory:") as connection:
        return frozenset(name.upper() for (name,) in connection.sql("SELECT DISTINCT function_name FROM duckdb_functions()").fetchall())


def called(tokens: Sequence[Token]) -> list[str]:
    """The functions that a query calls and DuckDB lacks, by name."""
    names = {a.word for a, b in pairwise(tokens) if b.text == "(" and a.text.isidentifier()}
    return sorted(n for n in names if functions.kind_of(n) == "SCALAR" and (n in BOUNDED or n not in known_to_duckdb()))


def define(connection: duckdb.DuckDBPyConnection, name: str, present: Set[SqlType]) -> None:
    """Make a scalar function known to a connection. `present`: the types of the sources' columns, at any depth."""
    connection.execute(f'DROP MACRO IF EXISTS "{name}"')
    forms: dict[str, str] = {}
    for overload in functions.describe(name).overloads:
        for types in argument_types(overload.signature):
            if any(isinstance(t, Array | Map) and t not in present and t not in LITERAL_ARRAYS for t in types):
                continue
            try:
                resolved = functions.resolve_scalar(name, types)
            except Error:
                continue  # this form wants a constant, which a macro cannot see
            if resolved.parameter_types == types and not any(isinstance(t, LambdaType) for t in types):
                forms.setdefault(parameters(types), body(connection, resolved))
    if forms:
        connection.execute(f'CREATE MACRO "{name}"' + ", ".join(f"({given}) AS ({sql})" for given, sql in forms.items()))


def nested_types(type_: SqlType) -> Iterator[SqlType]:
    """A type and those within it."""
    yield type_
    match type_:
        case Array(item):
            yield from nested_types(item)
        case Map(key, value):
            yield from nested_types(key)
            yield from nested_types(value)
        case Struct(fields):
            for field in fields:
                yield from nested_types(field.type)


def parameters(types: Sequence[SqlType]) -> str:
    """The parameters of one form of a macro."""
    return ", ".join(f"penstock_{i} {duckdb_type(t)}" for i, t in enumerate(types))


def body(connection: duckdb.DuckDBPyConnection, resolved: Resolved) -> str:
    """The SQL of one form of a macro."""
    for need in resolved.needs:
        register(connection, need)
    return resolved.sql([f"penstock_{i}" for i in range(len(resolved.parameter_types))])


def argument_types(signature: Signature) -> Iterator[tuple[SqlType, ...]]:
    """The concrete argument types of a signature, with each count of a variadic parameter."""
    fixed = [p for p in signature.parameters if not p.variadic]
    counts = range(len(fixed), ARGUMENTS_MAX + 1) if len(fixed) < len(signature.parameters) else [len(fixed)]
    for count in counts:
        types = [p.type for p in signature.spread(count) or ()]
        variables = sorted({v for t in types for v in variables_of(t)})
        if len(variables) > VARIABLES_MAX or any(isinstance(t, AnyDecimal | IntervalUnitType | LambdaType) for t in types):
            continue
        for choice in product(STANDS_FOR, repeat=len(variables)):
            bound: dict[str, SqlType] = dict(zip(variables, choice, strict=True))
            yield tuple(settled(t, bound) for t in types)


def variables_of(type_: SqlType) -> set[str]:
    """The type variables in a type."""
    match type_:
        case Variable(name):
            return {name}
        case Array(item):
            return variables_of(item)
        case Map(key, value):
            return variables_of(key) | variables_of(value)
    return set()


def settled(type_: SqlType, bound: dict[str, SqlType]) -> SqlType:
    """A type with its variables replaced."""
    match type_:
        case Variable(name):
            return bound[name]
        case Array(item):
            return Array(settled(item, bound))
        case Map(key, value):
            return Map(settled(key, bound), settled(value, bound))
    return type_
