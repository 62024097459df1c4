"""The MQTT source against a real Mosquitto broker."""

from __future__ import annotations

import secrets as random_secrets
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.connect.mosquitto import PASSWORD, USER, Mosquitto, connected
from tests.connect.source_context import Context, open_source, polled
from tests.machine import how_slow

from penstock.connect.contract import RetriableError, Source
from penstock.connect.folders import Folders
from penstock.connect.records import SourceRecord
from penstock.connect.runtime import ConnectRuntime
from penstock.connect.secrets import Secrets
from penstock.errors import ConfigError, ConnectorError
from penstock.log.protocol import Log

Open = Callable[..., Source]


@pytest.fixture
def root() -> str:
    """The first level of the topics of one test."""
    return random_secrets.token_hex(4)


@pytest.fixture
def opened(mosquitto: Mosquitto, root: str) -> Iterator[Open]:
    """Open a source on the broker; keyword arguments are options, with `_` for the dot."""
    sources: list[Source] = []

    def open_it(context: Context, **options: str) -> Source:
        given = {
            "mqtt.server.uri": mosquitto.uri,
            "mqtt.username": USER,
            "mqtt.password": PASSWORD,
            "mqtt.topics": f"{root}/#",
            "kafka.topic": "data_mqtt",
            "mqtt.connect.timeout.seconds": "10",
        } | {n.replace("_", "."): t for n, t in options.items()}
        sources.append(open_source("MqttSource", given, context, Secrets(files=Folders([mosquitto.folder]))))
        return sources[-1]

    yield open_it
    for source in sources:
        source.close()


def subscribed(source: Source, context: Context) -> Source:
    """Poll until the subscription stands and its session is stored."""
    while not context.positions.get("session", {}).get("subscribed"):
        assert not polled(source, context)
    return source


def received(source: Source, context: Context, count: int) -> list[SourceRecord]:
    """Poll until `count` records came, and once more."""
    records: list[SourceRecord] = []
    deadline = time.monotonic() + 20
    while len(records) < count and time.monotonic() < deadline:
        records += polled(source, context)
    return records + polled(source, context)


def test_messages_become_records(opened: Open, mosquitto: Mosquitto, root: str) -> None:
    context = Context()
    source = subscribed(opened(context), context)
    mosquitto.publish([(f"{root}/kitchen/temperature", b"\x00\xff"), (f"{root}/alarm", b"")])
    mosquitto.publish([(f"{root}/quick", "0")], qos=0)
    records = received(source, context, 3)
    assert [(r.topic, r.key, r.value) for r in records] == [
        ("data_mqtt", f"{root}/kitchen/temperature", b"\x00\xff"), ("data_mqtt", f"{root}/alarm", b""), ("data_mqtt", f"{root}/quick", b"0"),
    ]  # fmt: skip
    headers = [dict(r.headers) for r in records]
    assert headers[0] == {"mqtt.message.id": b"1", "mqtt.qos": b"1", "mqtt.retained": b"false", "mqtt.duplicate": b"false"}
    assert headers[2]["mqtt.qos"] == b"0"


def test_wildcards(opened: Open, mosquitto: Mosquitto, root: str) -> None:
    context = Context()
    source = subscribed(opened(context, mqtt_topics=f"{root}/+/temperature, {root}/alarms/#"), context)
    for topic in ("a/temperature", "a/b/temperature", "a/humidity", "alarms", "alarms/a/b"):
        mosquitto.publish([(f"{root}/{topic}", "x")])
    assert [r.key.removeprefix(root) for r in received(source, context, 3)] == ["/a/temperature", "/alarms", "/alarms/a/b"]


def test_what_came_while_it_was_away(opened: Open, mosquitto: Mosquitto, root: str) -> None:
    context = Context()
    subscribed(opened(context), context).close()
    mosquitto.publish([(f"{root}/x", str(n)) for n in range(50)])
    assert [int(r.value) for r in received(opened(context), context, 50)] == list(range(50))


def test_a_clean_session_knows_nothing_of_it(opened: Open, mosquitto: Mosquitto, root: str) -> None:
    context = Context()
    clean = {"mqtt_clean_session_enabled": "true"}
    subscribed(opened(context, **clean), context).close()
    mosquitto.publish([(f"{root}/x", "missed")])
    source = opened(context, **clean)
    polled(source, context)
    mosquitto.publish([(f"{root}/x", "seen")])
    assert [r.value for r in received(source, context, 1)] == [b"seen"]


def test_nothing_is_acknowledged_before_it_is_stored(opened: Open, mosquitto: Mosquitto, root: str) -> None:
    context = Context()
    source = subscribed(opened(context), context)
    mosquitto.publish([(f"{root}/x", str(n)) for n in range(3)])
    while not (batch := source.poll()).records:
        pass
    source.close()  # what it polled was never committed
    again = received(opened(context), context, 3)
    assert [r.value for r in again] == [b"0", b"1", b"2"]
    assert dict(again[0].headers)["mqtt.duplicate"] == b"true"
    assert [r.value for r in batch.records] == [b"0", b"1", b"2"][: len(batch.records)]


def test_what_is_stored_but_not_acknowledged_makes_no_second_record(opened: Open, mosquitto: Mosquitto, root: str) -> None:
    context = Context()
    source = subscribed(opened(context), context)
    mosquitto.publish([(f"{root}/x", "same"), (f"{root}/x", "same")])
    stored = 0
    while stored < 2:
        batch = source.poll()
        context.positions.update(batch.positions)  # committed, but killed before the broker is told
        stored += len(batch.records)
    source.close()
    mosquitto.publish([(f"{root}/x", "same")])
    source = opened(context)
    assert [dict(r.headers)["mqtt.message.id"] for r in received(source, context, 1)] == [b"3"]
    source.close()
    assert not polled(opened(context), context, 3), "and they were acknowledged then"


def test_numbers_that_return_are_not_relied_upon(opened: Open, mosquitto: Mosquitto, root: str) -> None:
    """A broker may give a number again at once: then one message must not be taken for another."""
    context = Context()
    source = subscribed(opened(context), context)
    mosquitto.publish([(f"{root}/x", "a")])
    received(source, context, 1)
    number, mark = context.positions["session"]["recent"][0]
    context.positions["session"] = {**context.positions["session"], "recent": [[number + 1, mark]]}
    source.close()
    source = opened(context)
    mosquitto.publish([(f"{root}/x", "b")])
    received(source, context, 1)
    assert context.positions["session"]["numbers_return"]
    assert context.positions["session"]["recent"] == []


def test_a_session_keeps_its_subscriptions(opened: Open, mosquitto: Mosquitto, root: str) -> None:
    """So a retained message comes once, and not at every start; a filter that is no longer wanted is taken back."""
    context = Context()
    mosquitto.publish([(f"{root}/a", "kept")], retain=True)
    source = subscribed(opened(context, mqtt_topics=f"{root}/a,{root}/b"), context)
    first = received(source, context, 1)
    assert [dict(r.headers)["mqtt.retained"] for r in first] == [b"true"]
    source.close()
    again = opened(context, mqtt_topics=f"{root}/a,{root}/b")
    assert not polled(again, context, 3)
    again.close()
    other = opened(context, mqtt_topics=f"{root}/b")
    assert not polled(other, context, 1)
    mosquitto.publish([(f"{root}/a", "no more"), (f"{root}/b", "still")])
    assert [r.value for r in received(other, context, 1)] == [b"still"]


def test_the_name_that_the_broker_knows(opened: Open, mosquitto: Mosquitto) -> None:
    made_up, given = Context(), Context()
    polled(opened(made_up), made_up)
    polled(opened(given, mqtt_client_id="tap-1"), given)
    assert made_up.positions["session"]["client"].startswith("penstock-")
    assert given.positions["session"]["client"] == "tap-1"


def test_a_broker_that_goes_away(opened: Open, mosquitto: Mosquitto, root: str) -> None:
    context = Context()
    source = subscribed(opened(context, mqtt_server_uri=f"tcp://127.0.0.1:9,{mosquitto.uri}"), context)
    mosquitto.publish([(f"{root}/x", "before")])
    assert len(received(source, context, 1)) == 1
    mosquitto.stop()
    try:
        with pytest.raises(RetriableError, match="is lost"):
            polled(source, context, 20)
        with pytest.raises(RetriableError, match="is not to be reached"):
            source.poll()
    finally:
        mosquitto.start()
    mosquitto.publish([(f"{root}/x", "after")])
    assert [r.value for r in received(source, context, 1)] == [b"after"]


def test_tls_with_certificates_on_both_sides(opened: Open, mosquitto: Mosquitto, root: str) -> None:
    folder = mosquitto.folder
    tls = {"mqtt_server_uri": mosquitto.tls_uri, "mqtt_ssl_trust_store_path": f"{folder}/ca.pem", "mqtt_ssl_key_store_path": f"{folder}/client.pem"}
    context = Context()
    source = subscribed(opened(context, **tls), context)
    mosquitto.publish([(f"{root}/x", "hello")])
    assert [r.value for r in received(source, context, 1)] == [b"hello"]
    locked = tls | {"mqtt_ssl_key_file": f"{folder}/locked.key", "mqtt_ssl_key_password": PASSWORD}
    subscribed(opened(other := Context(), **locked), other)


def test_tls_trusts_only_the_authority(opened: Open, mosquitto: Mosquitto) -> None:
    folder = mosquitto.folder
    ours = {"mqtt_server_uri": mosquitto.tls_uri, "mqtt_ssl_key_store_path": f"{folder}/client.pem"}
    for trusted in ({"mqtt_ssl_trust_store_path": f"{folder}/other-ca.pem"}, {}):
        with pytest.raises(ConnectorError, match="a certificate that we do not trust") as caught:
            subscribed(opened(context := Context(), **ours, **trusted), context)
        assert not isinstance(caught.value, RetriableError)
    trusted = {"mqtt_ssl_trust_store_path": f"{folder}/ca.pem"}
    elsewhere = ours | trusted | {"mqtt_server_uri": mosquitto.tls_uri.replace("localhost", "127.0.0.1")}
    with pytest.raises(ConnectorError, match="a certificate that we do not trust"):
        subscribed(opened(context := Context(), **elsewhere), context)
    subscribed(opened(context := Context(), **elsewhere, mqtt_ssl_verify_hostname="false"), context)
    with pytest.raises(RetriableError):  # the broker hangs up on one without a certificate
        subscribed(opened(context := Context(), mqtt_server_uri=mosquitto.tls_uri, **trusted), context)


def test_from_message_to_record_and_at_rest(log: Log, runtime: ConnectRuntime, mosquitto: Mosquitto, root: str) -> None:
    """A message is in its topic within milliseconds, and a connector that waits costs nothing measurable."""
    mosquitto.publish([(f"{root}/x", "kept")], retain=True)
    properties = {
        "connector.class": "MqttSource", "mqtt.server.uri": mosquitto.uri, "mqtt.username": USER, "mqtt.password": PASSWORD,
        "mqtt.topics": f"{root}/#", "kafka.topic": "data_mqtt",
    }  # fmt: skip
    log.create_topic("data_mqtt")
    runtime.start("SOURCE", "tap", properties)
    waits_ms, slowness, publisher = [], [], connected(mosquitto, "publisher")
    for n in range(40):
        slowness.append(how_slow())
        started = time.perf_counter()
        if n:
            publisher.publish(f"{root}/x", str(n), 1)
        version = -1
        while log.end_offset("data_mqtt", 0) <= n:
            version = log.watch(version, 20)
            assert time.perf_counter() - started < 20, runtime.statuses()
        waits_ms.append((time.perf_counter() - started) * 1000)
    publisher.disconnect()
    publisher.loop_stop()
    print(f"median {statistics.median(waits_ms[1:]):.1f} ms, {statistics.median(slowness):.1f} times as slow as idle")
    assert statistics.median(waits_ms[1:]) / statistics.median(slowness) < 50
    used_s = time.process_time()
    time.sleep(1)
    assert time.process_time() - used_s < 0.05


@pytest.mark.parametrize("wrong", [{"mqtt_password": "guess"}, {"mqtt_username": "", "mqtt_password": ""}])
def test_one_who_is_not_let_in(opened: Open, wrong: dict[str, str]) -> None:
    context = Context()
    with pytest.raises(ConnectorError, match="does not let us in: Not authorized") as caught:
        polled(opened(context, **wrong), context, 2)
    assert not isinstance(caught.value, RetriableError)
    assert PASSWORD not in str(caught.value)
    assert "guess" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mqtt_server_uri": "http://x"}, "not the address of a broker"),
        ({"mqtt_server_uri": "tcp://gardener:pw@x"}, "not the address of a broker"),
        ({"mqtt_server_uri": "tcp://x:99999"}, "not the address of a broker"),
        ({"mqtt_topics": "a/b#"}, "no topic filter"),
        ({"mqtt_topics": "a/#/b"}, "no topic filter"),
        ({"mqtt_topics": "a+/b"}, "no topic filter"),
        ({"mqtt_qos": "3"}, "0, 1 or 2"),
        ({"mqtt_username": ""}, "needs 'mqtt.username'"),
        ({"mqtt_server_uri": "ssl://x", "mqtt_ssl_ca_file": "/etc/passwd"}, "outside the folders"),
        ({"mqtt_server_uri": "ssl://x", "mqtt_ssl_ca_file": "{folder}/none"}, "cannot be read"),
        ({"mqtt_server_uri": "ssl://x", "mqtt_ssl_ca_file": "{folder}/mosquitto.conf"}, "not PEM"),
        ({"mqtt_server_uri": "ssl://x", "mqtt_ssl_ca_file": "{folder}/java.jks"}, "not PEM"),
        ({"mqtt_server_uri": "ssl://x", "mqtt_ssl_cert_file": "{folder}/ca.pem"}, "cannot be used"),
        ({"mqtt_server_uri": "ssl://x", "mqtt_ssl_cert_file": "{folder}/client.pem", "mqtt_ssl_key_file": "{folder}/locked.key"}, "cannot be used"),
    ],
)
def test_mistakes_are_found_at_the_start(opened: Open, mosquitto: Mosquitto, options: dict[str, str], message: str) -> None:
    (mosquitto.folder / "java.jks").write_bytes(b"\xfe\xed\xfe\xed")
    with pytest.raises(ConfigError, match=message):
        opened(Context(), **{name: text.replace("{folder}", str(mosquitto.folder)) for name, text in options.items()})


def test_the_class_names_of_the_talk() -> None:
    from penstock.connect.contract import definition_of

    names: list[Any] = ["MqttSource", "io.confluent.connect.mqtt.MqttSourceConnector", "io.confluent.connect.mqtt.MqttConnector"]
    assert len({definition_of(name, "SOURCE").class_names for name in names}) == 1
