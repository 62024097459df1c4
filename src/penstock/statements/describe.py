"""DESCRIBE and EXPLAIN."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from penstock.catalog.model import DataSource, PersistentQuery
from penstock.errors import Error, SqlError
from penstock.plan.steps import QueryPlan, Sink, Step, sources_of
from penstock.result import Result
from penstock.sql import ast
from penstock.sql.format import format_duration

if TYPE_CHECKING:
    from penstock.database import Database


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 partition, 2 partitions."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def stamp(time_ms: int) -> str:
    """A time (ms) as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


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


# ---------------------------------------------------------------------------------------------- streams and tables


def columns_of(source: DataSource) -> list[tuple[str, str]]:
    """Each column's name, and its type as DESCRIBE prints it; at last the window that is part of the key."""
    headers = {h.name: "(headers)" if h.header is None else f"(header '{h.header}')" for h in source.headers}
    key = "(primary key)" if source.kind == "TABLE" else "(key)"
    rows = [(c.name, f"{c.type} {key}") for c in source.schema.key]
    rows += [(c.name, f"{c.type} {headers.get(c.name, '')}".strip()) for c in source.schema.value]
    if source.window:
        size = f" of {format_duration(source.window.size_ms).lower()}" if source.window.size_ms else ""
        rows.append(("WINDOWSTART, WINDOWEND", f"BIGINT (bounds of the key's {source.window.kind.lower()} window{size})"))
    return rows


def described(db: Database, sources: Sequence[DataSource], *, extended: bool, several: bool = False) -> Result:
    """The columns of sources; `extended`: with their topics, queries and statements. Of `several`, each row begins with the source's name."""
    details = extended_rows if extended else lambda _, source: columns_of(source)
    columns = ("PROPERTY", "VALUE") if extended else ("FIELD", "TYPE")
    if several:
        rows = [(source.name, *row) for source in sources for row in details(db, source) if row[0] != "Name"]
        return Result(columns=("NAME", *columns), rows=rows)
    return Result(columns=columns, rows=[row for source in sources for row in details(db, source)])


def extended_rows(db: Database, source: DataSource) -> list[tuple[str, str]]:
    """All that is known of a source."""
    info = db.log.topic(source.topic)
    partitions = range(info.partitions if info else 0)
    queries = db.catalog.queries()
    return [
        ("Name", source.name),
        ("Type", source.kind),
        ("Topic", f"{source.topic} ({counted(len(partitions), 'partition')})"),
        ("Key format", source.key_format.name),
        ("Value format", source.value_format.name),
        ("Time", f"of the column {source.timestamp.column}" if source.timestamp else "of the record"),
        *((f"Column {name}" if "," not in name else name, type_) for name, type_ in columns_of(source)),
        ("Records", f"{sum(db.log.end_offset(source.topic, p) - db.log.start_offset(source.topic, p) for p in partitions):,}"),
        ("Last record", last_record(db, source.topic)),
        ("Read by", ", ".join(q.id for q in queries if source.name in reads(q.plan)) or "-"),
        ("Written by", ", ".join(q.id for q in queries if q.plan.target == source.name) or "-"),
        ("Statement", source.sql),
    ]


def last_record(db: Database, topic: str) -> str:
    """The time of the record that was written last to each of a topic's partitions, the latest of them."""
    info = db.log.topic(topic)
    times = []
    for partition in range(info.partitions if info else 0):
        end = db.log.end_offset(topic, partition)
        if end > db.log.start_offset(topic, partition):
            times += db.log.read(topic, partition, end - 1, max_records=1)["timestamp"].to_pylist()
    return stamp(max(times)) if times else "-"


def describe(db: Database, statement: ast.Describe) -> Result:
    """DESCRIBE of a source, all streams or tables, a function or a connector."""
    match statement.what:
        case "SOURCE":
            assert statement.name is not None
            return described(db, [source_of(db, statement.name, statement)], extended=statement.extended)
        case "STREAMS" | "TABLES":
            kind = statement.what.removesuffix("S")
            found = sorted((s for s in db.catalog.sources() if s.kind == kind), key=lambda s: s.name)
            return described(db, found, extended=statement.extended, several=True)
        case "FUNCTION":
            from penstock import functions

            assert statement.name is not None
            function = functions.describe(statement.name.upper())
            rows = [("Name", function.name), ("Type", function.kind.capitalize()), ("Overview", function.summary)]
            rows += [("Form", form) for form in function.shown] + [(f"Argument {name}", text) for name, text in function.parameters.items()]
            rows += [("Example", f"{example.call} -> {example.result}") for example in function.examples]
            return Result(columns=("PROPERTY", "VALUE"), rows=list(rows))
        case "CONNECTOR":
            from penstock.statements.connectors import describe_connector

            return describe_connector(db, statement)
    raise Error(f"DESCRIBE {statement.what} is not known.")


# ---------------------------------------------------------------------------------------------- queries


def state_of(db: Database, query: PersistentQuery) -> str:
    """RUNNING, PAUSED, or ERROR with its reason."""
    running = db.runtime.queries.get(query.id)
    if running is None:
        return query.state
    return f"{running.state}: {running.error}" if running.error and running.state == "ERROR" else running.state


def progress(db: Database, query: PersistentQuery) -> Iterator[tuple[str, str]]:
    """How far a query has read each of its topics."""
    committed = db.log.committed(query.id)
    for topic in dict.fromkeys(source.topic for source in sources_of(query.plan)):
        info = db.log.topic(topic)
        places = [(topic, p) for p in range(info.partitions if info else 0)]
        starts = {place: db.log.start_offset(*place) for place in places}
        there = sum(db.log.end_offset(*place) - starts[place] for place in places)
        done = sum(max(0, committed.get(place, starts[place]) - starts[place]) for place in places)
        yield f"Read of {topic}", f"{done:,} of {counted(there, 'record')}"


def query_rows(db: Database, query: PersistentQuery) -> list[tuple[str, str]]:
    """What a query is doing, and has done."""
    info = db.log.topic(query.plan.topic)
    written = sum(db.log.end_offset(query.plan.topic, p) for p in range(info.partitions if info else 0))
    return [
        ("State", state_of(db, query)),
        ("Reads", ", ".join(sorted(reads(query.plan)))),
        *progress(db, query),
        ("Writes", f"{query.plan.target}, topic {query.plan.topic}"),
        (f"Written to {query.plan.topic}", counted(written, "record") + (f", the last of {last_record(db, query.plan.topic)}" if written else "")),
    ]


def explained_query(db: Database, statement: ast.Explain) -> PersistentQuery:
    """The running query that EXPLAIN names. Raises SqlError."""
    assert statement.query_id is not None
    query = db.catalog.query(statement.query_id) or db.catalog.query(statement.query_id.upper())
    if query is None:
        known = ", ".join(q.id for q in db.catalog.queries()) or "none"
        raise SqlError(f"There is no query {statement.query_id}.", mend=f"Running are: {known}.", position=statement.position)
    return query


def explained_plan(db: Database, statement: ast.Explain) -> Sink | QueryPlan:
    """The plan of the statement that EXPLAIN holds. Raises SqlError."""
    from penstock.statements.queries import planned

    assert statement.statement is not None
    if statement.analyze:
        raise SqlError(
            "ANALYZE tells what a running query has done, and this statement does not run.", mend="Name a query: EXPLAIN ANALYZE query_id.",
            position=statement.position,
        )  # fmt: skip
    return planned(db, statement.statement)


def explain(db: Database, statement: ast.Explain) -> Result:
    """The plan of a running query, or of a statement that is not run; with ANALYZE what the query has done so far."""
    from penstock.plan import explain as plan_text

    if statement.query_id is not None:
        query = explained_query(db, statement)
        running = db.runtime.queries.get(query.id)
        failure = [f"ERROR: {running.error}", ""] if running and running.error else []
        lines = [line for text in (*failure, query.sql, "", plan_text(query.plan)) for line in text.splitlines() or [""]]
        if statement.analyze:
            lines += ["", *(f"{name}: {value}" for name, value in query_rows(db, query))]
    else:
        lines = plan_text(explained_plan(db, statement)).splitlines()
    return Result(columns=("PLAN",), rows=[(line,) for line in lines])


RUN: dict[type, Callable[[Database, Any], Result]] = {ast.Describe: describe, ast.Explain: explain}
