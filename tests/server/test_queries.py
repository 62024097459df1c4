"""/query, /query-stream, /close-query, /ws/query and /inserts-stream."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest
import websockets.sync.client
from tests.server.conftest import Serve, Served
from websockets.exceptions import ConnectionClosedOK, InvalidStatus

V1, V2, DELIMITED = "application/vnd.ksql.v1+json", "application/vnd.ksql.v2+json", "application/vnd.ksqlapi.delimited.v1"
EVERY = (
    "CREATE STREAM {0} (id STRING KEY, n INT, big BIGINT, x DOUBLE, ok BOOLEAN, price DECIMAL(20, 4), b BYTES, at TIMESTAMP, d DATE,"
    " t TIME, list ARRAY<DECIMAL(4, 2)>, map MAP<STRING, TIMESTAMP>, s STRUCT<a INT, b BYTES>)"
    " WITH (KAFKA_TOPIC = '{0}', VALUE_FORMAT = 'JSON', PARTITIONS = 1);"
)
ROW = {
    "id": "a", "n": -1, "big": 2**62, "x": 1.5, "ok": True, "price": 1234567890123456.7891, "b": "AQL/", "at": "2020-01-02T03:04:05.006",
    "d": "2020-01-02", "t": "03:04:05", "list": [1.5, None], "map": {"k": "1969-12-31T23:59:59.999"}, "s": {"a": 1, "b": "AA=="},
}  # fmt: skip


@contextmanager
def stream(url: str, body: dict[str, Any], *, two: bool = True, accept: str = DELIMITED, timeout: float = 30) -> Iterator[Iterator[str]]:
    """The lines of an answer as they come; leaving the block closes the connection."""
    with (
        httpx.Client(http1=not two, http2=two, timeout=timeout) as client,
        client.stream("POST", url, json=body, headers={"accept": accept}) as answer,
    ):
        assert answer.status_code == 200, answer.read()
        yield answer.iter_lines()


# ---------------------------------------------------------------------------------------------- forms


def test_every_type_goes_in_and_comes_out(served: Served) -> None:
    served.ksql(EVERY.format("every1"))
    price = '"price": 1234567890123456.7891'
    line = json.dumps(ROW).replace(f'"price": {ROW["price"]!r}', price)  # all digits, which a double has not
    assert price in line
    body = '{"target": "every1"}\n' + line + '\n{"id": "empty"}\n'
    assert httpx.post(f"{served.url}/inserts-stream", content=body).text == '{"status":"ok","seq":0}\n{"status":"ok","seq":1}\n'
    text = httpx.post(f"{served.url}/query-stream", json={"sql": "SELECT * FROM every1;"}).text
    head, row, empty = text.splitlines()
    assert json.loads(head) == {
        "queryId": None,
        "columnNames": ["ID", "N", "BIG", "X", "OK", "PRICE", "B", "AT", "D", "T", "LIST", "MAP", "S"],
        "columnTypes": [
            "STRING", "INTEGER", "BIGINT", "DOUBLE", "BOOLEAN", "DECIMAL(20, 4)", "BYTES", "TIMESTAMP", "DATE", "TIME", "ARRAY<DECIMAL(4, 2)>",
            "MAP<STRING, TIMESTAMP>", "STRUCT<`A` INTEGER, `B` BYTES>",
        ],
    }  # fmt: skip
    assert row == (
        '["a",-1,4611686018427387904,1.5,true,1234567890123456.7891,"AQL/","2020-01-02T03:04:05.006","2020-01-02","03:04:05",[1.50,null],'
        '{"k":"1969-12-31T23:59:59.999"},{"A":1,"B":"AA=="}]'
    )
    assert json.loads(empty) == ["empty", *[None] * 12]
    one = httpx.post(f"{served.url}/query-stream", json={"sql": "SELECT * FROM every1;"}, headers={"accept": "application/json"}).text
    assert one == f"[{head},{row},{empty}]"
    assert "NaN" in httpx.post(f"{served.url}/query-stream", json={"sql": "SELECT CAST('NaN' AS DOUBLE) AS x FROM every1;"}).text


def test_what_older_clients_get(served: Served) -> None:
    served.ksql(
        "CREATE TABLE old1 (id STRING PRIMARY KEY, n INT) WITH (KAFKA_TOPIC = 'old1', VALUE_FORMAT = 'JSON', PARTITIONS = 1);"
        "CREATE TABLE old2 AS SELECT * FROM old1 EMIT CHANGES;"
    )
    assert all(ack["status"] == "ok" for ack in served.insert("old1", {"id": "a", "n": 1}, {"id": "b", "n": 2}, {"id": "a"}))

    def answer(sql: str, accept: str | None) -> tuple[str, Any]:
        found = httpx.post(f"{served.url}/query", json={"ksql": sql}, headers={"accept": accept} if accept else {}, timeout=30)
        return found.headers["content-type"], found.json()

    for accept in (V1, None):
        kind, (header, *rows, end) = answer("SELECT * FROM old1 EMIT CHANGES LIMIT 3;", accept)
        assert kind == V1
        assert header["header"]["schema"] == "`ID` STRING, `N` INTEGER"
        assert rows == [{"row": {"columns": ["a", 1]}}, {"row": {"columns": ["b", 2]}}]  # what the table lost is left out
        assert end == {"finalMessage": "Limit Reached"}
    kind, (header, *rows, end) = answer("SELECT * FROM old1 EMIT CHANGES LIMIT 3;", V2)
    assert (kind, header["header"]["key"], header["header"]["schema"]) == (V2, "`ID` STRING", "`N` INTEGER")
    assert rows == [{"row": {"key": ["a"], "columns": [1]}}, {"row": {"key": ["b"], "columns": [2]}}, {"row": {"key": ["a"], "tombstone": True}}]
    deadline = time.monotonic() + 20
    while (pulled := answer("SELECT * FROM old2;", V1)[1])[1:] != [{"row": {"columns": ["b", 2]}}]:
        assert time.monotonic() < deadline, pulled
    assert answer("SELECT * FROM old2 WHERE id = 'nobody';", V1)[1][1:] == []
    assert answer("SELECT * FROM old2;", "text/html, application/json;q=0.5")[0] == "application/json"
    refused = httpx.post(f"{served.url}/query", json={"ksql": "SELECT * FROM old2;"}, headers={"accept": "text/html"})
    assert (refused.status_code, refused.json()["error_code"]) == (406, 40600)


def test_print(served: Served) -> None:
    served.ksql("CREATE STREAM printed1 (id STRING KEY, n INT) WITH (KAFKA_TOPIC = 'printed1', VALUE_FORMAT = 'JSON', PARTITIONS = 1);")
    served.insert("printed1", {"id": "a", "n": 1}, {"n": 2})
    answer = httpx.post(f"{served.url}/query", json={"ksql": "PRINT printed1 FROM BEGINNING LIMIT 2;"}, timeout=30)
    assert answer.headers["content-type"].startswith("text/plain")
    first, second = answer.text.splitlines()
    assert first.endswith(', key: a, value: {"N":1}, partition: 0, offset: 0')
    assert second.endswith(', key: <null>, value: {"N":2}, partition: 0, offset: 1')
    with stream(f"{served.url}/query", {"ksql": "PRINT printed1;"}) as lines:
        served.insert("printed1", {"id": "late"})
        assert "key: late" in next(lines)


@pytest.mark.parametrize("endpoint", ["query", "query-stream"])
def test_mistakes(served: Served, endpoint: str) -> None:
    for sql, said in (
        ("SELECT * FROM nowhere;", "NOWHERE does not exist"),
        ("SELECT * FROM nowhere", "NOWHERE does not exist"),
        ("SELECT;", "Line 1:"),
        ("SHOW STREAMS;", "The endpoint /ksql takes other statements"),
        ("", "there are 0"),
        ("SELECT 1; SELECT 2;", ""),
    ):
        answer = httpx.post(f"{served.url}/{endpoint}", json={"ksql": sql})
        assert (answer.status_code, answer.json()["error_code"], answer.json()["@type"]) == (400, 40001, "statement_error")
        assert said in answer.json()["message"]
        assert answer.json()["statementText"].endswith(";")


def test_ordinary_sql_reaches_no_file(served: Served) -> None:
    functions = (
        "read_text('/etc/passwd')",
        "read_csv('/etc/passwd')",
        "glob('/*')",
        "'/etc/passwd'",
        "read_blob('/etc/passwd')",
        "pragma_database_list()",
    )
    queries = [
        *(f"SELECT * FROM {function} ORDER BY 1;" for function in functions),
        *(f"WITH a AS (SELECT 1 AS x) SELECT (SELECT content FROM {function}) FROM a;" for function in functions[:2]),
        "WITH a AS (SELECT getenv('HOME') AS x) SELECT * FROM a ORDER BY 1;",
        "WITH a AS (SELECT 1 AS x) SELECT current_setting('temp_directory'), x FROM a ORDER BY 1;",
    ]
    for sql in queries:
        answer = httpx.post(f"{served.url}/query", json={"ksql": sql})
        assert answer.status_code == 400 or "setting" in sql, (sql, answer.text)
        assert "root:" not in answer.text
    for sql in ("COPY processing_log TO '/tmp/x.csv';", "ATTACH '/tmp/x.db';", "INSTALL httpfs;", "SET 'enable_external_access' = 'true';"):
        assert httpx.post(f"{served.url}/ksql", json={"ksql": sql}).status_code == 400


@pytest.mark.parametrize("topic", ["_penstock_commands", "_schemas"])
def test_the_database_s_own_topics_are_closed(served: Served, topic: str) -> None:
    """The first holds connectors' passwords as they were written, and what is written there is the catalog."""
    for sql in (
        f"CREATE STREAM own (v STRING) WITH (KAFKA_TOPIC = '{topic}', VALUE_FORMAT = 'KAFKA', PARTITIONS = 1);",
        f"CREATE STREAM own WITH (KAFKA_TOPIC = '{topic}') AS SELECT * FROM processing_log EMIT CHANGES;",
        f"CREATE SINK CONNECTOR own WITH ('connector.class' = 'HttpSink', 'topics' = '{topic}', 'http.api.url' = 'http://127.0.0.1:9');",
    ):
        assert "is the database's own" in served.refused(sql)["message"], sql
    for sql in (f"PRINT {topic} FROM BEGINNING LIMIT 1;", f"PRINT '{topic}' FROM BEGINNING;"):
        answer = httpx.post(f"{served.url}/query", json={"ksql": sql})
        assert (answer.status_code, "is the database's own" in answer.text) == (400, True)


def test_no_connector_writes_to_the_database_s_own_topics(serve: Serve) -> None:
    server = serve()
    server.ksql(
        "CREATE SOURCE CONNECTOR own WITH ('connector.class' = 'DatagenSource', 'quickstart' = 'users', 'kafka.topic' = '_penstock_commands');"
    )
    deadline = time.monotonic() + 20
    while "is the database's own" not in json.dumps(server.ksql("DESCRIBE CONNECTOR own;")):
        assert time.monotonic() < deadline
        time.sleep(0.02)  # it fails at its first record


# ---------------------------------------------------------------------------------------------- push queries


def test_settings_before_and_beside_a_query(served: Served) -> None:
    served.ksql("CREATE STREAM latest1 (n INT) WITH (KAFKA_TOPIC = 'latest1', VALUE_FORMAT = 'JSON', PARTITIONS = 1);")
    served.insert("latest1", {"n": 1})
    sql = "SELECT n FROM ${name} EMIT CHANGES;"
    variables = {"sessionVariables": {"name": "latest1"}}
    for body in (
        {"sql": sql, "properties": {"auto.offset.reset": "latest"}, **variables},
        {"ksql": sql, "streamsProperties": {"ksql.streams.auto.offset.reset": "latest"}, **variables},
        {"ksql": f"SET 'auto.offset.reset' = 'latest'; {sql}", **variables},
    ):
        with stream(f"{served.url}/query-stream", body) as lines:
            next(lines)
            served.insert("latest1", {"n": 2})
            assert next(lines) == "[2]"
    wrong = httpx.post(f"{served.url}/query", json={"ksql": sql, "streamsProperties": {"auto.offset.reset": "never"}})
    assert (wrong.status_code, wrong.json()["error_code"]) == (400, 40000)


@pytest.mark.parametrize("two", [False, True])
def test_ten_push_queries_at_once(served: Served, two: bool) -> None:
    name = f"ten{two:d}"
    served.ksql(f"CREATE STREAM {name} (n INT) WITH (KAFKA_TOPIC = '{name}', VALUE_FORMAT = 'JSON', PARTITIONS = 1);")
    begun = threading.Barrier(11)

    def listen(number: int) -> list[str]:
        with stream(f"{served.url}/query-stream", {"sql": f"SELECT n FROM {name} WHERE n >= {number} EMIT CHANGES LIMIT 5;"}, two=two) as lines:
            next(lines)
            begun.wait(30)
            return list(lines)

    with ThreadPoolExecutor(10) as pool:
        asked = [pool.submit(listen, number) for number in range(10)]
        begun.wait(30)
        served.insert(name, *({"n": n} for n in range(20)))
        for number, each in enumerate(asked):
            assert each.result(30) == [f"[{n}]" for n in range(number, number + 5)]


def test_push_queries_over_one_connection(served: Served) -> None:
    served.ksql("CREATE STREAM shared1 (n INT) WITH (KAFKA_TOPIC = 'shared1', VALUE_FORMAT = 'JSON', PARTITIONS = 1);")
    with httpx.Client(http1=False, http2=True, timeout=30) as client:
        url, body = f"{served.url}/query-stream", {"sql": "SELECT n FROM shared1 EMIT CHANGES;"}
        with client.stream("POST", url, json=body) as one, client.stream("POST", url, json=body) as two:
            first, second = one.iter_lines(), two.iter_lines()
            assert next(first) != next(second)  # ids of their own
            served.insert("shared1", {"n": 1})
            assert (next(first), next(second)) == ("[1]", "[1]")


def test_a_push_query_ends_when_the_client_goes(served: Served) -> None:
    served.ksql("CREATE STREAM left1 (n INT) WITH (KAFKA_TOPIC = 'left1', VALUE_FORMAT = 'JSON', PARTITIONS = 1);")
    for two in (False, True):
        with stream(f"{served.url}/query-stream", {"sql": "SELECT n FROM left1 EMIT CHANGES;"}, two=two) as lines:
            name = json.loads(next(lines))["queryId"]
        deadline = time.monotonic() + 20
        while (closed := httpx.post(f"{served.url}/close-query", json={"queryId": name})).status_code == 200:
            assert time.monotonic() < deadline, "the query is still being answered"
        assert closed.json()["error_code"] == 40000


def test_close_query(served: Served) -> None:
    served.ksql("CREATE STREAM closed1 (n INT) WITH (KAFKA_TOPIC = 'closed1', VALUE_FORMAT = 'JSON', PARTITIONS = 1);")
    with stream(f"{served.url}/query-stream", {"sql": "SELECT n FROM closed1 EMIT CHANGES;"}) as lines:
        name = json.loads(next(lines))["queryId"]
        assert httpx.post(f"{served.url}/close-query", json={"queryId": name}).status_code == 200
        assert list(lines) == []
    for body in ({"queryId": name}, {"queryId": 3}, {}):
        answer = httpx.post(f"{served.url}/close-query", json=body)
        assert (answer.status_code, answer.json()["error_code"]) == (400, 40000)
    with stream(f"{served.url}/query", {"ksql": "SELECT n FROM closed1 EMIT CHANGES;"}, accept=V1) as lines:
        head = next(lines)
        httpx.post(f"{served.url}/close-query", json={"queryId": json.loads(head[1:-1])["header"]["queryId"]})
        assert list(lines) == ['{"finalMessage":"Query Completed"}]']


def test_a_slow_reader_waits_for_itself_alone(served: Served) -> None:
    """A client that reads nothing keeps neither the others waiting nor rows in memory: its query stands until it reads on."""
    served.ksql("CREATE STREAM slow1 (n INT, text STRING) WITH (KAFKA_TOPIC = 'slow1', VALUE_FORMAT = 'JSON', PARTITIONS = 1);")
    rows = 40_000
    for start in range(0, rows, 10_000):
        served.insert("slow1", *({"n": n, "text": "x" * 400} for n in range(start, start + 10_000)))
    body = json.dumps({"sql": f"SELECT n, text FROM slow1 EMIT CHANGES LIMIT {rows};"}).encode()
    address = urlsplit(served.url)
    with socket.create_connection((address.hostname or "", address.port or 0)) as slow:
        slow.sendall(b"POST /query-stream HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        assert slow.recv(15) == b"HTTP/1.1 200 \r\n"
        assert len(served.ask("SELECT n FROM slow1 EMIT CHANGES LIMIT 30000;")) == 30_001
        with open(f"/proc/{served.process.pid}/statm") as file:
            before = int(file.read().split()[1])
        received = bytearray()
        while b"0\r\n\r\n" not in received[-5:]:
            part = slow.recv(1 << 20)
            assert part
            received += part
        with open(f"/proc/{served.process.pid}/statm") as file:
            after = int(file.read().split()[1])
    assert received.count(b"x" * 400) >= rows - 100  # some are cut by the chunks
    assert (after - before) * 4096 < 200e6


def everything(connection: socket.socket) -> bytes:
    """What comes until the server closes the connection."""
    connection.settimeout(30)
    return b"".join(iter(lambda: connection.recv(65536), b""))


ENDLESS = "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT COUNT(*) FROM t;"


def test_a_query_that_never_ends_holds_up_nobody(serve: Serve) -> None:
    """Others are answered meanwhile, and it is ended when its client goes; or with the server."""
    server = serve()
    server.ksql("CREATE STREAM many (n INT) WITH (KAFKA_TOPIC = 'many', VALUE_FORMAT = 'JSON', PARTITIONS = 1);")
    server.insert("many", {"n": 1})

    def processor_s() -> float:
        ticks = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")

    for two in (False, True):
        with httpx.Client(http1=not two, http2=two) as client, ThreadPoolExecutor(1) as pool:
            asked = pool.submit(client.post, f"{server.url}/query", json={"ksql": ENDLESS}, timeout=1.5)
            for _ in range(3):
                assert server.ask("SELECT n FROM many;")[1:] == [[1]]
            with pytest.raises(httpx.TimeoutException):
                asked.result()
    deadline, idle = time.monotonic() + 30, False
    while not idle:
        assert time.monotonic() < deadline, "the query goes on though its client has gone"
        before = processor_s()
        time.sleep(0.5)  # that nothing happens shows only over a time
        idle = processor_s() - before < 0.1
    address = urlsplit(server.url)
    for path, sql in (("query", ENDLESS), ("ksql", "ASSERT TOPIC nowhere TIMEOUT 1 HOURS;")):
        waiting = socket.create_connection((address.hostname or "", address.port or 0))
        body = json.dumps({"ksql": sql}).encode()
        waiting.sendall(b"POST /%b HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (path.encode(), len(body), body))
        assert server.ask("SELECT n FROM many;")[1:] == [[1]]
        if path == "ksql":
            server.process.send_signal(signal.SIGTERM)
            assert b"the server stops" in everything(waiting)
        else:
            waiting.shutdown(socket.SHUT_RDWR)
        waiting.close()
    assert server.stop(None) == (0, "")


def test_a_server_that_stops_ends_what_computes(serve: Serve) -> None:
    server = serve()
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname or "", address.port or 0)) as waiting:
        body = json.dumps({"ksql": ENDLESS}).encode()
        waiting.sendall(b"POST /query HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        assert httpx.get(f"{server.url}/info").status_code == 200
        server.process.send_signal(signal.SIGTERM)
        assert b"the server stops" in everything(waiting)
    assert server.stop(None) == (0, "")


def test_sigterm_in_the_middle(serve: Serve) -> None:
    """Streams end whole, and the process by itself, whatever is under way."""
    server = serve()
    server.ksql("CREATE STREAM mid (n INT) WITH (KAFKA_TOPIC = 'mid', VALUE_FORMAT = 'JSON', PARTITIONS = 1);")
    server.insert("mid", {"n": 1})
    sql = "SELECT n FROM mid EMIT CHANGES;"
    address = f"{server.url.replace('http', 'ws')}/ws/query?request={quote(json.dumps({'ksql': sql}))}"
    with (
        stream(f"{server.url}/query-stream", {"sql": sql}, two=True) as two,
        stream(f"{server.url}/query", {"ksql": sql}, two=False, accept=V1) as one,
        websockets.sync.client.connect(address) as talking,
    ):
        assert [next(two), next(two)][1] == "[1]"
        assert [next(one), next(one)][1] == '{"row":{"columns":[1]}},'
        assert [talking.recv(30), talking.recv(30)][1] == '{"row":{"columns":[1]}}'
        server.process.send_signal(signal.SIGTERM)
        assert list(two) == []
        assert list(one) == ['{"finalMessage":"The server stops."}]']
        with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:
            talking.recv(30)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
    assert server.stop(None) == (0, "")


# ---------------------------------------------------------------------------------------------- WebSockets


def test_a_query_over_a_websocket(served: Served) -> None:
    served.ksql("CREATE STREAM socket1 (n INT) WITH (KAFKA_TOPIC = 'socket1', VALUE_FORMAT = 'JSON', PARTITIONS = 1);")
    served.insert("socket1", {"n": 1}, {"n": 2})

    def address(request: str) -> str:
        return f"{served.url.replace('http', 'ws')}/ws/query?request={quote(request)}"

    with websockets.sync.client.connect(address('{"ksql": "SELECT n FROM socket1 EMIT CHANGES LIMIT 2;"}')) as talking:
        assert json.loads(talking.recv(30)) == [{"name": "N", "schema": {"type": "INTEGER", "fields": None, "memberSchema": None}}]
        assert [talking.recv(30), talking.recv(30)] == ['{"row":{"columns":[1]}}', '{"row":{"columns":[2]}}']
        with pytest.raises(ConnectionClosedOK) as closed:
            talking.recv(30)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1000, "Limit Reached")
    for request, code in (("", 40000), ("[]", 40000), ('{"ksql": "SELECT nope FROM socket1;"}', 40001), ('{"ksql": "DROP STREAM socket1;"}', 40001)):
        with websockets.sync.client.connect(address(request)) as talking:
            assert json.loads(talking.recv(30))["error_code"] == code
    with pytest.raises(InvalidStatus) as refused:
        websockets.sync.client.connect(address("{}"), origin="http://evil.example")  # type: ignore[arg-type]
    assert refused.value.response.status_code == 403


# ---------------------------------------------------------------------------------------------- a client of others


CLIENT = """
import json, sys, ksqldb
client = ksqldb.KSQLdbClient(sys.argv[1])
client.ksql("CREATE STREAM client1 (id STRING KEY, n INT) WITH (KAFKA_TOPIC = 'client1', VALUE_FORMAT = 'JSON', PARTITIONS = 1);")
names = [each["name"] for each in client.get_properties()]
acks = client.inserts_stream("client1", [{"id": "a", "n": 1}, {"id": "b", "n": 2}])
print(json.dumps([names, acks, client.query_sync("SELECT id, n FROM client1;")]))
"""


def test_a_client_that_others_wrote(served: Served) -> None:
    """The package `ksqldb`, in a process of its own: it leaves its connections open."""
    ended = subprocess.run([sys.executable, "-c", CLIENT, served.url], capture_output=True, text=True, check=True)
    names, acks, (head, *rows) = json.loads(ended.stdout)
    assert "auto.offset.reset" in names
    assert acks == [{"status": "ok", "seq": 0}, {"status": "ok", "seq": 1}]
    assert (head["columnNames"], rows) == (["ID", "N"], [["a", 1], ["b", 2]])
