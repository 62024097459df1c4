"""Measure the queries beside DuckDB, each in a process of its own, one thread each: `python -m bench [--events N] [--only Q1,Q2]`.

What a query needs is imported before its time is taken (load_ms in the results), as DuckDB is. For each query the events go into topics first.
Then Penstock runs the streaming query from the log to committed output in a folder on disk, and DuckDB a batch query over the same events from
memory; the answers must be equal. Of three such runs the one whose ratio lies in the middle counts, since a machine may have others to work for;
`cpu_ratio` in the results compares processor time. `keys` compares an event's cost at 1,000,000 keys with that at 10,000, and `growth` its cost
with ten times the state.
Writes bench/results.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results.json"
RUNS = 3
TURNS = 5
THREADS = dict.fromkeys(("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "ARROW_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def child(*arguments: str) -> dict[str, Any]:
    """Run a part of the benchmark by itself; its last line is its result."""
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, env=os.environ | THREADS, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} failed (exit {done.returncode}).")
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def middle(name: str, events: int, runs: int) -> dict[str, Any]:
    """A query's figures: of so many runs those of the one whose ratio lies in the middle, for neighbours take a part of the machine now and then; and
    all `ratios`."""
    found = sorted((child("bench.one", name, str(events)) for _ in range(runs)), key=lambda run: float(run["ratio"]))
    return found[len(found) // 2] | {"ratios": [run["ratio"] for run in found]}


def keys(events: int) -> dict[str, Any]:
    """How many times what an event costs at 10,000 keys it costs at 1,000,000. The two are run by turns: a machine is not as quick at all times."""
    runs = [(child("bench.one", "Q3s", str(events)), child("bench.one", "Q3", str(events))) for _ in range(TURNS)]
    few, many = zip(*runs, strict=True)

    def median(of: Sequence[dict[str, Any]], figure: Callable[[dict[str, Any]], float]) -> float:
        return statistics.median(map(figure, of))

    def us(run: dict[str, Any]) -> float:
        return 1e6 / float(run["events_per_s"])

    def cpu_us(run: dict[str, Any]) -> float:
        return float(run["cpu_us_per_event"])

    return {
        "us_10k": round(median(few, us), 3),
        "us_1m": round(median(many, us), 3),
        "times": round(median(many, us) / median(few, us), 2),
        "cpu_times": round(median(many, cpu_us) / median(few, cpu_us), 2),
    }


def main() -> None:
    """Run what is asked for, one process each, and write the results."""
    from bench.queries import BENCHES

    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--only", default=",".join([*BENCHES, "keys", "growth", "latency", "idle"]), help="names, with commas between them")
    parser.add_argument("--runs", type=int, default=RUNS, help="how often each query is run; the run with the middle ratio counts")
    options = parser.parse_args()
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results["events"] = options.events
    wanted = options.only.split(",")
    print(f"{'query':6} {'Penstock':>12} {'DuckDB':>12} {'ratio':>7} {'least':>7} {'most':>7} {'at least':>9} {'peak MB':>8}")
    for name in wanted:
        if name in BENCHES:
            result = results[name] = middle(name, options.events, options.runs)
            print(
                f"{name:6} {result['events_per_s']:>10,.0f}/s {result['duckdb_events_per_s']:>10,.0f}/s {result['ratio']:>7.3f} "
                f"{result['ratios'][0]:>7.3f} {result['ratios'][-1]:>7.3f} {BENCHES[name].at_least:>9} {result['peak_mb']:>8,.0f}",
                flush=True,
            )
        elif name == "keys":
            results["keys"] = keys(options.events)
            print(
                f"Q3: an event with 1,000,000 keys costs {results['keys']['times']} times one with 10,000 (at most 2), in processor time "
                f"{results['keys']['cpu_times']} times: the medians of {TURNS} runs by turns",
                flush=True,
            )
        elif name == "growth":
            results["growth"] = child("bench.growth")
            for query, costs in results["growth"].items():
                print(f"{query}: with ten times the state an event costs {costs['times']} times as much", flush=True)
        elif name == "latency":
            results["latency_ms"] = child("bench.latency")
            print(f"latency of an event through two queries, ms: {results['latency_ms']}", flush=True)
        elif name == "idle":
            results["idle"] = child("bench.idle")
            print(f"an idle process: {results['idle']}", flush=True)
        else:
            sys.exit(f"There is no benchmark {name}: there are {', '.join(BENCHES)}, keys, growth, latency, idle.")
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
