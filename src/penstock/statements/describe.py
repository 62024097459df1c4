"""DESCRIBE and EXPLAIN."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from penstock.catalog.model import DataSource, PersistentQuery
from penstock.errors import Error, SqlError
from penstock.plan.steps import Step, sources_of
from penstock.result import Result
from penstock.sql import ast

if TYPE_CHECKING:
    from penstock.database import Database


def source_of(db: Database, name: str, statement: ast.Statement) -> DataSource:
    """The source of a name, or an error that names the nearest."""
    found = db.catalog.source(name)
    if found is None:
        near = difflib.get_close_matches(name, [s.name for s in db.catalog.sources()], n=1)
        mend = f"Did you mean {near[0]}?" if near else "SHOW STREAMS and SHOW TABLES list what there is."
        raise SqlError(f"There is no stream or table {name}.", mend=mend, position=statement.position)
    return found


def reads(step: Step) -> set[str]:
    """The names of the sources that a plan reads."""
    return {source.source for source in sources_of(step)}


def columns_of(source: DataSource) -> list[tuple[str, str]]:
    """Each column's name, and its type as DESCRIBE prints it."""
    headers = {h.name: "(headers)" if h.header is None else f"(header '{h.header}')" for h in source.headers}
    key = "(primary key)" if source.kind == "TABLE" else "(key)"
    window = [(f"{key}", f"Window type: {source.window.kind}")] if source.window else []
    rows = [(c.name, f"{c.type} {key}") for c in source.schema.key]
    rows += [(c.name, f"{c.type} {headers.get(c.name, '')}".strip()) for c in source.schema.value]
    return rows + [(f"window of {w[0]}", w[1]) for w in window]


def described(db: Database, sources: Sequence[DataSource], *, extended: bool) -> Result:
    """The columns of sources; `extended`: with their topics, queries and statements."""
    if not extended:
        return Result(columns=("FIELD", "TYPE"), rows=[row for source in sources for row in columns_of(source)])
    rows: list[tuple[str, str]] = []
    for source in sources:
        info = db.log.topic(source.topic)
        partitions = range(info.partitions if info else 0)
        rows += [
            ("Name", source.name),
            ("Type", source.kind),
            ("Topic", f"{source.topic} ({len(partitions)} partitions)"),
            ("Key format", source.key_format.name),
            ("Value format", source.value_format.name),
            ("Timestamp column", source.timestamp.column if source.timestamp else "record timestamp"),
            *((f"Column {name}", type_) for name, type_ in columns_of(source)),
            ("Records", str(sum(db.log.end_offset(source.topic, p) - db.log.start_offset(source.topic, p) for p in partitions))),
            ("Read by", ", ".join(q.id for q in db.catalog.queries() if source.name in reads(q.plan)) or "-"),
            ("Written by", ", ".join(q.id for q in db.catalog.queries() if q.plan.target == source.name) or "-"),
            ("Statement", source.sql),
        ]
    return Result(columns=("PROPERTY", "VALUE"), rows=list(rows))


def describe(db: Database, statement: ast.Describe) -> Result:
    """DESCRIBE of a source, all streams or tables, a function or a connector."""
    match statement.what:
        case "SOURCE":
            assert statement.name is not None
            return described(db, [source_of(db, statement.name, statement)], extended=statement.extended)
        case "STREAMS" | "TABLES":
            kind = statement.what.removesuffix("S")
            return described(db, [s for s in db.catalog.sources() if s.kind == kind], extended=True)
        case "FUNCTION":
            from penstock import functions

            assert statement.name is not None
            found = functions.describe(statement.name.upper())
            rows = [("Name", found.name), ("Type", found.kind.capitalize()), ("Overview", found.summary)]
            rows += [("Form", form) for form in found.shown] + [(f"Argument {name}", text) for name, text in found.parameters.items()]
            rows += [("Example", f"{example.call} -> {example.result}") for example in found.examples]
            return Result(columns=("PROPERTY", "VALUE"), rows=list(rows))
        case "CONNECTOR":
            from penstock.statements.connectors import describe_connector

            return describe_connector(db, statement)
    raise Error(f"DESCRIBE {statement.what} is not known.")


def explained_query(db: Database, statement: ast.Explain) -> PersistentQuery:
    """The running query that EXPLAIN names. Raises SqlError."""
    assert statement.query_id is not None
    query = db.catalog.query(statement.query_id) or db.catalog.query(statement.query_id.upper())
    if query is None:
        known = ", ".join(q.id for q in db.catalog.queries()) or "none"
        raise SqlError(f"There is no query {statement.query_id}.", mend=f"Running are: {known}.", position=statement.position)
    return query


def explain(db: Database, statement: ast.Explain) -> Result:
    """The plan of a running query, or of a statement that is not run."""
    from penstock.plan import explain as plan_text
    from penstock.statements.queries import planned

    if statement.query_id is not None:
        query = explained_query(db, statement)
        running = db.runtime.queries.get(query.id)
        failure = f"ERROR: {running.error}\n\n" if running and running.error else ""
        text = f"{failure}{query.sql}\n\n{plan_text(query.plan)}"
    else:
        assert statement.statement is not None
        text = plan_text(planned(db, statement.statement))
    return Result(columns=("PLAN",), rows=[(line,) for line in text.splitlines()])


RUN: dict[type, Callable[[Database, Any], Result]] = {ast.Describe: describe, ast.Explain: explain}
