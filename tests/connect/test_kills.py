"""Connectors of a process that is killed at seeded moments: MQTT source and sink, and the HTTP source. Every record is counted."""

from __future__ import annotations

import json
import random
import secrets as random_secrets
import threading
from collections import Counter
from pathlib import Path

from tests.connect.json_records import send
from tests.connect.killed import Killed, records
from tests.connect.mosquitto import PASSWORD, USER, Listener, Mosquitto
from tests.connect.web_server import Answer, Request, WebServer

from penstock.connect.connectors import http_source
from penstock.log import open_log

MESSAGES, ROWS, LONG, ALERTS = 400, 100, 3 * http_source.BATCH_MAX, 300
KILLS = 3


def values(folder: Path, topic: str) -> list[str]:
    """The values of all records of a topic, as text."""
    return [(value or b"").decode() for _, value in records(folder, topic)]


def test_every_record_is_there_once(tmp_path: Path, mosquitto: Mosquitto, web: WebServer) -> None:
    random_, root, folder = random.Random(3), random_secrets.token_hex(4), tmp_path / "db"
    log = open_log(folder)
    log.create_topic("alerts")
    send(log, "alerts", [{"N": n} for n in range(ALERTS)])
    log.close()

    def decide(request: Request) -> Answer:
        """Pages by offset, and a long document; both fail now and then."""
        if random_.random() < 0.1:
            return Answer(503, {"Retry-After": "0"})
        if request.path == "/long":
            return Answer(body=json.dumps([f"long {n}" for n in range(LONG)]).encode())
        start = int(request.path.rpartition("=")[2])
        return Answer(body=json.dumps([f"row {n}" for n in range(start, min(ROWS, start + random_.randint(1, 3)))]).encode())

    web.decide = decide
    broker = {"mqtt.server.uri": mosquitto.uri, "mqtt.username": USER, "mqtt.password": PASSWORD, "retry.backoff.ms": "10"}
    polls = {"connector.class": "HttpSource", "request.interval.ms": "5", "retry.backoff.ms": "10"}
    connectors = {
        "tap": ["SOURCE", broker | {"connector.class": "MqttSource", "mqtt.topics": f"{root}/in/#", "kafka.topic": "data_mqtt"}],
        "drain": ["SINK", broker | {"connector.class": "MqttSink", "topics": "alerts", "mqtt.topic": f"{root}/out"}],
        "pages": ["SOURCE", polls | {"url": f"{web.url}/?from=${{offset}}", "kafka.topic": "rows", "http.initial.offset": "0"}],
        "long": ["SOURCE", polls | {"url": f"{web.url}/long", "kafka.topic": "long", "request.interval.ms": "300"}],
    }
    killed = Killed(folder, connectors)
    listener = Listener(mosquitto, f"{root}/out")
    mosquitto.publish([(f"{root}/in/0", "kept")], retain=True)  # comes when the subscription stands
    subscribed = threading.Event()

    def publish() -> None:
        subscribed.wait(60)
        for start in range(0, MESSAGES, 20):
            mosquitto.publish([(f"{root}/in/{n % 3}", f"message {n}") for n in range(start, start + 20)])

    publisher = threading.Thread(target=publish)
    publisher.start()
    for _ in range(KILLS):
        killed.kill_after(random_.randint(2, 12), "data_mqtt", subscribed.set)
    publisher.join(60)
    killed.finish({"data_mqtt": MESSAGES + 1, "rows": ROWS, "long": LONG})

    assert Counter(values(folder, "data_mqtt")) == Counter(["kept", *(f"message {n}" for n in range(MESSAGES))])
    assert values(folder, "rows") == [f"row {n}" for n in range(ROWS)]
    assert values(folder, "long") == [f"long {n}" for n in range(LONG)]
    delivered = Counter(json.loads(payload)["N"] for _, payload, _, _ in listener.wait_for(ALERTS))
    assert set(delivered) == set(range(ALERTS))
    listener.close()
