"""The SQL of the five talks, each in the .sql file of its name: what tests know of the slides is read from here.

The slides' breaks, curly quotes and reading errors (an underscore for a blank, an x for a *) are mended; what else is changed, the file says.
"""

from __future__ import annotations

from pathlib import Path

from penstock.sql.tokens import split_statements

FOLDER = Path(__file__).parent
TALKS = tuple(sorted(path.stem for path in FOLDER.glob("*.sql")))


def text(talk: str) -> str:
    """A talk's SQL, with its comments."""
    return (FOLDER / f"{talk}.sql").read_text()


def statements(talk: str) -> list[str]:
    """A talk's statements, each with its semicolon and without the comments around it."""
    return [f"{piece.text};" for piece in split_statements(text(talk))]
