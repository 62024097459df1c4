"""What must not creep in: waiting on the way of an event, and work while there is nothing to do. The bounds are loose, the bench measures."""

from __future__ import annotations

import statistics
import time

import penstock

PIPELINE = """
CREATE STREAM s (id STRING KEY, n INT) WITH (kafka_topic='s', value_format='JSON', partitions=1);
CREATE STREAM large AS SELECT id, n FROM s WHERE n > 0;
CREATE TABLE counted AS SELECT id, COUNT(*) AS c FROM large GROUP BY id;
"""
LATENCY_MS_MAX = 250
IDLE_SHARE_MAX = 0.05


def test_an_event_passes_two_queries_at_once() -> None:
    with penstock.connect() as db:
        db.execute(PIPELINE)
        db.insert("s", [{"id": "a", "n": 1}])
        assert db.wait_idle(20)
        taken_ms = []
        for _ in range(15):
            end, version = db.log.end_offset("COUNTED", 0), db.log.version()
            began = time.perf_counter()
            db.insert("s", [{"id": "a", "n": 1}])
            while db.log.end_offset("COUNTED", 0) == end:
                assert time.perf_counter() - began < 20
                version = db.log.watch(version, 5)
            taken_ms.append((time.perf_counter() - began) * 1000)
        assert statistics.median(taken_ms) < LATENCY_MS_MAX, taken_ms


def test_an_idle_database_does_nothing() -> None:
    with penstock.connect() as db:
        db.execute(PIPELINE)
        db.insert("s", [{"id": "a", "n": 1}])
        assert db.wait_idle(20)
        began = time.process_time()
        time.sleep(1)  # it is rest that is measured
        used = time.process_time() - began
        assert used < IDLE_SHARE_MAX, f"{used:.3f} s of CPU in a second of rest"
