"""A connection to an MQTT broker."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from penstock.connect.contract import RetriableError
from penstock.connect.options import REQUIRED, Option
from penstock.connect.tls import client_context
from penstock.errors import ConfigError, ConnectorError

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage

_logger = logging.getLogger("penstock.connect")

_PORTS = {"tcp": 1883, "mqtt": 1883, "ssl": 8883, "tls": 8883, "mqtts": 8883}
_ENCRYPTED = ("ssl", "tls", "mqtts")

OPTIONS = (
    Option(
        "mqtt.server.uri",
        "list",
        "The broker: `tcp://HOST:PORT`, or `ssl://HOST:PORT` with TLS; without a port it is 1883, or 8883. Where there are several, with commas "
        "between them, they are tried in turn.",
        REQUIRED,
    ),
    Option("mqtt.username", "string", "The user, where the broker asks for one.", ""),
    Option("mqtt.password", "password", "The user's password.", ""),
    Option("mqtt.connect.timeout.seconds", "integer", "How long to wait for a connection, in seconds.", 30, minimum=1),
    Option("mqtt.keepalive.interval.seconds", "integer", "How often a silent connection is checked, in seconds.", 60, minimum=1),
    Option(
        "mqtt.ssl.trust.store.path",
        "path",
        "TLS: the file of the authorities to trust (PEM); without it, those of the system.",
        None,
        aliases=("mqtt.ssl.ca.file",),
    ),
    Option(
        "mqtt.ssl.key.store.path",
        "path",
        "TLS: the file with our certificate and, unless `mqtt.ssl.key.file` is given, its private key (PEM).",
        None,
        aliases=("mqtt.ssl.cert.file",),
    ),
    Option("mqtt.ssl.key.file", "path", "TLS: the file with our certificate's private key (PEM).", None),
    Option("mqtt.ssl.key.password", "password", "TLS: the private key's password.", "", aliases=("mqtt.ssl.key.store.password",)),
    Option("mqtt.ssl.trust.store.password", "password", "Not needed: PEM files of certificates have no password.", ""),
    Option("mqtt.ssl.verify.hostname", "boolean", "TLS: whether the broker's certificate must be for the host that was asked for.", True),
)


@dataclass(frozen=True, slots=True)
class Server:
    """A broker's address."""

    host: str
    port: int
    encrypted: bool

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Broker:
    """A broker as the options describe it: opened for one task, then connected to as often as it takes."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Raises ConfigError for addresses, certificates or a library that will not do. It does not reach for the network."""
        try:
            import paho.mqtt.client  # noqa: F401
        except ImportError:
            raise ConfigError("The MQTT connectors need a library that is not installed.", mend="pip install 'penstock[mqtt]'") from None
        self._options = options
        self._servers = [_server(text) for text in options["mqtt.server.uri"]]
        if options["mqtt.password"] and not options["mqtt.username"]:
            raise ConfigError("'mqtt.password' needs 'mqtt.username'.")
        self._tls = _tls(options) if any(server.encrypted for server in self._servers) else None

    def connect(
        self,
        client_id: str,
        *,
        clean_session: bool,
        on_message: Callable[[MQTTMessage], None] | None = None,
        on_event: Callable[[], None] = lambda: None,
    ) -> Connection:
        """Connect to the first server that answers; the next attempt begins with the one after it. `on_message` gets what comes, each to be
        acknowledged by hand; `on_event` is called when the connection is lost; both in the connection's own thread. Raises RetriableError, or
        ConnectorError where no server lets us in."""
        failures: list[ConnectorError] = []
        for _ in range(len(self._servers)):
            server = self._servers.pop(0)
            self._servers.append(server)
            try:
                return Connection(server, self._client(server, client_id, clean_session), self._options, on_message, on_event)
            except ConnectorError as error:
                failures.append(error)
        what = " ".join(failure.what for failure in failures)
        if all(not isinstance(failure, RetriableError) for failure in failures):
            raise ConnectorError(what, mend=failures[-1].mend)
        raise RetriableError(what)

    def _client(self, server: Server, client_id: str, clean_session: bool) -> Client:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        # Reconnecting is the runtime's: it knows what was committed, waits longer and longer, and shows why.
        client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=clean_session, reconnect_on_failure=False, manual_ack=True)
        client.connect_timeout = float(self._options["mqtt.connect.timeout.seconds"])
        if self._options["mqtt.username"]:
            client.username_pw_set(self._options["mqtt.username"], self._options["mqtt.password"] or None)
        if server.encrypted:
            client.tls_set_context(self._tls)
        return client


class Connection:
    """An open connection, which is never opened again once it is lost. `lost` says why; `session_present` whether the broker remembered us."""

    def __init__(
        self,
        server: Server,
        client: Client,
        options: Mapping[str, Any],
        on_message: Callable[[MQTTMessage], None] | None,
        on_event: Callable[[], None],
    ) -> None:
        self.client = client
        self.server = server
        self.session_present = False
        self.lost: str | None = None
        self._refused: str | None = None
        self._timeout_s: int = options["mqtt.connect.timeout.seconds"]
        self._changed = threading.Condition()
        self._is_connected = False
        self._granted: dict[int, list[Any]] = {}
        self._on_event = on_event
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_subscribe = self._subscribed
        client.on_unsubscribe = self._subscribed
        client.on_publish = self._published
        client.on_socket_open = _send_at_once
        if on_message is not None:
            client.on_message = lambda _, __, message: on_message(message)
        self._open(options["mqtt.keepalive.interval.seconds"])

    def subscribe(self, topics: Sequence[str], qos: int) -> None:
        """Subscribe, and wait for the broker's word. Raises ConnectorError for a topic that it refuses, RetriableError."""
        _, number = self.client.subscribe([(topic, qos) for topic in topics])
        codes = self._answer(number)
        if any(code.value < qos for code in codes):
            _logger.warning("the broker %s grants a lower quality of service than %d, so that messages can be lost", self.server, qos)
        refused = [topic for topic, code in zip(topics, codes, strict=False) if code.is_failure]
        if refused:
            raise ConnectorError(f"The broker {self.server} refuses a subscription to {', '.join(refused)}.", mend="Check the user's rights there.")

    def unsubscribe(self, topics: Sequence[str]) -> None:
        """Unsubscribe, and wait for the broker's word. Raises RetriableError."""
        _, number = self.client.unsubscribe(list(topics))
        self._answer(number)

    def publish(self, messages: Sequence[tuple[str, bytes]], qos: int, *, retain: bool) -> None:
        """Publish (topic, payload), and wait until all are sent or, above quality 0, confirmed. Raises RetriableError."""
        under_way = deque(self.client.publish(topic, payload, qos, retain) for topic, payload in messages)

        def all_sent() -> bool:
            while under_way and under_way[0].rc == 0 and under_way[0].is_published():
                under_way.popleft()
            return not under_way

        with self._changed:
            self._changed.wait_for(lambda: all_sent() or self.lost, self._timeout_s)
        if under_way:
            self.check()
            raise RetriableError(f"The broker {self.server} did not confirm {len(under_way)} messages within {self._timeout_s} s.")

    def check(self) -> None:
        """Raise RetriableError where the connection is lost."""
        if self.lost is not None:
            raise RetriableError(self.lost)

    def close(self) -> None:
        """Say goodbye and end the connection's thread."""
        self.client.disconnect()
        self.client.loop_stop()
        # Without these the library's sockets go with this object, instead of waiting for the garbage collector.
        self.client.on_connect = self.client.on_disconnect = None
        self.client.on_subscribe = self.client.on_unsubscribe = self.client.on_message = self.client.on_publish = None

    # ------------------------------------------------------------------ the connection's thread

    def _open(self, keepalive_s: int) -> None:
        try:
            self.client.connect(self.server.host, self.server.port, keepalive_s)
        except ssl.SSLCertVerificationError as error:
            raise ConnectorError(
                f"The broker {self.server} has a certificate that we do not trust: {error.verify_message}",
                mend="Set 'mqtt.ssl.trust.store.path' to the authority's file.",
            ) from None
        except (OSError, ValueError) as error:
            raise RetriableError(f"The broker {self.server} is not to be reached: {error}.") from None
        self.client.loop_start()
        with self._changed:
            in_time = self._changed.wait_for(lambda: self._is_connected or self._refused or self.lost, self._timeout_s)
        if self._is_connected:
            return
        self.close()
        if self._refused:
            raise ConnectorError(f"The broker {self.server} does not let us in: {self._refused}.", mend="Check mqtt.username and mqtt.password.")
        raise RetriableError(self.lost if in_time and self.lost else f"The broker {self.server} did not answer within {self._timeout_s} s.")

    def _connected(self, _: Client, __: object, flags: Any, reason: Any, ___: object) -> None:
        with self._changed:
            if reason.is_failure and str(reason) in ("Server unavailable", "Server busy"):
                self.lost = f"The broker {self.server} is not available."
            elif reason.is_failure:
                self._refused = str(reason)
            else:
                self._is_connected, self.session_present = True, flags.session_present
            self._changed.notify_all()

    def _disconnected(self, _: Client, __: object, ___: object, reason: Any, ____: object) -> None:
        with self._changed:
            self.lost = self.lost or f"The connection to the broker {self.server} is lost: {reason}."
            self._changed.notify_all()
        self._on_event()

    def _subscribed(self, _: Client, __: object, number: int, codes: list[Any], ___: object) -> None:
        with self._changed:
            self._granted[number] = codes
            self._changed.notify_all()

    def _published(self, *_: object) -> None:
        with self._changed:
            self._changed.notify_all()

    def _answer(self, number: int | None) -> list[Any]:
        with self._changed:
            if number is None or not self._changed.wait_for(lambda: number in self._granted or self.lost, self._timeout_s):
                raise RetriableError(f"The broker {self.server} did not answer within {self._timeout_s} s.")
            self.check()
            return self._granted.pop(number)


def _server(text: str) -> Server:
    address = urlsplit(text)
    try:
        host, port = address.hostname, address.port
    except ValueError:
        host, port = None, None
    if address.scheme not in _PORTS or not host or "@" in address.netloc:
        # The text may hold a password, so it is not repeated.
        raise ConfigError(
            "'mqtt.server.uri' is not the address of a broker.",
            mend="Write tcp://HOST:PORT or ssl://HOST:PORT; user and password go into mqtt.username and mqtt.password.",
        )
    return Server(host, port or _PORTS[address.scheme], address.scheme in _ENCRYPTED)


def _tls(options: Mapping[str, Any]) -> ssl.SSLContext:
    context = client_context(
        options,
        authorities="mqtt.ssl.trust.store.path",
        certificate="mqtt.ssl.key.store.path",
        key="mqtt.ssl.key.file",
        unlocked_by="mqtt.ssl.key.password",
        check_hostname=options["mqtt.ssl.verify.hostname"],
    )
    context.sslsocket_class = _Socket
    return context


def _send_at_once(_: Client, __: object, opened: Any) -> None:
    """Acknowledgements are small: each would wait 40 ms for the one before to be confirmed."""
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class _Socket(ssl.SSLSocket):
    """The library forgets to close a connection whose handshake fails."""

    def do_handshake(self, block: bool = False) -> None:
        """Shake hands, or close and raise."""
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise
