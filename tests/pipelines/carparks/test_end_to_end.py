"""From the councils' web servers to the chat, against an oracle in plain Python."""

from __future__ import annotations

import itertools
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from pipelines.carparks import demo
from pipelines.carparks.bot import carparks_bot, open_bot
from pipelines.carparks.carparks_view import CarparksView
from pipelines.carparks.config import load
from pipelines.carparks.council import Councils, empty_places
from pipelines.carparks.setup import connect_analytics, set_up
from tests.machine import how_slow, idle_median_ms
from tests.pipelines.carparks.oracle import Event, crossings, events, nearest, states

import penstock
from penstock.bots import Location, MemoryDoor, Message, Reply
from penstock.errors import ConfigError

CONFIG = load()
START_MS = 1_602_633_600_000  # 2020-10-14, the day of the talk
STEP_MS = 1_800_000
SPACES = 400
HISTORY = 2 * 48 * 7
"""Counts of two days, every half hour, of the seven car parks whose council keeps them."""
WATCHED = ("Kirkgate Centre", 470)


KILLS = 1
"""One in the demo: connectors, queries and bots have tests of their own that kill them more often."""


class Town:
    """The councils at a clock that stands until it is set, and what they told."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self.told: list[tuple[str, str, float]] = []
        self.server = Councils(CONFIG.parks, seed=5, now_ms=lambda: self.now_ms, every_s=1800, history_s=2 * 86_400, told=self._note)

    def _note(self, path: str, body: str) -> None:
        self.told.append((path, body, time.monotonic()))

    def events(self) -> list[Event]:
        return [event for path, body, _ in self.told for event in events(path, body)]

    @property
    def addresses(self) -> dict[str, str]:
        return {name: f"{self.server.url}/{path}" for name, path in demo.PATHS.items()}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables that the setup writes go away with the test: a later one's processes must not inherit addresses that are gone."""
    for name in ("CURRENT_URL", "HISTORIC_URL", "LEEDS_URL", "INTERVAL_MS", "ELASTICSEARCH"):
        monkeypatch.setenv(f"CARPARKS_{name}", "")
        monkeypatch.delenv(f"CARPARKS_{name}")


def wait_for(db: penstock.Database, count: int) -> None:
    """Until carpark_events holds `count` rows and all that follows from them is done."""
    deadline = time.monotonic() + 60
    while db.log.end_offset("carpark_events", 0) < count:
        assert time.monotonic() < deadline, f"{db.log.end_offset('carpark_events', 0)} of {count} events; {db.connectors.statuses()}"
        db.log.watch(db.log.version(), 0.05)
    assert db.log.end_offset("carpark_events", 0) == count
    assert db.wait_idle(60)


def found_states(db: penstock.Database) -> dict[str, tuple[str, int, float, float]]:
    sql = "SELECT name, latest_ts, current_empty_places, avg_empty_places, current_pct_full FROM carpark;"
    return {row[0]: tuple(row)[1:] for row in db.query(sql)}


def test_answers_alerts_and_files_are_the_oracles(tmp_path: Path) -> None:
    """A day of counts of two councils after two days of history; the database is closed in the middle and opened again, at other addresses."""
    folder = tmp_path / "parks"
    all_events: list[Event] = []
    alerts: list[tuple[str, float]] = []
    told_at: dict[tuple[str, int], float] = {}
    slowness: list[float] = []
    asked_after = 0
    for half in range(2):
        town = Town(START_MS + half * 24 * STEP_MS)
        before = list(all_events)
        with penstock.connect(folder, start_connectors=False) as db:
            set_up(db, CONFIG, town.addresses, 20)
            assert connect_analytics(db, CONFIG).endswith("archive")
            known = len(before) or HISTORY
            wait_for(db, known + 9)
            bot, stop = carparks_bot(db), threading.Event()
            door = MemoryDoor(lambda chat, reply: alerts.append((reply.text, time.monotonic())))
            if half == 0:
                asked_after = len(town.events())
                assert "You will be told" in bot.answer(Message(1, f"/alert {SPACES}"))[0].text
                assert "worth a message" in bot.answer(Message(1, f"/threshold {WATCHED[0]} {WATCHED[1]}"))[0].text
            serving = threading.Thread(target=bot.run, args=(door, stop))
            serving.start()
            for step in range(1, 24):
                slowness.append(how_slow())
                town.now_ms = START_MS + (half * 24 + step) * STEP_MS
                wait_for(db, known + 9 * (step + 1))
            all_events = before + town.events()
            for path, body, at in town.told:
                told_at.update({(event.name, event.empty): at for event in events(path, body)})
            expected = crossings(all_events[:asked_after], all_events[asked_after:], SPACES)
            deadline = time.monotonic() + 30
            while len(alerts) < len(expected) and time.monotonic() < deadline:
                time.sleep(0.01)  # the door tells of nothing that does not come
            check(db, bot, all_events)
            stop.set()
            db.log.wake()
            serving.join(20)
        town.server.close()

    assert len(expected) >= 10
    assert Counter(text for text, _ in alerts) == Counter(f"{name}: {free} of {capacity(name)} spaces are free." for name, free in expected)
    archived(folder / "files" / "archive", all_events)
    latencies = []
    for text, at in alerts:
        name, free = re.fullmatch(r"(.+): (\d+) of .*", text).groups()  # type: ignore[union-attr]
        latencies.append(at - told_at[name, int(free)])
    assert idle_median_ms("from the council's answer to the alert", latencies, slowness) < 250, latencies


def capacity(name: str) -> int:
    return next(park.capacity for park in CONFIG.parks if park.name == name)


def check(db: penstock.Database, bot: penstock.bots.Bot, all_events: list[Event]) -> None:
    """What the tables and the bot say now."""
    expected = states(all_events)
    found = found_states(db)
    assert set(found) == set(expected) == {park.name for park in CONFIG.parks}
    for name, state in expected.items():
        assert found[name][:2] == (state.latest_ts, state.empty)
        assert found[name][2:] == pytest.approx((state.average, state.pct_full))
    name, threshold = WATCHED
    watched = {(row[0], row[1]) for row in db.query("SELECT carpark, empty_places FROM carpark_alerts;")}
    counted = {(e.name, e.empty) for e in all_events if e.name == name and e.empty >= threshold and "Historic" not in e.source}
    assert watched <= counted
    assert len(watched) >= len(counted) - 1, "the first count came before the threshold was set"

    def ask(message: Message) -> Reply:
        (reply,) = bot.answer(message)
        return reply

    said = ask(Message(1, "/spaces westgate")).text
    assert said.startswith(f"Westgate: {expected['Westgate'].empty} of 116 spaces are free (counted {expected['Westgate'].latest_ts};")
    said = ask(Message(1, location=Location(53.7967, -1.5400))).text
    assert [line.split(":")[0] for line in said.splitlines()] == nearest(all_events, 53.7967, -1.5400)
    assert ask(Message(1, "/thresholds")).text == f"{name}: {threshold}"
    chart = ask(Message(1, "/day Broadway")).picture
    assert chart is not None
    (points,) = chart.series.values()
    last = max(e.ts for e in all_events)
    of_day = sorted((e.ts, e.empty) for e in all_events if e.name == "Broadway" and e.ts > last - 86_400_000)
    assert [free for _, free in points] == [free for _, free in of_day]


def archived(folder: Path, all_events: list[Event]) -> None:
    """The files hold events, each once: all but those that wait for the next file."""
    import duckdb

    files = f"read_parquet('{folder}/**/*.parquet', hive_partitioning=false)"
    rows = duckdb.connect().execute(f"SELECT SOURCE, TS, NAME, CAPACITY, EMPTY_PLACES, LATITUDE, LONGITUDE FROM {files}").fetchall()
    assert len(rows) >= 500
    assert not Counter(Event(*row) for row in rows) - Counter(all_events)
    days = sorted(str(path.relative_to(folder)) for path in folder.rglob("day=*"))
    assert days[0] == "topics/carpark_events/year=2020/month=10/day=12"


def test_an_answer_is_of_one_moment_though_the_next_count_falls_into_it() -> None:
    moments = itertools.count(1_795_317_599_990)
    councils = Councils(CONFIG.parks, seed=5, now_ms=lambda: next(moments) + 5, every_s=300, history_s=600)
    try:
        next(moments)
        seen = []
        for _ in range(4):
            lines = councils.current().splitlines()[1:]
            assert len(lines) == 7
            seen.append({tuple(line.split(",")[:2]) for line in lines})
    finally:
        councils.close()
    assert [len(times) for times in seen] == [1] * 4


def test_a_killed_demo_goes_on_with_nothing_lost_and_nothing_twice(tmp_path: Path) -> None:
    """SIGKILL at a seeded moment of the first seconds after the setup; then it ends by itself, twice."""
    command = [sys.executable, "-m", "penstock.cli.main", "demo", "carparks", "--data", "parks", "--seed", "3"]
    random_ = random.Random(3)
    for _ in range(KILLS):
        with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            assert process.stdout is not None
            lines = random_.randint(2, 4)
            for line in process.stdout:
                lines -= line.startswith(("ALERT", "/", "S", "M", "T", "W", "F"))
                if not lines:
                    break
            process.send_signal(signal.SIGKILL)
    bot = [sys.executable, "-m", "penstock.cli.main", "bot", "carparks", "--data", "parks", "--terminal"]
    talk = subprocess.run(bot, cwd=tmp_path, input="/spaces Westgate\n", capture_output=True, text=True, timeout=120, check=False)
    assert (talk.returncode, talk.stderr) == (0, ""), "nobody asks councils that are gone"
    assert "\nWestgate: " in talk.stdout
    ended = subprocess.run([*command, "--alerts", "1"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode, ended.stderr) == (0, ""), "the connectors wait for their addresses"
    assert "ALERT " in ended.stdout
    again = subprocess.run([*command, "--alerts", "1"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert (again.returncode, again.stderr) == (0, ""), "and so they do after an orderly end"
    with penstock.connect(tmp_path / "parks") as db:
        assert db.wait_idle(60)
        rows = db.query("SELECT source, ts, name, empty_places FROM carpark_events;").fetchall()
        averages: dict[str, float] = dict(db.query("SELECT name, avg_empty_places FROM carpark;").fetchall())
        assert open_bot(db).answer(Message(1, "/spaces Westgate"))[0].text.startswith("Westgate: "), "`penstock bot` serves what a demo left"
    assert max(Counter(tuple(row)[:3] for row in rows).values()) == 1, "an event came twice"
    parks = {park.name: park for park in CONFIG.parks}
    assert all(free == empty_places(parks[name], ts, 3) for _, ts, name, free in rows)
    for source, names in (("v2/Council/CarParkCurrent", 7), ("v2/Council/CarParkHistoric", 7), ("leeds/carparks", 2)):
        counts = Counter(ts for each, ts, _, _ in rows if each == source)
        assert set(counts.values()) == {names}, "all of an answer came, or nothing"
    history = sorted({ts for source, ts, _, _ in rows if source.endswith("Historic")})
    assert len(history) in (48, 49)
    for name, average in averages.items():
        free = [row[3] for row in rows if row[2] == name]
        assert average == pytest.approx(sum(free) / len(free))


def test_a_bot_without_car_parks_says_how_to_get_some() -> None:
    with penstock.connect(":memory:") as db, pytest.raises(ConfigError, match="no car parks") as error:
        open_bot(db)
    assert "penstock demo carparks" in error.value.mend


def test_the_table_of_car_parks() -> None:
    """What a terminal shows, drawn without one."""
    import io

    from rich.console import Console

    view = CarparksView(Console(record=True, force_terminal=True, width=110, file=io.StringIO()))
    row = {"TS": START_MS, "NAME": "Westgate", "CAPACITY": 100, "EMPTY_PLACES": 25, "PCT_FULL": 75.0, "SOURCE": "s"}
    view.event(row)
    view.event(row | {"TS": START_MS - 1, "EMPTY_PLACES": 99})
    view.alert("Westgate: 25 of 100 spaces are free.")
    view.talk("/spaces Westgate", "25")
    view.show(threading.Event(), lambda: view.alert_count == 1)
    text = view._console.export_text()
    assert "ALERT Westgate: 25 of 100 spaces are free." in text
    assert "/spaces Westgate  25" in text
    assert re.search(r"Westgate +█{18}·{6} +25 +100 +s", text), text
    assert "Wednesday 14 October, 01:00" in text
