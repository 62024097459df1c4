"""Run as a process: open the folder argv[1], create the connectors of the statements argv[2] where there are none, and run them until killed or,
with a third argument, until they have nothing more to do."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import penstock


def main() -> None:
    beside = str(Path(sys.argv[1]).parent)  # where tests keep SQLite's files
    with penstock.connect(sys.argv[1], properties={"connector.file.allowed.paths": beside}) as db:
        if not db.connectors.statuses():
            db.execute(sys.argv[2])
        if len(sys.argv) == 3:
            threading.Event().wait()
        assert db.connectors.wait_idle(100), db.connectors.statuses()


if __name__ == "__main__":
    main()
