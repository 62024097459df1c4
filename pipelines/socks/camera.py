"""The camera: looks, recognises, and publishes what it saw to the MQTT topic `sockfound`.

python -m pipelines.socks.camera --train FOLDER --model socks.npz
python -m pipelines.socks.camera --camera 0 --model socks.npz --credentials credentials.properties
python -m pipelines.socks.camera --folder PICTURES --model socks.npz --credentials credentials.properties
python -m pipelines.socks.camera --draw FOLDER
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import cv2

from penstock.errors import ConfigError, Error
from penstock.simulation import Clock

from .classifier import Classifier, Picture, learn_folder, photos, read_picture
from .config import load
from .credentials import Credentials, read
from .drawings import write_pictures

TOPIC = "sockfound"
CONNECT_S = 20
QUEUED_MAX = 10_000
"""Messages that wait for a broker which is away; then the newest are dropped."""

_logger = logging.getLogger("socks")


class Eye(Protocol):
    """Where pictures come from."""

    def picture(self, now_ms: int) -> Picture | None:
        """The picture at a time that never runs backwards; None where there will be no more."""
        ...


class Lens:
    """A real camera, by its number."""

    def __init__(self, number: int) -> None:
        self._camera = cv2.VideoCapture(number)
        if not self._camera.isOpened():
            raise ConfigError(f"There is no camera {number}, or it is in use.", mend="Try another number.")

    def picture(self, now_ms: int) -> Picture | None:
        """What is before it now."""
        seen, picture = self._camera.read()
        if not seen:
            raise Error("The camera gives no picture any more.")
        return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


class Album:
    """The pictures of a folder, by name, once."""

    def __init__(self, folder: Path) -> None:
        self._paths = iter(photos(folder))

    def picture(self, now_ms: int) -> Picture | None:
        """The next one."""
        path = next(self._paths, None)
        return None if path is None else read_picture(path)


class Publisher:
    """Publishes to a broker, at least once each: what the broker has not confirmed is sent again when it is back."""

    def __init__(self, credentials: Credentials) -> None:
        """Connect. Raises Error where that fails."""
        try:
            from paho.mqtt.client import Client
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError:
            raise ConfigError("The camera needs a library that is not installed.", mend="pip install 'penstock[mqtt,vision]'") from None
        self._answered = threading.Event()
        self._refused = ""
        self._client: Any = Client(CallbackAPIVersion.VERSION2)
        self._client.username_pw_set(credentials.username, credentials.password)
        self._client.max_queued_messages_set(QUEUED_MAX)
        self._client.on_connect = self._connected
        if credentials.encrypted:
            self._client.tls_set()
        try:
            self._client.connect(credentials.host, credentials.port)
        except OSError as error:
            raise Error(f"The broker {credentials.host}:{credentials.port} is not to be reached: {error}.") from None
        self._client.loop_start()
        in_time = self._answered.wait(CONNECT_S)
        if self._refused or not in_time:
            self.close()
            raise Error(f"The broker {credentials.host}:{credentials.port} does not let us in: {self._refused or 'no answer'}.")

    def publish(self, message: str, *, retain: bool = False) -> None:
        """Publish a message; it is sent in the background."""
        if self._client.publish(TOPIC, message, 1, retain).rc == 15:  # the queue is full
            _logger.warning("the broker is away for so long that a message is dropped")

    def close(self) -> None:
        """Wait for what is under way, as long as the broker is there, and end."""
        deadline = time.monotonic() + CONNECT_S
        while self._client.want_write() and time.monotonic() < deadline:
            time.sleep(0.01)
        self._client.disconnect()
        self._client.loop_stop()
        self._client.on_connect = None

    def _connected(self, _: object, __: object, ___: object, reason: Any, ____: object) -> None:
        self._refused = str(reason) if reason.is_failure else ""
        self._answered.set()


def message(classifier: Classifier, picture: Picture) -> str:
    """What is published of a picture: the class, and how certain it is, in per cent."""
    image, probability = classifier.recognise(picture)
    return json.dumps({"image": image, "probability": probability})


def watch(eye: Eye, classifier: Classifier, publish: Callable[[str], object], clock: Clock, pictures_s: float, stop: threading.Event) -> int:
    """Publish `pictures_s` times a second of the clock what is seen, until `stop` is set or there are no more pictures; how many there were.
    Pictures that are overdue are left out."""
    due_ms, count = float(clock.now_ms()), 0
    while clock.wait_until(int(due_ms), stop):
        now_ms = clock.now_ms()
        picture = eye.picture(now_ms)
        if picture is None:
            break
        publish(message(classifier, picture))
        count += 1
        due_ms = max(due_ms + 1000 / pictures_s, now_ms)
    return count


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    given = _parser().parse_args(arguments)
    try:
        if given.draw:
            config = load()
            write_pictures(given.draw, config.socks, config.blank, of_each=40, seed=given.seed)
        elif given.train:
            classifier = learn_folder(given.train)
            classifier.save(given.model)
            print(f"{given.model} knows {', '.join(classifier.classes)}.")
        else:
            _run(given)
    except Error as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass


def _run(given: argparse.Namespace) -> None:
    eye: Eye = Album(given.folder) if given.folder else Lens(given.camera)
    classifier = Classifier.load(given.model)
    publisher = Publisher(read(given.credentials)) if given.credentials else None
    try:
        publish = publisher.publish if publisher else print
        count = watch(eye, classifier, publish, Clock(int(time.time() * 1000)), given.pictures_s, threading.Event())
    finally:
        if publisher:
            publisher.close()
    print(f"{count} pictures.", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipelines.socks.camera", description="Recognises socks and publishes what it sees by MQTT.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--train", type=Path, metavar="FOLDER", help="learn from photos, one subfolder a class, and write --model")
    what.add_argument("--camera", type=int, metavar="NUMBER", help="look through this camera")
    what.add_argument("--folder", type=Path, metavar="FOLDER", help="look at the pictures of a folder, one after the other")
    what.add_argument("--draw", type=Path, metavar="FOLDER", help="make pictures of the simulator's socks, to try the rest with")
    parser.add_argument("--model", type=Path, default=Path("socks.npz"), metavar="FILE", help="the trained model (%(default)s)")
    parser.add_argument("--credentials", type=Path, metavar="FILE", help="MQTT_URI=, MQTT_USERNAME=, MQTT_PASSWORD=; without it messages are printed")
    parser.add_argument("--pictures-s", type=float, default=3.5, metavar="NUMBER", help="pictures a second (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of --draw")
    return parser


if __name__ == "__main__":
    main()
