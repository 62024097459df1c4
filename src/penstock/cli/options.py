"""The options that several commands have, defined once."""

from __future__ import annotations

from typing import Annotated

import typer

DEFAULT_FOLDER = "penstock-data"

Data = Annotated[
    str,
    typer.Option("--data", envvar="PENSTOCK_DATA", metavar="FOLDER", help="The database's folder; `:memory:` is one that ends with the command."),
]
Functions = Annotated[
    str | None, typer.Option("--functions", metavar="FILE.py", help="A Python file with functions for SQL.")
]
