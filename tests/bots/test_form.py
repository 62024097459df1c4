"""Forms: from a topic's schema to questions, from answers to a record."""

from __future__ import annotations

import datetime
import threading
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from tests.bots.plants import FORM, prepare, say, told

import penstock
from penstock.bots import Bot, Field, Form, Message, Reply
from penstock.errors import ConfigError, SqlError

ROW = "SELECT plant_id, given_name, moisture_low, note, place, owner FROM plants WHERE id = :id;"


def test_one_question_a_field_then_a_summary_then_the_record(db: penstock.Database) -> None:
    """The schema's docs are the prompts, defaults and nullable fields may be skipped, the key is made of the answers."""
    bot = Bot(db, "b", [FORM])
    assert told(bot, "/update_plant") == "Unique plant identification number. (a whole number)"
    assert told(bot, "7") == "The given name of the plant."
    assert told(bot, "Crouton") == "Lowest moisture of the plant. (a number; /skip for 25)"
    assert told(bot, "/skip") == "Note? (/skip to leave it out)"
    place = say(bot, "/skip")
    assert place == [Reply("Where does Crouton stand?", ("The kitchen", "The hall"))]
    summary = say(bot, "the hall")
    assert summary == [
        Reply(
            "Plant id: 7\nGiven name: Crouton\nMoisture low: 25\nNote: -\nPlace: The hall\n\nShall I keep this? /y or /n",
            ("/y", "/n"),
        )
    ]
    assert db.query(ROW, {"id": "7"}).fetchall() == []
    assert told(bot, "/y") == "Crouton is known now."
    assert db.query(ROW, {"id": "7"}).fetchall() == [(7, "Crouton", 25.0, None, "hall", "1")]
    assert "did not understand" in told(bot, "Crouton")


def test_answers_that_do_not_fit_are_asked_again(db: penstock.Database) -> None:
    bot = Bot(db, "b", [FORM])
    assert told(bot, "/update_plant", "seven").startswith("That is no whole number. Please send one, such as 12.\n\nUnique plant")
    assert "cannot be left out" in told(bot, "/skip")
    assert "too large" in told(bot, "99999999999")
    assert "Lowest moisture" in told(bot, "7", "Crouton")
    assert "100 is the most" in told(bot, "101")
    assert "0 is the least" in told(bot, "-1")
    assert "Where does" in told(bot, "30", "/skip")
    wrong = say(bot, "attic")
    assert wrong[0].text.startswith("“attic” is none of the choices. Please choose: The kitchen, The hall.")
    assert wrong[0].choices == ("The kitchen", "The hall")
    assert "/y to keep it" in told(bot, "kitchen", "maybe")
    assert told(bot, "no") == "Nothing is kept. /update_plant begins anew."
    assert db.query(ROW, {"id": "7"}).fetchall() == []


def test_what_is_known_is_what_skip_means(db: penstock.Database) -> None:
    """A form that updates: the present row's values are kept by /skip."""
    bot = Bot(db, "b", [FORM])
    say(bot, "/update_plant 7", "Crouton", "31.5", "by the window", "kitchen", "/y")
    assert told(bot, "/update_plant 7") == "The given name of the plant. (/skip for Crouton)"
    assert told(bot, "/skip") == "Lowest moisture of the plant. (a number; /skip for 31.5)"
    say(bot, "/skip", "/skip", "hall", "/y")
    assert db.query(ROW, {"id": "7"}).fetchall() == [(7, "Crouton", 31.5, "by the window", "hall", "1")]


def test_cancel_other_commands_and_the_middle_of_a_conversation(db: penstock.Database) -> None:
    bot = Bot(db, "b", [FORM, replace(FORM, name="other")])
    assert told(bot, "/update_plant seven").startswith("That is no whole number")
    assert told(bot, "/help").startswith("/update_plant - Tell me of a plant")
    assert told(bot, "/help").endswith("Unique plant identification number. (a whole number)")
    assert told(bot, "/other").startswith("You are in the middle of /update_plant; /cancel ends it.\n\nUnique plant")
    assert "There is no command /skp. Did you mean /skip?" in told(bot, "/skp")
    assert told(bot, "/cancel") == "/update_plant is cancelled; nothing is kept."
    assert "nothing to cancel" in told(bot, "/cancel")
    assert "no open question" in told(bot, "/skip")
    assert "no open question" in told(bot, "/y")


def test_nothing_to_choose_from_ends_the_form_and_one_choice_is_taken(db: penstock.Database) -> None:
    field = Field(choices_from="SELECT name, label FROM places WHERE open = true;", take_only_choice=True, no_choices="No place is open.")
    bot = Bot(db, "b", [replace(FORM, fields={"place": field}, confirm=False)])
    db.insert("places", [{"name": "hall", "label": "The hall", "open": False}])
    assert told(bot, "/update_plant 7", "Crouton", "/skip", "/skip") == "Crouton is known now."
    assert db.query(ROW, {"id": "7"}).fetchall()[0][4] == "kitchen"
    db.insert("places", [{"name": "kitchen", "label": "The kitchen", "open": False}])
    assert told(bot, "/update_plant 7", "Crouton", "/skip", "/skip") == "No place is open."
    assert "did not understand" in told(bot, "kitchen")


def test_every_type(db: penstock.Database) -> None:
    db.execute("""CREATE STREAM e (a INT, b BIGINT, c DOUBLE, d BOOLEAN, e DECIMAL(6, 2), f DATE, g TIME, h TIMESTAMP, i STRING, j ARRAY<INT>,
        k ARRAY<STRING>) WITH (kafka_topic='e', value_format='JSON', partitions=1);""")
    bot = Bot(db, "b", [Form("e", "Everything", into="e")])
    texts = ["1", "-9223372036854775808", "1e3", "no", "12.5", "2024-02-29", "18:30", "2024-02-29T18:30:00+02:00", "it's; DROP", "3, 4", "a\nb, c"]
    assert "Shall I keep this" in told(bot, "/e", *texts)
    say(bot, "yes")
    expected = (
        1, -(2**63), 1000.0, False, Decimal("12.50"), datetime.date(2024, 2, 29), datetime.time(18, 30), datetime.datetime(2024, 2, 29, 16, 30),
        "it's; DROP", [3, 4], ["a", "b, c"],
    )  # fmt: skip
    assert db.query("SELECT * FROM e;").fetchall() == [expected]
    say(bot, "/e", *["/skip"] * 11, "/y")
    assert db.query("SELECT * FROM e WHERE a IS NULL;").fetchall() == [(None,) * 11]
    wrong = ["x", "1.5", "NaN", "perhaps", "1.234", "29.2.2024", "25:00", "soon", "/nonsense", "1, x", ","]
    for refused, taken in zip(wrong, texts, strict=True):
        assert "\n\n" in told(bot, *(["/e"] if refused == "x" else []), refused), refused
        say(bot, taken)
    assert "Shall I keep this" in told(bot, "/help")


def test_choices_of_a_list(db: penstock.Database) -> None:
    db.execute("CREATE STREAM l (tags ARRAY<STRING>) WITH (kafka_topic='l', value_format='JSON', partitions=1);")
    bot = Bot(db, "b", [Form("l", "Tags", into="l", fields={"tags": Field(choices=["Red", ("b", "Blue")])})])
    assert "“Green” is none of the choices" in told(bot, "/l", "red, Green")
    say(bot, "red, blue", "/y")
    assert db.query("SELECT tags FROM l;").fetchall() == [(["Red", "b"],)]


def test_ten_talk_at_once_and_do_not_mix(db: penstock.Database) -> None:
    """Ten users, each in a thread, their turns interleaved; in a group two members' conversations are two."""
    bot = Bot(db, "b", [FORM])
    together = threading.Barrier(10)

    def talk(chat: int) -> None:
        for text in ("/update_plant", str(chat), f"Plant {chat}", str(chat / 4), f"note {chat}", "kitchen" if chat % 2 else "hall", "/y"):
            together.wait(30)
            bot.answer(Message(chat, text))

    threads = [threading.Thread(target=talk, args=(chat,)) for chat in range(100, 110)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    rows = db.query("SELECT plant_id, given_name, moisture_low, note, place, owner FROM plants ORDER BY plant_id;").fetchall()
    assert rows == [(c, f"Plant {c}", c / 4, f"note {c}", "kitchen" if c % 2 else "hall", str(c)) for c in range(100, 110)]

    for text_of_7, text_of_8 in (("/update_plant@plants_bot", "/update_plant"), ("1", "2"), ("A", "B")):
        bot.answer(Message(-5, text_of_7, user=7, group=True))
        reply = bot.answer(Message(-5, text_of_8, user=8, group=True))
    assert reply[0].text.startswith("Lowest moisture")
    assert bot.answer(Message(-5, "by the way", user=9, group=True)) == ()


def test_a_bot_that_starts_again_goes_on_where_it_was(tmp_path: Path) -> None:
    """The database is closed in mid-conversation. A message that comes again, since its answer was not confirmed, is not taken twice."""
    with penstock.connect(tmp_path / "data") as db:
        prepare(db)
        bot = Bot(db, "b", [FORM])
        for number, text in enumerate(["/update_plant", "7", "Crouton"]):
            last = bot.answer(Message(1, text, id=10 + number))
    with penstock.connect(tmp_path / "data") as db:
        bot = Bot(db, "b", [FORM])
        assert bot.answer(Message(1, "Crouton", id=12)) == last
        assert bot.answer(Message(1, "7", id=11)) == ()
        for number, text in enumerate(["30", "/skip", "hall"]):
            bot.answer(Message(1, text, id=13 + number))
        done = bot.answer(Message(1, "/y", id=16))
        assert done[0].text == "Crouton is known now."
    with penstock.connect(tmp_path / "data") as db:
        bot = Bot(db, "b", [FORM])
        assert bot.answer(Message(1, "/y", id=16)) == done
        assert db.query("SELECT COUNT(*) AS n FROM plants;").fetchall() == [(1,)]
        assert sum(db.log.end_offset("plants", p) for p in range(2)) == 1, "the record was made once"


def test_questions_that_changed_meanwhile_are_told_of(db: penstock.Database) -> None:
    bot = Bot(db, "b", [FORM])
    say(bot, "/update_plant", "7", "Crouton", "30")
    bot = Bot(db, "b", [replace(FORM, given={**FORM.given, "note": None})])
    assert told(bot, "by the window") == "The questions have changed since we began. Please begin again: /update_plant"
    say(bot, "/update_plant", "7")
    assert "did not understand" in told(Bot(db, "b", []), "Crouton"), "the command is no more"


def test_what_does_not_fit_the_database_is_told_when_the_bot_is_made(db: penstock.Database) -> None:
    db.execute("CREATE STREAM m (m MAP<STRING, INT>) WITH (kafka_topic='m', value_format='JSON', partitions=1);")
    wrong = [
        (Form("f", "", into="nowhere"), SqlError, "no stream or table nowhere"),
        (replace(FORM, given={"colour": 1}), ConfigError, "names the column COLOUR"),
        (replace(FORM, fields={"colour": Field()}), ConfigError, "There are: ID, PLANT_ID"),
        (Form("f", "", into="m"), ConfigError, "nobody types a MAP<STRING, INTEGER>"),
        (replace(FORM, done="{colour}"), ConfigError, "asks for {colour}"),
        (replace(FORM, name="Help!"), ConfigError, "cannot have a command"),
        (replace(FORM, name="help"), ConfigError, "none of start, help"),
    ]
    for form, kind, said in wrong:
        with pytest.raises(kind, match=said.replace("{", r"\{")):
            Bot(db, "b", [form])
    with pytest.raises(ConfigError, match="cannot be named"):
        Bot(db, "a bot", [])
    with pytest.raises(ConfigError, match="each once"):
        Bot(db, "b", [FORM, FORM])


def test_a_failure_loses_no_answer_and_shows_no_traceback(db: penstock.Database, caplog: pytest.LogCaptureFixture) -> None:
    bot = Bot(db, "b", [replace(FORM, given={**FORM.given, "owner": lambda a: 1 / a["moisture_low"]})])
    say(bot, "/update_plant", "7", "Crouton", "0", "/skip", "hall")
    assert told(bot, "/y").startswith("Sorry, that did not work")
    assert "cannot answer '/y'" in caplog.text
    assert "Shall I keep this" in told(bot, "/help"), "the conversation stands where it was"
