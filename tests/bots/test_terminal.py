"""The terminal door."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import pytest
from tests.bots.plants import FORM, wait_until

import penstock
from penstock.bots import Alert, Bars, Bot, Lookup, Picture, Reply, TerminalDoor


def talk(bot: Bot, text: str, pictures: Path | None = None) -> str:
    out = io.StringIO()
    bot.run(TerminalDoor(stdin=io.StringIO(text), stdout=out, pictures=pictures), threading.Event())
    return out.getvalue()


def test_a_form_with_numbered_choices(db: penstock.Database) -> None:
    out = talk(Bot(db, "b", [FORM]), "/update_plant\n7\nCrouton\n\n/skip\n/skip\n2\n1\n")
    assert "Where does Crouton stand?\n  1. The kitchen\n  2. The hall\nPlant id: 7\n" in out
    assert out.endswith("  1. /y\n  2. /n\nCrouton is known now.\n")
    assert db.query("SELECT place, owner FROM plants;").fetchall() == [("hall", "1")]


def test_locations_and_pictures(db: penstock.Database, tmp_path: Path) -> None:
    here = Lookup("here", "Where", "SELECT :latitude AS a, :longitude AS o FROM places LIMIT 1;", "{A} {O}", takes_location=True)
    bars = Picture("bars", "Bars", "SELECT label, length(name) AS n FROM places ORDER BY n, label;", Bars("n", "label", "Names"))
    out = talk(Bot(db, "b", [here, bars]), "/here\n/location 53.8, -1.55\n/bars\n", tmp_path / "pictures")
    assert "(here: /location LATITUDE LONGITUDE)\n53.8 -1.55\nNames\nThe hall    █" in out
    assert (tmp_path / "pictures" / "picture-1.png").read_bytes()[:4] == b"\x89PNG"


def test_alerts_are_printed_as_they_come_and_stop_ends_it(db: penstock.Database) -> None:
    """The reader waits on a pipe that nobody writes to any more."""
    read, write = os.pipe()
    out, stop = io.StringIO(), threading.Event()
    bot = Bot(db, "b", [Alert("places", "New places", "{LABEL} is there", source="places")])
    with open(read) as stdin, open(write, "w") as keys:
        thread = threading.Thread(target=lambda: bot.run(TerminalDoor(stdin=stdin, stdout=out), stop))
        thread.start()
        keys.write("/places\n")
        keys.flush()
        wait_until(lambda: "You will be told" in out.getvalue())
        db.insert("places", [{"name": "loft", "label": "The loft", "open": True}])
        wait_until(lambda: "The loft is there" in out.getvalue())
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


def test_what_goes_wrong_behind_the_door_is_raised(db: penstock.Database) -> None:
    class BrokenError(Exception):
        pass

    class Broken:
        menu = ()

        def answer(self, message: object) -> list[Reply]:
            raise BrokenError

        def gone(self, chat: int) -> None: ...

    with pytest.raises(BrokenError):
        TerminalDoor(stdin=io.StringIO("hello\n"), stdout=io.StringIO()).run(Broken(), threading.Event())
