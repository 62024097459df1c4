"""Kafka Connect's REST interface, of a real server, by a real client."""

from __future__ import annotations

import base64
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.connect.databases import Server
from tests.connect.databases import postgres_server as postgres_server  # a fixture
from tests.connect.web_server import Answer, WebServer
from tests.server.conftest import Serve, Served

CONFIGURATIONS = Path(__file__).parent / "connectors"
RATINGS = {"connector.class": "io.confluent.kafka.connect.datagen.DatagenConnector", "quickstart": "ratings", "max.interval": "1"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where connectors may read and write files."""
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def served(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all tests, whose connectors have names of their own."""
    data = tmp_path_factory.mktemp("served") / "data"
    server = Served("--data", str(data), "--listen", "127.0.0.1:0", "--set", f"connector.file.allowed.paths={folder}")
    yield server
    code, said = server.stop()
    assert code == 0
    assert "Traceback" not in said, "it tells of connectors' troubles alone"


@pytest.fixture
def client(served: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.urls["connect"], timeout=60) as opened:
        yield opened


@pytest.fixture
def name(client: httpx.Client) -> Iterator[str]:
    """A name that no other test has, of a connector that is gone at the end."""
    chosen = f"c-{uuid.uuid4().hex[:8]}"
    yield chosen
    client.delete(f"/connectors/{chosen}")


def made(client: httpx.Client, name: str, **options: Any) -> Any:
    """Make a datagen source of ten records that writes to a topic of its name."""
    config = RATINGS | {"kafka.topic": name, "iterations": 10} | {option.replace("_", "."): value for option, value in options.items()}
    answer = client.post("/connectors", json={"name": name, "config": config})
    assert answer.status_code == 201, answer.text
    return answer.json()


def until(ask: Callable[[], Any], wanted: Callable[[Any], bool], timeout_s: float = 30) -> Any:
    """What `ask` gives, once it is as wanted: a client has no other way to know than to ask again."""
    deadline = time.monotonic() + timeout_s
    while not wanted(found := ask()):
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found


def offset(client: httpx.Client, name: str) -> Any:
    """The only offset of a connector, None where there is none yet."""
    found = client.get(f"/connectors/{name}/offsets").json()["offsets"]
    return found[0]["offset"] if found else None


def refused(answer: httpx.Response, status: int, words: str) -> None:
    """The answer is a refusal in Connect's form."""
    body = answer.json()
    assert (answer.status_code, body["error_code"]) == (status, status), body
    assert set(body) == {"error_code", "message"}
    assert words in body["message"]


def test_who_it_is(client: httpx.Client) -> None:
    about = client.get("/").json()
    assert set(about) == {"version", "commit", "kafka_cluster_id"}
    assert client.get("/health").json()["status"] == "healthy"
    refused(client.get("/nothing"), 404, "There is no /nothing here")
    refused(client.put("/connectors"), 405, "does not take PUT")


def test_a_connector_from_its_making_to_its_end(client: httpx.Client, name: str) -> None:
    info = made(client, name)
    config = {
        "name": name, "connector.class": "io.confluent.kafka.connect.datagen.DatagenConnector", "quickstart": "ratings", "max.interval": "1",
        "kafka.topic": name, "iterations": "10",
    }  # fmt: skip
    assert info == {"name": name, "config": config, "tasks": [{"connector": name, "task": 0}], "type": "source"}
    assert name in client.get("/connectors").json()
    assert client.get(f"/connectors/{name}").json() == info
    assert client.get(f"/connectors/{name}/config").json() == config
    worker = client.base_url.netloc.decode()
    status = client.get(f"/connectors/{name}/status").json()
    assert status == {
        "name": name, "connector": {"state": "RUNNING", "worker_id": worker}, "tasks": [{"id": 0, "state": "RUNNING", "worker_id": worker}],
        "type": "source",
    }  # fmt: skip
    assert client.get("/connectors?expand=info&expand=status").json()[name] == {"info": info, "status": status}
    assert set(client.get("/connectors?expand=status").json()[name]) == {"status"}
    assert client.get(f"/connectors/{name}/tasks").json() == [{"id": {"connector": name, "task": 0}, "config": config}]
    assert client.get(f"/connectors/{name}/tasks/0/status").json() == status["tasks"][0]
    until(lambda: offset(client, name), lambda found: found == {"generated": 10})
    assert client.get(f"/connectors/{name}/topics").json() == {name: {"topics": [name]}}
    assert client.put(f"/connectors/{name}/topics/reset").status_code == 204
    assert client.get(f"/connectors/{name}/topics").json() == {name: {"topics": []}}
    assert client.delete(f"/connectors/{name}").status_code == 204
    for path in ("", "/config", "/status", "/tasks", "/topics", "/offsets", "/tasks/0/status"):
        refused(client.get(f"/connectors/{name}{path}"), 404, f"Connector {name} not found")
    refused(client.delete(f"/connectors/{name}"), 404, "not found")


@pytest.mark.parametrize("path", sorted(CONFIGURATIONS.glob("*.json")), ids=lambda path: path.stem)
def test_a_file_for_kafka_connect_as_it_is(client: httpx.Client, served: Served, path: Path) -> None:
    """As people have them: with options that say where Kafka is, numbers among the texts, the classes' full names."""
    served.ksql("CREATE STREAM IF NOT EXISTS orders (id INT, item STRING) WITH (kafka_topic='json-orders', value_format='AVRO', partitions=1);")
    answer = client.post("/connectors", content=path.read_bytes(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 201, answer.text
    given = json.loads(path.read_text())
    kept = {name: str(value) for name, value in given["config"].items()} | {"name": given["name"]}
    hidden = {name: "[hidden]" for name, text in kept.items() if name.endswith("password") and "${" not in text}
    assert client.get(f"/connectors/{path.stem}/config").json() == kept | hidden
    assert client.delete(f"/connectors/{path.stem}").status_code == 204


def test_what_is_made_here_sql_sees_and_the_other_way_round(client: httpx.Client, name: str, served: Served) -> None:
    made(client, name)
    assert name in [each["name"] for each in served.ksql("SHOW CONNECTORS;")[0]["connectors"]]
    served.ksql(f"DROP CONNECTOR `{name}`;")
    refused(client.get(f"/connectors/{name}"), 404, "not found")
    served.ksql(f"CREATE SOURCE CONNECTOR `{name}` WITH ('connector.class' = 'DatagenSource', 'kafka.topic' = '{name}', 'quickstart' = 'users');")
    assert client.get(f"/connectors/{name}/config").json()["quickstart"] == "users"


def test_a_sink_writes_and_goes_back(client: httpx.Client, name: str, folder: Path) -> None:
    made(client, name, value_converter="org.apache.kafka.connect.json.JsonConverter")
    until(lambda: offset(client, name), lambda found: found == {"generated": 10})
    sink, target = f"{name}-sink", folder / f"{name}.txt"
    config = {"connector.class": "FileStreamSink", "topics": name, "file": str(target)}
    assert client.post("/connectors", json={"name": sink, "config": config}).status_code == 201
    until(lambda: offset(client, sink), lambda found: found == {"kafka_offset": 10})
    assert client.get(f"/connectors/{sink}").json()["type"] == "sink"
    assert client.get(f"/connectors/{sink}/topics").json() == {sink: {"topics": [name]}}
    assert len(target.read_text().splitlines()) == 10

    back = {"offsets": [{"partition": {"kafka_topic": name, "kafka_partition": 0}, "offset": {"kafka_offset": 7}}]}
    refused(client.patch(f"/connectors/{sink}/offsets", json=back), 400, "must be in the STOPPED state")
    refused(client.delete(f"/connectors/{sink}/offsets"), 400, "must be in the STOPPED state")
    assert client.put(f"/connectors/{sink}/stop").status_code == 204
    stopped = client.get(f"/connectors/{sink}/status").json()
    assert (stopped["connector"]["state"], stopped["tasks"]) == ("STOPPED", [])
    mistakes: list[dict[str, Any]] = [{}, {"offsets": []}, {"offsets": [{"partition": {"part": "x"}, "offset": {}}]}]
    for wrong in mistakes:
        refused(client.patch(f"/connectors/{sink}/offsets", json=wrong), 400, "offset")
    beyond = {"offsets": [back["offsets"][0] | {"offset": {"kafka_offset": 11}}]}
    refused(client.patch(f"/connectors/{sink}/offsets", json=beyond), 400, "beyond the topic's end, 10")
    assert "altered successfully" in client.patch(f"/connectors/{sink}/offsets", json=back).json()["message"]
    assert client.get(f"/connectors/{sink}/offsets").json() == back
    assert client.put(f"/connectors/{sink}/resume").status_code == 202
    until(lambda: len(target.read_text().splitlines()), lambda lines: lines == 13)

    client.put(f"/connectors/{sink}/stop")
    client.patch(f"/connectors/{sink}/offsets", json={"offsets": [back["offsets"][0] | {"offset": None}]})
    client.put(f"/connectors/{sink}/resume")
    until(lambda: len(target.read_text().splitlines()), lambda lines: lines == 23)

    client.put(f"/connectors/{sink}/stop")
    assert client.delete(f"/connectors/{sink}/offsets").json() == {"message": "The offsets for this connector have been reset successfully"}
    assert offset(client, sink) is None
    client.put(f"/connectors/{sink}/resume")
    until(lambda: len(target.read_text().splitlines()), lambda lines: lines == 33)
    client.delete(f"/connectors/{sink}")


def test_a_source_goes_on_from_other_positions(client: httpx.Client, name: str, served: Served) -> None:
    made(client, name)
    until(lambda: offset(client, name), lambda found: found == {"generated": 10})
    client.put(f"/connectors/{name}/stop")
    refused(client.patch(f"/connectors/{name}/offsets", json={"offsets": [{"partition": {}, "offset": {}}]}), 400, '{"part": NAME}')
    change = {"offsets": [{"partition": {"part": "datagen"}, "offset": {"generated": 6}}]}
    assert client.patch(f"/connectors/{name}/offsets", json=change).status_code == 200
    assert client.get(f"/connectors/{name}/offsets").json() == change
    client.put(f"/connectors/{name}/resume")
    until(lambda: offset(client, name), lambda found: found == {"generated": 10})
    client.put(f"/connectors/{name}/stop")
    client.patch(f"/connectors/{name}/offsets", json={"offsets": [{"partition": {"part": "datagen"}, "offset": None}]})
    assert offset(client, name) is None


def test_configurations_change(client: httpx.Client, name: str) -> None:
    config = RATINGS | {"kafka.topic": name, "iterations": "5"}
    new = client.put(f"/connectors/{name}/config", json=config)
    assert (new.status_code, new.json()["name"]) == (201, name)
    until(lambda: offset(client, name), lambda found: found == {"generated": 5})
    changed = client.put(f"/connectors/{name}/config", json=config | {"iterations": 8, "name": name})
    assert (changed.status_code, changed.json()["config"]["iterations"]) == (200, "8")
    until(lambda: offset(client, name), lambda found: found == {"generated": 8})
    patched = client.patch(f"/connectors/{name}/config", json={"iterations": "9", "max.interval": None})
    assert patched.status_code == 200
    assert patched.json()["config"]["iterations"] == "9"
    assert "max.interval" not in patched.json()["config"]
    refused(client.patch("/connectors/none/config", json={"a": "b"}), 404, "not found")
    refused(client.put(f"/connectors/{name}/config", json=config | {"name": "other"}), 400, "doesn't match")
    refused(client.put(f"/connectors/{name}/config", json=config | {"quickstart": "nonsense"}), 400, "It is one of: ")
    refused(client.put(f"/connectors/{name}/config", json={"connector.class": "FileStreamSink", "topics": "x", "file": "x"}), 400, "is a SOURCE")
    assert client.get(f"/connectors/{name}/config").json() == patched.json()["config"]


def test_secrets_are_shown_as_they_were_referred_to_and_come_back_unharmed(client: httpx.Client, name: str, web: WebServer) -> None:
    port = web.url.rpartition(":")[2]
    config = {
        "connector.class": "HttpSource", "url": f"http://me:hunter2@127.0.0.1:{port}/x", "topic": name, "auth.type": "basic",
        "connection.user": "${env:HOME}", "connection.password": "hunter3", "request.interval.ms": "600000",
    }  # fmt: skip
    assert client.post("/connectors", json={"name": name, "config": config}).status_code == 201
    seen = client.get(f"/connectors/{name}/config").json()
    assert seen["connection.user"] == "${env:HOME}"
    assert (seen["connection.password"], seen["url"]) == ("[hidden]", f"http://me:[hidden]@127.0.0.1:{port}/x")
    web.wait_for(1)
    again = client.put(f"/connectors/{name}/config", json=seen | {"request.interval.ms": "500000"})
    assert again.status_code == 200
    web.wait_for(2)
    kept = client.patch(f"/connectors/{name}/config", json={"url": seen["url"], "connection.password": "[hidden]", "request.interval.ms": "400000"})
    assert kept.json()["config"] == seen | {"request.interval.ms": "400000"}
    basic = "Basic " + base64.b64encode(f"{os.environ['HOME']}:hunter3".encode()).decode()
    first, *later = web.wait_for(3)
    assert first.headers["Authorization"] == basic
    assert [request.headers["Authorization"] for request in later] == [first.headers["Authorization"]] * 2
    web.otherwise = Answer(403, body=b"not hunter3")
    client.post(f"/connectors/{name}/restart")
    task = until(lambda: client.get(f"/connectors/{name}/status").json()["tasks"][0], lambda found: "trace" in found)
    everything = client.get("/connectors?expand=info&expand=status").text + client.get(f"/connectors/{name}/tasks").text + json.dumps(task)
    assert "not [hidden]" in task["trace"]
    assert "hunter" not in everything


def test_it_rests_and_goes_on_also_when_the_server_starts_again(serve: Serve, tmp_path: Path) -> None:
    first = serve()
    with httpx.Client(base_url=first.urls["connect"], timeout=60) as client:
        config = RATINGS | {"kafka.topic": "t"}
        for each in ("paused", "stopped", "born-stopped", "runs"):
            state = "STOPPED" if each == "born-stopped" else None
            assert client.post("/connectors", json={"name": each, "config": config, "initial_state": state}).status_code == 201
        assert client.put("/connectors/paused/pause").status_code == 202
        assert client.put("/connectors/stopped/stop").status_code == 204
        assert client.get("/connectors/paused/status").json()["tasks"][0]["state"] == "PAUSED"
        refused(client.post("/connectors", json={"name": "x", "config": config, "initial_state": "ASLEEP"}), 400, "RUNNING, PAUSED, STOPPED")
    assert first.stop() == (0, "")
    second = serve()
    with httpx.Client(base_url=second.urls["connect"], timeout=60) as client:
        found = client.get("/connectors?expand=status").json()
        states = {each: found[each]["status"]["connector"]["state"] for each in found}
        assert states == {"born-stopped": "STOPPED", "paused": "PAUSED", "runs": "RUNNING", "stopped": "STOPPED"}
        assert client.post("/connectors/paused/restart").status_code == 204
        assert client.get("/connectors/paused/status").json()["tasks"][0]["state"] == "PAUSED"
        assert offset(client, "born-stopped") is None
        for each in states:
            assert client.put(f"/connectors/{each}/resume").status_code == 202
            until(lambda each=each: offset(client, each), bool)  # type: ignore[misc]


def test_a_failed_task_begins_anew(client: httpx.Client, name: str, folder: Path) -> None:
    source = folder / f"{name}.jsonl"
    source.write_text("x\n")
    config = {
        "connector.class": "FileStreamSource", "file": str(source), "topic": name,
        "value.converter": "org.apache.kafka.connect.converters.LongConverter",
    }  # fmt: skip
    assert client.post("/connectors", json={"name": name, "config": config}).status_code == 201
    failed = until(lambda: client.get(f"/connectors/{name}/status").json(), lambda found: found["tasks"][0]["state"] == "FAILED")
    assert failed["connector"]["state"] == "RUNNING"
    assert "LongConverter" in failed["tasks"][0]["trace"]
    answer = client.post(f"/connectors/{name}/restart?includeTasks=true&onlyFailed=true")
    assert (answer.status_code, answer.json()["name"]) == (202, name)
    assert client.post(f"/connectors/{name}/tasks/0/restart").status_code == 204
    refused(client.post(f"/connectors/{name}/tasks/1/restart"), 404, f"Task 1 of connector {name} not found")
    refused(client.get(f"/connectors/{name}/tasks/x/status"), 404, "Task x")
    refused(client.post(f"/connectors/{name}/restart?onlyFailed=maybe"), 400, "true or false")
    mended = client.patch(f"/connectors/{name}/config", json={"value.converter": "org.apache.kafka.connect.storage.StringConverter"})
    assert mended.status_code == 200, mended.text
    assert client.post(f"/connectors/{name}/restart").status_code == 204
    until(lambda: client.get(f"/connectors/{name}/topics").json()[name]["topics"], lambda topics: topics == [name])


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ("{", 400, "not JSON"),
        ("[]", 400, "no JSON object"),
        ("{}", 400, "names no connector"),
        ('{"name": "", "config": {}}', 400, "names no connector"),
        ('{"name": "x"}', 400, "no configuration"),
        ('{"name": "x", "config": {}}', 400, "does not say what it is"),
        ('{"name": "x", "config": {"connector.class": "Nothing"}}', 400, "no connector of the class 'Nothing'"),
        ('{"name": "x", "config": {"connector.class": "DatagenSource", "topic": "t", "quickstarts": "users"}}', 400, "Did you mean 'quickstart'?"),
        ('{"name": "x", "config": {"connector.class": "DatagenSource", "topic": ["t"]}}', 400, "'topic' is no text"),
        ('{"name": "x", "config": {"connector.class": "FileStreamSource", "topic": "t", "file": "/etc/passwd"}}', 400, "outside the folders"),
        ('{"name": "x", "config": {"connector.class": "HttpSource", "topic": "t", "url": "${env:NOT_THERE}"}}', 400, "NOT_THERE, which is not set"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_made(client: httpx.Client, body: str, status: int, words: str) -> None:
    refused(client.post("/connectors", content=body, headers={"Content-Type": "application/json"}), status, words)
    refused(client.get("/connectors/x"), 404, "Connector x not found")


def test_there_is_one_already(client: httpx.Client, name: str) -> None:
    made(client, name)
    refused(client.post("/connectors", json={"name": name, "config": RATINGS | {"kafka.topic": name}}), 409, f"Connector {name} already exists")


def test_what_stays_at_the_far_side_is_said(client: httpx.Client, name: str, postgres_server: Server) -> None:
    database = postgres_server.fresh()
    database.run("CREATE TABLE t (id INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    slot = f"slot_{uuid.uuid4().hex[:10]}"
    config = {
        "connector.class": "PostgresConnector", "database.hostname": "127.0.0.1", "database.port": str(database.port), "database.user": "penstock",
        "database.password": database.password, "database.dbname": database.database, "topic.prefix": name, "slot.name": slot,
    }  # fmt: skip
    client.post("/connectors", json={"name": name, "config": config})
    until(lambda: client.get(f"/connectors/{name}/topics").json()[name]["topics"], lambda topics: topics == [f"{name}.public.t"])
    database.run("SELECT pg_create_logical_replication_slot('another', 'pgoutput')")
    answer = client.delete(f"/connectors/{name}")
    assert answer.status_code == 204
    assert "The publication dbz_publication stays. The slot another may need it. To drop it: DROP PUBLICATION" in answer.headers["Warning"]
    assert database.run("SELECT slot_name FROM pg_replication_slots WHERE database = current_database()") == [("another",)]
    database.drop_slots()


def test_plugins(client: httpx.Client) -> None:
    found = client.get("/connector-plugins").json()
    assert {"class": "DatagenSource", "type": "source"}.items() <= next(each for each in found if each["class"] == "DatagenSource").items()
    assert {each["type"] for each in found} == {"source", "sink"}
    everything = client.get("/connector-plugins?connectorsOnly=false").json()
    assert {each["type"] for each in everything} == {"source", "sink", "transformation", "predicate", "converter"}
    assert "org.apache.kafka.connect.transforms.ExtractField$Key" in [each["class"] for each in everything]
    options = {each["name"]: each for each in client.get("/connector-plugins/io.debezium.connector.mysql.MySqlConnector/config").json()}
    assert options["database.hostname"]["required"]
    assert options["database.password"]["type"] == "PASSWORD"
    assert options["database.port"]["default_value"] == "3306"
    refused(client.get("/connector-plugins/Nothing/config"), 404, "no connector of the class")


def validated(client: httpx.Client, config: dict[str, Any]) -> dict[str, list[str]]:
    """What is wrong, by option."""
    answer = client.put(f"/connector-plugins/{config['connector.class']}/config/validate", json=config)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    wrong = {each["value"]["name"]: each["value"]["errors"] for each in found["configs"] if each["value"]["errors"]}
    assert found["error_count"] == sum(map(len, wrong.values()))
    return wrong


def test_validation(client: httpx.Client) -> None:
    good = {"connector.class": "DatagenSource", "name": "x", "kafka.topic": "t", "quickstart": "users"}
    assert validated(client, good) == {}
    wrong = validated(client, good | {"quickstart": "nothing", "max.interval": "soon", "iteration": "1", "kafka.topic": None})
    assert set(wrong) == {"quickstart", "max.interval", "iteration", "kafka.topic"}
    assert wrong["iteration"] == ["The connector has no option 'iteration'. Did you mean 'iterations'?"]
    assert "is a whole number, not 'soon'" in wrong["max.interval"][0]
    together = validated(client, good | {"schema.string": "{}"})
    assert list(together) == ["quickstart"] or list(together) == ["connector.class"]
    sink = validated(client, {"connector.class": "HttpSink", "topics": "nothing-there", "http.api.url": "http://127.0.0.1:9"})
    assert list(sink) == ["connector.class"]
    secret = {"connector.class": "HttpSource", "topic": "t", "url": "http://x", "auth.type": "basic", "connection.password": "hunter2"}
    answer = client.put("/connector-plugins/HttpSource/config/validate", json=secret)
    assert "hunter2" not in answer.text
    assert answer.json()["error_count"] == 1
    refused(client.put("/connector-plugins/HttpSink/config/validate", json=good), 400, "'connector.class' is DatagenSource")
    refused(client.put("/connector-plugins/Nothing/config/validate", json=good), 404, "no connector of the class")
