"""Run as a process: bring argv[2] items of two parts into the folder argv[1], a line for each commit, until killed; or, with a third argument,
until done."""

from __future__ import annotations

import sys
import threading

from tests.connect.far_side import FarSide
from tests.connect.json_records import runtime_over

from penstock.connect import contract
from penstock.log import open_log


def main() -> None:
    far = FarSide()
    far.parts = {part: [f"{part}{n}" for n in range(int(sys.argv[2]))] for part in "ab"}
    contract.definitions = lambda: (far.definition(),)  # type: ignore[assignment]
    log = open_log(sys.argv[1])
    runtime = runtime_over(log)
    if len(sys.argv) < 4:
        far.on_commit = lambda: print("committed", flush=True)
    runtime.start("SOURCE", "world", {"connector.class": "FarSide", "tasks.max": "2"})
    if len(sys.argv) < 4:
        threading.Event().wait()
    assert runtime.wait_idle(60), runtime.statuses()
    runtime.close()
    log.close()


if __name__ == "__main__":
    main()
