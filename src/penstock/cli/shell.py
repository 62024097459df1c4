"""`penstock shell`."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from importlib import metadata
from typing import TYPE_CHECKING

import penstock
from penstock.cli.options import DEFAULT_FOLDER, ConfigFile, Data, Define, Functions, opened
from penstock.cli.output import FITTED, Output, write
from penstock.cli.query import follow
from penstock.cli.spool import Spool
from penstock.cli.statements import nature_of, split
from penstock.errors import Error, StorageError
from penstock.sql import ast
from penstock.sql.parser import parse_one

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
  SPOOL 'file.log'; SPOOL OFF;                               write what is shown to a file too
Words of the shell:
  output table | json | csv                                  how rows are written
  set cli column-width 20                                    how wide a table's columns are; 0: as wide as what they hold
  set cli wrap off                                           cut long cells; on: show them over several lines
  history, clear, version, help, exit"""


WORD_LINE = re.compile(
    r"(\A\s*|;\s*\n\s*)(exit|quit|help|clear|version|history|output(?:[ \t]+\w+)?|set[ \t]+cli(?:[ \t]+[\w-]+){0,2})[ \t]*(?=\n|\Z)", re.IGNORECASE
)


def shell(data: Data = DEFAULT_FOLDER, functions: Functions = None, define: Define = None, config_file: ConfigFile = None) -> None:
    """Ask a database by hand: history, completion, tables, live rows of push queries until Ctrl-C.

    A folder that another command has open is opened for reading. Statements can also come from a pipe.

    \b
    Example:
      penstock shell --data plants
    """
    with _open(data, functions, define, config_file) as db:
        session = Session(db)
        try:
            if not sys.stdin.isatty():
                session.read(sys.stdin.read())
                return
            print(f"Penstock {metadata.version('penstock')} on {data}. A statement ends with a semicolon; help helps, exit leaves.")
            session.talk()
        finally:
            session.close()


def _open(data: str, functions: str | None, define: list[str] | None, config_file: str | None) -> penstock.Database:
    """Open for writing or, where another process writes, for reading; say which."""
    try:
        return opened(data, functions, define, config_file)
    except StorageError as error:
        try:
            db = opened(data, functions, define, config_file, read_only=True)
        except Error:
            raise error from None
        print("Another process writes to this database; opened for reading.", file=sys.stderr)
        return db


class Session:
    """What is typed, one statement or word after the other, and how its answers are shown."""

    def __init__(self, db: penstock.Database) -> None:
        self._db = db
        self._output = Output.table
        self._layout = FITTED
        self._spool = Spool()
        self._history: list[str] = []

    def read(self, text: str) -> None:
        """Run the statements of a pipe or file. Raises at the first mistake."""
        for piece, _ in split(ended(text)):
            if self.word(piece) == "exit":
                return

    def talk(self) -> None:
        """Ask for statements until somebody leaves; a mistake is told, and the next one asked for."""
        from penstock.cli.prompt import session

        prompt: PromptSession[str] = session(self._db)
        while True:
            try:
                text = prompt.prompt()
            except KeyboardInterrupt:
                continue
            except EOFError:
                return
            for piece, _ in split(ended(text)):
                try:
                    if self.word(piece) == "exit":
                        return
                except Error as error:
                    with self._spool.around(piece):
                        print(" ".join(str(error).split()), file=sys.stderr)
                    break
                except KeyboardInterrupt:
                    print()
                    break

    def close(self) -> None:
        """End the file that the session is written to."""
        self._spool.stop()

    def word(self, piece: str) -> str:
        """Run a statement, or do what a word of the shell asks for; the word, or an empty text."""
        match piece.lower().split():
            case ["exit" | "quit"]:
                return "exit"
            case ["help"]:
                print(HELP)
            case ["clear"]:
                print("\x1b[2J\x1b[H", end="", flush=True)
            case ["version"]:
                print(f"Penstock {metadata.version('penstock')}")
            case ["history"]:
                print("\n".join(self._history))
            case ["output"]:
                print(f"Rows are written as: {self._output}. There are: {', '.join(Output)}.")
            case ["output", form]:
                self._output = _output(form)
            case ["set", "cli", *setting]:
                self._set(setting)
            case _:
                self._history.append(f"{piece};")
                self.execute(piece)
                return ""
        return piece.lower()

    def _set(self, setting: list[str]) -> None:
        """What `set cli` asks for. Raises Error."""
        match setting:
            case ["column-width", width] if width.isdecimal():
                self._layout = replace(self._layout, column_width=int(width))
            case ["wrap", "on" | "off" as wrap]:
                self._layout = replace(self._layout, wrap=wrap == "on")
            case _:
                asked = " ".join(["SET CLI", *setting]).upper()
                raise Error(f"{asked} sets nothing.", mend="There are COLUMN-WIDTH n and WRAP ON | OFF.")

    def execute(self, statement: str) -> None:
        """Run one statement and print what it answers."""
        parsed = parse_one(statement) if statement.lower().startswith("spool") else None
        if isinstance(parsed, ast.Spool):
            print(self._spool.stop() if parsed.path is None else self._spool.start(parsed.path))
            return
        with self._spool.around(statement):
            self._answer(statement)

    def _answer(self, statement: str) -> None:
        if nature_of(statement, dict(self._db.variables)) == "rows that go on":
            if not follow(self._db, statement, self._output, self._layout) and self._output is Output.table:
                print("No rows.")
            return
        for result in self._db.execute(statement):
            if result.columns:
                count = write(result.columns, result.rows, self._output, layout=self._layout)
                if self._output is Output.table:
                    print(f"({count} row{'' if count == 1 else 's'})")
            elif result.message:
                print(result.message)


def ended(text: str) -> str:
    """The text with a semicolon behind each word of the shell that stands on a line of its own, where a statement could begin."""
    before = None
    while before != text:
        before, text = text, WORD_LINE.sub(r"\1\2;", text)
    return text


def _output(form: str) -> Output:
    """The output of a name; ksqlDB's name for a table is tabular."""
    known = {"tabular": "table"}.get(form, form)
    if known not in list(Output):
        raise Error(f"There is no output {form}.", mend=f"There are: {', '.join(Output)}.")
    return Output(known)
