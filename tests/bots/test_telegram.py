"""The Telegram door, against a stand-in for Telegram's servers (see tests/telegram_server.py)."""

from __future__ import annotations

import logging
import random
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.bots.plants import FORM, wait_until
from tests.telegram_server import FakeTelegram

import penstock
from penstock.bots import Alert, Bars, Bot, Door, Lookup, Picture, TelegramDoor
from penstock.bots import telegram as telegram_door
from penstock.bots.telegram import _pieces
from penstock.errors import ConfigError, Error

ROWS = "SELECT plant_id, given_name, moisture_low, note, place, owner FROM plants ORDER BY plant_id;"
NAMES = Lookup("names", "All names", "SELECT name FROM places ORDER BY name;", "- {NAME}")
PLACES = Alert("places", "New places", "{LABEL} is there", source="places")


@contextmanager
def serving(bot: Bot, door: Door) -> Iterator[None]:
    stop = threading.Event()
    failures: list[Error] = []

    def serve() -> None:
        try:
            bot.run(door, stop)
        except Error as error:
            failures.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()
        assert failures == []


def door_of(telegram: FakeTelegram) -> TelegramDoor:
    return TelegramDoor(telegram.token, api_url=telegram.url)


def test_a_conversation_with_keyboards(db: penstock.Database, telegram: FakeTelegram) -> None:
    """What waits while the bot is away is answered; choices are a keyboard, and it goes away with the next question."""
    bot = Bot(db, "b", [FORM, NAMES])
    telegram.say(7, "/update_plant")
    with serving(bot, door_of(telegram)):
        assert telegram.sent() == [(7, "Unique plant identification number. (a whole number)")]
        for text in ("3", "Crouton", "/skip", "/skip"):
            telegram.say(7, text)
        question = telegram.messages(4)[-1]
        assert question["text"] == "Where does Crouton stand?"
        assert [[key["text"] for key in row] for row in question["reply_markup"]["keyboard"]] == [["The kitchen", "The hall"]]
        telegram.say(7, "The hall")
        telegram.say(7, "/y")
        assert telegram.messages(2)[-1]["reply_markup"] == {"remove_keyboard": True}
        assert telegram.all_confirmed()
    assert db.query(ROWS).fetchall() == [(3, "Crouton", 25.0, None, "hall", "7")]


def test_ten_talk_at_once_and_the_last_answer_is_a_message_soon(db: penstock.Database, telegram: FakeTelegram) -> None:
    """Ten chats, each of which says the next thing when it was asked. Then one alone: between its last answer and the confirmation at the far side
    the process works for 250 ms at most at the median (by the processor's time, since other processes may keep it waiting)."""
    bot = Bot(db, "b", [FORM])
    chats = range(100, 110)
    texts = {c: ["/update_plant", str(c), f"Plant {c}", "30", f"note {c}", "kitchen" if c % 2 else "hall", "/y"] for c in chats}
    with serving(bot, door_of(telegram)):
        order = random.Random(1).sample(list(chats), len(chats))
        for chat in order:
            telegram.say(chat, texts[chat].pop(0))
        while any(texts.values()):
            for chat, _ in telegram.sent():
                if texts[chat]:
                    telegram.say(chat, texts[chat].pop(0))
        wait_until(lambda: len(db.query(ROWS).fetchall()) == 10)
        assert db.query(ROWS).fetchall() == [(c, f"Plant {c}", 30.0, f"note {c}", "kitchen" if c % 2 else "hall", str(c)) for c in chats]
        telegram.seen = len(telegram.ask("sent", **{"from": 0, "count": 70, "ms": 30_000}))
        taken_ms = []
        for number in range(9):
            for text in ("/update_plant", str(200 + number), "Quick", "/skip", "/skip", "hall"):
                telegram.say(1, text)
            telegram.sent(6)
            began = cpu_s()
            telegram.say(1, "/y")
            telegram.sent()
            taken_ms.append((cpu_s() - began) * 1000)
    assert sorted(taken_ms)[len(taken_ms) // 2] < 250, taken_ms


def test_a_killed_bot_goes_on_with_nothing_lost_and_nothing_twice(tmp_path: Path, telegram: FakeTelegram) -> None:
    """SIGKILL at seeded moments in the middle of conversations: every plant is there, made once, and every question is asked."""
    moments = random.Random(4)
    chats = (1, 2, 3)
    texts = {chat: ["/update_plant", str(chat), f"Plant {chat}", "/skip", "/skip", "hall", "/y"] for chat in chats}
    command = [sys.executable, "-m", "tests.bots.talk_to_telegram", str(tmp_path / "data"), telegram.url, telegram.token]
    kills = 0
    answers: dict[int, list[str]] = {chat: [] for chat in chats}
    while any(texts.values()):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            for _ in range(moments.randint(3, 6) if kills < 2 else 100):
                ready = [chat for chat in chats if texts[chat]]
                if not ready:
                    break
                chat = moments.choice(ready)
                telegram.say(chat, texts[chat].pop(0))
                if kills < 2 and moments.random() < 0.3:
                    break  # while that one is being answered
                for to, text in telegram.sent():
                    answers[to].append(text)
            if any(texts.values()):
                process.kill()
                kills += 1
            else:
                assert telegram.all_confirmed()
                for to, text in telegram.sent(0):
                    answers[to].append(text)
                process.terminate()
        process.wait(30)
    assert kills == 2
    with penstock.connect(tmp_path / "data", read_only=True) as db:
        assert db.query(ROWS).fetchall() == [(c, f"Plant {c}", 25.0, None, "hall", str(c)) for c in chats]
        assert sum(db.log.end_offset("plants", p) for p in range(2)) == 3, "each was made once"
    for chat in chats:
        unique = list(dict.fromkeys(answers[chat]))
        assert len(unique) == 7, unique
        assert unique[-1] == f"Plant {chat} is known now."


def test_pictures_long_texts_and_locations(db: penstock.Database, telegram: FakeTelegram) -> None:
    here = Lookup("here", "Where", "SELECT :latitude AS a, :longitude AS o FROM places LIMIT 1;", "{A} {O}", takes_location=True)
    bars = Picture("bars", "Bars", "SELECT label, length(name) AS n FROM places ORDER BY n, label;", Bars("n", "label", "Names"))
    with serving(Bot(db, "b", [here, bars]), door_of(telegram)):
        telegram.say(1, "/here")
        assert telegram.messages()[0]["reply_markup"]["keyboard"] == [[{"text": "Share my location", "request_location": True}]]
        telegram.say(1, location={"latitude": 53.5, "longitude": -1.5})
        assert telegram.sent() == [(1, "53.5 -1.5")]
        telegram.say(1, "/bars")
        assert telegram.sent() == [(1, "[picture] Names")]
    assert [(p["caption"], p["width"]) for p in telegram.ask("photos") if p["token"] == telegram.token] == [("Names", 1000)]
    assert [len(piece) for piece in _pieces("x" * 5000)] == [4096, 904]
    assert _pieces("a" * 4000 + "\n" + "b" * 200) == ["a" * 4000, "b" * 200]


def test_alerts_reach_the_chat_and_a_blocked_chat_is_unsubscribed(db: penstock.Database, telegram: FakeTelegram) -> None:
    """A 403 to an alert, and Telegram's own word that the bot was blocked, both end a chat's subscriptions."""
    bot = Bot(db, "b", [PLACES])
    with serving(bot, door_of(telegram)):
        for chat in (1, 2, 3):
            telegram.say(chat, "/places")
        telegram.sent(3)
        telegram.fail("sendMessage", 403, chat=2, body='{"ok": false, "error_code": 403, "description": "Forbidden: bot was blocked by the user"}')
        telegram.say(3, raw={"my_chat_member": _blocked(3)})
        wait_until(lambda: db.query("SELECT chat FROM bot_subscriptions WHERE chat = 3;").fetchall() == [])
        db.insert("places", [{"name": "loft", "label": "The loft", "open": True}])
        assert telegram.sent() == [(1, "The loft is there")]
        wait_until(lambda: db.query("SELECT chat FROM bot_subscriptions;").fetchall() == [(1,)])


def _blocked(chat: int) -> dict[str, object]:
    user = {"id": chat, "is_bot": False, "first_name": "U"}
    bot = {"id": 666, "is_bot": True, "first_name": "B"}
    status: Sequence[dict[str, object]] = ({"status": "member", "user": bot}, {"status": "kicked", "user": bot, "until_date": 0})
    return {"chat": {"id": chat, "type": "private"}, "from": user, "date": 1, "old_chat_member": status[0], "new_chat_member": status[1]}


def test_rate_limits_and_failures_are_waited_out(
    db: penstock.Database, telegram: FakeTelegram, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 429 says how long to wait; 5xx and a broken connection are tried again; nothing of it shows the token."""
    monkeypatch.setattr(telegram_door, "BACKOFF_S", 0.1)
    caplog.set_level(logging.DEBUG)
    limit = '{"ok": false, "error_code": 429, "description": "Too Many Requests", "parameters": {"retry_after": 1}}'
    telegram.fail("getMe", 502, body='{"ok": false, "description": "Bad Gateway"}')
    telegram.fail("getUpdates", 0)
    telegram.fail("sendMessage", 429, body=limit)
    telegram.fail("sendMessage", 0, chat=2)
    began = time.monotonic()
    with serving(Bot(db, "b", [NAMES]), door_of(telegram)):
        telegram.say(1, "/names")
        assert telegram.sent() == [(1, "- attic\n- hall\n- kitchen")]
        assert time.monotonic() - began > 1
        telegram.say(2, "/names")
        assert telegram.sent() == [(2, "- attic\n- hall\n- kitchen")]
    assert "Telegram wants 1 s between messages" in caplog.text
    assert "Telegram cannot be reached" in caplog.text
    assert telegram.token not in caplog.text
    assert "getUpdates" not in caplog.text, "httpx logs addresses, and they hold the token"


def test_a_wrong_token_ends_it_without_showing_it(db: penstock.Database, telegram: FakeTelegram) -> None:
    with pytest.raises(ConfigError, match="Telegram does not know the token") as caught:
        Bot(db, "b", [NAMES]).run(TelegramDoor("wrong", api_url=telegram.url), threading.Event())
    assert "wrong" not in str(caught.value)
    with pytest.raises(ConfigError, match="is empty"):
        Bot(db, "b", [NAMES]).run(TelegramDoor("", api_url=telegram.url), threading.Event())


def test_a_bot_at_rest_costs_nothing(db: penstock.Database, telegram: FakeTelegram) -> None:
    """It waits at Telegram: one question in a while, and hardly any of the processor's time."""
    with serving(Bot(db, "b", [NAMES, PLACES]), door_of(telegram)):
        telegram.say(1, "/names")
        telegram.sent()
        assert telegram.all_confirmed()
        polls, before = telegram.ask("polls"), cpu_s()
        threading.Event().wait(3)
        assert telegram.ask("polls") - polls <= 1
        assert cpu_s() - before < 0.15


def cpu_s() -> float:
    """The processor's time of this process so far, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
