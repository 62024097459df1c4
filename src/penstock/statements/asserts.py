"""ASSERT: refuse to go on where something is not as a script or a test needs it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from penstock import plan as planner
from penstock import settings
from penstock.cancellation import Cancellation
from penstock.errors import Error, SchemaError, SqlError
from penstock.result import Result, plain_columns
from penstock.sql import ast
from penstock.statements.describe import counted
from penstock.statements.view import View

if TYPE_CHECKING:
    from penstock.catalog.model import DataSource
    from penstock.database import Database
    from penstock.statements.records import ReadRecord

POLL_S = 0.05
IDLE_S = 30
"""How long ASSERT VALUES waits for the queries to have processed what is there."""


def until(timeout_ms: int, wrong: Callable[[], str | None], cancellation: Cancellation) -> str | None:
    """Ask again until nothing is wrong or time is up; what is wrong then."""
    deadline = time.monotonic() + timeout_ms / 1000
    while (what := wrong()) is not None and time.monotonic() < deadline:
        cancellation.wait(POLL_S)
    return what


def patience(db: Database, statement: ast.AssertTopic | ast.AssertSchema, setting: str) -> int:
    """The timeout of a statement, or that of the setting, ms."""
    return statement.timeout_ms if statement.timeout_ms is not None else int(settings.value(db.properties, setting))


def assert_topic(db: Database, statement: ast.AssertTopic) -> Result:
    """Raises Error where the topic, after the timeout, is not as it should be."""

    def wrong() -> str | None:
        info = db.log.topic(statement.topic)
        if (info is not None) != statement.exists:
            return f"The topic {statement.topic} {'does not exist' if statement.exists else 'exists'}."
        if info is not None and (wanted := statement.properties.get("PARTITIONS")) not in (None, info.partitions):
            return f"The topic {statement.topic} has {counted(info.partitions, 'partition')}, not {wanted}."
        return None

    if unknown := next((name for name in statement.properties if name not in ("PARTITIONS", "REPLICAS")), None):
        raise SqlError(f"ASSERT TOPIC knows PARTITIONS and REPLICAS, not {unknown}.", position=statement.position)
    if (what := until(patience(db, statement, "ksql.assert.topic.default.timeout.ms"), wrong, db.session.cancellation)) is not None:
        raise Error(what, position=statement.position)
    return Result(f"Topic {statement.topic} {'exists' if statement.exists else 'does not exist'}.")


def assert_schema(db: Database, statement: ast.AssertSchema) -> Result:
    """Raises Error where the schema, after the timeout, is there and should not be, or the other way round."""
    what = " ".join(
        [f"subject {statement.subject}"] * (statement.subject is not None) + [f"id {statement.id}"] * (statement.id is not None)
    )

    def found() -> bool:
        try:
            if statement.id is not None:
                db.schemas.by_id(statement.id)
                versions = db.schemas.versions_of_id(statement.id)
                return statement.subject is None or any(v.subject == statement.subject for v in versions)
            return statement.subject is not None and db.schemas.latest(statement.subject) is not None
        except SchemaError:
            return False

    def wrong() -> str | None:
        if found() == statement.exists:
            return None
        return f"The schema with {what} {'does not exist' if statement.exists else 'exists'}."

    if (problem := until(patience(db, statement, "ksql.assert.schema.default.timeout.ms"), wrong, db.session.cancellation)) is not None:
        raise Error(problem, position=statement.position)
    return Result(f"The schema with {what} {'exists' if statement.exists else 'does not exist'}.")


# ---------------------------------------------------------------------------------------------- streams and tables


def assert_source(db: Database, statement: ast.AssertSource) -> Result:
    """Raises Error where there is no such stream or table, or it has other columns or properties than those that are given."""
    source = db.catalog.source(statement.name)
    kind = statement.kind.lower()
    if source is None or source.kind != statement.kind:
        there = "" if source is None else f" It is a {source.kind.lower()}."
        mend = f"SHOW {statement.kind}S lists those that there are."
        raise Error(f"There is no {kind} {statement.name}.{there}", mend=mend, position=statement.position)
    if statement.columns:
        wanted = [
            (c.name, planner.resolve_type(c.type, View(db), c.position), c.constraint in ("KEY", "PRIMARY KEY")) for c in statement.columns
        ]
        found = [(c.name, c.type, True) for c in source.schema.key] + [(c.name, c.type, False) for c in source.schema.value]
        if wanted != found:
            shown = ", ".join(f"{name} {type_}{' KEY' * is_key}" for name, type_, is_key in found)
            raise Error(f"The {kind} {source.name} has other columns: {shown}.", position=statement.position)
    known = properties_of(db, source)
    for name, value in statement.properties.items():
        if name not in known:
            raise SqlError(f"ASSERT {statement.kind} knows {', '.join(known)}, not {name}.", position=statement.position)
        if str(known[name]).upper() != str(value).upper():
            raise Error(f"The {kind} {source.name} has {name} = {known[name]!r}, not {value!r}.", position=statement.position)
    return Result(f"The {kind} {source.name} is as asserted.")


def properties_of(db: Database, source: DataSource) -> dict[str, object]:
    """The properties of a source that can be asserted."""
    info = db.log.topic(source.topic)
    return {
        "KAFKA_TOPIC": source.topic,
        "FORMAT": source.value_format.name if source.key_format.name == source.value_format.name else None,
        "KEY_FORMAT": source.key_format.name,
        "VALUE_FORMAT": source.value_format.name,
        "PARTITIONS": info.partitions if info else 0,
        "REPLICAS": 1,
        "TIMESTAMP": source.timestamp.column if source.timestamp else None,
        "TIMESTAMP_FORMAT": source.timestamp.format if source.timestamp else None,
        "WRAP_SINGLE_VALUE": source.value_format.wrap_single,
        "WINDOW_TYPE": source.window.kind if source.window else None,
    }


# ---------------------------------------------------------------------------------------------- records


def assert_values(db: Database, statement: ast.AssertValues) -> Result:
    """Raises Error where the next record of the source, behind the one that the session's last ASSERT VALUES of it took, has other values."""
    from penstock.statements.insert import computed

    plan = planner.plan_assert_values(statement, View(db))
    values = computed(db, plan, statement.position)
    types = [expr.type for _, expr in plan.values]
    wanted = {name: of_one[0] for name, of_one in zip(values, plain_columns(table_of(values), types), strict=True)}
    if not db.wait_idle(IDLE_S):
        raise Error(f"The queries are not done with what is there after {IDLE_S} s.", mend="Assert when less comes in.", position=statement.position)
    record = take_next(db, plan.source)
    if record is None:
        raise Error(f"{plan.source.name} has no further record.", mend=f"Expected is {shown(wanted)}.", position=statement.position)
    where = f"The next record of {plan.source.name} (partition {record.partition}, offset {record.offset})"
    if record.problem:
        raise Error(f"{where} cannot be read: {record.problem}.", position=statement.position)
    if (record.value is None) != statement.tombstone:
        found = "a tombstone" if record.value is None else "no tombstone"
        raise Error(f"{where} is {found}: {shown(record.columns())}.", position=statement.position)
    found_values = record.columns()
    differ = [f"{name} is {one(found_values.get(name))}, not {one(value)}" for name, value in wanted.items() if found_values.get(name) != value]
    if differ:
        raise Error(f"{where} is not as asserted: {'; '.join(differ)}.", position=statement.position)
    return Result(f"The next record of {plan.source.name} is as asserted.")


def take_next(db: Database, source: DataSource) -> ReadRecord | None:
    """The record behind the last one that was taken, in the order in which they were written."""
    from penstock.statements.records import Reader

    info = db.log.topic(source.topic)
    taken = db.session.asserted.setdefault(source.topic, {})
    first: tuple[int, int, Any] | None = None
    for partition in range(info.partitions if info else 0):
        at = taken.get(partition, db.log.start_offset(source.topic, partition))
        batch = db.log.read(source.topic, partition, at, max_records=1)
        if batch.num_rows and (first is None or batch["sequence"][0].as_py() < first[0]):
            first = (batch["sequence"][0].as_py(), partition, batch.slice(0, 1))
    if first is None:
        return None
    (record,) = Reader(db, source).read(first[2], first[1])
    taken[record.partition] = record.offset + 1
    return record


def table_of(values: dict[str, Any]) -> Any:
    """Arrow columns as a table."""
    import pyarrow as pa

    return pa.table(list(values.values()), names=list(values))


def one(value: object) -> str:
    """A value in a message."""
    return "NULL" if value is None else repr(value) if isinstance(value, str) else str(value)


def shown(values: dict[str, Any]) -> str:
    """Values by name in a message."""
    return ", ".join(f"{name} = {one(value)}" for name, value in values.items())


RUN: dict[type, Callable[[Database, Any], Result]] = {
    ast.AssertTopic: assert_topic,
    ast.AssertSchema: assert_schema,
    ast.AssertSource: assert_source,
    ast.AssertValues: assert_values,
}
