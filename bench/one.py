"""One query, here and in DuckDB: `python -m bench.one Q1 2000000`."""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import penstock
from bench.queries import BENCHES, Bench
from penstock.database import Database
from penstock.log.protocol import Append, TopicConfig

CHUNK = 20_000


def fill(db: Database, topics: dict[str, pa.RecordBatch]) -> None:
    """Append the events as producers would, in batches, the topics in turn: their times go forward together."""
    for topic in topics:
        if db.log.topic(topic) is None:
            db.log.create_topic(topic, 1, TopicConfig(retention_ms=None))
    for start in range(0, max(batch.num_rows for batch in topics.values()), CHUNK):
        for topic, batch in topics.items():
            if start < batch.num_rows:
                db.log.append(Append(topic, 0, batch.slice(start, CHUNK)))


def warm_up() -> float:
    """Load what a first query loads, as DuckDB is loaded when its turn comes: start-up is no part of throughput. Returns the seconds it takes."""
    began = time.perf_counter()
    with penstock.connect(":memory:", properties={"auto.offset.reset": "earliest"}) as db:
        db.execute("CREATE STREAM s (k STRING KEY, v DOUBLE) WITH (kafka_topic='s', value_format='JSON');")
        db.execute("CREATE TABLE t WITH (value_format='AVRO') AS SELECT k, COUNT(*) AS n FROM s GROUP BY k EMIT CHANGES;")
        db.insert("s", [{"k": str(number), "v": 1.0} for number in range(100)])
        db.wait_idle(10)
    return time.perf_counter() - began


def stream(bench: Bench, topics: dict[str, pa.RecordBatch], folder: Path, events: int) -> tuple[float, float, pa.Table]:
    """Seconds from the statements to the last commit, by the clock and of the processor, and the output topic's records."""
    with penstock.connect(folder, properties={"auto.offset.reset": "earliest"}) as db:
        fill(db, topics)
        db.execute(bench.sources)
        began, worked = time.perf_counter(), time.process_time()
        db.execute(bench.statements)
        while not db.wait_idle(1):
            done = sum(r.task.intake.positions.get((t, 0), 0) for r in db.runtime.queries.values() if r.task for t in topics)
            print(f"  {done:,} of {events:,} records read", file=sys.stderr, flush=True)
        seconds, cpu = time.perf_counter() - began, time.process_time() - worked
        failed = [r.error for r in db.runtime.queries.values() if r.error]
        if failed:
            sys.exit(failed[0])
        return seconds, cpu, output(db, bench)


def output(db: Database, bench: Bench) -> pa.Table:
    """All records of the output topic: `n` (offset), key, the window's bounds `ws` and `we` (0 where there are none) and value."""
    batches, offset = [], 0
    while (batch := db.log.read(bench.output, 0, offset, max_records=1_000_000, max_bytes=1 << 30)).num_rows:
        batches.append(batch)
        offset = batch["offset"][-1].as_py() + 1
    table = pa.Table.from_batches(batches).select(["offset", "key", "value"]).rename_columns(["n", "key", "value"])
    if bench.avro:
        import io

        import fastavro

        def text(data: bytes | None) -> bytes | None:
            if data is None:
                return None
            schema = json.loads(db.schemas.by_id(int.from_bytes(data[1:5], "big")).text)
            return json.dumps(fastavro.schemaless_reader(io.BytesIO(data[5:]), fastavro.parse_schema(schema), None)).encode()

        values = pa.array([text(v) for v in table["value"].to_pylist()], pa.binary())
        table = table.set_column(2, "value", values)
    keys = table["key"].combine_chunks()
    ws = we = pa.array(np.zeros(len(keys), np.int64))
    if bench.windowed:
        width = 16 if bench.windowed == "SESSION" else 8
        bounds = [number(pc.binary_slice(keys, -8 * (i + 1), -8 * i or None)) for i in range(width // 8)]
        ws, we = bounds[0], bounds[-1]
        keys = pc.binary_slice(keys, 0, -width)
    if bench.key != "BYTES":
        keys = number(keys) if bench.key == "BIGINT" else keys.cast(pa.string())
    return pa.table({"n": table["n"], "key": keys, "ws": ws, "we": we, "value": table["value"]})


def number(raw: pa.Array) -> pa.Array:
    """Eight bytes each, big endian, as whole numbers."""
    return pa.array(np.frombuffer(b"".join(raw.to_pylist()), ">i8").astype(np.int64))


def batch(bench: Bench, topics: dict[str, pa.RecordBatch]) -> tuple[float, float, duckdb.DuckDBPyConnection]:
    """Seconds of DuckDB's query over tables in memory, by the clock and of the processor, and the connection that holds its result."""
    con = duckdb.connect(":memory:", config={"threads": 1})
    for name, topic in bench.tables.items():
        con.register("records", pa.Table.from_batches([topics[topic]]))
        con.execute(
            f"CREATE TABLE {name} AS SELECT row_number() OVER () AS n, decode(key) AS key, decode(value) AS value, timestamp AS ts FROM records"
        )
    began, worked = time.perf_counter(), time.process_time()
    con.execute(f"CREATE TABLE result AS {bench.duckdb}")
    return time.perf_counter() - began, time.process_time() - worked, con


def run(name: str, events: int) -> dict[str, Any]:
    """Run one bench both ways and compare the answers; the figures. Exits where the answers differ."""
    bench = BENCHES[name]
    topics = bench.topics(events)
    loading = warm_up()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as folder:
        seconds, cpu, produced = stream(bench, topics, Path(folder), events)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    duckdb_seconds, duckdb_cpu, con = batch(bench, topics)
    con.register("raw", produced)
    con.execute("CREATE VIEW output AS SELECT * REPLACE (decode(value) AS value) FROM raw")
    differing = con.sql(
        f"SELECT count(*) FROM ((({bench.answer}) EXCEPT ALL ({bench.expected})) UNION ALL (({bench.expected}) EXCEPT ALL ({bench.answer})))"
    ).fetchall()[0][0]
    rows = con.sql(f"SELECT count(*) FROM ({bench.expected})").fetchall()[0][0]
    if differing or not rows:
        sys.exit(f"{name}: the answers differ in {differing} rows of {rows}.")
    return {
        "events_per_s": round(events / seconds),
        "duckdb_events_per_s": round(events / duckdb_seconds),
        "ratio": round(duckdb_seconds / seconds, 3),
        "cpu_ratio": round(duckdb_cpu / cpu, 3),
        "cpu_us_per_event": round(cpu / events * 1e6, 3),
        "peak_mb": round(peak),
        "events_mb": round(before),
        "load_ms": round(loading * 1000),
        "rows": rows,
    }


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1], int(sys.argv[2]))))
