"""Pull queries of keys: those that contradict each other find nothing; joins with a table take its rows as they are now."""

from __future__ import annotations

import pytest

from penstock.testing import Driver

SOURCES = (
    "CREATE STREAM S (ID STRING KEY, N INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');",
    "CREATE TABLE SRC (ID STRING PRIMARY KEY, N INT) WITH (KAFKA_TOPIC='src', VALUE_FORMAT='JSON');",
    "CREATE TABLE COUNTS AS SELECT ID, COUNT(1) AS C FROM S GROUP BY ID;",
    "CREATE TABLE WINDOWS AS SELECT ID, COUNT(1) AS C FROM S WINDOW TUMBLING (SIZE 1 SECOND) GROUP BY ID;",
    "CREATE TABLE SESSIONS AS SELECT ID, COUNT(1) AS C FROM S WINDOW SESSION (1 SECOND) GROUP BY ID;",
    "CREATE TABLE COPY AS SELECT * FROM SRC;",
    "CREATE TABLE PAIRS WITH (KEY_FORMAT='JSON') AS SELECT ID, N, COUNT(1) AS C FROM S GROUP BY ID, N;",
)


def filled() -> Driver:
    driver = Driver()
    for statement in SOURCES:
        driver.execute(statement)
    for key in "xyab":
        driver.send("src", key, {"N": 7})
    for key in "aba":
        driver.send("s", key, {"N": 1})
    driver.run()
    return driver


@pytest.mark.parametrize("table", ["SRC", "COUNTS", "WINDOWS", "SESSIONS", "COPY", "PAIRS"])
@pytest.mark.parametrize("where", ["ID = 'a' AND ID = 'b'", "ID IN ('a', 'b') AND ID = 'c'", "ID = 'nobody'"])
def test_keys_that_nothing_has_find_nothing(table: str, where: str) -> None:
    with filled() as driver:
        assert driver.query(f"SELECT * FROM {table} WHERE {where};").result().rows == []


def test_several_key_columns_are_looked_up_together() -> None:
    with filled() as driver:
        found = driver.query("SELECT * FROM PAIRS WHERE N IN (1, 2) AND ID IN ('b', 'a');").result().rows
        assert sorted(found) == [["a", 1, 2], ["b", 1, 1]]
        assert driver.query("SELECT C FROM PAIRS WHERE N = 1 AND ID = 'a';").result().rows == [[2]]


@pytest.mark.parametrize("table", ["SRC", "COUNTS", "COPY"])
def test_a_stream_meets_the_rows_that_a_table_has_now(table: str) -> None:
    with filled() as driver:
        rows = driver.query(f"SELECT S.ID, T.ID FROM S JOIN {table} T ON S.ID = T.ID;").result().rows
        assert rows == [["a", "a"], ["b", "b"], ["a", "a"]]
