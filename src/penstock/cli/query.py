"""`penstock query`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import penstock
from penstock.cli.options import DEFAULT_FOLDER, Data, Functions
from penstock.cli.output import Output, write, write_row
from penstock.cli.statements import nature_of, split
from penstock.sql import ast
from penstock.sql.parser import parse_one
from penstock.statements.following import TopicRows

WAIT_S = 60


def query(
    sql: Annotated[str, typer.Argument(metavar='"SQL"', help="One statement or several; `-` reads them from the input.")],
    data: Data = DEFAULT_FOLDER,
    functions: Functions = None,
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
    natures = [nature_of(statement) for statement in statements]
    changes = "change" in natures
    with penstock.connect(data, functions=functions, read_only=not changes and data != ":memory:") as db:
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


def follow(db: penstock.Database, statement: str, output: Output) -> int:
    """Print the rows of a push query or a PRINT as they come, until it ends or Ctrl-C; how many there were."""
    parsed = parse_one(statement)
    rows = TopicRows(db, parsed) if isinstance(parsed, ast.Print) else db.query(statement)
    count = 0
    try:
        for row in rows:
            write_row(rows.columns, row, output, header=count == 0)
            count += 1
    except KeyboardInterrupt:
        print()
    finally:
        rows.close()
    return count
