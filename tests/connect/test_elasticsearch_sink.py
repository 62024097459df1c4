"""The Elasticsearch sink against a real OpenSearch node; where failures are wanted, through a proxy that makes them."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.connect.certificates import make_certificates
from tests.connect.json_records import JsonReader, send
from tests.connect.opensearch_node import search_url  # noqa: F401  # a fixture
from tests.connect.proxies import SearchProxy
from tests.connect.web_server import Answer, Request

from penstock.connect.connectors.elasticsearch_sink import DEFINITION
from penstock.connect.elasticsearch.documents import index_name, mapping
from penstock.connect.runtime import ConnectRuntime
from penstock.errors import ConfigError
from penstock.log import open_log
from penstock.log.protocol import Log
from penstock.registry.embedded import EmbeddedRegistry
from penstock.registry.store import TopicStore
from penstock.sql.types import BIGINT, BYTES, DATE, DOUBLE, STRING, TIME, TIMESTAMP, Array, Decimal, Field, Map, SqlType, Struct

ROOT = Path(__file__).parents[2]
TYPES: dict[str, SqlType] = {"ID": STRING, "NAME": STRING, "N": BIGINT, "AT": TIMESTAMP, "TAGS": Map(STRING, BIGINT)}
Start = Callable[..., None]

pytestmark = pytest.mark.needs("java", "mvn", "module:opensearchpy")


class TypedReader(JsonReader):
    """Rows of `json_records` with the types TYPES."""

    def types(self, topic: str) -> Mapping[str, SqlType]:  # type: ignore[override]
        return TYPES


@pytest.fixture
def topic(log: Log) -> str:
    """A topic that no other test has, and so an index."""
    name = f"Parks-{uuid.uuid4().hex}"
    log.create_topic(name, 2)
    return name


@pytest.fixture
def runtime(log: Log) -> Iterator[ConnectRuntime]:
    started = ConnectRuntime(log, lambda topics: TypedReader(log, topics), EmbeddedRegistry(TopicStore(log)), restart_ms=20, restart_ms_max=80)
    yield started
    started.close()


@pytest.fixture
def proxy(search_url: str) -> Iterator[SearchProxy]:  # noqa: F811
    server = SearchProxy(search_url)
    yield server
    server.close()


@pytest.fixture
def start(runtime: ConnectRuntime, proxy: SearchProxy, topic: str) -> Start:
    """Start the sink `search` on the topic; keyword arguments are options, with `_` for the dot."""

    def start_sink(**options: str) -> None:
        properties = {"connector.class": "ElasticsearchSink", "topics": topic, "connection.url": proxy.url, "retry.backoff.ms": "5"}
        runtime.start("SINK", "search", properties | {name.replace("_", "."): text for name, text in options.items()})

    return start_sink


def done(runtime: ConnectRuntime) -> None:
    assert runtime.wait_idle(60), runtime.statuses()


def failed(runtime: ConnectRuntime, why: str) -> str:
    """The reason of the task's failure, once it holds `why`."""
    deadline = time.monotonic() + 60
    while why not in (reason := runtime.status("search").tasks[0].reason):
        assert time.monotonic() < deadline, reason
        assert not runtime.wait_idle(0.02)
    return reason


def documents(url: str, index: str) -> dict[str, dict[str, Any]]:
    """Every document of an index, by its id."""
    httpx.post(f"{url}/{index}/_refresh", timeout=30).raise_for_status()
    hits = httpx.get(f"{url}/{index}/_search?size=10000", timeout=30).raise_for_status().json()["hits"]["hits"]
    return {hit["_id"]: hit["_source"] for hit in hits}


def test_each_record_is_a_document_by_its_place_and_times_are_dates(
    log: Log, runtime: ConnectRuntime, proxy: SearchProxy, start: Start, topic: str
) -> None:
    send(log, topic, [{"NAME": "Broadway", "N": n, "AT": "2020-10-14T12:28:00.125", "TAGS": {"a": 1}} for n in range(3)])
    send(log, topic, [{"NAME": "Kirkgate", "N": 9}], partition=1)
    start(key_ignore="true", type_name="_doc", linger_ms="1")
    done(runtime)
    found = documents(proxy.node, topic.lower())
    assert set(found) == {f"{topic}+0+0", f"{topic}+0+1", f"{topic}+0+2", f"{topic}+1+0"}
    assert found[f"{topic}+0+2"] == {"NAME": "Broadway", "N": 2, "AT": "2020-10-14T12:28:00.125", "TAGS": {"a": 1}}
    shape = httpx.get(f"{proxy.node}/{topic.lower()}/_mapping").json()[topic.lower()]["mappings"]["properties"]
    assert shape["AT"] == {"type": "date"}
    assert shape["N"] == {"type": "long"}
    assert shape["NAME"]["fields"]["keyword"]["type"] == "keyword"
    assert "ID" not in shape, "the key is not in the documents"
    assert log.committed("connect-search") == {(topic, 0): 3, (topic, 1): 1}


def test_encrypted_with_certificates_on_both_sides(
    log: Log, search_url: str, topic: str, tmp_path: Path  # noqa: F811
) -> None:  # fmt: skip
    make_certificates(tmp_path)
    tls = {
        "elastic.security.protocol": "SSL", "elastic.https.ssl.truststore.location": f"{tmp_path}/ca.pem",
        "elastic.https.ssl.keystore.location": f"{tmp_path}/client.pem", "elastic.https.ssl.truststore.type": "PEM",
    }  # fmt: skip
    proxy = SearchProxy(search_url, tmp_path)
    schemas = EmbeddedRegistry(TopicStore(log))
    runtime = ConnectRuntime(log, lambda topics: TypedReader(log, topics), schemas, restart_ms=20, restart_ms_max=80, file_folders=[tmp_path])
    given = {"connector.class": "ElasticsearchSink", "topics": topic, "connection.url": proxy.url, "retry.backoff.ms": "5", "key.ignore": "true"}
    elsewhere = {"connection.url": proxy.url.replace("localhost", "127.0.0.1")}
    try:
        send(log, topic, [{"N": 1}])
        runtime.start("SINK", "search", given | tls)
        done(runtime)
        assert [d["N"] for d in documents(search_url, topic.lower()).values()] == [1]
        for wrong in ({"elastic.https.ssl.truststore.location": f"{tmp_path}/other-ca.pem"}, elsewhere):
            runtime.drop("search")
            runtime.start("SINK", "search", given | tls | wrong)
            assert not runtime.wait_idle(0.5)
            assert "certificate is not accepted" in runtime.status("search").tasks[0].reason
        runtime.drop("search")
        runtime.start("SINK", "search", given | tls | elsewhere | {"elastic.https.ssl.endpoint.identification.algorithm": ""})
        done(runtime)
        runtime.drop("search")
        runtime.start("SINK", "search", given | tls | elsewhere | {"elastic.https.ssl.verify": "false"})
        done(runtime)
    finally:
        runtime.close()
        proxy.close()


def test_a_keyed_document_is_the_newest_record_even_if_an_older_one_comes_again(
    log: Log, runtime: ConnectRuntime, proxy: SearchProxy, start: Start, topic: str
) -> None:
    send(log, topic, [{"N": 1}, {"N": 2}])
    send(log, topic, [{"N": 10}, None])
    start(behavior_on_null_values="delete", batch_size="3")
    done(runtime)
    assert documents(proxy.node, topic.lower()) == {"0": {"N": 10}}
    runtime.stop("search")
    log.delete_group("connect-search")
    send(log, topic, [{"N": 5}], first_key=7)
    start(behavior_on_null_values="delete", batch_size="3")
    done(runtime)
    assert documents(proxy.node, topic.lower()) == {"0": {"N": 10}, "7": {"N": 5}}, "sent again they change nothing"
    assert runtime.status("search").tasks[0].refused == 0


def test_upserts_merge(log: Log, runtime: ConnectRuntime, proxy: SearchProxy, start: Start, topic: str) -> None:
    send(log, topic, [{"N": 1, "NAME": "a"}])
    send(log, topic, [{"N": 2}])
    start(write_method="upsert")
    done(runtime)
    assert documents(proxy.node, topic.lower()) == {"0": {"N": 2, "NAME": "a"}}


@pytest.mark.parametrize("behaviour", ["fail", "ignore", "warn"])
def test_a_malformed_document_harms_no_other(behaviour: str, log: Log, runtime: ConnectRuntime, proxy: SearchProxy, start: Start, topic: str) -> None:
    send(log, topic, [{"N": 1}, {"N": "many"}, {"N": 3}])
    start(behavior_on_malformed_documents=behaviour, errors_tolerance="all")
    done(runtime)
    assert set(documents(proxy.node, topic.lower())) == {"0", "2"}
    assert len(proxy.bulks) == 1, "nothing is sent one by one"
    (letters,) = [log.read("dlq-search", 0, 0).to_pylist()]
    assert [letter["value"] for letter in letters] == ([b'{"N": "many"}'] if behaviour == "fail" else [])
    if letters:
        reason = next(h["value"] for h in letters[0]["headers"] if h["key"].endswith("exception.message"))
        assert b"mapper_parsing_exception" in reason
    assert runtime.status("search").tasks[0].delivered == (2 if behaviour == "fail" else 3)


def test_without_tolerance_a_refused_record_fails_the_task_after_those_before_it(log: Log, runtime: ConnectRuntime, start: Start, topic: str) -> None:
    send(log, topic, [{"N": 1}, None, {"N": 3}])
    start()
    assert "behavior.on.null.values" in failed(runtime, f"{topic}-0@1")
    assert log.committed("connect-search")[topic, 0] == 1


def test_tombstones_can_be_passed_over(log: Log, runtime: ConnectRuntime, proxy: SearchProxy, start: Start, topic: str) -> None:
    send(log, topic, [{"N": 1}])
    send(log, topic, [None])
    start(behavior_on_null_values="ignore")
    done(runtime)
    assert documents(proxy.node, topic.lower()) == {"0": {"N": 1}}


def test_what_the_server_cannot_take_now_is_tried_again(log: Log, runtime: ConnectRuntime, proxy: SearchProxy, start: Start, topic: str) -> None:
    """Whole requests with 429 and 503, a hung-up connection, and single documents of an answer."""
    answers = [Answer(503), Answer(429, {"Content-Type": "application/json"}, b'{"error": "busy"}'), Answer(hang_up=True)]
    proxy.spoil = lambda request: answers.pop() if answers and request.path.endswith("_bulk") else None
    spoilt = [3, 1]

    def spoil_items(items: list[dict[str, Any]]) -> None:
        if spoilt:
            items[spoilt.pop()]["index"] |= {"status": 429, "error": {"type": "rejected_execution_exception", "reason": "queue full"}}

    proxy.spoil_items = spoil_items
    send(log, topic, [{"N": n} for n in range(5)])
    start(key_ignore="true")
    done(runtime)
    assert sorted(d["N"] for d in documents(proxy.node, topic.lower()).values()) == [0, 1, 2, 3, 4]
    assert len(proxy.bulks) == 6
    assert runtime.status("search").tasks[0].delivered == 5


def test_an_outage_ends_by_itself(log: Log, runtime: ConnectRuntime, proxy: SearchProxy, start: Start, topic: str) -> None:
    proxy.spoil = lambda request: Answer(503)
    send(log, topic, [{"N": n} for n in range(5)])
    start(max_retries="1")
    failed(runtime, "503")
    proxy.spoil = lambda request: None
    done(runtime)
    assert len(documents(proxy.node, topic.lower())) == 5


@pytest.mark.parametrize("status", [401, 403])
def test_who_is_not_let_in_fails_and_shows_no_password(
    status: int, log: Log, runtime: ConnectRuntime, proxy: SearchProxy, start: Start, topic: str
) -> None:
    asked: list[str] = []

    def spoil(request: Request) -> Answer:
        asked.append(next((text for name, text in request.headers.items() if name.lower() == "authorization"), ""))
        return Answer(status, {"Content-Type": "application/json"}, b'{"error": {"type": "security_exception", "reason": "no swordfish"}}')

    proxy.spoil = spoil
    send(log, topic, [{"N": 1}])
    start(connection_username="me", connection_password="swordfish", errors_tolerance="all")
    failed(runtime, str(status))
    shown = runtime.status("search")
    assert "swordfish" not in str(shown)
    assert asked[0] == "Basic bWU6c3dvcmRmaXNo"
    assert shown.tasks[0].refused == 0, "no record's fault"


def test_a_missing_index_is_no_records_fault(log: Log, runtime: ConnectRuntime, proxy: SearchProxy, start: Start, topic: str) -> None:
    def gone(items: list[dict[str, Any]]) -> None:
        for item in items:
            item["index"] |= {"status": 404, "error": {"type": "index_not_found_exception", "reason": "no such index"}}

    proxy.spoil_items = gone
    send(log, topic, [{"N": 1}])
    start(errors_tolerance="all")
    failed(runtime, "index_not_found")
    proxy.spoil_items = lambda items: None
    done(runtime)


def test_requests_are_cut_by_bytes_and_halved_where_they_are_too_large(
    log: Log, runtime: ConnectRuntime, proxy: SearchProxy, start: Start, topic: str
) -> None:
    proxy.spoil = lambda request: Answer(413) if request.path.endswith("_bulk") and len(request.body) > 1000 else None
    send(log, topic, [{"NAME": "x" * 100, "N": n} for n in range(20)])
    send(log, topic, [{"NAME": "y" * 2000}], first_key=20)
    start(bulk_size_bytes="3000", errors_tolerance="all")
    done(runtime)
    assert len(documents(proxy.node, topic.lower())) == 20
    assert max(proxy.bulks[:-1]) <= 3000
    assert min(proxy.bulks) > 200, "not one by one"
    assert runtime.status("search").tasks[0].refused == 1


def test_the_next_address_is_asked_where_one_does_not_answer(log: Log, runtime: ConnectRuntime, proxy: SearchProxy, start: Start, topic: str) -> None:
    send(log, topic, [{"N": n} for n in range(3)])
    start(connection_url=f"http://127.0.0.1:9,{proxy.url}", max_retries="0", connection_compression="true")
    done(runtime)
    assert len(documents(proxy.node, topic.lower())) == 3
    assert runtime.status("search").tasks[0].restarts == 0


def test_records_without_a_key_need_generated_ids(log: Log, runtime: ConnectRuntime, proxy: SearchProxy, start: Start, topic: str) -> None:
    from penstock.log.protocol import Append
    from penstock.log.records import records

    log.append(Append(topic, 0, records([(1, None, b'{"N": 1}'), (2, b"k", b'{"N": 2}')])))
    start(errors_tolerance="all")
    done(runtime)
    assert documents(proxy.node, topic.lower()) == {"k": {"N": 2}}
    assert runtime.status("search").tasks[0].refused == 1
    runtime.stop("search")
    log.delete_group("connect-search")
    start(drop_invalid_message="true")
    done(runtime)
    assert runtime.status("search").tasks[0].refused == 0


def test_other_indexes_maps_as_entries_and_versions_from_a_header(
    log: Log, runtime: ConnectRuntime, proxy: SearchProxy, start: Start, topic: str
) -> None:
    from penstock.log.protocol import Append
    from penstock.log.records import records

    rows = [(1, b"k", b'{"N": 1, "TAGS": {"a": 1}}'), (2, b"k", b'{"N": 2}'), (3, b"k", b'{"N": 3}')]
    log.append(Append(topic, 0, records(rows, [[("v", b"5")], [("v", b"4")], [("v", b"no")]])))
    name = f"other-{topic.lower()}"
    start(topic_index_map=f"{topic}:{name}", compact_map_entries="false", external_version_header="v", errors_tolerance="all")
    done(runtime)
    assert documents(proxy.node, name) == {"k": {"N": 1, "TAGS": [{"key": "a", "value": 1}]}}
    assert runtime.status("search").tasks[0].refused == 1


def test_a_data_stream_is_made_and_its_documents_have_a_time(log: Log, runtime: ConnectRuntime, proxy: SearchProxy, start: Start, topic: str) -> None:
    send(log, topic, [{"N": 1}, {"N": 2, "AT": "2020-10-14T12:28:00"}, None])
    start(data_stream_type="logs", data_stream_dataset="parks", data_stream_timestamp_field="AT", behavior_on_null_values="delete")
    done(runtime)
    found = documents(proxy.node, f"logs-parks-{topic.lower()}")
    assert {d["N"]: d["@timestamp"] for d in found.values()} == {1: "1970-01-01T00:00:01.000+00:00", 2: "2020-10-14T12:28:00"}
    runtime.stop("search")
    log.delete_group("connect-search")
    start(data_stream_type="logs", data_stream_dataset="parks", behavior_on_null_values="ignore")
    done(runtime)
    assert len(documents(proxy.node, f"logs-parks-{topic.lower()}")) == 2


def test_killed_in_the_middle_every_record_is_there_once(tmp_path: Path, search_url: str, proxy: SearchProxy) -> None:  # noqa: F811
    """SIGKILL at random moments, with single documents turned away now and then."""
    count, kills, random_ = 400, 2, random.Random(11)
    topic = f"kills-{uuid.uuid4().hex}"
    log = open_log(tmp_path / "db")
    log.create_topic(topic, 2)
    for partition in range(2):
        send(log, topic, [{"N": f"{partition}-{n}"} for n in range(count // 2)], partition=partition)
    log.close()

    def turn_away(items: list[dict[str, Any]]) -> None:
        if random_.random() < 0.1:
            random_.choice(items)["index"] |= {"status": 429, "error": {"type": "busy", "reason": "busy"}}

    proxy.spoil_items = turn_away
    properties = {
        "connector.class": "ElasticsearchSink", "topics": topic, "connection.url": proxy.url, "key.ignore": "true", "batch.size": "20",
        "retry.backoff.ms": "1", "tasks.max": "2",
    }  # fmt: skip
    command = [sys.executable, "-m", "tests.connect.deliver_to", str(tmp_path / "db"), json.dumps(properties)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for _ in range(kills):
        before = len(proxy.requests)
        process = subprocess.Popen(command, cwd=ROOT, env=environment)
        proxy.wait_for(before + random_.randint(2, 8), 60)
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run([*command, "until-done"], cwd=ROOT, env=environment, check=True, timeout=120)
    found = documents(search_url, topic)
    assert sorted(d["N"] for d in found.values()) == sorted(f"{p}-{n}" for p in range(2) for n in range(count // 2))


def test_a_mapping_of_every_type() -> None:
    types: dict[str, SqlType] = {
        "A": Array(DATE), "D": Decimal(5, 2), "S": Struct((Field("T", TIME), Field("B", BYTES))), "M": Map(STRING, DOUBLE), "WINDOWSTART": BIGINT,
    }  # fmt: skip
    assert mapping(types, [*types, "UNKNOWN"], compact_maps=True)["properties"] == {
        "A": {"type": "date"},
        "D": {"type": "double"},
        "S": {"properties": {"T": {"type": "keyword"}, "B": {"type": "binary"}}},
        "M": {"type": "object"},
        "WINDOWSTART": {"type": "date", "format": "epoch_millis"},
    }
    nested = mapping(types, ["M"], compact_maps=False)["properties"]["M"]
    assert nested["type"] == "nested"
    assert nested["properties"]["value"] == {"type": "double"}


def test_names_of_indexes() -> None:
    assert [index_name(t) for t in ("CarParks", "_parks", "..", "x" * 300)] == ["carparks", "parks", "dotdot", "x" * 255]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"connection.url": "http://me:secret@host"}, "holds a user or a password"),
        ({"connection.url": "ftp://host"}, "no server's address"),
        ({"connection.username": "me"}, "go together"),
        ({"write.method": "upsert", "key.ignore": "true"}, "needs documents with keys"),
        ({"topic.index.map": "a"}, "names no index"),
        ({"data.stream.type": "logs"}, "data.stream.dataset"),
        ({"elastic.security.protocol": "SSL"}, "is not encrypted"),
        ({"elastic.https.ssl.truststore.type": "JKS"}, "It is one of: pem"),
        ({"connection.url": "https://host", "elastic.https.ssl.truststore.location": "/etc/passwd"}, "outside the folders"),
    ],
)
def test_wrong_options(options: dict[str, str], message: str, runtime: ConnectRuntime, log: Log) -> None:
    properties = {"connector.class": DEFINITION.class_names[4], "topics": "alerts", "connection.url": "http://127.0.0.1:9"}
    with pytest.raises(ConfigError, match=message) as error:
        runtime.check("SINK", "search", properties | options)
    assert "secret" not in str(error.value)
