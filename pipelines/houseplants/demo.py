"""The whole pipeline, from sensors to alerts, live: what `penstock demo houseplants` runs."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from penstock.bots import TelegramDoor
from penstock.simulation import Background, Clock

from .bot import open_bot
from .config import Config, load
from .monitor import Monitor, SensorMapping
from .plants_view import PlantsView
from .sensors import Driver, SeesawDriver
from .setup import connect_alerts, set_up
from .simulator import DAY_MS, Simulator

if TYPE_CHECKING:
    from penstock import Database, Row

SPEED = 3600
"""An hour a second."""
READINGS = "SELECT plant_id, given_name, moisture, moisture_low, temperature, ts FROM houseplant_readings_enriched EMIT CHANGES;"
ALERTS = "SELECT message, low_reading_count, WINDOWSTART, WINDOWEND FROM houseplant_low_readings EMIT CHANGES;"
LAST_READINGS = "SELECT plant_id, moisture FROM houseplant_readings ORDER BY ROWTIME DESC LIMIT 100;"


def run(
    db: Database,
    *,
    speed: float,
    seed: int,
    stop: threading.Event,
    alerts_max: int | None = None,
    config: Config | None = None,
    view: PlantsView | None = None,
) -> None:
    """Run until `stop` is set or `alerts_max` alerts came. Time runs `speed` times as fast with simulated sensors, and as it does with real ones."""
    config, view = config or load(), view or PlantsView()
    simulated = config.driver == "simulator"
    start_ms = next_reading_ms(db, config) or (int(time.time() * 1000) // DAY_MS * DAY_MS if simulated else int(time.time() * 1000))
    set_up(db, config, start_ms=start_ms)
    print(f"{len(config.plants)} plants, sensors read every {config.interval_s} s; alerts go to {connect_alerts(db, config)}.", flush=True)

    driver: Driver = Simulator(config, seed=seed, start_ms=start_ms, moisture=last_moisture(db)) if simulated else SeesawDriver()
    mapping = SensorMapping(db)
    monitor = Monitor(
        driver,
        mapping.plants,
        lambda rows: db.insert("houseplant_readings", rows),
        config.calibration,
        interval_s=config.interval_s,
        start_ms=start_ms,
        catch_up=simulated,
    )
    db.execute("SET 'auto.offset.reset' = 'latest';")  # what was there before this start is not news
    readings, alerts = db.query(READINGS), db.query(ALERTS)
    db.execute("UNSET 'auto.offset.reset';")
    background = Background(stop)
    background.start("readings", lambda: follow(readings, view.reading))
    background.start("alerts", lambda: follow(alerts, view.alert))
    background.start("monitor", lambda: monitor.run(Clock(start_ms, speed if simulated else 1.0), stop))
    if token := os.environ.get("TELEGRAM_TOKEN"):
        bot = open_bot(db, config)
        print("The bot answers in Telegram.", flush=True)
        background.start("telegram", lambda: bot.run(TelegramDoor(token), stop))
    try:
        view.show(stop, lambda: alerts_max is not None and view.alert_count >= alerts_max)
    finally:
        stop.set()
        for query in (readings, alerts):
            query.close()
        mapping.close()
        background.join()


def follow(rows: Iterable[Row], show: Callable[[Row], None]) -> None:
    """Show each row as it comes."""
    for row in rows:
        show(row)


def next_reading_ms(db: Database, config: Config) -> int | None:
    """When a database that has readings goes on: one interval after the last of them; None where there is none."""
    topic = "houseplant-readings"
    if db.log.topic(topic) is None or (end := db.log.end_offset(topic, 0)) == 0:
        return None
    last = int(db.log.read(topic, 0, end - 1)["timestamp"][0].as_py())
    return last + config.interval_s * 1000 if config.driver == "simulator" else int(time.time() * 1000)


def last_moisture(db: Database) -> dict[int, float]:
    """The last reading of each plant: where the simulation goes on."""
    last: dict[int, float] = {}
    for plant_id, moisture in db.query(LAST_READINGS).fetchall():
        last.setdefault(plant_id, moisture)
    return last
