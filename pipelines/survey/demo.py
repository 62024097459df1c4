"""The whole survey, from simulated respondents to final results, live: what `penstock demo survey` runs."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from penstock.bots import Bot, TelegramDoor
from penstock.simulation import Background, Clock

from .bot import open_bot
from .config import Config, load
from .results_view import ResultsView
from .setup import connect_results, set_up
from .simulator import HOUR_MS, answer, respondents

if TYPE_CHECKING:
    from penstock import Database, Row

WINDOW_MS = 48 * HOUR_MS
BEFORE_END_MS = 6 * HOUR_MS
SPEED = 3600
"""How fast time runs where nobody says it: an hour a second."""
LIVE = "SELECT question, results FROM survey_results_live EMIT CHANGES;"
FINAL = "SELECT question, results, WINDOWSTART, WINDOWEND FROM survey_results_final EMIT CHANGES;"
LAST_ENTRY = "SELECT max(ROWTIME) AS t FROM survey_entries;"


def run(
    db: Database,
    *,
    speed: float,
    seed: int,
    stop: threading.Event,
    alerts_max: int | None = None,
    config: Config | None = None,
    view: ResultsView | None = None,
) -> None:
    """Run until `stop` is set or `alerts_max` final results came. Time runs `speed` times as fast as the world's, or as fast as respondents can
    answer, if that is slower."""
    config = config or load()
    start_ms = next_ms(db)
    clock = EntryClock(start_ms)
    set_up(db, config, start_ms=start_ms)
    bot = open_bot(db, config, now_ms=clock.now_ms)
    view = view or ResultsView(clock.now_ms)
    print(f"{sum(survey.enabled for survey in config.surveys)} surveys are open; final results go to {connect_results(db, config)}.", flush=True)

    live = db.query(LIVE)
    db.execute("SET 'auto.offset.reset' = 'latest';")  # what was final before this start is not news
    final = db.query(FINAL)
    db.execute("UNSET 'auto.offset.reset';")
    background = Background(stop)
    background.start("live", lambda: follow(live, view.live))
    background.start("final", lambda: follow(final, view.final))
    background.start("respondents", lambda: simulate(bot, config, clock, speed=speed, seed=seed, stop=stop))
    if token := os.environ.get("TELEGRAM_TOKEN"):
        print("The bot answers in Telegram too.", flush=True)
        background.start("telegram", lambda: bot.run(TelegramDoor(token), stop))
    try:
        view.show(stop, lambda: alerts_max is not None and view.final_count >= alerts_max)
    finally:
        stop.set()
        for query in (live, final):
            query.close()
        background.join()


class EntryClock:
    """The time of the respondent who talks now (ms): entries have their own time, however fast they are made. It never goes back."""

    def __init__(self, start_ms: int) -> None:
        self._now_ms = start_ms

    def now_ms(self) -> int:
        """The time now."""
        return self._now_ms

    def advance(self, to_ms: int) -> None:
        """It is so late now."""
        self._now_ms = max(self._now_ms, to_ms)


def simulate(bot: Bot, config: Config, clock: EntryClock, *, speed: float, seed: int, stop: threading.Event) -> None:
    """Let respondents talk, each at their time, until `stop` is set."""
    start_ms = clock.now_ms()
    pace = Clock(start_ms, speed)
    for who in respondents(config.surveys, config.habits, seed=seed, start_ms=start_ms):
        if not pace.wait_until(who.at_ms, stop):
            return
        clock.advance(who.at_ms)
        answer(bot, who)


def follow(rows: Iterable[Row], show: Callable[[Row], None]) -> None:
    """Show each row as it comes."""
    for row in rows:
        show(row)


def next_ms(db: Database) -> int:
    """When the survey goes on: after its last entry, or where it is new some hours before the end of two days, so that a result is soon final."""
    if db.catalog.source("SURVEY_ENTRIES") is not None and (last := db.query(LAST_ENTRY).fetchall()[0][0]) is not None:
        return int(last) + 1
    return (int(time.time() * 1000) // WINDOW_MS + 1) * WINDOW_MS - BEFORE_END_MS
