"""What must be there before the first reading: schemas, sources and queries, plants, the mapping, the way of the alerts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import penstock

from .config import FOLDER, Config

if TYPE_CHECKING:
    from penstock import Database

SCHEMAS = {
    "houseplant-readings-value": "reading.avsc",
    "houseplant-metadata-value": "houseplant.avsc",
    "houseplant-sensor-mapping-value": "mapping.avsc",
}
VARIABLES = {"telegram": ("TELEGRAM_TOKEN", "TELEGRAM_CHAT_ID"), "webhook": ("HOUSEPLANTS_WEBHOOK",)}


def set_up(db: Database, config: Config, *, start_ms: int) -> None:
    """Make all of it, on a database that has none of it; one that has goes on as it is."""
    if db.catalog.source("HOUSEPLANT_LOW_READINGS") is not None:
        return
    for subject, file in SCHEMAS.items():
        db.schemas.register(subject, penstock.Schema((FOLDER / "schemas" / file).read_text()))
    db.execute("SET 'auto.offset.reset' = 'earliest';")
    db.run_script(FOLDER / "mapping.sql")
    db.run_script(FOLDER / "pipeline.sql")
    db.execute("UNSET 'auto.offset.reset';")
    db.insert("houseplant_metadata", [plant.metadata() | {"ROWTIME": start_ms} for plant in config.plants])
    db.insert("sensor_mapping", [plant.mapping() | {"ROWTIME": start_ms} for plant in config.plants])


def connect_alerts(db: Database, config: Config) -> str:
    """Start the sink that the configuration and the environment ask for, unless it runs already. Says where alerts go."""
    to = config.alerts_to
    if to == "auto":
        to = next((name for name, needed in VARIABLES.items() if all(os.environ.get(variable) for variable in needed)), "terminal")
    if to == "terminal":
        return "the terminal (config.toml says how to send them to Telegram or a webhook)"
    if db.catalog.connector("HOUSEPLANT_ALERTS") is None:
        db.run_script(FOLDER / "alerts" / f"{to}.sql")
    return to
