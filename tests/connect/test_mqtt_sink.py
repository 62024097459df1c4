"""The MQTT sink against a real Mosquitto broker."""

from __future__ import annotations

import json
import secrets as random_secrets
from collections.abc import Callable, Iterator

import pytest
from tests.connect.json_records import send
from tests.connect.mosquitto import PASSWORD, USER, Listener, Mosquitto

from penstock.connect.runtime import ConnectRuntime
from penstock.errors import ConfigError
from penstock.log.protocol import Log

Start = Callable[..., None]


@pytest.fixture
def root() -> str:
    """The first level of the topics of one test."""
    return random_secrets.token_hex(4)


@pytest.fixture
def listener(mosquitto: Mosquitto, root: str) -> Iterator[Listener]:
    opened = Listener(mosquitto, f"{root}/#")
    yield opened
    opened.close()


@pytest.fixture
def publish(runtime: ConnectRuntime, mosquitto: Mosquitto, root: str) -> Start:
    """Start the sink `valves` on the topic `alerts`; keyword arguments are options, with `_` for the dot."""

    def start_sink(**options: str) -> None:
        properties = {
            "connector.class": "MqttSink", "topics": "alerts", "mqtt.server.uri": mosquitto.uri, "mqtt.username": USER, "mqtt.password": PASSWORD,
            "mqtt.topic": root + "/{topic}", "retry.backoff.ms": "20", "mqtt.connect.timeout.seconds": "10",
        }  # fmt: skip
        properties |= {name.replace("_", "."): text for name, text in options.items()}
        runtime.check("SINK", "valves", properties)
        runtime.start("SINK", "valves", properties)

    return start_sink


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_records_become_messages(log: Log, publish: Start, listener: Listener, root: str, qos: int) -> None:
    send(log, "alerts", [{"N": n} for n in range(1200)])
    publish(mqtt_qos=str(qos))
    messages = listener.wait_for(1200)
    assert [json.loads(payload)["N"] for _, payload, _, _ in messages] == list(range(1200))
    assert {(topic, qos) for topic, _, qos, _ in messages} == {(f"{root}/alerts", qos)}


def test_topic_and_message_from_columns(log: Log, runtime: ConnectRuntime, publish: Start, listener: Listener, root: str) -> None:
    send(log, "alerts", [{"VALVE": "a/b", "OPEN": True}, {"VALVE": "c", "OPEN": None}])
    publish(mqtt_topic=root + "/garden/{VALVE}/set/{key}", body_template='{"open": "{OPEN:json}", "valve": "{VALVE}"}')
    assert [message[:2] for message in listener.wait_for(2)] == [
        (f"{root}/garden/a/b/set/0", b'{"open":true,"valve":"a/b"}'), (f"{root}/garden/c/set/1", b'{"open":null,"valve":"c"}'),
    ]  # fmt: skip
    runtime.stop("valves")
    send(log, "alerts", [{"N": 1, "S": "é"}], first_key=2)
    publish(message_format="json")
    assert listener.wait_for(3)[2][1] == '{"N":1,"S":"é"}'.encode()


def test_tombstones_and_retained_messages(log: Log, runtime: ConnectRuntime, publish: Start, mosquitto: Mosquitto, root: str) -> None:
    send(log, "alerts", [{"N": 1}, {"N": 2}, None], first_key=5)
    publish(mqtt_retained_enabled="true", mqtt_topic=root + "/kept/{N}{key}")
    assert runtime.wait_idle(20), runtime.statuses()
    kept = Listener(mosquitto, f"{root}/kept/#")
    assert sorted((topic, retained) for topic, _, _, retained in kept.wait_for(2)) == [(f"{root}/kept/15", True), (f"{root}/kept/26", True)]
    kept.close()
    runtime.stop("valves")
    send(log, "alerts", [{"N": 3}, None], first_key=7)
    publish(mqtt_retained_enabled="true", mqtt_topic=root + "/all", behavior_on_null_values="clear")
    assert runtime.wait_idle(20), runtime.statuses()
    send(log, "alerts", [{"N": 4}], first_key=9)
    assert runtime.wait_idle(20)
    kept = Listener(mosquitto, f"{root}/all")
    assert [json.loads(payload)["N"] for _, payload, _, _ in kept.wait_for(1)] == [4]
    kept.close()


def test_what_cannot_be_published_is_refused(log: Log, runtime: ConnectRuntime, publish: Start, listener: Listener, root: str) -> None:
    send(log, "alerts", [{"ROOM": "a"}, {"ROOM": "#"}, None, {"ROOM": "x" * 70_000}, {"ROOM": "b"}])
    publish(mqtt_topic=root + "/{ROOM}", behavior_on_null_values="fail", errors_tolerance="all")
    assert runtime.wait_idle(20), runtime.statuses()
    assert [topic for topic, *_ in listener.wait_for(2)] == [f"{root}/a", f"{root}/b"]
    status = runtime.status("valves").tasks[0]
    assert (status.delivered, status.refused) == (2, 3)


def test_an_outage_loses_nothing(log: Log, runtime: ConnectRuntime, publish: Start, listener: Listener, mosquitto: Mosquitto) -> None:
    publish()
    send(log, "alerts", [{"N": 0}])
    listener.wait_for(1)
    mosquitto.stop()
    try:
        send(log, "alerts", [{"N": n} for n in range(1, 50)])
        assert not runtime.wait_idle(0.3)
    finally:
        mosquitto.start()
    assert runtime.wait_idle(30), runtime.statuses()
    assert [json.loads(payload)["N"] for _, payload, _, _ in listener.wait_for(50)] == list(range(50))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mqtt_server_uri": "valves"}, "not the address of a broker"),
        ({"mqtt_qos": "3"}, "0, 1 or 2"),
        ({"mqtt_topic": "a/{"}, "a single '{'"),
        ({"body_template": '{"a": }'}, "is not JSON"),
    ],
)
def test_mistakes_are_found_at_the_start(publish: Start, options: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        publish(**options)
