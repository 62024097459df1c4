"""Tables joined by key: what each change makes of the joined row, and however the input is cut into batches."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from tests.engine.splits import Input, outcome, random_sizes

from penstock.testing import Driver

SOURCES = [
    f"CREATE TABLE {name} (K BIGINT PRIMARY KEY, {column} BIGINT) WITH (KAFKA_TOPIC='{name.lower()}', VALUE_FORMAT='JSON', PARTITIONS=1);"
    for name, column in (("L", "A"), ("R", "B"), ("M", "C"))
]
PULL = "SELECT * FROM O;"


def joined(join: str) -> list[str]:
    key = {"FULL OUTER": "ROWKEY", "RIGHT": "R.K"}.get(join, "L.K")
    return [*SOURCES, f"CREATE TABLE O WITH (KAFKA_TOPIC='o') AS SELECT {key} AS K, A, B FROM L {join} JOIN R ON L.K = R.K;"]


def changes(random_: random.Random, count: int, topics: str, keys: int) -> list[Input]:
    """Random changes of tables, a quarter of them deletions, times in disorder."""
    columns = {"l": "A", "r": "B", "m": "C"}
    return [
        Input(
            topic, random_.randrange(keys), None if random_.random() < 0.25 else {columns[topic]: number}, number * 10 + random_.randrange(200)
        )
        for number, topic in enumerate(random_.choice(topics) for _ in range(count))
    ]


def told(inputs: list[Input], join: str) -> list[tuple[int, Any, int]]:
    """What each change says: the joined row or its end, where there was one or the other side's row is there."""
    rows: dict[str, dict[int, Input]] = {"l": {}, "r": {}}
    out: list[tuple[int, Any, int]] = []

    def joins(left: Input | None, right: Input | None) -> bool:
        there = (left is not None, right is not None)
        return {"INNER": all(there), "LEFT": there[0], "RIGHT": there[1], "FULL OUTER": any(there)}[join]

    for change in inputs:
        side, other = rows[change.topic], rows["r" if change.topic == "l" else "l"].get(change.key)
        had = joins(rows["l"].get(change.key), rows["r"].get(change.key))
        if change.value is None:
            side.pop(change.key, None)
        else:
            side[change.key] = change
        left, right = rows["l"].get(change.key), rows["r"].get(change.key)
        time = max(change.timestamp, other.timestamp if other else 0)
        if joins(left, right):
            out.append((change.key, {"A": left and left.value["A"], "B": right and right.value["B"]}, time))
        elif had or other:
            out.append((change.key, None, time))
    return out


@pytest.mark.parametrize("join", ["INNER", "LEFT", "RIGHT", "FULL OUTER"])
def test_a_join_follows_the_rules_however_it_is_cut(join: str) -> None:
    random_ = random.Random(join)
    inputs = changes(random_, 70, "lr", 5)
    expected = told(inputs, join)
    every = outcome(joined(join), inputs, "o", [1], batching=False, pull=PULL)
    assert [(r.key, r.value, r.timestamp) for r in every.records] == expected
    last = {key: (value, time) for key, value, time in expected}
    assert every.rows == sorted(([key, v["A"], v["B"]] for key, (v, _) in last.items() if v), key=repr)
    for sizes in ([len(inputs)], random_sizes(random_, len(inputs))):
        assert outcome(joined(join), inputs, "o", sizes, batching=False).by_key == every.by_key
        batched = outcome(joined(join), inputs, "o", sizes, batching=True, pull=PULL)
        assert (batched.table, batched.rows) == (every.table, every.rows)


@pytest.mark.parametrize("join", ["L LEFT JOIN R ON L.K = R.K", "L LEFT JOIN R ON L.A = R.K", "L JOIN R ON L.K = R.K LEFT JOIN M ON L.K = M.K"])
def test_the_groups_of_joined_rows_are_the_same_however_they_are_cut(join: str) -> None:
    random_ = random.Random(join)
    topics = "lrm" if "M" in join else "lr"
    inputs = [replace(i, value={"A": i.value["A"] % 5}) if i.value and i.topic == "l" else i for i in changes(random_, 60, topics, 5)]
    select = f"SELECT COALESCE(B % 4, 9) AS G, COUNT(*) AS N, SUM(A) AS S FROM {join} GROUP BY COALESCE(B % 4, 9)"
    statement = f"CREATE TABLE O WITH (KAFKA_TOPIC='o') AS {select};"
    every = outcome([*SOURCES, statement], inputs, "o", [1], batching=False, pull=PULL)
    assert any(row[1] == 0 for row in every.rows)
    for sizes in ([len(inputs)], random_sizes(random_, len(inputs))):
        batched = outcome([*SOURCES, statement], inputs, "o", sizes, batching=True, pull=PULL)
        assert (batched.table, batched.rows) == (every.table, every.rows)


def test_a_pull_query_has_no_groups_that_come_and_go_on_the_way() -> None:
    with Driver() as driver:
        for source in SOURCES:
            driver.execute(source)
        for topic, key, value in (("l", 1, {"A": 1}), ("r", 1, {"B": 2})):
            driver.send(topic, key, value)
        driver.run()
        asked = "SELECT COALESCE(B, 9) AS G, COUNT(*) AS N FROM L LEFT JOIN R ON L.K = R.K GROUP BY COALESCE(B, 9);"
        assert driver.query(asked).result().rows == [[2, 1]]


@pytest.mark.parametrize("tail", ["WHERE A % 3 = 0 OR C IS NULL", "WHERE B > A"])
def test_three_tables_with_a_condition_end_the_same_however_they_are_cut(tail: str) -> None:
    statements = [
        *SOURCES,
        f"CREATE TABLE O WITH (KAFKA_TOPIC='o') AS SELECT L.K AS K, A, B, C FROM L LEFT JOIN R ON L.K = R.K LEFT JOIN M ON L.K = M.K {tail};",
    ]
    random_ = random.Random(tail)
    inputs = changes(random_, 70, "lrm", 5)
    every = outcome(statements, inputs, "o", [1], batching=False, pull=PULL)
    assert every.rows
    for sizes in ([len(inputs)], random_sizes(random_, len(inputs))):
        assert outcome(statements, inputs, "o", sizes, batching=False).by_key == every.by_key
        batched = outcome(statements, inputs, "o", sizes, batching=True, pull=PULL)
        assert (batched.table, batched.rows) == (every.table, every.rows)


def test_a_grouped_join_undoes_the_rows_that_change() -> None:
    statements = [
        *SOURCES,
        "CREATE TABLE O WITH (KAFKA_TOPIC='o') AS SELECT A % 4 AS G, COUNT(*) AS N, SUM(B) AS S FROM L JOIN R ON L.K = R.K GROUP BY A % 4;",
    ]
    random_ = random.Random(3)
    inputs = changes(random_, 70, "lr", 6)
    live: dict[str, dict[int, int]] = {"l": {}, "r": {}}
    for change in inputs:
        live[change.topic].pop(change.key, None)
        if change.value is not None:
            (live[change.topic][change.key],) = change.value.values()
    groups: dict[int, list[int]] = {}
    for key in live["l"].keys() & live["r"].keys():
        groups.setdefault(live["l"][key] % 4, []).append(live["r"][key])
    for sizes in ([3], [len(inputs)]):
        for batching in (True, False):
            rows = outcome(statements, inputs, "o", sizes, batching=batching, pull=PULL).rows
            assert [r for r in rows if r[1]] == sorted(([g, len(b), sum(b)] for g, b in groups.items()), key=repr)


def test_a_pull_query_finds_a_joined_row_by_its_key() -> None:
    with Driver() as driver:
        for statement in joined("LEFT"):
            driver.execute(statement)
        driver.send("l", 1, {"A": 5})
        driver.send("l", 2, {"A": 6})
        driver.send("r", 1, {"B": 7})
        driver.run()
        assert driver.query("SELECT * FROM O WHERE K = 1;").result().rows == [[1, 5, 7]]
        driver.send("l", 1, None)
        driver.run()
        assert driver.query("SELECT * FROM O WHERE K = 1;").result().rows == []
        assert driver.query("SELECT * FROM O;").result().rows == [[2, 6, None]]
