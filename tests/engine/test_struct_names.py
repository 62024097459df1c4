"""Names of a STRUCT's fields may differ by case alone, which DuckDB cannot tell apart by itself: they keep apart through everything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

import penstock
from penstock.functions.duckdb_names import distinct_names, distinct_type, physical, relabelled
from penstock.testing import Driver

TYPE = "STRUCT<A INT, `a` STRING, M MAP<STRING, STRUCT<X INT, `x` STRING>>>"
ONE = {"A": 1, "a": "one", "M": {"k": {"X": 10, "x": "ten"}}}
TWO = {"A": 2, "a": "two", "M": {"k": {"X": 20, "x": "twenty"}}}


@pytest.fixture(params=["JSON", "AVRO", "PROTOBUF", "JSON_SR"])
def driver(request: pytest.FixtureRequest) -> Iterator[Driver]:
    with Driver() as driver:
        driver.execute(f"CREATE STREAM I (ID STRING KEY, S {TYPE}) WITH (KAFKA_TOPIC='i', VALUE_FORMAT='{request.param}', PARTITIONS=1);")
        yield driver


def fed(driver: Driver, *statements: str) -> None:
    for statement in statements:
        driver.execute(statement)
    for value in (ONE, TWO):
        driver.database.insert("I", [{"ID": "k", "S": value}])
        driver.run()


def rows(driver: Driver, sql: str) -> list[list[Any]]:
    return driver.query(sql).result().rows


def test_fields_through_a_query(driver: Driver) -> None:
    made = "STRUCT(B := S->`a`, `b` := S->A) AS N"
    fed(driver, f"CREATE STREAM O AS SELECT ID, S, S->A AS UPPER_A, S->`a` AS LOWER_A, S->M['k']->`x` AS X, {made} FROM I;")
    assert rows(driver, "SELECT * FROM O;") == [
        ["k", v, v["A"], v["a"], v["M"]["k"]["x"], {"B": v["a"], "b": v["A"]}] for v in (ONE, TWO)  # type: ignore[index]
    ]  # fmt: skip
    assert rows(driver, "SELECT N->B, N->`b` FROM O WHERE S->`a` = 'two';") == [["two", 2]]


def test_state_keeps_them_apart(driver: Driver) -> None:
    fed(
        driver,
        "CREATE TABLE T AS SELECT ID, LATEST_BY_OFFSET(S) AS LAST, COLLECT_LIST(S) AS EVERY FROM I GROUP BY ID;",
        "CREATE TABLE U AS SELECT ID, LAST->`a` AS LOWER_A, EVERY[1] AS FIRST FROM T;",
        "CREATE STREAM J AS SELECT I.ID AS ID, S, LAST FROM I LEFT JOIN T ON I.ID = T.ID;",
    )
    assert rows(driver, "SELECT * FROM T WHERE ID = 'k';") == [["k", TWO, [ONE, TWO]]]
    assert rows(driver, "SELECT * FROM U;") == [["k", "two", ONE]]
    assert rows(driver, "SELECT S, LAST FROM J;") == [[ONE, None], [TWO, ONE]]


def test_functions_see_the_true_names(driver: Driver) -> None:
    fed(driver, "CREATE STREAM O AS SELECT ID, TO_JSON_STRING(S->M) AS J, CAST(S AS STRING) AS T, TRANSFORM(ARRAY[S], s => s->`a`) AS L FROM I;")
    assert rows(driver, "SELECT J, T, L FROM O LIMIT 1;") == [['{"k":{"X":10,"x":"ten"}}', "{A=1, a=one, M={k={X=10, x=ten}}}", ["one"]]]


def test_a_struct_cast_by_names() -> None:
    with penstock.connect() as db:
        db.execute(f"CREATE STREAM I (ID STRING KEY, S {TYPE}) WITH (KAFKA_TOPIC='i', VALUE_FORMAT='JSON');")
        db.execute("INSERT INTO I VALUES ('k', STRUCT(`a` := 'one', A := 1, M := MAP('k' := STRUCT(X := 10, `x` := 'ten'))));")
        sql = "SELECT CAST(S AS STRUCT<`a` STRING, C INT, A BIGINT>) AS C FROM I;"
        assert db.query(sql).fetchall() == [({"a": "one", "C": None, "A": 1},)]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["A", "B"], ("A", "B")),
        (["A", "a"], ("A", "a 2")),
        (["A", "a", "a 2"], ("A", "a 3", "a 2")),
        (["a", "A", "Á", "á"], ("a", "A 2", "Á", "á 2")),
    ],
)
def test_distinct_names(names: list[str], expected: tuple[str, ...]) -> None:
    assert distinct_names(names) == expected
    assert len({n.lower() for n in distinct_names(names)}) == len(names)


def test_changing_names_touches_no_value() -> None:
    type_ = pa.struct([("A", pa.int32()), ("a", pa.list_(pa.struct([("x", pa.string()), ("X", pa.string())])))])
    values = [{"A": 1, "a": [{"x": "p", "X": "q"}, None]}, None, {"A": None, "a": None}]
    array = pa.array(values, type_)
    inside = relabelled(array.slice(1), distinct_type(type_))
    assert inside.type == distinct_type(type_) != type_
    assert physical(inside, type_).to_pylist() == values[1:]
    assert physical(pa.chunked_array([array]).combine_chunks(), type_) is not None
