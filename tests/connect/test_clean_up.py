"""DROP CONNECTOR removes what is kept at the far side for the connector, and says what has to stay."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.connect.databases import Server
from tests.connect.mosquitto import PASSWORD, USER, Mosquitto
from tests.connect.source_driver import Driver

import penstock


@pytest.fixture
def db(tmp_path: Path) -> Iterator[penstock.Database]:
    with penstock.connect(tmp_path / "db") as opened:
        yield opened


@pytest.fixture
def server(postgres_server: Server) -> Iterator[Server]:
    """A fresh database with a table."""
    fresh = postgres_server.fresh()
    fresh.run("CREATE TABLE t (id INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    yield fresh
    fresh.drop_slots()


def capture(db: penstock.Database, server: Server, name: str, slot: str, **more: str) -> None:
    """Create a capture of the table, and wait until it has read it."""
    given = {
        "connector.class": "PostgresSource", "database.hostname": "127.0.0.1", "database.port": str(server.port), "database.user": server.user,
        "database.password": server.password, "database.dbname": server.database, "topic.prefix": name, "slot.name": slot,
    }  # fmt: skip
    db.create_connector(name, given | {option.replace("_", "."): text for option, text in more.items()})
    arrived(db, f"{name}.public.t")


def arrived(db: penstock.Database, topic: str) -> None:
    """Wait until the topic holds a record."""
    version = -1
    while db.log.topic(topic) is None or not db.log.end_offset(topic, 0):
        assert db.connectors.statuses()[0].state != "FAILED", db.connectors.statuses()
        version = db.log.watch(version, 20)


def drop(db: penstock.Database, name: str) -> str:
    """Drop the connector; what the statement says."""
    return db.execute(f"DROP CONNECTOR `{name}`;")[0].message


def slots(server: Server) -> list[str]:
    return [name for (name,) in server.run("SELECT slot_name FROM pg_replication_slots WHERE database = current_database() ORDER BY 1")]


def publications(server: Server) -> list[str]:
    return [name for (name,) in server.run("SELECT pubname FROM pg_publication ORDER BY 1")]


@pytest.fixture
def slot() -> str:
    return f"slot_{uuid.uuid4().hex[:10]}"


def test_postgres_slot_and_publication_are_dropped_and_only_then(db: penstock.Database, server: Server, slot: str, tmp_path: Path) -> None:
    capture(db, server, "c", slot)
    db.execute("PAUSE CONNECTOR `c`;")
    db.execute("RESUME CONNECTOR `c`;")
    db.connectors.restart("c")
    db.close()
    assert (slots(server), publications(server)) == ([slot], ["dbz_publication"])
    with penstock.connect(tmp_path / "db") as again:
        assert drop(again, "c") == "Connector c is dropped."
    assert (slots(server), publications(server)) == ([], [])


def test_postgres_a_publication_goes_with_its_last_reader(db: penstock.Database, server: Server, slot: str) -> None:
    capture(db, server, "one", slot)
    capture(db, server, "two", f"{slot}_2", publication_name="dbz_publication")
    assert drop(db, "one") == (
        f"Connector one is dropped. The publication dbz_publication stays. The slot {slot}_2 may need it. "
        'To drop it: DROP PUBLICATION "dbz_publication";'
    )
    server.run("INSERT INTO t VALUES (2)")
    while db.log.end_offset("two.public.t", 0) < 2:
        db.log.watch(db.log.version(), 0.1)
    drop(db, "two")
    assert (slots(server), publications(server)) == ([], ["dbz_publication"]), "which the second has not made"


def test_postgres_what_was_there_before_stays(db: penstock.Database, server: Server, slot: str) -> None:
    server.run(f"SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')", "CREATE PUBLICATION ours FOR ALL TABLES")
    capture(db, server, "c", slot, publication_name="ours")
    assert drop(db, "c") == (
        f"Connector c is dropped. The replication slot {slot} stays, and with it the server keeps its log. It was there before the connector. "
        f"To drop it: SELECT pg_drop_replication_slot('{slot}');"
    )
    assert (slots(server), publications(server)) == ([slot], ["ours"])


def test_postgres_is_away(db: penstock.Database, server: Server, slot: str) -> None:
    capture(db, server, "c", slot)
    db.create_connector("c", dict(db.connectors.status("c").options) | {"database.port": "1", "database.password": "hunter2"})
    said = drop(db, "c")
    assert said.startswith(f"Connector c is dropped. The replication slot {slot} stays, and with it the server keeps its log. The connection to ")
    assert f"SELECT pg_drop_replication_slot('{slot}');" in said
    assert 'DROP PUBLICATION "dbz_publication";' in said
    assert "hunter2" not in said
    assert db.execute("SHOW CONNECTORS;")[0].rows == []
    assert db.connectors.positions("c") == {}


def test_postgres_what_is_about_to_be_made_is_noted_first(server: Server, slot: str) -> None:
    """A kill between the two leaves a note of what may not be there, and never a slot without one."""
    given = {
        "database.hostname": "127.0.0.1", "database.port": str(server.port), "database.user": server.user, "database.password": server.password,
        "database.dbname": server.database, "topic.prefix": "p", "slot.name": slot,
    }  # fmt: skip
    driver = Driver("PostgresSource", given)
    driver.step()
    assert driver.positions == {"made": {"slots": [slot], "publications": ["dbz_publication"]}}
    assert (slots(server), publications(server)) == ([], [])
    driver.restart()
    driver.take(1)
    assert driver.positions["made"] == {"slots": [slot], "publications": ["dbz_publication"]}
    assert (slots(server), publications(server)) == ([slot], ["dbz_publication"])
    driver.close()


def test_postgres_a_secret_is_not_there_any_more(db: penstock.Database, server: Server, slot: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", server.password)
    capture(db, server, "c", slot, database_password="${env:DATABASE_PASSWORD}")
    monkeypatch.delenv("DATABASE_PASSWORD")
    said = drop(db, "c")
    assert f"The replication slot {slot} stays, and with it the server keeps its log. 'database.password' asks for" in said
    assert f"SELECT pg_drop_replication_slot('{slot}');" in said


def subscribe(db: penstock.Database, broker: Mosquitto, **more: str) -> str:
    """Create a source that listens to a topic of its own, and wait for a message; the name of its session."""
    topic = uuid.uuid4().hex
    given = {
        "connector.class": "MqttSource", "mqtt.server.uri": broker.uri, "mqtt.username": USER, "mqtt.password": PASSWORD, "mqtt.topics": topic,
        "kafka.topic": "messages",
    }  # fmt: skip
    broker.publish([(topic, "hello")], retain=True)
    db.create_connector("tap", given | more)
    arrived(db, "messages")
    return str(db.connectors.positions("tap")["session"]["client"])


def has_session(broker: Mosquitto, client_id: str) -> bool:
    """Whether the broker knows one of this name."""
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    known, told = list[bool](), threading.Event()

    def connected(_: object, __: object, flags: Any, *___: object) -> None:
        known.append(flags.session_present)
        told.set()

    client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False)
    client.username_pw_set(USER, PASSWORD)
    client.on_connect = connected
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    assert told.wait(10)
    client.disconnect()
    client.loop_stop()
    return known[0]


def test_mqtt_session_is_ended(db: penstock.Database, mosquitto: Mosquitto) -> None:
    session = subscribe(db, mosquitto)
    db.execute("PAUSE CONNECTOR `tap`;")
    assert str(db.connectors.positions("tap")["session"]["client"]) == session
    assert drop(db, "tap") == "Connector tap is dropped."
    assert not has_session(mosquitto, session)


def test_mqtt_broker_is_away(db: penstock.Database, mosquitto: Mosquitto) -> None:
    session = subscribe(db, mosquitto)
    db.create_connector("tap", dict(db.connectors.status("tap").options) | {"mqtt.server.uri": "tcp://127.0.0.1:1", "mqtt.password": "hunter2"})
    assert has_session(mosquitto, session)
    said = drop(db, "tap")
    assert said.startswith(f"Connector tap is dropped. The session {session} stays with tcp://127.0.0.1:1, which queues messages for it: ")
    assert said.endswith(f"mosquitto_sub -i {session} -t '#' -E")
    assert "hunter2" not in said
    assert db.execute("SHOW CONNECTORS;")[0].rows == []
