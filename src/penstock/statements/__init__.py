"""What each statement does to a database: one module a family, one function a statement."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from penstock.errors import Error
from penstock.result import Result

if TYPE_CHECKING:
    from penstock.database import Database
    from penstock.sql import ast

MODULES = {
    "sources": ("CreateSource", "DropSource", "AlterSource", "CreateType", "DropType"),
    "queries": ("CreateAsSelect", "InsertInto", "Terminate", "Pause", "Resume"),
    "insert": ("InsertValues",),
    "select": ("Query", "RawQuery"),
    "show": ("Show",),
    "describe": ("Describe", "Explain"),
    "session": ("SetProperty", "UnsetProperty", "AlterSystem", "Define", "Undefine", "RunScript"),
    "printing": ("Print",),
    "asserts": ("AssertTopic", "AssertSchema", "AssertSource", "AssertValues"),
    "connectors": ("CreateConnector", "DropConnector", "PauseConnector", "ResumeConnector"),
    "spool": ("Spool",),
}
HOME = {statement: module for module, statements in MODULES.items() for statement in statements}
READS = {"Query", "RawQuery", "Show", "Describe", "Explain", "SetProperty", "UnsetProperty", "Define", "Undefine", "RunScript", "Print",
         "AssertTopic", "AssertSchema", "AssertSource", "AssertValues", "Spool"}  # fmt: skip
WAITS = {"AssertTopic", "AssertSchema", "AssertValues", "DropConnector", "PauseConnector"}
"""Statements that may wait, for what others do or for a far side: the others are let meanwhile."""


def run(db: Database, statement: ast.Statement) -> Result:
    """Execute one statement. Raises penstock.Error."""
    name = type(statement).__name__
    if db.read_only:
        if name not in READS:
            raise Error(f"{db.path} is open for reading only, and this statement writes.", mend="Open it without read_only.")
        db.refresh()
    module = importlib.import_module(f"penstock.statements.{HOME[name]}")
    result = module.RUN[type(statement)](db, statement)
    assert isinstance(result, Result)
    return result
