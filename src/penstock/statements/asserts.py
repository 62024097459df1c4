"""ASSERT TOPIC, ASSERT SCHEMA: refuse to go on where something is not as a script needs it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from penstock.cancellation import Cancellation
from penstock.errors import Error, SchemaError
from penstock.result import Result
from penstock.sql import ast

if TYPE_CHECKING:
    from penstock.database import Database

POLL_S = 0.05


def until(timeout_ms: int | None, wrong: Callable[[], str | None], cancellation: Cancellation) -> str | None:
    """Ask again until nothing is wrong or time is up; what is wrong then."""
    deadline = time.monotonic() + (timeout_ms or 0) / 1000
    while (what := wrong()) is not None and time.monotonic() < deadline:
        cancellation.wait(POLL_S)
    return what


def assert_topic(db: Database, statement: ast.AssertTopic) -> Result:
    """Raises Error where the topic, after the timeout, is not as it should be."""

    def wrong() -> str | None:
        info = db.log.topic(statement.topic)
        if (info is not None) != statement.exists:
            return f"The topic {statement.topic} {'does not exist' if statement.exists else 'exists'}."
        for name, wanted in statement.properties.items():
            if name.upper() == "PARTITIONS" and info is not None and info.partitions != wanted:
                return f"The topic {statement.topic} has {info.partitions} partitions, not {wanted}."
            if name.upper() not in ("PARTITIONS", "REPLICAS"):
                return f"ASSERT TOPIC knows PARTITIONS and REPLICAS, not {name}."
        return None

    if (what := until(statement.timeout_ms, wrong, db.session.cancellation)) is not None:
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

    if (problem := until(statement.timeout_ms, wrong, db.session.cancellation)) is not None:
        raise Error(problem, position=statement.position)
    return Result(f"The schema with {what} {'exists' if statement.exists else 'does not exist'}.")


RUN: dict[type, Callable[[Database, Any], Result]] = {ast.AssertTopic: assert_topic, ast.AssertSchema: assert_schema}
