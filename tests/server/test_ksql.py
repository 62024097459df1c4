"""/ksql: what each statement answers, errors, sessions; /status and /ksql/terminate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.server.conftest import Serve, Served

import penstock
from penstock.server.hosting import Server
from penstock.server.ksql import statements
from penstock.server.ksql.entities import DONE, LOOKS, SHOWN, SILENT, command_id
from penstock.server.listening import Access, Bound, parse_listeners
from penstock.sql import ast
from penstock.sql.parser import parse_one
from penstock.sql.statements import STATEMENTS

STREAM = "CREATE STREAM {0} (id STRING KEY, n INT) WITH (KAFKA_TOPIC = '{0}', VALUE_FORMAT = 'JSON', PARTITIONS = 1);"


def test_statements_in_a_row(served: Served) -> None:
    answers = served.ksql(
        STREAM.format("row1") + " CREATE TABLE row1_counts AS SELECT id, COUNT(*) AS c FROM row1 GROUP BY id EMIT CHANGES;"
        " INSERT INTO row1 VALUES ('a', 1); DEFINE x = 'y'; SHOW TABLES; TERMINATE ALL;"
    )
    assert [answer["@type"] for answer in answers] == ["currentStatus", "currentStatus", "tables", "currentStatus"]
    assert [answer.get("commandId") for answer in answers[:2]] == ["stream/ROW1/create", "table/ROW1_COUNTS/create"]
    query = answers[1]["commandStatus"]["queryId"]
    assert query.startswith("CTAS_ROW1_COUNTS_")
    assert answers[1]["commandStatus"]["status"] == "SUCCESS"
    assert answers[0]["statementText"] == STREAM.format("row1")
    assert answers[0]["warnings"] == []
    assert answers[1]["commandSequenceNumber"] > answers[0]["commandSequenceNumber"]
    assert answers[2]["tables"] == [
        {
            "type": "TABLE",
            "name": "ROW1_COUNTS",
            "topic": "ROW1_COUNTS",
            "format": "JSON",
            "keyFormat": "KAFKA",
            "valueFormat": "JSON",
            "isWindowed": False,
        }
    ]
    statuses = httpx.get(f"{served.url}/status").json()["commandStatuses"]
    assert statuses["stream/ROW1/create"] == "SUCCESS"
    assert statuses["table/ROW1_COUNTS/create"] == "TERMINATED"
    status = httpx.get(f"{served.url}/status/table/ROW1_COUNTS/create").json()
    assert (status["status"], status["message"]) == ("TERMINATED", f"{query} is terminated.")
    missing = httpx.get(f"{served.url}/status/stream/NOWHERE/create")
    assert (missing.status_code, missing.json()["error_code"]) == (404, 40400)


def test_assertions_of_tests(served: Served) -> None:
    answers = served.ksql(
        STREAM.format("tested1") + " INSERT INTO tested1 VALUES ('a', 1); ASSERT STREAM tested1 (id STRING KEY, n INT);"
        " ASSERT VALUES tested1 (id, n) VALUES ('a', 1);"
    )
    assert [answer["@type"] for answer in answers] == ["currentStatus", "assertion", "assertion"]
    assert "N is 1, not 2" in served.refused("ASSERT VALUES tested1 (id, n) VALUES ('a', 2);")["message"]
    assert "works in the shell alone" in served.refused("SPOOL '/tmp/spooled';")["message"]


def test_what_failed_and_what_was_done_before(served: Served) -> None:
    error = served.refused(STREAM.format("failed1") + " DESCRIBE nowhere; SHOW STREAMS;")
    assert (error["@type"], error["error_code"]) == ("statement_error", 40001)
    assert error["statementText"] == "DESCRIBE nowhere;"
    assert "There is no stream or table NOWHERE" in error["message"]
    assert [entity["commandId"] for entity in error["entities"]] == ["stream/FAILED1/create"]


def test_a_mistake_that_the_parser_finds_keeps_all_from_running(served: Served) -> None:
    error = served.refused(STREAM.format("parsed1") + " CREATE STREM x;")
    assert (error["error_code"], error["entities"]) == (40001, [])
    assert "PARSED1" not in json.dumps(served.ksql("SHOW STREAMS;"))


@pytest.mark.parametrize("sql", ["SELECT * FROM x;", "PRINT 'x';", "SHOW STREAMS; SELECT 1 FROM x EMIT CHANGES;"])
def test_queries_belong_elsewhere(served: Served, sql: str) -> None:
    assert served.refused(sql)["error_code"] == 40002


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"no json", "not JSON"),
        (b"[1]", "no JSON object"),
        (b"{}", "no SQL"),
        (b'{"ksql": 1}', "no SQL"),
        (b'{"ksql": "SHOW STREAMS;", "streamsProperties": 3}', "'streamsProperties' is no JSON object"),
        (b'{"ksql": "SHOW STREAMS;", "streamsProperties": {"no.such": "x"}}', "no setting 'no.such'"),
        (b'{"ksql": "SHOW STREAMS;", "streamsProperties": {"connector.file.allowed.paths": "/"}}', "a request cannot set it"),
        (b'{"ksql": "\xff"}', "not JSON"),
    ],
)
def test_requests_that_are_none(served: Served, body: bytes, said: str) -> None:
    answer = httpx.post(f"{served.url}/ksql", content=body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, 40000)
    assert said in answer.json()["message"]


def test_a_body_beyond_the_limit(served: Served) -> None:
    def parts() -> Any:
        for _ in range(17):
            yield b" " * 1024 * 1024

    for content in (b" " * (16 * 1024 * 1024 + 1), parts()):
        answer = httpx.post(f"{served.url}/ksql", content=content)
        assert (answer.status_code, answer.json()["error_code"]) == (413, 41300)


def test_settings_and_variables_are_the_request_s_own(served: Served) -> None:
    served.ksql(
        "CREATE STREAM ${name} (n INT) WITH (KAFKA_TOPIC = 'session1', VALUE_FORMAT = 'JSON');",
        sessionVariables={"name": "session1"}, streamsProperties={"ksql.streams.num.partitions": "3"},
    )  # fmt: skip
    described = served.ksql("SET 'auto.offset.reset' = 'latest'; DEFINE a = 'b'; SHOW PROPERTIES; SHOW VARIABLES; DESCRIBE session1 EXTENDED;")
    assert described[2]["sourceDescription"]["partitions"] == 3
    assert described[1]["variables"] == [{"name": "a", "value": "b"}]
    assert described[0]["overwrittenProperties"] == ["auto.offset.reset", "connector.file.allowed.paths"]
    properties, variables = served.ksql("SHOW PROPERTIES; SHOW VARIABLES;")
    assert variables["variables"] == []
    value = {each["name"]: each["value"] for each in properties["properties"]}
    assert value["auto.offset.reset"] == "earliest"


def test_alter_system_is_for_everybody(serve: Serve) -> None:
    server = serve()
    server.ksql("ALTER SYSTEM 'num.partitions' = '4';")
    (answer,) = server.ksql("SHOW PROPERTIES;")
    assert {each["name"]: each["value"] for each in answer["properties"]}["num.partitions"] == "4"


def test_command_sequence_number(served: Served) -> None:
    (answer,) = served.ksql(STREAM.format("sequence1"))
    number = answer["commandSequenceNumber"]
    served.ksql("DESCRIBE sequence1;", commandSequenceNumber=number)


def test_a_command_that_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "CATCH_UP_S", 0.1)
    bound = Bound(parse_listeners(["127.0.0.1:0"]), Access(None, (), None, None))
    with bound, penstock.connect() as db, Server(db, bound) as server:
        body = {"ksql": "SHOW STREAMS;", "commandSequenceNumber": 1000}
        late = httpx.post(f"{dict(server.addresses)['ksql']}/ksql", json=body, timeout=30)
    assert (late.status_code, late.json()["error_code"]) == (503, 50301)


def test_describe(served: Served) -> None:
    served.ksql(
        "CREATE STREAM described1 (id STRING KEY, price DECIMAL(6, 2), tags ARRAY<STRING>, at STRUCT<x INT, y MAP<STRING, DOUBLE>>,"
        " h BYTES HEADER('h'))"
        " WITH (KAFKA_TOPIC = 'described1', VALUE_FORMAT = 'JSON', PARTITIONS = 2);"
        "CREATE STREAM described2 AS SELECT id, price FROM described1 EMIT CHANGES;"
    )
    (answer,) = served.ksql("DESCRIBE described1;")
    assert (answer["@type"], answer["sourceDescription"]["name"]) == ("sourceDescription", "DESCRIBED1")
    description = answer["sourceDescription"]
    assert [query["sinks"] for query in description["readQueries"]] == [["DESCRIBED2"]]
    assert description["fields"][:3] == [
        {"name": "ID", "schema": {"type": "STRING", "fields": None, "memberSchema": None}, "type": "KEY"},
        {"name": "PRICE", "schema": {"type": "DECIMAL", "fields": None, "memberSchema": None, "parameters": {"precision": 6, "scale": 2}}},
        {"name": "TAGS", "schema": {"type": "ARRAY", "fields": None, "memberSchema": {"type": "STRING", "fields": None, "memberSchema": None}}},
    ]
    struct = description["fields"][3]["schema"]
    assert [field["name"] for field in struct["fields"]] == ["X", "Y"]
    assert struct["fields"][1]["schema"]["memberSchema"]["type"] == "DOUBLE"
    assert (description["fields"][4]["type"], description["fields"][4]["headerKey"]) == ("HEADER", "h")
    (extended,) = served.ksql("DESCRIBE described1 EXTENDED;")
    assert extended["sourceDescription"]["partitions"] == 2
    (function,) = served.ksql("DESCRIBE FUNCTION lpad;")
    assert (function["@type"], function["name"], function["type"]) == ("describe_function", "LPAD", "SCALAR")
    assert function["functions"][0]["arguments"][0]["type"] == "STRING"


def test_explain(served: Served) -> None:
    (made,) = served.ksql("CREATE STREAM explained1 AS SELECT * FROM processing_log EMIT CHANGES;")[:1]
    query = made["commandStatus"]["queryId"]
    (by_id,) = served.ksql(f"EXPLAIN {query};")
    assert by_id["queryDescription"]["sources"] == ["PROCESSING_LOG"]
    assert by_id["queryDescription"]["sinks"] == ["EXPLAINED1"]
    assert by_id["queryDescription"]["state"] == "RUNNING"
    (of_text,) = served.ksql("EXPLAIN SELECT reason FROM processing_log EMIT CHANGES;")
    assert [field["name"] for field in of_text["queryDescription"]["fields"]] == ["REASON"]
    assert "read PROCESSING_LOG" in of_text["queryDescription"]["executionPlan"]
    assert "There is no query NOPE_1" in served.refused("EXPLAIN NOPE_1;")["message"]


SHOW_TYPES = {
    "STREAMS": ("streams", "streams"), "TABLES": ("tables", "tables"), "TOPICS": ("kafka_topics", "topics"), "ALL TOPICS": ("kafka_topics", "topics"),
    "QUERIES": ("queries", "queries"), "PROPERTIES": ("properties", "properties"), "FUNCTIONS": ("function_names", "functions"),
    "TYPES": ("type_list", "types"), "VARIABLES": ("variables", "variables"), "CONNECTORS": ("connector_list", "connectors"),
    "SOURCE CONNECTORS": ("connector_list", "connectors"), "SINK CONNECTORS": ("connector_list", "connectors"),
    "CONNECTOR PLUGINS": ("connector_plugins_list", "connectorsPlugins"),
}  # fmt: skip


def test_show_lists_everything(served: Served) -> None:
    served.ksql("CREATE TYPE IF NOT EXISTS place AS STRUCT<x INT>;")
    for what in SHOWN:
        (answer,) = served.ksql(f"SHOW {what};")
        type_, name = SHOW_TYPES[what]
        assert answer["@type"] == type_
        assert name in answer
    (types,) = served.ksql("LIST TYPES;")
    assert types["types"]["PLACE"]["fields"][0]["name"] == "X"
    for what in ("STREAMS", "TABLES", "TOPICS", "QUERIES"):
        (answer,) = served.ksql(f"SHOW {what} EXTENDED;")
        assert answer["@type"] in ("source_descriptions", "kafka_topics_extended", "queryDescriptions")


def test_every_statement_has_an_answer() -> None:
    """Each kind of statement either looks, is silent, answers with something of its own, has a command's id, or belongs to /query or the shell."""
    elsewhere = (ast.Query, ast.RawQuery, ast.Print, ast.Spool)
    for definition in STATEMENTS:
        for example in definition.examples:
            statement = parse_one(example)
            if type(statement) in (*LOOKS, *DONE) or isinstance(statement, (*SILENT, *elsewhere)):
                continue
            assert command_id(statement, "CSAS_X_1").count("/") >= 2


def test_assertions(served: Served) -> None:
    served.ksql(STREAM.format("asserted1"))
    topic, schema = served.ksql("ASSERT TOPIC asserted1; ASSERT NOT EXISTS SCHEMA SUBJECT 'nobody';")
    assert (topic["@type"], topic["topicName"], topic["exists"]) == ("assert_topic", "asserted1", True)
    assert (schema["@type"], schema["subject"], schema["exists"]) == ("assert_schema", "nobody", False)


def test_an_assertion_waits_for_what_another_client_does(served: Served) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(served.ksql, "ASSERT TOPIC awaited1 TIMEOUT 20 SECONDS;")
        served.ksql(STREAM.format("awaited1"))
        assert waiting.result(30)[0]["exists"]


def test_terminate_forgets_everything(serve: Serve) -> None:
    server = serve()
    server.ksql(
        STREAM.format("gone") + "CREATE STREAM gone_too AS SELECT * FROM gone EMIT CHANGES; CREATE STREAM stays AS SELECT * FROM gone EMIT CHANGES;"
    )
    wrong = httpx.post(f"{server.url}/ksql/terminate", json={"deleteTopicList": ["("]})
    assert (wrong.status_code, wrong.json()["error_code"]) == (400, 40000)
    answer = httpx.post(f"{server.url}/ksql/terminate", json={"deleteTopicList": ["GONE.*", "gone"]})
    assert answer.json()["commandStatus"]["message"].endswith("Deleted: GONE_TOO.")
    refused = httpx.post(f"{server.url}/ksql", json={"ksql": "SHOW STREAMS;"})
    assert (refused.status_code, refused.json()["error_code"]) == (503, 50302)
    assert server.stop() == (0, "")
    again = serve()
    streams, topics = again.ksql("SHOW STREAMS; SHOW TOPICS;")
    assert [each["name"] for each in streams["streams"]] == ["PROCESSING_LOG"]
    assert {each["name"] for each in topics["topics"]} >= {"gone", "STAYS"}
    assert "GONE_TOO" not in {each["name"] for each in topics["topics"]}


# ---------------------------------------------------------------------------------------------- what a stranger could reach


def test_a_script_is_read_below_the_allowed_folders_alone(served: Served, tmp_path: Path) -> None:
    secret = tmp_path / "secret.sql"
    secret.write_text("DEFINE password = 'hunter2';")
    (properties,) = served.ksql("SHOW PROPERTIES;")
    allowed = Path(next(each["value"] for each in properties["properties"] if each["name"] == "connector.file.allowed.paths"))
    for path in (str(secret), "../../etc/passwd", "/etc/passwd", f"{allowed}/data/penstock.format", f"{allowed}/../../../etc/passwd"):
        error = served.refused(f"RUN SCRIPT '{path}';")
        assert "outside the folders" in error["message"], path
        assert "hunter2" not in error["message"]
    error = served.refused(f"SET 'connector.file.allowed.paths' = '/'; RUN SCRIPT '{secret}';")
    assert "outside the folders" in error["message"]
    (allowed / "link.sql").symlink_to(secret)
    assert "outside the folders" in served.refused(f"RUN SCRIPT '{allowed}/link.sql';")["message"]
    (allowed / "good.sql").write_text("CREATE STREAM scripted1 (n INT) WITH (KAFKA_TOPIC = 'scripted1', VALUE_FORMAT = 'JSON');")
    served.ksql(f"RUN SCRIPT '{allowed}/good.sql'; DESCRIBE scripted1;")
    (allowed / "itself.sql").write_text(f"RUN SCRIPT '{allowed}/itself.sql';")
    assert "it may run itself" in served.refused(f"RUN SCRIPT '{allowed}/itself.sql';")["message"]
