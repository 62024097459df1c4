"""How quick the formats are: `python -m bench.formats` prints M records/s of decoding and encoding on one thread, and the ms of one record.

`--memory` adds the resident MB of the process after each library has been loaded and used.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.formats import Column, SerdeOptions, decoder, encoder
from penstock.registry.embedded import EmbeddedRegistry
from penstock.registry.store import MemoryStore
from penstock.sql import types as sql
from penstock.sql.types import arrow_type

ROWS = 200_000
REPEATS = 5
COLUMNS = [
    Column("ID", sql.BIGINT), Column("PLANT_ID", sql.INTEGER), Column("MOISTURE", sql.DOUBLE), Column("TEMPERATURE", sql.DOUBLE),
    Column("NAME", sql.STRING), Column("OK", sql.BOOLEAN),
]  # fmt: skip


def readings(rows: int = ROWS, seed: int = 1) -> list[pa.Array]:
    """The columns of readings: counted ids, 1,000 plants, two measurements of three decimals, a short name, a flag."""
    random = np.random.default_rng(seed)
    plants = random.integers(0, 1000, rows)
    return [
        pa.array(np.arange(rows)), pa.array(plants.astype(np.int32)), pa.array(np.round(random.random(rows) * 100, 3)),
        pa.array(np.round(random.random(rows) * 40, 3)), pc.binary_join_element_wise("plant", pa.array(plants).cast(pa.string()), "-"),
        pa.array(plants % 2 == 0),
    ]  # fmt: skip


def best(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """The seconds of the quickest run."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def measure(name: str, columns: Sequence[Column], arrays: Sequence[pa.Array], *, is_key: bool = False) -> tuple[float, float, float, float]:
    """M records/s of decoding and of encoding a batch, and the ms of decoding and of encoding one record."""
    schemas = EmbeddedRegistry(MemoryStore())
    options = SerdeOptions(is_key, "bench-key" if is_key else "bench-value")
    write, read = encoder(name, columns, options, schemas), decoder(name, columns, options, schemas)
    present = pa.repeat(pa.scalar(True), len(arrays[0]))
    data = write(arrays, present).data
    decoded = read(data)
    for column, one, other in zip(columns, decoded.columns, arrays, strict=True):
        assert one.equals(other.cast(arrow_type(column.type))), f"{name}: {column.name} did not come back"
    record, cells, there = data.slice(7, 1), [a.slice(7, 1) for a in arrays], present.slice(7, 1)
    rate = len(data) / 1e6
    return (
        rate / best(lambda: read(data)), rate / best(lambda: write(arrays, present)),
        1000 * best(lambda: read(record), 200), 1000 * best(lambda: write(cells, there), 200),
    )  # fmt: skip


def resident_mb() -> float:
    """The highest resident memory so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure every format and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memory", action="store_true")
    options = parser.parse_args()
    pa.set_cpu_count(1)
    arrays = readings()
    print(f"{ROWS:,} records a batch; {'format':<22}{'decode M/s':>12}{'encode M/s':>12}{'decode one ms':>15}{'encode one ms':>15}")
    for name in ("JSON", "JSON_SR", "AVRO", "DELIMITED", "PROTOBUF", "PROTOBUF_NOSR"):
        few = arrays if name in ("JSON", "JSON_SR", "AVRO") else [a.slice(0, ROWS // 10) for a in arrays]
        _print(f"{name}, {len(COLUMNS)} columns", measure(name, COLUMNS, few))
        if options.memory:
            print(f"  resident {resident_mb():.0f} MB at most so far")
    for number, word in ((4, "STRING"), (0, "BIGINT")):
        _print(f"KAFKA {word} key", measure("KAFKA", COLUMNS[number:number + 1], arrays[number:number + 1], is_key=True))
        _print(f"JSON {word} key", measure("JSON", COLUMNS[number:number + 1], arrays[number:number + 1], is_key=True))


def _print(name: str, figures: tuple[float, float, float, float]) -> None:
    print(f"{name:>38}{figures[0]:>12.2f}{figures[1]:>12.2f}{figures[2]:>15.3f}{figures[3]:>15.3f}")


if __name__ == "__main__":
    main()
