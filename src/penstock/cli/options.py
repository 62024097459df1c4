"""The options that several commands have, defined once, and the database that they open."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import penstock
from penstock.errors import Error
from penstock.sql.variables import NAME

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
Define = Annotated[
    list[str] | None,
    typer.Option("--define", metavar="NAME=VALUE", help="A variable: `${NAME}` in the statements stands for the value; may be given several times."),
]
ConfigFile = Annotated[
    str | None,
    typer.Option("--config-file", metavar="FILE.properties", help="Settings for the session, one to a line: `auto.offset.reset=latest`."),
]


def opened(
    data: str, functions: str | None = None, define: list[str] | None = None, config_file: str | None = None, *, read_only: bool = False
) -> penstock.Database:
    """The database of a command, with the session's variables and settings. Raises penstock.Error."""
    variables = dict(variable(given) for given in define or [])
    properties = dict(pair for line in lines(config_file) if (pair := setting(line)) is not None) if config_file else {}
    db = penstock.connect(data, functions=functions, properties=properties, read_only=read_only)
    for name, value in variables.items():
        db.define(name, value)
    return db


def variable(given: str) -> tuple[str, str]:
    """NAME=VALUE."""
    name, equals, value = given.partition("=")
    if not equals or not NAME.fullmatch(name):
        raise Error(f"--define takes NAME=VALUE, but got {given!r}.", mend="A name has letters, digits and _, and begins with no digit.")
    return name, value


def lines(config_file: str) -> list[str]:
    """A file's lines."""
    try:
        return Path(config_file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Error(f"The file of settings {config_file} cannot be read: {error}.") from error


def setting(line: str) -> tuple[str, str] | None:
    """A line of a file of settings: name and value, None of an empty one or a comment."""
    name, equals, value = line.partition("=")
    if not line.strip() or line.lstrip().startswith(("#", "!")):
        return None
    if not equals:
        raise Error(f"{line.strip()!r} is no setting.", mend="Write NAME=VALUE.")
    return name.strip(), value.strip()
