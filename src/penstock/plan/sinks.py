"""CREATE ... AS SELECT and INSERT INTO ... SELECT: a query with the topic that it writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from penstock.catalog.model import DataSource
from penstock.errors import Position, SqlError
from penstock.plan import expressions as ex
from penstock.plan import steps
from penstock.plan.coercion import coerce, common_number
from penstock.plan.explanation import inputs
from penstock.plan.formats import check_key, check_value, read_formats
from penstock.plan.interfaces import CatalogView, SchemaLookup
from penstock.plan.projection import check_persistent
from penstock.plan.properties import With, setting
from penstock.plan.pruning import prune
from penstock.plan.schemas import columns_text
from penstock.plan.scope import nearest
from penstock.plan.select import Selected, plan_select
from penstock.plan.sources import read_timestamp, with_wrapping
from penstock.plan.steps import Column, Schema
from penstock.sql import ast
from penstock.sql.types import is_numeric, quote


@dataclass(frozen=True)
class TopicSpec:
    """What a statement asks of its topic, where that is to be created; None: the default of the log. `inherited_ms`: how long records stay where the
    statement does not say, as the topic behind them or their window has it."""

    name: str
    partitions: int | None = None
    replicas: int | None = None
    retention_ms: int | None = None
    cleanup: str | None = None
    inherited_ms: int | None = None


@dataclass(frozen=True)
class Planned:
    """A CREATE ... AS SELECT: the source that it makes, the plan that fills it, the topic that it needs."""

    source: DataSource
    plan: steps.Sink
    topic: TopicSpec


def topic_spec(statement: ast.CreateSource) -> TopicSpec:
    """What the WITH clause of a CREATE STREAM or TABLE says of its topic. Raises SqlError."""
    w = With(statement.properties, "source", statement.position)
    return _topic(w, w.text("KAFKA_TOPIC") or statement.name)


def _topic(w: With, name: str) -> TopicSpec:
    if w.text("KAFKA_TOPIC") == "":
        raise w.error("KAFKA_TOPIC is empty.", "Name a topic.")
    partitions, replicas = w.number("PARTITIONS"), w.number("REPLICAS")
    for value, what in ((partitions, "PARTITIONS"), (replicas, "REPLICAS")):
        if value is not None and value < 1:
            raise w.error(f"Invalid value {value} for configuration {what}: it must be at least 1.", f"Write {what}=1.")
    cleanup = w.text("CLEANUP_POLICY")
    if cleanup is not None and cleanup.lower().replace(" ", "") not in ("delete", "compact", "compact,delete", "delete,compact"):
        raise w.error(f"CLEANUP_POLICY is 'delete', 'compact' or 'compact,delete', but got '{cleanup}'.", "Take one of them.")
    return TopicSpec(name, partitions, replicas, w.number("RETENTION_MS"), cleanup)


def plan_create_as(statement: ast.CreateAsSelect, catalog: CatalogView, schemas: SchemaLookup, defaults: Mapping[str, str], query_id: str) -> Planned:
    """Plan CREATE STREAM|TABLE ... AS SELECT. Raises SqlError."""
    query = statement.query
    w = With(statement.properties, "sink", statement.position)
    _refuse_limit(query)
    selected = plan_select(query, catalog, persistent=True)
    _check_kind(statement, selected)
    _check_windowed_tables(selected, query)
    lenient = (setting(defaults, "ksql.new.query.planner.enabled") or "").lower() == "true"
    selected, schema, root = _finish(selected, statement.name, query, lenient=lenient)
    first = selected.relation.scope.sources[0].source
    formats = read_formats(w, defaults, (first.key_format, first.value_format))
    key_format, value_format = _key_format(w, formats[0], schema, defaults), with_wrapping(formats[1], schema.value, defaults)
    check_key(key_format, schema.key, statement.position)
    check_value(formats[1], schema.value, statement.position)
    topic = _topic(w, w.text("KAFKA_TOPIC") or (setting(defaults, "ksql.output.topic.name.prefix") or "") + statement.name)
    _check_pinned(w, schema, topic.name, (key_format, value_format), schemas)
    partitions = (topic.partitions or catalog.partitions(topic.name) or _number(defaults, "ksql.sink.partitions")
                  or catalog.partitions(first.topic) or 1)
    topic = replace(topic, partitions=partitions, replicas=topic.replicas or _number(defaults, "ksql.sink.replicas"))
    topic = _kept(topic, _window_retention(root), catalog.retention_ms(first.topic) if statement.kind == "STREAM" else None)
    timestamp = read_timestamp(w, schema)
    window = selected.window
    source = DataSource(statement.name, statement.kind, topic.name, schema, key_format, value_format, timestamp, window,
                        sql=statement.text, created_by=query_id)
    sink = steps.Sink(schema, statement.kind, prune(root), statement.name, topic.name, key_format, value_format, partitions, timestamp, window)
    return Planned(source, sink, topic)


def plan_insert_into(statement: ast.InsertInto, catalog: CatalogView, defaults: Mapping[str, str]) -> steps.Sink:
    """Plan INSERT INTO ... SELECT. Raises SqlError."""
    With(statement.properties, "insert", statement.position)
    target = catalog.source(statement.target)
    if target is None:
        raise SqlError(f"{statement.target} does not exist.", mend=nearest(statement.target, catalog.sources()) or "Create the stream first.",
                       position=statement.position)
    _check_target(target, statement.position)
    _refuse_limit(statement.query)
    selected = plan_select(statement.query, catalog, persistent=True)
    if selected.step.kind == "TABLE":
        raise SqlError("INSERT INTO can only be used to insert the result of a query over streams: this query's result is a table.",
                       mend="Use CREATE TABLE ... AS SELECT.", position=statement.query.position)
    lenient = (setting(defaults, "ksql.new.query.planner.enabled") or "").lower() == "true"
    _, schema, root = _finish(selected, statement.target, statement.query, lenient=lenient)
    widened = _widened(root, target.schema)
    if widened is None:
        raise SqlError(f"Incompatible schema between results and sink. Result schema is {columns_text(schema)}; "
                       f"Sink schema is {columns_text(target.schema)}.", mend="Select the sink's columns, in its order, with its types.",
                       position=statement.query.position)
    return steps.Sink(target.schema, "STREAM", prune(widened), target.name, target.topic, target.key_format, target.value_format,
                      catalog.partitions(target.topic) or 1, target.timestamp, target.window)


def _check_target(target: DataSource, position: Position | None) -> None:
    if target.kind == "TABLE":
        raise SqlError(f"INSERT INTO can only be used to insert into a stream. {target.name} is a table.", mend="Insert into the stream behind it.",
                       position=position)
    if target.read_only:
        raise SqlError(f"Cannot insert into read-only stream: {target.name}.", mend="It was created with CREATE SOURCE: create one without SOURCE.",
                       position=position)
    if target.headers:
        raise SqlError(f"Cannot insert into {target.name} because it has header columns.", mend="Headers can be read only.", position=position)


def _widened(root: steps.Select, sink: Schema) -> steps.Select | None:
    """The result with its numbers widened to the sink's types; None where its columns are not the sink's, in its order."""
    result = root.schema
    if result.key != sink.key or [c.name for c in result.value] != [c.name for c in sink.value]:
        return None
    for column, wanted in zip(result.value, sink.value, strict=True):
        numbers = is_numeric(column.type) and is_numeric(wanted.type)
        if column.type != wanted.type and not (numbers and common_number(column.type, wanted.type) == wanted.type):
            return None
    return replace(root, schema=sink, value=tuple(coerce(e, c.type) for e, c in zip(root.value, sink.value, strict=True)))


def _refuse_limit(query: ast.Select) -> None:
    if query.limit is not None:
        raise SqlError("A persistent query does not support LIMIT.", mend="Put the LIMIT on a query of the result.", position=query.position)


def _check_kind(statement: ast.CreateAsSelect, selected: Selected) -> None:
    if selected.step.kind != statement.kind:
        raise SqlError(f"Invalid result type. Your SELECT query produces a {selected.step.kind}.",
                       mend=f"Please use CREATE {selected.step.kind} AS SELECT statement instead.", position=statement.position)


def _check_windowed_tables(selected: Selected, query: ast.Select) -> None:
    for source in selected.relation.scope.sources:
        if source.source.window and source.source.kind == "TABLE":
            raise SqlError("KSQL does not support persistent queries on windowed tables.",
                           mend="Read its topic as a stream, with WINDOW_TYPE in the WITH clause.", position=query.relation.position)


def _finish(selected: Selected, target: str, query: ast.Select, *, lenient: bool) -> tuple[Selected, Schema, steps.Select]:
    """The SELECT list on top of the steps: the schema of the result, and the root. `lenient`: a key that is not selected is dropped."""
    position = query.items[0].position or query.position
    if lenient and selected.step.kind == "STREAM" and None in selected.projection.keys:
        selected = _without_key(selected)
    check_persistent(selected.projection, selected.keys, selected.key_of, target, position)
    chosen = [item for item in selected.projection.keys if item is not None]
    schema = Schema(tuple(Column(i.name, k.column.type) for i, k in zip(chosen, selected.keys, strict=True)),
                    tuple(Column(i.name, i.expr.type) for i in selected.projection.values))
    key = tuple(ex.Column(k.column.type, k.column.name) for k in selected.keys)
    root = steps.Select(schema, selected.step.kind, selected.step, key, tuple(i.expr for i in selected.projection.values))
    return selected, schema, root


def _without_key(selected: Selected) -> Selected:
    step = steps.Rekey(Schema((), selected.step.schema.columns), "STREAM", selected.step, (), keep_null=True)
    projection = replace(selected.projection, keys=(), values=selected.items)
    return replace(selected, step=step, projection=projection, keys=(), window=None)


def _key_format(w: With, spec: steps.FormatSpec, schema: Schema, defaults: Mapping[str, str]) -> steps.FormatSpec:
    """The key's format: NONE where the result has no key, and not NONE, though the source has it, where it has one."""
    if not schema.key:
        if w.text("KEY_FORMAT") is not None and spec.name != "NONE":
            raise w.error("Key format specified for stream without key columns.", "Leave KEY_FORMAT out.")
        return steps.FormatSpec("NONE")
    if spec.name == "NONE" and w.text("KEY_FORMAT") is None and w.text("FORMAT") is None:
        return steps.FormatSpec((setting(defaults, "ksql.persistence.default.format.key") or "KAFKA").upper())
    return spec


def _check_pinned(w: With, schema: Schema, topic: str, formats: tuple[steps.FormatSpec, steps.FormatSpec], schemas: SchemaLookup) -> None:
    """Check the result against the registered schemas that KEY_SCHEMA_ID and VALUE_SCHEMA_ID pin: they must have its columns, first and in order."""
    for name, columns, spec, is_key in (("key", schema.key, formats[0], True), ("value", schema.value, formats[1], False)):
        if spec.schema_id is None:
            continue
        registered = schemas.columns(spec, topic, is_key)
        if registered is None:
            raise w.error(f"There is no schema with the id {spec.schema_id}.", "Register it first.")
        changed = [c for c, r in _padded(columns, registered) if c != r]
        unwrapped = is_key or spec.wrap_single is False
        if unwrapped and len(columns) == len(registered) and all(c.type == r.type for c, r in zip(columns, registered, strict=True)):
            changed = []  # what is not wrapped has no names in its schema
        if changed:
            raise w.error(f"The following {name} columns are changed, missing or reordered: [{_listed(changed)}]. "
                          f"Schema from schema registry is [{_listed(registered)}].", "Select the columns of the schema, in its order.")


def _padded(columns: Sequence[Column], registered: Sequence[Column]) -> list[tuple[Column, Column | None]]:
    return [(c, registered[n] if n < len(registered) else None) for n, c in enumerate(columns)]


def _listed(columns: Sequence[Column]) -> str:
    return ", ".join(f"{quote(c.name)} {c.type}" for c in columns)


def _window_retention(step: steps.Step) -> int | None:
    """The RETENTION of the query's own window, where it gives one: the topic of the result keeps its windows as long."""
    if isinstance(step, steps.Aggregate) and step.window is not None:
        return step.window.retention_ms
    return next((found for below in inputs(step) if (found := _window_retention(below)) is not None), None)


def _kept(topic: TopicSpec, window_ms: int | None, source_ms: int | None) -> TopicSpec:
    """How long the topic of a result keeps its records: a window's at least as long as the window asks, a stream's as long as the one it is made
    from."""
    if topic.retention_ms is None:
        return replace(topic, inherited_ms=window_ms if window_ms is not None else source_ms)
    if topic.retention_ms < 0 or window_ms is None:
        return topic
    return replace(topic, retention_ms=max(topic.retention_ms, window_ms))


def _number(defaults: Mapping[str, str], name: str) -> int | None:
    text = setting(defaults, name)
    return int(text) if text is not None and text.strip().isdigit() else None
