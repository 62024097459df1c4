"""Run as a process: deliver the topic `alerts` of the folder argv[1] to the address argv[2], until killed or, with a third argument, until done."""

from __future__ import annotations

import sys
import threading

from tests.connect.json_records import runtime_over

from penstock.log import open_log


def main() -> None:
    log = open_log(sys.argv[1])
    runtime = runtime_over(log)
    properties = {
        "connector.class": "HttpSink",
        "topics": "alerts",
        "http.api.url": sys.argv[2],
        "body.template": "{N}",
        "batch.max.size": "5",
        "retry.backoff.ms": "1",
        "tasks.max": "2",
    }
    runtime.start("SINK", "pager", properties)
    if len(sys.argv) > 3:
        assert runtime.wait_idle(30), runtime.statuses()
        runtime.close()
        log.close()
    else:
        threading.Event().wait()


if __name__ == "__main__":
    main()
