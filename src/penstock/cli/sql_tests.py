"""`penstock test`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from penstock.cli.options import Functions
from penstock.errors import Error

PROPERTIES = {"cache.max.bytes.buffering": "0", "auto.offset.reset": "earliest"}
"""Every change of a table is a record to be asserted."""
DIRECTIVE = re.compile(r"^[ \t]*--[ \t]*@(test|expected\.error|expected\.message):[ \t]*(.*?)[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class Case:
    """One test of a file: its statements, at their places in the file; `fails` says that one of them must fail, `message` in what words."""

    file: Path
    name: str
    sql: str
    fails: bool
    message: str | None


def run_tests(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A file of tests, or a folder with such files (*.sql).", exists=True, readable=True)],
    functions: Functions = None,
) -> None:
    """Run tests written in SQL, each in a database of its own that ends with it.

    A file holds one test or several, each begun by a line `--@test: NAME`. Statements make streams, tables and queries, INSERT INTO brings records,
    which are processed one by one, and ASSERT VALUES, ASSERT NULL VALUES, ASSERT STREAM and ASSERT TABLE say what must come of it. With a line
    `--@expected.error:`, or `--@expected.message: TEXT`, a statement must fail, with that text in the message.

    \b
    Example:
      penstock test tests/sql
    """
    files = sorted(path.rglob("*.sql")) if path.is_dir() else [path]
    found = [case for file in files for case in cases(file)]
    if not found:
        raise Error(f"There is no test in {path}.", mend="A test begins with a line: --@test: NAME")
    failed = 0
    for case in found:
        problem = outcome(case, functions)
        failed += problem is not None
        print(f"{'passed' if problem is None else 'failed'}  {case.file}: {case.name}", flush=True)
        if problem is not None:
            print(f"        {problem}", flush=True)
    print(f"{len(found)} test{'' if len(found) == 1 else 's'}, {failed} failed")
    if failed:
        raise typer.Exit(1)


def cases(file: Path) -> Iterator[Case]:
    """The tests of a file. What stands before the first one belongs to none."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Error(f"The file {file} cannot be read: {error}.") from error
    directives = list(DIRECTIVE.finditer(text))
    starts = [d for d in directives if d[1] == "test"]
    for begin, end in zip(starts, [*(after.start() for after in starts[1:]), len(text)], strict=False):
        own = {d[1]: d[2] for d in directives if begin.start() < d.start() < end}
        above = "\n" * text.count("\n", 0, begin.start())  # so that errors name the file's lines
        yield Case(file, begin[2], above + text[begin.start() : end], any(name.startswith("expected") for name in own), own.get("expected.message"))


def outcome(case: Case, functions: str | None) -> str | None:
    """Run a test; what is wrong, or None."""
    from penstock.database import Database

    with Database(":memory:", functions=functions, properties=PROPERTIES, threads=False, spread=False) as db:
        try:
            for _ in db.execute_each(case.sql):
                db.wait_idle()
        except Error as error:
            if not case.fails:
                return str(error)
            return None if case.message is None or case.message in str(error) else f"The error is not as expected, {case.message!r}: {error}"
    return "No statement failed, but an error is expected." if case.fails else None
