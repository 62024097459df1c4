"""The database's side: the connector with its credentials, streams and queries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from penstock.errors import ConfigError

from .config import FOLDER
from .credentials import Credentials, write

if TYPE_CHECKING:
    from penstock import Database

CONNECTOR = "mqtt-source"
TOPIC = "data_mqtt"


def set_up(db: Database, credentials: Credentials, sql: str | None = None) -> None:
    """Make all of it, on a database that has none of it; one that has goes on as it is, with these credentials."""
    if db.path == ":memory:":
        raise ConfigError("The socks need a database in a folder, which holds the credentials.", mend="Leave --data out.")
    folder = Path(db.path).resolve() / "secrets"
    write(folder / "credentials.properties", credentials)
    if db.catalog.connector(CONNECTOR) is not None:
        db.execute(f"RESUME CONNECTOR `{CONNECTOR}`;")  # which reads the credentials anew
        db.start_connectors()
        return
    # The talk's statements name the folder /scripts.
    statements = (sql or (FOLDER / "pipeline.sql").read_text()).replace("{file:/scripts/", f"{{file:{folder.as_posix()}/")
    db.execute("SET 'auto.offset.reset' = 'earliest';")
    db.execute(statements)
    db.execute("UNSET 'auto.offset.reset';")


def pause(db: Database) -> None:
    """Let the connector wait, where there is one: its broker is not there."""
    if db.catalog.connector(CONNECTOR) is not None:
        db.execute(f"PAUSE CONNECTOR `{CONNECTOR}`;")
