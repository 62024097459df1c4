"""Connectors in a process of their own (`run_connectors`), which is killed when it has done some of its work, and at last may finish."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from penstock.log import open_log

ROOT = Path(__file__).parents[2]
LIMIT_S = 120


class Killed:
    """Connectors, {name: [kind, properties]}, on the log in `folder`."""

    def __init__(self, folder: Path, connectors: Mapping[str, Sequence[Any]]) -> None:
        self._command = [sys.executable, "-m", "tests.connect.run_connectors", str(folder), json.dumps(connectors)]
        self._environment = os.environ | {"PYTHONPATH": str(ROOT)}

    def kill_after(self, changes: int, topic: str, before: Callable[[], object] = lambda: None) -> None:
        """Run until the log has changed so many times and the topic holds a record; then `before`, and SIGKILL."""
        with subprocess.Popen(self._command, cwd=ROOT, env=self._environment, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            limit = threading.Timer(LIMIT_S, process.kill)
            limit.start()
            arrived = 0
            while changes > 0 or not arrived:
                line = process.stdout.readline()
                assert line, f"The process ended, or did not bring {topic} within {LIMIT_S} s."
                arrived, changes = json.loads(line).get(topic, 0), changes - 1
            before()
            process.send_signal(signal.SIGKILL)
            limit.cancel()

    def finish(self, wanted: Mapping[str, int]) -> None:
        """Run until each topic holds so many records, and the connectors have nothing more to do."""
        subprocess.run(
            [*self._command, json.dumps(wanted)], cwd=ROOT, env=self._environment, check=True, timeout=LIMIT_S, stdout=subprocess.DEVNULL
        )


def records(folder: Path, topic: str) -> list[tuple[bytes | None, bytes | None]]:
    """Key and value of all records of a topic."""
    log = open_log(folder)
    try:
        found: list[tuple[bytes | None, bytes | None]] = []
        while len(found) < log.end_offset(topic, 0):
            batch = log.read(topic, 0, len(found), max_records=10_000)
            found += zip(batch["key"].to_pylist(), batch["value"].to_pylist(), strict=True)
        return found
    finally:
        log.close()
