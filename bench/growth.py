"""What an event costs when the state is ten times as large: `python -m bench.growth [Q4 200000]`.

Each query first takes in what makes up its state: one row of state for each key, spread over all keys that there are. It is paused, gets the same
events in both cases (of as many keys, spread over the state, and so with as much output), and goes on: the processor time of that is measured. Only
the size of the state differs. A first fifth of the events is not measured: it pays what the filling left to be done, such as merging the runs of a
million rows that were written just before, which no event of a state that has long been so large finds.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

import penstock
from bench import events, queries
from bench.__main__ import child
from bench.one import fill, warm_up

EVENTS = 500_000
HOUR_MS = 3600 * 1000
BEGIN_MS = events.START_MS + 7 * 24 * HOUR_MS
SMALL, LARGE = 100_000, 1_000_000

Topics = dict[str, pa.RecordBatch]
Some = np.ndarray


@dataclass(frozen=True)
class Growth:
    """A query: its statements; `before` makes the records that lead to about so many rows of state, `after` the measured events, each of one of
    `keys` keys, which are spread over `spread(size)` of them, the keys of a state of that size."""

    sources: str
    statements: str
    before: Callable[[int], Topics]
    after: Callable[[Some], Topics]
    keys: int
    spread: Callable[[int], int]


def some(size: int, keys: int, count: int) -> Some:
    """`count` times one of so many keys of 0 .. size, or of all where there are fewer."""
    keys = min(keys, size)
    rng = np.random.default_rng(events.SEED + 7)
    return rng.choice(size, keys, replace=False)[rng.integers(0, keys, count)]


def readings(plants: Some, times: Some, moisture: Some) -> Topics:
    """Readings of houseplants."""
    fields = {"plant_id": plants, "moisture": moisture.round(3), "temperature": moisture.round(1)}
    return {"houseplant-readings": events.records(times, [str(p + 1) for p in plants.tolist()], events.encoded(fields))}


def low_readings(size: int) -> Topics:
    """A dry reading of each plant in each of 25 windows, and the plants."""
    plants = size // 25
    number = np.arange(size)
    times = BEGIN_MS - (25 - number // plants) * queries.WINDOW_MS
    return {"houseplant-metadata": events.plants(plants)} | readings(number % plants, times, np.zeros(size))


def later_readings(plants: Some) -> Topics:
    """Readings, a quarter of them dry, each plant's every 30 s."""
    number = np.arange(len(plants))
    return readings(plants, BEGIN_MS + number * 30, np.where(number % 4 == 0, 1.0, 99.0))


def clicks(users: Some) -> Topics:
    """Clicks of these users."""
    number = np.arange(len(users))
    fields = {"user_id": users, "amount": number % 500, "page": np.array([f"/p/{i % 500}" for i in number])}
    return {"clicks": events.records(BEGIN_MS + number, None, events.encoded(fields))}


def ads(users: Some, times: Some) -> Topics:
    """Advertisements shown, and a click for each, of one user in turn and the next."""
    number, names = np.arange(len(users) // 2), [f"user-{u}" for u in users.tolist()]
    shown = {"ad_id": number % 2_000, "page": np.array([f"/p/{i % 500}" for i in number])}
    clicked = {"click_id": number, "cost": number % 200}
    return {
        "shown": events.records(times[::2], names[::2], events.encoded(shown)),
        "clicked": events.records(times[1::2], names[1::2], events.encoded(clicked)),
    }


def sales(shops: Some, times: Some) -> Topics:
    """Sales of these shops."""
    fields = {"article": shops % 997, "cents": shops % 100_000}
    return {"sales": events.records(times, [f"shop-{s}" for s in shops.tolist()], events.encoded(fields))}


def visits(users: Some, times: Some) -> Topics:
    """Clicks of these users."""
    fields = {"page": np.array([f"/p/{u % 500}" for u in users.tolist()]), "ms": users % 5_000}
    return {"visits": events.records(times, [f"user-{u}" for u in users.tolist()], events.encoded(fields))}


def spaced(count: int, begin: int, end: int) -> Some:
    """So many times between two."""
    return np.linspace(begin, end, count, endpoint=False).astype(np.int64)


GROWTHS = {
    # a table of plants held in memory, and 25 windows of each
    "Q1": Growth(queries.READINGS, queries.Q1, low_readings, later_readings, 1_000, lambda size: size // 25),
    "Q3": Growth(queries.CLICKS, queries.Q3, lambda size: clicks(np.arange(size)), clicks, 50_000, lambda size: size),
    # rows of both sides, all of the last hours and none of the last: without a grace period they are kept for a day
    "Q4": Growth(
        queries.ADS, queries.Q4.replace(" GRACE PERIOD 1 MINUTE", ""),
        lambda size: ads(some(size, size, size), spaced(size, BEGIN_MS - 12 * HOUR_MS, BEGIN_MS - HOUR_MS)),
        lambda users: ads(users, spaced(len(users), BEGIN_MS, BEGIN_MS + 2 * HOUR_MS)),
        25_000, lambda size: size,
    ),
    # a sale is in six windows
    "Q5": Growth(
        queries.SALES, queries.Q5.replace("2 HOURS", "2 DAYS"),
        lambda size: sales(np.arange(size // 6), spaced(size // 6, BEGIN_MS - HOUR_MS, BEGIN_MS)),
        lambda shops: sales(shops, spaced(len(shops), BEGIN_MS, BEGIN_MS + 6 * HOUR_MS)),
        2_000, lambda size: size // 6,
    ),
    "Q6": Growth(
        queries.VISITS, queries.Q6.replace("1 HOUR", "2 DAYS"),
        lambda size: visits(np.arange(size), spaced(size, BEGIN_MS - 12 * HOUR_MS, BEGIN_MS - HOUR_MS)),
        lambda users: visits(users, spaced(len(users), BEGIN_MS, BEGIN_MS + 6 * HOUR_MS)),
        20_000, lambda size: size,
    ),
}  # fmt: skip


def cost_us(name: str, size: int, count: int = EVENTS) -> float:
    """The processor time of an event where the state has about `size` rows, in µs."""
    growth = GROWTHS[name]
    before, after = growth.before(size), growth.after(some(growth.spread(size), growth.keys, count))
    with (
        tempfile.TemporaryDirectory(dir=Path(__file__).parent) as folder,
        penstock.connect(folder, properties={"auto.offset.reset": "earliest"}) as db,
    ):
        fill(db, before)
        db.execute(growth.sources + growth.statements)
        db.wait_idle()
        for part in ({topic: batch.slice(0, batch.num_rows // 5) for topic, batch in after.items()},
                     {topic: batch.slice(batch.num_rows // 5) for topic, batch in after.items()}):  # fmt: skip
            db.execute("PAUSE ALL;")
            fill(db, part)
            began = time.process_time()
            db.execute("RESUME ALL;")
            db.wait_idle()
            took, measured = time.process_time() - began, sum(batch.num_rows for batch in part.values())
        failed = [r.error for r in db.runtime.queries.values() if r.error]
        if failed:
            sys.exit(failed[0])
        return float(took / measured * 1e6)


def grown(name: str) -> dict[str, float]:
    """An event's cost with the small state and with the large one, µs, each in a process of its own, and how many times the one is the other."""
    small, large = (child("bench.growth", name, str(size))["us"] for size in (SMALL, LARGE))
    return {f"us_at_{SMALL}": small, f"us_at_{LARGE}": large, "times": round(large / small, 2)}


def main(arguments: list[str]) -> None:
    """Measure one query with one size, or all with both; print the figures as JSON."""
    if not arguments:
        print(json.dumps({name: grown(name) for name in GROWTHS}))
        return
    warm_up()
    print(json.dumps({"us": round(cost_us(arguments[0], int(arguments[1])), 3)}))


if __name__ == "__main__":
    main(sys.argv[1:])
