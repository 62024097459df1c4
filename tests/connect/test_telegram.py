"""The Telegram connectors, against a stand-in for Telegram's servers (see tests/telegram_server.py)."""

from __future__ import annotations

import concurrent.futures
import gc
import json
import logging
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.connect.json_records import runtime_over, send
from tests.connect.source_context import Context, open_source
from tests.telegram_server import FakeTelegram, telegram, telegram_url  # noqa: F401  # fixtures

import penstock
from penstock.connect.runtime import ConnectRuntime
from penstock.connect.secrets import Secrets
from penstock.connect.telegram.client import TelegramClient
from penstock.errors import ConfigError
from penstock.log import open_log
from penstock.log.protocol import Log

ROOT = Path(__file__).parents[2]
TOO_MANY = '{"ok": false, "error_code": 429, "description": "Too Many Requests", "parameters": {"retry_after": 1}}'
BLOCKED = '{"ok": false, "error_code": 403, "description": "Forbidden: bot was blocked by the user"}'


def source(telegram: FakeTelegram, **more: str) -> dict[str, str]:  # noqa: F811
    given = {"connector.class": "TelegramSource", "telegram.bot.token": telegram.token, "telegram.api.url": telegram.url, "kafka.topic": "said"}
    return given | {"retry.backoff.ms": "20"} | {name.replace("_", "."): text for name, text in more.items()}


def sink(telegram: FakeTelegram, **more: str) -> dict[str, str]:  # noqa: F811
    given = {"connector.class": "TelegramSink", "telegram.bot.token": telegram.token, "telegram.api.url": telegram.url, "topics": "alerts"}
    given |= {"telegram.chat.id": "{CHAT}", "body.template": "{N}", "retry.backoff.ms": "20"}
    return given | {name.replace("_", "."): text for name, text in more.items()}


@pytest.fixture
def runtime(log: Log) -> Iterator[ConnectRuntime]:
    started = runtime_over(log, restart_ms=20, restart_ms_max=80)
    yield started
    started.close()


def wait_for(log: Log, topic: str, count: int, timeout_s: float = 30) -> None:
    """Wait until the topic holds so many records."""
    deadline = time.monotonic() + timeout_s
    version = -1
    while log.topic(topic) is None or log.end_offset(topic, 0) < count:
        assert time.monotonic() < deadline, f"{topic} holds {log.end_offset(topic, 0) if log.topic(topic) else 'nothing'}"
        version = log.watch(version, 0.5)


def test_messages_become_rows_of_a_stream(tmp_path: Path, telegram: FakeTelegram) -> None:  # noqa: F811
    """The schema is registered, so that a stream has its columns; the key is the chat, the time the message's."""
    telegram.say(7, "it's 20 degrees", name="Ann")
    telegram.say(-5, location={"latitude": 53.5, "longitude": -1.5}, user=8, group=True)
    with penstock.connect(tmp_path / "data") as db:
        db.connectors.start("SOURCE", "chat", source(telegram))
        wait_for(db.log, "said", 2)
        db.execute("CREATE STREAM said (chat STRING KEY) WITH (kafka_topic='said', value_format='AVRO');")
        columns = "chat, chat_id, chat_type, user_id, first_name, user_name, text, latitude, longitude, edited"
        rows = db.query(f"SELECT {columns} FROM said ORDER BY update_id;").fetchall()
        assert rows == [
            ("7", 7, "private", 7, "Ann", "user7", "it's 20 degrees", None, None, False),
            ("-5", -5, "group", 8, "User 8", "user8", None, 53.5, -1.5, False),
        ]
        times = db.query("SELECT ROWTIME AS t, date FROM said;").fetchall()
        assert all(abs(row[0] / 1000 - time.time()) < 60 for row in times)
        telegram.say(7, "again")
        wait_for(db.log, "said", 3)
        assert telegram.all_confirmed(), "Telegram may forget what is committed"


def test_the_source_goes_on_after_failures(log: Log, runtime: ConnectRuntime, telegram: FakeTelegram, caplog: pytest.LogCaptureFixture) -> None:  # noqa: F811
    caplog.set_level(logging.DEBUG)
    telegram.fail("getUpdates", 502, times=2)
    telegram.fail("getUpdates", 0)
    telegram.fail("getUpdates", 409, body='{"ok": false, "error_code": 409, "description": "Conflict: terminated by other getUpdates request"}')
    telegram.say(1, "hello")
    runtime.start("SOURCE", "chat", source(telegram))
    wait_for(log, "said", 1)
    assert "Another program reads this bot's updates" in caplog.text
    assert telegram.token not in caplog.text


def test_an_unknown_token_fails_the_task_without_being_shown(log: Log, runtime: ConnectRuntime, telegram: FakeTelegram) -> None:  # noqa: F811
    send(log, "alerts", [{"CHAT": 1, "N": 1}])
    runtime.start("SOURCE", "chat", source(telegram, telegram_bot_token="wrong"))
    runtime.start("SINK", "pager", sink(telegram, telegram_bot_token="wrong"))
    for name in ("chat", "pager"):
        deadline = time.monotonic() + 30
        while not (status := runtime.status(name)).tasks[0].reason:
            assert time.monotonic() < deadline
            log.watch(log.version(), 0.05)
        assert "Telegram does not know the token" in status.tasks[0].reason
        assert "wrong" not in str(status)


def test_a_source_at_rest_costs_nothing_and_ends_at_once(log: Log, runtime: ConnectRuntime, telegram: FakeTelegram) -> None:  # noqa: F811
    telegram.say(1, "hello")
    runtime.start("SOURCE", "chat", source(telegram))
    wait_for(log, "said", 1)
    assert telegram.all_confirmed()
    polls, before = telegram.ask("polls"), cpu_s()
    threading.Event().wait(3)
    assert telegram.ask("polls") == polls
    assert cpu_s() - before < 0.1
    began = time.monotonic()
    runtime.stop("chat")
    assert time.monotonic() - began < 5


def test_what_is_asked_for_as_the_client_ends_is_cancelled(telegram: FakeTelegram) -> None:  # noqa: F811
    """However far a question has come when the client is closed, no task of it is left behind: one that never began would be told of by Python."""
    for number in range(60):
        client = TelegramClient(telegram.token, telegram.url, Secrets())
        asked = client.updates(None, ["message"])
        if number % 2:
            threading.Event().wait(number / 20_000)  # so that it is cut off at another place each time
        client.close()
        client.close()
        later = client.updates(None, ["message"])
        for each in (asked, later):
            with pytest.raises(concurrent.futures.CancelledError):
                each.result(5)
    gc.collect()


def test_each_record_is_a_message_to_its_chat(log: Log, runtime: ConnectRuntime, telegram: FakeTelegram) -> None:  # noqa: F811
    """A 429 is waited out; a blocked chat, an empty and too long text go to the dead letters, and the others are not kept waiting."""
    telegram.fail("sendMessage", 429, body=TOO_MANY)
    telegram.fail("sendMessage", 0)
    telegram.fail("sendMessage", 403, chat=3, body=BLOCKED)
    rows: list[Any] = [{"CHAT": 1, "N": 1}, {"CHAT": 3, "N": 2}, None, {"CHAT": 1, "N": ""}, {"CHAT": None, "N": 3}, {"CHAT": 1, "N": "x" * 4097}]
    send(log, "alerts", [*rows, {"CHAT": "@channel", "N": 4}])
    runtime.start("SINK", "pager", sink(telegram))
    assert runtime.wait_idle(30)
    assert [(m["chat_id"], m["text"]) for m in telegram.messages(2)] == [("1", "1"), ("@channel", "4")]
    letters = log.read("dlq-pager", 0, 0).to_pylist()
    reasons = [h["value"].decode() for letter in letters for h in letter["headers"] if h["key"] == "__connect.errors.exception.message"]
    expected = ("blocked by the user", "text is empty", "chat is empty", "4097 characters")
    assert [word in reason for word, reason in zip(expected, reasons, strict=True)] == [True] * 4


def test_marks_in_columns_are_escaped(log: Log, runtime: ConnectRuntime, telegram: FakeTelegram) -> None:  # noqa: F811
    send(log, "alerts", [{"CHAT": 1, "N": "<b>1_2</b>"}])
    for mode, template in (("html", "<i>{N}</i>"), ("markdownv2", "*{N}*"), ("none", "{N}")):
        runtime.start("SINK", mode, sink(telegram, telegram_parse_mode=mode, body_template=template, telegram_disable_link_preview="true"))
    sent = {(m.get("parse_mode"), m["text"]) for m in telegram.messages(3)}
    assert runtime.wait_idle(30)
    assert [status.tasks[0].delivered for status in runtime.statuses()] == [1, 1, 1]
    assert sent == {("HTML", "<i>&lt;b&gt;1_2&lt;/b&gt;</i>"), ("MarkdownV2", r"*<b\>1\_2</b\>*"), (None, "<b>1_2</b>")}


def test_bad_options_are_told(log: Log, telegram: FakeTelegram) -> None:  # noqa: F811
    with pytest.raises(ConfigError, match="cannot hold 'poll'"):
        open_source("TelegramSource", source(telegram, telegram_updates="poll"), Context())
    send(log, "alerts", [{"CHAT": 1}])
    started = runtime_over(log, frozenset({"N"}))
    with pytest.raises(ConfigError, match="no such column"):
        started.check("SINK", "pager", sink(telegram))
    started.close()


def test_every_record_is_counted_though_the_process_is_killed(tmp_path: Path, telegram: FakeTelegram) -> None:  # noqa: F811
    """SIGKILL at seeded moments: each message is in the topic once; each alert is sent, and at most one for each kill twice."""
    moments, kills, count = random.Random(5), 3, 60
    folder = tmp_path / "data"
    log = open_log(folder)
    log.create_topic("alerts")
    send(log, "alerts", [{"CHAT": 1, "N": n} for n in range(count)])
    log.close()
    connectors = json.dumps({"chat": ["SOURCE", source(telegram)], "pager": ["SINK", sink(telegram)]})
    command = [sys.executable, "-m", "tests.connect.run_connectors", str(folder), connectors]
    said = 0
    for _ in range(kills):
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for wanted in range(moments.randint(2, 5)):
                for _ in range(moments.randint(1, 4)):
                    telegram.say(1, f"message {said}")
                    said += 1
                while wanted and '"said"' not in process.stdout.readline():
                    pass
            os.kill(process.pid, signal.SIGKILL)
    last = subprocess.run([*command, json.dumps({"said": said})], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert last.returncode == 0, last.stderr
    sent = Counter(int(text) for _, text in telegram.sent(count))
    assert set(sent) == set(range(count))
    assert sum(sent.values()) <= count + kills
    log = open_log(folder)
    keys = log.read("said", 0, 0)["key"].to_pylist()
    assert keys == [b"1"] * said
    log.close()


def cpu_s() -> float:
    """The processor's time of this process so far, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
