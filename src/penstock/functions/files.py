"""Functions from a user's Python file."""

from __future__ import annotations

import os
import runpy
import sys
import traceback
from pathlib import Path

from penstock.errors import Error
from penstock.functions.define import FUNCTIONS


def load(path: str | Path) -> None:
    """Run a Python file that defines functions with `@penstock.udf` and its like. It may import the modules beside it, at once or when a function
    is called. Raises Error, with the file and line, for what goes wrong in it or in one of those."""
    try:
        Path(path).read_bytes()
    except OSError as error:
        raise Error(f"The file of functions {path} cannot be read: {error.strerror}.") from error
    _look_in(Path(path).resolve().parent)
    before = _own()
    try:
        runpy.run_path(str(path))
    except (Exception, SystemExit) as error:
        where = _place(error, Path(path))
        if isinstance(error, Error):
            raise Error(f"The file of functions {path}{where}: {error}") from error
        said = error.msg if isinstance(error, SyntaxError) else error
        raise Error(f"The file of functions {path}{where}: {type(error).__name__}: {said}.", mend="Mend it and start again.") from error
    if _own() == before:
        raise Error(f"The file of functions {path} defines none.", mend="Put @penstock.udf, @penstock.udaf or @penstock.udtf before them.")


def _own() -> dict[str, int]:
    """The functions that are not built in."""
    return {name: id(function) for name, function in FUNCTIONS.items() if not function.builtin}


def _look_in(folder: Path) -> None:
    """Let Python find the modules of a folder, for good: a function may import as it is called. It looks there last, so that a file beside the
    user's takes the place of no module that this process has from elsewhere."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _place(error: BaseException, path: Path) -> str:
    """Where in the user's files an error comes from: `, line 3`, or for a module beside the file `, helpers.py, line 3`."""
    own = os.path.realpath(path)
    places = [(os.path.realpath(frame.filename), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        places.append((os.path.realpath(error.filename), error.lineno))
    beside = os.path.dirname(own) + os.sep
    mine = [(file, line) for file, line in places if file == own or (file.startswith(beside) and "site-packages" not in file)]
    if not mine:
        return ""
    file, line = mine[-1]
    return f"{'' if file == own else f', {os.path.relpath(file, beside)}'}, line {line}"
