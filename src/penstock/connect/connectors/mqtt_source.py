"""MQTT source: subscribes to topics of a broker and makes a record of each message."""

from __future__ import annotations

import secrets as random_secrets
import threading
import zlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.connect.contract import CLEAN_UP_S, Leaving, SourceContext, SourceDefinition
from penstock.connect.mqtt.connection import OPTIONS as CONNECTION
from penstock.connect.mqtt.connection import Broker, Connection
from penstock.connect.options import REQUIRED, Option
from penstock.connect.records import SourceBatch, SourceRecord
from penstock.connect.secrets import Secrets
from penstock.errors import ConfigError, Error

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessage

BATCH_MAX = 500
BUFFER_MAX = 5_000
"""Messages that wait for the log; beyond it the connection is read no further, and the broker keeps what comes."""
REMEMBERED_MAX = 1_000
"""Acknowledged messages that are remembered, in case the broker did not get to know. Brokers leave far fewer unacknowledged."""

PART = "session"

OPTIONS = (
    *CONNECTION,
    Option(
        "mqtt.topics",
        "list",
        "The topics to subscribe to, with commas between them: `+` stands for one level, a final `#` for all that follow.",
        REQUIRED,
    ),
    Option("kafka.topic", "string", "The topic of the records.", "mqtt"),
    Option(
        "mqtt.qos",
        "integer",
        "The quality of service: with 0 what is sent while the connector is away is lost, with 1 it comes afterwards. 2 means 1 here, see below.",
        1,
        minimum=0,
    ),
    Option(
        "mqtt.clean.session.enabled",
        "boolean",
        "Whether the broker forgets the connector when it is away. Unlike with Confluent's connector it does not: a killed one gets what it missed.",
        False,
    ),
    Option(
        "mqtt.client.id",
        "string",
        "By what name the broker knows the connector. Where it is not given one is made up at the first start and kept; two that connect by the same "
        "name throw each other out.",
        "",
    ),
)


@dataclass(frozen=True, slots=True)
class _Message:
    """A message as it came, and over which connection."""

    message: MQTTMessage
    connection: int

    @property
    def mark(self) -> list[int]:
        """What a message that is sent again has in common with its first copy: the packet's number, and what it holds."""
        return [self.message.mid, zlib.crc32(self.message.payload, zlib.crc32(self.message.topic.encode()))]


class MqttSource:
    """The source of one task: a connection, and the messages that came over it and are not handed out yet."""

    def __init__(self, options: Mapping[str, Any], secrets: Secrets, context: SourceContext) -> None:
        self._options, self._context = options, context
        for topic in options["mqtt.topics"]:
            _check_filter(topic)
        if options["mqtt.qos"] > 2:
            raise ConfigError(f"'mqtt.qos' is 0, 1 or 2, not {options['mqtt.qos']}.")
        self._qos = min(1, options["mqtt.qos"])
        self._clean: bool = options["mqtt.clean.session.enabled"]
        self._broker = Broker(options)
        self._session: dict[str, Any] = {"subscribed": [], "recent": [], "numbers_return": False, **context.positions.get(PART, {})}
        self._connection: Connection | None = None
        self._connections = 0
        self._room = threading.Condition()
        self._waiting: deque[_Message] = deque()
        self._handed_out: Sequence[_Message] = ()
        self._closed = False

    def poll(self) -> SourceBatch:
        """The messages that came. Raises RetriableError where the broker is away."""
        if "client" not in self._session:
            # Its name is stored before it is used, or a kill would leave a session behind that no one asks for.
            self._session["client"] = self._options["mqtt.client.id"] or f"penstock-{random_secrets.token_hex(6)}"
            return SourceBatch(positions={PART: dict(self._session)})
        if self._connection is not None and self._connection.lost and not self._waiting:
            self._disconnect()
        if self._connection is None:
            self._connect()
            if self._session["subscribed"] != self._wanted():
                self._session["subscribed"] = self._wanted()
                return SourceBatch(positions={PART: dict(self._session)})
        if not self._waiting:
            self._context.wait()
        return self._next_batch()

    def committed(self, batch: SourceBatch) -> None:
        """Acknowledge the messages of the batch: only now, since the broker then forgets them."""
        for each in self._handed_out:
            self._acknowledge(each)
        self._handed_out = ()

    def close(self) -> None:
        """End the connection; the broker keeps the session."""
        with self._room:
            self._closed = True
            self._room.notify_all()
        if self._connection is not None:
            self._connection.close()

    # ------------------------------------------------------------------ messages

    def _take(self, message: MQTTMessage, connection: int) -> None:
        """Called in the connection's thread. While it waits nothing more is read from the connection."""
        with self._room:
            self._room.wait_for(lambda: len(self._waiting) < BUFFER_MAX or self._closed)
            self._waiting.append(_Message(message, connection))
        self._context.wake()

    def _next_batch(self) -> SourceBatch:
        some: list[_Message] = []
        with self._room:
            while self._waiting and len(some) < BATCH_MAX:
                some.append(self._waiting.popleft())
            self._room.notify_all()
        self._handed_out = some
        # What is sent again though its record is stored: the process or the connection died before the broker heard of it.
        known = {tuple(mark) for mark in self._session["recent"]} if any(each.message.dup for each in some) else set()
        fresh = [each for each in some if not (each.message.dup and tuple(each.mark) in known)]
        records = [self._record(each.message) for each in fresh]
        if self._remember(fresh):
            return SourceBatch(records, {PART: dict(self._session)})
        if not records:
            self.committed(SourceBatch())
        return SourceBatch(records)

    def _remember(self, fresh: Sequence[_Message]) -> bool:
        """Note the messages that may come again; whether there are any."""
        marks = [each.mark for each in fresh if each.message.qos]
        if not marks or self._session["numbers_return"]:
            return False
        recent: list[list[int]] = [*self._session["recent"], *marks][-REMEMBERED_MAX:]
        if len({number for number, _ in recent}) < len(recent):
            # This broker gives a number to another message at once, so a number says nothing: rather a record twice than one taken for another.
            self._session["numbers_return"], recent = True, []
        self._session["recent"] = recent
        return True

    def _acknowledge(self, each: _Message) -> None:
        # A number belongs to its connection: after a new one the broker sends the message again, and is told then.
        if each.message.qos and self._connection is not None and each.connection == self._connections:
            self._connection.client.ack(each.message.mid, each.message.qos)

    def _record(self, message: MQTTMessage) -> SourceRecord:
        headers = {
            "mqtt.message.id": str(message.mid),
            "mqtt.qos": str(message.qos),
            "mqtt.retained": str(message.retain).lower(),
            "mqtt.duplicate": str(message.dup).lower(),
        }
        return SourceRecord(
            self._options["kafka.topic"], message.payload, message.topic, headers=[(name, text.encode()) for name, text in headers.items()]
        )

    # ------------------------------------------------------------------ the connection

    def _wanted(self) -> list[Any]:
        return [self._qos, *sorted(self._options["mqtt.topics"])]

    def _connect(self) -> None:
        number = self._connections = self._connections + 1
        connection = self._broker.connect(
            self._session["client"],
            clean_session=self._clean,
            on_message=lambda message: self._take(message, number),
            on_event=self._context.wake,
        )
        if not connection.session_present:
            self._session["recent"] = []  # numbers begin anew
        try:
            # A session that is still there keeps its subscriptions; made anew, they would bring the retained messages again.
            if not connection.session_present or self._session["subscribed"] != self._wanted():
                topics = self._options["mqtt.topics"]
                dropped = [topic for topic in self._session["subscribed"][1:] if topic not in topics]
                if connection.session_present and dropped:
                    connection.unsubscribe(dropped)
                connection.subscribe(topics, self._qos)
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def _disconnect(self) -> None:
        assert self._connection is not None
        connection, self._connection = self._connection, None
        connection.close()
        connection.check()


def _check_filter(topic: str) -> None:
    levels = topic.split("/")
    if any(("+" in level and level != "+") or ("#" in level and (level != "#" or place < len(levels) - 1)) for place, level in enumerate(levels)):
        raise ConfigError(
            f"'mqtt.topics' holds '{topic}', which is no topic filter.", mend="+ stands for a whole level, # for all that follow, at the end."
        )


def _clean_up(leaving: Leaving) -> list[str]:
    """End the session that the broker keeps: one who connects by its name and wants a clean one does that."""
    client = leaving.positions.get(PART, {}).get("client")
    if client is None:
        return []
    where = "the broker"
    try:
        options = leaving.read_options()
        where = ", ".join(options["mqtt.server.uri"])
        Broker({**options, "mqtt.connect.timeout.seconds": CLEAN_UP_S}).connect(client, clean_session=True).close()
    except Error as error:
        return [
            f"The session {client} stays with {where}, which queues messages for it: {error.what} To end it connect by that name with a clean "
            f"session: mosquitto_sub -i {client} -t '#' -E"
        ]
    return []


DEFINITION = SourceDefinition(
    class_names=("MqttSource", "MqttSourceConnector", "io.confluent.connect.mqtt.MqttSourceConnector", "io.confluent.connect.mqtt.MqttConnector"),
    summary="Subscribes to topics of an MQTT broker and makes a record of each message.",
    documentation="""\
The record's key is the message's topic, its value the message's bytes. Headers say what came with it: `mqtt.message.id`, `mqtt.qos`,
`mqtt.retained`, `mqtt.duplicate`.

A message of quality of service 1 is acknowledged to the broker after its record is stored, and the broker keeps what comes while the connector is
away, as long and as much as its own settings say (Mosquitto's `max_queued_messages` is 1000). So a crash loses nothing. A message that is sent
again, because the broker did not hear of its acknowledgement, is recognised by the number of its packet and makes no second record; only with a
broker that uses a number again at once there can be a second one. What publishers send with quality 0 has no such guarantee, whatever the
subscription says.

Quality 2 is read as 1: the protocol's own once-and-only-once rests on the client's memory, and a killed client loses what it had confirmed.
What is described above gives the same, and survives a kill.

The broker being away is an error that passes: the connector tries again, after `retry.backoff.ms` at first and then later and later. A user or a
certificate that is refused makes the task FAILED; it starts again by itself. One connector is one connection. More of them share a subscription
that begins with `$share/GROUP/`.

DROP CONNECTOR ends the session with the broker. Where the broker is away then, the answer says how to end it; until then it queues messages, up to
its limits.""",
    example="""\
CREATE SOURCE CONNECTOR `mqtt-source` WITH (
  'connector.class' = 'MqttSource',
  'mqtt.server.uri' = 'ssl://broker.example.com:8883',
  'mqtt.username' = '${file:secrets/credentials.properties:MQTT_USERNAME}',
  'mqtt.password' = '${file:secrets/credentials.properties:MQTT_PASSWORD}',
  'mqtt.topics' = 'sensors/+/temperature,alarms/#',
  'kafka.topic' = 'data_mqtt'
);""",
    options=OPTIONS,
    open=MqttSource,
    clean_up=_clean_up,
)
