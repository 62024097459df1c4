"""/inserts-stream: rows in, acknowledgements out."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

import h2.connection
import h2.events
import httpx
import pytest
from tests.server.conftest import Served


def test_each_row_is_acknowledged_by_itself(served: Served) -> None:
    served.ksql("CREATE STREAM acks1 (id STRING KEY, n INT, t TIMESTAMP) WITH (KAFKA_TOPIC = 'acks1', VALUE_FORMAT = 'JSON', PARTITIONS = 1);")
    rows: list[tuple[str, str]] = [
        ('{"id": "a", "n": 1}', ""), ('{"id": "a", "n": "one"}', 'N: "one" is no INTEGER.'), ("nonsense", "The row is not JSON"),
        ('["a"]', "The row is no JSON object."), ('{"m": 1}', "ACKS1 has no column m. It has: ID, N, T."), ('{"n": 4000000000}', "N: "),
        ('{"ROWTIME": -5}', "before 1970"), ('{"t": "yesterday"}', "is no TIMESTAMP"), ('{"`N`": 7, "rowtime": 12345}', ""),
        ('{"n": true}', "is no INTEGER"),
    ]  # fmt: skip
    answer = httpx.post(f"{served.url}/inserts-stream", content="\n".join(['{"target": "ACKS1"}', *(row for row, _ in rows)]))
    acks = [json.loads(line) for line in answer.text.splitlines()]
    assert [ack["seq"] for ack in acks] == list(range(len(rows)))
    for ack, (row, said) in zip(acks, rows, strict=True):
        assert ack["status"] == ("error" if said else "ok"), row
        assert said in ack.get("message", ""), row
    assert served.ask("SELECT id, n, ROWTIME AS at FROM acks1 WHERE n = 7;")[1:] == [[None, 7, 12345]]
    for body, said in (("", "is no JSON object"), ("{}", "names no 'target'"), ('{"target": "nowhere"}', "no stream or table nowhere")):
        refused = httpx.post(f"{served.url}/inserts-stream", content=body)
        assert (refused.status_code, refused.json()["error_code"] // 100) == (400, 400)
        assert said in refused.json()["message"]
    too_long = httpx.post(f"{served.url}/inserts-stream", content='{"target": "acks1"}\n{"id": "' + "x" * 1_100_000 + '"}')
    assert json.loads(too_long.text)["error_code"] == 41300


@pytest.mark.parametrize("two", [False, True])
def test_rows_are_acknowledged_while_more_are_sent(served: Served, two: bool) -> None:
    """The next row is sent when the one before it is acknowledged: nothing waits for the end of the request."""
    name = f"duplex{two:d}"
    served.ksql(f"CREATE STREAM {name} (n INT) WITH (KAFKA_TOPIC = '{name}', VALUE_FORMAT = 'JSON', PARTITIONS = 1);")
    if two:
        _duplex_two(served, name)
        return
    address = urlsplit(served.url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=30) as talking:
        talking.sendall(b"POST /inserts-stream HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")

        def send(line: bytes) -> None:
            talking.sendall(b"%x\r\n%b\r\n" % (len(line), line))

        send(json.dumps({"target": name}).encode() + b"\n")
        received = b""
        for number in range(3):
            send(b'{"n": %d}\n' % number)
            while b'"seq":%d' % number not in received:
                received += talking.recv(1000)
        talking.sendall(b"0\r\n\r\n")
        while not received.endswith(b"0\r\n\r\n"):
            received += talking.recv(1000)
    assert served.ask(f"SELECT n FROM {name};")[1:] == [[0], [1], [2]]


def _duplex_two(served: Served, name: str) -> None:
    """The same over HTTP/2, frame by frame."""
    address = urlsplit(served.url)
    connection = h2.connection.H2Connection()
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=30) as talking:
        connection.initiate_connection()
        headers = [(":method", "POST"), (":path", "/inserts-stream"), (":scheme", "http"), (":authority", "localhost")]
        connection.send_headers(1, headers)
        connection.send_data(1, json.dumps({"target": name}).encode() + b"\n")
        received, ended = b"", False

        def receive() -> None:
            nonlocal received, ended
            talking.sendall(connection.data_to_send())
            for event in connection.receive_data(talking.recv(65536)):
                if isinstance(event, h2.events.DataReceived):
                    received += event.data or b""
                ended |= isinstance(event, h2.events.StreamEnded)

        for number in range(3):
            connection.send_data(1, b'{"n": %d}\n' % number)
            while b'"seq":%d' % number not in received:
                receive()
        connection.end_stream(1)
        while not ended:
            receive()
    assert served.ask(f"SELECT n FROM {name};")[1:] == [[0], [1], [2]]
