"""Evaluates an expression of SQL through DuckDB: parsed and typed by the real parser and planner, then written here as plainly as can be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import duckdb

from penstock import functions
from penstock.functions.casts import cast_sql
from penstock.functions.definition import Argument, LambdaArgument, LambdaType, LiteralArgument, PythonFunction, ResolvedAggregate
from penstock.functions.duckdb import duckdb_type, quoted, register, text
from penstock.plan import expressions as ex
from penstock.plan.scope import Scope
from penstock.plan.typed import Typing, typed
from penstock.sql.parser import parse_expression
from penstock.sql.types import BIGINT, SqlType


@cache
def connection() -> duckdb.DuckDBPyConnection:
    """One connection for all tests of a process."""
    return duckdb.connect(config={"threads": 1})


def need(python: Sequence[PythonFunction]) -> None:
    for function in python:
        register(connection(), function)


def rows(sql: str) -> list[Any]:
    """The first column of a query's rows."""
    return [row[0] for row in connection().execute(sql).fetchall()]


def expression(sql: str) -> ex.Expr:
    """SQL, typed."""
    return typed(parse_expression(sql), Typing(Scope(()), table_functions=True))


def value(sql: str) -> Any:
    """What an expression gives. An error of the row is raised."""
    return rows(f"SELECT {duck(expression(sql))}")[0]


def tried(sql: str) -> Any:
    """What an expression gives in a row of a query: NULL where it fails."""
    return rows(f"SELECT TRY({duck(expression(sql))})")[0]


def type_of(sql: str) -> str:
    """The type of an expression, as text."""
    return str(expression(sql).type)


def duck(e: ex.Expr) -> str:
    """DuckDB's SQL for a typed expression."""
    match e:
        case ex.Literal(type, given):
            return f"CAST({'NULL' if given is None else text(str(given))} AS {duckdb_type(type)})"
        case ex.Parameter(_, name):
            return quoted(name)
        case ex.Unit(_, unit):
            return text(unit)
        case ex.Arithmetic(_, op, left, right):
            return f"({duck(left)} {op} {duck(right)})"
        case ex.Concat(_, left, right):
            return f"({duck(left)} || {duck(right)})"
        case ex.Comparison(_, op, left, right):
            return f"coalesce({duck(left)} {op} {duck(right)}, FALSE)"
        case ex.Logical(_, op, left, right):
            return f"({duck(left)} {op} {duck(right)})"
        case ex.Cast(type, operand):
            convert, needs = cast_sql(operand.type, type)
            need(needs)
            return convert(duck(operand))
        case ex.Lambda(_, parameters, body):
            return f"lambda {', '.join(map(quoted, parameters))}: {duck(body)}"
        case ex.Call(_, name, arguments) | ex.TableCall(_, name, arguments):
            resolve = functions.resolve_scalar if isinstance(e, ex.Call) else functions.resolve_table
            resolved = resolve(name, [argument(a) for a in arguments])
            need(resolved.needs)
            return resolved.sql([duck(a) for a in arguments])
        case ex.MakeArray(type, items):
            return f"CAST([{', '.join(map(duck, items))}] AS {duckdb_type(type)})"
        case ex.MakeMap(type, entries):
            return f"CAST(MAP {{{', '.join(f'{duck(k)}: {duck(v)}' for k, v in entries)}}} AS {duckdb_type(type)})"
        case ex.MakeStruct(type, values):
            fields = ", ".join(f"{quoted(f.name)} := {duck(v)}" for f, v in zip(type.fields, values, strict=True))  # type: ignore[attr-defined]
            return f"struct_pack({fields})"
    raise AssertionError(f"the tests do not write {e}")


def argument(e: ex.Expr) -> Argument:
    if isinstance(e, ex.Lambda):
        assert isinstance(e.type, LambdaType)
        returns = e.type.returns
        return LambdaArgument(len(e.parameters), lambda _: returns)
    return LiteralArgument(e.type, e.value) if isinstance(e, ex.Literal) and not isinstance(e.value, bytes) else e.type  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------- aggregates


class Aggregating:
    """One key of an aggregate: takes batches of rows, each by the whole-batch partial and, beside it, by the running one, which must agree.

    A row is one value for each argument that is no constant.
    """

    def __init__(self, name: str, types: Sequence[SqlType | LiteralArgument], properties: dict[str, object] | None = None) -> None:
        self.types = types
        self.resolved: ResolvedAggregate = functions.resolve_aggregate(name, list(types), properties)
        need(self.resolved.needs)
        self.state = [f"CAST(NULL AS {duckdb_type(t)})" for t in self.resolved.state]
        self.order = 0

    def add(self, batch: Sequence[Any]) -> Aggregating:
        """Merge a batch."""
        self._step(batch, self.resolved.merge)
        return self

    def take(self, batch: Sequence[Any]) -> Aggregating:
        """Undo rows."""
        assert self.resolved.undo is not None
        self._step(batch, self.resolved.undo)
        return self

    def combined(self, later: Aggregating) -> Any:
        """The result of this state joined with that of a later session."""
        combine = self.resolved.combine or self.resolved.merge
        pairs = zip(self.resolved.state, combine([f"({s})" for s in self.state], [f"({s})" for s in later.state]), strict=True)
        return rows(f"SELECT {self.resolved.result([f'CAST({c} AS {duckdb_type(t)})' for t, c in pairs])}")[0]

    @property
    def result(self) -> Any:
        return rows(f"SELECT {self.resolved.result([f'({s})' for s in self.state])}")[0]

    def _step(self, batch: Sequence[Any], step: Any) -> None:
        columns = [i for i, t in enumerate(self.types) if not isinstance(t, LiteralArgument)]
        source = self._source(batch, columns)
        arguments = []
        for i, parameter in enumerate(self.resolved.parameter_types):
            t = self.types[i]
            convert, needs = cast_sql(t.type if isinstance(t, LiteralArgument) else t, parameter)
            need(needs)
            arguments.append(convert(text(str(t.value)) if isinstance(t, LiteralArgument) else f"x{i}"))
        partials = self.resolved.partial(arguments, "o")
        over = "OVER (ORDER BY o ROWS UNBOUNDED PRECEDING)"
        types = [duckdb_type(t) for t in self.resolved.state]
        whole, running = (
            ", ".join(f"CAST({p} {window} AS {t}) AS p{i}" for i, (p, t) in enumerate(zip(partials, types, strict=True))) for window in ("", over)
        )
        queries = f"SELECT {whole} FROM {source}", f"SELECT * FROM (SELECT {running}, o FROM {source}) ORDER BY o DESC LIMIT 1"
        after = [self._next(step, partials, query) for query in queries]
        if batch:
            shown = [rows(f"SELECT {self.resolved.result([f'({s})' for s in state])}")[0] for state in after]
            assert repr(shown[0]) == repr(shown[1]), shown
        self.state = after[0]
        self.order += len(batch)

    def _next(self, step: Any, partials: Sequence[str], query: str) -> list[str]:
        stored = [f"s{i}" for i in range(len(self.state))]
        merged = step(stored, [f"p{i}" for i in range(len(partials))])
        select = ", ".join(f"CAST({m} AS {duckdb_type(t)})" for m, t in zip(merged, self.resolved.state, strict=True))
        old = ", ".join(f"{s} AS s{i}" for i, s in enumerate(self.state))
        found = connection().execute(f"SELECT {select} FROM (SELECT {old}), ({query})").fetchall()[0]
        return [f"CAST({_literal(v)} AS {duckdb_type(t)})" for v, t in zip(found, self.resolved.state, strict=True)]

    def _source(self, batch: Sequence[Any], columns: Sequence[int]) -> str:
        types = [self.types[i] for i in columns]
        names = ["o", *(f"x{i}" for i in columns)]
        if not batch:
            empty = ", ".join(f"CAST(NULL AS {duckdb_type(t)}) AS {n}" for t, n in zip([BIGINT, *types], names, strict=True))
            return f"(SELECT {empty} WHERE FALSE)"
        lines = []
        for at, row in enumerate(batch):
            values = row if len(columns) != 1 else (row,)
            cells = [f"CAST({_literal(v)} AS {duckdb_type(t)})" for v, t in zip(values, types, strict=True)]
            lines.append(f"({', '.join([f'{self.order + at}::BIGINT', *cells])})")
        return f"(SELECT * FROM (VALUES {', '.join(lines)}) t({', '.join(names)}))"


def _literal(given: Any) -> str:
    """A Python value as DuckDB's SQL."""
    match given:
        case None:
            return "NULL"
        case bytes():
            return f"unhex('{given.hex()}')"
        case list():
            return f"[{', '.join(map(_literal, given))}]"
        case dict() if given and all(isinstance(k, str) and re.fullmatch(r"sort_col|col\d|earliness|VALUE|COUNT|[A-Z]", k) for k in given):
            return f"{{{', '.join(f'{text(k)}: {_literal(v)}' for k, v in given.items())}}}"
        case dict():
            return f"MAP {{{', '.join(f'{_literal(k)}: {_literal(v)}' for k, v in given.items())}}}"
    return text(str(given))


ROWS = re.compile(r"(\w+)\((.*)\)")


def aggregate_example(call: str) -> Any:
    """What an aggregate's example gives: `SUM([1, NULL])` is SUM over rows of these values, `TOPK([5, 9], 1)` has a constant too."""
    found = ROWS.fullmatch(call)
    assert found is not None
    parts = [expression(part if part[0] != "[" else f"ARRAY{part}") for part in _split(found[2])]
    types: list[SqlType | LiteralArgument] = []
    columns = []
    for part in parts:
        if isinstance(part, ex.MakeArray):
            types.append(part.type.item)  # type: ignore[attr-defined]
            columns.append(rows(f"SELECT {duck(part)}")[0])
        else:
            assert isinstance(part, ex.Literal)
            types.append(LiteralArgument(part.type, part.value))  # type: ignore[arg-type]
    batch = columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))
    return Aggregating(found[1], types).add(batch).result


def _split(text_: str) -> list[str]:
    """The arguments of a call, cut at the commas outside of brackets and quotes."""
    parts, depth, start, inside = [], 0, 0, False
    for at, c in enumerate(text_):
        inside ^= c == "'"
        depth += 0 if inside else (c in "[(") - (c in "])")
        if c == "," and not depth and not inside:
            parts.append(text_[start:at].strip())
            start = at + 1
    return [*parts, text_[start:].strip()]


