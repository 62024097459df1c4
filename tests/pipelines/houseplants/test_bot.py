"""Plants and sensors entered by conversation, and what the bot answers."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pipelines.houseplants.bot import open_bot
from pipelines.houseplants.config import load
from pipelines.houseplants.monitor import SensorMapping
from pipelines.houseplants.simulator import DAY_MS
from tests.bots.plants import told, wait_until

import penstock
from penstock.bots import Message

CONFIG = load()
START_MS = 20_000 * DAY_MS
MONSTERA = ("Monstera deliciosa", "Monstera", "Monty", "/skip", "31.5", "/skip", "70", "/y")


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[penstock.Database]:
    for name in ("TELEGRAM_TOKEN", "TELEGRAM_CHAT_ID", "HOUSEPLANTS_WEBHOOK"):
        monkeypatch.delenv(name, raising=False)
    with penstock.connect(tmp_path / "plants") as opened:
        yield opened


def test_a_new_plant_a_known_one_and_the_defaults(db: penstock.Database) -> None:
    """The talk's conversation: the schema's docs are asked, /skip means the default, or what is known of the plant already."""
    bot = open_bot(db, CONFIG)
    assert told(bot, "/update_plant") == "Unique plant identification number. (a whole number)"
    assert told(bot, "5") == "Scientific name of the plant."
    for text in MONSTERA[:3]:
        question = told(bot, text)
    assert question == "Lowest temperature of the plant. (a number; /skip for 15)"
    assert told(bot, *MONSTERA[3:]).startswith("Monty is known now.")
    sql = "SELECT plant_id, given_name, temperature_low, temperature_high, moisture_low, moisture_high FROM houseplant_metadata WHERE id = :id;"
    assert db.query(sql, {"id": "5"}).fetchall() == [(5, "Monty", 15.0, 31.5, 25.0, 70.0)]
    assert "Moisture low: 30" in told(bot, "/update_plant 1", *["/skip"] * 7)
    told(bot, "/n")
    assert told(bot, "/update_plant 1", "/skip", "/skip", "Crouton II", *["/skip"] * 4, "/y").startswith("Crouton II")
    assert db.query(sql, {"id": "1"}).fetchall() == [(1, "Crouton II", 15.0, 32.0, 30.0, 70.0)]
    assert told(bot, "/plants").splitlines()[-1] == "5: Monty the Monstera, 25 to 70 per cent"
    assert sorted(told(bot, "/thirsty 27").splitlines()) == ["Crouton II", "Cyril"]


def test_the_monitor_follows_the_bots_mapping(db: penstock.Database) -> None:
    bot = open_bot(db, CONFIG)
    mapping = SensorMapping(db)
    told(bot, "/update_plant 5", *MONSTERA)
    asked = bot.answer(Message(1, "/update_mapping"))[0]
    assert asked.choices == ("0x36", "0x37", "0x38", "0x39")
    pots = bot.answer(Message(1, "0x37"))[0]
    assert set(pots.choices) == {"Crouton", "Cyril", "Ginny", "Piper", "Monty"}
    assert told(bot, "Monty") == "Sensor: 0x37\nPlant: Monty\n\nShall I keep this? /y or /n"
    told(bot, "/y")
    wait_until(lambda: mapping.plants()[0x37] == 5)
    mapping.close()


def test_a_plant_of_the_bots_is_told_of_when_it_is_dry(db: penstock.Database) -> None:
    """From /update_plant by readings, the join and the window to the alert in the chat that asked for it."""
    from penstock.bots import MemoryDoor

    bot, door, stop = open_bot(db, CONFIG), MemoryDoor(), threading.Event()
    told(bot, "/update_plant 5", *MONSTERA)
    told(bot, "/alerts")
    thread = threading.Thread(target=lambda: bot.run(door, stop))
    thread.start()
    row = {"id": "5", "plant_id": 5, "moisture": 10.0, "temperature": 20.0}
    db.insert("houseplant_readings", [row | {"ROWTIME": START_MS + n * 30_000} for n in range(130)])
    db.insert("houseplant_readings", [row | {"ROWTIME": START_MS + DAY_MS}])
    wait_until(lambda: [reply.text for _, reply in door.sent] == ["Monty the Monstera (Monstera deliciosa) is looking pretty dry..."])
    stop.set()
    thread.join(30)
    picture = bot.answer(Message(1, "/moisture"))[0].picture
    assert picture is not None
    assert [(name, len(points)) for name, points in picture.series.items()] == [("Monty", 131)]


def test_the_command_talks_in_the_terminal(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "penstock.cli.main", "bot", "houseplants", "--data", "plants", "--terminal"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TELEGRAM", "HOUSEPLANTS"))}
    text = "\n".join(["/update_plant", "5", *MONSTERA, "/update_mapping", "2", "Monty", "1", "/plants", ""])
    began = time.monotonic()
    ended = subprocess.run(command, cwd=tmp_path, env=environment, input=text, capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode, ended.stderr) == (0, ""), time.monotonic() - began
    assert "The sensor 0x37 stands there now." in ended.stdout
    assert ended.stdout.endswith("5: Monty the Monstera, 25 to 70 per cent\n")
    refused = subprocess.run(command[:-1], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert refused.returncode == 1
    assert refused.stderr.startswith("There is no token: the variable TELEGRAM_TOKEN is not set.")
