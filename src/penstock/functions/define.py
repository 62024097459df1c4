'''How a function is defined: one decorated Python function is its registration, its types, its code and its documentation.

    @sql_scalar("LCASE(text STRING) -> STRING")
    def lcase(text: str) -> str:
        """Text in lower case.

        text: what to convert

        LCASE('ABC') -> 'abc'
        """
        return f"lower({text})"

`sql_scalar` and `sql_table` take a body that gets each argument's DuckDB SQL and returns the call's; `python_scalar` one that gets each row's
values and returns the row's result; `aggregate` one that returns an `Aggregation`. A body that differs by type asks for it by a keyword-only
`settled` parameter. In the docstring the first paragraph is the summary, `name: ...` lines describe the parameters, lines `CALL -> result` are
examples that the tests execute, and the rest is detail.
'''

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar
from typing import Literal as OneOf

from penstock.functions import signature
from penstock.functions.definition import AnyDecimal, PythonFunction, Resolved, ResolvedAggregate, UsersOwn
from penstock.functions.signature import Signature
from penstock.sql.types import BIGINT, DOUBLE, INTEGER, SqlType

Kind = OneOf["SCALAR", "AGGREGATE", "TABLE"]
Body = TypeVar("Body", bound=Callable[..., Any])

NUMBERS = (INTEGER, BIGINT, AnyDecimal(), DOUBLE)


@dataclass(frozen=True, slots=True)
class Settled:
    """A call with its types known: what a body may ask for.

    `values` holds the arguments' constant values, None where an argument is NULL or no constant; `properties` the settings of the query.
    """

    types: tuple[SqlType, ...]
    returns: SqlType
    values: tuple[Any, ...] = ()
    properties: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Aggregation:
    """The body of an aggregate: see `ResolvedAggregate` for the parts. `partial` gets the arguments' SQL and that of the arrival order."""

    state: tuple[SqlType, ...]
    partial: Callable[[Sequence[str], str], Sequence[str]]
    merge: Callable[[Sequence[str], Sequence[str]], Sequence[str]]
    result: Callable[[Sequence[str]], str]
    undo: Callable[[Sequence[str], Sequence[str]], Sequence[str]] | None = None
    needs: tuple[PythonFunction, ...] = ()
    combine: Callable[[Sequence[str], Sequence[str]], Sequence[str]] | None = None


@dataclass(frozen=True, slots=True)
class Overload:
    """One signature and what makes a call of it. `constants` are the positions of the parameters that take only a constant.

    `types` may settle the types further than the signature says (the precision of a DECIMAL result): the arguments' types and the result's.
    """

    signature: Signature
    build: Callable[[Settled], Resolved | ResolvedAggregate]
    constants: frozenset[str] = frozenset()
    returns: Callable[[tuple[SqlType, ...]], SqlType] | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """`call` gives `result`; both are SQL text."""

    call: str
    result: str


@dataclass(frozen=True, slots=True)
class Function:
    """A function as users know it: a name, its forms, its documentation."""

    name: str
    kind: Kind
    group: str
    summary: str
    details: str
    parameters: Mapping[str, str]
    examples: tuple[Example, ...]
    overloads: tuple[Overload, ...]
    shown: tuple[str, ...]  # the signatures as written, before their type variables were replaced
    builtin: bool = True

    def joined(self, other: Function) -> Function:
        """This function with the forms and the documentation of a second definition of the same name."""
        return replace(
            self,
            details="\n\n".join(filter(None, (self.details, other.details))),
            parameters={**self.parameters, **{k: v for k, v in other.parameters.items() if k not in self.parameters}},
            examples=self.examples + other.examples,
            overloads=self.overloads + other.overloads,
            shown=self.shown + other.shown,
        )


FUNCTIONS: dict[str, Function] = {}
"""Every function by its name: the built-in ones of the modules loaded so far, and the users'."""


def register(function: Function) -> None:
    """Add a definition. A second one of a name adds forms to the first, if both are of one kind and built in; else it replaces it."""
    known = FUNCTIONS.get(function.name)
    joins = known is not None and known.builtin and function.builtin
    FUNCTIONS[function.name] = known.joined(function) if known is not None and joins else function


def sql_scalar(
    *signatures: str,
    types: Mapping[str, Sequence[SqlType]] | None = None,
    returns: Callable[[tuple[SqlType, ...]], SqlType] | None = None,
    volatile: bool = False,
) -> Callable[[Body], Body]:
    """A scalar function in DuckDB's SQL. `types` lists what a type variable may stand for: one form is made for each."""
    return _sql("SCALAR", signatures, types, returns, volatile)


def sql_table(
    *signatures: str, types: Mapping[str, Sequence[SqlType]] | None = None, returns: Callable[[tuple[SqlType, ...]], SqlType] | None = None
) -> Callable[[Body], Body]:
    """A table function in DuckDB's SQL, which is a LIST; the signature's result is one item of it."""
    return _sql("TABLE", signatures, types, returns, volatile=False)


def _sql(
    kind: Kind,
    signatures: Sequence[str],
    types: Mapping[str, Sequence[SqlType]] | None,
    returns: Callable[[tuple[SqlType, ...]], SqlType] | None,
    volatile: bool,
) -> Callable[[Body], Body]:
    def decorate(body: Body) -> Body:
        asks = _asks_for_types(body)

        def build(settled: Settled) -> Resolved:
            call = partial(body, settled=settled) if asks else body
            return Resolved(name, settled.types, settled.returns, lambda arguments: str(call(*arguments)), volatile=volatile)

        name = _define(kind, body, signatures, types, build, returns=returns)
        return body

    return decorate


def python_scalar(
    *signatures: str,
    types: Mapping[str, Sequence[SqlType]] | None = None,
    returns: Callable[[tuple[SqlType, ...]], SqlType] | None = None,
    nulls: bool = False,
    sql: Callable[[Settled], Callable[..., str] | str | None] | None = None,
) -> Callable[[Body], Body]:
    """A scalar function in Python, of the values of one row. Without `nulls`, a NULL argument makes the result NULL without a call.

    `sql` may give a body in SQL for calls that DuckDB can do alone, None for the others.
    """

    def decorate(body: Body) -> Body:
        asks = _asks_for_types(body)

        def build(settled: Settled) -> Resolved:
            in_sql = sql(settled) if sql else None
            if callable(in_sql):
                return Resolved(name, settled.types, settled.returns, lambda arguments: in_sql(*arguments))
            call = partial(body, settled=settled) if asks else body
            python = python_function(name, settled.types, settled.returns, call, nulls=nulls)
            return Resolved(name, settled.types, settled.returns, call_sql(python), needs=(python,))

        name = _define("SCALAR", body, signatures, types, build, returns=returns)
        return body

    return decorate


def aggregate(
    *signatures: str,
    types: Mapping[str, Sequence[SqlType]] | None = None,
    constants: Sequence[str] = (),
    returns: Callable[[tuple[SqlType, ...]], SqlType] | None = None,
) -> Callable[[Body], Body]:
    """An aggregate: the body gets the `Settled` call and returns its `Aggregation`. `constants` names the parameters that must be constants."""

    def decorate(body: Body) -> Body:
        def build(settled: Settled) -> ResolvedAggregate:
            made: Aggregation = body(settled)
            return ResolvedAggregate(
                name, settled.types, settled.returns, made.state, made.partial, made.merge, made.result, made.undo, made.needs, made.combine
            )

        name = _define("AGGREGATE", body, signatures, types, build, constants=frozenset(constants), returns=returns)
        return body

    return decorate


def python_function(
    name: str, types: tuple[SqlType, ...], returns: SqlType, call: Callable[..., Any], *, nulls: bool = False, own: UsersOwn | None = None
) -> PythonFunction:
    """A Python function for DuckDB under a name that is its own for these types."""
    described = f"{', '.join(map(str, types))} -> {returns}"
    digest = hashlib.sha256(described.encode()).hexdigest()[:10]
    return PythonFunction(f"penstock_{name.lower()}_{digest}", types, returns, call, nulls, own)


def call_sql(python: PythonFunction) -> Callable[[Sequence[str]], str]:
    """From the arguments' SQL to that of a call of `python`."""
    return lambda arguments: f"{python.name}({', '.join(arguments)})"


def _asks_for_types(body: Callable[..., Any]) -> bool:
    return "settled" in inspect.signature(body).parameters


def _define(
    kind: Kind,
    body: Callable[..., Any],
    signatures: Sequence[str],
    types: Mapping[str, Sequence[SqlType]] | None,
    build: Callable[[Settled], Resolved | ResolvedAggregate],
    *,
    constants: frozenset[str] = frozenset(),
    returns: Callable[[tuple[SqlType, ...]], SqlType] | None = None,
) -> str:
    bindings: list[dict[str, SqlType]] = [{}]
    for variable, choices in (types or {}).items():
        bindings = [{**bound, variable: choice} for bound in bindings for choice in choices]
    overloads = {str(s): Overload(s, build, constants, returns) for text in signatures for s in (signature.parse(text, b) for b in bindings)}
    name = next(iter(overloads.values())).signature.name
    module = inspect.getmodule(body)
    group = (inspect.getdoc(module) or "").split("\n")[0].split(":")[0].rstrip(".")
    names = {p.name for o in overloads.values() for p in o.signature.parameters}
    summary, details, parameters, examples = read_documentation(inspect.getdoc(body) or "", names)
    register(Function(name, kind, group, summary, details, parameters, examples, tuple(overloads.values()), tuple(signatures)))
    return name


def read_documentation(text: str, parameters: set[str]) -> tuple[str, str, dict[str, str], tuple[Example, ...]]:
    """Take a docstring apart: its summary, its details, what it says of each parameter, its examples."""
    described: dict[str, str] = {}
    examples: list[Example] = []
    prose: list[str] = []
    last: str | None = None
    for line in text.split("\n"):
        told = re.match(r"(\w+): (.+)", line)
        shown = re.match(r"([A-Z][A-Z0-9_]*\(.*) -> (.+)", line)
        if told and told[1] in parameters:
            last = told[1]
            described[last] = told[2]
        elif last and line.startswith(" ") and line.strip():
            described[last] += " " + line.strip()
        elif shown:
            last = None
            examples.append(Example(shown[1], shown[2]))
        else:
            last = None
            prose.append(line)
    summary, _, details = "\n".join(prose).strip().partition("\n\n")
    return " ".join(summary.split()), re.sub(r"\n{3,}", "\n\n", details).strip(), described, tuple(examples)
