"""`penstock run`."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Annotated

import typer

import penstock
from penstock.cli.options import DEFAULT_FOLDER, Data, Functions
from penstock.cli.output import Output, write
from penstock.cli.query import follow
from penstock.cli.statements import nature_of, split
from penstock.cli.stopping import stop_event
from penstock.connect import config_files
from penstock.connect.runtime import kind_of
from penstock.errors import Error, Position

STATUS_S = 1.0


def run(
    file: Annotated[Path, typer.Argument(metavar="FILE.sql", help="The statements.", exists=True, dir_okay=False, readable=True)],
    data: Data = DEFAULT_FOLDER,
    functions: Functions = None,
    connector: Annotated[
        list[Path] | None,
        typer.Option("--connector", metavar="FILE.json", help="A connector's configuration, or a folder of them; may be given several times."),
    ] = None,
) -> None:
    """Run the statements of a file, then keep its queries and connectors running until Ctrl-C.

    Connectors of --connector are made where there are none of their names; else they go on, with a changed configuration anew from where they
    were. Sources start before the statements, sinks after them.

    On a folder where the statements ran before, write CREATE ... IF NOT EXISTS, or start with an empty file: queries go on where they were.

    \b
    Example:
      penstock run pipeline.sql --data plants
    """
    configurations = [found for path in connector or [] for found in config_files.read(path)]
    with stop_event() as stop, penstock.connect(data, functions=functions) as db:
        _connect(db, configurations, "SOURCE")
        for statement, start in split(file.read_text(encoding="utf-8")):
            if stop.is_set():
                return
            try:
                _run(db, statement, file)
            except Error as error:
                raise Error(f"{file}: {moved(error, start)}") from error
        _connect(db, configurations, "SINK")
        _watch(db, stop)


def _connect(db: penstock.Database, configurations: list[config_files.ConfigFile], kind: str) -> None:
    """See to it that the connectors of a kind run."""
    for found in configurations:
        try:
            if kind_of(found.config) == kind:
                with db.script(found.path):
                    print(db.create_connector(found.name, found.config), flush=True)
        except Error as error:
            raise Error(f"{found.path}: {error}") from error


def _run(db: penstock.Database, statement: str, file: Path) -> None:
    if nature_of(statement) == "rows that go on":
        follow(db, statement, Output.table)
        return
    with db.script(file):
        results = db.execute(statement)
    for result in results:
        if result.columns:
            write(result.columns, result.rows, Output.table)
        elif result.message:
            print(result.message, flush=True)


def moved(error: Error, start: Position) -> Error:
    """The error of a statement that stands at `start` in a text, with its place in that text."""
    if error.position is not None:
        line, column = error.position.line, error.position.column
        error.position = Position(start.line + line - 1, column + (start.column - 1 if line == 1 else 0))
    return error


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
