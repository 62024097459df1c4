"""The order of a pull query's rows: partition by partition, in each by key bytes and window; looked-up keys as they are named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from penstock.log.partition import partition_for
from penstock.testing import Driver

KEYS = ["10", "11", "12", "8", "90"]


def answer(sql: str, statement: str, *, partitions: str = "") -> list[list[Any]]:
    """The answer over a table of the keys, which come in the order of `KEYS`."""
    with Driver() as driver:
        driver.execute(f"CREATE STREAM S (K STRING KEY, V INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON'{partitions});")
        driver.execute(statement)
        for number, key in enumerate(KEYS):
            driver.send("s", key, {"V": number}, timestamp=number * 600)
        driver.run()
        return driver.query(sql).result().rows


def by_partition(count: int) -> list[str]:
    return sorted(KEYS, key=lambda k: (partition_for(k.encode(), count), k))


COUNTS = "CREATE TABLE T AS SELECT K, COUNT(*) AS N FROM S GROUP BY K;"
WINDOWS = "CREATE TABLE T AS SELECT K, COUNT(*) AS N FROM S WINDOW HOPPING (SIZE 2 SECONDS, ADVANCE BY 1 SECOND) GROUP BY K;"


@pytest.mark.parametrize(("partitions", "count"), [("", 4), (", PARTITIONS=1", 1), (", PARTITIONS=3", 3)])
def test_rows_come_partition_by_partition(partitions: str, count: int) -> None:
    found = [row[0] for row in answer("SELECT * FROM T;", COUNTS, partitions=partitions)]
    assert found == by_partition(count)
    assert found != KEYS or count == 1


def test_a_condition_and_a_limit_keep_the_order() -> None:
    found = [row[0] for row in answer("SELECT K FROM T WHERE K <> '10' LIMIT 3;", COUNTS)]
    assert found == [key for key in by_partition(4) if key != "10"][:3]


def test_windows_of_a_key_follow_each_other() -> None:
    rows = answer("SELECT K, WINDOWSTART FROM T;", WINDOWS)
    keys: Sequence[str] = [row[0] for row in rows]
    assert list(dict.fromkeys(keys)) == by_partition(4)
    for key in KEYS:
        starts = [start for k, start in rows if k == key]
        assert starts == sorted(starts)


@pytest.mark.parametrize("named", [["90", "11", "10"], ["11", "90", "10", "12"], ["12", "8", "10"]])
def test_looked_up_keys_come_as_they_are_named_grouped_by_partition(named: list[str]) -> None:
    listed = ", ".join(f"'{key}'" for key in named)
    partitions = [partition_for(key.encode(), 4) for key in named]
    expected = [key for p in dict.fromkeys(partitions) for key, q in zip(named, partitions, strict=True) if q == p]
    assert [row[0] for row in answer(f"SELECT K FROM T WHERE K IN ({listed});", COUNTS)] == expected
    assert list(dict.fromkeys(row[0] for row in answer(f"SELECT K FROM T WHERE K IN ({listed});", WINDOWS))) == expected


def test_the_driver_keeps_all_records_in_one_partition() -> None:
    with Driver() as driver:
        driver.execute("CREATE STREAM S (K STRING KEY, V INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');")
        driver.execute("CREATE STREAM R AS SELECT K, V, ROWPARTITION AS P, ROWOFFSET AS O FROM S;")
        driver.execute("INSERT INTO S (K, V) VALUES ('11', 1);")
        for key in KEYS:
            driver.send("s", key, {"V": 1})
        driver.run()
        assert [(r.value["P"], r.value["O"]) for r in driver.read("R")] == [(0, n) for n in range(6)]
        assert {t["name"]: t["partitions"] for t in driver.topics()}["R"] == 4
