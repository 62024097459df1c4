"""Run as a process: a sink with the options of the JSON object argv[2] on the folder argv[1], whose topics hold the rows of `json_records`, until
killed or, with a third argument, until done."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

from tests.connect.json_records import runtime_over

from penstock.log import open_log


def main() -> None:
    log = open_log(sys.argv[1])
    properties = json.loads(sys.argv[2])
    runtime = runtime_over(log, file_folders=[Path(sys.argv[1]).parent])
    runtime.start("SINK", "sink", properties)
    if len(sys.argv) > 3:
        assert runtime.wait_idle(60), runtime.statuses()
        runtime.close()
        log.close()
    else:
        threading.Event().wait()


if __name__ == "__main__":
    main()
