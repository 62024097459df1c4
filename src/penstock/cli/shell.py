"""`penstock shell`."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import TYPE_CHECKING

import penstock
from penstock.cli.options import DEFAULT_FOLDER, Data, Functions
from penstock.cli.output import Output, write
from penstock.cli.query import follow
from penstock.cli.statements import nature_of, split
from penstock.errors import Error, StorageError

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

HELP = """\
A statement ends with a semicolon and may have several lines. Tab completes; Up goes back in the history; Ctrl-C ends a query's rows.
  SHOW STREAMS; SHOW TABLES; SHOW TOPICS; SHOW QUERIES;      what there is
  DESCRIBE name; EXPLAIN query_id;                           more about one
  SELECT ... FROM table;                                     what it holds now
  SELECT ... FROM stream EMIT CHANGES;                       rows as they come
  PRINT 'topic' FROM BEGINNING LIMIT 5;                      a topic's records
  SET 'auto.offset.reset' = 'earliest';                      start new queries at the first record
  RUN SCRIPT 'file.sql';                                     the statements of a file
  help, exit"""


def shell(data: Data = DEFAULT_FOLDER, functions: Functions = None) -> None:
    """Ask a database by hand: history, completion, tables, live rows of push queries until Ctrl-C.

    A folder that another command has open is opened for reading. Statements can also come from a pipe.

    \b
    Example:
      penstock shell --data plants
    """
    with _open(data, functions) as db:
        if not sys.stdin.isatty():
            _read_all(db)
            return
        print(f"Penstock {metadata.version('penstock')} on {data}. A statement ends with a semicolon; help helps, exit leaves.")
        _talk(db)


def _open(data: str, functions: str | None) -> penstock.Database:
    """Open for writing or, where another process writes, for reading; say which."""
    try:
        return penstock.connect(data, functions=functions)
    except StorageError as error:
        try:
            db = penstock.connect(data, functions=functions, read_only=True)
        except Error:
            raise error from None
        print("Another process writes to this database; opened for reading.", file=sys.stderr)
        return db


def _read_all(db: penstock.Database) -> None:
    """Run the statements of a pipe or file. Raises at the first mistake."""
    for statement, _ in split(sys.stdin.read()):
        execute(db, statement)


def execute(db: penstock.Database, statement: str) -> None:
    """Run one statement and print what it answers."""
    if nature_of(statement) == "rows that go on":
        if not follow(db, statement, Output.table):
            print("No rows.")
        return
    for result in db.execute(statement):
        if result.columns:
            count = write(result.columns, result.rows, Output.table)
            print(f"({count} row{'' if count == 1 else 's'})")
        elif result.message:
            print(result.message)


def _talk(db: penstock.Database) -> None:
    from penstock.cli.prompt import session

    prompt: PromptSession[str] = session(db)
    while True:
        try:
            text = prompt.prompt()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        word = text.strip().rstrip(";").lower()
        if word in ("exit", "quit"):
            return
        if word == "help":
            print(HELP)
            continue
        try:
            for statement, _ in split(text):
                execute(db, statement)
        except Error as error:
            print(" ".join(str(error).split()), file=sys.stderr)
        except KeyboardInterrupt:
            print()
