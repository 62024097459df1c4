"""The server: how soon it is ready, and how long a pull query by key, an inserted row and a push query's row take, over HTTP."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx

import penstock

KEYS = 10_000
REQUESTS = 500
STARTS = 5

SETUP = """
CREATE STREAM events (id STRING KEY, n INT) WITH (KAFKA_TOPIC = 'events', VALUE_FORMAT = 'JSON', PARTITIONS = 1);
CREATE TABLE counts AS SELECT id, COUNT(*) AS c, MAX(n) AS most FROM events GROUP BY id EMIT CHANGES;
"""


def start(folder: Path) -> tuple[subprocess.Popen[str], str, float, float]:
    """A server, its address, and how many seconds it took until it was ready, all in all and of the processor."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-m", "penstock", "server", "--data", str(folder), "--listen", "127.0.0.1:0"]
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    found = re.search(r"ksql (http://[\d.:]+)", process.stdout.readline())
    assert found
    seconds = time.perf_counter() - begun
    ticks = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return process, found[1].rstrip("."), seconds, sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def shown(times_s: list[float]) -> str:
    """Median and 99th percentile in ms."""
    ordered = sorted(times_s)
    return f"{statistics.median(ordered) * 1000:.1f} ms, 99 of 100 within {ordered[len(ordered) * 99 // 100] * 1000:.1f} ms"


def timed(call: Callable[[int], object]) -> list[float]:
    """How long each of some calls takes; the first tenth does not count."""
    taken = []
    for number in range(REQUESTS * 11 // 10):
        begun = time.perf_counter()
        call(number)
        taken.append(time.perf_counter() - begun)
    return taken[REQUESTS // 10 :]


def measure(url: str) -> None:
    """Requests one after the other, over one connection."""
    with penstock.connect(":memory:") as db:
        db.execute(SETUP)
        db.insert("events", [{"id": f"k{n}", "n": n} for n in range(KEYS)])
        assert db.wait_idle(60)
        print("pull query by key, from Python:", shown(timed(lambda n: db.query(f"SELECT * FROM counts WHERE id = 'k{n}';").fetchall())))
    for two in (False, True):
        name = "HTTP/2" if two else "HTTP/1.1"
        with httpx.Client(base_url=url, http1=not two, http2=two, timeout=30) as client:

            def pull(n: int, client: httpx.Client = client) -> None:
                answer = client.post("/query", json={"ksql": f"SELECT * FROM counts WHERE id = 'k{n}';"})
                assert len(answer.json()) == 2, answer.text

            print(f"pull query by key, {name}:", shown(timed(pull)))
            print(f"/info, {name}:", shown(timed(lambda n, client=client: client.get("/info").raise_for_status())))  # type: ignore[misc]
    with httpx.Client(base_url=url, timeout=30) as client, client.stream("POST", "/query-stream", json={"sql": PUSH}) as pushed:
        lines = pushed.iter_lines()
        next(lines)

        def push(n: int) -> None:
            client.post("/inserts-stream", content=f'{{"target": "events"}}\n{{"id": "pushed", "n": {n}}}')
            assert json.loads(next(lines)) == [n]

        print("inserted, acknowledged, and had from a push query:", shown(timed(push)))


PUSH = "SELECT n FROM events WHERE id = 'pushed' EMIT CHANGES;"


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "data"
        with penstock.connect(folder) as db:
            db.execute(SETUP)
            db.insert("events", [{"id": f"k{n}", "n": n} for n in range(KEYS)])
            assert db.wait_idle(60)
        taken = []
        for last in [*[False] * (STARTS - 1), True]:
            process, url, *seconds = start(folder)
            taken.append(seconds)
            if last:  # the first one compiles what has not been compiled yet
                print("ready after, s (of it the processor's):", ", ".join(f"{each:.2f} ({of:.2f})" for each, of in sorted(taken[1:])))
                measure(url)
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
