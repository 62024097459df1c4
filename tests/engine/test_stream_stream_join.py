"""Streams joined within a window: by the rules told record by record, and however the input is cut into batches."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any

import pytest
from tests.engine.splits import Input, outcome, random_sizes

from penstock.testing import Driver

DAY = 24 * 3600 * 1000
SOURCES = [
    "CREATE STREAM L (K BIGINT KEY, A BIGINT) WITH (KAFKA_TOPIC='l', VALUE_FORMAT='JSON', PARTITIONS=1);",
    "CREATE STREAM R (K BIGINT KEY, B BIGINT) WITH (KAFKA_TOPIC='r', VALUE_FORMAT='JSON', PARTITIONS=1);",
]


def joined(join: str, within: str) -> list[str]:
    return [
        *SOURCES,
        f"CREATE STREAM O WITH (KAFKA_TOPIC='o') AS SELECT {'ROWKEY' if join == 'FULL OUTER' else 'L.K' if join != 'RIGHT' else 'R.K'} AS K, "
        f"A, B FROM L {join} JOIN R WITHIN {within} ON L.K = R.K;",
    ]


def told(inputs: list[Input], join: str, before: int, after: int, grace: int | None) -> dict[str, list[tuple[Any, int]]]:
    """What comes out, by the rules: every record in turn against every earlier one."""
    retention = before + after + (max(DAY - before - after, 0) if grace is None else grace)
    outer = {"l": join in ("LEFT", "FULL OUTER"), "r": join in ("RIGHT", "FULL OUTER")}
    ahead = {"l": after, "r": before}
    seen: dict[str, list[Input]] = {"l": [], "r": []}
    newest = {"l": -DAY, "r": -DAY}
    waiting: list[Input] = []
    out: dict[str, list[tuple[Any, int]]] = defaultdict(list)

    def emit(left: Input | None, right: Input | None) -> None:
        rows = [r for r in (left, right) if r]
        value = {"A": left.value["A"] if left else None, "B": right.value["B"] if right else None}
        out[f"[{rows[0].key}, null]"].append((value, max(r.timestamp for r in rows)))

    for record in inputs:
        side, other = record.topic, "r" if record.topic == "l" else "l"
        newest[side] = max(newest[side], record.timestamp)
        now = max(newest.values())
        closed = [w for w in waiting if w.timestamp + ahead[w.topic] + (grace or 0) < now]
        waiting = [w for w in waiting if w not in closed]
        for w in sorted(closed, key=lambda w: (w.timestamp, w.topic == "l")):
            emit(w, None) if w.topic == "l" else emit(None, w)
        met = []
        for candidate in seen[other]:
            gap = (candidate.timestamp - record.timestamp) * (1 if side == "l" else -1)
            if candidate.key == record.key and -before <= gap <= after and candidate.timestamp > newest[other] - retention:
                met.append(candidate)
        for partner in sorted(met, key=lambda m: m.timestamp):
            waiting = [w for w in waiting if w is not partner]
            emit(record, partner) if side == "l" else emit(partner, record)
        if not met and outer[side]:
            if grace is None or record.timestamp + ahead[side] < now:
                emit(record, None) if side == "l" else emit(None, record)
            else:
                waiting.append(record)
        seen[side].append(record)
    return dict(out)


def disorderly(random_: random.Random, count: int, step: int, lateness: int, keys: int) -> list[Input]:
    """Records of both sides whose time goes forward by about `step` ms, some of them late."""
    records, time = [], 1_000_000
    for number in range(count):
        time += random_.randrange(2 * step)
        late = random_.randrange(lateness) if random_.random() < 0.3 else 0
        topic = random_.choice("lr")
        records.append(Input(topic, random_.randrange(keys), {"A" if topic == "l" else "B": number}, max(time - late, 0)))
    return records


@pytest.mark.parametrize("join", ["INNER", "LEFT", "RIGHT", "FULL OUTER"])
@pytest.mark.parametrize(
    ("within", "before", "after", "grace"),
    [
        ("10 SECONDS", 10_000, 10_000, None),
        ("10 SECONDS GRACE PERIOD 5 SECONDS", 10_000, 10_000, 5_000),
        ("(2 SECONDS, 30 SECONDS) GRACE PERIOD 0 SECONDS", 2_000, 30_000, 0),
    ],
)
def test_a_join_follows_the_rules_however_it_is_cut(join: str, within: str, before: int, after: int, grace: int | None) -> None:
    random_ = random.Random(f"{join} {within}")
    inputs = disorderly(random_, 70, 1_000, 60_000, 3)
    expected = told(inputs, join, before, after, grace)
    assert sum(map(len, expected.values())) > 20
    for sizes in ([len(inputs)], random_sizes(random_, len(inputs)), [1]):
        assert outcome(joined(join, within), inputs, "o", sizes, batching=True).by_key == expected


@pytest.mark.parametrize(("type_", "keys"), [("INT", [10, 9, 1000, 9]), ("STRING", ["b", "ab", "B", "ab"])])
@pytest.mark.parametrize("batching", [True, False])
def test_rows_that_are_given_up_together_come_by_time_side_and_key(type_: str, keys: list[Any], batching: bool) -> None:
    with Driver({}, batching=batching) as driver:
        for statement in joined("FULL OUTER", "10 SECONDS GRACE PERIOD 0 SECONDS"):
            driver.execute(statement.replace("K BIGINT KEY", f"K {type_} KEY"))
        for number, key in enumerate(keys):
            driver.send("l", key, {"A": number}, timestamp=5)
        driver.send("r", keys[0] * 2, {"B": 7}, timestamp=5)
        driver.send("l", keys[0] * 3, {"A": 8}, timestamp=4)
        if not batching:
            driver.run()
        driver.send("r", keys[0] * 4, {"B": 9}, timestamp=60_000)
        driver.run()
        assert [(r.value["A"], r.value["B"]) for r in driver.read("o")] == [(8, None), (None, 7), *((a, None) for a in _by_key(keys))]


def _by_key(keys: list[Any]) -> list[int]:
    return sorted(range(len(keys)), key=lambda n: (keys[n].encode() if isinstance(keys[n], str) else keys[n], n))


def test_a_day_is_kept_where_no_grace_period_is_given() -> None:
    inputs = disorderly(random.Random(5), 80, DAY // 40, DAY * 2, 2)
    expected = told(inputs, "LEFT", 3_600_000, 3_600_000, None)
    for sizes in ([len(inputs)], [1], [13]):
        assert outcome(joined("LEFT", "1 HOUR"), inputs, "o", sizes, batching=True).by_key == expected


def test_a_row_without_a_key_or_value_meets_nothing() -> None:
    inputs = [Input("l", None, {"A": 1}, 0), Input("r", None, {"B": 1}, 0), Input("l", 1, None, 0), Input("r", 1, {"B": 2}, 0)]
    assert outcome(joined("LEFT", "1 HOUR"), inputs, "o", [9], batching=True).records == []


def test_rows_that_nothing_can_meet_any_more_are_forgotten() -> None:
    with Driver() as driver:
        for statement in joined("FULL OUTER", "1 SECOND GRACE PERIOD 1 SECOND"):
            driver.execute(statement)
        for number in range(300):
            driver.send("lr"[number % 2], number, {"A": number, "B": number}, timestamp=number * 1000)
            if number % 7 == 0:
                driver.run()
        driver.run()
        (query,) = driver.database.catalog.queries()
        with driver.database.log.snapshot() as snapshot:
            kept = {
                place: snapshot.state(f"{query.id}/2-streamstreamjoin/{place}").count() for place in ("left", "right", "waiting-0", "waiting-1")
            }
        assert len(driver.read("o")) > 280
        assert all(0 < count < 10 for count in kept.values()), kept


def test_a_joins_rows_meet_a_table_as_it_was_at_their_turn() -> None:
    statements = [
        *SOURCES,
        "CREATE TABLE T (K BIGINT PRIMARY KEY, C BIGINT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON', PARTITIONS=1);",
        "CREATE STREAM O WITH (KAFKA_TOPIC='o') AS SELECT L.K, A, B, C FROM L JOIN R WITHIN 1 HOUR ON L.K = R.K LEFT JOIN T ON L.K = T.K;",
    ]
    random_ = random.Random(8)
    inputs = []
    for number in range(50):
        topic = random_.choice("lrt")
        inputs.append(Input(topic, random_.randrange(3), {{"l": "A", "r": "B", "t": "C"}[topic]: number}, number))
    expected = outcome(statements, inputs, "o", [1], batching=True).by_key
    assert {row[0]["C"] is None for rows in expected.values() for row in rows} == {True, False}
    for sizes in ([len(inputs)], random_sizes(random_, len(inputs))):
        assert outcome(statements, inputs, "o", sizes, batching=True).by_key == expected
