"""SHOW and LIST."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from penstock import settings
from penstock.errors import Error
from penstock.result import Result
from penstock.sql import ast
from penstock.sql.format import format_duration
from penstock.statements.connectors import state_of

if TYPE_CHECKING:
    from penstock.database import Database


def yes(value: bool) -> str:
    """A truth value as SHOW prints it."""
    return "true" if value else "false"


def sources(db: Database, kind: str) -> Result:
    """SHOW STREAMS and SHOW TABLES."""
    rows = [
        (s.name, s.topic, s.key_format.name, s.value_format.name, yes(s.window is not None))
        for s in sorted(db.catalog.sources(), key=lambda s: s.name)
        if s.kind == kind
    ]
    return Result(columns=("NAME", "TOPIC", "KEY FORMAT", "VALUE FORMAT", "WINDOWED"), rows=list(rows))


def readers(db: Database) -> dict[str, set[str]]:
    """The topics that each group has read."""
    return {group: {topic for topic, _ in db.log.committed(group)} for group in db.log.groups()}


def topics(db: Database, *, internal: bool, extended: bool = False) -> Result:
    """SHOW TOPICS; `internal` with those whose names begin with an underscore, `extended` with who reads them."""
    rows: list[tuple[Any, ...]] = []
    groups = readers(db) if extended else {}
    for topic in db.log.topics():
        if topic.internal and not internal:
            continue
        records = sum(db.log.end_offset(topic.name, p) - db.log.start_offset(topic.name, p) for p in range(topic.partitions))
        row = (topic.name, topic.partitions, records, ",".join(sorted(topic.config.cleanup)))
        if extended:
            by = [group for group, read in groups.items() if topic.name in read]
            rows.append((*row, stated(topic.config.retention_ms), len(by), ", ".join(by)))
        else:
            rows.append(row)
    columns = ("TOPIC", "PARTITIONS", "RECORDS", "CLEANUP")
    return Result(columns=(*columns, "RETENTION", "GROUPS", "READ BY") if extended else columns, rows=rows)


def stated(retention_ms: int | None) -> str:
    """How long records are kept."""
    return "for ever" if retention_ms is None else format_duration(retention_ms).lower()


def queries(db: Database, *, extended: bool = False) -> Result:
    """SHOW QUERIES: each persistent query, its state, and the reason of an ERROR; `extended` with its plan and how far it is."""
    if extended:
        from penstock.plan import explain
        from penstock.statements.describe import query_rows

        found = [
            (query.id, *row)
            for query in db.catalog.queries()
            for row in (*query_rows(db, query), ("SQL", query.sql), *(("Plan", line) for line in explain(query.plan).splitlines()))
        ]
        return Result(columns=("QUERY", "PROPERTY", "VALUE"), rows=list(found))
    rows = []
    for query in db.catalog.queries():
        running = db.runtime.queries.get(query.id)
        state = running.state if running else query.state
        rows.append((query.id, "PERSISTENT", state, query.plan.target, query.sql, (running.error or "") if running else ""))
    return Result(columns=("QUERY", "TYPE", "STATE", "SINK", "SQL", "ERROR"), rows=rows)


def properties(db: Database) -> Result:
    """SHOW PROPERTIES: those that do something, and whether the session has set them."""
    rows = [
        (s.name, db.properties.get(s.name, settings.text_of(s.default)), "session" if s.name in db.properties else "default")
        for s in sorted(settings.SETTINGS.values(), key=lambda s: s.name)
        if not s.no_effect
    ]
    return Result(columns=("PROPERTY", "VALUE", "FROM"), rows=list(rows))


def functions(db: Database) -> Result:
    """SHOW FUNCTIONS."""
    from penstock import functions as library

    rows = [(f.name, f.kind.capitalize(), f.summary) for f in library.all_functions()]
    return Result(columns=("FUNCTION", "TYPE", "OVERVIEW"), rows=list(rows))


def types(db: Database) -> Result:
    """SHOW TYPES."""
    return Result(columns=("TYPE", "SCHEMA"), rows=[(t.name, str(t.type)) for t in sorted(db.catalog.types(), key=lambda t: t.name)])


def variables(db: Database) -> Result:
    """SHOW VARIABLES."""
    return Result(columns=("VARIABLE", "VALUE"), rows=sorted((db.session.variable_names.get(n, n), v) for n, v in db.variables.items()))


def connectors(db: Database, kind: str | None = None) -> Result:
    """SHOW CONNECTORS, of one kind or all. Their state is known only to the process that runs them."""
    rows = [
        (c.name, c.kind, state_of(c, db.connectors.status(c.name)) if not db.read_only else "", c.options.get("connector.class", ""))
        for c in sorted(db.catalog.connectors(), key=lambda c: c.name)
        if kind in (None, c.kind)
    ]
    return Result(columns=("CONNECTOR", "TYPE", "STATE", "CLASS"), rows=rows)


def plugins(db: Database) -> Result:
    """SHOW CONNECTOR PLUGINS."""
    from penstock.connect.contract import definitions

    return Result(columns=("CLASS", "TYPE", "SUMMARY"), rows=[(d.class_names[0], d.kind, d.summary) for d in definitions()])


ANSWERS: dict[str, Callable[[Database], Result]] = {
    "STREAMS": lambda db: sources(db, "STREAM"),
    "TABLES": lambda db: sources(db, "TABLE"),
    "TOPICS": lambda db: topics(db, internal=False),
    "ALL TOPICS": lambda db: topics(db, internal=True),
    "QUERIES": queries,
    "PROPERTIES": properties,
    "FUNCTIONS": functions,
    "TYPES": types,
    "VARIABLES": variables,
    "CONNECTORS": connectors,
    "SOURCE CONNECTORS": lambda db: connectors(db, "SOURCE"),
    "SINK CONNECTORS": lambda db: connectors(db, "SINK"),
    "CONNECTOR PLUGINS": plugins,
}


def show(db: Database, statement: ast.Show) -> Result:
    """SHOW and LIST."""
    if statement.what in ("STREAMS", "TABLES") and statement.extended:
        from penstock.statements.describe import described

        kind = statement.what.removesuffix("S")
        found = sorted((s for s in db.catalog.sources() if s.kind == kind), key=lambda s: s.name)
        return described(db, found, extended=True, several=True)
    if statement.what in ("TOPICS", "ALL TOPICS") and statement.extended:
        return topics(db, internal=statement.what == "ALL TOPICS", extended=True)
    if statement.what == "QUERIES" and statement.extended:
        return queries(db, extended=True)
    answer = ANSWERS.get(statement.what)
    if answer is None:
        raise Error(f"SHOW {statement.what} is not known.", mend=f"There are: {', '.join(ANSWERS)}.", position=statement.position)
    return answer(db)


RUN: dict[type, Callable[[Database, Any], Result]] = {ast.Show: show}
