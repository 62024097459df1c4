"""docs/commands.md, from the commands themselves."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import typer


def pages() -> Iterator[tuple[str, str]]:
    """(path below docs/, text) of the commands' page."""
    from penstock.cli.main import app

    lines = ["# Commands", "", "Errors are one line on stderr; the exit code is then 1, or 2 for a command that was written wrongly.", ""]
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        lines += _command(name, command)
    yield "commands.md", "\n".join(lines)


def _command(name: str, command: Any) -> list[str]:
    text, _, example = inspect.cleandoc(command.help).partition("\b\nExample:")
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    options = [parameter for parameter in command.params if parameter.param_type_name == "option" and parameter.name != "help"]
    usage = " ".join(["penstock", name, *(["[OPTIONS]"] if options else []), *(argument.metavar for argument in arguments)])
    lines = [f"## penstock {name}", "", f"`{usage}`", "", text.strip(), "", "```sh", example.strip(), "```", ""]
    rows = [f"| `{argument.metavar}` | {argument.help} |" for argument in arguments] + [_option(option) for option in options]
    return [*lines, "| | |", "| --- | --- |", *rows, ""] if rows else lines


def _option(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    default = getattr(option.default, "value", option.default)
    shown = "" if default is None or default is False else f" Default: `{default}`."
    variable = f" Also by the environment variable `{option.envvar}`." if option.envvar else ""
    return f"| {names} | {option.help}{shown}{variable} |"
