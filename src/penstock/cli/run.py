"""`penstock run`."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Annotated

import typer

import penstock
from penstock.cli.beginning import begin, configurations
from penstock.cli.options import DEFAULT_FOLDER, ConfigFile, Connectors, Data, Define, Functions, opened
from penstock.cli.output import Output, write
from penstock.cli.query import follow
from penstock.cli.statements import nature_of
from penstock.cli.stopping import stop_event

STATUS_S = 1.0


def run(
    file: Annotated[Path, typer.Argument(metavar="FILE.sql", help="The statements.", exists=True, dir_okay=False, readable=True)],
    data: Data = DEFAULT_FOLDER,
    functions: Functions = None,
    define: Define = None,
    config_file: ConfigFile = None,
    connector: Connectors = None,
) -> None:
    """Run the statements of a file, then keep its queries and connectors running until Ctrl-C.

    Connectors of --connector are made where there are none of their names; else they go on, with a changed configuration anew from where they
    were. Sources start before the statements, sinks after them.

    On a folder where the statements ran before, write CREATE ... IF NOT EXISTS, or start with an empty file: queries go on where they were.

    \b
    Example:
      penstock run pipeline.sql --data plants
    """
    found = configurations(connector or [])
    with stop_event() as stop, opened(data, functions, define, config_file) as db:
        begin(db, found, file, lambda statement: _run(db, statement, file), stop.is_set)
        if not stop.is_set():
            _watch(db, stop)


def _run(db: penstock.Database, statement: str, file: Path) -> None:
    if nature_of(statement, dict(db.variables)) == "rows that go on":
        follow(db, statement, Output.table)
        return
    execute(db, statement, file)


def execute(db: penstock.Database, statement: str, file: Path) -> None:
    """Run a statement of a file, and print what it answers."""
    with db.script(file):
        results = db.execute(statement)
    for result in results:
        if result.columns:
            write(result.columns, result.rows, Output.table)
        elif result.message:
            print(result.message, flush=True)


def _watch(db: penstock.Database, stop: threading.Event) -> None:
    """Wait for the stop; on a terminal with a line that shows how many records there are and how fast more come."""
    print("Running; Ctrl-C ends.", flush=True)
    if not sys.stdout.isatty():
        stop.wait()
        return
    from rich.console import Console

    console = Console()
    before, at = _records(db), time.monotonic()
    with console.status("") as status:
        while not stop.wait(STATUS_S):
            now, time_now = _records(db), time.monotonic()
            status.update(f"{now:,} records, {(now - before) / (time_now - at):,.0f} a second")
            before, at = now, time_now


def _records(db: penstock.Database) -> int:
    """The records appended to all topics so far."""
    return sum(db.log.end_offset(topic.name, partition) for topic in db.log.topics() if not topic.internal for partition in range(topic.partitions))
