"""The options that several commands have, defined once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_FOLDER = "penstock-data"

Data = Annotated[
    str,
    typer.Option("--data", envvar="PENSTOCK_DATA", metavar="FOLDER", help="The database's folder; `:memory:` is one that ends with the command."),
]
Functions = Annotated[str | None, typer.Option("--functions", metavar="FILE.py", help="A Python file with functions for SQL.")]
Connectors = Annotated[
    list[Path] | None,
    typer.Option("--connector", metavar="FILE.json", help="A connector's configuration, or a folder of them; may be given several times."),
]
