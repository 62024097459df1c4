"""What a query's records take from the records they follow from: headers, and the key of a record without a value."""

from __future__ import annotations

import pytest

from penstock.testing import Driver

STREAM = "CREATE STREAM S (K STRING KEY, V INT) WITH (KAFKA_TOPIC='s', FORMAT='JSON');"
MARK = [("source", "AQ==")]


@pytest.mark.parametrize("batching", [True, False])
@pytest.mark.parametrize("statement", [
    "CREATE STREAM O AS SELECT K, V FROM S;",
    "CREATE STREAM O AS SELECT * FROM S PARTITION BY V;",
    "CREATE TABLE O AS SELECT V, COUNT(*) AS N FROM S GROUP BY V;",
    "CREATE TABLE O AS SELECT K, COUNT(*) AS N FROM S WINDOW TUMBLING (SIZE 1 SECOND) GROUP BY K;",
])  # fmt: skip
def test_headers_go_on_with_the_record(statement: str, batching: bool) -> None:
    with Driver(batching=batching) as driver:
        driver.execute(STREAM)
        driver.execute(statement)
        driver.send("s", "b", {"V": 2})
        driver.send("s", "a", {"V": 1}, headers=MARK)
        driver.run()
        assert [r.headers for r in driver.read("O")] == [None, MARK]


def test_headers_follow_the_order_of_what_is_read_in_several_partitions() -> None:
    with Driver() as driver:
        driver.execute("CREATE STREAM A (K STRING KEY, V INT) WITH (KAFKA_TOPIC='a', FORMAT='JSON');")
        driver.execute("CREATE STREAM O AS SELECT K, EXPLODE(ARRAY[V, V + 1]) AS V FROM A;")
        for number in range(4):
            driver.send("a", f"k{number}", {"V": number}, headers=[("n", "AQ==")] * (number % 3))
        driver.run()
        assert [len(r.headers or []) for r in driver.read("O")] == [0, 0, 1, 1, 2, 2, 0, 0]


def test_a_record_without_a_value_is_partitioned_by_key_columns_alone() -> None:
    with Driver() as driver:
        driver.execute(STREAM)
        driver.execute("CREATE STREAM A AS SELECT * FROM S PARTITION BY COALESCE(V, 7);")
        driver.execute("CREATE STREAM B AS SELECT * FROM S PARTITION BY UCASE(K);")
        driver.execute("CREATE STREAM C AS SELECT * FROM S PARTITION BY V, ROWTIME;")
        driver.send("s", "a", None, timestamp=12)
        driver.send("s", "b", {"V": None}, timestamp=13)
        driver.run()
        assert [r.key for r in driver.read("A")] == [None, 7]
        assert [r.key for r in driver.read("B")] == ["A", "B"]
        assert [r.key for r in driver.read("C")] == [{"V": None, "ROWTIME": None}, {"V": None, "ROWTIME": 13}]
