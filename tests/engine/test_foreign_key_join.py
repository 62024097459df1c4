"""Tables joined by a foreign key: what each change of either side says, and however the input is cut into batches."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.engine.splits import Input, outcome, random_sizes

from penstock.testing import Driver

SOURCES = [
    "CREATE TABLE L (K BIGINT PRIMARY KEY, A BIGINT, F BIGINT) WITH (KAFKA_TOPIC='l', VALUE_FORMAT='JSON', PARTITIONS=1);",
    "CREATE TABLE R (K BIGINT PRIMARY KEY, B BIGINT, G STRING) WITH (KAFKA_TOPIC='r', VALUE_FORMAT='JSON', PARTITIONS=1);",
    "CREATE TABLE M (K STRING PRIMARY KEY, C BIGINT) WITH (KAFKA_TOPIC='m', VALUE_FORMAT='JSON', PARTITIONS=1);",
]
PULL = "SELECT * FROM O;"


def joined(join: str) -> list[str]:
    return [*SOURCES, f"CREATE TABLE O WITH (KAFKA_TOPIC='o') AS SELECT L.K AS K, A, B, R.K AS RK FROM L {join} JOIN R ON F + 1 = R.K;"]


def changes(random_: random.Random, count: int) -> list[Input]:
    """Random changes of both tables, a fifth of them deletions, some references NULL, times in disorder."""
    inputs = []
    for number in range(count):
        topic = random_.choice("lllrr")
        value: dict[str, Any] = {"A": number, "F": random_.choice([0, 1, 2, None])} if topic == "l" else {"B": number}
        gone = random_.random() < 0.2
        inputs.append(Input(topic, random_.randrange(1, 6 if topic == "l" else 4), None if gone else value, number * 10 + random_.randrange(200)))
    return inputs


def told(inputs: list[Input], join: str) -> list[tuple[int, Any, int]]:
    """What each change says of which left rows, those that one change touches in the order of their keys."""
    rows: dict[str, dict[int, Input]] = {"l": {}, "r": {}}
    out: list[tuple[int, Any, int]] = []

    def met(left: Input | None) -> Input | None:
        return None if left is None or left.value["F"] is None else rows["r"].get(left.value["F"] + 1)

    def tell(key: int, change: Input, told: bool) -> None:
        left = rows["l"].get(key)
        right = met(left)
        time = max(row.timestamp for row in (change, left, right) if row)
        if left and (right or join == "LEFT"):
            value = {"A": left.value["A"], "B": right and right.value["B"], "RK": right and right.key}
            out.append((key, value, time))
        elif told:
            out.append((key, None, time))

    for change in inputs:
        before = rows[change.topic].pop(change.key, None)
        if change.value is not None:
            rows[change.topic][change.key] = change
        if change.topic == "l":
            tell(change.key, change, before is not None and (join == "LEFT" or before.value["F"] is not None))
        else:
            for key in sorted(rows["l"]):
                reference = rows["l"][key].value["F"]
                if reference is not None and reference + 1 == change.key:
                    tell(key, change, True)
    return out


@pytest.mark.parametrize("join", ["INNER", "LEFT"])
def test_a_join_follows_the_rules_however_it_is_cut(join: str) -> None:
    random_ = random.Random(join)
    inputs = changes(random_, 55)
    expected = told(inputs, join)
    every = outcome(joined(join), inputs, "o", [1], batching=False, pull=PULL)
    assert [(r.key, r.value, r.timestamp) for r in every.records] == expected
    last = {key: (value, time) for key, value, time in expected}
    assert every.rows == sorted(([key, v["A"], v["B"], v["RK"]] for key, (v, _) in last.items() if v), key=repr)
    for sizes in ([len(inputs)], random_sizes(random_, len(inputs))):
        assert outcome(joined(join), inputs, "o", sizes, batching=False).by_key == every.by_key
        batched = outcome(joined(join), inputs, "o", sizes, batching=True, pull=PULL)
        assert (batched.table, batched.rows) == (every.table, every.rows)


@pytest.mark.parametrize(
    "select",
    [
        "SELECT L.K AS K, A, B, C FROM L LEFT JOIN R ON F = R.K LEFT JOIN M ON G = M.K",
        "SELECT L.K AS K, A, B, C FROM L JOIN R ON F = R.K JOIN M ON G = M.K WHERE A > C OR B % 3 <> 0",
        "SELECT G, COUNT(*) AS N, SUM(A) AS S, SUM(B) AS T FROM L JOIN R ON F = R.K GROUP BY G HAVING COUNT(*) > 0",
    ],
)
def test_what_stands_on_a_join_ends_the_same_however_it_is_cut(select: str) -> None:
    statements = [*SOURCES, f"CREATE TABLE O WITH (KAFKA_TOPIC='o') AS {select};"]
    random_ = random.Random(select)
    inputs = []
    for number in range(55):
        topic = random_.choice("lllrrm")
        values = {"l": {"A": number, "F": random_.randrange(3)}, "r": {"B": number, "G": random_.choice("xyz")}, "m": {"C": number}}
        key = random_.choice("xyz") if topic == "m" else random_.randrange(3)
        inputs.append(Input(topic, key, None if random_.random() < 0.1 else values[topic], number))
    every = outcome(statements, inputs, "o", [1], batching=False, pull=PULL)
    assert every.rows
    for sizes in ([len(inputs)], random_sizes(random_, len(inputs))):
        batched = outcome(statements, inputs, "o", sizes, batching=True, pull=PULL)
        assert batched.rows == every.rows
        # a row that came into a group and left it within a batch does not touch the group's time
        assert batched.table == every.table or "GROUP BY" in select
        assert outcome(statements, inputs, "o", sizes, batching=False).by_key == every.by_key


def test_the_index_follows_long_references() -> None:
    statements = [
        "CREATE TABLE L (K STRING PRIMARY KEY, F STRING) WITH (KAFKA_TOPIC='l', VALUE_FORMAT='JSON', PARTITIONS=1);",
        "CREATE TABLE R (K STRING PRIMARY KEY, B BIGINT) WITH (KAFKA_TOPIC='r', VALUE_FORMAT='JSON', PARTITIONS=1);",
        "CREATE TABLE O WITH (KAFKA_TOPIC='o') AS SELECT L.K AS K, R.K AS RK, B FROM L JOIN R ON F = R.K;",
    ]
    left, right = "k" * 450, ["r" * 600 + end for end in ("a", "b")]
    with Driver() as driver:
        for statement in statements:
            driver.execute(statement)
        for number, key in enumerate(right):
            driver.send("r", key, {"B": number})
        driver.send("l", left, {"F": right[0]})
        driver.run()
        driver.send("l", left, {"F": right[1]})
        driver.run()
        driver.send("r", right[0], {"B": 7})
        driver.send("r", right[1], {"B": 8})
        driver.run()
        assert driver.query(PULL).result().rows == [[left, right[1], 8]]
        (query,) = driver.database.catalog.queries()
        with driver.database.log.snapshot() as snapshot:
            assert snapshot.state(f"{query.id}/2-foreignkeyjoin/index").count() == 1
