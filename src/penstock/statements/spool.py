"""SPOOL, which only the shell can do: it alone knows what is typed and shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from penstock.errors import SqlError
from penstock.sql import ast

if TYPE_CHECKING:
    from penstock.database import Database
    from penstock.result import Result


def spool(db: Database, statement: ast.Spool) -> Result:
    """Raises SqlError: the shell keeps SPOOL to itself."""
    raise SqlError(
        "SPOOL writes down what the shell shows, so it works in the shell alone.", mend="Use it in `penstock shell`.", position=statement.position
    )


RUN: dict[type, Callable[[Database, Any], Result]] = {ast.Spool: spool}
