"""The FROM clause: sources and joins as steps, and the columns and keys that they leave to the rest of the query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, count

from penstock.catalog.model import DataSource
from penstock.errors import Position, SqlError
from penstock.plan import expressions as ex
from penstock.plan import steps
from penstock.plan.interfaces import CatalogView
from penstock.plan.scope import PSEUDO_TYPES, Scope, ScopeColumn, ScopeSource, nearest, pseudo_columns
from penstock.plan.text import expression_text, name_text
from penstock.plan.typed import Typing, typed
from penstock.plan.walk import columns_in
from penstock.sql import ast
from penstock.sql.types import BIGINT

SYNTHETIC_KEY = "ROWKEY"
"""The key of a join that no column of either side can stand for: of a FULL join, or of one on expressions on both sides."""


@dataclass(frozen=True)
class KeyChoice:
    """A key column of a step, and the expressions that may stand for it in a projection, the preferred first; `hidden` ones equal it too, but
    cannot be selected for it."""

    column: steps.Column
    viable: tuple[ex.Expr, ...]
    hidden: tuple[ex.Expr, ...] = ()


@dataclass(frozen=True)
class Relation:
    """A planned FROM clause. `key_of` says what makes its key, for the message where a projection lacks it."""

    step: steps.Step
    scope: Scope
    keys: tuple[KeyChoice, ...]
    window: steps.WindowedKey | None = None
    key_of: str = "key column"


def find_source(node: ast.Source, catalog: CatalogView) -> DataSource:
    """The stream or table that FROM or JOIN names. Raises SqlError with the nearest names."""
    found = catalog.source(node.name)
    if found is None:
        mend = nearest(node.name, catalog.sources()) or "SHOW STREAMS and SHOW TABLES list what there is."
        raise SqlError(f"{node.name} does not exist.", mend=mend, position=node.position)
    return found


def plan_relation(node: ast.Relation, catalog: CatalogView) -> Relation:
    """Plan a FROM clause. Raises SqlError."""
    named = _sources(node)
    if len(named) == 1:
        only = named[0]
        return _leaf(find_source(only, catalog), only.alias or only.name, joined=False)
    _check_names(named)
    return _plan(node, catalog, several=len(named) > 2)


def _sources(node: ast.Relation) -> list[ast.Source]:
    return [*_sources(node.left), node.right] if isinstance(node, ast.Join) else [node]


def _check_names(named: Sequence[ast.Source]) -> None:
    for number, source in enumerate(named):
        for earlier in named[:number]:
            if source.name == earlier.name and len(named) == 2:
                raise SqlError(f"Can not join '{earlier.name}' to '{source.name}': self joins are not yet supported.",
                               mend="Make a second stream or table of the topic, and join that.", position=source.position)
            if source.name == earlier.name:
                raise SqlError(f"N-way joins do not support multiple occurrences of the same source. Source: '{source.name}'.",
                               mend="Make a second stream or table of the topic, and join that.", position=source.position)
            if (source.alias or source.name) == (earlier.alias or earlier.name):
                raise SqlError(f"Two sources have the alias '{source.alias or source.name}'.", mend="Give one another alias with AS.",
                               position=source.position)


def _leaf(source: DataSource, alias: str, *, joined: bool) -> Relation:
    prefix = f"{alias}." if joined else ""
    pseudo = pseudo_columns(source)

    def prefixed(columns: Sequence[steps.Column]) -> tuple[steps.Column, ...]:
        return tuple(steps.Column(prefix + c.name, c.type) for c in columns)

    extra = [steps.Column(name, PSEUDO_TYPES.get(name, BIGINT)) for name in pseudo]
    schema = steps.Schema(prefixed(source.schema.key), prefixed([*source.schema.value, *extra]))
    step = steps.Source(schema, source.kind, source.name, source.topic, source.schema, source.key_format, source.value_format, prefix, pseudo,
                        source.headers, source.timestamp, source.window)
    keys = tuple(KeyChoice(c, (ex.Column(c.type, c.name),)) for c in schema.key)
    return Relation(step, Scope((ScopeSource(alias, source, prefix),)), keys, source.window)


# ---------------------------------------------------------------------------------------------- joins


def _plan(node: ast.Relation, catalog: CatalogView, *, several: bool) -> Relation:
    if isinstance(node, ast.Source):
        return _leaf(find_source(node, catalog), node.alias or node.name, joined=True)
    left = _plan(node.left, catalog, several=several)
    right = _plan(node.right, catalog, several=several)
    return _join(node, left, right, catalog)


@dataclass(frozen=True)
class _Condition:
    left: ex.Expr
    right: ex.Expr
    text: str
    position: Position | None


def _condition(node: ast.Join, left: Relation, right: Relation, catalog: CatalogView) -> _Condition:
    """The two sides of ON, the left relation's expression first."""
    scope = Scope((*left.scope.sources, *right.scope.sources), left.scope.extra)
    t = Typing(scope, catalog, "JOIN ON")
    condition = node.condition
    if not (isinstance(condition, ast.Comparison) and condition.op == "="):
        shown = _shown(condition, t)
        if isinstance(condition, ast.Logical):
            raise SqlError(f"Invalid join condition: joins on multiple conditions are not yet supported. Got {shown}.",
                           mend="Join on one equality, and put the rest into WHERE.", position=condition.position)
        raise SqlError(f"Invalid join condition: only an equality joins. Got {shown}.", mend="Write ON a = b.", position=condition.position)
    sides = [typed(condition.left, t), typed(condition.right, t)]
    text = f"{expression_text(sides[0])} = {expression_text(sides[1])}"
    aliases = []
    for side, side_node in zip(sides, (condition.left, condition.right), strict=True):
        used = _aliases(side, scope)
        if len(used) != 1:
            raise SqlError(f"Invalid comparison expression '{expression_text(side)}' in join '({text})'. Each side of the join comparision "
                           "must contain references from exactly one source.",
                           mend="Write one source's columns on each side of =.", position=side_node.position)
        aliases.append(used.pop())
    joined = right.scope.sources[0].alias
    if aliases.count(joined) != 1:
        raise SqlError(f"A join criteria is expected to reference the source ({_tick(joined)}) in the FROM clause, instead the right source "
                       f"references {_tick(aliases[1])} and the left source references {_tick(aliases[0])}.",
                       mend=f"Compare a column of {name_text(joined)} with one of the sources before it.", position=condition.position)
    ours, theirs = (sides[1], sides[0]) if aliases[0] == joined else (sides[0], sides[1])
    if ours.type != theirs.type:
        pair = " = ".join(f"{expression_text(s)}{{{s.type}}}" for s in sides)
        raise SqlError(f"Invalid join condition: types don't match. Got {pair}.", mend="Cast one side.", position=condition.position)
    return _Condition(ours, theirs, text, condition.position)


def _shown(node: ast.Expression, t: Typing) -> str:
    try:
        return expression_text(typed(node, t))
    except SqlError:
        return "another condition"


def _tick(alias: str) -> str:
    return f"`{alias}`"


def _aliases(expr: ex.Expr, scope: Scope) -> set[str]:
    owners = {c.step_name: c.alias for c in scope.columns}
    return {owners[name] for name in columns_in(expr) if owners.get(name)}


def _join(node: ast.Join, left: Relation, right: Relation, catalog: CatalogView) -> Relation:
    condition = _condition(node, left, right, catalog)
    kinds = (left.step.kind, right.step.kind)
    names = f"{name_text(left.scope.sources[-1].source.name)} [{node.kind}{'] OUTER' if node.kind == 'FULL' else ']'} JOIN " \
            f"{name_text(right.scope.sources[0].source.name)}"
    if kinds == ("TABLE", "STREAM"):
        raise SqlError(f"Invalid join order: table-stream joins are not supported; only stream-table joins. Got {names}.",
                       mend="Put the stream first.", position=node.position)
    if kinds == ("STREAM", "STREAM") and node.within is None:
        raise SqlError("Stream-stream joins must have a WITHIN clause specified. None was provided.",
                       mend="Write WITHIN 1 HOUR, say, before ON.", position=node.right.position)
    if "TABLE" in kinds and node.within is not None:
        what = "Stream-Table" if "STREAM" in kinds else "Table-Table"
        raise SqlError(f"A window definition was provided for a {what} join. These joins are not windowed.", mend="Remove the WITHIN clause.",
                       position=node.within.position or node.position)
    _check_windows(left, right, node.right.position)
    if kinds == ("STREAM", "TABLE"):
        return _stream_table(node, left, right, condition, names)
    if kinds == ("TABLE", "TABLE"):
        return _table_table(node, left, right, condition)
    return _stream_stream(node, left, right, condition)


def _check_windows(left: Relation, right: Relation, position: Position | None) -> None:
    a, b = left.window, right.window
    if (a is None) != (b is None):
        def described(relation: Relation) -> str:
            kind = f"{relation.window.kind} windowed" if relation.window else "not windowed"
            return f"{_tick(relation.scope.sources[0].alias)} is {kind}"
        raise SqlError(f"Can not join windowed source to non-windowed source. {described(left)}, {described(right)}.",
                       mend="Join sources with equal windows.", position=position)
    if a and b and (a.kind == "SESSION") != (b.kind == "SESSION"):
        raise SqlError(f"Incompatible windowed sources: {_tick(left.scope.sources[0].alias)} is {a.kind} windowed, "
                       f"{_tick(right.scope.sources[0].alias)} is {b.kind} windowed.", mend="Join sources with equal windows.", position=position)
    if a and b and a.size_ms != b.size_ms:
        raise _no_repartition(position)


def _no_repartition(position: Position | None) -> SqlError:
    return SqlError("Implicit repartitioning of windowed sources is not supported. See https://github.com/confluentinc/ksql/issues/4385.",
                    mend="Join on the whole key, of equal windows.", position=position)


def is_key(relation: Relation, expr: ex.Expr) -> bool:
    """Whether `expr` is the relation's whole key."""
    return len(relation.keys) == 1 and expr in (*relation.keys[0].viable, *relation.keys[0].hidden)


def _keyed_by(relation: Relation, expr: ex.Expr, position: Position | None) -> Relation:
    """The relation with `expr` as its key, repartitioned where it is not the key already."""
    if is_key(relation, expr):
        return relation
    if relation.window:
        raise _no_repartition(position)
    source = relation.scope.sources[-1]
    name = expr.name if isinstance(expr, ex.Column) else f"{source.prefix}KSQL_KEY"
    key = steps.Column(name, expr.type)
    dropped = {name, *(c.step_name for c in relation.scope.extra)}
    value = tuple(c for c in relation.step.schema.columns if c.name not in dropped)
    step = steps.Rekey(steps.Schema((key,), value), relation.step.kind, relation.step, (expr,))
    choice = KeyChoice(key, (expr,)) if isinstance(expr, ex.Column) else KeyChoice(key, (), (expr,))
    return replace(relation, step=step, scope=replace(relation.scope, extra=()), keys=(choice,))


def _combined(node: ast.Join, left: Relation, right: Relation) -> tuple[steps.Schema, Relation]:
    """The schema of a join on the keys of both, and the relation but for its step."""
    (ours,), (theirs,) = left.keys, right.keys
    viable = (*ours.viable, *theirs.viable)
    sources = (*left.scope.sources, *right.scope.sources)
    hidden = (*ours.hidden, *theirs.hidden)
    synthetic = _synthetic(sources)
    key = {"RIGHT": theirs.column, "FULL": steps.Column(synthetic, ours.column.type)}.get(node.kind, ours.column)
    extra: tuple[ScopeColumn, ...] = ()
    if node.kind == "FULL" or not viable:
        extra = (ScopeColumn(synthetic, "", key.name, key.type, key=True),)
        viable = (ex.Column(key.type, key.name),)
        hidden = () if node.kind == "FULL" else hidden
    kept = {c.step_name for c in left.scope.extra} | {key.name}
    value = tuple(c for c in (*left.step.schema.columns, *right.step.schema.columns) if c.name not in kept)
    relation = Relation(left.step, Scope(sources, extra), (KeyChoice(key, viable, hidden),), left.window, "join expression")
    return steps.Schema((key,), value), relation


def _synthetic(sources: Sequence[ScopeSource]) -> str:
    """ROWKEY, or the first of ROWKEY_1, ROWKEY_2, ... that no source has."""
    taken = {c.name for s in sources for c in s.columns}
    return next(name for name in chain((SYNTHETIC_KEY,), (f"{SYNTHETIC_KEY}_{n}" for n in count(1))) if name not in taken)


def _stream_table(node: ast.Join, left: Relation, right: Relation, condition: _Condition, names: str) -> Relation:
    if node.kind not in ("INNER", "LEFT"):
        kind = "full-outer" if node.kind == "FULL" else "right-outer"
        raise SqlError(f"Invalid join type: {kind} join not supported for stream-table join. Got {names}.", mend="Use INNER or LEFT JOIN.",
                       position=node.position)
    if not is_key(right, condition.right):
        raise SqlError(f"Invalid join condition: stream-table joins require to join on the table's primary key. Got {condition.text}.",
                       mend=_key_mend(right), position=condition.position)
    left = _keyed_by(left, condition.left, condition.position)
    schema, relation = _combined(node, left, right)
    return replace(relation, step=steps.StreamTableJoin(schema, "STREAM", left.step, right.step, node.kind))


def _key_mend(right: Relation) -> str:
    keys = ", ".join(name_text(k.column.name) for k in right.keys)
    if len(right.keys) == 1:
        return f"The primary key is {keys}."
    return f"The primary key has several columns ({keys}): one column alone is not the key."


def _table_table(node: ast.Join, left: Relation, right: Relation, condition: _Condition) -> Relation:
    if not is_key(right, condition.right):
        raise SqlError("Invalid join condition: table-table joins require to join on the primary key of the right input table. "
                       f"Got {condition.text}.", mend=_key_mend(right), position=condition.position)
    if is_key(left, condition.left):
        schema, relation = _combined(node, left, right)
        return replace(relation, step=steps.TableTableJoin(schema, "TABLE", left.step, right.step, node.kind))
    if node.kind not in ("INNER", "LEFT"):
        kind = "FULL" if node.kind == "FULL" else "RIGHT"
        raise SqlError(f"Invalid join type: {kind} OUTER JOIN on a foreign key is not supported. Got {condition.text}.",
                       mend="Use INNER or LEFT JOIN, or turn the tables round.", position=node.position)
    value = (*left.step.schema.value, *right.step.schema.columns)
    step = steps.ForeignKeyJoin(steps.Schema(left.step.schema.key, value), "TABLE", left.step, right.step, node.kind, condition.left)
    scope = Scope((*left.scope.sources, *right.scope.sources), left.scope.extra)
    return Relation(step, scope, left.keys, left.window, "foreign key join")


def _stream_stream(node: ast.Join, left: Relation, right: Relation, condition: _Condition) -> Relation:
    assert node.within is not None
    left = _keyed_by(left, condition.left, condition.position)
    right = _keyed_by(right, condition.right, condition.position)
    schema, relation = _combined(node, left, right)
    within = node.within
    step = steps.StreamStreamJoin(schema, "STREAM", left.step, right.step, node.kind, within.before_ms, within.after_ms, within.grace_ms)
    return replace(relation, step=step)
