"""What `penstock run` and `penstock server` begin with: connectors of JSON files, and the statements of a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import penstock
from penstock.cli.statements import split
from penstock.connect import config_files
from penstock.connect.config_files import ConfigFile
from penstock.connect.runtime import kind_of
from penstock.errors import Error, Position


def configurations(paths: Sequence[Path]) -> list[ConfigFile]:
    """The connectors' configurations in files, and in folders of them. Raises ConfigError that names the file."""
    return [found for path in paths for found in config_files.read(path)]


def begin(
    db: penstock.Database,
    connectors: Sequence[ConfigFile],
    file: Path | None,
    execute: Callable[[str], None],
    stopped: Callable[[], bool],
) -> None:
    """Start the source connectors, run the statements of a file by `execute`, each until `stopped`, and start the sinks. Raises Error that names the
    file and the place in it."""
    _connect(db, connectors, "SOURCE")
    for statement, start in split(_read(file)) if file else ():
        if stopped():
            return
        try:
            execute(statement)
        except Error as error:
            raise Error(f"{file}: {moved(error, start)}") from error
    _connect(db, connectors, "SINK")


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise Error(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise Error(f"{file} is no text in UTF-8.") from error


def _connect(db: penstock.Database, connectors: Sequence[ConfigFile], kind: str) -> None:
    """See to it that the connectors of a kind run."""
    for found in connectors:
        try:
            if kind_of(found.config) == kind:
                with db.script(found.path):
                    print(db.create_connector(found.name, found.config), flush=True)
        except Error as error:
            raise Error(f"{found.path}: {error}") from error


def moved(error: Error, start: Position) -> Error:
    """The error of a statement that stands at `start` in a text, with its place in that text."""
    if error.position is not None:
        line, column = error.position.line, error.position.column
        error.position = Position(start.line + line - 1, column + (start.column - 1 if line == 1 else 0))
    return error
