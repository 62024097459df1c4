"""AST expression -> typed expression: names resolved, types settled, implicit casts made visible. Raises SqlError at the offending node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal as Number

from penstock.errors import Error, Position, SqlError
from penstock.functions import definition
from penstock.plan import expressions as ex
from penstock.plan.coercion import DIGITS_MAX, coerce, decimal_type, unify
from penstock.plan.interfaces import CatalogView
from penstock.plan.moments import parse_moment, to_ms
from penstock.plan.operators import (
    MOMENTS,
    arithmetic,
    cast,
    compare,
    comparison_type,
    dereference,
    item,
    like,
    make_array,
    make_map,
    make_struct,
    negate,
)
from penstock.plan.scope import WINDOW_BOUNDS, Scope, column_of, nearest
from penstock.plan.text import expression_text
from penstock.sql import ast
from penstock.sql.types import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    INTEGER,
    NULL,
    STRING,
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
        if isinstance(node, ast.FunctionCall) and len(node.arguments) == 1 and error.position is None:
            error.what = error.what.replace(", but got ", f", but {_shown(node.arguments[0], t)} is ")
        raise error.at(node.position) from None


def _shown(node: ast.Expression, t: Typing) -> str:
    """An argument in a function's refusal."""
    return expression_text(typed(node, t)) if not isinstance(node, ast.Lambda | ast.Star) else "the argument"


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
            return dereference(typed(base, t), name, node.position)
        case ast.Subscript(base, index):
            return item(typed(base, t), typed(index, t), node.position)
        case ast.Arithmetic(op, left, right):
            return arithmetic(op, typed(left, t), typed(right, t), node.position)
        case ast.Negate(operand):
            return negate(typed(operand, t), node.position)
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
            return _negated(like(typed(operand, t), typed(pattern, t), escape, node.position), negated)
        case ast.IsNull(operand, negated):
            return _negated(ex.IsNull(BOOLEAN, typed(operand, t)), negated)
        case ast.Case(operand, whens, default):
            return _case(operand, whens, default, t, node.position)
        case ast.Cast(operand, type_):
            return cast(typed(operand, t), resolve_type(type_, t.catalog, node.position), node.position)
        case ast.IntervalUnit(unit):
            return ex.Unit(definition.IntervalUnitType(), unit)
        case ast.FunctionCall(name, arguments):
            return _call(node, name, arguments, t)
        case ast.ArrayConstructor(items):
            return make_array([typed(i, t) for i in items], node.position)
        case ast.MapConstructor(entries):
            return make_map([(typed(k, t), typed(v, t)) for k, v in entries], node.position)
        case ast.StructConstructor(fields):
            return make_struct([(n, typed(v, t)) for n, v in fields], node.position)
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


# ---------------------------------------------------------------------------------------------- operators


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


def _between(operand: ast.Expression, low: ast.Expression, high: ast.Expression, t: Typing, position: Position | None) -> ex.Expr:
    value = _time_aware(operand, low, t)
    bounds = [_time_aware(low, operand, t), _time_aware(high, operand, t)]
    type_ = value.type
    for bound in bounds:
        found = comparison_type(ex.Column(type_, ""), bound, equality=False)
        if found is None or NULL in (value.type, bound.type):
            raise SqlError(f"Cannot compare {expression_text(value)} ({value.type}) to {expression_text(bound)} ({bound.type}) with BETWEEN.",
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
    kinds = list(dict.fromkeys(str(e.type) for e in everything if e.type != NULL))
    mixed = SqlError(f"Invalid Case expression. Type for all 'THEN' clauses should be the same, but there are {', '.join(kinds)}.",
                     mend="Cast the results to one type.", position=position)
    if len(kinds) > 1 and not all(is_numeric(e.type) or isinstance(e.type, Array | Map | Struct) for e in everything if e.type != NULL):
        raise mixed
    try:
        type_ = unify(everything, position)
    except SqlError:
        raise mixed from None
    arms = tuple((c, coerce(r, type_, w.result.position)) for c, r, w in zip(conditions, results, whens, strict=True))
    return ex.Case(type_, arms, None if otherwise is None else coerce(otherwise, type_, position))


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
    try:
        resolved = functions.resolve_scalar(name, [_argument(n, e, t) for n, e in zip(nodes, exprs, strict=True)])
    except SqlError:
        # Beside a date, time or timestamp a STRING literal may mean one too.
        moment = next((e.type for e in exprs if e is not None and e.type in MOMENTS), None)
        texts = [i for i, e in enumerate(exprs) if isinstance(e, ex.Literal) and isinstance(e.value, str)]
        if moment is None or not texts:
            raise
        retyped = [coerce(e, moment) if e is not None and i in texts else e for i, e in enumerate(exprs)]
        resolved = functions.resolve_scalar(name, [_argument(n, e, t) for n, e in zip(nodes, retyped, strict=True)])
        exprs = retyped
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
    if not exprs and {len(f.signature.parameters) for f in functions.describe(name).overloads} & {0, 1} == {1}:
        exprs = [typed(ast.ColumnRef("ROWTIME"), inner)]  # as ksqlDB says: of no argument, and of *, an aggregate takes the rows' times
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
