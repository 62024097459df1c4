"""Alerts: to those who asked, at most once, across restarts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.bots.plants import told, wait_until

import penstock
from penstock.bots import Alert, Argument, Bot, ChatGoneError, MemoryDoor, NotSentError, Reply
from penstock.errors import ConfigError, ConnectorError, SqlError

EVENTS = "CREATE STREAM events (name STRING KEY, spaces INT) WITH (kafka_topic='events', value_format='JSON', partitions=2);"
FREE = Alert(
    "alert",
    "Tell me of free spaces",
    "{NAME} has {SPACES} spaces ({spaces} or more).",
    source="events",
    arguments=[Argument("name", default=None), Argument("spaces", "INT")],
    when=lambda row, wish: wish["name"] in (None, row["NAME"]) and row["SPACES"] >= wish["spaces"],
    each=["name"],
)


@pytest.fixture
def events(tmp_path: Path) -> Iterator[penstock.Database]:
    with penstock.connect(tmp_path / "data") as db:
        db.execute(EVENTS)
        yield db


def happen(db: penstock.Database, *rows: tuple[str, int]) -> None:
    db.insert("events", [{"name": name, "spaces": spaces} for name, spaces in rows])


@contextmanager
def running(bot: Bot, door: MemoryDoor) -> Iterator[threading.Event]:
    stop = threading.Event()
    thread = threading.Thread(target=lambda: bot.run(door, stop))
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def texts(door: MemoryDoor, chat: int) -> list[str]:
    return [reply.text for to, reply in door.sent if to == chat]


def test_each_chat_is_told_by_its_own_thresholds(events: penstock.Database) -> None:
    happen(events, ("Westgate", 99))
    bot, door = Bot(events, "b", [FREE]), MemoryDoor()
    assert told(bot, "/alert") == "You are not subscribed.\nTo change it: /alert [name] spaces, /alert off"
    assert told(bot, "/alert 20") == "You will be told: spaces 20. /alert off ends it."
    assert told(bot, "/alert Westgate 50", chat=2) == "You will be told: name Westgate, spaces 50. /alert off ends it."
    told(bot, "/alert Broadway 5", chat=2)
    assert told(bot, "/alert", chat=2).startswith("You are told:\n- name Westgate, spaces 50\n- name Broadway, spaces 5\n")
    with running(bot, door):
        happen(events, ("Westgate", 30), ("Westgate", 60), ("Broadway", 6), ("Broadway", 4))
        wait_until(lambda: len(door.sent) >= 4)
        told(bot, "/alert off Westgate", chat=2)
        told(bot, "/alert Broadway 7", chat=2)
        happen(events, ("Westgate", 61), ("Broadway", 6), ("Broadway", 7), ("last", 20))
        wait_until(lambda: len(door.sent) >= 7)
    expected = [("Westgate", 30), ("Westgate", 60), ("Westgate", 61), ("last", 20)]
    assert sorted(texts(door, 1)) == [f"{name} has {spaces} spaces (20 or more)." for name, spaces in expected]
    assert texts(door, 2)[2:] == ["Broadway has 7 spaces (7 or more)."]
    assert sorted(texts(door, 2)[:2]) == ["Broadway has 6 spaces (5 or more).", "Westgate has 60 spaces (50 or more)."]
    assert told(bot, "/alert off", chat=2) == "You will be told no more."
    assert told(bot, "/alert off", chat=2) == "You are not subscribed. /alert begins it."
    assert told(bot, "/alert off Kirkgate").startswith("“Kirkgate” is not subscribed.")


def test_subscriptions_and_places_outlive_the_process(tmp_path: Path) -> None:
    """What happens while the bot is away is told when it comes back, once; what was told is not told again."""
    door = MemoryDoor()
    with penstock.connect(tmp_path / "data") as db:
        db.execute(EVENTS)
        bot = Bot(db, "b", [FREE])
        told(bot, "/alert 10")
        with running(bot, door):
            happen(db, ("A", 10), ("B", 11))
            wait_until(lambda: len(door.sent) == 2)
        happen(db, ("A", 12), ("B", 9))
    with penstock.connect(tmp_path / "data") as db:
        bot = Bot(db, "b", [FREE])
        with running(bot, door):
            wait_until(lambda: len(door.sent) == 3)
            happen(db, ("A", 13))
            wait_until(lambda: len(door.sent) == 4)
        rows = db.query("SELECT alert, chat, arguments FROM bot_subscriptions;").fetchall()
        assert rows == [("alert", 1, '{"name": null, "spaces": "10"}')]
    assert sorted(texts(door, 1)) == [f"{n} has {s} spaces (10 or more)." for n, s in (("A", 10), ("A", 12), ("A", 13), ("B", 11))]


def test_a_crash_while_sending_tells_nothing_twice(events: penstock.Database) -> None:
    """The process dies right after a message was sent and before the place of the whole record was committed: here, by a door that fails in a way
    that no door may, after the first of two chats."""
    bot = Bot(events, "b", [FREE])
    told(bot, "/alert 10")
    told(bot, "/alert 10", chat=2)
    sent: list[int] = []

    class DiedError(BaseException):
        pass

    def die(chat: int, reply: Reply) -> None:
        sent.append(chat)
        raise DiedError

    stop = threading.Event()
    happen(events, ("A", 10))
    with pytest.raises(DiedError):
        bot.run(MemoryDoor(die), stop)
    assert stop.is_set()
    again = Bot(events, "b", [FREE])
    door = MemoryDoor()
    with running(again, door):
        happen(events, ("A", 20))
        wait_until(lambda: len([chat for chat, _ in door.sent]) >= 4 - len(sent))
    reached = [(chat, "A has 10 spaces (10 or more).") for chat in sent] + [(chat, reply.text) for chat, reply in door.sent]
    assert sorted(reached) == [(chat, f"A has {n} spaces (10 or more).") for chat in (1, 2) for n in (10, 20)]


def failing(errors: Sequence[ConnectorError]) -> tuple[MemoryDoor, Callable[[], int]]:
    """A door whose first sends fail so, and how often it was tried."""
    left, tries = list(errors), [0]

    def on_send(chat: int, reply: Reply) -> None:
        tries[0] += 1
        if left:
            raise left.pop(0)

    return MemoryDoor(on_send), lambda: tries[0]


def test_what_was_not_sent_is_sent_later_and_what_may_have_been_is_not(events: penstock.Database, caplog: pytest.LogCaptureFixture) -> None:
    bot = Bot(events, "b", [FREE])
    told(bot, "/alert 10")
    later = [NotSentError("flood", retry_after_s=0.01), NotSentError("flood", retry_after_s=0.01)]
    door, tries = failing([*later, ConnectorError("no answer")])
    with running(bot, door):
        happen(events, ("A", 10), ("A", 11))
        wait_until(lambda: len(door.sent) == 1)
    assert tries() == 4
    assert texts(door, 1) == ["A has 11 spaces (10 or more)."]
    assert "may not have reached chat 1: no answer" in caplog.text


def test_what_waits_when_the_bot_stops_is_told_after_it_starts(events: penstock.Database) -> None:
    bot = Bot(events, "b", [FREE])
    told(bot, "/alert 10")
    door, tries = failing([NotSentError("no network", retry_after_s=600)])
    with running(bot, door):
        happen(events, ("A", 10))
        wait_until(lambda: tries() == 1)
    assert door.sent == []
    with running(Bot(events, "b", [FREE]), door):
        wait_until(lambda: texts(door, 1) == ["A has 10 spaces (10 or more)."])


def test_a_chat_that_is_gone_is_unsubscribed(events: penstock.Database) -> None:
    bot = Bot(events, "b", [FREE, replace(FREE, name="other")])
    for chat in (1, 2):
        told(bot, "/alert 10", chat=chat)
        told(bot, "/other 1000", chat=chat)

    def on_send(chat: int, reply: Reply) -> None:
        if chat == 1:
            raise ChatGoneError("blocked")

    door = MemoryDoor(on_send)
    with running(bot, door):
        happen(events, ("A", 10), ("A", 11))
        wait_until(lambda: len(door.sent) == 2)
    assert "not subscribed" in told(bot, "/alert off")
    assert "not subscribed" in told(bot, "/other off")
    assert events.query("SELECT chat FROM bot_subscriptions;").fetchall() == [(2,), (2,)]
    bot.gone(2)
    assert events.query("SELECT chat FROM bot_subscriptions;").fetchall() == []


def test_only_changes_and_only_once(events: penstock.Database) -> None:
    bot = Bot(events, "b", [replace(FREE, on_change=True), replace(FREE, name="first", once=True)])
    told(bot, "/alert 10")
    told(bot, "/first 10", chat=2)
    door = MemoryDoor()
    with running(bot, door):
        happen(events, ("A", 10), ("A", 11), ("A", 9), ("A", 12))
        wait_until(lambda: len(door.sent) == 3)
    with running(bot := Bot(events, "b", [replace(FREE, on_change=True), replace(FREE, name="first", once=True)]), door):
        happen(events, ("A", 13), ("A", 8), ("A", 14))
        wait_until(lambda: len(door.sent) == 4)
    assert texts(door, 1) == [f"A has {n} spaces (10 or more)." for n in (10, 12, 14)]
    assert texts(door, 2) == ["A has 10 spaces (10 or more)."]
    assert "not subscribed" in told(bot, "/first off", chat=2)


def test_a_push_query_is_kept_running(tmp_path: Path) -> None:
    """Its rows are told, those too that come while no bot runs; a changed query replaces it."""
    counted = Alert("full", "Tell me of full car parks", "{NAME} was full {TIMES} times",
                    query="SELECT name, COUNT(*) AS times FROM events WHERE spaces = 0 GROUP BY name EMIT CHANGES;")  # fmt: skip
    door = MemoryDoor()
    with penstock.connect(tmp_path / "data") as db:
        db.execute(EVENTS)
        told(Bot(db, "b", [counted]), "/full")
        happen(db, ("A", 0), ("A", 3), ("B", 0))
        assert db.wait_idle(30)
    with penstock.connect(tmp_path / "data") as db:
        with running(Bot(db, "b", [counted]), door):
            happen(db, ("A", 0))
            wait_until(lambda: len(door.sent) == 3)
        assert sorted(texts(door, 1)) == ["A was full 1 times", "A was full 2 times", "B was full 1 times"]
        changed = replace(counted, query="SELECT name, spaces FROM events WHERE spaces < 2 EMIT CHANGES;", text="{NAME}: {SPACES}")
        with running(Bot(db, "b", [changed]), door):
            happen(db, ("C", 1))
            wait_until(lambda: texts(door, 1)[3:] == ["C: 1"])


def test_a_condition_that_fails_keeps_no_other_alert_back(events: penstock.Database, caplog: pytest.LogCaptureFixture) -> None:
    bot = Bot(events, "b", [replace(FREE, when=lambda row, wish: 60 / row["SPACES"] > wish["spaces"])])
    told(bot, "/alert 1")
    door = MemoryDoor()
    with running(bot, door):
        happen(events, ("A", 0), ("A", 30))
        wait_until(lambda: len(door.sent) == 1)
    assert "the condition of /alert failed" in caplog.text


def test_mistakes_are_told_when_the_bot_is_made(events: penstock.Database) -> None:
    for alert, kind, said in [
        (replace(FREE, source=""), ConfigError, "either a source or a query"),
        (replace(FREE, query="SELECT 1"), ConfigError, "either a source or a query"),
        (replace(FREE, source="nowhere"), SqlError, "no stream or table nowhere"),
        (replace(FREE, each=["colour"]), ConfigError, "no argument colour"),
        (replace(FREE, text="{colour}"), ConfigError, "asks for .colour."),
        (replace(FREE, source="", query="SELECT name FROM events;"), SqlError, "EMIT CHANGES"),
    ]:
        with pytest.raises(kind, match=said):
            Bot(events, "b", [alert])
