"""A real Mosquitto broker, with a user, a password, and a made-up authority's certificates."""

from __future__ import annotations

import contextlib
import secrets as random_secrets
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import require
from tests.connect.certificates import make_certificates, run_in

USER, PASSWORD = "gardener", "s3cret-water"
START_S = 30
PATH = "/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin:/bin"


class Mosquitto:
    """A broker with two listeners: `uri` asks for user and password, `tls_uri` for a certificate of the authority as well. Sessions survive
    `stop` and `start`. In `folder` lie ca.pem, client.pem (a certificate and its key), locked.key (the same key with a password) and other-ca.pem
    (of an authority that has nothing to do with it)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.tls_port = _free_ports(2)
        make_certificates(folder)
        (folder / "passwords").touch(mode=0o600)
        run_in(folder, "mosquitto_passwd", "-b", "passwords", USER, PASSWORD)
        (folder / "mosquitto.conf").write_text(
            "\n".join(
                [
                    "user root",
                    "allow_anonymous false",
                    f"password_file {folder}/passwords",
                    "persistence true",
                    f"persistence_location {folder}/",
                    "max_queued_messages 0",
                    f"listener {self.port} 127.0.0.1",
                    f"listener {self.tls_port} 127.0.0.1",
                    f"cafile {folder}/ca.pem",
                    f"certfile {folder}/server.pem",
                    f"keyfile {folder}/server.key",
                    "require_certificate true",
                    "",
                ]
            )
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    @property
    def tls_uri(self) -> str:
        return f"ssl://localhost:{self.tls_port}"

    def start(self) -> None:
        """Start, and wait until it listens."""
        with (self.folder / "log").open("ab") as log:
            program = shutil.which("mosquitto", path=PATH)
            self._process = subprocess.Popen([str(program), "-c", str(self.folder / "mosquitto.conf")], stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.tls_port), 1):
                return
            if self._process.poll() is not None or time.monotonic() > deadline:
                pytest.fail((self.folder / "log").read_text()[-2000:], pytrace=False)
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop; sessions and what is queued in them are stored."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(START_S)
            self._process = None

    def publish(self, messages: Sequence[tuple[str, bytes | str]], *, qos: int = 1, retain: bool = False) -> None:
        """Publish, and wait until the broker has confirmed all."""
        client = connected(self, f"publisher-{random_secrets.token_hex(4)}")
        sent = [client.publish(topic, payload, qos, retain) for topic, payload in messages]
        for each in sent:
            each.wait_for_publish(START_S)
        client.disconnect()
        client.loop_stop()


def connected(broker: Mosquitto, name: str, on_connect: Callable[[Any], object] = lambda client: None, **callbacks: Any) -> Any:
    """A connected client; the broker keeps the session of one that listens."""
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    client: Any = Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=name.startswith("publisher"))
    client.username_pw_set(USER, PASSWORD)
    client.on_socket_open = lambda _, __, opened: opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.on_connect = lambda *_: on_connect(client)
    for event, callback in callbacks.items():
        setattr(client, event, callback)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    return client


class Listener:
    """Subscribes to a topic, and keeps what comes as (topic, payload, qos, whether it was retained). It outlives a restart of the broker, which
    keeps for it what comes meanwhile."""

    def __init__(self, broker: Mosquitto, topic: str = "#") -> None:
        self.messages: list[tuple[str, bytes, int, bool]] = []
        self._changed = threading.Condition()
        subscribed = threading.Event()
        self._client = connected(
            broker,
            f"listener-{random_secrets.token_hex(4)}",
            lambda client: client.subscribe(topic, 2),
            on_subscribe=lambda *_: subscribed.set(),
            on_message=self._note,
        )
        assert subscribed.wait(10)

    def _note(self, client: object, userdata: object, message: object) -> None:
        with self._changed:
            self.messages.append((message.topic, message.payload, message.qos, message.retain))  # type: ignore[attr-defined]
            self._changed.notify_all()

    def wait_for(self, count: int, timeout_s: float = 20) -> list[tuple[str, bytes, int, bool]]:
        """What came, once there are `count`."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.messages) >= count, timeout_s), f"only {len(self.messages)} of {count} came"
            return list(self.messages)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._client.on_connect = self._client.on_subscribe = self._client.on_message = None


@pytest.fixture(scope="session")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """The broker, started when the first test asks for it."""
    for program in ("mosquitto", "openssl"):
        require(shutil.which(program, path=PATH), f"the program {program}", "tests/debian-packages.txt names its package.")
    broker = Mosquitto(tmp_path_factory.mktemp("mosquitto"))
    broker.start()
    yield broker
    broker.stop()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
