"""Push queries: deleted rows of a table are shown, and every change is, unless a cache is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.testing import Driver

TABLE = "CREATE TABLE T (K INT PRIMARY KEY, V INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');"
STREAM = "CREATE STREAM S (K STRING KEY, V INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');"


def pushed(driver: Driver, sql: str) -> list[list[Any]]:
    query = driver.query(sql)
    driver.run()
    return query.result().rows


def test_a_deleted_row_shows_its_key_and_nothing_else() -> None:
    with Driver() as driver:
        driver.execute(TABLE)
        for key, value in ((1, {"V": 5}), (2, {"V": 6}), (1, None)):
            driver.send("t", key, value)
        assert pushed(driver, "SELECT K, V + 1 AS W, 7 AS C FROM T EMIT CHANGES;") == [[1, 6, 7], [2, 7, 7], [1, None, None]]
        assert pushed(driver, "SELECT V FROM T EMIT CHANGES LIMIT 3;") == [[5], [6], [None]]


def test_a_row_that_no_longer_satisfies_the_condition_is_shown_as_deleted() -> None:
    with Driver() as driver:
        driver.execute(TABLE)
        for value in (5, 1, 2, 6):
            driver.send("t", 1, {"V": value})
        assert pushed(driver, "SELECT * FROM T WHERE V > 3 EMIT CHANGES;") == [[1, 5], [1, None], [1, 6]]


def test_a_session_that_is_joined_to_another_is_shown_as_deleted_with_its_bounds() -> None:
    with Driver(batching=False) as driver:
        driver.execute(STREAM)
        for time in (0, 3000, 1500):
            driver.send("s", "a", {"V": 1}, timestamp=time)
        sql = "SELECT K, WINDOWSTART AS A, WINDOWEND AS Z, COUNT(*) AS N FROM S WINDOW SESSION (2 SECONDS) GROUP BY K EMIT CHANGES;"
        rows = pushed(driver, sql)
        assert rows[-3:] == [["a", 0, 0, None], ["a", 3000, 3000, None], ["a", 0, 3000, 3]]


def test_a_stream_shows_no_record_without_a_value() -> None:
    with Driver() as driver:
        driver.execute(STREAM)
        driver.send("s", "a", None)
        driver.send("s", None, {"V": 1})
        assert pushed(driver, "SELECT * FROM S EMIT CHANGES;") == [[None, 1]]


@pytest.mark.parametrize(("cache", "counts"), [(None, [1, 2, 3]), ("1000", [3]), ("0", [1, 2, 3])])
def test_every_change_is_shown_unless_there_is_a_cache(cache: str | None, counts: list[int]) -> None:
    with Driver({} if cache is None else {"cache.max.bytes.buffering": cache}) as driver:
        driver.execute(STREAM)
        for _ in range(3):
            driver.send("s", "a", {"V": 1})
        assert [row[0] for row in pushed(driver, "SELECT COUNT(*) FROM S GROUP BY K EMIT CHANGES;")] == counts


def test_a_table_reports_a_record_without_a_key_and_goes_on() -> None:
    with Driver() as driver:
        driver.execute(TABLE)
        driver.execute("CREATE TABLE R AS SELECT * FROM T;")
        for key in (1, None, 2):
            driver.send("t", key, {"V": 5})
        driver.run()
        assert [r.key for r in driver.read("R")] == [1, 2]
        (fault,) = driver.query("SELECT KIND, TOPIC, `OFFSET`, REASON FROM PROCESSING_LOG;").result().rows
        assert fault[:3] == ["DESERIALIZATION", "t", 1]
        assert "key: NULL" in fault[3]
