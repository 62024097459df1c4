"""Connectors from JSON files and from Python, and what SQL says and does of them: SHOW, DESCRIBE, PAUSE, RESUME, DROP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.connect.far_side import FarSide
from tests.connect.web_server import WebServer

import penstock
from penstock.connect import config_files, contract
from penstock.connect.contract import definitions
from penstock.connect.records import SourceRecord
from penstock.errors import ConfigError

STREAM = "CREATE STREAM IF NOT EXISTS readings (plant STRING KEY, moisture DOUBLE) WITH (kafka_topic='readings', value_format='AVRO', partitions=1);"


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> FarSide:
    far = FarSide()
    all_definitions = (*definitions(), far.definition())
    monkeypatch.setattr(contract, "definitions", lambda: all_definitions)
    return far


@pytest.fixture
def db(far: FarSide, tmp_path: Path) -> Iterator[penstock.Database]:
    with penstock.connect(tmp_path / "db") as opened:
        yield opened


def described(db: penstock.Database, name: str) -> dict[str, str]:
    return dict(db.execute(f"DESCRIBE CONNECTOR {name};")[0].rows)


def test_python_makes_keeps_and_changes_a_connector(db: penstock.Database, far: FarSide) -> None:
    far.add("a", "1")
    config: dict[str, Any] = {"connector.class": "FarSide", "interval.ms": 10, "errors.log.enable": True}
    assert db.create_connector("world", config) == "Connector world is created and runs."
    assert db.connectors.wait_idle(20)
    assert db.create_connector("world", config) == "Connector world goes on."
    assert far.closed == 1, "that of the check"
    far.add("a", "2")
    assert db.create_connector("world", config | {"interval.ms": 20}) == "Connector world goes on with its changed configuration."
    assert far.closed == 3
    assert db.connectors.wait_idle(20)
    assert [row["value"] for row in db.log.read("from-a", 0, 0).to_pylist()] == [b"1", b"2"]
    assert described(db, "'world'")["Option interval.ms"] == "20"
    for wrong, complaint in (
        ({}, "does not say what it is"),
        ({"connector.class": "Nope"}, "no connector of the class 'Nope'"),
        ({"connector.class": "FarSide", "x": 1}, "no option 'x'"),
        ({"connector.class": "FarSide", "word": ["a"]}, "The option 'word' is no text, number or truth value"),
        ({"connector.class": "HttpSink", "topics": "from-a", "http.api.url": "http://x"}, "world is a SOURCE connector, not a SINK"),
    ):
        with pytest.raises(penstock.Error, match=complaint):
            db.create_connector("world", wrong)
    assert described(db, "'world'")["State"] == "RUNNING"


def test_a_pause_lasts_until_resume(db: penstock.Database, far: FarSide, tmp_path: Path) -> None:
    db.execute("CREATE SOURCE CONNECTOR world WITH ('connector.class' = 'FarSide');")
    assert db.connectors.wait_idle(20)
    assert db.execute("PAUSE CONNECTOR world;")[0].message == "Connector WORLD is paused."
    assert db.execute("SHOW CONNECTORS;")[0].rows == [("WORLD", "SOURCE", "PAUSED", "FarSide")]
    db.close()
    far.add("a", "1")
    with penstock.connect(tmp_path / "db") as again:
        assert described(again, "world")["State"] == "PAUSED"
        assert "it is paused" in again.create_connector("WORLD", {"connector.class": "FarSide"})
        assert "it is paused" in again.create_connector("WORLD", {"connector.class": "FarSide", "interval.ms": 10})
        assert described(again, "world")["State"] == "PAUSED"
        assert again.execute("RESUME CONNECTOR world;")[0].message == "Connector WORLD runs."
        assert again.connectors.wait_idle(20)
        assert described(again, "world") | {"Position a": '{"next": 1}', "Task 0": "RUNNING, 1 brought in, 0 refused"} == described(again, "world")
        for sql in ("PAUSE CONNECTOR x;", "RESUME CONNECTOR x;", "DROP CONNECTOR x;", "DESCRIBE CONNECTOR x;"):
            with pytest.raises(penstock.Error, match="There is no connector X"):
                again.execute(sql)


def test_others_go_on_while_a_far_side_answers(db: penstock.Database, far: FarSide) -> None:
    """PAUSE waits for what is under way, DROP for what the far side forgets; nobody else waits for either."""
    asked, answer = threading.Event(), threading.Event()

    def slow(*_: Any) -> SourceRecord:
        asked.set()
        assert answer.wait(20)
        return SourceRecord("from-a", "1")

    def forgotten() -> list[str]:
        slow()
        return []

    def while_waiting(sql: str, connectors: list[str]) -> None:
        version = db.log.version()
        ending = pool.submit(db.execute, sql)
        db.log.watch(version, 20)
        assert asked.wait(20)
        assert [row[2] for row in db.execute("SHOW CONNECTORS;")[0].rows] == connectors
        if not connectors:
            with pytest.raises(penstock.Error, match=r"Connector WORLD is still being dropped\. Create it once that has ended\."):
                db.execute("CREATE SOURCE CONNECTOR world WITH ('connector.class' = 'FarSide');")
        assert not ending.done()
        answer.set()
        assert "still" not in ending.result(20)[0].message
        asked.clear()
        answer.clear()

    far.record, far.on_clean_up = slow, forgotten
    far.add("a", "1")
    with ThreadPoolExecutor(1) as pool:
        db.execute("CREATE SOURCE CONNECTOR world WITH ('connector.class' = 'FarSide');")
        assert asked.wait(20)
        while_waiting("PAUSE CONNECTOR world;", ["PAUSED"])
        while_waiting("DROP CONNECTOR world;", [])
    far.record, far.on_clean_up = FarSide().record, tuple
    db.execute("CREATE SOURCE CONNECTOR world WITH ('connector.class' = 'FarSide');")


def test_connectors_wait_until_they_are_started(
    db: penstock.Database, far: FarSide, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """For a program that brings up their far side first: nothing fails before, and what is paused stays so."""
    monkeypatch.setenv("FAR_WORD", "here")
    db.execute("CREATE SOURCE CONNECTOR world WITH ('connector.class' = 'FarSide', 'word' = '${env:FAR_WORD}');")
    db.execute("CREATE SOURCE CONNECTOR resting WITH ('connector.class' = 'FarSide');")
    db.execute("PAUSE CONNECTOR resting;")
    assert db.connectors.wait_idle(20)
    db.close()
    far.add("a", "1")
    monkeypatch.delenv("FAR_WORD")
    with penstock.connect(tmp_path / "db", start_connectors=False) as again:
        assert [row[2] for row in again.execute("SHOW CONNECTORS;")[0].rows] == ["PAUSED", "PAUSED"]
        monkeypatch.setenv("FAR_WORD", "here")
        again.start_connectors()
        assert again.connectors.wait_idle(20)
        expected = {"State": "RUNNING", "Position a": '{"next": 1}', "Task 0": "RUNNING, 1 brought in, 0 refused"}
        assert described(again, "world") | expected == described(again, "world")
        again.start_connectors()
        assert described(again, "world") | expected == described(again, "world"), "one that runs is not begun anew: it has counted on"
        assert described(again, "resting")["State"] == "PAUSED"
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_a_topic_that_a_connector_makes_while_the_statement_runs(db: penstock.Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The statement finds no topic, and then there is one: it is taken as it is. The moment between is brought about by hand."""
    look = db.log.topic

    def made_after_the_look(name: str) -> object:
        found = look(name)
        if found is None and name == "late":
            db.log.create_topic(name, 3)
        return found

    monkeypatch.setattr(db.log, "topic", made_after_the_look)
    db.execute("CREATE STREAM late (n INT) WITH (kafka_topic = 'late', value_format = 'JSON');")
    monkeypatch.undo()
    info = db.log.topic("late")
    assert info is not None
    assert info.partitions == 3


def test_show_knows_both_kinds_and_drop_forgets(db: penstock.Database, far: FarSide, web: WebServer) -> None:
    db.execute(STREAM)
    db.create_connector("b-sink", {"connector.class": "HttpSink", "topics": "readings", "http.api.url": web.url})
    far.add("a", "1")
    source = "CREATE SOURCE CONNECTOR IF NOT EXISTS world WITH ('connector.class' = 'FarSide');"
    db.execute(source)
    assert db.execute(source)[0].message == "Connector WORLD exists already."
    db.insert("readings", [{"plant": "x", "moisture": 1.0}])
    assert db.connectors.wait_idle(20)
    assert [row[:2] for row in db.execute("SHOW CONNECTORS;")[0].rows] == [("WORLD", "SOURCE"), ("b-sink", "SINK")]
    assert [row[0] for row in db.execute("SHOW SOURCE CONNECTORS;")[0].rows] == ["WORLD"]
    assert [row[0] for row in db.execute("SHOW SINK CONNECTORS;")[0].rows] == ["b-sink"]
    plugins = db.execute("SHOW CONNECTOR PLUGINS;")[0].rows
    assert {("HttpSink", "SINK"), ("FarSide", "SOURCE")} <= {row[:2] for row in plugins}
    assert described(db, "'b-sink'")["Topic readings-0"] == "1 of 1"
    assert db.connectors.positions("WORLD") == {"a": {"next": 1}}
    db.execute("DROP CONNECTOR world; DROP CONNECTOR IF EXISTS world; DROP CONNECTOR 'b-sink';")
    assert db.connectors.positions("WORLD") == {}
    assert db.execute("SHOW CONNECTORS;")[0].rows == []


def test_both_forms_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text('{"name": "first", "config": {"connector.class": "X", "n": 1}}')
    (tmp_path / "two.json").write_text('{"connector.class": "Y", "yes": true}')
    (tmp_path / "three.json").write_text('{"name": "third", "connector.class": "Z"}')
    (tmp_path / "readme.txt").write_text("not read")
    found = {f.name: f.config for f in config_files.read(tmp_path)}
    assert found == {"first": {"connector.class": "X", "n": 1}, "two": {"connector.class": "Y", "yes": True}, "third": {"connector.class": "Z"}}
    assert [f.name for f in config_files.read(tmp_path / "two.json")] == ["two"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("{", "x.json is not JSON"), ("[]", "x.json holds no JSON object"), ('{"name": 5}', "'name' is 5"), (None, "x.json cannot be read")],
)
def test_mistakes_of_files(text: str | None, complaint: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "x.json").write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        list(config_files.read(tmp_path / "x.json"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"holds no \*\.json"):
        list(config_files.read(tmp_path / "empty"))


def test_run_takes_connectors(tmp_path: Path, web: WebServer) -> None:
    """`penstock run` with a folder of connectors, twice: the second time they go on."""
    (tmp_path / "pipeline.sql").write_text(f"{STREAM}\nINSERT INTO readings (plant, moisture) VALUES ('Piper', 3.0);")
    (tmp_path / "connectors").mkdir()
    config = {"connector.class": "HttpSink", "topics": "readings", "http.api.url": web.url, "body.template": "{plant}"}
    (tmp_path / "connectors" / "pager.json").write_text(json.dumps({"name": "pager", "config": config}))
    command = [sys.executable, "-m", "penstock.cli.main", "run", "pipeline.sql", "--data", "db", "--connector", "connectors"]
    for count, word in ((1, "is created and runs"), (2, "goes on")):
        with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ) as process:
            web.wait_for(count, 60)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert f"Connector pager {word}." in out
    (tmp_path / "connectors" / "pager.json").write_text(json.dumps(config | {"body.templat": "x"}))
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("connectors/pager.json: The connector has no option 'body.templat'. Did you mean 'body.template'?")
