"""How long an event takes through the two queries of the houseplants, one at a time: `python -m bench.latency`."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import penstock
from bench import events
from bench.queries import Q1C, READINGS
from penstock.log.protocol import Append

EVENTS = 200
# every event shows in the second query's topic: no EMIT FINAL, and every plant is dry
STATEMENTS = Q1C.replace("HAVING COUNT(*) > 120\nEMIT FINAL", "EMIT CHANGES")


def main() -> None:
    """Print the median and the 99th percentile (ms) from an insert to the second query's output, as JSON."""
    took = []
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as folder, penstock.connect(folder) as db:
        db.log.create_topic("houseplant-metadata")
        db.log.create_topic("houseplant-readings")
        db.log.append(Append("houseplant-metadata", 0, events.plants()))
        db.execute("SET 'auto.offset.reset' = 'earliest';" + READINGS + STATEMENTS)
        db.wait_idle(30)
        for number in range(EVENTS + 5):
            end, version = db.log.end_offset("houseplant-low-readings", 0), db.log.version()
            reading = {"id": str(number % 1000 + 1), "plant_id": number, "moisture": 1.0, "temperature": 20.0, "ROWTIME": events.START_MS + number}
            began = time.perf_counter()
            db.insert("houseplant_readings", [reading])
            while db.log.end_offset("houseplant-low-readings", 0) == end:
                version = db.log.watch(version, 5)
                if time.perf_counter() - began > 10:
                    sys.exit("An event did not come through within 10 s: " + str([r.error for r in db.runtime.queries.values()]))
            took.append((time.perf_counter() - began) * 1000)
            db.wait_idle(5)
    took = sorted(took[5:])  # the first ones load what is loaded once
    print(json.dumps({"p50": round(statistics.median(took), 1), "p99": round(took[int(len(took) * 0.99)], 1)}))


if __name__ == "__main__":
    main()
