"""Pull queries of keys: those that contradict each other find nothing; joins with a table take its rows as they are now."""

from __future__ import annotations

import random

import pytest

from penstock.database import Database
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


def test_sessions_are_kept_once_looked_up_by_key_and_forgotten_with_their_retention() -> None:
    """Two days of visits by three users, one of a name longer than the store takes: what a lookup finds is what is there of them."""
    dice, hour, names = random.Random(8), 3_600_000, ["a", "ab", "x" * 600]
    with Database(threads=False) as db:
        db.execute(
            "CREATE STREAM v (id STRING KEY, n INT) WITH (kafka_topic='v', value_format='JSON', partitions=3);"
            "CREATE TABLE t AS SELECT id, COUNT(*) AS c, SUM(n) AS s FROM v"
            " WINDOW SESSION (5 MINUTES, RETENTION 24 HOURS, GRACE PERIOD 1 HOUR) GROUP BY id;"
        )
        times = sorted(dice.randrange(48 * hour) for _ in range(600))
        visits = [(dice.choice(names), time) for time in times] + [(name, 48 * hour) for name in names]
        for at in range(0, len(visits), 50):
            db.insert("v", [{"id": name, "n": 1, "ROWTIME": time} for name, time in visits[at : at + 50]])
            db.wait_idle()
        expected: list[tuple[str, int, int, int]] = []
        for name in names:
            for time in (time for other, time in visits if other == name):
                if expected and expected[-1][0] == name and time - expected[-1][2] <= 300_000:
                    expected[-1] = (name, expected[-1][1], time, expected[-1][3] + 1)
                else:
                    expected.append((name, time, time, 1))

        columns = "id, WINDOWSTART, WINDOWEND, c, s"
        rows = [tuple(row) for row in db.query(f"SELECT {columns} FROM t;").fetchall()]
        assert all(row[3] == row[4] for row in rows)
        kept = {row[:4] for row in rows}
        # forgotten by whole buckets of five minutes
        assert {row for row in expected if row[2] >= 24 * hour} <= kept <= {row for row in expected if row[2] >= 23 * hour + 50 * 60_000}
        assert len(kept) == len(rows) < len(expected) - 50
        for name in names:
            found = [tuple(row) for row in db.query(f"SELECT {columns} FROM t WHERE id = '{name}';").fetchall()]
            assert found == sorted(row for row in rows if row[0] == name)
        late = db.query(f"SELECT {columns} FROM t WHERE id IN ('ab', 'a') AND WINDOWSTART > {40 * hour};").fetchall()
        assert {tuple(row) for row in late} == {row for row in rows if row[0] != names[2] and row[1] > 40 * hour}
        (query,) = db.catalog.queries()
        with db.log.snapshot() as snapshot:
            assert snapshot.state(f"{query.id}/table/T").count() == 0
            assert snapshot.state(f"{query.id}/1-aggregate/groups").count() + snapshot.state(f"{query.id}/2-aggregate/groups").count() == len(rows)
