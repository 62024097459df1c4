"""The bot: what it can be asked, whatever the door. `penstock bot carparks` runs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from penstock.bots import Action, Alert, Argument, Bot, Lines, Lookup, Picture, Turn
from penstock.errors import ConfigError

from .config import Config, load
from .setup import connect_analytics, set_up

if TYPE_CHECKING:
    from penstock import Database

CONNECTORS_WAIT = True
"""Until `set_up` has written to the environment where the councils are; for ever without their simulation, where a killed demo left them."""
NAME = Argument("name", choices_from="SELECT name FROM carpark;")
SPACES = Argument("spaces", "INT", minimum=0)
CARPARK = "{NAME}: {CURRENT_EMPTY_PLACES} of {CAPACITY} spaces are free"
NEAREST = """
SELECT name, current_empty_places, capacity, ROUND(GEO_DISTANCE(latitude, longitude, :latitude, :longitude), 1) AS km, directionsurl
FROM carpark WHERE current_empty_places > 0 ORDER BY GEO_DISTANCE(latitude, longitude, :latitude, :longitude) LIMIT 3;
"""
OVER_TIME = """
SELECT ts, empty_places, capacity FROM carpark_events
WHERE name = :name AND ts > (SELECT max(ts) FROM carpark_events) - 24 * 60 * 60 * 1000 ORDER BY ts;
"""


def open_bot(db: Database, config: Config | None = None) -> Bot:
    """The bot on a database: with real councils one that is set up where it is new, with simulated ones one that the demo has made. Raises
    ConfigError where there is none."""
    config = config or load()
    if config.driver == "live":
        set_up(db, config, config.addresses, config.interval_s * 1000)
        connect_analytics(db, config)
    elif db.catalog.source("CARPARK_WATCHED") is None:
        what = f"There are no car parks in {db.path}, and the councils of config.toml are simulated."
        raise ConfigError(what, mend="Run `penstock demo carparks --data FOLDER` first, or write driver = \"live\" and your councils' addresses.")
    return carparks_bot(db)


def carparks_bot(db: Database) -> Bot:
    """The bot of a database that is set up."""
    return Bot(
        db,
        "carparks",
        [
            Lookup(
                "spaces",
                "How many spaces are free in a car park",
                "SELECT name, current_empty_places, capacity, ROUND(avg_empty_places) AS average, latest_ts FROM carpark WHERE name = :name;",
                f"{CARPARK} (counted {{LATEST_TS}}; {{AVERAGE}} on average).",
                [NAME],
            ),
            Lookup(
                "nearest",
                "The nearest car parks with free spaces",
                NEAREST,
                f"{CARPARK}, {{KM}} km away {{DIRECTIONSURL}}",
                none="There is no free space anywhere.",
                takes_location=True,
            ),
            Alert(
                "alert",
                "Tell me when a car park has more free spaces than a number",
                f"{CARPARK}.",
                source="carpark",
                arguments=[SPACES],
                when=has_more,
                on_change=True,
            ),
            Action("threshold", "How many free spaces of a car park are worth a message", set_threshold, [NAME, SPACES]),
            Lookup(
                "thresholds", "The thresholds that are set", "SELECT * FROM alert_config;", "{CARPARK}: {SPACES_ALERT}", none="None is set yet."
            ),
            Alert(
                "watch",
                "Tell me when a car park reaches its threshold",
                "{CARPARK}: {EMPTY_PLACES} of {CAPACITY} spaces are free, its threshold is {ALERT_THRESHOLD}.",
                source="carpark_watched",
                when=reaches_threshold,
                on_change=True,
            ),
            Picture(
                "day",
                "Free spaces of a car park in the last 24 hours",
                OVER_TIME,
                Lines("TS", "EMPTY_PLACES", title="{name}: free spaces in the last 24 hours", y_label="free spaces"),
                [NAME],
            ),
        ],
        welcome="Ask me for a place to park.",
    )


def has_more(row: Mapping[str, Any], wish: Mapping[str, Any]) -> bool:
    """Whether a car park has more free spaces than somebody asked for."""
    return (row["CURRENT_EMPTY_PLACES"] or 0) > int(wish["spaces"])


def reaches_threshold(row: Mapping[str, Any], wish: Mapping[str, Any]) -> bool:
    """Whether a car park has as many free spaces as its threshold says."""
    return row["EMPTY_PLACES"] is not None and row["EMPTY_PLACES"] >= row["ALERT_THRESHOLD"]


def set_threshold(turn: Turn, values: Mapping[str, Any]) -> str:
    """Keep a threshold in the table alert_config."""
    turn.insert("alert_config", {"carpark": values["name"], "spaces_alert": values["spaces"]})
    return f"{values['spaces']} free spaces of {values['name']} are worth a message. /watch tells you of them."
