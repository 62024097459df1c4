"""SPOOL: what the shell shows goes to a file too."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from penstock.errors import Error

PROMPT = "penstock> "


class Tee:
    """The terminal, and a file beside it."""

    def __init__(self, screen: Any, file: IO[str]) -> None:
        self._screen, self._file = screen, file

    def write(self, text: str) -> int:
        """Write to both."""
        self._file.write(text)
        return int(self._screen.write(text))

    def flush(self) -> None:
        """Let both show what was written."""
        self._file.flush()
        self._screen.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._screen, name)


class Spool:
    """The file that a session is written to, while there is one."""

    def __init__(self) -> None:
        self._file: IO[str] | None = None

    def start(self, path: str) -> str:
        """Write to a file from now on, behind what it holds. Raises Error; returns what to tell."""
        if self._file is not None:
            raise Error(f"The session is written to {self._file.name} already.", mend="SPOOL OFF ends that.")
        try:
            self._file = Path(path).open("a", encoding="utf-8")  # noqa: SIM115 - it stays open until SPOOL OFF
        except OSError as error:
            raise Error(f"The file {path} cannot be written: {error.strerror}.") from error
        return f"The session is written to {path} too."

    def stop(self) -> str:
        """Write no more; what to tell."""
        if self._file is None:
            return "The session is written to no file."
        name = self._file.name
        self._file.close()
        self._file = None
        return f"The session is in {name}."

    @contextlib.contextmanager
    def around(self, statement: str) -> Iterator[None]:
        """What is shown meanwhile goes to the file too, below the statement."""
        if self._file is None:
            yield
            return
        self._file.write(f"{PROMPT}{statement};\n")
        screen, errors = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = Tee(screen, self._file), Tee(errors, self._file)
        try:
            yield
        finally:
            sys.stdout, sys.stderr = screen, errors
            if self._file is not None:
                self._file.flush()
