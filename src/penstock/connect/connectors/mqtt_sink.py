"""MQTT sink: publishes each record as a message."""

from __future__ import annotations

import secrets as random_secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.connect.contract import RefusedError, SinkContext, SinkDefinition
from penstock.connect.mqtt.connection import OPTIONS as CONNECTION
from penstock.connect.mqtt.connection import Broker, Connection
from penstock.connect.options import Option
from penstock.connect.records import Record
from penstock.connect.secrets import Secrets
from penstock.connect.templates import body_template, plain_template, with_secrets
from penstock.connect.text import json_text
from penstock.errors import ConfigError, ConnectorError

BATCH_MAX = 500
TOPIC_BYTES_MAX = 65_535
PAYLOAD_BYTES_MAX = 268_435_455

OPTIONS = (
    *CONNECTION,
    Option(
        "mqtt.topic",
        "template",
        "The topic to publish to. `{COLUMN}`, `{key}` and `{topic}` are replaced by the record's; a value with a slash goes over several levels.",
        "{topic}",
    ),
    Option(
        "mqtt.qos",
        "integer",
        "The quality of service: with 0 nobody knows whether a message arrives, with 1 and 2 the connector goes on when the broker has confirmed it.",
        1,
        minimum=0,
    ),
    Option(
        "mqtt.retained.enabled",
        "boolean",
        "Whether the broker keeps the last message of each topic for those who subscribe later.",
        False,
        aliases=("mqtt.retained", "mqtt.retain"),
    ),
    Option(
        "message.format",
        "choice",
        "What a message holds: the record's value as stored (`bytes`), or its columns as an object (`json`).",
        "bytes",
        choices=("bytes", "json"),
    ),
    Option("body.template", "template", "What a message holds, with `{COLUMN}` for a column, as of [HttpSink](http_sink.md).", None),
    Option(
        "behavior.on.null.values",
        "choice",
        "What to do with a tombstone: pass it over, send an empty message (which removes the topic's retained one), or refuse it.",
        "ignore",
        choices=("ignore", "clear", "fail"),
    ),
    Option("mqtt.client.id", "string", "How the name begins by which the broker knows the connector.", "penstock"),
)


class MqttSink:
    """The sink of one task: a connection, opened at the first delivery and again after it was lost."""

    def __init__(self, options: Mapping[str, Any], secrets: Secrets, context: SinkContext) -> None:
        if options["mqtt.qos"] > 2:
            raise ConfigError(f"'mqtt.qos' is 0, 1 or 2, not {options['mqtt.qos']}.")
        self._options = options
        self._topic = plain_template(with_secrets(options["mqtt.topic"], "mqtt.topic", secrets), "mqtt.topic", context.columns)
        self._payload = _payload(options, secrets, context.columns)
        self._broker = Broker(options)
        self._client_id = f"{options['mqtt.client.id']}-{random_secrets.token_hex(4)}"  # of each task its own
        self._connection: Connection | None = None

    def put(self, records: Sequence[Record]) -> None:
        """Publish the records, and wait until the broker has all of them. Raises RetriableError or RefusedError."""
        messages = [message for record in records if (message := self._message(record)) is not None]
        if not messages:
            return
        if self._connection is not None and self._connection.lost:
            self.close()
        if self._connection is None:
            self._connection = self._broker.connect(self._client_id, clean_session=True)
        try:
            self._connection.publish(messages, self._options["mqtt.qos"], retain=self._options["mqtt.retained.enabled"])
        except ConnectorError:
            self.close()  # what was not confirmed is published again, and must not go out a third time with the old connection
            raise

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _message(self, record: Record) -> tuple[str, bytes] | None:
        """Topic and payload; None for what is passed over."""
        if record.tombstone and self._options["behavior.on.null.values"] == "ignore":
            return None
        if record.tombstone and self._options["behavior.on.null.values"] == "fail":
            raise RefusedError(f"{record.place} is a tombstone, and behavior.on.null.values is fail.")
        topic, payload = self._topic(record), b"" if record.tombstone else self._payload(record)
        if not topic or any(letter in topic for letter in "+#\0") or len(topic.encode()) > TOPIC_BYTES_MAX:
            raise RefusedError(f"The topic made for {record.place} is none that can be published to: '{topic[:100]}'.")
        if len(payload) > PAYLOAD_BYTES_MAX:
            raise RefusedError(f"{record.place} is larger than a message can be.")
        return topic, payload


def _payload(options: Mapping[str, Any], secrets: Secrets, columns: frozenset[str] | None) -> Callable[[Record], bytes]:
    """The function from a record to its message."""
    if options["body.template"] is not None:
        text, _ = body_template(options["body.template"], "body.template", columns, secrets, is_json=options["message.format"] == "json")
        return lambda record: text(record).encode()
    if options["message.format"] == "json":
        return lambda record: json_text(record.value_columns()).encode()
    return lambda record: record.value or b""


DEFINITION = SinkDefinition(
    class_names=("MqttSink", "MqttSinkConnector", "io.confluent.connect.mqtt.MqttSinkConnector"),
    summary="Publishes each record as a message to an MQTT broker.",
    documentation="""\
The topic is the record's own, or what `mqtt.topic` makes of its columns; the message is the value's bytes as they are stored, an object of its
columns, or what `body.template` makes of them.

Delivery is at least once: the connector commits its place when the broker has confirmed the messages (by PUBACK, with quality of service 1),
and publishes them again where it did not. Messages of one partition go out in their order. A broker that is away is tried again, after
`retry.backoff.ms` at first and then later and later: an outage loses nothing. A topic that cannot be published to (empty, or with `+` or `#` in
it) is the record's fault: `errors.tolerance` decides. Brokers of MQTT 3.1.1 confirm even what their access rules throw away: see that the user
may publish.""",
    example="""\
CREATE SINK CONNECTOR valves WITH (
  'connector.class' = 'MqttSink',
  'topics' = 'valve-commands',
  'mqtt.server.uri' = 'tcp://localhost:1883',
  'mqtt.topic' = 'garden/{VALVE}/set',
  'body.template' = '{"open": "{IS_OPEN:json}"}'
);""",
    options=OPTIONS,
    batch_max=lambda options: BATCH_MAX,
    open=MqttSink,
)
