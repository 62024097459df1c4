"""CREATE, DROP and ALTER of streams and tables; custom types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from penstock import formats, settings
from penstock import plan as planner
from penstock.catalog.model import CustomType, DataSource
from penstock.engine.operators.source import as_columns, options
from penstock.errors import SqlError, TopicError
from penstock.log.names import check_not_own
from penstock.log.protocol import TopicConfig
from penstock.plan.steps import Kind, WindowedKey
from penstock.result import Result
from penstock.sql import ast
from penstock.statements.show import stated
from penstock.statements.view import View

if TYPE_CHECKING:
    from penstock.database import Database


def register_schemas(db: Database, source: DataSource, *, new: bool) -> None:
    """Make the schemas of a source known to the registry, for the formats that have schemas. Only where a query writes them (`new`) do they become
    new versions: a source that is only read keeps to what its producer has registered."""
    headers = {h.name for h in source.headers}
    values = [c for c in source.schema.value if c.name not in headers]
    for spec, columns, is_key in ((source.key_format, source.schema.key, True), (source.value_format, values, False)):
        wanted = options(spec, source.topic, is_key=is_key)
        if columns and (new or db.schemas.latest(wanted.subject) is None):
            formats.register_schema(spec.name, as_columns(columns), wanted, db.schemas)


def ensure_topic(db: Database, spec: planner.TopicSpec, partitions: int, kind: Kind, window: WindowedKey | None, *, replaces: bool = False) -> None:
    """The topic of a source: as it is, or new. A table's new topic is compacted; a windowed table's also forgets old windows. A source that
    `replaces` another keeps its topic, but may say anew how long that keeps its records. Raises TopicError for the database's own."""
    check_not_own(spec.name)
    info = db.log.topic(spec.name)
    if info is not None:
        if spec.partitions not in (None, info.partitions):
            raise SqlError(
                f"The topic {spec.name} exists with {info.partitions} partitions, not {spec.partitions}.",
                mend="Leave PARTITIONS out, or take another KAFKA_TOPIC.",
            )
        kept = info.config.retention_ms
        wanted = kept if spec.retention_ms is None else _limit(spec.retention_ms)
        if wanted != kept and not replaces:
            raise SqlError(
                f"The topic {spec.name} exists, and keeps its records {stated(kept)}, not {stated(wanted)}.",
                mend="Leave RETENTION_MS out, or take another KAFKA_TOPIC.",
            )
        if wanted != kept:
            db.log.alter_topic(spec.name, config=replace(info.config, retention_ms=wanted))
        return
    # rows stay until somebody says otherwise: what is loaded from years ago is not to vanish for its age
    config = TopicConfig(retention_ms=spec.inherited_ms)
    if spec.cleanup is not None:
        config = replace(config, cleanup=frozenset(spec.cleanup.lower().replace(" ", "").split(",")))
    elif kind == "TABLE":
        config = replace(config, cleanup=frozenset({"compact"} if window is None else {"compact", "delete"}))
    if spec.retention_ms is not None:
        config = replace(config, retention_ms=_limit(spec.retention_ms))
    try:
        db.log.create_topic(spec.name, spec.partitions or partitions, config)
    except TopicError:
        if db.log.topic(spec.name) is None:
            raise
        ensure_topic(db, spec, partitions, kind, window)  # a connector has made it in between


def _limit(retention_ms: int) -> int | None:
    return None if retention_ms < 0 else retention_ms


def create_source(db: Database, statement: ast.CreateSource) -> Result:
    """CREATE STREAM and CREATE TABLE over a topic, which is made where it is missing."""
    old = db.catalog.source(statement.name)
    kind = statement.kind.capitalize()
    if old is not None and statement.if_not_exists:
        return Result(f"{kind} {statement.name} exists already.")
    view = View(db)
    source = planner.plan_create_source(statement, view, view, db.properties)
    if old is not None:
        if not statement.or_replace:
            raise SqlError(
                f"A {old.kind.lower()} {old.name} exists already.", mend="Drop it first, or say CREATE OR REPLACE.", position=statement.position
            )
        planner.check_replace(old, source)
    made = db.log.topic(source.topic) is None
    spec, partitions = planner.topic_spec(statement), int(settings.value(db.properties, "num.partitions"))
    ensure_topic(db, spec, partitions, source.kind, source.window, replaces=old is not None and old.topic == source.topic)
    register_schemas(db, source, new=False)
    db.catalog.put(source)
    return Result(f"{kind} {source.name} is {'replaced' if old else 'created'}{f', and its topic {source.topic}' if made else ''}.")


def find(db: Database, statement: ast.DropSource | ast.AlterSource) -> DataSource | None:
    """The source that a statement names; a table is no stream."""
    source = db.catalog.source(statement.name)
    if source is not None and source.kind != statement.kind:
        raise SqlError(
            f"{source.name} is a {source.kind.lower()}, not a {statement.kind.lower()}.",
            mend=f"Say {source.kind}.",
            position=statement.position,
        )
    return source


def drop_source(db: Database, statement: ast.DropSource) -> Result:
    """DROP STREAM and DROP TABLE, with the query that makes it; refused while another query reads or writes it."""
    from penstock.statements.describe import reads, source_of
    from penstock.statements.queries import halt

    source = find(db, statement)
    if source is None:
        if statement.if_exists:
            return Result(f"There is no {statement.kind.lower()} {statement.name}.")
        source_of(db, statement.name, statement)
        raise AssertionError
    readers = [q.id for q in db.catalog.queries() if source.name in reads(q.plan)]
    writers = [q for q in db.catalog.queries() if q.plan.target == source.name]
    others = [q.id for q in writers if q.id != source.created_by]
    if readers or others:
        ids, one, many = (readers, "reads", "read") if readers else (others, "writes to", "write to")
        raise SqlError(
            f"{source.name} cannot be dropped: {', '.join(ids)} {one if len(ids) == 1 else many} it.",
            mend=f"{' '.join(f'TERMINATE {query};' for query in readers + others)} first.",
            position=statement.position,
        )
    if statement.delete_topic and source.read_only:
        raise SqlError(f"{source.name} is a SOURCE {source.kind}: its topic cannot be deleted with it.", position=statement.position)
    db.catalog.drop(source, *writers)
    for query in writers:
        halt(db, query)
    if statement.delete_topic:
        db.log.delete_topic(source.topic)
        for side in ("key", "value"):
            if db.schemas.latest(f"{source.topic}-{side}") is not None:
                db.schemas.delete_subject(f"{source.topic}-{side}")
    return Result(f"{source.kind.capitalize()} {source.name} is dropped{', and its topic deleted' if statement.delete_topic else ''}.")


def alter_source(db: Database, statement: ast.AlterSource) -> Result:
    """ALTER STREAM and ALTER TABLE: more columns."""
    from penstock.statements.describe import source_of

    if find(db, statement) is None:
        source_of(db, statement.name, statement)
    source = planner.plan_alter(statement, View(db))
    register_schemas(db, source, new=False)
    db.catalog.put(source)
    return Result(f"{source.kind.capitalize()} {source.name} is altered.")


def create_type(db: Database, statement: ast.CreateType) -> Result:
    """CREATE TYPE."""
    if db.catalog.type(statement.name) is not None:
        if statement.if_not_exists:
            return Result(f"Type {statement.name} exists already.")
        raise SqlError(f"A type {statement.name} exists already.", mend="DROP TYPE it first.", position=statement.position)
    type_ = planner.plan_create_type(statement, View(db))
    db.catalog.put(CustomType(statement.name, type_))
    return Result(f"Type {statement.name} is created: {type_}.")


def drop_type(db: Database, statement: ast.DropType) -> Result:
    """DROP TYPE; the sources that were declared with it keep their columns."""
    type_ = db.catalog.type(statement.name)
    if type_ is None:
        if statement.if_exists:
            return Result(f"There is no type {statement.name}.")
        raise SqlError(f"There is no type {statement.name}.", mend="SHOW TYPES lists them.", position=statement.position)
    db.catalog.drop(CustomType(statement.name, type_))
    return Result(f"Type {statement.name} is dropped.")


RUN: dict[type, Callable[[Database, Any], Result]] = {
    ast.CreateSource: create_source,
    ast.DropSource: drop_source,
    ast.AlterSource: alter_source,
    ast.CreateType: create_type,
    ast.DropType: drop_type,
}
