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
import pyarrow as pa

import penstock
from bench.queries import BENCHES, Bench
from penstock.database import Database
from penstock.log.protocol import Append, TopicConfig

CHUNK = 20_000


def fill(db: Database, topics: dict[str, pa.RecordBatch]) -> None:
    """Append the events as a producer would, in batches."""
    for topic, batch in topics.items():
        db.log.create_topic(topic, 1, TopicConfig(retention_ms=None))
        for start in range(0, batch.num_rows, CHUNK):
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


def stream(bench: Bench, topics: dict[str, pa.RecordBatch], folder: Path, events: int) -> tuple[float, pa.Table]:
    """Seconds from the statements to the last commit, and the output topic's records."""
    with penstock.connect(folder, properties={"auto.offset.reset": "earliest"}) as db:
        fill(db, topics)
        db.execute(bench.sources)
        began = time.perf_counter()
        db.execute(bench.statements)
        while not db.wait_idle(1):
            done = sum(r.task.intake.positions.get((t, 0), 0) for r in db.runtime.queries.values() if r.task for t in topics)
            print(f"  {done:,} of {events:,} records read", file=sys.stderr, flush=True)
        seconds = time.perf_counter() - began
        failed = [r.error for r in db.runtime.queries.values() if r.error]
        if failed:
            sys.exit(failed[0])
        return seconds, output(db, bench)


def output(db: Database, bench: Bench) -> pa.Table:
    """All records of the output topic: `n` (offset), key and value."""
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
    return table


def batch(bench: Bench, topics: dict[str, pa.RecordBatch]) -> tuple[float, duckdb.DuckDBPyConnection]:
    """Seconds of DuckDB's query over tables in memory, and the connection that holds its result."""
    con = duckdb.connect(":memory:", config={"threads": 1})
    for name, topic in bench.tables.items():
        con.register("records", pa.Table.from_batches([topics[topic]]))
        con.execute(
            f"CREATE TABLE {name} AS SELECT row_number() OVER () AS n, decode(key) AS key, decode(value) AS value, timestamp AS ts FROM records"
        )
    began = time.perf_counter()
    con.execute(f"CREATE TABLE result AS {bench.duckdb}")
    return time.perf_counter() - began, con


def main() -> None:
    """Run one bench both ways, compare the answers, print the figures as JSON."""
    name, events = sys.argv[1], int(sys.argv[2])
    bench = BENCHES[name]
    topics = bench.topics(events)
    loading = warm_up()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as folder:
        seconds, produced = stream(bench, topics, Path(folder), events)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    duckdb_seconds, con = batch(bench, topics)
    keyed = "user_id" in bench.answer.split("FROM")[0] and "key AS user_id" in bench.answer
    if keyed:
        numbers = [None if k is None else int.from_bytes(k, "big", signed=True) for k in produced["key"].to_pylist()]
        produced = produced.set_column(1, "key", pa.array(numbers, pa.int64()))
    con.register("raw", produced)
    con.execute(f"CREATE VIEW output AS SELECT n, {'key' if keyed else 'NULL AS key'}, decode(value) AS value FROM raw")
    differing = con.sql(
        f"SELECT count(*) FROM ((({bench.answer}) EXCEPT ALL ({bench.expected})) UNION ALL (({bench.expected}) EXCEPT ALL ({bench.answer})))"
    ).fetchall()[0][0]
    rows = con.sql(f"SELECT count(*) FROM ({bench.expected})").fetchall()[0][0]
    if differing or not rows:
        sys.exit(f"{name}: the answers differ in {differing} rows of {rows}.")
    result: dict[str, Any] = {
        "events_per_s": round(events / seconds),
        "duckdb_events_per_s": round(events / duckdb_seconds),
        "ratio": round(duckdb_seconds / seconds, 3),
        "peak_mb": round(peak),
        "events_mb": round(before),
        "load_ms": round(loading * 1000),
        "rows": rows,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
