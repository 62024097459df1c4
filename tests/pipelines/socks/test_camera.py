"""The camera: training, recognising, pictures of a folder, and the command."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from pipelines.socks import broker, camera
from pipelines.socks.classifier import Classifier, learn
from pipelines.socks.config import load
from pipelines.socks.credentials import Credentials, read, write
from pipelines.socks.drawings import draw, labelled
from pipelines.socks.simulator import Simulator, drawers

from penstock.errors import ConfigError, Error
from penstock.simulation import Clock

pytestmark = pytest.mark.needs("module:cv2", "module:sklearn", "module:paho")
CONFIG = load()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that the command trained on a folder of made photos."""
    folder = tmp_path_factory.mktemp("photos")
    camera.main(["--draw", str(folder / "photos"), "--seed", "5"])
    camera.main(["--train", str(folder / "photos"), "--model", str(folder / "socks.npz")])
    return folder / "socks.npz"


def test_it_recognises_socks_that_it_has_not_seen(trained: Path) -> None:
    classifier, random = Classifier.load(trained), np.random.default_rng(99)
    assert classifier.classes == sorted(["Blank", *(sock.name for sock in CONFIG.socks)])
    right = [classifier.recognise(draw(sock, random))[0] == (sock.name if sock else "Blank") for sock in (*CONFIG.socks, None) for _ in range(20)]
    assert sum(right) / len(right) > 0.95
    moving = [classifier.recognise(draw(sock, random, entering=0.4)) for sock in CONFIG.socks for _ in range(8)]
    still = [classifier.recognise(draw(sock, random)) for sock in CONFIG.socks for _ in range(8)]
    assert np.mean([p for _, p in moving]) < np.mean([p for _, p in still]) <= 100, "what moves is less certain"


def test_pictures_of_a_folder_are_told_one_by_one(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = trained.parent / "photos"
    for number, name in enumerate(("Mongo", "Blank", "Google")):
        shutil.copy(photos / name / "0001.png", tmp_path / f"{number}.png")
    camera.main(["--folder", str(tmp_path), "--model", str(trained), "--pictures-s", "1000"])
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["image"] for each in told] == ["Mongo", "Blank", "Google"]
    assert all(set(each) == {"image", "probability"} and 50 < each["probability"] <= 100 for each in told)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--folder", "{folder}", "--model", "{model}"], "no photos"),
        (["--train", "{folder}"], "no photos"),
        (["--train", "{photos}/broken", "--model", "x"], "no photo that can be read"),
        (["--train", "{photos}/few", "--model", "x"], "few photos of"),
        (["--folder", "{photos}/Mongo", "--model", "{folder}/none"], "There is no model"),
        (["--folder", "{photos}/Mongo", "--model", "{folder}/noise"], "is no model"),
        (["--camera", "77", "--model", "{model}"], "no camera 77"),
        (["--folder", "{photos}/Mongo", "--model", "{model}", "--credentials", "{folder}/none"], "cannot be read"),
        (["--folder", "{photos}/Mongo", "--model", "{model}", "--credentials", "{folder}/noise"], "does not hold MQTT_URI"),
        (["--folder", "{photos}/Mongo", "--model", "{model}", "--credentials", "{folder}/away"], "not to be reached"),
    ],
)
def test_mistakes_say_what_to_do(trained: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    photos = trained.parent / "photos"
    for folder, text in (("broken/a", "noise"), ("few/a", None), ("few/b", None)):
        (photos / folder).mkdir(parents=True, exist_ok=True)
        if text:
            (photos / folder / "x.png").write_text(text)
        else:
            shutil.copy(photos / "Mongo" / "0001.png", photos / folder / "x.png")
    (tmp_path / "noise").write_text("noise")
    write(tmp_path / "away", Credentials("tcp://127.0.0.1:9", "u", "p"))
    given = [part.format(folder=tmp_path, photos=photos, model=trained) for part in arguments]
    with pytest.raises(SystemExit, match=message):
        camera.main(given)


def test_the_credentials_are_for_their_owner(tmp_path: Path) -> None:
    path, theirs = tmp_path / "secrets" / "credentials.properties", Credentials("ssl://broker.example.com", "someuser", "some=password")
    write(path, theirs)
    assert path.stat().st_mode & 0o077 == 0
    assert read(path) == theirs
    assert (theirs.host, theirs.port, theirs.encrypted) == ("broker.example.com", 8883, True)
    assert "some=password" not in repr(theirs)


@pytest.mark.parametrize(
    "mosquitto", [pytest.param(True, marks=pytest.mark.needs("mosquitto")), pytest.param(False, marks=pytest.mark.needs("module:amqtt"))]
)
def test_a_broker_of_its_own_lets_only_the_camera_in(mosquitto: bool) -> None:
    with broker.running(mosquitto=mosquitto) as (name, credentials):
        assert name == ("Mosquitto" if mosquitto else "amqtt")
        publisher = camera.Publisher(credentials)
        publisher.publish("{}")
        publisher.close()
        with pytest.raises(Error, match="does not let us in: Not authorized"):
            camera.Publisher(Credentials(credentials.uri, credentials.username, "guess"))
    with pytest.raises(Error, match="not to be reached"):
        camera.Publisher(credentials)


def test_the_simulated_hand_follows_the_seed() -> None:
    order = [sock.name for _, sock in zip(range(18), drawers(CONFIG.socks, 3), strict=False)]
    assert order == [sock.name for _, sock in zip(range(18), drawers(CONFIG.socks, 3), strict=False)]
    assert order != [sock.name for _, sock in zip(range(18), drawers(CONFIG.socks, 4), strict=False)]
    assert sorted(order[:9].count(sock.name) for sock in CONFIG.socks) == [1, 2, 2, 2, 2], "one has lost its other"


def test_a_sock_is_held_up_once_in_a_window() -> None:
    classifier = learn(labelled(CONFIG.socks, CONFIG.blank, of_each=20, seed=1))
    simulator, names = Simulator(CONFIG, seed=3, shown=2), []
    for now_ms in range(1_000_002_000, 1_000_030_000, 250):
        names.append((now_ms // 5000, classifier.recognise(simulator.picture(now_ms))[0]))
    expected = [sock.name for _, sock in zip(range(7), drawers(CONFIG.socks, 3), strict=False)][2:]
    often = [
        name
        for window in range(200_000, 200_006)
        for name in {n for w, n in names if w == window and n != "Blank"}
        if names.count((window, name)) > 3
    ]
    assert often == expected, "none in the window that has begun already"


def test_it_keeps_its_pace_and_stops_when_told(trained: Path) -> None:
    classifier, told, stop = Classifier.load(trained), list[str](), threading.Event()

    def publish(message: str) -> None:
        told.append(message)
        if len(told) == 5:
            stop.set()

    assert camera.watch(Simulator(CONFIG, seed=1), classifier, publish, Clock(0, 1000), 3.5, stop) == 5


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"simulator" ', '"eye" ', "driver is one of"),
        ("pictures_s = 3.5", "pictures_s = 0", "are above 0"),
        ("[66, 133, 244]", "[66, 133, 256]", "is no colour"),
        ('pattern = "dots"', 'pattern = "stars"', "the pattern of Streamset"),
        ('"Google"', '"Blank"', "need different names"),
        ("window_s = 5.0", "", "KeyError"),
    ],
)
def test_a_configuration_with_a_mistake_names_it(tmp_path: Path, old: str, new: str, message: str) -> None:
    from pipelines.socks.config import FOLDER

    text = (FOLDER / "config.toml").read_text()
    assert old in text
    (tmp_path / "config.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError, match=message):
        load(tmp_path / "config.toml")
