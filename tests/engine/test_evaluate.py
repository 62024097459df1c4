"""Tables bound to names in SQL, and rows that need no computing."""

from __future__ import annotations

import sys

import pyarrow as pa

from penstock.engine.evaluate import Evaluator


def test_a_bound_table_is_read_under_its_name_until_it_is_released() -> None:
    evaluator = Evaluator()
    numbers = pa.table({"c0": [1, 2, 3]})
    one, two = evaluator.bind(numbers), evaluator.bind(numbers.slice(1))
    assert evaluator.table(f"SELECT sum(a.c0) AS s FROM {one} a JOIN {two} b ON a.c0 = b.c0")["s"].to_pylist() == [5]
    assert evaluator.table(f"SELECT count(*) AS n FROM {one}")["n"].to_pylist() == [3]
    evaluator.release()
    again = evaluator.bind(pa.table({"c0": [9]}))
    assert again == one
    assert evaluator.table(f"SELECT c0 FROM {again}")["c0"].to_pylist() == [9]
    evaluator.close()


def test_what_some_sql_reads_can_be_forgotten_before_the_rest() -> None:
    evaluator = Evaluator()
    table = pa.table({"c0": [1, 2]})
    one, two = evaluator.rows(table), evaluator.bind(pa.table({"c0": [3]}))
    assert evaluator.table(f"SELECT sum(c0) AS s FROM ({one})")["s"].to_pylist() == [3]
    users = sys.getrefcount(table)
    evaluator.forget(f"SELECT c0 FROM ({one}) WHERE c0 > 1")
    assert evaluator.known(one) is None
    assert sys.getrefcount(table) < users, "neither Python nor DuckDB holds it any more"
    assert evaluator.table(f"SELECT c0 FROM {two}")["c0"].to_pylist() == [3]
    assert evaluator.bind(table) not in (one, two), "a name is not given again before the release"
    evaluator.close()


def test_rows_are_given_back_as_they_are_and_can_be_read_by_more_sql() -> None:
    evaluator = Evaluator()
    numbers = pa.table({"c0": [1, 2], "c1": ["a", None]})
    sql = evaluator.rows(numbers)
    assert evaluator.table(sql) is numbers
    assert evaluator.known(sql) is numbers
    assert evaluator.known("SELECT 1") is None
    assert evaluator.table(f"SELECT c1 FROM ({sql}) WHERE c0 = 1").to_pylist() == [{"c1": "a"}]
    evaluator.release()
    assert evaluator.known(sql) is None
    evaluator.close()
