"""Connectors as SQL knows them: CREATE, SHOW, DESCRIBE, DROP, and after a restart."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.connect.web_server import Answer, WebServer

import penstock

COLUMNS = "plant STRING KEY, moisture DOUBLE, tags MAP<STRING, INT>"
STREAM = f"CREATE STREAM readings ({COLUMNS}) WITH (kafka_topic='readings', value_format='AVRO', partitions=2);"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[penstock.Database]:
    with penstock.connect(tmp_path / "db") as opened:
        opened.execute(STREAM)
        yield opened


def create(db: penstock.Database, web: WebServer, **options: str) -> None:
    properties = {"connector.class": "HttpSink", "topics": "readings", "http.api.url": web.url} | {k.replace("_", "."): v for k, v in options.items()}
    text = ", ".join(f"'{name}' = '{value}'" for name, value in properties.items())
    db.execute(f"CREATE SINK CONNECTOR pager WITH ({text});")


def test_rows_of_a_stream_arrive_with_their_columns(db: penstock.Database, web: WebServer) -> None:
    create(db, web, request_body_format="json", headers="X-Plant: yes")
    db.insert("readings", [{"plant": "Crouton", "moisture": 12.5, "tags": {"a": 1}}, {"plant": "Ginny"}])
    web.wait_for(2)
    assert db.connectors.wait_idle(10)
    bodies = [json.loads(request.body) for request in web.requests]
    assert {"MOISTURE": 12.5, "TAGS": {"a": 1}} in bodies
    assert {"MOISTURE": None, "TAGS": None} in bodies


def test_show_and_describe_hide_what_is_secret(db: penstock.Database, web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGER_USER", "the-user")
    create(db, web, auth_type="basic", connection_user="${env:PAGER_USER}", connection_password="hunter2")
    assert db.execute("SHOW CONNECTORS;")[0].rows == [("PAGER", "SINK", "RUNNING", "HttpSink")]
    described = dict(db.execute("DESCRIBE CONNECTOR pager;")[0].rows)
    assert described["State"] == "RUNNING"
    assert described["Option connection.user"] == "${env:PAGER_USER}"
    assert described["Option connection.password"] == "[hidden]"
    assert "hunter2" not in str(db.execute("SHOW CONNECTORS; DESCRIBE CONNECTOR pager;"))


def test_a_failure_shows_its_reason(db: penstock.Database, web: WebServer) -> None:
    web.otherwise = Answer(403, body=b"not you")
    create(db, web)
    db.insert("readings", [{"plant": "Crouton"}])
    web.wait_for(1)
    assert not db.connectors.wait_idle(0.3)
    assert db.execute("SHOW CONNECTORS;")[0].rows[0][2] == "FAILED"
    assert "403 Forbidden: not you" in dict(db.execute("DESCRIBE CONNECTOR pager;")[0].rows)["Task 0"]


def test_it_goes_on_when_the_folder_is_opened_again(tmp_path: Path, web: WebServer) -> None:
    with penstock.connect(tmp_path / "db") as db:
        db.execute(STREAM)
        create(db, web, body_template="{plant}")
        db.insert("readings", [{"plant": "a"}])
        web.wait_for(1)
        assert db.connectors.wait_idle(10)
    with penstock.connect(tmp_path / "db") as db:
        db.insert("readings", [{"plant": "b"}])
        web.wait_for(2)
        assert db.connectors.wait_idle(10)
        db.execute("DROP CONNECTOR pager;")
        db.insert("readings", [{"plant": "c"}])
        assert db.connectors.wait_idle(1)
        assert db.execute("SHOW CONNECTORS;")[0].rows == []
    assert [request.body for request in web.requests] == [b"a", b"b"]


def test_a_row_that_cannot_be_decoded_goes_to_the_dead_letters(db: penstock.Database, web: WebServer) -> None:
    from penstock.log.protocol import Append
    from penstock.log.records import records

    db.log.append(Append("readings", 0, records([(1, b"k", b"not Avro")])))
    create(db, web, errors_tolerance="all")
    db.insert("readings", [{"plant": "a"}])
    assert db.connectors.wait_idle(10)
    assert len(web.requests) == 1
    letter = db.log.read("dlq-PAGER", 0, 0).to_pylist()[0]
    assert letter["value"] == b"not Avro"
    assert any(h["key"] == "__connect.errors.exception.message" and b"value" in h["value"] for h in letter["headers"])


def test_a_mistake_in_a_secret_does_not_tell_it(db: penstock.Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GARDEN_TOPIC", "sesame#")
    options = "'connector.class'='MqttSource', 'mqtt.server.uri'='tcp://h', 'mqtt.topics'='${env:GARDEN_TOPIC}'"
    with pytest.raises(penstock.Error, match=r"'mqtt.topics' holds '\[hidden\]', which is no topic filter"):
        db.execute(f"CREATE SOURCE CONNECTOR x WITH ({options});")


@pytest.mark.parametrize(
    ("sql", "complaint"),
    [
        ("CREATE SINK CONNECTOR x WITH ('topics'='readings');", "does not say what it is"),
        ("CREATE SINK CONNECTOR x WITH ('connector.class'='HttpSnk', 'topics'='readings');", "HttpSink"),
        ("CREATE SOURCE CONNECTOR x WITH ('connector.class'='HttpSink');", "is a SINK connector"),
        ("CREATE SINK CONNECTOR x WITH ('connector.class'='HttpSink', 'topics'='readings');", "needs the option 'http.api.url'"),
        ("CREATE SINK CONNECTOR x WITH ('connector.class'='HttpSink', 'topics'='none', 'url'='http://x');", "no topic 'none'"),
        ("CREATE SINK CONNECTOR x WITH ('connector.class'='HttpSink', 'topics'='readings', 'url'='http://x/{MOIST}');", "They have: MOISTURE"),
        ("DROP CONNECTOR x;", "no connector X"),
        ("DESCRIBE CONNECTOR x;", "no connector X"),
    ],
)
def test_mistakes(sql: str, complaint: str, db: penstock.Database) -> None:
    with pytest.raises(penstock.Error, match=re.escape(complaint)):
        db.execute(sql)
    assert db.execute("SHOW CONNECTORS;")[0].rows == []
