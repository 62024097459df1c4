"""From the camera through Mosquitto and the connector to pairs, against an oracle in plain Python."""

from __future__ import annotations

import io
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from pipelines.socks import broker, camera, demo
from pipelines.socks.config import FOLDER, load
from pipelines.socks.setup import set_up
from pipelines.socks.socks_view import SocksView
from tests.machine import how_slow, idle_median_ms
from tests.pipelines.socks.oracle import pairs, smoothed
from tests.talks.texts import text

import penstock
from penstock.sql.parser import parse

pytestmark = pytest.mark.needs("mosquitto", "module:cv2", "module:sklearn", "module:paho")
CONNECTOR, _, STREAM, SMOOTHED, WITHOUT_BLANKS, _ = parse(text("socks"))
TALK = "".join(f"{statement.text};\n" for statement in (CONNECTOR, STREAM, SMOOTHED, WITHOUT_BLANKS))
SECOND = (FOLDER / "pipeline.sql").read_text().replace("size 5 seconds", "size 1 seconds")
QUICK = load().__class__(**{**vars(load()), "window_s": 1.0, "pictures_s": 16.0})


def stored(db: penstock.Database) -> list[tuple[int, str]]:
    """(arrival in ms, text) of every message."""
    messages: list[tuple[int, str]] = []
    while len(messages) < db.log.end_offset("data_mqtt", 0):
        batch = db.log.read("data_mqtt", 0, len(messages), max_records=10_000)
        messages += [(row["timestamp"], row["value"].decode()) for row in batch.to_pylist()]
    return messages


def matched(db: penstock.Database) -> dict[str, tuple[str, int]]:
    """What the pairs' push query says in the end."""
    assert db.wait_idle(20)
    db.execute("SET 'auto.offset.reset' = 'earliest';")
    query = db.query(demo.PAIRS)
    db.execute("UNSET 'auto.offset.reset';")
    rows = {row["IMAGE"]: (row["PAIR_SEEN"], row["NUMBER_SOCKS_SEEN"]) for row in query.drain()}
    query.close()
    return rows


def check(db: penstock.Database, window_ms: int, blank: str | None) -> dict[str, tuple[str, int]]:
    """The tables hold what the oracle finds in the messages, and the push query says it."""
    assert db.wait_idle(20)
    expected = smoothed(stored(db), window_ms, blank)
    assert {tuple(row) for row in db.query("SELECT image, window_start FROM sock_stream_smoothed;").fetchall()} == expected
    assert matched(db) == pairs(expected)
    return pairs(expected)


def test_the_talks_statements_to_the_letter_and_how_soon(tmp_path: Path) -> None:
    """Messages as on the slides; and from a sock's fourth message to the row of the push query it takes less than a quarter of a second (of an idle
    machine)."""
    with broker.running() as (_, credentials), penstock.connect(tmp_path / "db") as db:
        set_up(db, credentials, TALK)
        publisher = camera.Publisher(credentials)
        publisher.publish('{"image": "Blank", "probability": 37.59765625}', retain=True)
        while db.log.topic("data_mqtt") is None or not db.log.end_offset("data_mqtt", 0):
            db.log.watch(db.log.version(), 0.1)
        query, waits_s, slowness = db.query(demo.PAIRS), list[float](), list[float]()
        for name in ("Google", "Mongo", "Running Science", "Streamset", "Confluent", "Kafka", "Duck", "Flink", "Red", "Blue"):
            while time.time() % 5 > 4:  # not over the end of a window
                time.sleep(0.05)
            slowness.append(how_slow())
            for _ in range(4):
                published = time.perf_counter()
                publisher.publish(f'{{"image": "{name}", "probability": 97.3}}')
            row = next(iter(query))
            waits_s.append(time.perf_counter() - published)
            assert tuple(row) == (name, "Un-matched", 1)
        query.close()
        publisher.close()
        assert idle_median_ms("from a sock's fourth message to its row", waits_s, slowness) < 250
        check(db, 5000, None)
        images = [row[0] for row in db.query("SELECT image FROM sock_stream_without_blanks;").fetchall()]
        assert images.count("Blank") == 1, "to the letter 'blank' is another word"
        assert db.query("SELECT probability FROM sock_stream LIMIT 1;").fetchall() == [(37.59765625,)]


def test_the_demo_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    published: list[str] = []
    publish = camera.Publisher.publish

    def noted(self: camera.Publisher, message: str, *, retain: bool = False) -> None:
        published.append(message)
        publish(self, message, retain=retain)

    monkeypatch.setattr(camera.Publisher, "publish", noted)
    with penstock.connect(tmp_path / "db") as db:
        for results in (3, 2):
            before, published[:] = len(stored(db)) if db.log.topic("data_mqtt") else 0, []
            demo.run(db, speed=1, seed=1, stop=threading.Event(), alerts_max=results, config=QUICK, sql=SECOND)
            arrived = [text for _, text in stored(db)[before:]]
            assert arrived == published[: len(arrived)]
            assert len(published) - len(arrived) < 20, "no more than was under way at the end"
        told = capsys.readouterr().out
        expected = check(db, 1000, "Blank")
    assert sum(count for _, count in expected.values()) >= 5
    lines = re.findall(r"^(.+): (Pair|Un-matched) \((\d+) seen\)$", told, re.MULTILINE)
    assert len(lines) == len(set(lines)) >= 5, "no result is told twice"
    assert {(image, (state, int(count))) for image, state, count in lines} >= set(expected.items())


def test_killed_and_started_again(tmp_path: Path) -> None:
    """A copy of the folder, run by the command: killed after the first result its broker is gone too; started again it goes on, and all adds up."""
    mine = tmp_path / "my-socks"
    shutil.copytree(FOLDER, mine, ignore=shutil.ignore_patterns("__pycache__"))
    (mine / "pipeline.sql").write_text(SECOND)
    settings = (mine / "config.toml").read_text().replace("window_s = 5.0", "window_s = 1.0").replace("pictures_s = 3.5", "pictures_s = 16")
    (mine / "config.toml").write_text(settings)
    command = [sys.executable, "-m", "penstock.cli.main", "demo", "./my-socks", "--data", "db", "--alerts"]
    with subprocess.Popen([*command, "1000"], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().strip().rstrip(".").rpartition(":")[2])
        assert "(1 seen)" in process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    with pytest.raises(ConnectionRefusedError):  # noqa: PT012 - until it is refused
        while time.monotonic() < deadline:
            socket.create_connection(("127.0.0.1", port), 1).close()
            time.sleep(0.05)
    with penstock.connect(tmp_path / "db", read_only=True) as db:
        before = len(stored(db))
    ended = subprocess.run([*command, "2"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode, ended.stderr) == (0, ""), "the connector waits until its broker is there"
    assert len(re.findall(r"\(\d+ seen\)", ended.stdout)) >= 2
    with penstock.connect(tmp_path / "db") as db:
        assert len(stored(db)) > before
        assert sum(count for _, count in check(db, 1000, "Blank").values()) >= 3


def test_the_table_of_socks() -> None:
    """What a terminal shows, drawn without one."""
    from rich.console import Console

    view = SocksView(Console(record=True, force_terminal=True, width=100, file=io.StringIO()))
    view.pair({"IMAGE": "Mongo", "PAIR_SEEN": "Un-matched", "NUMBER_SOCKS_SEEN": 1}, is_news=False)
    for count, state in ((2, "Pair"), (1, "Un-matched"), (2, "Pair")):  # taken back for a moment
        view.pair({"IMAGE": "Mongo", "PAIR_SEEN": state, "NUMBER_SOCKS_SEEN": count})
    view.seen({"IMAGE": "Mongo", "PROBABILITY": 90.0})
    view.show(threading.Event(), lambda: view.news_count == 1)
    text = view._console.export_text()
    assert re.search(r"the camera sees  Mongo +█{22}·· +90 % +1 pictures", text), text
    assert re.search(r"Mongo +Pair +2", text), text
