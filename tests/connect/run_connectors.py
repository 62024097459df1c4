"""Run as a process: the connectors of the JSON object argv[2] ({name: [kind, properties]}) on the folder argv[1]. At each change of the log it prints
how many records each topic holds, until killed; or, where argv[3] is {topic: count}, until it holds so many and the sinks have delivered all."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.connect.json_records import runtime_over

from penstock.log import open_log


def main() -> None:
    log = open_log(sys.argv[1])
    runtime = runtime_over(log, restart_ms=50, restart_ms_max=200, file_folders=[Path(sys.argv[1]).parent])
    for name, (kind, properties) in json.loads(sys.argv[2]).items():
        runtime.start(kind, name, properties)
    wanted = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {"": 1}
    version, held = -1, dict[str, int]()
    while any(held.get(topic, 0) < count for topic, count in wanted.items()):
        version = log.watch(version, 1)
        held = {info.name: log.end_offset(info.name, 0) for info in log.topics()}
        print(json.dumps(held), flush=True)
    assert runtime.wait_idle(60), runtime.statuses()
    runtime.close()
    log.close()


if __name__ == "__main__":
    main()
