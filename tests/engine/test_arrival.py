"""Records of several partitions come in one order, whatever their numbers and times and however they are cut into batches."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pyarrow as pa
import pytest
from tests.engine.splits import random_sizes

from penstock.database import Database
from penstock.engine import task
from penstock.engine.arrival import certain, line, turns
from penstock.engine.stage import Origin
from penstock.log.protocol import Append
from penstock.log.records import records

Partition = list[tuple[int, int]]  # (sequence, timestamp) of each record
T0 = 1_700_000_000_000


def one_by_one(partitions: list[Partition]) -> list[tuple[int, int]]:
    """The rule, taken literally: which record of which partition comes next, as (partition, record)."""
    at = [0] * len(partitions)
    order = []
    while any(place < len(partition) for place, partition in zip(at, partitions, strict=True)):
        heads = [(partition[place], n) for n, (partition, place) in enumerate(zip(partitions, at, strict=True)) if place < len(partition)]
        number = min(heads)[1]
        order.append((number, at[number]))
        at[number] += 1
    return order


def in_batches(partitions: list[Partition], sizes: Iterator[int]) -> list[tuple[int, int]]:
    """The same by `turns`, `certain` and `line`, of each partition a few records at a time."""
    at = [0] * len(partitions)
    order: list[tuple[int, int]] = []
    while waiting := [n for n, partition in enumerate(partitions) if at[n] < len(partition)]:
        read = {n: partitions[n][at[n] : at[n] + next(sizes)] for n in waiting}
        columns = [list(zip(*part, strict=True)) for part in read.values()]
        keys = turns([pa.RecordBatch.from_arrays([pa.array(s), pa.array(t)], ["sequence", "timestamp"]) for s, t in columns])
        counts = certain(keys, [at[n] + len(part) < len(partitions[n]) for n, part in read.items()])
        assert sum(counts) > 0
        taken = [(n, keys[i][: counts[i]]) for i, n in enumerate(read) if counts[i]]
        places = line([key for _, key in taken])
        batch = [(int(place), n, at[n] + row) for (n, _), line_ in zip(taken, places, strict=True) for row, place in enumerate(line_)]
        assert sorted(place for place, *_ in batch) == list(range(len(batch)))
        order += [(n, row) for _, n, row in sorted(batch)]
        for n, key in taken:
            at[n] += len(key)
    return order


def written(dice: random.Random, home: str) -> list[Partition]:
    """Partitions as a home of the log has them: numbered by writes, or by timestamps that may fall, or both far apart."""
    partitions: list[Partition] = [[] for _ in range(dice.randrange(1, 5))]
    for write in range(dice.randrange(1, 12)):
        for partition in partitions:
            for _ in range(dice.choice([0, 1, 1, 5])):
                time = dice.choice([0, 1 << 45]) if home == "far apart" else T0 + write * 3 + dice.randrange(-5, 5)
                partition.append((time if home == "kafka" else write << 40 if home == "far apart" else write * 10, time))
    return partitions


@pytest.mark.parametrize("home", ["embedded", "kafka", "far apart"])
def test_the_order_is_that_of_taking_records_one_by_one(home: str) -> None:
    dice = random.Random(home)
    for _ in range(300):
        partitions = written(dice, home)
        expected = one_by_one(partitions)
        for size in (1, 2, 100, None):
            sizes = iter([size] * 1000 if size else [n for _ in range(20) for n in random_sizes(dice, 100)])
            assert in_batches(partitions, sizes) == expected


STREAMS = """
CREATE STREAM a (id STRING KEY, n INT) WITH (kafka_topic='a', value_format='JSON', partitions=2);
CREATE STREAM b (id STRING KEY, n INT) WITH (kafka_topic='b', value_format='JSON', partitions=2);
"""
JOIN = "CREATE STREAM o AS SELECT a.id AS id, a.n AS n FROM a JOIN b WITHIN 1 SECONDS GRACE PERIOD 1 SECONDS ON a.id = b.id WHERE a.n = b.n;"


@pytest.mark.parametrize("records_at_once", [3, 200_000])
def test_what_is_written_together_arrives_by_time(records_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour of two topics in one transaction: with a grace period of a second no pair is lost, as none is where each record comes by itself."""
    monkeypatch.setattr(task, "BATCH_RECORDS_FIRST", records_at_once)
    with Database(threads=False) as db:
        db.execute(STREAMS + JOIN)
        rows = [{"id": f"k{n % 7}", "n": n, "ROWTIME": T0 + n * 1000} for n in range(600)]
        db.insert_together({"a": rows, "b": rows})
        db.wait_idle()
        assert sorted(row[0] for row in db.query("SELECT n FROM o;").fetchall()) == list(range(600))


def test_a_backlog_is_worked_on_in_large_batches_however_its_topics_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two topics written in turn a batch gets less than it may have: there is a backlog all the same."""
    monkeypatch.setattr(task, "BATCH_RECORDS_FIRST", 20)
    batches: list[int] = []
    process = task.Task.process

    def noted(self: task.Task, origin: Origin, positions: dict[tuple[str, int], int], *, careful: bool = False) -> None:
        batches.append(origin.count)
        process(self, origin, positions, careful=careful)

    monkeypatch.setattr(task.Task, "process", noted)
    with Database(threads=False) as db:
        db.execute(STREAMS.replace("partitions=2", "partitions=1") + JOIN)
        for turn in range(20):
            for topic in ("a", "b"):
                db.insert(topic, [{"id": "k", "n": turn * 20 + n, "ROWTIME": T0 + turn * 20 + n} for n in range(20)])
        db.wait_idle()
        assert sorted(row[0] for row in db.query("SELECT n FROM o;").fetchall()) == list(range(400))
        assert len(batches) <= 3, "after the first one all the rest"
        assert sum(batches) == 800
        (running,) = db.runtime.queries.values()
        assert running.task is not None
        assert not running.task.intake.left


def test_a_row_of_a_table_comes_before_the_record_that_is_written_with_it() -> None:
    with Database(threads=False) as db:
        db.execute(
            "CREATE STREAM s (id STRING KEY, n INT) WITH (kafka_topic='s', value_format='JSON', partitions=1);"
            "CREATE TABLE t (id STRING PRIMARY KEY, m INT) WITH (kafka_topic='t', value_format='JSON', partitions=1);"
            "CREATE STREAM o AS SELECT s.id AS id, n, m FROM s JOIN t ON s.id = t.id;"
        )
        for n in range(3):
            time = {"id": "a", "ROWTIME": T0 + n}
            db.insert_together({"s": [{"n": n, **time}], "t": [{"m": n, **time}]})
        db.wait_idle()
        assert [tuple(row) for row in db.query("SELECT n, m FROM o;").fetchall()] == [(0, 0), (1, 1), (2, 2)]


def test_numbers_and_order_outlive_the_merging_of_batches() -> None:
    """Batches of one write and single records, merged by the cleaner, keep what they were numbered by."""
    with Database(threads=False) as db:
        db.log.create_topic("t", 2)
        for n in range(40):
            partitions = (0, 1) if n % 5 == 0 else (0,)
            db.log.append(*(Append("t", p, records([(T0 + n, None, b"x")] * (n % 3 + 1))) for p in partitions))
        before = [db.log.read("t", p, 0).to_pylist() for p in (0, 1)]
        db.log.clean(T0)
        assert [db.log.read("t", p, 0).to_pylist() for p in (0, 1)] == before
        assert len({row["sequence"] for row in before[0]}) == 40
