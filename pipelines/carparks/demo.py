"""The whole pipeline, from the councils to the chat, live: what `penstock demo carparks` runs."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from penstock.bots import Bot, Location, MemoryDoor, Message, TelegramDoor
from penstock.simulation import Background, Clock

from .bot import carparks_bot
from .carparks_view import CarparksView
from .config import Config, load
from .council import Councils
from .setup import connect_analytics, rest, set_up

if TYPE_CHECKING:
    from penstock import Database, Row

CONNECTORS_WAIT = True
"""Until `set_up` has written to the environment where the councils are."""
SPEED = 1800
"""Half an hour a second: a count of the councils every sixth of a second."""
POLL_MS = 100
"""How often the simulated councils are asked."""
TOKEN = "TELEGRAM_TOKEN"  # noqa: S105 - the variable's name
EVENTS = "SELECT ts, name, capacity, empty_places, pct_full, source FROM carpark_events EMIT CHANGES;"
CHAT = 1
QUESTIONS_EVERY_S = 6.0
CITY_HALL = Location(53.7922, -1.7535)


def run(
    db: Database,
    *,
    speed: float,
    seed: int,
    stop: threading.Event,
    alerts_max: int | None = None,
    config: Config | None = None,
    view: CarparksView | None = None,
) -> None:
    """Run until `stop` is set or `alerts_max` alerts came. Time runs `speed` times as fast with simulated councils, and as it does with real ones."""
    config, view = config or load(), view or CarparksView()
    councils: Councils | None = None
    if config.driver == "simulator":
        clock = Clock(next_count_ms(db, config) or int(time.time() * 1000), speed)
        councils = Councils(config.parks, seed=seed, now_ms=clock.now_ms, every_s=config.every_s, history_s=config.history_s)
        addresses = {name: f"{councils.url}/{path}" for name, path in PATHS.items()}
    else:
        addresses = config.addresses
    try:
        set_up(db, config, addresses, POLL_MS if councils else config.interval_s * 1000)
        print(f"{len(config.parks) if councils else 'The'} car parks of two councils; events go to {connect_analytics(db, config)}.", flush=True)
        serve(db, config, view, stop, lambda: alerts_max is not None and view.alert_count >= alerts_max)
    finally:
        stop.set()
        if councils is not None:
            rest(db)
            councils.close()


PATHS = {"current": "current.csv", "historic": "historic.csv", "leeds": "leeds.json"}


def serve(db: Database, config: Config, view: CarparksView, stop: threading.Event, enough: Callable[[], bool]) -> None:
    """The bot and the view, until `stop` or `enough`."""
    bot = carparks_bot(db)
    background = Background(stop)
    db.execute("SET 'auto.offset.reset' = 'latest';")  # what was there before this start is not news
    events = db.query(EVENTS)
    db.execute("UNSET 'auto.offset.reset';")
    door = TelegramDoor(os.environ[TOKEN]) if os.environ.get(TOKEN) else MemoryDoor(lambda chat, reply: view.alert(reply.text))
    background.start("events", lambda: follow(events, view.event))
    background.start("bot", lambda: bot.run(door, stop))
    if isinstance(door, MemoryDoor):
        background.start("somebody", lambda: somebody(bot, config, view, stop))
    try:
        view.show(stop, enough)
    finally:
        stop.set()
        events.close()
        background.join()


def follow(rows: Iterable[Row], show: Callable[[Row], None]) -> None:
    """Show each row as it comes."""
    for row in rows:
        show(row)


def somebody(bot: Bot, config: Config, view: CarparksView, stop: threading.Event) -> None:
    """Stands in for people in a chat: wants alerts, and asks this and that."""

    def ask(text: str, location: Location | None = None) -> None:
        answers = bot.answer(Message(CHAT, text, location))
        view.talk(text or "(a location)", " ".join(reply.text for reply in answers))

    ask(f"/alert {config.spaces}")
    while not stop.wait(QUESTIONS_EVERY_S):
        ask("/spaces Westgate")
        ask("", CITY_HALL)


def next_count_ms(db: Database, config: Config) -> int | None:
    """When a database that has events goes on: one interval after the last of them; None where there is none."""
    if db.catalog.source("CARPARK_EVENTS") is None:
        return None
    last = db.query("SELECT max(ts) AS last FROM carpark_events ORDER BY 1;").fetchone()
    return None if last is None or last[0] is None else int(last[0]) + config.every_s * 1000
