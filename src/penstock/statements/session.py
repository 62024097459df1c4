"""SET, UNSET, ALTER SYSTEM, DEFINE, UNDEFINE, RUN SCRIPT."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock import settings
from penstock.catalog.model import SystemProperty
from penstock.errors import ConfigError, Error
from penstock.result import Result
from penstock.sql import ast

if TYPE_CHECKING:
    from penstock.database import Database

SCRIPTS_MAX = 20
"""How many scripts may run one another."""


def set_property(db: Database, statement: ast.SetProperty) -> Result:
    """SET. Raises ConfigError for an unknown name or a bad value."""
    db.properties.update(settings.checked({statement.name: statement.value}))
    return Result(f"Property '{statement.name}' is now '{statement.value}', for the queries that start from here on.")


def least(db: Database, name: str) -> int:
    """A limit: the database's, or a lower one of this session."""
    return min(int(settings.value(properties, name)) for properties in (db.shared_properties, db.properties))


def alter_system(db: Database, statement: ast.AlterSystem) -> Result:
    """ALTER SYSTEM: the property of this session and of all that begin from here on, kept with the database. Raises ConfigError for an unknown name,
    a bad value, and for what nobody but who opens the database may say."""
    found = settings.checked({statement.name: statement.value})
    for name, value in found.items():
        if settings.find(name).at_opening:
            raise ConfigError(
                f"'{name}' holds from when the database is opened; a statement cannot set it.",
                mend="Give it there: `penstock server --set NAME=VALUE`, or `properties` of penstock.connect.",
            )
        db.catalog.put(SystemProperty(name, value))
    db.shared_properties.update(found)
    db.properties.update(found)
    return Result(f"Property '{statement.name}' is now '{statement.value}', for every session.")


def unset_property(db: Database, statement: ast.UnsetProperty) -> Result:
    """UNSET. Raises ConfigError for an unknown name."""
    name = settings.find(statement.name).name
    db.properties.pop(name, None)
    return Result(f"Property '{statement.name}' has its default again.")


def define(db: Database, statement: ast.Define) -> Result:
    # the parser has put it to use already, for the statements behind it
    """DEFINE a variable of the session."""
    db.define(statement.name, statement.value)
    return Result(f"Variable {statement.name} is defined.")


def undefine(db: Database, statement: ast.Undefine) -> Result:
    """UNDEFINE a variable; one that is not there is no error."""
    db.variables.pop(statement.name.lower(), None)
    return Result(f"Variable {statement.name} is undefined.")


def run_script(db: Database, statement: ast.RunScript) -> Result:
    """RUN SCRIPT: the statements of a file, in this session. Who is not at this machine may name files of the allowed folders only."""
    path = Path(statement.path)
    if db.session.remote:
        path = db.connectors.folders.path(statement.path, "RUN SCRIPT")
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise Error(f"The script {path} cannot be read: {error.strerror}.", position=statement.position) from error
    except UnicodeDecodeError as error:
        raise Error(f"The script {path} is no text in UTF-8.", position=statement.position) from error
    if db.session.scripts >= SCRIPTS_MAX:
        raise Error(f"The script {path} is the {SCRIPTS_MAX}th within another: it may run itself.", position=statement.position)
    db.session.scripts += 1
    try:
        results = db.execute(text)
    finally:
        db.session.scripts -= 1
    return Result(f"{path}: {len(results)} statements.")


RUN: dict[type, Callable[[Database, Any], Result]] = {
    ast.SetProperty: set_property,
    ast.AlterSystem: alter_system,
    ast.UnsetProperty: unset_property,
    ast.Define: define,
    ast.Undefine: undefine,
    ast.RunScript: run_script,
}
