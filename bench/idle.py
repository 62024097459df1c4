"""What an idle `penstock run` with the houseplants' queries costs, and `import penstock`: `python -m bench.idle`. Linux only."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.queries import Q1C, READINGS

SECONDS = 10.0


def cpu_seconds(pid: int) -> float:
    """The CPU time that a process has used, s."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """The memory of a process that is resident, MB."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def import_ms() -> float:
    """Median of five, less what the bare interpreter takes."""

    def run(code: str) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return (time.perf_counter() - began) * 1000

    return statistics.median(run("import penstock") for _ in range(5)) - statistics.median(run("pass") for _ in range(5))


def main() -> None:
    """Print memory and CPU use of an idle `penstock run`, and the time of the import, as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "pipeline.sql"
        partitions = READINGS.replace("value_format='JSON')", "value_format='JSON', partitions=1)")
        rows = "INSERT INTO houseplant_metadata (id, plant_id, given_name, moisture_low) VALUES ('1', 1, 'Crouton', 30);"
        rows += "INSERT INTO houseplant_readings (id, plant_id, moisture, temperature) VALUES ('1', 1, 10.0, 20.0);"
        script.write_text(partitions + Q1C + rows)
        process = subprocess.Popen(
            [sys.executable, "-m", "penstock", "run", str(script), "--data", str(Path(folder) / "data")],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            time.sleep(5)  # nothing to wait for: it is at rest that we want it
            began = cpu_seconds(process.pid)
            time.sleep(SECONDS)
            used = (cpu_seconds(process.pid) - began) / SECONDS * 100
            result = {"rss_mb": round(resident_mb(process.pid)), "core_percent": round(used, 2), "import_ms": round(import_ms())}
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(10)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
