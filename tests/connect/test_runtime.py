"""The runtime: states, restarts, offsets, and a process killed in the middle."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.connect.json_records import runtime_over, send
from tests.connect.web_server import Answer, Request, WebServer

from penstock.connect.runtime import ConnectRuntime
from penstock.errors import ConfigError, ConnectorError
from penstock.log import open_log
from penstock.log.protocol import Log

ROOT = Path(__file__).parents[2]
Start = Callable[..., None]


def test_pause_keeps_the_place_and_resume_goes_on(log: Log, web: WebServer, runtime: ConnectRuntime, start: Start) -> None:
    send(log, "alerts", [{"N": 1}])
    start(body_template="{N}")
    assert runtime.wait_idle(10)
    runtime.pause("pager")
    assert runtime.status("pager").state == "PAUSED"
    send(log, "alerts", [{"N": 2}])
    assert runtime.wait_idle(10), "a paused connector has nothing to do"
    assert len(web.requests) == 1
    runtime.resume("pager")
    web.wait_for(2)
    assert runtime.wait_idle(10)
    assert runtime.status("pager").state == "RUNNING"
    assert log.committed("connect-pager") == {("alerts", 0): 2}


def test_a_pause_waits_for_the_answer_to_a_request(log: Log, web: WebServer, runtime: ConnectRuntime, start: Start) -> None:
    asked, answer = threading.Event(), threading.Event()

    def decide(request: Request) -> Answer:
        asked.set()
        assert answer.wait(20)
        return Answer()

    web.decide = decide
    send(log, "alerts", [{"N": 1}])
    start()
    assert asked.wait(20)
    assert not runtime.pause("pager", 0.01)
    releasing = threading.Timer(0.05, answer.set)
    releasing.start()
    assert runtime.pause("pager")
    assert log.committed("connect-pager") == {("alerts", 0): 1}
    releasing.join()


def test_it_can_start_paused(log: Log, web: WebServer, runtime: ConnectRuntime) -> None:
    send(log, "alerts", [{"N": 1}])
    runtime.start("SINK", "pager", {"connector.class": "HttpSink", "topics": "alerts", "http.api.url": web.url}, paused=True)
    assert runtime.status("pager").state == "PAUSED"
    runtime.resume("pager")
    web.wait_for(1)


def test_pausing_interrupts_a_wait_for_a_retry(log: Log, web: WebServer, runtime: ConnectRuntime, start: Start) -> None:
    web.otherwise = Answer(503, {"Retry-After": "3000"})
    send(log, "alerts", [{"N": 1}])
    start()
    web.wait_for(1)
    runtime.pause("pager")
    web.otherwise = Answer()
    runtime.resume("pager")
    web.wait_for(2)
    assert runtime.wait_idle(10)


def test_resume_ends_a_failure_at_once(log: Log, web: WebServer, tmp_path: Path) -> None:
    runtime = runtime_over(log, restart_ms=3_000_000, restart_ms_max=3_000_000)
    web.answers.append(Answer(403))
    send(log, "alerts", [{"N": 1}])
    runtime.start("SINK", "pager", {"connector.class": "HttpSink", "topics": "alerts", "http.api.url": web.url})
    web.wait_for(1)
    assert not runtime.wait_idle(0.2)
    assert runtime.status("pager").state == "FAILED"
    assert "403" in runtime.status("pager").tasks[0].reason
    runtime.resume("pager")
    web.wait_for(2)
    assert runtime.wait_idle(10)
    assert runtime.status("pager").tasks[0].reason == ""
    runtime.close()


def test_one_of_the_same_name_goes_on_where_the_other_was(log: Log, web: WebServer, runtime: ConnectRuntime, start: Start) -> None:
    send(log, "alerts", [{"N": 1}])
    start(body_template="{N}")
    with pytest.raises(ConnectorError, match="exists already"):
        start()
    assert runtime.wait_idle(10)
    runtime.stop("pager")
    assert runtime.statuses() == []
    with pytest.raises(ConnectorError, match="no connector pager"):
        runtime.status("pager")
    send(log, "alerts", [{"N": 2}])
    start(body_template="{N}")
    assert runtime.wait_idle(10)
    runtime.restart("pager")
    assert runtime.wait_idle(10)
    assert [r.body for r in web.requests] == [b"1", b"2"]


def test_tasks_share_the_partitions_and_new_ones_are_found(web: WebServer, runtime: ConnectRuntime, start: Start, log: Log) -> None:
    log.create_topic("many", 5)
    for partition in range(5):
        send(log, "many", [{"N": partition * 10 + n} for n in range(3)], partition=partition)
    start(topics="many,alerts", tasks_max="2", body_template="{N}")
    assert runtime.wait_idle(10)
    send(log, "alerts", [{"N": 100}])
    assert runtime.wait_idle(10)
    assert sorted(int(r.body) for r in web.requests) == sorted([p * 10 + n for p in range(5) for n in range(3)] + [100])
    delivered = [task.delivered for task in runtime.status("pager").tasks]
    assert delivered == [3 * 3 + 1, 2 * 3]


def test_a_secret_that_comes_later_mends_the_connector(
    log: Log, web: WebServer, runtime: ConnectRuntime, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PAGER_WORD", raising=False)
    send(log, "alerts", [{"N": 1}])
    start(body_template="${env:PAGER_WORD} {N}")
    assert not runtime.wait_idle(0.2)
    assert "PAGER_WORD, which is not set" in runtime.status("pager").tasks[0].reason
    monkeypatch.setenv("PAGER_WORD", "dry {N}")
    web.wait_for(1)
    assert web.requests[0].body == b"dry {N} 1", "a secret's braces are text"


def test_files_only_below_the_allowed_folders(runtime: ConnectRuntime, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "outside").write_text("A=1\n")
    (tmp_path / "secrets" / "link").symlink_to(tmp_path / "outside")
    properties = {"connector.class": "HttpSink", "topics": "alerts"}
    for path in ("secrets/link", "secrets/../outside", "outside"):
        with pytest.raises(ConfigError, match="outside the allowed folders"):
            runtime.check("SINK", "pager", properties | {"http.api.url": f"http://x/${{file:{tmp_path}/{path}:A}}"})
    with pytest.raises(ConfigError, match="cannot be read"):
        runtime.check("SINK", "pager", properties | {"http.api.url": f"http://x/${{file:{tmp_path}/secrets/none:A}}"})


def test_killed_in_the_middle_it_loses_nothing(tmp_path: Path, web: WebServer) -> None:
    """SIGKILL at random moments of a delivery to a server that fails now and then: every record arrives, few of them twice."""
    count, kills, random_ = 400, 6, random.Random(7)
    log = open_log(tmp_path / "db")
    log.create_topic("alerts", 2)
    for partition in range(2):
        send(log, "alerts", [{"N": f"{partition}-{n}"} for n in range(count // 2)], partition=partition)
    log.close()
    web.decide = lambda _: Answer(503, {"Retry-After": "0"}) if random_.random() < 0.1 else Answer()

    accepted: list[Request] = []
    decide = web.decide

    def remember(request: Request) -> Answer:
        answer: Answer = decide(request)
        if answer.status == 200:
            accepted.append(request)
        return answer

    web.decide = remember
    command = [sys.executable, "-m", "tests.connect.deliver", str(tmp_path / "db"), web.url]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for _ in range(kills):
        before = len(web.requests)
        process = subprocess.Popen(command, cwd=ROOT, env=environment)
        web.wait_for(before + random_.randint(1, 12), 60)
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run([*command, "until-done"], cwd=ROOT, env=environment, check=True, timeout=120)

    arrived = Counter(part for request in accepted for part in request.body.decode().split(","))
    assert set(arrived) == {f"{partition}-{n}" for partition in range(2) for n in range(count // 2)}
    assert sum(arrived.values()) - count <= kills * 2 * 5, "at most one batch a task and kill comes twice"


def test_the_same_trouble_is_logged_once_until_something_works(
    log: Log, web: WebServer, runtime: ConnectRuntime, start: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    def told(words: str) -> int:
        return sum(words in record.getMessage() for record in caplog.records if record.levelname in ("WARNING", "ERROR"))

    web.otherwise = Answer(503, body=b"asleep")
    start(max_retries="2")
    for number in (1, 2):
        send(log, "alerts", [{"N": number}])
        web.wait_for(len(web.requests) + 9)  # three runs of three tries each
        assert (told("asleep Next try in"), told("asleep (3 tries)")) == (number, number)
        web.otherwise = Answer()
        assert runtime.wait_idle(20)
        web.otherwise = Answer(503, body=b"asleep")
