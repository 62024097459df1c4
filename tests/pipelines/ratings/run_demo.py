"""Run as a process: the demo on the folder argv[1] with a database of the kind argv[2], fast, until so many (argv[3]) unhappy customers showed."""

from __future__ import annotations

import dataclasses
import sys
import threading

from pipelines.ratings import demo
from pipelines.ratings.config import load

import penstock


def main() -> None:
    config = dataclasses.replace(load(), kind=sys.argv[2], per_second=50, change_every_s=0.1, notify="auto")
    with penstock.connect(sys.argv[1], start_connectors=not demo.CONNECTORS_WAIT) as db:
        demo.run(db, speed=1, seed=3, stop=threading.Event(), alerts_max=int(sys.argv[3]), config=config)


if __name__ == "__main__":
    main()
