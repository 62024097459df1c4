"""Nothing is lost and nothing comes twice, though the process is killed at random moments of a running pipeline.

After each kill the folder is read as it lies there: what every query has written must be what follows from the records before the positions
that it has committed, no more and no less. The expected results are computed here in plain Python.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.engine.crash_process import GRACE_MS, PARTITIONS, WINDOW_MS

import penstock
from penstock.engine.build import backing
from penstock.engine.operators.grouping import Grouping

ROOT = Path(__file__).parents[2]
KILLS = 50
KILLS_MERGING = 20
LIFE_S_MAX = 0.45


class Records:
    """Reads on in topics, from where it last stopped."""

    def __init__(self) -> None:
        self.positions: dict[tuple[str, int], int] = {}

    def until(self, db: penstock.Database, ends: dict[tuple[str, int], int]) -> list[dict[str, Any]]:
        """The records up to the given positions, in order of arrival over all topics; with their topic and partition."""
        found = []
        for (topic, partition), end in ends.items():
            start = self.positions.get((topic, partition), 0)
            while start < end:
                batch = db.log.read(topic, partition, start, max_records=end - start)
                found += [{"topic": topic, "partition": partition, **row} for row in batch.to_pylist()]
                start = found[-1]["offset"] + 1
            assert start == end, "a query stands beyond the end of its topic"
            self.positions[topic, partition] = end
        return sorted(found, key=lambda row: (row["sequence"], row["partition"], row["offset"]))


class Expected:
    """What the queries must have written. Each `take` gets the records that one query has now processed."""

    def __init__(self) -> None:
        self.odd: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
        self.named: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
        self.totals: dict[str, tuple[int, int, int]] = {}
        self.chained: dict[str, tuple[int, int]] = {}
        self.open: dict[int, dict[tuple[str, int], tuple[int, int]]] = defaultdict(dict)
        self.closed: dict[tuple[str, int], tuple[int, int]] = {}
        self._plants: dict[str, str] = {}
        self._time: dict[int, int] = {}

    def take(self, query: str, row: dict[str, Any]) -> None:
        """One more record of a query's input."""
        key, value = row["key"].decode(), None if row["value"] is None else json.loads(row["value"])
        getattr(self, f"_{query.lower()}")(key, value, row)

    def _odd(self, key: str, value: Any, row: dict[str, Any]) -> None:
        if value["V"] % 2 == 1:
            self.odd[row["partition"]].append((key, value["N"], value["V"] * 10, row["timestamp"]))

    def _totals(self, key: str, value: Any, row: dict[str, Any]) -> None:
        count, total, _ = self.totals.get(key, (0, 0, 0))
        self.totals[key] = (count + 1, total + value["V"], value["N"])

    def _chained(self, key: str, value: Any, row: dict[str, Any]) -> None:
        count, total = self.chained.get(key, (0, 0))
        self.chained[key] = (count + 1, total + value["W"])

    def _named(self, key: str, value: Any, row: dict[str, Any]) -> None:
        if row["topic"] == "readings":
            self.named[row["partition"]].append((key, value["N"], self._plants.get(key)))
        elif value is None:
            self._plants.pop(key, None)
        else:
            self._plants[key] = value["NAME"]

    def _windows(self, key: str, value: Any, row: dict[str, Any]) -> None:
        partition, time_ms = row["partition"], row["timestamp"]
        now = self._time[partition] = max(time_ms, self._time.get(partition, 0))
        start = time_ms - time_ms % WINDOW_MS
        open_ = self.open[partition]
        if start + WINDOW_MS + GRACE_MS > now:
            count, total = open_.get((key, start), (0, 0))
            open_[key, start] = (count + 1, total + value["N"])
        for place in [p for p in open_ if p[1] + WINDOW_MS + GRACE_MS <= now]:
            assert place not in self.closed
            self.closed[place] = open_.pop(place)


class Witness:
    """Compares what lies in the folder with what should."""

    def __init__(self) -> None:
        self.expected = Expected()
        self.inputs: dict[str, Records] = defaultdict(Records)
        self.outputs: dict[str, Records] = defaultdict(Records)
        self.odd: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
        self.named: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
        self.tables: dict[str, dict[str, tuple[Any, ...]]] = {"TOTALS": {}, "CHAINED": {}}
        self.windows: dict[tuple[str, int], tuple[int, int]] = {}
        self.readings = 0

    def check(self, folder: Path, acknowledged: int, *, finished: bool = False) -> None:
        """One look at the folder, which no process has open."""
        with penstock.connect(folder, read_only=True) as db:
            if db.log.topic("readings") is None:
                assert not acknowledged
                return
            self.readings = sum(ends(db, "readings").values())
            assert self.readings >= acknowledged, "an acknowledged reading is not there"
            for query in db.catalog.queries():
                committed = db.log.committed(query.id)
                if finished:
                    inputs = {"CHAINED": ["ODD"], "NAMED": ["readings", "plants"]}.get(query.plan.target, ["readings"])
                    assert committed == {place: end for topic in inputs for place, end in ends(db, topic).items() if end}
                for row in self.inputs[query.id].until(db, committed):
                    self.expected.take(query.plan.target, row)
                for row in self.outputs[query.id].until(db, ends(db, query.plan.target)):
                    self._written(query.plan.target, row)
            assert self.odd == self.expected.odd
            assert self.named == self.expected.named
            assert self.tables["TOTALS"] == self.expected.totals
            assert self.tables["CHAINED"] == self.expected.chained
            assert self.windows == self.expected.closed
            if db.log.topic("penstock-processing-log") is not None:
                assert db.log.end_offset("penstock-processing-log", 0) == 0
            if finished:
                kept = {row["ID"]: (row["C"], row["S"], row["NEWEST"]) for row in db.query("SELECT * FROM totals;").fetchall()}
                assert kept == self.expected.totals

    def _written(self, target: str, row: dict[str, Any]) -> None:
        value = json.loads(row["value"])
        if target == "ODD":
            self.odd[row["partition"]].append((row["key"].decode(), value["N"], value["W"], row["timestamp"]))
        elif target == "NAMED":
            self.named[row["partition"]].append((row["key"].decode(), value["N"], value["NAME"]))
        elif target == "WINDOWS":
            place = (row["key"][:-8].decode(), int.from_bytes(row["key"][-8:], "big"))
            assert place not in self.windows, f"the window {place} is emitted twice"
            self.windows[place] = (value["C"], value["S"])
        else:
            key, table = row["key"].decode(), self.tables[target]
            assert value["C"] > table.get(key, (0,))[0], f"{target} did not grow by what it emitted"
            table[key] = tuple(value.values())


def ends(db: penstock.Database, topic: str) -> dict[tuple[str, int], int]:
    """Where the partitions of a topic end."""
    info = db.log.topic(topic)
    return {(topic, p): db.log.end_offset(topic, p) for p in range(info.partitions if info else 0)}


@pytest.fixture
def process(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(
        [sys.executable, "-m", "tests.engine.crash_process", str(tmp_path / "db"), *getattr(request, "param", [])],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    yield started
    assert started.stdin
    assert started.stdout
    started.stdin.close()
    started.wait(60)
    started.stdout.close()


def answer(process: subprocess.Popen[str], command: str) -> str:
    """What the process answers to a command."""
    assert process.stdin
    assert process.stdout
    process.stdin.write(command + "\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def killed_over_and_over(process: subprocess.Popen[str], folder: Path, moments: Iterator[float], witness: Witness) -> None:
    for seconds in moments:
        said = answer(process, f"run {seconds}")
        assert said.isdigit(), said
        witness.check(folder, int(said))
    assert answer(process, "finish") == "done"
    witness.check(folder, 0, finished=True)


def test_killed_at_fifty_moments_nothing_is_lost_and_nothing_comes_twice(process: subprocess.Popen[str], tmp_path: Path) -> None:
    dice, witness = random.Random(2), Witness()

    def told() -> bool:
        names = {name for rows in witness.named.values() for *_, name in rows}
        return witness.readings > 1000 and len(witness.windows) > 20 and len(names) > 10

    def moments() -> Iterator[float]:
        for number in range(2 * KILLS):
            if number >= KILLS and told():
                return
            # on a busy machine lives must grow longer for anything to happen in them
            yield dice.uniform(0.01, LIFE_S_MAX * (1 + max(0, number - KILLS)))

    killed_over_and_over(process, tmp_path / "db", moments(), witness)
    assert told(), "the lives were too short to tell anything"
    # all windows are closed but the newest of each partition
    assert len(witness.expected.open) == PARTITIONS


@pytest.mark.parametrize("process", [["merging"]], indirect=True)
def test_killed_while_state_is_merged_nothing_is_lost_and_nothing_comes_twice(process: subprocess.Popen[str], tmp_path: Path) -> None:
    dice = random.Random(3)

    def moments() -> Iterator[float]:
        for number in range(10 * KILLS_MERGING):
            if number >= KILLS_MERGING and merged_states(tmp_path / "db"):
                return
            # on a busy machine lives must grow longer for anything to happen in them
            yield dice.uniform(0.05, LIFE_S_MAX * (1 + number / KILLS_MERGING))

    killed_over_and_over(process, tmp_path / "db", moments(), Witness())
    assert merged_states(tmp_path / "db"), "the lives were too short for the state to be merged"


def merged_states(folder: Path) -> bool:
    """Whether the groups of every aggregate have got as far as the base."""
    with penstock.connect(folder, read_only=True) as db, db.log.snapshot() as snapshot:
        groups = {f"{query.id}/{found.name}/groups": found for query in db.catalog.queries() if (found := backing(query.plan))}
        tables = [Grouping(found.aggregate, {}).table(snapshot.state(name)) for name, found in groups.items()]
        return bool(tables) and all(len(table.directory().base) > 1 for table in tables)


@pytest.mark.soak
def test_killed_for_long(process: subprocess.Popen[str], tmp_path: Path) -> None:
    until = time.monotonic() + 60 * float(os.environ.get("SOAK_MINUTES", "5"))
    dice = random.Random(os.environ.get("SOAK_SEED", "1"))

    def moments() -> Iterator[float]:
        while time.monotonic() < until:
            yield dice.choice((dice.uniform(0, 0.3), dice.uniform(0, 3)))

    killed_over_and_over(process, tmp_path / "db", moments(), Witness())
