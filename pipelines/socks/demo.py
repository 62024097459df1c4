"""The whole pipeline, from the camera to pairs, live: what `penstock demo socks` runs."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.errors import ConfigError, Error
from penstock.simulation import Background, Clock

from . import broker
from .config import FOLDER, Config, load
from .credentials import Credentials, read
from .setup import CONNECTOR, TOPIC, pause, set_up
from .socks_view import SocksView

if TYPE_CHECKING:
    from penstock import Database, Row

CONNECTORS_WAIT = True
"""Until the broker runs and `set_up` has written its credentials."""
SPEED = 1
SEEN = "SELECT image, probability FROM sock_stream EMIT CHANGES;"
PAIRS = (FOLDER / "pairs.sql").read_text()
PICTURES_TO_LEARN = 30
FIRST_S = 60


def run(
    db: Database,
    *,
    speed: float,
    seed: int,
    stop: threading.Event,
    alerts_max: int | None = None,
    config: Config | None = None,
    view: SocksView | None = None,
    sql: str | None = None,
) -> None:
    """Run until `stop` is set or `alerts_max` results came. The windows are of real time, since the messages bear none: what `speed` changes is how
    many pictures are taken in a second."""
    config, view = config or load(), view or SocksView()
    with _broker(db, config) as (name, credentials):
        set_up(db, credentials, sql)
        print(f"The camera is {_camera_name(config)}; its messages go through {name} at {credentials.uri}.", flush=True)
        background = Background(stop)
        db.execute("SET 'auto.offset.reset' = 'latest';")
        seen = db.query(SEEN)
        db.execute("SET 'auto.offset.reset' = 'earliest';")  # the socks of earlier evenings count too
        pairs = db.query(PAIRS)
        db.execute("UNSET 'auto.offset.reset';")
        for row in pairs.drain():
            view.pair(row, is_news=False)
        background.start("seen", lambda: follow(seen, view.seen))
        background.start("pairs", lambda: follow(pairs, view.pair))
        background.start("camera", lambda: look(db, config, credentials, speed, seed, stop))
        try:
            view.show(stop, lambda: alerts_max is not None and view.news_count >= alerts_max)
        finally:
            stop.set()
            for query in (seen, pairs):
                query.close()
            background.join()


def follow(rows: Iterable[Row], show: Any) -> None:
    """Show each row as it comes."""
    for row in rows:
        show(row)


def look(db: Database, config: Config, credentials: Credentials, speed: float, seed: int, stop: threading.Event) -> None:
    """The camera's thread: what is seen, to the broker."""
    try:
        from .camera import Album, Eye, Lens, Publisher, watch
        from .classifier import Classifier
    except ImportError as error:
        raise ConfigError(f"The camera needs a library that is not installed ({error.name}).", mend="pip install 'penstock[mqtt,vision]'") from None
    publisher = Publisher(credentials)
    try:
        eye: Eye
        if config.driver == "simulator":
            eye, classifier = _simulator(db, config, seed)
        else:
            eye = Album(config.folder) if config.driver == "folder" else Lens(config.number)
            classifier = Classifier.load(config.model)
        clock = Clock(int(time.time() * 1000))
        first = True

        def publish(message: str) -> None:
            nonlocal first
            if first and not config.credentials:
                # Our own broker begins empty: what comes before the connector has subscribed would be nobody's.
                before = _stored(db)
                publisher.publish(message, retain=True)
                _await_one_more(db, before, stop)
            else:
                publisher.publish(message)
            first = False

        watch(eye, classifier, publish, clock, config.pictures_s * speed, stop)
    finally:
        publisher.close()


def _simulator(db: Database, config: Config, seed: int) -> tuple[Any, Any]:
    """The simulated hand, which goes on where the database ends, and a model that knows its socks."""
    from .classifier import Classifier, learn
    from .drawings import labelled
    from .simulator import Simulator

    model = Path(db.path) / "socks.npz"
    if model.is_file():
        classifier = Classifier.load(model)
    else:
        classifier = learn(labelled(config.socks, config.blank, of_each=PICTURES_TO_LEARN, seed=seed))
        classifier.save(model)
    shown = int(_stored(db) / (config.pictures_s * config.window_s))
    return Simulator(config, seed=seed, shown=shown), classifier


@contextlib.contextmanager
def _broker(db: Database, config: Config) -> Iterator[tuple[str, Credentials]]:
    if config.credentials:
        yield "your broker", read(Path(config.credentials))
        return
    with broker.running() as ours:
        try:
            yield ours
        finally:
            pause(db)


def _camera_name(config: Config) -> str:
    return {"simulator": "simulated", "folder": f"the folder {config.folder}", "camera": f"number {config.number}"}[config.driver]


def _stored(db: Database) -> int:
    """How many messages the topic holds."""
    return 0 if db.log.topic(TOPIC) is None else db.log.end_offset(TOPIC, 0)


def _await_one_more(db: Database, before: int, stop: threading.Event) -> None:
    deadline = time.monotonic() + FIRST_S
    version = -1
    while _stored(db) <= before and not stop.is_set():
        version = db.log.watch(version, 0.5)
        if time.monotonic() > deadline:
            status = db.connectors.status(CONNECTOR)
            raise Error(f"The first message does not arrive: the connector is {status.state} {status.tasks[0].reason}")
