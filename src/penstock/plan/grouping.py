"""GROUP BY, HAVING and windows: the steps of an aggregation, and its SELECT list in terms of what they leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from penstock.errors import Position, SqlError
from penstock.plan import expressions as ex
from penstock.plan import steps
from penstock.plan.projection import Item
from penstock.plan.relation import KeyChoice, Relation
from penstock.plan.scope import WINDOW_BOUNDS
from penstock.plan.text import expression_text
from penstock.plan.typed import Typing, known, predicate, typed
from penstock.plan.walk import columns_in, descend, rewrite
from penstock.sql import ast
from penstock.sql.types import Array, Map, Struct

UNWINDOWED_FORMATS = ("KAFKA",)
"""Value formats whose sources GROUP BY refuses, as ksqlDB does."""


FLAT_FORMATS = ("DELIMITED",)
"""Value formats that can hold plain values only: over these ksqlDB refuses aggregates that keep more."""


@dataclass(frozen=True)
class Grouped:
    """An aggregation: its step with HAVING applied, its keys, its window, and the SELECT list over its columns."""

    step: steps.Step
    keys: tuple[KeyChoice, ...]
    window: steps.WindowedKey | None
    items: tuple[Item, ...]


def has_aggregates(exprs: Sequence[ex.Expr]) -> bool:
    """Whether an aggregate function stands anywhere in `exprs`."""
    return any(isinstance(e, ex.AggregateCall) for expr in exprs for e in descend(expr))


def group_keys(select: ast.Select, t: Typing) -> list[ex.Expr]:
    """The expressions of GROUP BY, each once."""
    found: list[ex.Expr] = []
    for node in select.group_by:
        bound = next((name for name in _names(node) if name in WINDOW_BOUNDS), None)
        if bound and select.window:
            raise SqlError(f"Window bounds column {bound} can only be used in the SELECT clause of windowed aggregations.",
                           mend="Take it out of GROUP BY: a windowed aggregation is by window already.", position=node.position)
        expr = typed(node, replace(t, clause="GROUP BY", aggregates=False, table_functions=False, window_bounds=False))
        if expr not in found:
            found.append(expr)
    return found


def _names(node: object) -> list[str]:
    if isinstance(node, ast.ColumnRef):
        return [node.name]
    if isinstance(node, ast.Node):
        return [n for part in vars(node).values() for n in _names(part)]
    return [n for part in node for n in _names(part)] if isinstance(node, tuple) else []


def plan_groups(select: ast.Select, relation: Relation, items: Sequence[Item], t: Typing) -> Grouped:
    """Plan the aggregation of `relation` that the GROUP BY, WINDOW, HAVING and EMIT clauses and the aggregates among `items` ask for."""
    groups = group_keys(select, t)
    having = predicate(_aliased(select.having, select, relation), replace(t, clause="HAVING")) if select.having is not None else None
    everything = [i.expr for i in items] + ([having] if having is not None else [])
    if select.group_by and not has_aggregates(everything):
        raise SqlError("GROUP BY requires aggregate functions in either the SELECT or HAVING clause.", mend="Add one, such as COUNT(*).",
                       position=select.group_by[0].position)
    calls = _calls(everything)
    _check_inputs(relation, calls, select)
    step, arguments = _arguments(relation.step, groups, calls)
    keyed = _rekeyed(relation, step, groups)
    window = _window(select.window)
    columns = tuple(steps.Column(f"KSQL_AGG_{n}", call.type) for n, call in enumerate(calls))
    schema = steps.Schema(keyed.schema.key, columns)
    aggregated: steps.Step = steps.Aggregate(schema, "TABLE", keyed, (), arguments, window)
    if select.emit == "FINAL":
        if window is None:
            raise SqlError("EMIT FINAL is only supported for windowed aggregations.", mend="Add a WINDOW clause, or use EMIT CHANGES.",
                           position=select.position)
        aggregated = steps.Suppress(schema, "TABLE", aggregated, window)
    over = _Over(groups, calls, schema)
    _check_grouped(items, having, over, select)
    if having is not None:
        aggregated = steps.Filter(schema, "TABLE", aggregated, over.read(having))
    keys = tuple(KeyChoice(c, (ex.Column(c.type, c.name),)) for c in schema.key)
    windowed = steps.WindowedKey(window.kind, None if window.kind == "SESSION" else window.size_ms) if window else None
    return Grouped(aggregated, keys, windowed, tuple(replace(i, expr=over.read(i.expr)) for i in items))


def _aliased(node: Any, select: ast.Select, relation: Relation) -> Any:
    """HAVING with each name that is no column, but a select item's alias, read as that item."""
    aliases = {i.alias: i.expression for i in select.items if isinstance(i, ast.SelectItem) and i.alias is not None}
    columns = {c.name for c in relation.scope.columns}

    def read(part: Any) -> Any:
        if isinstance(part, ast.ColumnRef) and part.source is None and part.name not in columns:
            return aliases.get(part.name, part)
        if isinstance(part, ast.Expression | ast.When):
            return replace(part, **{f.name: read(getattr(part, f.name)) for f in fields(part) if f.name != "position"})
        return tuple(map(read, part)) if isinstance(part, tuple) else part

    return read(node)


def _calls(exprs: Sequence[ex.Expr]) -> list[ex.AggregateCall]:
    found: list[ex.AggregateCall] = []
    for expr in exprs:
        for part in descend(expr):
            if isinstance(part, ex.AggregateCall) and part not in found:
                found.append(part)
    return found


def _check_inputs(relation: Relation, calls: Sequence[ex.AggregateCall], select: ast.Select) -> None:
    from penstock import functions

    sources = [s.source for s in relation.scope.sources]
    refused = [s.name for s in sources if s.value_format.name in UNWINDOWED_FORMATS]
    if refused and select.group_by:
        raise SqlError(f"Source(s) {', '.join(refused)} are using the 'KAFKA' value format. This format does not yet support GROUP BY.",
                       mend="Write the source in another format first, with CREATE STREAM ... AS SELECT.", position=select.group_by[0].position)
    if sources[0].value_format.name in FLAT_FORMATS and any(not _is_flat(call) for call in calls):
        raise SqlError("One of the functions used in the statement has an intermediate type that the value format can not handle. "
                       "Please remove the function or change the format.", position=select.position)
    if select.window is not None and select.window.kind == "SESSION":
        for call in calls:
            if not functions.resolve_aggregate(call.name, [known(a) for a in call.arguments]).sessions:
                raise SqlError(f"{call.name} cannot run in session windows, which grow together: it has no method merge.",
                               mend="Write one: merge(self, earlier, later).", position=_place(call.name, select))
    if relation.step.kind == "TABLE":
        if select.window is not None:
            raise SqlError("WINDOW clause is only supported for streams, but a table is read.", mend="Aggregate the stream behind the table.",
                           position=select.window.position or select.position)
        for call in calls:
            resolved = functions.resolve_aggregate(call.name, [known(a) for a in call.arguments])
            if resolved.undo is None:
                raise SqlError(f"The aggregation function(s) ({call.name}) cannot be applied to a table source, only to a stream source.",
                               mend="A table's rows are replaced, and this function cannot take a value back.",
                               position=_place(call.name, select))


def _place(name: str, select: ast.Select) -> Position | None:
    """Where a function is called first."""

    def first(node: object) -> Position | None:
        if isinstance(node, ast.FunctionCall) and node.name == name:
            return node.position
        parts = vars(node).values() if isinstance(node, ast.Node) else node if isinstance(node, tuple) else ()
        return next((found for part in parts if (found := first(part)) is not None), None)

    return first(select.items) or first(select.having) or select.position


def _is_flat(call: ex.AggregateCall) -> bool:
    """Whether an aggregate keeps but one plain value for a group."""
    from penstock import functions

    state = functions.resolve_aggregate(call.name, [known(a) for a in call.arguments]).state
    return len(state) == 1 and not isinstance(state[0], Array | Map | Struct)


def _arguments(step: steps.Step, groups: Sequence[ex.Expr], calls: Sequence[ex.AggregateCall]) -> tuple[steps.Step, tuple[ex.AggregateCall, ...]]:
    """The aggregates over plain columns and literals, and a step that computes what they need beside them."""
    computed: dict[ex.Expr, ex.Column] = {}

    def plain(expr: ex.Expr) -> ex.Expr:
        if isinstance(expr, ex.Column | ex.Literal | ex.Unit):
            return expr
        return computed.setdefault(expr, ex.Column(expr.type, f"KSQL_ARGUMENT_{len(computed)}"))

    arguments = tuple(replace(call, arguments=tuple(map(plain, call.arguments))) for call in calls)
    if not computed:
        return step, arguments
    read = {name for e in groups for name in columns_in(e)}
    read |= {a.name for call in arguments for a in call.arguments if isinstance(a, ex.Column)}
    kept = tuple(c for c in step.schema.value if c.name in read)
    made = tuple(steps.Column(c.name, c.type) for c in computed.values())
    key = step.schema.key
    schema = steps.Schema(key, (*kept, *made))
    value = (*(ex.Column(c.type, c.name) for c in kept), *computed)
    return steps.Select(schema, step.kind, step, tuple(ex.Column(c.type, c.name) for c in key), value), arguments


def _rekeyed(relation: Relation, step: steps.Step, groups: Sequence[ex.Expr]) -> steps.Step:
    """The rows keyed by the grouping expressions, repartitioned only where that is a change."""
    if groups and not relation.window and list(groups) == [ex.Column(k.column.type, k.column.name) for k in relation.keys]:
        return step
    names = [e.name if isinstance(e, ex.Column) else f"KSQL_GROUP_{n}" for n, e in enumerate(groups)]
    key = tuple(steps.Column(name, e.type) for name, e in zip(names, groups, strict=True))
    schema = steps.Schema(key, tuple(c for c in step.schema.columns if c.name not in names))
    return steps.Rekey(schema, step.kind, step, tuple(groups))


def _window(window: ast.Window | None) -> steps.Window | None:
    if window is None:
        return None

    advance, retention, grace = window.advance_ms, window.retention_ms, window.grace_ms
    least = window.size_ms + (grace or 0)
    if retention is not None and retention < least:
        raise SqlError(f"The window's retention ({retention} ms) is shorter than its size and grace period together ({least} ms).",
                       mend="Lengthen RETENTION.", position=window.position)
    return steps.Window(window.kind, window.size_ms, advance, retention, grace)


# ---------------------------------------------------------------------------------------------- what may stand above


@dataclass(frozen=True)
class _Over:
    """Expressions over the input, read as expressions over the aggregation."""

    groups: Sequence[ex.Expr]
    calls: Sequence[ex.AggregateCall]
    schema: steps.Schema

    def read(self, expr: ex.Expr) -> ex.Expr:
        return rewrite(expr, self._change)

    def _change(self, expr: ex.Expr) -> ex.Expr | None:
        if isinstance(expr, ex.AggregateCall):
            column = self.schema.value[self.calls.index(expr)]
            return ex.Column(column.type, column.name)
        if expr in self.groups:
            column = self.schema.key[self.groups.index(expr)]
            return ex.Column(column.type, column.name)
        return None

    def is_grouped(self, expr: ex.Expr) -> bool:
        """Whether `expr` reads nothing but groups and aggregates."""
        if isinstance(expr, ex.AggregateCall) or expr in self.groups:
            return True
        if isinstance(expr, ex.Column):
            return False
        from penstock.plan.walk import children

        return all(map(self.is_grouped, children(expr)))


def _check_grouped(items: Sequence[Item], having: ex.Expr | None, over: _Over, select: ast.Select) -> None:
    loose = [i for i in items if not over.is_grouped(i.expr)]
    if loose:
        shown = ", ".join(expression_text(i.expr) for i in loose)
        raise SqlError(f"Non-aggregate SELECT expression(s) not part of GROUP BY: {shown}.",
                       mend="Either add the column(s) to the GROUP BY or remove them from the SELECT.", position=_position(loose[0], select))
    if having is not None and not over.is_grouped(having):
        assert select.having is not None
        raise SqlError(f"Non-aggregate HAVING expression not part of GROUP BY: {expression_text(having)}.",
                       mend="Use WHERE for conditions on single rows.", position=select.having.position)


def _position(item: Item, select: ast.Select) -> Position | None:
    return item.position or select.position
