"""The runtime of sources: records and positions in one transaction, retries, failures, waiting, and a process killed in the middle."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.connect.far_side import FarSide, never, not_now
from tests.connect.json_records import runtime_over

from penstock.connect import contract
from penstock.connect.contract import definitions
from penstock.connect.records import SourceRecord
from penstock.connect.runtime import ConnectRuntime
from penstock.errors import ConfigError
from penstock.log import open_log
from penstock.log.partition import partition_for
from penstock.log.protocol import Log, TopicConfig
from penstock.sql.types import BIGINT, STRING, Field, Struct

ROOT = Path(__file__).parents[2]
Start = Callable[..., None]


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> FarSide:
    far = FarSide()
    all_definitions = (*definitions(), far.definition())
    monkeypatch.setattr(contract, "definitions", lambda: all_definitions)
    return far


@pytest.fixture
def begin(runtime: ConnectRuntime, far: FarSide) -> Start:
    """Start the source `world`; keyword arguments are options, with `_` for the dot."""

    def start_source(**options: str) -> None:
        properties = {"connector.class": "FarSide", "retry.backoff.ms": "1"}
        runtime.start("SOURCE", "world", properties | {name.replace("_", "."): text for name, text in options.items()})

    return start_source


def rows(log: Log, topic: str, partition: int = 0) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = log.read(topic, partition, 0).to_pylist()
    return found


def values(log: Log, topic: str) -> list[bytes | None]:
    info = log.topic(topic)
    assert info is not None
    return [row["value"] for partition in range(info.partitions) for row in rows(log, topic, partition)]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_records_and_positions_become_durable_together(log: Log, runtime: ConnectRuntime, far: FarSide, begin: Start) -> None:
    far.add("a", *(f"item {n}" for n in range(20)))
    begin()
    assert runtime.wait_idle(20)
    assert values(log, "from-a") == [f"item {n}".encode() for n in range(20)]
    assert [row["key"] for row in rows(log, "from-a")] == [str(n).encode() for n in range(20)]
    assert runtime.positions("world") == {"a": {"next": 20}}
    assert far.acknowledged == [{"a": {"next": 7}}, {"a": {"next": 14}}, {"a": {"next": 20}}]
    status = runtime.status("world")
    assert (status.kind, status.class_name, status.state, status.tasks[0].delivered) == ("SOURCE", "FarSide", "RUNNING", 20)


def test_what_comes_later_wakes_it(log: Log, runtime: ConnectRuntime, far: FarSide, begin: Start) -> None:
    begin()
    assert runtime.wait_idle(20)
    assert log.topic("from-a") is None, "topics are made at the first record"
    far.add("a", "x")
    far.wait_for(lambda: len(far.acknowledged) == 1)
    assert values(log, "from-a") == [b"x"]


def test_positions_without_records_are_committed(runtime: ConnectRuntime, far: FarSide, begin: Start) -> None:
    far.add("a", "skipped", "skipped")
    begin()
    assert runtime.wait_idle(20)
    assert runtime.positions("world") == {"a": {"next": 2}}
    assert far.acknowledged == [{"a": {"next": 2}}]


def test_one_of_the_same_name_goes_on_until_it_is_forgotten(log: Log, runtime: ConnectRuntime, far: FarSide, begin: Start) -> None:
    far.add("a", "1")
    begin()
    assert runtime.wait_idle(20)
    runtime.restart("world")
    far.add("a", "2")
    assert runtime.wait_idle(20)
    runtime.stop("world")
    assert far.closed == 2
    begin()
    assert runtime.wait_idle(20)
    assert values(log, "from-a") == [b"1", b"2"]
    assert runtime.drop("world") == []
    assert runtime.positions("world") == {}
    begin()
    assert runtime.wait_idle(20)
    assert values(log, "from-a") == [b"1", b"2", b"1", b"2"]


def test_names_that_begin_alike_do_not_share_positions(log: Log, runtime: ConnectRuntime, far: FarSide, begin: Start) -> None:
    far.add("a", "1")
    begin()
    runtime.start("SOURCE", "world2", {"connector.class": "FarSide"})
    assert runtime.wait_idle(20)
    assert runtime.drop("world") == []
    assert runtime.positions("world") == {}
    assert runtime.positions("world2") == {"a": {"next": 1}}


def test_a_far_side_that_is_away_loses_nothing(log: Log, runtime: ConnectRuntime, far: FarSide, begin: Start) -> None:
    far.add("a", "1")
    far.failures += [not_now() for _ in range(5)]
    begin(max_retries="2")
    until(lambda: values(log, "from-a") == [b"1"] if log.topic("from-a") else False)
    assert runtime.wait_idle(20)
    assert far.closed == 1, "after three tries it began anew, once"
    assert runtime.status("world").tasks[0].reason == ""


def test_what_is_about_to_be_tried_again_is_shown(runtime: ConnectRuntime, far: FarSide, begin: Start) -> None:
    far.failures.append(not_now(retry_after_s=3000))
    begin()
    until(lambda: runtime.status("world").tasks[0].reason != "")
    assert runtime.status("world").state == "RUNNING"
    assert runtime.status("world").tasks[0].reason == "The world is away."
    runtime.stop("world")  # and it does not wait for the hour to pass


def test_a_failure_shows_its_reason_and_mends_itself(runtime: ConnectRuntime, far: FarSide, begin: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_WORD", "sesame")
    far.failures += [never("No: sesame is wrong."), never("No."), RuntimeError("sesame broke")]
    seen: list[str] = []
    begin(word="${env:WORLD_WORD}")

    def look() -> bool:
        task = runtime.status("world").tasks[0]
        seen.append(f"{task.state} {task.reason}")
        return far.closed == 3 and task.state == "RUNNING"

    until(look)
    assert not any("sesame" in text for text in seen)
    assert runtime.wait_idle(20)
    assert runtime.status("world").tasks[0].reason == ""


def test_a_pause_ends_a_wait_at_once_and_resume_goes_on(log: Log, runtime: ConnectRuntime, far: FarSide, begin: Start) -> None:
    begin()
    assert runtime.wait_idle(20)
    runtime.pause("world")
    until(lambda: far.closed == 1)
    assert runtime.status("world").state == "PAUSED"
    far.add("a", "1")
    assert runtime.wait_idle(20), "a paused connector has nothing to do"
    assert log.topic("from-a") is None
    runtime.resume("world")
    assert runtime.wait_idle(20)
    assert values(log, "from-a") == [b"1"]


def test_a_pause_waits_for_what_is_under_way(log: Log, runtime: ConnectRuntime, far: FarSide, begin: Start) -> None:
    asked, answer = threading.Event(), threading.Event()

    def slow(part: str, n: int, item: Any) -> SourceRecord:
        asked.set()
        assert answer.wait(20)
        return SourceRecord("from-a", item)

    far.record = slow
    far.add("a", "1")
    begin()
    assert asked.wait(20)
    assert not runtime.pause("world", 0.01), "the far side has not answered yet"
    assert far.closed == 0
    releasing = threading.Timer(0.05, answer.set)
    releasing.start()
    assert runtime.pause("world")
    assert (far.closed, runtime.positions("world"), values(log, "from-a")) == (1, {"a": {"next": 1}}, [b"1"])
    assert runtime.pause("world"), "it rests already"
    far.add("a", "2")
    runtime.resume("world")
    assert runtime.wait_idle(20)
    assert values(log, "from-a") == [b"1", b"2"]
    releasing.join()


def test_a_pause_does_not_wait_for_a_retry_or_a_restart(runtime: ConnectRuntime, far: FarSide, begin: Start) -> None:
    far.failures.append(not_now(retry_after_s=3000))
    begin()
    until(lambda: runtime.status("world").tasks[0].reason != "")
    assert runtime.pause("world")
    assert far.closed == 1
    far.failures.append(never())
    runtime.resume("world")
    until(lambda: runtime.status("world").state == "FAILED")
    assert runtime.pause("world")
    assert runtime.status("world").state == "PAUSED"


def test_idle_means_that_it_looked(log: Log, runtime: ConnectRuntime, far: FarSide, begin: Start) -> None:
    """A source that looks once an hour is idle only when it has looked after the question."""
    begin(interval_ms="3600000")
    assert runtime.wait_idle(20)
    far.parts["a"].append("unannounced")
    assert runtime.wait_idle(20)
    assert values(log, "from-a") == [b"unannounced"]
    far.failures.append(never())
    far.add("a")
    until(lambda: far.closed == 1)
    assert runtime.wait_idle(20, kind="SOURCE")
    runtime.pause("world")
    assert runtime.wait_idle(20)


def test_tasks_divide_the_parts_and_see_all_positions(log: Log, runtime: ConnectRuntime, far: FarSide, begin: Start) -> None:
    for part in "abc":
        far.add(part, *range(10))
    begin(tasks_max="2")
    assert runtime.wait_idle(20)
    assert [task.delivered for task in runtime.status("world").tasks] == [20, 10]
    assert runtime.positions("world") == {part: {"next": 10} for part in "abc"}
    runtime.stop("world")
    begin(tasks_max="8")
    assert runtime.wait_idle(20)
    assert len(runtime.status("world").tasks) == 3, "no more tasks than parts"
    assert [len(values(log, f"from-{part}")) for part in "abc"] == [10, 10, 10]


def test_topics_are_made_as_the_options_say(log: Log, runtime: ConnectRuntime, far: FarSide, begin: Start) -> None:
    far.add("a", *map(str, range(50)))
    far.record = lambda part, n, item: SourceRecord("t", item, key=item, timestamp=n, headers=[("part", part.encode())])
    policy = {"topic_creation_default_cleanup_policy": "compact", "topic_creation_default_retention_ms": "5000"}
    begin(topic_creation_default_partitions="3", **policy)
    assert runtime.wait_idle(20)
    info = log.topic("t")
    assert info is not None
    assert (info.partitions, info.config) == (3, TopicConfig(cleanup=frozenset({"compact"}), retention_ms=5000))
    for partition in range(3):
        found = rows(log, "t", partition)
        assert found
        assert all(partition_for(row["key"], 3) == partition for row in found), "as Kafka's own producer has it"
        assert [row["timestamp"] for row in found] == sorted(row["timestamp"] for row in found)
        assert found[0]["headers"] == [{"key": "part", "value": b"a"}]


def test_topics_are_made_by_the_settings_and_kept_for_ever(log: Log, runtime: ConnectRuntime, far: FarSide, begin: Start) -> None:
    log.create_topic("chosen", 4)
    far.add("a", "1", "2", "3")
    far.record = lambda part, n, item: SourceRecord("chosen" if n else "made", item, partition=None if n == 0 else n)
    begin()
    assert runtime.wait_idle(20)
    info = log.topic("made")
    assert info is not None
    assert (info.partitions, info.config.retention_ms) == (1, None)
    assert [len(rows(log, "chosen", partition)) for partition in range(4)] == [0, 1, 1, 0]


NUMBER, NAMELESS = Struct((Field("n", BIGINT),)), Struct((Field("", BIGINT),))
HUGE = b"x" * (17 << 20)


@pytest.mark.parametrize(
    ("record", "stage", "complaint", "letter"),
    [
        (SourceRecord("t", "v", key="k", partition=3), "VALUE_CONVERTER", "The partition 3 is none of the topic's 1", (b"k", b"v")),
        (SourceRecord("t", {"a": [1]}, key={"k": 1}, partition=-1), "VALUE_CONVERTER", "The partition -1", (b'{"k":1}', b'{"a":[1]}')),
        (SourceRecord("not/a topic", "v"), "VALUE_CONVERTER", "not/a topic", (None, b"v")),
        (SourceRecord("t", "v", timestamp=-1), "VALUE_CONVERTER", "before 1970", (None, b"v")),
        (SourceRecord("t", HUGE), "VALUE_CONVERTER", "more than the topic takes", (None, HUGE[: 4 << 20])),
        (SourceRecord("t", "\ud800", key="k"), "VALUE_CONVERTER", "surrogate", (b"k", b"?")),
        (SourceRecord("t", "v", key="\ud800"), "KEY_CONVERTER", "surrogate", (b"?", b"v")),
        (SourceRecord("t", {"n": "much"}, value_schema=NUMBER), "VALUE_CONVERTER", "n: 'much' is no BIGINT", (None, b'{"n":"much"}')),
        (SourceRecord("t", {"": 1}, value_schema=NAMELESS), "VALUE_CONVERTER", "Empty name", (None, b'{"":1}')),
    ],
)
def test_a_record_that_cannot_be_written(
    record: SourceRecord, stage: str, complaint: str, letter: tuple[bytes | None, bytes],
    log: Log, runtime: ConnectRuntime, far: FarSide, begin: Start,
) -> None:  # fmt: skip
    """It fails the task, or goes to the dead letters while the others go on."""
    far.add("a", "1", "2", "3")
    far.record = lambda part, n, item: record if n == 1 else SourceRecord("t", item)
    begin()
    until(lambda: complaint in runtime.status("world").tasks[0].reason)
    assert "'errors.tolerance'='all'" in runtime.status("world").tasks[0].reason
    assert runtime.positions("world") == {}, "nothing of the batch is committed"
    runtime.stop("world")
    begin(errors_tolerance="all")
    assert runtime.wait_idle(20)
    assert values(log, "t") == [b"1", b"3"]
    found = rows(log, "dlq-world")
    assert [(row["key"], row["value"]) for row in found] == [letter]
    headers = {h["key"].removeprefix("__connect.errors."): h["value"].decode() for h in found[0]["headers"]}
    assert headers["stage"] == stage
    assert complaint in headers["exception.message"]
    assert (headers["connector.name"], headers["task.id"], headers["topic"]) == ("world", "0", record.topic)
    assert (runtime.status("world").tasks[0].delivered, runtime.status("world").tasks[0].refused) == (2, 1)


def test_dead_letters_can_be_named_and_dropped(log: Log, runtime: ConnectRuntime, far: FarSide, begin: Start) -> None:
    far.add("a", "1", "2")
    far.record = lambda part, n, item: SourceRecord("t", item, partition=n * 5)
    begin(errors_tolerance="all", errors_deadletterqueue_topic_name="bad")
    assert runtime.wait_idle(20)
    assert values(log, "bad") == [b"2"]
    assert runtime.drop("world") == []
    begin(errors_tolerance="all", errors_deadletterqueue_topic_name="")
    assert runtime.wait_idle(20)
    assert log.topic("dlq-world") is None
    assert values(log, "bad") == [b"2"]


def test_what_is_refused_is_logged_as_the_options_say(
    runtime: ConnectRuntime, far: FarSide, begin: Start, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_WORD", "sesame")
    far.add("a", "open sesame" + "!" * 300)
    far.record = lambda part, n, item: SourceRecord("t", item, key="k", error="It says sesame.")
    cases: tuple[tuple[dict[str, str], bool, bool], ...]
    cases = (({}, True, False), ({"errors_log_include_messages": "true"}, True, True), ({"errors_log_enable": "false"}, False, False))
    for options, logged, shown in cases:
        caplog.clear()
        begin(errors_tolerance="all", word="${env:WORLD_WORD}", **options)
        assert runtime.wait_idle(20)
        assert runtime.drop("world") == []
        assert ("It says [hidden]" in caplog.text) == logged
        assert ("key: k, value: open [hidden]!!!" in caplog.text) == shown
        assert "sesame" not in caplog.text
        assert "!" * 201 not in caplog.text


def test_transforms_change_drop_and_refuse(log: Log, runtime: ConnectRuntime, far: FarSide, begin: Start) -> None:
    far.add("a", {"n": "1"}, None, {"n": "wet"}, {"n": "4"})
    far.record = lambda part, n, item: SourceRecord("raw", item, value_schema=Struct((Field("n", STRING),)))
    begin(
        errors_tolerance="all", value_converter="JsonConverter", value_converter_schemas_enable="false", transforms="drop,cast,route",
        transforms_drop_type="Filter", transforms_drop_predicate="gone", predicates="gone", predicates_gone_type="RecordIsTombstone",
        transforms_cast_type="Cast$Value", transforms_cast_spec="n:int64", transforms_route_type="RegexRouter", transforms_route_regex=".*",
        transforms_route_replacement="cooked",
    )  # fmt: skip
    assert runtime.wait_idle(20)
    assert values(log, "cooked") == [b'{"n":1}', b'{"n":4}']
    assert log.topic("raw") is None
    letter = rows(log, "dlq-world")[0]
    assert letter["value"] == b'{"n":"wet"}'
    assert {"key": "__connect.errors.stage", "value": b"TRANSFORMATION"} in letter["headers"]
    assert runtime.positions("world") == {"a": {"next": 4}}


def test_a_record_is_in_its_topic_at_once(log: Log, runtime: ConnectRuntime, far: FarSide, begin: Start) -> None:
    """From the event to the topic under 250 ms at the median of many, on a busy machine too: nothing in between waits for a clock."""
    begin()
    assert runtime.wait_idle(20)
    taken_s = []
    for n in range(1, 21):
        began = time.monotonic()
        far.add("a", str(n))
        far.wait_for(lambda n=n: len(far.acknowledged) == n)  # type: ignore[misc]
        taken_s.append(time.monotonic() - began)
    assert sorted(taken_s)[10] < 0.25, taken_s


def test_a_long_name_of_a_part(runtime: ConnectRuntime, far: FarSide, begin: Start) -> None:
    long, longer = "ä" * 400, "ä" * 400 + "b"
    far.parts = {long: ["1"], longer: ["1", "2"], "": ["1"]}
    far.record = lambda part, n, item: SourceRecord("t", item)
    begin()
    assert runtime.wait_idle(20)
    assert runtime.positions("world") == {long: {"next": 1}, longer: {"next": 2}, "": {"next": 1}}


def test_mistakes_are_told_before_anything_starts(runtime: ConnectRuntime, far: FarSide) -> None:
    with pytest.raises(ConfigError, match="no option 'wordd'"):
        runtime.check("SOURCE", "world", {"connector.class": "FarSide", "wordd": "x"})
    with pytest.raises(ConfigError, match="is a SOURCE connector"):
        runtime.check("SINK", "world", {"connector.class": "FarSide"})
    runtime.check("SOURCE", "world", {"connector.class": "FarSide", "topic.creation.default.replication.factor": "3"})
    assert far.polls == 0


def test_at_rest_it_costs_nothing(log: Log, runtime: ConnectRuntime, far: FarSide, begin: Start) -> None:
    """Under half a percent of a core, measured over a second in which nothing happens."""
    begin()
    assert runtime.wait_idle(20)
    polls, cpu_s, began = far.polls, time.process_time(), time.monotonic()
    time.sleep(1)
    assert (time.process_time() - cpu_s) / (time.monotonic() - began) < 0.005
    assert far.polls == polls


def test_killed_in_the_middle_every_record_is_there_once(tmp_path: Path) -> None:
    """SIGKILL at random moments: records and positions are one transaction, so nothing is lost and nothing comes twice."""
    count, kills, random_ = 600, 4, random.Random(11)
    command = [sys.executable, "-m", "tests.connect.take_in", str(tmp_path / "db"), str(count)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for _ in range(kills):
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for _ in range(random_.randint(1, 12)):
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)
    subprocess.run([*command, "until-done"], cwd=ROOT, env=environment, check=True, timeout=120, stdout=subprocess.DEVNULL)
    log = open_log(tmp_path / "db")
    for part in "ab":
        assert values(log, f"from-{part}") == [f"{part}{n}".encode() for n in range(count)]
    runtime = runtime_over(log)
    assert runtime.positions("world") == {"a": {"next": count}, "b": {"next": count}}
    log.close()
