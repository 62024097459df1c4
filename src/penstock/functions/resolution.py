"""From a call's name and argument types to what runs: the form it means, its types, its code."""

from __future__ import annotations

import difflib
import threading
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import cast

from penstock.errors import SqlError
from penstock.functions.define import FUNCTIONS, Function, Kind, Overload, Settled
from penstock.functions.definition import Argument, LambdaArgument, LiteralArgument, Resolved, ResolvedAggregate, Variable
from penstock.functions.matching import Match, match, type_of
from penstock.functions.signature import written
from penstock.sql.types import NULL, PRIMITIVES, STRING, SqlType, is_numeric

MODULES = (
    "scalar.math", "scalar.trigonometry", "scalar.string", "scalar.regex", "scalar.mask", "scalar.bytes", "scalar.json", "scalar.url", "scalar.time",
    "scalar.nulls", "scalar.array", "scalar.map", "scalar.lambda_",
    "aggregate.basic", "aggregate.offset", "aggregate.collect", "aggregate.top", "aggregate.statistics", "table.explode",
)  # fmt: skip
"""Where the built-in functions are defined, in the order of the documentation."""

OLDER_NAMES = {"LATEST": "LATEST_BY_OFFSET", "EARLIEST": "EARLIEST_BY_OFFSET"}
"""Names of old that still serve, unless a function of one's own has one."""

FORMS_MAX = 4
"""How many forms of a function a message lists."""

_NUMBERS = {"INTEGER", "BIGINT", "DECIMAL", "DOUBLE"}


def load() -> dict[str, Function]:
    """Every function by its name, the built-in ones loaded on the first call."""
    if not _loaded:
        with _loading:  # queries start in threads of their own: none may see half of the functions
            for module in MODULES:
                import_module(f"penstock.functions.{module}")
            _loaded.append(True)
    return FUNCTIONS


_loaded: list[bool] = []
_loading = threading.RLock()


def kind_of(name: str) -> Kind | None:
    """SCALAR, AGGREGATE or TABLE; None where there is no function of the name (upper case)."""
    function = _named(name)
    return function.kind if function else None


def _named(name: str) -> Function | None:
    known = load()
    return known.get(name) or known.get(OLDER_NAMES.get(name, name))


def all_functions() -> list[Function]:
    """Every function, by name."""
    return [function for _, function in sorted(load().items())]


def describe(name: str) -> Function:
    """A function by its name (upper case). Raises SqlError with the nearest names where there is none."""
    function = _named(name)
    if function is None:
        near = difflib.get_close_matches(name, FUNCTIONS, n=3, cutoff=0.6)
        mend = f"Did you mean {' or '.join(near)}?" if near else "SHOW FUNCTIONS lists all."
        raise SqlError(f"There is no function {name}.", mend=mend)
    return function


def resolve_scalar(name: str, arguments: Sequence[Argument], properties: Mapping[str, object] | None = None) -> Resolved:
    """The scalar function that a call means. `name` is upper case; `properties` are the query's settings.

    Raises SqlError where there is no such function, or none that takes these arguments.
    """
    return cast(Resolved, _resolve("SCALAR", name, arguments, properties))


def resolve_table(name: str, arguments: Sequence[Argument], properties: Mapping[str, object] | None = None) -> Resolved:
    """The table function that a call means: see `resolve_scalar`."""
    return cast(Resolved, _resolve("TABLE", name, arguments, properties))


def resolve_aggregate(name: str, arguments: Sequence[Argument], properties: Mapping[str, object] | None = None) -> ResolvedAggregate:
    """The aggregate that a call means: see `resolve_scalar`. Constants among the arguments should be given as `LiteralArgument`."""
    return cast(ResolvedAggregate, _resolve("AGGREGATE", name, arguments, properties))


def _resolve(kind: Kind, name: str, arguments: Sequence[Argument], properties: Mapping[str, object] | None) -> Resolved | ResolvedAggregate:
    function = describe(name)
    if function.kind != kind:
        raise SqlError(f"{name} is {_article(function.kind)} function and cannot stand where {_article(kind)} function must.")
    overload, found = _choose(function, arguments)
    _check_constants(overload, arguments)
    returns = overload.returns(found.types) if overload.returns else found.returns
    values = tuple(a.value if isinstance(a, LiteralArgument) else None for a in arguments)
    try:
        return overload.build(Settled(found.types, returns, values, properties or {}))
    except ValueError as error:  # a constant that is no pattern of times, no regular expression, no URL
        raise SqlError(f"{name}: {error}.") from error


def _choose(function: Function, arguments: Sequence[Argument]) -> tuple[Overload, Match]:
    fits = [(o, m) for o in function.overloads if (m := match(o.signature, arguments))]
    if not fits:
        raise _refusal(function, arguments)
    exact = [(o, m) for o, m in fits if not m.widened]
    types = [type_of(a) for a in arguments if not isinstance(a, LambdaArgument)]
    if types and all(t == NULL for t in types) and (len(fits) > 1 or _undecided(fits[0][1])):
        raise SqlError(f"{function.name} cannot tell the type of NULL.", mend="Cast it, such as CAST(NULL AS STRING).")
    if not exact and len(fits) > 1 and any(p.variadic for p in fits[0][0].signature.parameters):
        raise SqlError(f"{function.name} takes arguments of one type, but got {_listed(arguments)}.", mend="Cast them to the type that is meant.")
    return min(exact or fits, key=lambda fit: (fit[1].widened, any(p.variadic for p in fit[0].signature.parameters)))


def _undecided(found: Match) -> bool:
    """Whether the result's own type hangs on arguments that are all NULL."""
    return found.returns == NULL


def _check_constants(overload: Overload, arguments: Sequence[Argument]) -> None:
    parameters = overload.signature.spread(len(arguments)) or ()
    for position, (parameter, argument) in enumerate(zip(parameters, arguments, strict=True), start=1):
        if parameter.name in overload.constants and not isinstance(argument, LiteralArgument):
            raise SqlError(
                f"Argument {position} of {overload.signature.name} ({parameter.name}) must be a constant, but is an expression.",
                mend=f"Write {_one(parameter.type)} there.",
            )


def _refusal(function: Function, arguments: Sequence[Argument]) -> SqlError:
    """The error for arguments that no form takes: what it takes, what it got, and the mend."""
    forms = [o.signature for o in function.overloads]
    singles = [s.parameters[0].type for s in forms if len(s.parameters) == 1]
    if len(arguments) == 1 and singles and not isinstance(arguments[0], LambdaArgument):
        got = type_of(arguments[0])
        takes = _either(singles)
        mend = f"Cast it{', or use COUNT' if function.name == 'SUM' else ''}." if got in PRIMITIVES.values() and _castable(got, singles) else ""
        return SqlError(f"{function.name} takes {takes}, but got {_one(got)}.", mend=mend)
    shown = list(dict.fromkeys(map(_plain, function.shown)))
    more = f"; DESCRIBE FUNCTION {function.name} lists all" if len(shown) > FORMS_MAX else ""
    return SqlError(f"{function.name} does not take ({_listed(arguments)}).", mend=f"It takes {' or '.join(shown[:FORMS_MAX])}{more}.")


def _castable(got: SqlType, wanted: Sequence[SqlType]) -> bool:
    return STRING in wanted or (any(is_numeric(w) for w in wanted) and (is_numeric(got) or got == STRING))


def _either(types: Sequence[SqlType]) -> str:
    names = list(dict.fromkeys(written(t) for t in types))
    if any(isinstance(t, Variable) for t in types):
        return "any value"
    if set(names) >= _NUMBERS:
        names = ["a number"] + [n for n in names if n not in _NUMBERS]
    names = [n if " " in n else f"{'an' if n[0] in 'AEIOU' else 'a'} {n}" for n in names]
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]


def _one(type_: SqlType) -> str:
    return "NULL" if type_ == NULL else f"{'an' if str(type_)[0] in 'AEIOU' else 'a'} {type_}"


def _plain(shown: str) -> str:
    return shown.partition(" -> ")[0]


def _listed(arguments: Sequence[Argument]) -> str:
    return ", ".join("a lambda" if isinstance(a, LambdaArgument) else str(type_of(a)) for a in arguments)


def _article(kind: Kind) -> str:
    return {"SCALAR": "a scalar", "AGGREGATE": "an aggregate", "TABLE": "a table"}[kind]
