"""What must be there before the first rating is joined: connectors, sources and queries, the ways out."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.errors import ConnectorError

from .config import FOLDER, Config
from .server import Address

if TYPE_CHECKING:
    from penstock import Database

SUBJECTS = ("ratings-value", "asgard.demo.customers-value")
VARIABLES = {"telegram": ("TELEGRAM_TOKEN", "TELEGRAM_CHAT_ID"), "webhook": ("RATINGS_WEBHOOK",)}
SOURCES = ("CUSTOMERS_SOURCE", "RATINGS_SOURCE")
WAIT_S = 60


def set_up(db: Database, config: Config, address: Address, *, seed: int, speed: float = 1.0, ratings: bool = True) -> None:
    """Make all of it, on a database that has none of it; one that has goes on as it is. `ratings`: whether to make ratings up."""
    # The connectors ask the environment when they start: a database of our own has another port each time.
    os.environ["RATINGS_DB_PORT"], os.environ["RATINGS_DB_PASSWORD"] = str(address.port), address.password
    db.execute("SET 'auto.offset.reset' = 'earliest';")
    if db.catalog.connector("CUSTOMERS_SOURCE") is None:
        _run(db, FOLDER / "customers" / f"{address.kind}.sql", host=address.host, user=address.user, database=address.database)
    else:
        for name in SOURCES:  # which a run that ended in order has paused
            if db.catalog.connector(name) is not None:
                db.execute(f"RESUME CONNECTOR {name};")
    db.start_connectors()
    if ratings and db.catalog.connector("RATINGS_SOURCE") is None:
        _run(db, FOLDER / "ratings.sql", rate=str(max(1, round(config.per_second * speed))), seed=str(seed))
    if db.catalog.source("RATINGS_BY_CLUB_STATUS") is None:
        _await_schemas(db)
        db.run_script(FOLDER / "pipeline.sql")
    db.execute("UNSET 'auto.offset.reset';")


def rest(db: Database) -> None:
    """Let the sources rest, over a restart too: their database goes away, and nobody looks at ratings that are made up."""
    for name in SOURCES:
        if db.catalog.connector(name) is not None:
            db.execute(f"PAUSE CONNECTOR {name};")


def connect_outlets(db: Database, config: Config, folder: Path) -> str:
    """Start the sinks that the configuration and the environment ask for, unless they run already. Says where notifications go."""
    if os.environ.get("RATINGS_ELASTICSEARCH") and db.catalog.connector("OPERATIONAL_DASHBOARD") is None:
        db.run_script(FOLDER / "sinks" / "elasticsearch.sql")
    if db.catalog.connector("DATA_LAKE") is None:
        if config.bucket:
            _run(db, FOLDER / "sinks" / "object_store.sql", bucket=config.bucket)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            text = (
                (FOLDER / "sinks" / "object_store.sql")
                .read_text()
                .replace("'s3.bucket.name' = '${bucket}'", f"'store.folder' = '{folder.resolve()}'")
            )
            db.execute(text)
    to = config.notify
    if to == "auto":
        to = next((name for name, needed in VARIABLES.items() if all(os.environ.get(variable) for variable in needed)), "terminal")
    if to == "terminal":
        return "the terminal (config.toml says how to send them to Telegram or a webhook)"
    if db.catalog.connector("PUSH_NOTIFICATION") is None:
        db.run_script(FOLDER / "sinks" / f"{to}.sql")
    return to


def _run(db: Database, file: Path, **values: str) -> None:
    text = file.read_text()
    for name, value in values.items():
        text = text.replace(f"${{{name}}}", value.replace("'", "''"))
    db.execute(text)


def _await_schemas(db: Database) -> None:
    """Wait until both connectors have written: the statements take their columns from the schemas."""
    deadline = time.monotonic() + WAIT_S
    while not set(SUBJECTS) <= set(db.schemas.subjects()):
        failed = [f"{status.name}: {task.reason}" for status in db.connectors.statuses() for task in status.tasks if task.reason]
        if time.monotonic() > deadline:
            raise ConnectorError("The connectors have written nothing.", mend="; ".join(failed) or "SHOW CONNECTORS says how they are.")
        time.sleep(0.02)  # a registry tells nobody of a new subject
