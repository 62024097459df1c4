"""What must be there before the first answer: the sources and queries, the historic load, the connectors."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.errors import ConnectorError

from .config import FOLDER, Config

if TYPE_CHECKING:
    from penstock import Database

HISTORIC_S_MAX = 600
ELASTICSEARCH = "CARPARKS_ELASTICSEARCH"


def set_up(db: Database, config: Config, addresses: Mapping[str, str], interval_ms: int) -> None:
    """Make all of it, on a database that has none of it; one that has goes on as it is, at the addresses (`current`, `historic`, `leeds`) of now.

    A setup that was killed goes on where it was: each step looks whether it is done.
    """
    names = {f"CARPARKS_{name.upper()}_URL": url for name, url in addresses.items()} | {"CARPARKS_INTERVAL_MS": str(interval_ms)}
    os.environ.update(names)
    for connector in db.catalog.connectors():
        if connector.kind == "SOURCE":  # a simulation that ended in order has paused it
            db.execute(f"RESUME CONNECTOR `{connector.name}`;")
    db.start_connectors()
    db.execute("SET 'auto.offset.reset' = 'earliest';")
    if db.catalog.source("CARPARK_ALERTS") is None:
        db.run_script(FOLDER / "pipeline.sql")
    db.execute("UNSET 'auto.offset.reset';")
    if db.catalog.connector("CARPARKS_CURRENT") is None and addresses["historic"]:
        _load_historic(db)
    _connect(db, "councils.sql", "CARPARKS_CURRENT")
    if not addresses["leeds"] and db.catalog.connector("CARPARKS_LEEDS") is not None:
        db.execute("DROP CONNECTOR carparks_leeds;")


def connect_analytics(db: Database, config: Config) -> str:
    """Start the sinks that are configured, unless they run already. Says where the events go."""
    to = []
    if config.archive and db.path != ":memory:":
        folder = str(Path(db.path).resolve() / "files" / "archive")
        quoted = folder.replace("'", "'" * 4)  # it becomes a string here, and stands in another there
        db.execute(f"DEFINE carparks_archive = '{quoted}';")
        _connect(db, "sinks/archive.sql", "CARPARKS_ARCHIVE")
        to.append(folder)
    if os.environ.get(ELASTICSEARCH):
        _connect(db, "sinks/elasticsearch.sql", "SINK_ELASTIC_01")
        to.append("Elasticsearch")
    return " and ".join(to) or "nowhere else"


def rest(db: Database) -> None:
    """Let the sources rest, over a restart too: their far side goes away with the simulation."""
    for connector in db.catalog.connectors():
        if connector.kind == "SOURCE":
            db.execute(f"PAUSE CONNECTOR `{connector.name}`;")


def _load_historic(db: Database) -> None:
    """Read the historic CSV before the first current one comes: the latest event of a car park is to be the newest one."""
    _connect(db, "historic.sql", "CARPARKS_HISTORIC")
    if not db.connectors.wait_idle(HISTORIC_S_MAX):
        reason = db.connectors.status("CARPARKS_HISTORIC").tasks[0].reason
        raise ConnectorError(f"The historic data do not come: {reason}", mend="Empty the address 'historic' in config.toml to go on without.")
    db.execute("DROP CONNECTOR carparks_historic;")
    db.wait_idle(HISTORIC_S_MAX)


def _connect(db: Database, script: str, name: str) -> None:
    if db.catalog.connector(name) is None:
        db.run_script(FOLDER / script)
