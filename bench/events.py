"""The events of the benchmark: made once from a seed, as Arrow tables of records."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from penstock.log.records import HEADERS, RECORDS

SEED = 20260101
START_MS = 4_102_444_800_000  # 2100-01-01 UTC: in the future, so that the retention of topics takes none of them
PLANTS = 1_000


def encoded(fields: dict[str, np.ndarray]) -> pa.Array:
    """Rows of fields as JSON values."""
    import duckdb

    con = duckdb.connect(config={"threads": 1})
    table = pa.table({name: pa.array(values) for name, values in fields.items()})
    con.register("rows", table)
    packed = ", ".join(f'"{name}" := "{name}"' for name in fields)
    result = con.sql(f"SELECT encode(to_json(struct_pack({packed}))::VARCHAR) AS v FROM rows").to_arrow_table()["v"]
    return pa.concat_arrays([chunk.cast(pa.binary()) for chunk in result.chunks])


def records(times: np.ndarray, keys: list[str] | None, values: pa.Array) -> pa.RecordBatch:
    """A batch as the log takes it."""
    key_array = pa.array([k.encode() for k in keys], pa.binary()) if keys is not None else pa.nulls(len(values), pa.binary())
    columns = [pa.array(times, pa.int64()), key_array, values, pa.nulls(len(values), HEADERS)]
    return pa.RecordBatch.from_arrays(columns, schema=RECORDS)


def plants(count: int = PLANTS) -> pa.RecordBatch:
    """So many plants, each with its moisture threshold."""
    rng = np.random.default_rng(SEED)
    ids = np.arange(1, count + 1)
    fields = {
        "plant_id": ids,
        "scientific_name": np.array([f"Planta officinalis {i % 97}" for i in ids]),
        "common_name": np.array([f"common plant {i % 89}" for i in ids]),
        "given_name": np.array([f"Given{i}" for i in ids]),
        "temperature_low": rng.uniform(5, 15, count).round(1),
        "temperature_high": rng.uniform(25, 40, count).round(1),
        "moisture_low": rng.uniform(20, 40, count).round(1),
        "moisture_high": rng.uniform(60, 90, count).round(1),
    }
    return records(np.full(count, START_MS), [str(i) for i in ids], encoded(fields))


def readings(count: int) -> pa.RecordBatch:
    """Readings of all plants every 30 s, a few of them out of order by some seconds; of fewer plants where they would not last some hours."""
    rng = np.random.default_rng(SEED + 1)
    plants = min(PLANTS, max(count // 1_000, 1))
    number = np.arange(count)
    plant = number % plants + 1
    times = START_MS + number // plants * 30_000 + rng.integers(0, 5_000, count)
    dryness = 35 + 15 * np.sin(number / plants / 200 + plant)
    fields = {
        "plant_id": plant,
        "moisture": (dryness + rng.normal(0, 3, count)).clip(0, 100).round(3),
        "temperature": rng.normal(21, 2, count).round(3),
    }
    return records(times, [str(p) for p in plant.tolist()], encoded(fields))


def ratings(count: int) -> pa.RecordBatch:
    """Ratings of flights, a third of them from test channels."""
    rng = np.random.default_rng(SEED + 2)
    channels = np.array(["web", "ios", "android", "iOS-test", "web-TEST"])
    messages = np.array(
        [
            "worst. flight. ever. #neveragain", "why is it so difficult to keep the bathrooms clean ?", "Exceeded all my expectations. Thank you !",
            "Surprisingly good, maybe you are getting your mojo back at long last!", "airport refurb looks great, will fly outta here more!",
        ]
    )  # fmt: skip
    times = START_MS + np.arange(count) * 5
    fields = {
        "rating_id": np.arange(count),
        "user_id": rng.integers(1, 20_001, count),
        "stars": rng.integers(1, 6, count),
        "route_id": rng.integers(1, 10_000, count),
        "rating_time": times,
        "channel": channels[rng.integers(0, len(channels), count)],
        "message": messages[rng.integers(0, len(messages), count)],
    }
    return records(times, None, encoded(fields))


def clicks(count: int, users: int) -> pa.RecordBatch:
    """Clicks of so many users, in random order."""
    rng = np.random.default_rng(SEED + 3)
    user = rng.integers(0, users, count)
    times = START_MS + np.arange(count) * 3
    fields = {"user_id": user, "amount": rng.integers(1, 500, count), "page": np.array([f"/p/{i % 500}" for i in range(count)])}
    return records(times, None, encoded(fields))


def shown_and_clicked(count: int, users: int = 50_000, span_ms: int = 24) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """Half as many advertisements shown, and half as many clicks, of so many users in random order; each a few seconds out of order."""
    rng = np.random.default_rng(SEED + 4)
    half = count // 2
    number = np.arange(half)
    times = START_MS + number * span_ms

    def late() -> np.ndarray:
        return times + rng.integers(0, 5_000, half)

    def people() -> list[str]:
        return [f"user-{u}" for u in rng.integers(0, users, half).tolist()]

    shown = {"ad_id": rng.integers(0, 2_000, half), "page": np.array([f"/p/{i % 500}" for i in number])}
    clicked = {"click_id": number, "cost": rng.integers(1, 200, half)}
    return records(late(), people(), encoded(shown)), records(late(), people(), encoded(clicked))


def sales(count: int, shops: int = 2_000, span_ms: int = 40) -> pa.RecordBatch:
    """Sales of so many shops in random order, some seconds out of order."""
    rng = np.random.default_rng(SEED + 5)
    number = np.arange(count)
    times = START_MS + number * span_ms + rng.integers(0, 5_000, count)
    fields = {"article": number % 997, "cents": rng.integers(1, 100_000, count)}
    return records(times, [f"shop-{s}" for s in rng.integers(0, shops, count).tolist()], encoded(fields))


def visits(count: int, users: int = 20_000, span_ms: int = 20) -> pa.RecordBatch:
    """Clicks of so many users, each in visits of 10 clicks or so, half a minute from one to the next."""
    rng = np.random.default_rng(SEED + 6)
    each = 10
    begins = rng.integers(0, max(count * span_ms, 1), count // each + 1)
    user = rng.integers(0, users, len(begins))
    gaps = rng.exponential(30_000, (len(begins), each)).cumsum(axis=1)
    times = (begins[:, None] + gaps).astype(np.int64).ravel()[:count]
    order = np.argsort(times, kind="stable")
    fields = {"page": np.array([f"/p/{i % 500}" for i in range(count)]), "ms": rng.integers(1, 5_000, count)}
    return records(START_MS + times[order], [f"user-{u}" for u in user.repeat(each)[:count][order].tolist()], encoded(fields))
