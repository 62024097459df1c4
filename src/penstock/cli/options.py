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
    properties = settings_of(config_file) if config_file else {}
    db = penstock.connect(data, functions=functions, properties=properties, read_only=read_only)
    for name, value in variables.items():
        db.define(name, value)
    return db


def pair(given: str, where: str) -> tuple[str, str]:
    """NAME=VALUE, as it was given to `where`. Raises Error."""
    name, equals, value = given.partition("=")
    if not equals:
        raise Error(f"{where} takes NAME=VALUE, but got {given!r}.")
    return name, value


def variable(given: str) -> tuple[str, str]:
    """What --define gives: the name of a variable, and its value as it stands. Raises Error."""
    name, value = pair(given, "--define")
    if not NAME.fullmatch(name):
        raise Error(f"--define takes NAME=VALUE, but got {given!r}.", mend="A name has letters, digits and _, and begins with no digit.")
    return name, value


def setting_of(given: str, where: str) -> tuple[str, str]:
    """A setting's name and value, without the spaces around them. Raises Error."""
    name, value = pair(given.strip(), where)
    return name.strip(), value.strip()


def settings_of(config_file: str) -> dict[str, str]:
    """The settings of a file, one to a line. Raises Error."""
    try:
        lines = Path(config_file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Error(f"The file of settings {config_file} cannot be read: {error}.") from error
    return dict(setting_of(line, config_file) for line in lines if line.strip() and not line.lstrip().startswith(("#", "!")))
