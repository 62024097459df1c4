"""Push and pull queries: their columns, and what a pull query looks up."""

from __future__ import annotations

import pytest
from tests.plan.world import World

from penstock.errors import SqlError
from penstock.plan import explain, schema_text
from penstock.plan.steps import WindowRange
from penstock.sql.types import BIGINT

SOURCES = """
CREATE STREAM S (ID INT KEY, V INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');
CREATE TABLE T (ID INT PRIMARY KEY, NAME STRING) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');
CREATE TABLE TWO (A INT PRIMARY KEY, B STRING PRIMARY KEY, V INT) WITH (KAFKA_TOPIC='two', FORMAT='JSON');
CREATE TABLE W AS SELECT ID, COUNT(*) AS N FROM S WINDOW TUMBLING (SIZE 1 SECOND) GROUP BY ID;
"""


def world() -> World:
    made = World()
    made.run(SOURCES)
    return made


@pytest.mark.parametrize(("query", "schema"), [
    ("SELECT * FROM S EMIT CHANGES", "`ID` INTEGER, `V` INTEGER"),
    ("SELECT * FROM S", "`ID` INTEGER, `V` INTEGER"),
    ("SELECT * FROM T", "`ID` INTEGER KEY, `NAME` STRING"),
    ("SELECT NAME, ID FROM T", "`NAME` STRING, `ID` INTEGER KEY"),
    ("SELECT NAME, ID, ID AS ID2 FROM T", "`NAME` STRING, `ID` INTEGER KEY, `ID2` INTEGER"),
    ("SELECT * FROM W", "`ID` INTEGER KEY, `WINDOWSTART` BIGINT KEY, `WINDOWEND` BIGINT KEY, `N` BIGINT"),
    ("SELECT * FROM W EMIT CHANGES", "`ID` INTEGER, `WINDOWSTART` BIGINT, `WINDOWEND` BIGINT, `N` BIGINT"),
    ("SELECT WINDOWSTART, COUNT(*) FROM S WINDOW TUMBLING (SIZE 1 SECOND) GROUP BY V EMIT CHANGES", "`WINDOWSTART` BIGINT, `KSQL_COL_0` BIGINT"),
])  # fmt: skip
def test_columns_of_an_answer(query: str, schema: str) -> None:
    assert schema_text(world().query(f"{query};")) == schema


def test_the_key_of_a_row_stays_though_it_is_not_selected() -> None:
    plan = world().query("SELECT NAME FROM T EMIT CHANGES LIMIT 3;")
    assert (plan.push, plan.limit) == (True, 3)
    assert [c.name for c in plan.root.schema.key] == ["KSQL_KEY_0"]
    assert [c.name for c in plan.output] == ["NAME"]


@pytest.mark.parametrize(("where", "keys"), [
    ("ID = 3", ((3,),)),
    ("3 = ID AND NAME = 'x'", ((3,),)),
    ("ID IN (1, 2, 2)", ((1,), (2,))),
    ("ID = 1 OR ID = 2", ((1,), (2,))),
    ("ID = 1 AND ID = 2", ()),
    ("ID > 3", None),
    ("ID = 1 OR NAME = 'x'", None),
    ("NAME = 'x'", None),
])
def test_a_pull_query_looks_up_the_keys_that_it_pins(where: str, keys: tuple[tuple[int, ...], ...] | None) -> None:
    plan = world().query(f"SELECT * FROM T WHERE {where};")
    assert plan.lookup == keys
    assert "filter" in explain(plan)


@pytest.mark.parametrize(("where", "keys"), [
    ("A = 1 AND B IN ('x', 'y')", ((1, "x"), (1, "y"))),
    ("A = 1", None),
])
def test_all_columns_of_a_key_must_be_pinned(where: str, keys: tuple[tuple[object, ...], ...] | None) -> None:
    assert world().query(f"SELECT * FROM TWO WHERE {where};").lookup == keys


@pytest.mark.parametrize(("where", "windows"), [
    ("WINDOWSTART = 1000", WindowRange(1000, 1000)),
    ("1000 <= WINDOWSTART AND WINDOWSTART < 3000", WindowRange(1000, 2999)),
    ("WINDOWEND > 1000 AND WINDOWEND > 2000", WindowRange(end_min_ms=2001)),
    ("WINDOWSTART BETWEEN 5 AND 7", WindowRange(5, 7)),
    ("WINDOWSTART >= '1970-01-01T00:00:10'", WindowRange(10_000)),
    ("N > 1", None),
])
def test_a_pull_query_keeps_to_the_windows_that_it_pins(where: str, windows: WindowRange | None) -> None:
    assert world().query(f"SELECT * FROM W WHERE ID = 1 AND {where};").windows == windows


def test_a_push_query_looks_up_nothing() -> None:
    assert world().query("SELECT * FROM T WHERE ID = 1 EMIT CHANGES;").lookup is None


@pytest.mark.parametrize(("query", "message"), [
    ("SELECT ROWOFFSET FROM T", "Line 1:8: Pull queries don't support the following columns in SELECT clauses: `ROWOFFSET`."),
    ("SELECT * FROM T WHERE ROWPARTITION = 1", "Pull queries don't support the following columns in WHERE clauses: `ROWPARTITION`."),
    ("SELECT * FROM T WHERE ID IN (1, NULL)", "Primary key columns can not be NULL: (ID = null)."),
    ("SELECT * FROM T WHERE ID IN ('1')", "'1' can not be converted to the type of the key column: ID INTEGER KEY."),
    ("SELECT * FROM T EMIT FINAL", "EMIT FINAL is only supported for windowed aggregations."),
    ("SELECT NULL FROM S EMIT CHANGES", "Can't infer a type of null."),
])
def test_refusals(query: str, message: str) -> None:
    with pytest.raises(SqlError) as error:
        world().query(f"{query};")
    assert message in str(error.value)


def test_the_windows_of_a_windowed_table_are_its_columns() -> None:
    plan = world().query("SELECT WINDOWEND - WINDOWSTART AS SIZE FROM W EMIT CHANGES;")
    assert plan.output[0].type == BIGINT
