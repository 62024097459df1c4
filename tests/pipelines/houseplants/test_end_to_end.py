"""From simulated soil to the webhook, against an oracle in plain Python."""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from pipelines.houseplants import demo
from pipelines.houseplants.config import load
from pipelines.houseplants.monitor import Monitor, SensorMapping
from pipelines.houseplants.plants_view import PlantsView
from pipelines.houseplants.setup import connect_alerts, set_up
from pipelines.houseplants.simulator import DAY_MS, HOUR_MS, Simulator
from tests.connect.web_server import Answer, WebServer
from tests.machine import how_slow, idle_median_ms
from tests.pipelines.houseplants.oracle import Alert, alerts

import penstock

START_MS = 20_000 * DAY_MS
CONFIG = load()
PLANTS = {str(plant.id): plant.metadata() for plant in CONFIG.plants}
MAPPING = {int(plant.sensor, 16): plant.id for plant in CONFIG.plants}


def readings(days: float, seed: int, mapping: dict[int, int] = MAPPING) -> list[dict[str, Any]]:
    """What the monitor publishes in so many days."""
    monitor = Monitor(Simulator(CONFIG, seed=seed, start_ms=START_MS), lambda: mapping, print, CONFIG.calibration, interval_s=30, start_ms=START_MS)
    return [row for cycle in range(int(days * 2880)) for row in monitor.cycle(START_MS + cycle * 30_000)]


def with_stragglers(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, some of them held up: by three minutes (in time for their window's grace) or by an hour (too late at a window's end)."""
    late = {n: (6 if n % 7 == 0 else 120) * 4 for n in range(0, len(rows), 23)}
    order = sorted(range(len(rows)), key=lambda n: (n + late.get(n, 0), n))
    return [rows[n] for n in order]


def found(db: penstock.Database) -> list[Alert]:
    sql = "SELECT plant_id, WINDOWSTART AS start_ms, low_reading_count, message FROM houseplant_low_readings;"
    return [Alert(row["PLANT_ID"], row["START_MS"], row["LOW_READING_COUNT"], row["MESSAGE"]) for row in db.query(sql)]


@pytest.mark.parametrize("batch", [997, 20_000])
def test_the_alerts_are_the_oracles_and_each_reaches_the_webhook(
    batch: int, tmp_path: Path, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four days of readings, some late, some of a plant that nobody knows, in batches of any size; the folder is closed and opened in between,
    and the webhook fails now and then."""
    monkeypatch.setenv("HOUSEPLANTS_WEBHOOK", web.url)
    monkeypatch.delenv("TELEGRAM_TOKEN", raising=False)
    web.answers.extend([Answer(503, {"Retry-After": "0"}), Answer(), Answer(429, {"Retry-After": "0"})])
    stranger = {"id": "99", "plant_id": 99, "moisture": 1.0, "temperature": 20.0}
    rows = with_stragglers(readings(4, seed=2))
    rows = [row for n, reading in enumerate(rows) for row in ((reading, stranger | {"ROWTIME": reading["ROWTIME"]}) if n % 50 == 0 else (reading,))]
    expected = list(alerts(rows, PLANTS))
    assert len(expected) > 5
    assert len({alert.plant_id for alert in expected}) > 1, "the seed makes several plants dry"

    half = len(rows) // 2
    for part in (rows[:half], rows[half:]):
        with penstock.connect(tmp_path / "plants") as db:
            set_up(db, CONFIG, start_ms=START_MS)
            assert connect_alerts(db, CONFIG) == "webhook"
            for at in range(0, len(part), batch):
                db.insert("houseplant_readings", part[at : at + batch])
            assert db.wait_idle(60)
            assert db.connectors.wait_idle(30), db.connectors.statuses()
            answer = found(db)
    assert sorted(answer, key=lambda a: (a.window_start_ms, a.plant_id)) == sorted(expected, key=lambda a: (a.window_start_ms, a.plant_id))
    delivered = [json.loads(request.body) for request in web.requests]
    assert {(d["text"], d["low_readings"]) for d in delivered} == {(a.message, a.count) for a in expected}
    assert len(delivered) == len(expected) + 2, "the two that were refused came again, no other came twice"


def test_from_the_reading_that_ends_a_window_to_the_webhook(tmp_path: Path, web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The alert is at the webhook a quarter of a second (of an idle machine) after the reading that shows its window and the grace to be over."""
    monkeypatch.setenv("HOUSEPLANTS_WEBHOOK", web.url)
    monkeypatch.delenv("TELEGRAM_TOKEN", raising=False)
    dry = {"id": "1", "plant_id": 1, "moisture": 1.0, "temperature": 20.0}
    waits_s, slowness = [], []
    with penstock.connect(tmp_path / "plants") as db:
        set_up(db, CONFIG, start_ms=START_MS)
        assert connect_alerts(db, CONFIG) == "webhook"
        for window in range(10):
            begins_ms = START_MS + window * 6 * HOUR_MS
            db.insert("houseplant_readings", [dry | {"ROWTIME": begins_ms + 900_000 + n * 30_000} for n in range(121)])
            assert db.wait_idle(30)
            slowness.append(how_slow())
            began = time.perf_counter()
            db.insert("houseplant_readings", [dry | {"ROWTIME": begins_ms + 6 * HOUR_MS + 660_000}])
            web.wait_for(window + 1, 30)
            waits_s.append(time.perf_counter() - began)
    assert {json.loads(request.body)["low_readings"] for request in web.requests} == {121, 122}
    assert idle_median_ms("from the reading that ends a window to the webhook", waits_s, slowness) < 250, waits_s


def test_the_oracle_sees_late_readings() -> None:
    """The stragglers make a difference: else the test above would prove less than it says."""
    rows = readings(4, seed=2)
    assert list(alerts(rows, PLANTS)) != list(alerts(with_stragglers(rows), PLANTS))


def test_the_mapping_is_followed_while_the_monitor_runs(tmp_path: Path) -> None:
    """A sensor is moved to another pot by SQL; the consumer that reads the mapping commits nothing and reads it whole at each start."""
    with penstock.connect(tmp_path / "plants") as db:
        set_up(db, CONFIG, start_ms=START_MS)
        mapping = SensorMapping(db)
        wait_until(lambda: mapping.plants() == MAPPING)
        db.execute("INSERT INTO sensor_mapping (id, sensor_id, plant_id) VALUES ('0x36', '0x36', 3);")
        wait_until(lambda: mapping.plants() == MAPPING | {0x36: 3})
        db.execute("INSERT INTO sensor_mapping (id, sensor_id, plant_id) VALUES ('left', 'left', 3);")
        db.execute("INSERT INTO sensor_mapping (id, sensor_id, plant_id) VALUES ('0x37', '0x37', 4);")
        wait_until(lambda: mapping.plants() == MAPPING | {0x36: 3, 0x37: 4})
        mapping.close()
        again = SensorMapping(db)
        wait_until(lambda: again.plants() == MAPPING | {0x36: 3, 0x37: 4})
        again.close()
        assert [g for g in db.log.groups() if "mapping" in g.lower()] == []


def wait_until(met: Any, timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not met():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


def test_the_demo_in_this_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Alerts are printed as plain lines where there is no terminal; a second run goes on after the first, without telling old news."""
    with penstock.connect(tmp_path / "plants") as db:
        demo.run(db, speed=40_000, seed=1, stop=threading.Event(), alerts_max=2)
        first = capsys.readouterr().out
        assert first.count("ALERT ") >= 2
        assert "Crouton the Croton (Codiaeum variegatum) is looking pretty dry..." in first
        end_ms = demo.next_reading_ms(db, CONFIG)
        demo.run(db, speed=40_000, seed=1, stop=threading.Event(), alerts_max=1)
        second = capsys.readouterr().out
        assert not set(re.findall(r"ALERT .*", first)) & set(re.findall(r"ALERT .*", second))
        times = [row[0] for row in db.query("SELECT ROWTIME AS t FROM houseplant_readings;").fetchall()]
        assert times == sorted(times)
        assert end_ms in times, "it goes on one interval after the last reading"


def test_the_table_of_plants() -> None:
    """What a terminal shows, drawn without one."""
    from rich.console import Console

    view = PlantsView(Console(record=True, force_terminal=True, width=110, file=io.StringIO()))
    row = {"PLANT_ID": "1", "GIVEN_NAME": "Crouton", "MOISTURE_LOW": 30.0, "TEMPERATURE": 20.0}
    for n in range(125):
        view.reading(row | {"MOISTURE": 20.0, "TS": START_MS + n * 30_000})
    view.reading(row | {"PLANT_ID": "2", "GIVEN_NAME": "Cyril", "MOISTURE": 60.0, "TS": START_MS})
    view.alert({"MESSAGE": "Crouton is dry", "LOW_READING_COUNT": 125, "WINDOWSTART": START_MS, "WINDOWEND": START_MS + 6 * HOUR_MS})
    stop = threading.Event()
    view.show(stop, lambda: view.alert_count == 1)
    text = view._console.export_text()
    assert "ALERT Crouton is dry (125 low readings from 00:00 to 06:00 on" in text
    assert re.search(r"Crouton +█████··\|·+ +20 % +30 % +20\.0 °C +125 of 120", text), text
    assert re.search(r"Cyril +███████\|██████·+ +60 % +30 % +20\.0 °C +0 of 120", text), text
    view.reading(row | {"MOISTURE": 20.0, "TS": START_MS + 6 * HOUR_MS})
    assert view._plants["1"].low == 1, "a new window counts anew"


def test_the_command_ends_on_ctrl_c_and_leaves_a_database(tmp_path: Path) -> None:
    """The first alert within a minute of the command, then Ctrl-C: no complaint, and a folder to ask."""
    command = [sys.executable, "-m", "penstock.cli.main", "demo", "houseplants", "--data", "plants", "--speed", "7200", "--seed", "3"]
    began = time.monotonic()
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("ALERT "):
                break
        assert time.monotonic() - began < 60
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert "penstock shell --data plants" in out
    with penstock.connect(tmp_path / "plants", read_only=True) as db:
        assert db.query("SELECT given_name FROM houseplant_low_readings;").fetchall()[0] == ("Crouton",)
        assert len(db.query("SELECT given_name FROM houseplant_metadata WHERE moisture_low > 20;").fetchall()) == 3
