"""Users' functions in Python: `@udf`, `@udaf` and `@udtf` make one callable from SQL, with its types taken from its annotations.

    @penstock.udf
    def celsius(fahrenheit: float) -> float:
        \"\"\"Degrees Fahrenheit as degrees Celsius.\"\"\"
        return (fahrenheit - 32) / 1.8

Annotations become SQL types as `annotations.sql_type` says. Unless a parameter allows None, the function is not called where an argument is NULL: the
result is NULL then. An exception is an error of its row: the result is NULL there, and the processing log says why, with the file and line; a record
that an aggregate's `add`, `undo` or `merge` refuses is passed over whole. A later definition of the same name replaces an earlier one.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, get_type_hints, overload

from penstock.errors import SqlError
from penstock.functions.annotations import Converter, from_sql, is_optional, sql_type, to_sql
from penstock.functions.define import Function, Kind, Overload, Settled, call_sql, python_function, read_documentation, register
from penstock.functions.definition import PythonFunction, Resolved, ResolvedAggregate, UsersOwn
from penstock.functions.duckdb import duckdb_type, field_names, quoted
from penstock.functions.resolution import load
from penstock.functions.signature import Parameter, Signature
from penstock.sql.types import Array, Field, SqlType, Struct

Body = TypeVar("Body", bound=Callable[..., Any])
Aggregator = TypeVar("Aggregator", bound=type)


@dataclass(frozen=True, slots=True)
class _Typed:
    """A Python function as SQL sees it: its parameters, its result, and whether NULLs are passed. `last` are the parameters behind `*values`, which
    Python takes by name only."""

    parameters: tuple[Parameter, ...]
    required: int
    readers: tuple[Converter | None, ...]
    returns: SqlType
    writer: Converter | None
    nulls: bool
    last: tuple[str, ...] = ()

    @property
    def variadic(self) -> bool:
        """Whether it takes any number of values."""
        return any(p.variadic for p in self.parameters)

    def called(self, body: Callable[..., Any], values: Sequence[Any], *before: Any) -> Any:
        """Call the function with SQL's values, made into what its annotations say, behind those that come `before`."""
        readers = self.readers
        if self.variadic:
            at = next(i for i, p in enumerate(self.parameters) if p.variadic)
            readers = readers[:at] + readers[at : at + 1] * (len(values) - len(readers) + 1) + readers[at + 1 :]
        made = [v if read is None or v is None else read(v) for v, read in zip(values, readers[: len(values)], strict=True)]
        split = len(made) - len(self.last)
        return body(*before, *made[:split], **dict(zip(self.last, made[split:], strict=True)))


@overload
def udf(body: Body) -> Body: ...
@overload
def udf(*, name: str = "") -> Callable[[Body], Body]: ...
def udf(body: Body | None = None, *, name: str = "") -> Body | Callable[[Body], Body]:
    """Make a Python function a scalar function of SQL, under its own name in capitals unless `name` is given.

    Parameters with defaults may be left out in SQL; `*values: T` takes any number, and what stands behind it are the last arguments. The docstring is
    its documentation, as for built-in functions.
    Raises penstock.SqlError where an annotation is missing or has no SQL type.
    """
    made: Body | Callable[[Body], Body] = _decorated(body, partial(_scalar, "SCALAR", name))
    return made


@overload
def udtf(body: Body) -> Body: ...
@overload
def udtf(*, name: str = "") -> Callable[[Body], Body]: ...
def udtf(body: Body | None = None, *, name: str = "") -> Body | Callable[[Body], Body]:
    """Make a Python function that returns a list a table function of SQL: each item becomes a row. See `udf`."""
    made: Body | Callable[[Body], Body] = _decorated(body, partial(_scalar, "TABLE", name))
    return made


@overload
def udaf(body: Aggregator) -> Aggregator: ...
@overload
def udaf(*, name: str = "") -> Callable[[Aggregator], Aggregator]: ...
def udaf(body: Aggregator | None = None, *, name: str = "") -> Aggregator | Callable[[Aggregator], Aggregator]:
    """Make a class an aggregate of SQL, under its own name in capitals unless `name` is given. One object serves all keys; it must hold no state.

    - `initial(self) -> S`: the state of a new key;
    - `add(self, state: S, value: T, ...) -> S`: the state with one more row;
    - `result(self, state: S) -> R`: what the aggregate shows; the state itself if it is left out;
    - `undo(self, state: S, value: T, ...) -> S`: the state without a row, where it shall run over tables;
    - `merge(self, earlier: S, later: S) -> S`: two states as one, where it shall run in session windows.

    Raises penstock.SqlError where `initial` or `add` is missing, or an annotation is missing or has no SQL type.
    """
    made: Aggregator | Callable[[Aggregator], Aggregator] = _decorated(body, partial(_aggregate, name))
    return made


def _decorated(body: Any, define: Callable[[Any], None]) -> Any:
    def decorate(body: Any) -> Any:
        load()
        define(body)
        return body

    return decorate if body is None else decorate(body)


def _typed(body: Callable[..., Any], *, method: bool = False, skip: int = 0) -> _Typed:
    """Read a function's annotations; of a method without its self, and without its next `skip` parameters."""
    hints = get_type_hints(body, include_extras=True)
    given = list(inspect.signature(body).parameters.values())[(1 if method else 0) + skip :]
    missing = [p.name for p in given if p.name not in hints] + ([] if "return" in hints else ["return"])
    if missing:
        raise SqlError(f"The function {body.__qualname__} lacks a type for {', '.join(missing)}.", mend="Annotate it, such as x: int.")
    any_number = any(p.kind is p.VAR_POSITIONAL for p in given)
    if wrong := [p.name for p in given if p.kind is p.VAR_KEYWORD or (p.kind is p.KEYWORD_ONLY and not any_number)]:
        raise SqlError(f"The function {body.__qualname__} takes {wrong[0]} by name, which SQL cannot do.", mend="Make it positional.")
    parameters = tuple(Parameter(p.name, sql_type(hints[p.name]), p.kind is p.VAR_POSITIONAL) for p in given)
    readers = tuple(from_sql(hints[p.name]) for p in given)
    required = sum(p.default is p.empty for p in given)
    nulls = any(is_optional(hints[p.name]) for p in given)
    last = tuple(p.name for p in given if p.kind is p.KEYWORD_ONLY)
    return _Typed(parameters, required, readers, sql_type(hints["return"]), to_sql(hints["return"]), nulls, last)


def _calling(body: Callable[..., Any], typed: _Typed) -> Callable[..., Any]:
    """The function of SQL's values: arguments made into what the annotations say, and the result back."""
    if not any(typed.readers) and typed.writer is None and not typed.last:
        return body

    def call(*values: Any) -> Any:
        result = typed.called(body, values)
        return result if typed.writer is None or result is None else typed.writer(result)

    return call


def _scalar(kind: Kind, name: str, body: Callable[..., Any]) -> None:
    called = (name or body.__name__).upper()
    typed = _typed(body)
    if kind == "TABLE" and not isinstance(typed.returns, Array):
        raise SqlError(f"The table function {called} must return a list, but returns {typed.returns}.", mend="Annotate it -> list[...].")
    call, own = _calling(body, typed), UsersOwn(called, _file_of(body))

    def build(settled: Settled) -> Resolved:
        python = python_function(f"{called}_{id(body):x}", settled.types, typed.returns, call, nulls=typed.nulls, own=own)
        return Resolved(called, settled.types, settled.returns, call_sql(python), needs=(python,))

    returns = typed.returns.item if kind == "TABLE" and isinstance(typed.returns, Array) else typed.returns
    counts = [len(typed.parameters)] if typed.variadic else range(typed.required, len(typed.parameters) + 1)
    signatures = [Signature(called, typed.parameters[:count], returns) for count in counts]
    _register(called, kind, body, [Overload(s, build) for s in signatures])


def _aggregate(name: str, body: type) -> None:
    called = (name or body.__name__).upper()
    for needed in ("initial", "add"):
        if not callable(getattr(body, needed, None)):
            raise SqlError(f"The aggregate {called} has no method {needed}.", mend="See penstock.udaf for what it needs.")
    made = body()
    adding = _typed(body.add, method=True, skip=1)  # type: ignore[attr-defined]
    state_hint = get_type_hints(body.add, include_extras=True)["return"]  # type: ignore[attr-defined]
    state, read, write = sql_type(state_hint), from_sql(state_hint), to_sql(state_hint)
    shows = get_type_hints(body.result, include_extras=True).get("return") if hasattr(body, "result") else None
    returns = sql_type(shows) if shows is not None else state

    signature = Signature(called, adding.parameters, returns)

    def reading(value: Any) -> Any:
        return made.initial() if value is None else read(value) if read else value

    def writing(value: Any) -> Any:
        return write(value) if write and value is not None else value

    def over_rows(step: Callable[..., Any], stored: Any, rows: list[dict[str, Any]] | None) -> Any:
        current = reading(stored)
        for row in rows or []:
            values = list(row.values())
            if adding.nulls or None not in values:
                current = adding.called(step, values, current)
        return writing(current)

    def build(settled: Settled) -> ResolvedAggregate:
        names = [f"{p.name}{i}" if adding.variadic else p.name for i, p in enumerate(signature.spread(len(settled.types)) or ())]
        row = Struct(tuple(Field(name, t) for name, t in zip(names, settled.types, strict=True)))

        def part(of: str, types: tuple[SqlType, ...], returns: SqlType, call: Callable[..., Any], *, nulls: bool = True) -> PythonFunction | None:
            if not hasattr(made, of):
                return None
            own = UsersOwn(f"{called}.{of}", _file_of(getattr(body, of)))
            return python_function(f"{called}_{id(body):x}_{of}", types, returns, call, nulls=nulls, own=own)

        merge = part("add", (state, Array(row)), state, lambda s, rows: over_rows(made.add, s, rows))
        undo = part("undo", (state, Array(row)), state, lambda s, rows: over_rows(made.undo, s, rows))
        show = part("result", (state,), returns, lambda s: shown(made.result(reading(s))), nulls=False) if shows is not None else None
        joined = part("merge", (state, state), state, lambda a, b: writing(made.merge(reading(a), reading(b))))
        assert merge is not None

        def packed(arguments: Any) -> str:
            fields = ", ".join(f"{quoted(name)} := {a}" for name, a in zip(field_names(row), arguments, strict=True))
            return f"struct_pack({fields})"

        # A batch's rows are a state column of their own, always empty once they are merged, since only Python can make a state of them.
        no_state, no_rows = f"CAST(NULL AS {duckdb_type(state)})", f"CAST([] AS {duckdb_type(Array(row))})"
        return ResolvedAggregate(
            name=called,
            parameter_types=settled.types,
            return_type=returns,
            state=(state, Array(row)),
            partial=lambda arguments, order: [f"any_value({no_state})", f"list({packed(arguments)} ORDER BY {order})"],
            merge=lambda stored, new: [call_sql(merge)((stored[0], new[1])), no_rows],
            result=lambda columns: call_sql(show)((columns[0],)) if show else columns[0],
            undo=(lambda stored, old: [call_sql(undo)((stored[0], old[1])), no_rows]) if undo else None,
            needs=tuple(f for f in (merge, undo, show, joined) if f),
            combine=(lambda earlier, later: [call_sql(joined)((earlier[0], later[0])), no_rows]) if joined else None,
            sessions=joined is not None,
        )

    to_result = to_sql(shows) if shows is not None else None

    def shown(value: Any) -> Any:
        return to_result(value) if to_result and value is not None else value

    _register(called, "AGGREGATE", body, [Overload(signature, build)])


def _file_of(body: Callable[..., Any]) -> str:
    """The file of a function's own lines, whatever wraps it."""
    code = getattr(inspect.unwrap(body), "__code__", None)
    return code.co_filename if code else ""


def _register(name: str, kind: Kind, body: Callable[..., Any], overloads: list[Overload]) -> None:
    names = {p.name for o in overloads for p in o.signature.parameters}
    summary, details, parameters, examples = read_documentation(inspect.getdoc(body) or "", names)
    shown = tuple(str(o.signature) for o in overloads)
    register(Function(name, kind, "Your own functions", summary, details, parameters, examples, tuple(overloads), shown, builtin=False))
