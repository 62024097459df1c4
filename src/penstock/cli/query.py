"""`penstock query`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import penstock
from penstock.cli.options import DEFAULT_FOLDER, ConfigFile, Data, Define, Functions, opened, variable
from penstock.cli.output import FITTED, Layout, Output, RowPrinter, write
from penstock.cli.statements import nature_of, parsed, split
from penstock.sql import ast
from penstock.statements.following import TopicRows

WAIT_S = 60


def query(
    sql: Annotated[str, typer.Argument(metavar='"SQL"', help="One statement or several; `-` reads them from the input.")],
    data: Data = DEFAULT_FOLDER,
    functions: Functions = None,
    define: Define = None,
    config_file: ConfigFile = None,
    output: Annotated[Output, typer.Option("--output", "-o", help="How rows are written.")] = Output.table,
) -> None:
    """Run SQL on a database and print what it answers.

    Questions can be asked while another command has the folder open; statements that change something cannot.
    A push query (EMIT CHANGES) prints rows as they come, until its LIMIT or Ctrl-C.

    \b
    Example:
      penstock query "SELECT given_name, low_reading_count FROM houseplant_low_readings;" --output csv
    """
    statements = [statement for statement, _ in split(sys.stdin.read() if sql == "-" else sql)]
    variables = {name.lower(): value for name, value in map(variable, define or [])}
    natures = [nature_of(statement, variables) for statement in statements]
    changes = "change" in natures
    with opened(data, functions, define, config_file, read_only=not changes and data != ":memory:") as db:
        for statement, nature in zip(statements, natures, strict=True):
            if nature == "rows that go on":
                follow(db, statement, output)
                continue
            for result in db.execute(statement):
                if result.columns:
                    write(result.columns, result.rows, output)
                elif result.message:
                    print(result.message, file=sys.stderr if output is not Output.table else sys.stdout)
        if changes:
            db.wait_idle(WAIT_S)


def follow(db: penstock.Database, statement: str, output: Output, layout: Layout = FITTED) -> int:
    """Print the rows of a push query or a PRINT as they come, until it ends or Ctrl-C; how many there were."""
    asked = parsed(statement, dict(db.variables))
    rows = TopicRows(db, asked) if isinstance(asked, ast.Print) else db.query(statement)
    printer = RowPrinter(rows.columns, output, layout=layout)
    try:
        for row in rows:
            printer.write(row)
    except KeyboardInterrupt:
        print()
    finally:
        rows.close()
    return printer.count
