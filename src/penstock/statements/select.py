"""SELECT: pull queries answered at once, push queries that go on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from penstock.engine.build import build
from penstock.engine.faults import report
from penstock.engine.pull import Pull, open_scratch
from penstock.engine.stage import Cycle, Stage
from penstock.engine.task import Task, TaskOptions
from penstock.errors import Error, SqlError
from penstock.plan import plan_query, scans, schema_text
from penstock.plan.expressions import Column, WindowBound
from penstock.plan.scope import WINDOW_BOUNDS
from penstock.plan.steps import QueryPlan, Select
from penstock.result import Query, Result
from penstock.sql import ast
from penstock.sql.types import type_of_arrow
from penstock.statements.queries import task_options
from penstock.statements.session import least
from penstock.statements.view import View

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.database import Database

PUSH_RECORDS_MAX = 20_000
"""How many records a push query takes at once, so that little waits for who reads its rows slowly."""
_numbers = count(1)


def select(db: Database, statement: ast.Statement, *, timeout: float | None = None) -> Query:
    """Run a SELECT. Raises penstock.Error."""
    if db.read_only:
        db.refresh()
    if isinstance(statement, ast.RawQuery):
        return ordinary(db, statement)
    if not isinstance(statement, ast.Query):
        raise SqlError("This is not a SELECT.", mend="Use execute() for other statements.", position=statement.position)
    try:
        plan = plan_query(statement, View(db))
    except SqlError:
        if not beyond_streams(statement):
            raise
        try:
            return ordinary(db, ast.RawQuery(position=statement.position, text=statement.text))
        except Error:
            pass
        raise
    names, types = [c.name for c in plan.output], [c.type for c in plan.output]
    kept = {c.name for c in plan.root.schema.key} if plan.push and plan.root.kind == "TABLE" else set()
    query = Query(names, types, schema=schema_text(plan), key=[name for name in names if name in kept], timeout=timeout)
    if plan.push:
        return push(db, plan, query)
    check_pull(db, statement, scanning=scans(plan))
    return pull(db, plan, query)


def beyond_streams(statement: ast.Query) -> bool:
    """Whether a query that cannot be planned may be one over what is there now: a join or a grouping that streams know nothing like."""
    asked = statement.select
    return asked.emit is None and asked.window is None and (isinstance(asked.relation, ast.Join) or bool(asked.group_by))


def check_pull(db: Database, statement: ast.Statement, *, scanning: bool) -> None:
    """Raises Error where the settings do not let a pull query be answered: it reads a whole table, or too many were asked within a second."""
    if scanning and not least(db, "ksql.query.pull.table.scan.enabled"):
        raise Error(
            "The query reads a whole table, which ksql.query.pull.table.scan.enabled = false forbids.",
            mend="Ask for keys: WHERE key = value, or key IN (...).",
            position=statement.position,
        )
    most, now = least(db, "ksql.query.pull.max.qps"), time.monotonic()
    while db.pulls and now - db.pulls[0] >= 1:
        db.pulls.popleft()
    if len(db.pulls) >= most:
        raise Error(
            f"There were {len(db.pulls)} pull queries within a second, as many as ksql.query.pull.max.qps allows.",
            mend="Ask again a little later.",
            position=statement.position,
        )
    db.pulls.append(now)


def pull(db: Database, plan: QueryPlan, query: Query) -> Query:
    """Answer a pull query."""
    with db.evaluator() as evaluator:
        return query.answered(Pull(plan, db.catalog, db.log, db.schemas, evaluator, db.properties).answer())


def ordinary(db: Database, statement: ast.RawQuery) -> Query:
    """A pull query in ordinary SQL."""
    from penstock.engine.ordinary import answer

    check_pull(db, statement, scanning=True)
    with db.evaluator() as evaluator:
        interrupted_by = db.session.cancellation.interrupted_by
        table = answer(statement.text, db.catalog, db.log, db.schemas, evaluator, statement.position, interrupted_by)
    return Query(table.column_names, [type_of_arrow(t) for t in table.schema.types]).answered(table)


def push(db: Database, plan: QueryPlan, query: Query) -> Query:
    """Start a push query; whoever reads it lets it run. Its state is gone when it is closed."""
    left = [plan.limit]

    def deliver(cycle: Cycle, stage: Stage) -> bool:
        table, deleted = rows(cycle, stage, plan)
        if left[0] is not None:
            table = table.slice(0, left[0])
            left[0] -= table.num_rows
        query.deliver(table, [number for number in deleted if number < table.num_rows])
        return left[0] is None or left[0] > 0

    built = build(plan.root, db.schemas, db.properties)
    name, append = f"PUSH_{next(_numbers)}", None if db.read_only else db.log.append
    task = Task(name, built, db.log, push_options(db), scratch=open_scratch, deliver=deliver, report=partial(report, name, append=append))
    task.finished = plan.limit == 0
    return query.fed(task, db.log.version, db.log.watch)


def push_options(db: Database) -> TaskOptions:
    """A push query shows every change as it happens, unless a cache is asked for."""
    options = task_options(db.properties, every_change="cache.max.bytes.buffering" not in db.properties)
    return replace(options, batch_records=PUSH_RECORDS_MAX)


def rows(cycle: Cycle, stage: Stage, plan: QueryPlan) -> tuple[pa.Table, list[int]]:
    """The rows of a stage as a push query shows them, in order, and the numbers of those that a table deletes: they have their key and window, and
    NULL else."""
    import pyarrow as pa

    names = stage.columns
    columns = [names[c.name] for c in plan.output]
    if stage.is_table:
        stays = kept_of_deleted(plan)
        columns = [sql if c.name in stays else f"CASE WHEN _present THEN {sql} END" for c, sql in zip(plan.output, columns, strict=True)]
    picked = ", ".join([*(f"{column} AS o{i}" for i, column in enumerate(columns)), *(["_present"] if stage.is_table else [])])
    table = cycle.table(f"SELECT {picked} FROM ({stage.sql}){'' if stage.is_table else ' WHERE _present'} ORDER BY _o")
    arrays = cycle.arrays(table, [f"o{i}" for i in range(len(columns))], [c.type for c in plan.output])
    present = table["_present"].to_pylist() if stage.is_table else []
    return pa.table(arrays, names=[c.name for c in plan.output]), [number for number, is_there in enumerate(present) if not is_there]


def kept_of_deleted(plan: QueryPlan) -> set[str]:
    """The output columns that a deleted row still has: those of its key, and its window's bounds."""
    root = plan.root
    assert isinstance(root, Select)
    bounds = (
        c.name for c, expr in zip(root.schema.value, root.value, strict=True)
        if isinstance(expr, WindowBound) or (isinstance(expr, Column) and expr.name in WINDOW_BOUNDS)
    )  # fmt: skip
    return {c.name for c in root.schema.key} | set(bounds)


def run_select(db: Database, statement: ast.Query | ast.RawQuery) -> Result:
    """A pull query's rows; a push query in a script must end by itself, by a LIMIT."""
    if isinstance(statement, ast.Query) and statement.select.emit is not None and statement.select.limit is None:
        raise SqlError(
            "A push query never ends, so it cannot stand among other statements.",
            mend="Give it a LIMIT, or run it by itself with Database.query() or in the shell.",
            position=statement.position,
        )
    with select(db, statement) as query:
        found = query.fetchall()
        return Result(columns=query.columns, rows=[tuple(row) for row in found])


RUN: dict[type, Callable[[Database, Any], Result]] = {ast.Query: run_select, ast.RawQuery: run_select}
