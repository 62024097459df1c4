"""Statements planned once: the same answers as when each is planned anew, whatever changes between two runs."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pytest

import penstock
from penstock.engine.evaluate import EvaluationError, Evaluator
from penstock.engine.prepared import ROWS_MAX, STATEMENTS_MAX, PreparedStatements, renamed, tables_named


@pytest.fixture
def evaluator() -> Iterator[Evaluator]:
    made = Evaluator()
    yield made
    made.close()


def run(evaluator: Evaluator, sql: str, **tables: list[Any] | pa.Array) -> list[dict[str, Any]]:
    """A cycle: tables are bound in order (`batch1`, ...), each of one column of the given name, the SQL is run, and all is released."""
    for name, values in tables.items():
        evaluator.bind(pa.table({name: values}))
    try:
        rows: list[dict[str, Any]] = evaluator.table(sql).to_pylist()
        return rows
    finally:
        evaluator.release()


def planned(evaluator: Evaluator) -> list[str]:
    return [name for (name,) in evaluator.connection.execute("SELECT name FROM duckdb_prepared_statements()").fetchall()]


def test_a_statement_that_comes_again_is_planned_once_and_reads_the_new_rows(evaluator: Evaluator) -> None:
    sql = "SELECT a + 1 AS b FROM batch1 ORDER BY b"
    seen = [run(evaluator, sql, a=[number, number + 1]) for number in range(6)]
    assert seen == [[{"b": number + 1}, {"b": number + 2}] for number in range(6)]
    assert len(planned(evaluator)) == 1


def test_another_type_of_column_under_the_same_sql_is_planned_anew(evaluator: Evaluator) -> None:
    sql = "SELECT typeof(a) AS t, a FROM batch1"
    whole = [run(evaluator, sql, a=[1]) for _ in range(3)]
    text = [run(evaluator, sql, a=["x"]) for _ in range(3)]
    again = run(evaluator, sql, a=[2])
    assert whole == [[{"t": "BIGINT", "a": 1}]] * 3
    assert text == [[{"t": "VARCHAR", "a": "x"}]] * 3
    assert again == [{"t": "BIGINT", "a": 2}]
    assert len(planned(evaluator)) == 1


def test_a_text_that_looks_like_a_tables_name_stays_a_text(evaluator: Evaluator) -> None:
    sql = "SELECT 'it''s batch1' AS t, a FROM batch1 WHERE a <> 'batch2'"
    assert [run(evaluator, sql, a=["batch1"]) for _ in range(3)] == [[{"t": "it's batch1", "a": "batch1"}]] * 3
    assert tables_named(sql) == {"batch1"}
    assert renamed(sql, "planned1") == "SELECT 'it''s batch1' AS t, a FROM planned1_batch1 WHERE a <> 'batch2'"


def test_empty_tables_and_large_ones_between_small_ones(evaluator: Evaluator) -> None:
    sql = "SELECT count(*) AS n, sum(a) AS s FROM batch1"
    for rows in (1, 0, 1, ROWS_MAX + 1, 0, 3, 200_000, 1):
        assert run(evaluator, sql, a=pa.array(range(rows), pa.int64())) == [{"n": rows, "s": sum(range(rows)) if rows else None}]


def test_two_tables_and_one_of_them_twice(evaluator: Evaluator) -> None:
    sql = "SELECT l.a, r.b, x.a AS c FROM batch1 l JOIN batch2 r ON l.a = r.b JOIN batch1 x ON x.a = l.a ORDER BY 1"
    for shift in range(4):
        found = run(evaluator, sql, a=[shift, shift + 1], b=[shift + 1, shift + 2])
        assert found == [{"a": shift + 1, "b": shift + 1, "c": shift + 1}]


def test_a_row_that_fails_leaves_the_statement_usable(evaluator: Evaluator) -> None:
    sql = "SELECT CAST(a AS INTEGER) AS b FROM batch1"
    assert [run(evaluator, sql, a=["1"]) for _ in range(2)] == [[{"b": 1}]] * 2
    for _ in range(2):
        with pytest.raises(EvaluationError, match="Could not convert string 'x'"):
            run(evaluator, sql, a=["x"])
        assert run(evaluator, sql, a=["7"]) == [{"b": 7}]


def test_sql_that_cannot_be_planned_says_so_each_time_and_leaves_nothing_behind() -> None:
    connection = duckdb.connect()
    statements = PreparedStatements(connection)
    table = {"batch1": pa.table({"a": [1]})}
    assert statements.run("SELECT no_such_column FROM batch1", table) is None
    for _ in range(2):
        with pytest.raises(duckdb.BinderException):
            statements.run("SELECT no_such_column FROM batch1", table)
    assert connection.execute("SELECT count(*) FROM duckdb_views() WHERE NOT internal").fetchall() == [(0,)]
    connection.close()


def test_what_is_used_least_makes_room(evaluator: Evaluator) -> None:
    for number in range(STATEMENTS_MAX * 2):
        for _ in range(2):
            assert run(evaluator, f"SELECT a + {number} AS b FROM batch1", a=[1]) == [{"b": number + 1}]
    assert len(planned(evaluator)) == STATEMENTS_MAX
    assert evaluator.connection.execute("SELECT count(*) FROM duckdb_views() WHERE NOT internal").fetchall() == [(STATEMENTS_MAX,)]


def test_rows_are_not_kept_after_the_run(evaluator: Evaluator) -> None:
    for _ in range(3):
        run(evaluator, "SELECT a FROM batch1", a=["x" * 1_000_000])
    gc.collect()
    before = pa.total_allocated_bytes()
    run(evaluator, "SELECT a FROM batch1", a=["x" * 1_000_000])
    gc.collect()
    assert pa.total_allocated_bytes() - before < 100_000


def test_what_changes_by_itself_is_computed_at_each_run() -> None:
    with penstock.connect(":memory:") as db:
        db.execute("CREATE STREAM s (a INT) WITH (kafka_topic='s', value_format='JSON')")
        db.execute("CREATE STREAM t AS SELECT a, UNIX_TIMESTAMP() AS now, RANDOM() AS r FROM s EMIT CHANGES")
        for number in range(6):
            db.insert("s", [{"A": number}])
            assert db.wait_idle(20)
        rows = db.query("SELECT * FROM t").fetchall()
    assert [row["A"] for row in rows] == list(range(6))
    assert len({row["R"] for row in rows}) == 6
    assert [row["NOW"] for row in rows] == sorted(row["NOW"] for row in rows)
    assert rows[-1]["NOW"] > rows[0]["NOW"]
