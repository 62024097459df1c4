"""Runs a query over records cut into batches, to see that the cuts do not matter."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from penstock.testing import Driver, Record


@dataclass(frozen=True)
class Input:
    topic: str
    key: Any
    value: Any
    timestamp: int


@dataclass(frozen=True)
class Outcome:
    """The records that a query wrote, and what a pull query over its table answered at the end."""

    records: list[Record]
    rows: list[list[Any]]

    @property
    def by_key(self) -> dict[str, list[tuple[Any, int]]]:
        """For each key its values and times, in order."""
        found: dict[str, list[tuple[Any, int]]] = defaultdict(list)
        for r in self.records:
            found[json.dumps([r.key, r.window and [r.window.start, r.window.end]])].append((r.value, r.timestamp))
        return dict(found)

    @property
    def table(self) -> dict[str, tuple[Any, int]]:
        """For each key its last value and time, where there is one."""
        return {key: rows[-1] for key, rows in self.by_key.items() if rows[-1][0] is not None}


def outcome(statements: Sequence[str], inputs: Sequence[Input], topic: str, sizes: Sequence[int], *, batching: bool, pull: str = "") -> Outcome:
    """Run the statements, then feed the inputs in batches of these sizes (in turn), then ask `pull`."""
    with Driver(batching=batching) as driver:
        for statement in statements:
            driver.execute(statement)
        at, turn = 0, 0
        while at < len(inputs):
            size = sizes[turn % len(sizes)]
            for record in inputs[at : at + size]:
                driver.send(record.topic, record.key, record.value, timestamp=record.timestamp)
            driver.run()
            at, turn = at + size, turn + 1
        rows = sorted(driver.query(pull).result().rows, key=repr) if pull else []
        return Outcome(driver.read(topic), rows)


def random_sizes(random_: random.Random, count: int) -> list[int]:
    """Sizes of batches that add up to at least `count`, small and large mixed."""
    sizes: list[int] = []
    while sum(sizes) < count:
        sizes.append(random_.choice([1, 2, 3, 7, 20, 60]))
    return sizes
