"""A SELECT by itself: push queries, and pull queries with the keys and windows that their WHERE pins."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
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
from penstock.sql.types import quote

LOOKUPS_MAX = 1000
"""Beyond so many pinned keys a pull query looks at all rows instead."""


def plan_query(statement: ast.Query, catalog: CatalogView) -> QueryPlan:
    """Plan a push query (it has EMIT) or a pull query (it has none). Raises SqlError."""
    select = statement.select
    push = select.emit is not None
    selected = plan_select(select, catalog, persistent=False)
    _check_names(selected.items)
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
    conditions = _conjuncts(below.predicate)
    source = below.input
    lookup = _pinned([c.name for c in source.schema.key], conditions)
    return replace(plan, lookup=lookup, windows=_windows(conditions) if source.window else None)


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
