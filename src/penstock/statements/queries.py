"""Persistent queries: CREATE ... AS SELECT, INSERT INTO ... SELECT, TERMINATE, PAUSE, RESUME."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from penstock import plan as planner
from penstock import settings
from penstock.catalog.model import DataSource, PersistentQuery
from penstock.engine.build import build
from penstock.engine.faults import PROCESSING_LOG_TOPIC
from penstock.engine.task import Task, TaskOptions
from penstock.errors import Error, SqlError
from penstock.plan.steps import Column, FormatSpec, QueryPlan, Schema, Sink, sources_of
from penstock.result import Result
from penstock.sql import ast
from penstock.sql.types import BIGINT, INTEGER, STRING
from penstock.statements import sources
from penstock.statements.session import least
from penstock.statements.view import View

if TYPE_CHECKING:
    from penstock.database import Database

PROCESSING_LOG = DataSource(
    name="PROCESSING_LOG",
    kind="STREAM",
    topic=PROCESSING_LOG_TOPIC,
    schema=Schema(
        (),
        (
            Column("QUERY", STRING), Column("KIND", STRING), Column("TOPIC", STRING), Column("PARTITION", INTEGER), Column("OFFSET", BIGINT),
            Column("REASON", STRING),
        ),
    ),
    key_format=FormatSpec("NONE"),
    value_format=FormatSpec("JSON"),
    read_only=True,
    sql="built in",
)  # fmt: skip
"""What the queries could not process: the query, the kind (DESERIALIZATION, EVALUATION, SERIALIZATION), the record's place, and why."""


def ensure_processing_log(db: Database) -> None:
    """The stream PROCESSING_LOG exists in every database."""
    if db.log.topic(PROCESSING_LOG_TOPIC) is None:
        db.log.create_topic(PROCESSING_LOG_TOPIC, 1)
    if db.catalog.source(PROCESSING_LOG.name) is None:
        db.catalog.put(PROCESSING_LOG)


# ---------------------------------------------------------------------------------------------- running


def task_options(properties: dict[str, str], *, every_change: bool = False) -> TaskOptions:
    """How the settings say that a query runs."""
    return TaskOptions(
        latest=settings.value(properties, "auto.offset.reset") == "latest",
        every_change=every_change or settings.value(properties, "cache.max.bytes.buffering") == 0,
    )


def launch(db: Database, query: PersistentQuery) -> None:
    """Let a persistent query run in this process."""

    def make() -> Task:
        plan = query.plan if db.spread else replace(query.plan, partitions=1)
        return Task(query.id, build(plan, db.schemas, query.properties), db.log, task_options(query.properties))

    db.runtime.start(query.id, make, paused=query.state == "PAUSED")


def begin_at_end(db: Database, query: PersistentQuery) -> None:
    """With `auto.offset.reset` = latest a query reads what comes after its statement, even if its thread starts later or the process dies."""
    if task_options(query.properties).latest:
        ends: dict[tuple[str, int], int] = {}
        for topic in {source.topic for source in sources_of(query.plan)}:
            info = db.log.topic(topic)
            ends |= {(topic, p): db.log.end_offset(topic, p) for p in range(info.partitions if info else 0)}
        db.log.commit_offsets(query.id, ends)


def check_limit(db: Database, statement: ast.Statement) -> None:
    """Raises Error where there are as many persistent queries as the settings allow."""
    most = least(db, "ksql.query.persistent.active.limit")
    if len(db.catalog.queries()) >= most:
        raise Error(
            f"Another persistent query would be one more than ksql.query.persistent.active.limit = {most} allows.",
            mend="TERMINATE one, or SET the limit higher.",
            position=statement.position,
        )


def next_number(db: Database) -> int:
    """A number for a new query; queries are counted over the life of a folder."""
    return db.catalog.counter + 1


def halt(db: Database, query: PersistentQuery) -> None:
    """Stop a query for good: its thread, its positions and its state."""
    db.runtime.stop(query.id)
    db.log.delete_group(query.id)
    db.log.delete_states(f"{query.id}/")


# ---------------------------------------------------------------------------------------------- statements


def create_as(db: Database, statement: ast.CreateAsSelect) -> Result:
    """CREATE ... AS SELECT: the topic, the source and its query, which starts to run."""
    old = db.catalog.source(statement.name)
    if old is not None and statement.if_not_exists:
        return Result(f"{statement.kind.capitalize()} {statement.name} exists already.")
    number = next_number(db)
    prefix = "CSAS" if statement.kind == "STREAM" else "CTAS"
    query_id = f"{prefix}_{statement.name}_{number}"
    planned = planner.plan_create_as(statement, View(db), View(db), db.properties, query_id)
    if old is not None:
        return replace_query(db, statement, old, planned)
    check_limit(db, statement)
    sources.ensure_topic(db, planned.topic, planned.plan.partitions, planned.source.kind, planned.plan.window)
    sources.register_schemas(db, planned.source, new=True)
    query = PersistentQuery(query_id, statement.text, planned.plan, dict(db.properties))
    begin_at_end(db, query)
    db.catalog.put(replace(planned.source, created_by=query_id), query)
    launch(db, query)
    return Result(f"{statement.kind.capitalize()} {statement.name} is created; {query_id} runs.")


def replace_query(db: Database, statement: ast.CreateAsSelect, old: DataSource, new: planner.Planned) -> Result:
    """CREATE OR REPLACE over an existing one: the query goes on from its positions and state with the new plan."""
    if not statement.or_replace:
        raise SqlError(
            f"A {old.kind.lower()} {old.name} exists already.", mend="Drop it first, or say CREATE OR REPLACE.", position=statement.position
        )
    before = db.catalog.query(old.created_by) if old.created_by else None
    if before is None:
        raise SqlError(f"{old.name} is not made by a query.", mend="Drop it first.", position=statement.position)
    planner.check_replace(before.plan, new.plan)
    sources.ensure_topic(db, new.topic, new.plan.partitions, new.source.kind, new.plan.window, replaces=True)
    db.runtime.stop(before.id)
    sources.register_schemas(db, new.source, new=True)
    query = replace(before, sql=statement.text, plan=new.plan)
    db.catalog.put(replace(new.source, created_by=before.id), query)
    launch(db, query)
    return Result(f"{statement.kind.capitalize()} {statement.name} is replaced; {before.id} goes on.")


def insert_into(db: Database, statement: ast.InsertInto) -> Result:
    """INSERT INTO ... SELECT: a query that writes to a source which is there."""
    query_id = f"INSERTQUERY_{next_number(db)}"
    plan = planner.plan_insert_into(statement, View(db), db.properties)
    check_limit(db, statement)
    query = PersistentQuery(query_id, statement.text, plan, dict(db.properties))
    begin_at_end(db, query)
    db.catalog.put(query)
    launch(db, query)
    return Result(f"{query_id} runs and writes to {statement.target}.")


def of(db: Database, statement: ast.Terminate | ast.Pause | ast.Resume) -> list[PersistentQuery]:
    """The queries that a statement names: one, or all."""
    if statement.query_id is None:
        return db.catalog.queries()
    query = db.catalog.query(statement.query_id) or db.catalog.query(statement.query_id.upper())
    if query is None:
        known = ", ".join(q.id for q in db.catalog.queries()) or "none"
        raise SqlError(f"There is no query {statement.query_id}.", mend=f"Running are: {known}.", position=statement.position)
    return [query]


def terminate(db: Database, statement: ast.Terminate) -> Result:
    """Stop queries for good, with their positions and state; what they have written stays."""
    found = of(db, statement)
    for query in found:
        db.catalog.drop(query)
        halt(db, query)
        source = db.catalog.source(query.plan.target)
        if source is not None and source.created_by == query.id:
            db.catalog.put(replace(source, created_by=None))
    return Result(f"Terminated: {', '.join(q.id for q in found) or 'nothing'}.")


def pause(db: Database, statement: ast.Pause) -> Result:
    """Let queries rest, over a restart too."""
    found = of(db, statement)
    for query in found:
        db.catalog.put(replace(query, state="PAUSED"))
        db.runtime.pause(query.id)
    return Result(f"Paused: {', '.join(q.id for q in found) or 'nothing'}.")


def resume(db: Database, statement: ast.Resume) -> Result:
    """Let paused queries go on from where they were."""
    found = of(db, statement)
    for query in found:
        db.catalog.put(replace(query, state="RUNNING"))
        db.runtime.resume(query.id)
    return Result(f"Resumed: {', '.join(q.id for q in found) or 'nothing'}.")


def planned(db: Database, statement: ast.Statement) -> Sink | QueryPlan:
    """The plan of a statement that is not run, for EXPLAIN."""
    match statement:
        case ast.CreateAsSelect():
            return planner.plan_create_as(statement, View(db), View(db), db.properties, "EXPLAINED").plan
        case ast.InsertInto():
            return planner.plan_insert_into(statement, View(db), db.properties)
        case ast.Query():
            return planner.plan_query(statement, View(db))
    raise Error("EXPLAIN takes a query, by its id or as a statement.", mend="SHOW QUERIES lists the ids.", position=statement.position)


RUN: dict[type, Callable[[Database, Any], Result]] = {
    ast.CreateAsSelect: create_as,
    ast.InsertInto: insert_into,
    ast.Terminate: terminate,
    ast.Pause: pause,
    ast.Resume: resume,
}
