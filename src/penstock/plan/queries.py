"""A SELECT by itself: push queries, and pull queries with the keys and windows that their WHERE pins."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from penstock.errors import SqlError
from penstock.plan import expressions as ex
from penstock.plan import steps
from penstock.plan.interfaces import CatalogView
from penstock.plan.projection import Item, check_known
from penstock.plan.pruning import prune
from penstock.plan.scope import WINDOW_BOUNDS
from penstock.plan.select import Selected, plan_select
from penstock.plan.steps import Column, OutputColumn, QueryPlan, Schema, WindowRange
from penstock.sql import ast
from penstock.sql.types import BIGINT, INTEGER, STRING, SqlType, is_numeric, quote

LOOKUPS_MAX = 1000
"""Beyond so many pinned keys a pull query looks at all rows instead."""


def plan_query(statement: ast.Query, catalog: CatalogView) -> QueryPlan:
    """Plan a push query (it has EMIT) or a pull query (it has none). Raises SqlError."""
    select = statement.select
    push = select.emit is not None
    if not push:
        _check_pull(select)
    selected = plan_select(select, catalog, persistent=False)
    _check_names(selected.items)
    if not push:
        _check_pinned_keys(select, selected)
    names = [item.name if item is not None else f"KSQL_KEY_{n}" for n, item in enumerate(selected.projection.keys)]
    values = selected.projection.values
    schema = Schema(tuple(Column(name, k.column.type) for name, k in zip(names, selected.keys, strict=True)),
                    tuple(Column(i.name, i.expr.type) for i in values))
    key = tuple(ex.Column(k.column.type, k.column.name) for k in selected.keys)
    root = prune(steps.Select(schema, selected.step.kind, selected.step, key, tuple(i.expr for i in values)))
    marked = not push and selected.step.kind == "TABLE"
    output = tuple(OutputColumn(i.name, i.expr.type, marked and _is_key(i, selected)) for i in selected.items)
    plan = QueryPlan(push, root, output, select.limit)
    return plan if push else _narrowed(plan)


def _check_pull(select: ast.Select) -> None:
    """A table's current rows have no place in the log."""
    for clause, nodes in (("SELECT", select.items), ("WHERE", (select.where,))):
        found = next((n for n in _refs(nodes) if n.name in ("ROWPARTITION", "ROWOFFSET")), None)
        if found is not None:
            raise SqlError(f"Pull queries don't support the following columns in {clause} clauses: `{found.name}`.",
                           mend="Use a push query: add EMIT CHANGES.", position=found.position)


def _refs(node: object) -> Iterator[ast.ColumnRef]:
    if isinstance(node, ast.ColumnRef):
        yield node
    elif isinstance(node, ast.Node):
        for part in vars(node).values():
            yield from _refs(part)
    elif isinstance(node, tuple):
        for part in node:
            yield from _refs(part)


def _check_pinned_keys(select: ast.Select, selected: Selected) -> None:
    """Among the keys to look up by IN there is no NULL, and no string that would have to become a number."""
    keys = {k.column.name: k.column.type for k in selected.keys}
    for node in _ins(select.where):
        if not (isinstance(node.operand, ast.ColumnRef) and node.operand.name in keys):
            continue
        type_ = keys[node.operand.name]
        for option in node.options:
            if isinstance(option, ast.Literal) and option.value is None:
                raise SqlError(f"Primary key columns can not be NULL: ({node.operand.name} = null).", mend="Leave the NULL out.",
                               position=option.position)
            if isinstance(option, ast.Literal) and isinstance(option.value, str) and is_numeric(type_):
                raise SqlError(f"'{option.value}' can not be converted to the type of the key column: {node.operand.name} {type_} KEY.",
                               mend="Write a number.", position=option.position)


def _ins(node: object) -> Iterator[ast.In]:
    if isinstance(node, ast.In):
        yield node
    elif isinstance(node, ast.Logical):
        yield from _ins(node.left)
        yield from _ins(node.right)


def _is_key(item: Item, selected: Selected) -> bool:
    bound = isinstance(item.expr, ex.WindowBound) or (isinstance(item.expr, ex.Column) and selected.window and item.expr.name in WINDOW_BOUNDS)
    return bool(bound) or any(item is k for k in selected.projection.keys)


def _check_names(items: Sequence[Item]) -> None:
    for number, item in enumerate(items):
        if any(item.name == other.name for other in items[:number]):
            raise SqlError(f"Duplicate columns in the SELECT: {quote(item.name)}.", mend="Give one an alias with AS.", position=item.position)
        check_known(item)


# ---------------------------------------------------------------------------------------------- pinned keys and windows


def _narrowed(plan: QueryPlan) -> QueryPlan:
    """The plan with what its WHERE pins, where it reads one source without more ado."""
    below = plan.root.input if isinstance(plan.root, steps.Select) else plan.root
    if not (isinstance(below, steps.Filter) and isinstance(below.input, steps.Source)):
        return plan
    conditions = [_computed(condition) for condition in _conjuncts(below.predicate)]
    source = below.input
    lookup = _pinned([c.name for c in source.schema.key], conditions)
    return replace(plan, lookup=lookup, windows=_windows(conditions) if source.window else None)


def scans(plan: QueryPlan) -> bool:
    """Whether a pull query looks at all rows of a table: it pins no whole keys, nor a range of a key that is one STRING."""
    if plan.lookup is not None or all(source.kind != "TABLE" for source in steps.sources_of(plan.root)):
        return False
    below = plan.root.input if isinstance(plan.root, steps.Select) else plan.root
    if not (isinstance(below, steps.Filter) and isinstance(below.input, steps.Source)):
        return True
    key = below.input.schema.key
    return not (len(key) == 1 and key[0].type == STRING and any(_is_range(condition, key[0].name) for condition in _conjuncts(below.predicate)))


def _is_range(condition: ex.Expr, key: str) -> bool:
    match condition:
        case ex.Comparison(_, "<" | "<=" | ">" | ">=", ex.Column(_, name), ex.Literal()):
            return name == key
        case ex.Comparison(_, "<" | "<=" | ">" | ">=", ex.Literal(), ex.Column(_, name)):
            return name == key
        case ex.Between(_, ex.Column(_, name), ex.Literal(), ex.Literal()):
            return name == key
    return False


def _computed(condition: ex.Expr) -> ex.Expr:
    """The condition with sums, differences and products of whole numbers computed: `id = 10 + 1` pins a key as `id = 11` does."""
    match condition:
        case ex.Comparison(_, _, left, right):
            return replace(condition, left=_constant(left), right=_constant(right))
        case ex.In(_, _, options):
            return replace(condition, options=tuple(_constant(option) for option in options))
        case ex.Between(_, _, low, high):
            return replace(condition, low=_constant(low), high=_constant(high))
        case ex.Logical(_, _, left, right):
            return replace(condition, left=_computed(left), right=_computed(right))
    return condition


_LIMITS: dict[SqlType, int] = {INTEGER: 2**31, BIGINT: 2**63}
_COMPUTE: dict[str, Callable[[int, int], int]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}


def _constant(expr: ex.Expr) -> ex.Expr:
    """A whole number that is computed of whole numbers as a literal, where it fits its type; anything else as it is."""
    found: int | None = None
    match expr:
        case ex.Arithmetic(_, op, left, right) if op in _COMPUTE:
            match _constant(left), _constant(right):
                case ex.Literal(_, int(a)), ex.Literal(_, int(b)):
                    found = _COMPUTE[op](a, b)
        case ex.Negate(_, operand):
            match _constant(operand):
                case ex.Literal(_, int(a)):
                    found = -a
        case ex.Cast(_, operand):
            match _constant(operand):
                case ex.Literal(type_, int(a)) if type_ in _LIMITS:
                    found = a
    limit = _LIMITS.get(expr.type, 0)
    return ex.Literal(expr.type, found) if found is not None and -limit <= found < limit else expr


def _conjuncts(expr: ex.Expr) -> list[ex.Expr]:
    if isinstance(expr, ex.Logical) and expr.op == "AND":
        return [*_conjuncts(expr.left), *_conjuncts(expr.right)]
    return [expr]


def _choices(expr: ex.Expr) -> tuple[str, list[ex.Value]] | None:
    """The column and the constants of `column = constant`, `column IN (constants)`, or several of these on one column joined by OR."""
    match expr:
        case ex.Comparison(_, "=", ex.Column(_, name), ex.Literal(_, value)) | ex.Comparison(_, "=", ex.Literal(_, value), ex.Column(_, name)):
            return name, [value]
        case ex.In(_, ex.Column(_, name), options) if all(isinstance(o, ex.Literal) for o in options):
            return name, [o.value for o in options if isinstance(o, ex.Literal) and o.value is not None]
        case ex.Logical(_, "OR", left, right):
            a, b = _choices(left), _choices(right)
            if a and b and a[0] == b[0]:
                return a[0], [*a[1], *b[1]]
    return None


def _pinned(keys: Sequence[str], conditions: Sequence[ex.Expr]) -> tuple[tuple[ex.Value, ...], ...] | None:
    found: dict[str, list[ex.Value]] = {}
    for condition in conditions:
        choice = _choices(condition)
        if choice and choice[0] in keys:
            name, values = choice
            unique = list(dict.fromkeys(values))
            found[name] = [v for v in found[name] if v in unique] if name in found else unique
    if not keys or any(name not in found for name in keys):
        return None
    size = 1
    for values in found.values():
        size *= len(values)
    return tuple(itertools.product(*(found[name] for name in keys))) if size <= LOOKUPS_MAX else None


_FLIPPED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def _windows(conditions: Sequence[ex.Expr]) -> WindowRange | None:
    least: dict[str, int] = {}
    most: dict[str, int] = {}
    for condition in conditions:
        match condition:
            case ex.Comparison(_, op, ex.Column(_, name), ex.Literal(_, int(value))) if op in _FLIPPED and name in WINDOW_BOUNDS:
                pass
            case ex.Comparison(_, op, ex.Literal(_, int(value)), ex.Column(_, name)) if op in _FLIPPED and name in WINDOW_BOUNDS:
                op = _FLIPPED[op]  # type: ignore[assignment]
            case ex.Between(_, ex.Column(_, name), ex.Literal(_, int(low)), ex.Literal(_, int(high))) if name in WINDOW_BOUNDS:
                least[name], most[name] = max(low, least.get(name, low)), min(high, most.get(name, high))
                continue
            case _:
                continue
        if op in ("=", ">", ">="):
            bound = value + (op == ">")
            least[name] = max(bound, least.get(name, bound))
        if op in ("=", "<", "<="):
            bound = value - (op == "<")
            most[name] = min(bound, most.get(name, bound))
    if not least and not most:
        return None
    start, end = WINDOW_BOUNDS
    return WindowRange(least.get(start), most.get(start), least.get(end), most.get(end))
