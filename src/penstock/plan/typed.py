"""AST expression -> typed expression: names resolved, types settled, implicit casts made visible. Raises SqlError at the offending node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal as Number

from penstock.errors import Error, Position, SqlError
from penstock.functions import definition
from penstock.plan import expressions as ex
from penstock.plan.coercion import DIGITS_MAX, arithmetic_type, as_decimal, castable, coerce, common_number, decimal_type, unify
from penstock.plan.interfaces import CatalogView
from penstock.plan.moments import parse_moment, to_ms
from penstock.plan.scope import WINDOW_BOUNDS, Scope, column_of, nearest
from penstock.plan.text import expression_text
from penstock.sql import ast
from penstock.sql.types import (
    BIGINT,
    BOOLEAN,
    BYTES,
    DATE,
    DOUBLE,
    INTEGER,
    NULL,
    STRING,
    TIME,
    TIMESTAMP,
    Array,
    Decimal,
    Field,
    Map,
    Named,
    SqlType,
    Struct,
    is_numeric,
)

_COMPARISON_NAMES = {
    "=": "EQUAL", "<>": "NOT_EQUAL", "<": "LESS_THAN", "<=": "LESS_THAN_OR_EQUAL", ">": "GREATER_THAN", ">=": "GREATER_THAN_OR_EQUAL",
    "IS DISTINCT FROM": "IS_DISTINCT_FROM", "IS NOT DISTINCT FROM": "IS_NOT_DISTINCT_FROM",
}
_MOMENTS = (DATE, TIME, TIMESTAMP)


@dataclass(frozen=True)
class Typing:
    """What an expression may use: the columns in `scope`, lambda `parameters`, and, where the clause allows them, aggregate and table functions
    and the bounds of the query's own window."""

    scope: Scope
    catalog: CatalogView | None = None
    clause: str = "SELECT"
    parameters: Mapping[str, SqlType] = field(default_factory=dict)
    aggregates: bool = False
    table_functions: bool = False
    window_bounds: bool = False


def resolve_type(type_: SqlType, catalog: CatalogView | None, position: Position | None) -> SqlType:
    """`type_` with its custom types replaced by what they stand for. Raises SqlError: an unknown one, or a DECIMAL that cannot be."""
    match type_:
        case Named(name):
            found = catalog.type(name) if catalog else None
            if found is None:
                raise SqlError(f"Cannot resolve unknown type: {name}.", mend="Create it with CREATE TYPE, or see SHOW TYPES.", position=position)
            return resolve_type(found, catalog, position)
        case Array(item):
            return Array(resolve_type(item, catalog, position))
        case Map(key, value):
            return Map(resolve_type(key, catalog, position), resolve_type(value, catalog, position))
        case Struct(fields):
            names = [f.name for f in fields]
            if twice := next((n for n in names if names.count(n) > 1), None):
                raise SqlError(f"Duplicate field names found in STRUCT: '{twice}'.", mend="Rename one of them.", position=position)
            return Struct(tuple(Field(f.name, resolve_type(f.type, catalog, position)) for f in fields))
        case Decimal(precision, scale):
            if not 1 <= precision <= DIGITS_MAX:
                raise SqlError(f"DECIMAL precision must be between 1 and {DIGITS_MAX}, but is {precision}.", mend="Use fewer digits, or DOUBLE.",
                               position=position)
            if not 0 <= scale <= precision:
                raise SqlError(f"DECIMAL scale must be between 0 and the precision {precision}, but is {scale}.",
                               mend="Raise the precision, or lower the scale.", position=position)
    return type_


def typed(node: ast.Expression, t: Typing) -> ex.Expr:
    """The typed form of `node`. A bare NULL has the type NULL. Raises SqlError."""
    try:
        return _typed(node, t)
    except Error as error:
        raise error.at(node.position) from None


def predicate(node: ast.Expression, t: Typing) -> ex.Expr:
    """The typed form of a WHERE or HAVING clause, which must be BOOLEAN."""
    try:
        return _boolean(node, t, t.clause)
    except SqlError as error:
        if error.what.startswith(("Cannot compare", "Error processing")):
            raise SqlError(f"Error in {t.clause} expression: {error.what}", mend=error.mend, position=error.position) from None
        raise


def _typed(node: ast.Expression, t: Typing) -> ex.Expr:
    match node:
        case ast.Literal(value):
            return _literal(value)
        case ast.ColumnRef(name, source):
            return _column(node, name, source, t)
        case ast.Dereference(base, name):
            return _field(typed(base, t), name, node.position)
        case ast.Subscript(base, index):
            return _item(typed(base, t), typed(index, t), node.position)
        case ast.Arithmetic(op, left, right):
            return _arithmetic(op, typed(left, t), typed(right, t), node.position)
        case ast.Negate(operand):
            return _negate(typed(operand, t), node.position)
        case ast.Comparison(op, left, right):
            return compare(op, _time_aware(left, right, t), _time_aware(right, left, t), node.position)
        case ast.Logical(op, left, right):
            return ex.Logical(BOOLEAN, op, _boolean(left, t, op), _boolean(right, t, op))
        case ast.Not(operand):
            return ex.Not(BOOLEAN, _boolean(operand, t, "NOT"))
        case ast.Between(operand, low, high, negated):
            return _negated(_between(operand, low, high, t, node.position), negated)
        case ast.In(operand, options, negated):
            return _negated(_in(operand, options, t, node.position), negated)
        case ast.Like(operand, pattern, escape, negated):
            return _negated(_like(typed(operand, t), typed(pattern, t), escape, node.position), negated)
        case ast.IsNull(operand, negated):
            return _negated(ex.IsNull(BOOLEAN, typed(operand, t)), negated)
        case ast.Case(operand, whens, default):
            return _case(operand, whens, default, t, node.position)
        case ast.Cast(operand, type_):
            return _cast(typed(operand, t), resolve_type(type_, t.catalog, node.position), node.position)
        case ast.IntervalUnit(unit):
            return ex.Unit(definition.IntervalUnitType(), unit)
        case ast.FunctionCall(name, arguments):
            return _call(node, name, arguments, t)
        case ast.ArrayConstructor(items):
            return _array([typed(i, t) for i in items], node.position)
        case ast.MapConstructor(entries):
            return _map([(typed(k, t), typed(v, t)) for k, v in entries], node.position)
        case ast.StructConstructor(fields):
            return _struct([(n, typed(v, t)) for n, v in fields], node.position)
        case ast.Star():
            raise SqlError("'*' stands only in COUNT(*) and as a select item.", mend="Name the columns.")
        case ast.Lambda():
            raise SqlError("A lambda stands only as an argument of a function.", mend="Pass it to TRANSFORM, FILTER or REDUCE.")
    raise AssertionError(f"unknown expression {node}")


# ---------------------------------------------------------------------------------------------- leaves


def _literal(value: object) -> ex.Literal:
    match value:
        case None:
            return ex.Literal(NULL, None)
        case bool():
            return ex.Literal(BOOLEAN, value)
        case int():
            return ex.Literal(INTEGER if -(2**31) <= value < 2**31 else BIGINT, value)
        case float():
            return ex.Literal(DOUBLE, value)
        case str():
            return ex.Literal(STRING, value)
    assert isinstance(value, Number)
    type_ = decimal_type(value)
    if type_.precision > DIGITS_MAX:
        raise SqlError(f"{value} has more than {DIGITS_MAX} digits.", mend="Write it as a DOUBLE, like 1.5E0.")
    return ex.Literal(type_, value)


def _column(node: ast.ColumnRef, name: str, source: str | None, t: Typing) -> ex.Expr:
    if source is None and name in t.parameters:
        return ex.Parameter(t.parameters[name], name)
    if name in WINDOW_BOUNDS and t.window_bounds:
        if source is not None:
            t.scope.source(source, node.position)
        return ex.WindowBound(BIGINT, "START" if name == "WINDOWSTART" else "END")
    return column_of(t.scope.resolve(name, source, t.clause, node.position))


def _field(base: ex.Expr, name: str, position: Position | None) -> ex.Expr:
    if not isinstance(base.type, Struct):
        raise SqlError(f"Expected STRUCT type, got: {base.type}: {expression_text(base)} has no field '{name}'.",
                       mend="-> reads a field of a STRUCT.", position=position)
    found = base.type.field(name)
    if found is None:
        names = [f.name for f in base.type.fields]
        mend = nearest(name, names) or f"There are {', '.join(names)}."
        raise SqlError(f"Could not find field '{name}' in '{expression_text(base)}'.", mend=mend, position=position)
    return ex.Field(found.type, base, name)


def _item(base: ex.Expr, index: ex.Expr, position: Position | None) -> ex.Expr:
    match base.type:
        case Array(item):
            if index.type not in (INTEGER, BIGINT):
                raise SqlError(f"An array's index is an INTEGER, but {expression_text(index)} is {index.type}.", mend="Count from 1.",
                               position=position)
            return ex.Item(item, base, index)
        case Map(key, value):
            if index.type != key and not isinstance(index, ex.Literal) and not (is_numeric(index.type) and is_numeric(key)):
                raise SqlError(f"The map's key is {key}, but {expression_text(index)} is {index.type}.", mend="Cast it.", position=position)
            return ex.Item(value, base, coerce(index, key, position))
    raise SqlError(f"{expression_text(base)} is {base.type}: only an ARRAY or a MAP has items.", mend="Read a STRUCT's field with ->.",
                   position=position)


# ---------------------------------------------------------------------------------------------- operators


def _arithmetic(op: str, left: ex.Expr, right: ex.Expr, position: Position | None) -> ex.Expr:
    if NULL in (left.type, right.type):
        left, right = (coerce(left, right.type), right) if left.type == NULL else (left, coerce(right, left.type))
    if op in ("+", "||") and left.type == right.type and left.type in (STRING, BYTES):
        return ex.Concat(left.type, left, right)
    if op == "||":
        raise SqlError(f"|| joins two STRINGs, but got {left.type} and {right.type}.", mend="Cast both to STRING, or use CONCAT.", position=position)
    if not (is_numeric(left.type) and is_numeric(right.type)):
        shown = f"({expression_text(left)} {op} {expression_text(right)})"
        names = " ".join("DECIMAL" if isinstance(e.type, Decimal) else str(e.type) for e in (left, right))
        mend = "Cast both to STRING, or use CONCAT." if STRING in (left.type, right.type) and op == "+" else "Cast both to numbers."
        raise SqlError(f"Error processing expression: {shown}. Unsupported arithmetic types. {names}.", mend=mend, position=position)
    type_ = arithmetic_type(op, left.type, right.type)
    if isinstance(type_, Decimal):
        left, right = coerce(left, as_decimal(left.type)), coerce(right, as_decimal(right.type))
    else:
        left, right = coerce(left, type_), coerce(right, type_)
    return ex.Arithmetic(type_, op, left, right)  # type: ignore[arg-type]  # || went out above


def _negate(operand: ex.Expr, position: Position | None) -> ex.Expr:
    if not is_numeric(operand.type):
        raise SqlError(f"- takes a number, but {expression_text(operand)} is {operand.type}.", mend="Cast it.", position=position)
    return ex.Negate(operand.type, operand)


def _boolean(node: ast.Expression, t: Typing, user: str) -> ex.Expr:
    expr = typed(node, t)
    if expr.type == NULL:
        return coerce(expr, BOOLEAN)
    if expr.type != BOOLEAN:
        raise SqlError(f"{user} takes a BOOLEAN, but {expression_text(expr)} is {expr.type}.", mend="Compare it with something.",
                       position=node.position)
    return expr


def _negated(expr: ex.Expr, negated: bool) -> ex.Expr:
    return ex.Not(BOOLEAN, expr) if negated else expr


def _time_aware(node: ast.Expression, other: ast.Expression, t: Typing) -> ex.Expr:
    """A STRING literal beside ROWTIME or a window bound means a timestamp."""
    expr = typed(node, t)
    if isinstance(expr, ex.Literal) and isinstance(expr.value, str) and _is_time_column(other):
        moment = parse_moment(expr.value, TIMESTAMP, node.position)
        assert isinstance(moment, datetime)
        return ex.Literal(BIGINT, to_ms(moment))
    return expr


def _is_time_column(node: ast.Expression) -> bool:
    return isinstance(node, ast.ColumnRef | ast.FunctionCall) and node.name in ("ROWTIME", *WINDOW_BOUNDS) and not getattr(node, "arguments", ())


def compare(op: str, left: ex.Expr, right: ex.Expr, position: Position | None) -> ex.Expr:
    """`left op right`, both brought to one type. Raises SqlError where they cannot be compared so."""
    distinct = op.endswith("DISTINCT FROM")
    if NULL in (left.type, right.type) and not distinct:
        raise SqlError(f"Comparison with NULL not supported: {_upper_null(left)} {op} {_upper_null(right)}.",
                       mend="Use IS NULL or IS NOT NULL.", position=position)
    type_ = _comparison_type(left, right, equality=distinct or op in ("=", "<>"))
    if type_ is None:
        shown = f"{_subject(left)} ({left.type}) to {_subject(right)} ({right.type})"
        raise SqlError(f"Cannot compare {shown} with {_COMPARISON_NAMES[op]}.", mend="Cast one of them.", position=position)
    return ex.Comparison(BOOLEAN, op, coerce(left, type_, position), coerce(right, type_, position))  # type: ignore[arg-type]


def _upper_null(expr: ex.Expr) -> str:
    return "NULL" if expr.type == NULL else expression_text(expr)


def _subject(expr: ex.Expr) -> str:
    return expression_text(expr)


def _comparison_type(left: ex.Expr, right: ex.Expr, *, equality: bool) -> SqlType | None:
    a, b = left.type, right.type
    if a == NULL or b == NULL:
        return b if a == NULL else a
    if is_numeric(a) and is_numeric(b):
        return common_number(a, b)
    if STRING in (a, b) and (a in _MOMENTS or b in _MOMENTS):
        return a if a in _MOMENTS else b
    if {a, b} == {DATE, TIMESTAMP}:
        return TIMESTAMP
    if isinstance(a, Array | Map | Struct) and type(a) is type(b):
        try:
            return unify([left, right], None) if equality else None
        except SqlError:
            return None
    if a != b or (a == BOOLEAN and not equality):
        return None
    return a


def _between(operand: ast.Expression, low: ast.Expression, high: ast.Expression, t: Typing, position: Position | None) -> ex.Expr:
    value = _time_aware(operand, low, t)
    bounds = [_time_aware(low, operand, t), _time_aware(high, operand, t)]
    type_ = value.type
    for bound in bounds:
        found = _comparison_type(ex.Column(type_, ""), bound, equality=False)
        if found is None or NULL in (value.type, bound.type):
            raise SqlError(f"Cannot compare {_subject(value)} ({value.type}) to {_subject(bound)} ({bound.type}) with BETWEEN.",
                           mend="Cast one of them.", position=position)
        type_ = found
    return ex.Between(BOOLEAN, *(coerce(e, type_, position) for e in (value, *bounds)))


def _in(operand: ast.Expression, options: Sequence[ast.Expression], t: Typing, position: Position | None) -> ex.Expr:
    value = typed(operand, t)
    among = [_time_aware(o, operand, t) for o in options]
    try:
        type_ = unify([value, *among], position)
        return ex.In(BOOLEAN, coerce(value, type_, position), tuple(coerce(o, type_, n.position) for o, n in zip(among, options, strict=True)))
    except SqlError as error:
        raise SqlError(f"Invalid Predicate: {error.what}", mend=error.mend, position=error.position) from None


def _like(operand: ex.Expr, pattern: ex.Expr, escape: str | None, position: Position | None) -> ex.Expr:
    for side in (operand, pattern):
        if side.type not in (STRING, NULL):
            raise SqlError(f"Like condition must be between strings, but {expression_text(side)} is {side.type}.", mend="Cast it to STRING.",
                           position=position)
    if escape is not None and len(escape) != 1:
        raise SqlError(f"ESCAPE takes one character, but got '{escape}'.", mend="Write one, like ESCAPE '!'.", position=position)
    return ex.Like(BOOLEAN, coerce(operand, STRING), coerce(pattern, STRING), escape)


def _case(operand: ast.Expression | None, whens: Sequence[ast.When], default: ast.Expression | None, t: Typing, position: Position | None) -> ex.Expr:
    conditions = [
        _boolean(w.condition, t, "WHEN") if operand is None
        else compare("=", _time_aware(operand, w.condition, t), _time_aware(w.condition, operand, t), w.condition.position)
        for w in whens
    ]
    results = [typed(w.result, t) for w in whens]
    otherwise = typed(default, t) if default is not None else None
    everything = [*results, *([otherwise] if otherwise is not None else [])]
    if all(e.type == NULL for e in everything):
        raise SqlError("Invalid Case expression. All case branches have NULL type.", mend="Cast one of them.", position=position)
    try:
        type_ = unify(everything, position)
        arms = tuple((c, coerce(r, type_, w.result.position)) for c, r, w in zip(conditions, results, whens, strict=True))
        return ex.Case(type_, arms, None if otherwise is None else coerce(otherwise, type_, position))
    except SqlError as error:
        kinds = ", ".join(dict.fromkeys(str(e.type) for e in everything if e.type != NULL))
        raise SqlError(f"Invalid Case expression. Type for all 'THEN' clauses should be the same, but there are {kinds}.",
                       mend="Cast the results to one type.", position=error.position) from None


def _cast(operand: ex.Expr, type_: SqlType, position: Position | None) -> ex.Expr:
    if operand.type == NULL:
        return coerce(operand, type_)
    if operand.type == type_:
        return operand
    if not castable(operand.type, type_):
        raise SqlError(f"Cast of {operand.type} to {type_} is not supported.", mend="Use a function that converts it.", position=position)
    return ex.Cast(type_, operand)


# ---------------------------------------------------------------------------------------------- constructors


def _array(items: list[ex.Expr], position: Position | None) -> ex.Expr:
    if not items:
        raise SqlError("Array constructor cannot be empty. Please supply at least one element.", position=position)
    type_ = unify(items, position)
    if type_ == NULL:
        raise SqlError("Cannot construct an array with all NULL elements.", mend="Cast one of them: ARRAY[CAST(NULL AS INT)].", position=position)
    return ex.MakeArray(Array(type_), tuple(coerce(i, type_, position) for i in items))


def _map(entries: list[tuple[ex.Expr, ex.Expr]], position: Position | None) -> ex.Expr:
    if not entries:
        raise SqlError("Map constructor cannot be empty. Please supply at least one key value pair.", position=position)
    key, value = unify([k for k, _ in entries], position), unify([v for _, v in entries], position)
    for type_, what in ((key, "keys"), (value, "values")):
        if type_ == NULL:
            raise SqlError(f"Cannot construct a map with all NULL {what}.", mend="Cast one of them.", position=position)
    return ex.MakeMap(Map(key, value), tuple((coerce(k, key, position), coerce(v, value, position)) for k, v in entries))


def _struct(fields: list[tuple[str, ex.Expr]], position: Position | None) -> ex.Expr:
    names = [n for n, _ in fields]
    if twice := next((n for n in names if names.count(n) > 1), None):
        raise SqlError(f"Duplicate field names found in STRUCT: '{twice}'.", mend="Rename one of them.", position=position)
    return ex.MakeStruct(Struct(tuple(Field(n, e.type) for n, e in fields)), tuple(e for _, e in fields))


# ---------------------------------------------------------------------------------------------- functions


def _call(node: ast.FunctionCall, name: str, arguments: Sequence[ast.Expression], t: Typing) -> ex.Expr:
    from penstock import functions

    if name in WINDOW_BOUNDS and not arguments:  # the older spelling
        return _column(ast.ColumnRef(name, position=node.position), name, None, t)
    match functions.kind_of(name):
        case "SCALAR":
            return _scalar(name, arguments, t)
        case "AGGREGATE":
            return _aggregate(name, arguments, t)
        case "TABLE":
            return _table(name, arguments, t)
    mend = nearest(name, [f.name for f in functions.all_functions()]) or "SHOW FUNCTIONS lists them."
    raise SqlError(f"Can't find any functions with the name '{name}'.", mend=mend)


def _scalar(name: str, arguments: Sequence[ast.Expression], t: Typing) -> ex.Expr:
    from penstock import functions

    nodes = _unstarred(arguments)
    exprs = [None if isinstance(n, ast.Lambda) else typed(n, t) for n in nodes]
    resolved = functions.resolve_scalar(name, [_argument(n, e, t) for n, e in zip(nodes, exprs, strict=True)])
    values = tuple(_as_parameter(n, e, p, t) for n, e, p in zip(nodes, exprs, resolved.parameter_types, strict=True))
    return ex.Call(resolved.return_type, name, values)


def _aggregate(name: str, arguments: Sequence[ast.Expression], t: Typing) -> ex.Expr:
    from penstock import functions

    if t.clause == "aggregate":
        raise SqlError(f"Aggregate functions can not be nested: {name} stands inside another.", mend="Aggregate in two queries, one on the other.")
    if t.clause == "GROUP BY":
        raise SqlError(f"GROUP BY does not support aggregate functions: {name} is an aggregate function.", mend="Use HAVING for conditions on it.")
    if not t.aggregates:
        mend = "Use HAVING for conditions on it." if t.clause == "WHERE" else "Use it in SELECT or HAVING."
        raise SqlError(f"{t.clause} does not support aggregate functions: {name} is one.", mend=mend)
    inner = replace(t, clause="aggregate", aggregates=False, table_functions=False, window_bounds=False)
    exprs = [typed(n, inner) for n in _unstarred(arguments)]
    resolved = functions.resolve_aggregate(name, [known(e) for e in exprs])
    values = tuple(coerce(e, p) for e, p in zip(exprs, resolved.parameter_types, strict=True))
    return ex.AggregateCall(resolved.return_type, name, values)


def _table(name: str, arguments: Sequence[ast.Expression], t: Typing) -> ex.Expr:
    from penstock import functions

    if t.clause == "table function":
        raise SqlError(f"Table functions can not be nested: {name} stands inside another.", mend="Use two queries, one on the other.")
    if not t.table_functions:
        raise SqlError(f"{t.clause} does not support table functions: {name} is one.", mend="Use it in SELECT, and filter in a query on the result.")
    inner = replace(t, clause="table function", aggregates=False, table_functions=False)
    exprs = [typed(n, inner) for n in _unstarred(arguments)]
    resolved = functions.resolve_table(name, [known(e) for e in exprs])
    values = tuple(coerce(e, p) for e, p in zip(exprs, resolved.parameter_types, strict=True))
    return ex.TableCall(resolved.return_type, name, values)


def _unstarred(arguments: Sequence[ast.Expression]) -> list[ast.Expression]:
    """COUNT(*) is COUNT()."""
    return [] if len(arguments) == 1 and isinstance(arguments[0], ast.Star) else list(arguments)


def _argument(node: ast.Expression, expr: ex.Expr | None, t: Typing) -> definition.Argument:
    if expr is not None:
        return known(expr)
    assert isinstance(node, ast.Lambda)

    def infer(types: tuple[SqlType, ...]) -> SqlType:
        return _body(node, types, t).type

    return definition.LambdaArgument(len(node.parameters), infer)


def known(expr: ex.Expr) -> definition.Argument:
    """What resolution may know of an argument: its type, and its value where it is a constant."""
    if isinstance(expr, ex.Literal) and isinstance(expr.value, None | bool | int | float | Number | str):
        return definition.LiteralArgument(expr.type, expr.value)
    return expr.type


def _body(node: ast.Lambda, types: Sequence[SqlType], t: Typing) -> ex.Expr:
    if len(types) != len(node.parameters):
        raise SqlError(f"This lambda takes {len(node.parameters)} parameters, but the function passes {len(types)}.",
                       mend="Name as many parameters as are passed.", position=node.position)
    return typed(node.body, replace(t, parameters={**t.parameters, **dict(zip(node.parameters, types, strict=True))}))


def _as_parameter(node: ast.Expression, expr: ex.Expr | None, type_: SqlType, t: Typing) -> ex.Expr:
    if expr is not None:
        return coerce(expr, type_, node.position)
    assert isinstance(node, ast.Lambda)
    assert isinstance(type_, definition.LambdaType)
    return ex.Lambda(type_, node.parameters, coerce(_body(node, type_.parameters, t), type_.returns, node.position))
