"""Run as a process: a pipeline in the folder argv[1] that is killed over and over; with `merging` as argv[2] its few keys make tables of state do
all that they do when they are large.

Each line of standard input is a command, answered by one line. `run SECONDS` forks a child that opens the folder, brings the pipeline up and produces
until it is killed with SIGKILL after so many seconds; the answer is the number of readings that the log had acknowledged. `finish` forks one that
produces nothing and ends when all is processed. Forking from a process that has imported everything makes a life of a few 100 ms worth having.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import time
import traceback
from typing import Any

# imported here once, for all children: none of them starts a thread or opens a file
import duckdb  # noqa: F401
import lmdb  # noqa: F401
import polars  # noqa: F401
import pyarrow.compute  # noqa: F401

import penstock
import penstock.connect.runtime
import penstock.engine.build
import penstock.engine.runtime
import penstock.engine.table
import penstock.log.embedded.opening
import penstock.plan
import penstock.statements.connectors
import penstock.statements.insert
import penstock.statements.queries
import penstock.statements.sources
from penstock.sql.parser import parse

PARTITIONS = 2
IDS = 9
START_MS = 1_700_000_000_000
WINDOW_MS, GRACE_MS = 10_000, 2_000
SQL = f"""
CREATE STREAM IF NOT EXISTS readings (id STRING KEY, n BIGINT, v BIGINT)
  WITH (kafka_topic='readings', value_format='JSON', partitions={PARTITIONS});
CREATE TABLE IF NOT EXISTS plants (id STRING PRIMARY KEY, name STRING) WITH (kafka_topic='plants', value_format='JSON');
CREATE STREAM IF NOT EXISTS odd AS SELECT id, n, v * 10 AS w FROM readings WHERE v % 2 = 1;
CREATE TABLE IF NOT EXISTS totals AS SELECT id, COUNT(*) AS c, SUM(v) AS s, LATEST_BY_OFFSET(n) AS newest FROM readings GROUP BY id;
CREATE TABLE IF NOT EXISTS windows AS SELECT id, COUNT(*) AS c, SUM(n) AS s FROM readings
  WINDOW TUMBLING (SIZE {WINDOW_MS // 1000} SECONDS, GRACE PERIOD {GRACE_MS // 1000} SECONDS) GROUP BY id EMIT FINAL;
CREATE STREAM IF NOT EXISTS named AS SELECT r.id AS id, r.n AS n, p.name AS name FROM readings r LEFT JOIN plants p ON r.id = p.id;
CREATE TABLE IF NOT EXISTS chained AS SELECT id, COUNT(*) AS c, SUM(w) AS s FROM odd GROUP BY id;
"""


MERGING = {"FEW": 2, "MEMORY_ROWS": 6, "RUNS_MAX": 3, "ABSORB_ROWS": 12, "PIECE_ROWS": 4}
"""Bounds of tables of state under which nearly every cycle makes runs, merges them, or moves a piece of the base."""


def reading(n: int) -> dict[str, Any]:
    """The nth reading: some are out of order, a few too late for their window."""
    dice = random.Random(n)
    late = 20_000 if dice.random() < 0.03 else dice.randrange(3_000)
    return {"id": f"plant-{dice.randrange(IDS)}", "n": n, "v": dice.randrange(1000), "ROWTIME": START_MS + n * 100 - late}


def plant(m: int) -> dict[str, Any]:
    """The mth change of a plant: a name, or none, which deletes it."""
    dice = random.Random(-m - 1)
    row: dict[str, Any] = {"id": f"plant-{dice.randrange(IDS)}", "ROWTIME": START_MS + m}
    return row if dice.random() < 0.2 else row | {"name": f"name-{m}"}


def opened(folder: str) -> penstock.Database:
    """The database with its pipeline, whatever of it was there already."""
    db = penstock.connect(folder)
    if db.log.topic("plants") is None:
        db.log.create_topic("plants", PARTITIONS)  # not compacted, so that a change stays to be compared with
    db.execute(SQL)
    return db


def produce(folder: str, acknowledge: int) -> None:
    """Append readings and plants for ever, from where the log ends. What `insert` has returned for is told to whoever survives."""
    db = opened(folder)
    n, m = (sum(db.log.end_offset(topic, p) for p in range(PARTITIONS)) for topic in ("readings", "plants"))
    while True:
        size = random.Random(n).choice((1, 3, 20, 100))
        db.insert("readings", [reading(i) for i in range(n, n + size)])
        n += size
        os.write(acknowledge, b"%d\n" % n)
        if random.Random(n).random() < 0.5:
            db.insert("plants", [plant(m)])
            m += 1


def forked(work: Any, *arguments: Any) -> int:
    """Do something in a child process; its id."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    with contextlib.suppress(BaseException):
        try:
            work(*arguments)
            status = 0
        except BaseException:
            traceback.print_exc()
            raise
    os._exit(status)


def run(folder: str, seconds: float) -> str:
    """A child's life and its end."""
    told, acknowledge = os.pipe()
    pid = forked(produce, folder, acknowledge)
    os.close(acknowledge)
    time.sleep(seconds)  # the moment of the kill is the experiment
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    with os.fdopen(told) as lines:
        acknowledged = [int(line) for line in lines]
    if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
        return f"failed: ended by itself with status {status}"
    return str(acknowledged[-1] if acknowledged else 0)


def finish(folder: str) -> None:
    """Process all that is waiting, and close."""
    with opened(folder) as db:
        if not db.wait_idle(60):
            raise TimeoutError([(name, running.error) for name, running in db.runtime.queries.items()])
        failed = [running.error for running in db.runtime.queries.values() if running.error]
        if failed:
            raise RuntimeError(failed)


def main() -> None:
    """Answer commands until standard input ends."""
    folder = sys.argv[1]
    if "merging" in sys.argv[2:]:
        vars(penstock.engine.table).update(MERGING)
    list(parse(SQL, {}))  # so that no child need load the grammar
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        if command == "run":
            answer = run(folder, float(argument))
        else:
            _, status = os.waitpid(forked(finish, folder), 0)
            answer = "done" if status == 0 else f"failed: status {status}"
        print(answer, flush=True)


if __name__ == "__main__":
    main()
