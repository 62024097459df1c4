"""A SELECT as steps: FROM, WHERE, table functions, PARTITION BY or GROUP BY, and the SELECT list on top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from penstock.errors import SqlError
from penstock.plan import expressions as ex
from penstock.plan import steps
from penstock.plan.grouping import has_aggregates, plan_groups
from penstock.plan.interfaces import CatalogView
from penstock.plan.projection import Item, Namer, Projection, expand, split
from penstock.plan.relation import KeyChoice, Relation, plan_relation
from penstock.plan.text import expression_text
from penstock.plan.typed import Typing, predicate, typed
from penstock.plan.walk import descend, rewrite
from penstock.sql import ast
from penstock.sql.types import NULL


@dataclass(frozen=True)
class Selected:
    """A planned SELECT but for its last step: `step` computes all that `projection` reads. `key_of` says what makes the key, for messages."""

    step: steps.Step
    projection: Projection
    items: tuple[Item, ...]
    keys: tuple[KeyChoice, ...]
    key_of: str
    window: steps.WindowedKey | None
    relation: Relation


def plan_select(select: ast.Select, catalog: CatalogView, *, persistent: bool) -> Selected:
    """Plan a SELECT up to its list. Raises SqlError."""
    relation = plan_relation(select.relation, catalog)
    if select.where is not None:
        where = predicate(select.where, Typing(relation.scope, catalog, "WHERE"))
        relation = replace(relation, step=steps.Filter(relation.step.schema, relation.step.kind, relation.step, where))
    t = Typing(relation.scope, catalog, "SELECT", aggregates=True, table_functions=True, window_bounds=select.window is not None)
    namer = Namer(relation.scope)
    items = expand(select.items, t, namer, bounds=not persistent, keys_last=bool(select.partition_by))
    tables = [i for i in items if any(isinstance(e, ex.TableCall) for e in descend(i.expr))]
    grouped = bool(select.group_by) or has_aggregates([i.expr for i in items]) or select.having is not None or select.window is not None
    if grouped and tables:
        raise SqlError("Table functions cannot be used with aggregations.", mend="Use two queries, one on the other.", position=tables[0].position)
    if grouped:
        return _grouped(select, relation, items, t, persistent=persistent)
    if select.emit == "FINAL":
        raise SqlError("EMIT FINAL is only supported for windowed aggregations.", mend="Use EMIT CHANGES.", position=select.position)
    if tables:
        relation, items = _flattened(relation, items)
    if select.partition_by:
        return _partitioned(select, relation, items, t, namer)
    return Selected(relation.step, split(items, relation.keys), tuple(items), relation.keys, relation.key_of, relation.window, relation)


def _grouped(select: ast.Select, relation: Relation, items: list[Item], t: Typing, *, persistent: bool) -> Selected:
    if select.partition_by:
        raise SqlError("PARTITION BY cannot be used with GROUP BY.", mend="GROUP BY makes the key already.", position=select.partition_by[0].position)
    if not select.group_by:
        _check_groupless(select, items, persistent=persistent)
    made = plan_groups(select, relation, items, replace(t, table_functions=False))
    return Selected(made.step, split(made.items, made.keys), made.items, made.keys, "grouping expression", made.window, relation)


def _check_groupless(select: ast.Select, items: Sequence[Item], *, persistent: bool) -> None:
    calls = [e for i in items for e in descend(i.expr) if isinstance(e, ex.AggregateCall)]
    if not calls:
        clause, position = ("WINDOW", select.window.position) if select.window else ("HAVING", select.having.position if select.having else None)
        raise SqlError(f"{clause} clause requires a GROUP BY clause.", mend="Add GROUP BY and an aggregate function.",
                       position=position or select.position)
    loose = [i for i in items if not has_aggregates([i.expr]) and any(isinstance(e, ex.Column) for e in descend(i.expr))]
    if loose:
        shown = ", ".join(expression_text(i.expr) for i in loose)
        raise SqlError(f"Non-aggregate SELECT expression(s) not part of GROUP BY: {shown}.",
                       mend="Either add the column(s) to a GROUP BY or remove them from the SELECT.", position=loose[0].position)
    if persistent:
        raise SqlError(f"CREATE TABLE AS SELECT statement does not support aggregate function [{expression_text(calls[0])}] "
                       "without a GROUP BY clause.", mend="Group by a constant: SELECT 1 AS K, ... GROUP BY 1.", position=items[0].position)


# ---------------------------------------------------------------------------------------------- table functions


def _flattened(relation: Relation, items: list[Item]) -> tuple[Relation, list[Item]]:
    if relation.step.kind == "TABLE":
        position = next(i.position for i in items if any(isinstance(e, ex.TableCall) for e in descend(i.expr)))
        raise SqlError("Table source is not supported with table functions.", mend="Read the stream behind the table.", position=position)
    calls: list[ex.TableCall] = []

    def column(expr: ex.Expr) -> ex.Expr | None:
        if not isinstance(expr, ex.TableCall):
            return None
        calls.append(expr)
        return ex.Column(expr.type, f"KSQL_ITEM_{len(calls) - 1}")

    changed = [replace(i, expr=rewrite(i.expr, column)) for i in items]
    made = tuple(steps.Column(f"KSQL_ITEM_{n}", call.type) for n, call in enumerate(calls))
    schema = replace(relation.step.schema, value=(*relation.step.schema.value, *made))
    return replace(relation, step=steps.FlatMap(schema, "STREAM", relation.step, tuple(calls))), changed


# ---------------------------------------------------------------------------------------------- PARTITION BY


def _partitioned(select: ast.Select, relation: Relation, items: list[Item], t: Typing, namer: Namer) -> Selected:
    nodes = select.partition_by
    if relation.step.kind == "TABLE":
        raise SqlError("PARTITION BY is only supported for streams, but a table is read.", mend="A table's key is its primary key.",
                       position=nodes[0].position)
    if relation.window:
        raise SqlError("Implicit repartitioning of windowed sources is not supported. See https://github.com/confluentinc/ksql/issues/4385.",
                       mend="Leave PARTITION BY out.", position=nodes[0].position)
    exprs = [_partition(node, t) for node in nodes]
    if any(e.type == NULL for e in exprs):
        if len(exprs) > 1:
            raise SqlError("Cannot PARTITION BY multiple columns including NULL.", mend="Leave the NULL out.", position=nodes[0].position)
        step = steps.Rekey(steps.Schema((), relation.step.schema.columns), "STREAM", relation.step, (), keep_null=True)
        return Selected(step, split(items, ()), tuple(items), (), "", None, relation)
    if exprs == [ex.Column(k.column.type, k.column.name) for k in relation.keys]:
        keys = tuple(KeyChoice(k.column, (e,)) for k, e in zip(relation.keys, exprs, strict=True))
        items = _with_keys(select, items, exprs, exprs, nodes, namer)
        return Selected(relation.step, split(items, keys), tuple(items), keys, "partitioning expression", None, relation)
    names = [e.name if isinstance(e, ex.Column) else f"KSQL_KEY_{n}" for n, e in enumerate(exprs)]
    columns = tuple(steps.Column(name, e.type) for name, e in zip(names, exprs, strict=True))
    value = tuple(c for c in relation.step.schema.columns if c.name not in names)
    step = steps.Rekey(steps.Schema(columns, value), "STREAM", relation.step, tuple(exprs), keep_null=True)
    made = [ex.Column(c.type, c.name) for c in columns]
    items = _with_keys(select, items, exprs, made, nodes, namer)
    keys = tuple(KeyChoice(c, (m,)) for c, m in zip(columns, made, strict=True))
    missing_as = tuple(KeyChoice(c, (e,)) for c, e in zip(columns, exprs, strict=True))
    chosen = split(items, keys)
    shown = keys if None not in chosen.keys else missing_as
    return Selected(step, chosen, tuple(items), shown, "partitioning expression", None, relation)


def _partition(node: ast.Expression, t: Typing) -> ex.Expr:
    try:
        return typed(node, replace(t, clause="PARTITION BY", aggregates=False, table_functions=False))
    except SqlError as error:
        if isinstance(node, ast.ColumnRef) and "cannot be resolved" in error.what:
            raise SqlError(f"{error.what} '{node.name}' must be a column in the source schema since PARTITION BY is applied on the input.",
                           mend=error.mend, position=node.position) from None
        raise


def _with_keys(select: ast.Select, items: list[Item], exprs: Sequence[ex.Expr], made: Sequence[ex.Expr], nodes: Sequence[ast.Expression],
               namer: Namer) -> list[Item]:
    """The items with each partitioning expression read as the new key's column; a star brings the new key along."""
    changed = [replace(i, expr=made[exprs.index(i.expr)]) if i.expr in exprs else i for i in items]
    if any(isinstance(item, ast.SelectAll) and item.source is None for item in select.items):
        for node, column in zip(nodes, made, strict=True):
            if not any(i.expr == column for i in changed):
                match node:
                    case ast.ColumnRef(name):
                        name = name
                    case ast.Dereference(_, field):
                        name = namer.field(field)
                    case _:
                        name = namer.generated()
                changed.append(Item(name, column, node.position))
    return changed
