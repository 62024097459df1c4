"""Which form of a function a call means: ksqlDB's rules for overloads, type variables and widening.

A form whose parameters are just the arguments' types wins. Else an argument may be widened (INTEGER -> BIGINT -> DECIMAL -> DOUBLE, inside
ARRAY, MAP and STRUCT too), and NULL fits anywhere; the form that widens least wins. Text is never taken for a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from penstock.functions.definition import AnyDecimal, Argument, LambdaArgument, LambdaType, LiteralArgument, Variable
from penstock.functions.signature import Signature
from penstock.sql.types import BIGINT, DOUBLE, INTEGER, NULL, STRING, Array, Decimal, Map, SqlType, Struct, is_numeric
from penstock.sql.types import Field as StructField

_DECIMAL_OF: dict[SqlType, Decimal] = {INTEGER: Decimal(10, 0), BIGINT: Decimal(19, 0)}
_WIDTH: dict[SqlType, int] = {INTEGER: 0, BIGINT: 1, DOUBLE: 3}


@dataclass
class Match:
    """A form that fits: how far arguments were widened, and what its type variables stand for."""

    signature: Signature
    widened: int = 0
    variables: dict[str, SqlType] = field(default_factory=dict)
    types: tuple[SqlType, ...] = ()
    returns: SqlType = NULL


def match(signature: Signature, arguments: Sequence[Argument]) -> Match | None:
    """Fit arguments to a form, binding its type variables (by the lambdas last). None where they do not fit."""
    parameters = signature.spread(len(arguments))
    if parameters is None or (not parameters and signature.parameters):
        return None  # where all that a form takes is variadic, it takes one at least
    arguments = [_lambda(a) if isinstance(a, LambdaType) else a for a in arguments]
    found = Match(signature)
    settled: list[SqlType] = [NULL] * len(arguments)
    for i, (parameter, argument) in enumerate(zip(parameters, arguments, strict=True)):
        if isinstance(argument, LambdaArgument) or isinstance(parameter.type, LambdaType):
            if not (isinstance(argument, LambdaArgument) and isinstance(parameter.type, LambdaType)):
                return None
            if argument.arity != len(parameter.type.parameters):
                return None
            continue
        fitted = _fit(parameter.type, type_of(argument), found)
        if fitted is None:
            return None
        settled[i] = fitted
    if not _bind_lambdas(found, [p.type for p in parameters], arguments):
        return None
    for i, parameter in enumerate(parameters):
        settled[i] = _settle(parameter.type, settled[i], found.variables)
    found.types = tuple(map(_known, settled))
    decimal = next((t for t in settled if isinstance(t, Decimal)), Decimal(38, 10))
    found.returns = _settle(signature.returns, decimal, found.variables)
    return found


def _lambda(typed: LambdaType) -> LambdaArgument:
    """A lambda that is typed already, as the engine has it."""
    return LambdaArgument(len(typed.parameters), lambda _: typed.returns)


def type_of(argument: Argument) -> SqlType:
    """The type of an argument that is no lambda."""
    assert not isinstance(argument, LambdaArgument)
    return argument.type if isinstance(argument, LiteralArgument) else argument


def common_type(left: SqlType, right: SqlType) -> SqlType | None:
    """The narrowest type that holds both: NULL gives way, numbers widen, a STRUCT gets the fields of both. None where there is none."""
    if left == right or right == NULL:
        return left
    if left == NULL:
        return right
    if is_numeric(left) and is_numeric(right):
        return common_number(left, right)
    match left, right:
        case Array(a), Array(b):
            item = common_type(a, b)
            return item and Array(item)
        case Map(k1, v1), Map(k2, v2):
            key, value = common_type(k1, k2), common_type(v1, v2)
            return Map(key, value) if key and value else None
        case Struct(fields), Struct(others):
            merged: list[StructField] = []
            for f in fields:
                other = right.field(f.name)
                type_ = common_type(f.type, other.type) if other else f.type
                if type_ is None:
                    return None
                merged.append(StructField(f.name, type_))
            return Struct((*merged, *(o for o in others if left.field(o.name) is None)))
    return None


def common_number(left: SqlType, right: SqlType) -> SqlType:
    """The narrowest number type that holds both; of two DECIMALs one that keeps the digits of both, as far as 38 digits reach."""
    if DOUBLE in (left, right):
        return DOUBLE
    if isinstance(left, Decimal) or isinstance(right, Decimal):
        a, b = (t if isinstance(t, Decimal) else _DECIMAL_OF[t] for t in (left, right))
        scale = max(a.scale, b.scale)
        return Decimal(min(38, max(a.precision - a.scale, b.precision - b.scale) + scale), scale)
    return BIGINT if BIGINT in (left, right) else INTEGER


def _fit(parameter: SqlType, argument: SqlType, found: Match) -> SqlType | None:
    """The type that the argument takes for this parameter, widening counted; a variable is bound or widened on the way."""
    match parameter, argument:
        case Variable(name), _:
            bound = found.variables.get(name)
            common = argument if bound is None else common_type(bound, argument)
            if common is None:
                return None
            if bound is not None and common != bound != NULL:
                found.widened += 1
            if common != argument != NULL:
                found.widened += 1
            found.variables[name] = common
            return common
        case _, Struct() if isinstance(parameter, Struct):
            fields = []
            for f in parameter.fields:
                other = argument.field(f.name)
                fitted = _fit(f.type, other.type, found) if other else None
                if fitted is None:
                    return None
                fields.append(StructField(f.name, fitted))
            return Struct(tuple(fields))
        case _ if argument == NULL:
            _open(parameter, found)
            return parameter
        case Array(p), Array(a):
            item = _fit(p, a, found)
            return item and Array(item)
        case Map(pk, pv), Map(ak, av):
            key, value = _fit(pk, ak, found), _fit(pv, av, found)
            return Map(key, value) if key and value else None
        case AnyDecimal(), Decimal():
            return argument
        case AnyDecimal(), _ if argument in _DECIMAL_OF:
            found.widened += 2 - _WIDTH[argument]
            return _DECIMAL_OF[argument]
    if parameter == argument:
        return argument
    if is_numeric(parameter) and is_numeric(argument):
        from_, to = (_WIDTH.get(t, 2) for t in (argument, parameter))
        if from_ < to and not isinstance(parameter, Decimal):
            found.widened += to - from_
            return parameter
        if isinstance(parameter, Decimal) and common_number(argument, parameter) == parameter:
            found.widened += 1
            return parameter
    return None


def _open(parameter: SqlType, found: Match) -> None:
    """A NULL argument says nothing of the variables inside its parameter: they stay NULL unless another argument binds them."""
    match parameter:
        case Variable(name):
            found.variables.setdefault(name, NULL)
        case Array(item):
            _open(item, found)
        case Map(key, value):
            _open(key, found)
            _open(value, found)


def _bind_lambdas(found: Match, parameters: Sequence[SqlType], arguments: Sequence[Argument]) -> bool:
    """Type each lambda's body, which binds the variables of its result. Twice where a body widens a variable that others read."""
    for _ in range(2):
        before = dict(found.variables)
        for parameter, argument in zip(parameters, arguments, strict=True):
            if isinstance(parameter, LambdaType) and isinstance(argument, LambdaArgument):
                body = argument.infer(tuple(_settle(p, NULL, found.variables) for p in parameter.parameters))
                if _fit(parameter.returns, body, found) is None:
                    return False
        if found.variables == before:
            break
    return True


def _known(type_: SqlType) -> SqlType:
    """A parameter's type with STRING where only NULLs could have told it."""
    match type_:
        case Array(item):
            return Array(_known(item))
        case Map(key, value):
            return Map(_known(key), _known(value))
    return STRING if type_ == NULL else type_


def _settle(type_: SqlType, given: SqlType, variables: dict[str, SqlType]) -> SqlType:
    """A type of the signature with its variables replaced; a DECIMAL of any precision becomes `given`."""
    match type_:
        case Variable(name):
            return variables.get(name, NULL)
        case AnyDecimal():
            return given if isinstance(given, Decimal) else Decimal(38, 10)
        case Array(item):
            return Array(_settle(item, given.item if isinstance(given, Array) else given, variables))
        case Map(key, value):
            key_given, value_given = (given.key, given.value) if isinstance(given, Map) else (given, given)
            return Map(_settle(key, key_given, variables), _settle(value, value_given, variables))
        case Struct(fields):
            return Struct(tuple(StructField(f.name, _settle(f.type, given, variables)) for f in fields))
        case LambdaType(parameters, returns):
            return LambdaType(tuple(_settle(p, NULL, variables) for p in parameters), _settle(returns, NULL, variables))
    return type_
