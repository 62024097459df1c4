"""Tables of odd shapes, and what stands above an aggregate."""

from __future__ import annotations

import pytest

from penstock.testing import Driver


@pytest.mark.parametrize("batching", [True, False])
def test_a_table_may_have_no_columns_but_its_key(batching: bool) -> None:
    with Driver(batching=batching) as driver:
        driver.execute("CREATE TABLE T (K INT PRIMARY KEY) WITH (KAFKA_TOPIC='t', FORMAT='JSON');")
        driver.execute("CREATE TABLE O AS SELECT K % 2 AS P, COUNT(*) AS N FROM T GROUP BY K % 2;")
        for key, value in ((1, {}), (2, {}), (3, {}), (1, None), (4, {})):
            driver.send("t", key, value)
            driver.run()
        assert sorted(driver.query("SELECT P, N FROM O;").result().rows) == [[0, 2], [1, 1]]


@pytest.mark.parametrize("batching", [True, False])
def test_sessions_have_a_condition_above_them(batching: bool) -> None:
    with Driver(batching=batching) as driver:
        driver.execute("CREATE STREAM S (K STRING KEY, V INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');")
        driver.execute("CREATE TABLE O AS SELECT K, COUNT(1) AS N FROM S WINDOW SESSION (5 SECONDS) GROUP BY K HAVING COUNT(1) < 2;")
        for time in (8001, 10456, 19444):
            driver.send("s", "a", {}, timestamp=time)
            driver.run()
        assert driver.query("SELECT K, WINDOWSTART, WINDOWEND, N FROM O WHERE K = 'a';").result().rows == [["a", 19444, 19444, 1]]
