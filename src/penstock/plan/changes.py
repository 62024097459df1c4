"""What may become of what exists: ALTER, CREATE OR REPLACE, CREATE TYPE."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from penstock.catalog.model import DataSource
from penstock.errors import Position, SqlError
from penstock.plan import steps
from penstock.plan.explanation import inputs
from penstock.plan.formats import check_value
from penstock.plan.interfaces import CatalogView
from penstock.plan.scope import RESERVED, nearest
from penstock.plan.steps import Column, Schema
from penstock.plan.text import name_text
from penstock.plan.typed import resolve_type
from penstock.sql import ast
from penstock.sql.types import SqlType, quote


def plan_create_type(statement: ast.CreateType, catalog: CatalogView) -> SqlType:
    """What the custom type stands for, its own custom types replaced. Raises SqlError."""
    return resolve_type(statement.type, catalog, statement.position)


def plan_alter(statement: ast.AlterSource, catalog: CatalogView) -> DataSource:
    """The source with the columns that ALTER ... ADD COLUMN adds to its end. Raises SqlError."""
    name, kind, position = statement.name, statement.kind, statement.position
    source = catalog.source(name)
    if source is None:
        raise SqlError(f"{kind.capitalize()} {name} does not exist.", mend=nearest(name, catalog.sources()) or "Create it first.", position=position)
    if source.kind != kind:
        raise SqlError(f"Incompatible data source type is {source.kind}, but statement was ALTER {kind}.", mend=f"Use ALTER {source.kind}.",
                       position=position)
    if source.read_only:
        raise SqlError(f"Cannot alter {kind.lower()} '{name}': ALTER operations are not supported on source {kind.lower()}s.",
                       mend=f"Create a {kind.lower()} over its topic without SOURCE.", position=position)
    if source.created_by is not None:
        raise SqlError(f"Cannot alter {kind.lower()} '{name}': the query {source.created_by} gives it its columns.",
                       mend="Use CREATE OR REPLACE ... AS SELECT.", position=position)
    added: list[Column] = []
    for definition in statement.columns:
        if definition.constraint is not None:
            raise SqlError(f"Cannot add the {definition.constraint} column {name_text(definition.name)}: ALTER adds value columns only.",
                           mend="Create the source again.", position=definition.position)
        if definition.name in RESERVED:
            raise SqlError(f"'{definition.name}' is a reserved column name. You cannot use it as a name for a column.", mend="Take another name.",
                           position=definition.position)
        if definition.name in [c.name for c in (*source.schema.columns, *added)]:
            raise SqlError(f"Cannot add column {quote(definition.name)} to schema. A column with the same name already exists.",
                           mend="Take another name.", position=definition.position)
        added.append(Column(definition.name, resolve_type(definition.type, catalog, definition.position)))
    schema = Schema(source.schema.key, (*source.schema.value, *added))
    headers = {h.name for h in source.headers}
    check_value(replace(source.value_format, wrap_single=None), [c for c in schema.value if c.name not in headers], position)
    return replace(source, schema=schema)


# ---------------------------------------------------------------------------------------------- CREATE OR REPLACE


def check_replace(old: DataSource | steps.Sink, new: DataSource | steps.Sink, position: Position | None = None) -> None:
    """Refuse a CREATE OR REPLACE that is no upgrade. A source keeps its kind, topic, formats, key and window, and may gain value columns at the end.

    A query moreover keeps its sources, joins, groups and windows, so that its state stays of use; its filters and its SELECT list may change.
    Raises SqlError.
    """
    if isinstance(old, DataSource) and isinstance(new, DataSource):
        _check_sources(old, new, position)
    elif isinstance(old, steps.Sink) and isinstance(new, steps.Sink):
        _check_queries(old, new, position)
    else:
        raise SqlError("A source over a topic cannot be replaced by a query, nor a query by one.", mend="Drop it first.", position=position)


def _refusal(kind: str, name: str, what: str, position: Position | None) -> SqlError:
    return SqlError(f"Cannot add {kind.lower()} '{name}': {what}", mend="Drop it, and create it anew.", position=position)


def _check_sources(old: DataSource, new: DataSource, position: Position | None) -> None:
    kind, name = new.kind, new.name
    if old.kind != kind:
        raise _refusal(kind, name, f"A {old.kind.lower()} with the same name already exists.", position)
    if old.read_only or new.read_only:
        raise _refusal(kind, name, f"CREATE OR REPLACE is not supported on source {kind.lower()}s.", position)
    for what, before, after in (("topic", old.topic, new.topic), ("key format", old.key_format, new.key_format),
                                ("value format", old.value_format.name, new.value_format.name), ("window", old.window, new.window),
                                ("timestamp", old.timestamp, new.timestamp)):
        if before != after:
            raise _refusal(kind, name, f"its {what} would change.", position)
    _check_schemas(kind, name, old.schema, new.schema, position)


def _check_schemas(kind: str, name: str, old: Schema, new: Schema, position: Position | None) -> None:
    if old.key != new.key:
        raise _refusal(kind, name, f"its key would change from ({_listed(old.key)}) to ({_listed(new.key)}).", position)
    if new.value[:len(old.value)] != old.value:
        changed = [c for c in old.value if c not in new.value] or list(old.value)
        raise _refusal(kind, name, f"The following columns are changed, missing or reordered: [{_listed(changed)}].", position)


def _listed(columns: Sequence[Column]) -> str:
    return ", ".join(f"{quote(c.name)} {c.type}" for c in columns)


def _check_queries(old: steps.Sink, new: steps.Sink, position: Position | None) -> None:
    kind, name = new.kind, new.target
    if old.kind != kind:
        raise _refusal(kind, name, f"A {old.kind.lower()} with the same name already exists.", position)
    for what, before, after in (("topic", old.topic, new.topic), ("key format", old.key_format, new.key_format),
                                ("value format", old.value_format.name, new.value_format.name), ("window", old.window, new.window)):
        if before != after:
            raise _refusal(kind, name, f"its {what} would change.", position)
    _check_schemas(kind, name, old.schema, new.schema, position)
    was, will = list(map(_identity, _stateful(old))), list(map(_identity, _stateful(new)))
    if was != will:
        raise _refusal(kind, name, "its sources, joins, groups, aggregates or windows would change, and its state would be of no use.", position)


def _stateful(step: steps.Step) -> Iterator[steps.Step]:
    """The steps that keep state or read a source, from the top."""
    if not isinstance(step, steps.Sink | steps.Select | steps.Filter | steps.FlatMap):
        yield step
    for below in inputs(step):
        yield from _stateful(below)


def _identity(step: steps.Step) -> object:
    """What a step's state hangs on."""
    match step:
        case steps.Source():
            return step.source, step.topic
        case steps.Rekey():
            return step.key
        case steps.Aggregate():
            return step.schema, step.aggregates, step.window
        case steps.Suppress():
            return step.window
        case steps.StreamStreamJoin():
            return step.schema, step.join, step.before_ms, step.after_ms, step.grace_ms
        case steps.ForeignKeyJoin():
            return step.schema, step.join, step.foreign_key
    return type(step).__name__, step.schema, getattr(step, "join", None)
