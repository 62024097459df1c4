"""The HTTP source against a real server that fails on purpose."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.connect.source_context import Context, open_source, polled
from tests.connect.web_server import Answer, Request, WebServer

import penstock
from penstock.connect.connectors import http_source
from penstock.connect.contract import RetriableError, Source
from penstock.connect.records import SourceRecord
from penstock.errors import ConfigError, ConnectorError

Open = Callable[..., Source]
CSV = b"date,time,name,capacity,empty\r\n2020-10-14,12:28,Broadway,1132,921\r\n2020-10-14,12:28,Kirkgate Centre,611,474\r\n"


@pytest.fixture
def context() -> Context:
    return Context()


@pytest.fixture
def opened(web: WebServer, context: Context) -> Iterator[Open]:
    """Open the source on the server; keyword arguments are options, with `_` for the dot. Polls come at once."""
    sources: list[Source] = []

    def open_it(context: Context = context, **options: str) -> Source:
        properties = {"url": web.url, "topic.name.pattern": "news", "request.interval.ms": "1"} | {n.replace("_", "."): t for n, t in options.items()}
        sources.append(open_source("HttpSource", properties, context))
        return sources[-1]

    yield open_it
    for source in sources:
        source.close()


def values(records: list[SourceRecord]) -> list[Any]:
    return [record.value for record in records]


def read(opened: Open, web: WebServer, context: Context, body: bytes, **options: str) -> list[SourceRecord]:
    web.otherwise = Answer(body=body)
    return polled(opened(**options), context)


# ---------------------------------------------------------------------------------------------- what an answer holds


def test_csv_rows_as_they_stand(opened: Open, web: WebServer, context: Context) -> None:
    records = read(opened, web, context, CSV, response_format="csv", record_key_field="name")
    assert values(records) == ["2020-10-14,12:28,Broadway,1132,921", "2020-10-14,12:28,Kirkgate Centre,611,474"]
    assert [(r.topic, r.key) for r in records] == [("news", "Broadway"), ("news", "Kirkgate Centre")]


def test_csv_rows_in_quotes_go_over_lines(opened: Open, web: WebServer, context: Context) -> None:
    body = b'Title\n\nname;note\n"a;b";"line 1\nline 2"\n\n c ;d\n'
    records = read(opened, web, context, body, response_format="csv", csv_skip_lines="2", csv_delimiter=";")
    assert values(records) == ['"a;b";"line 1\nline 2"', " c ;d"]
    context.positions.clear()
    records = read(opened, web, context, body, response_format="csv", csv_skip_lines="2", csv_delimiter=";", csv_values="struct")
    assert values(records) == [{"name": "a;b", "note": "line 1\nline 2"}, {"name": " c ", "note": "d"}]
    assert str(records[0].value_schema) == "STRUCT<`name` STRING, `note` STRING>"


def test_csv_rows_that_are_wrong(opened: Open, web: WebServer, context: Context) -> None:
    huge = "x" * 200_000
    body = f'a,b\n1,2\n"3\n",4,5\n6,{huge}\n7,8\n'.encode()
    records = read(opened, web, context, body, response_format="csv", csv_values="struct", record_key_field="a")
    assert [r.value for r in records] == [{"a": "1", "b": "2"}, '"3\n",4,5', f"6,{huge}", {"a": "7", "b": "8"}]
    assert [r.key for r in records] == ["1", None, None, "7"]
    assert [bool(r.error) for r in records] == [False, True, True, False]
    assert str(records[1].error).startswith("Line 4 of the answer has 3 columns, but there are names for 2. Set 'csv.columns'")
    assert str(records[2].error).startswith("Line 5 of the answer is no CSV: field larger than field limit")


def test_csv_rows_that_are_wrong_go_to_the_dead_letters(web: WebServer) -> None:
    web.otherwise = Answer(body=b"a\n1\n2,3\n4\n")
    with penstock.connect(":memory:") as db:
        config = {
            "connector.class": "HttpSource", "url": web.url, "topic": "rows", "response.format": "csv", "csv.values": "struct",
            "value.converter": "JsonConverter", "value.converter.schemas.enable": "false", "request.interval.ms": "3600000",
        }  # fmt: skip
        db.create_connector("feed", config)
        while db.connectors.status("feed").state != "FAILED":
            db.connectors.wait_idle(0.05)
        assert db.log.end_offset("rows", 0) == 0
        db.create_connector("feed", config | {"errors.tolerance": "all"})
        assert db.connectors.wait_idle(20)
        assert [row["value"] for row in db.log.read("rows", 0, 0).to_pylist()] == [b'{"a":"1"}', b'{"a":"4"}']
        (letter,) = db.log.read("dlq-feed", 0, 0).to_pylist()
        assert letter["value"] == b"2,3"
        assert any(b"Line 3 of the answer has 2 columns" in header["value"] for header in letter["headers"])


def test_csv_without_a_header(opened: Open, web: WebServer, context: Context) -> None:
    records = read(opened, web, context, b"1\t2\n3\n", response_format="csv", csv_has_header="false", csv_delimiter="tab", csv_values="struct")
    assert values(records) == [{"COLUMN1": "1", "COLUMN2": "2"}, {"COLUMN1": "3"}]
    named = {"csv_has_header": "false", "csv_columns": "a, b", "csv_delimiter": "tab", "csv_values": "struct", "record_key_field": "a"}
    context.positions.clear()
    records = read(opened, web, context, b"1\t2\n3\n", response_format="csv", **named)
    assert values(records) == [{"a": "1", "b": "2"}, {"a": "3", "b": None}]
    assert [r.key for r in records] == ["1", "3"]


@pytest.mark.parametrize(("head", "option"), [({"Content-Type": "text/csv; charset=ISO-8859-1"}, {}), ({}, {"response_encoding": "latin-1"})])
def test_the_character_set(opened: Open, web: WebServer, context: Context, head: dict[str, str], option: dict[str, str]) -> None:
    web.otherwise = Answer(body="café\n".encode("latin-1"), headers=head)
    assert values(polled(opened(response_format="text", **option), context)) == ["café"]


def test_a_byte_order_mark_is_no_text(opened: Open, web: WebServer, context: Context) -> None:
    assert values(read(opened, web, context, b"\xef\xbb\xbfa\n\n b\r\n", response_format="text")) == ["a", " b"]


@pytest.mark.parametrize(
    ("pointer", "expected"),
    [
        ("", [{"data": {"a/b": [{"n": 1}, {"n": None}]}, "none": None}]),
        ("/data/a~1b", [{"n": 1}, {"n": None}]),
        ("/data/a~1b/1", [{"n": None}]),
        ("/none", []),
    ],
)
def test_json_at_a_pointer(opened: Open, web: WebServer, context: Context, pointer: str, expected: list[Any]) -> None:
    body = json.dumps({"data": {"a/b": [{"n": 1}, {"n": None}]}, "none": None}).encode()
    assert values(read(opened, web, context, body, http_response_data_json_pointer=pointer)) == expected


def test_keys_by_name_and_by_pointer(opened: Open, web: WebServer, context: Context) -> None:
    body = b'[{"id": 7, "place": {"code": "L1"}}]'
    assert read(opened, web, context, body, record_key_field="id")[0].key == 7
    context.positions.clear()
    assert read(opened, web, context, body, record_key_field="/place/code")[0].key == "L1"


def test_xml_records(opened: Open, web: WebServer, context: Context) -> None:
    body = b"""<?xml version="1.0" encoding="ISO-8859-1"?><c:city xmlns:c="urn:c"><park id="1"><name>Caf\xe9</name><tag>a</tag><tag>b</tag>
      <space unit="m2">12</space><shut/></park><other><park/></other><park>only text</park></c:city>"""
    assert values(read(opened, web, context, body, response_format="xml", xml_record_path="/city/park")) == [
        {"id": "1", "name": "Café", "tag": ["a", "b"], "space": {"unit": "m2", "text": "12"}, "shut": None},
        "only text",
    ]


def test_xml_cannot_declare_entities(opened: Open, web: WebServer, context: Context) -> None:
    body = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY f SYSTEM "file:///etc/passwd">]><x><y>&a;&f;</y></x>'
    with pytest.raises(ConnectorError, match="DOCTYPE"):
        read(opened, web, context, body, response_format="xml", xml_record_path="x/y")


@pytest.mark.parametrize(
    ("body", "options", "message"),
    [
        (b"<html>", {}, "not JSON"),
        (b"{}", {"http_response_data_json_pointer": "/items"}, "nothing at /items"),
        (b"[1]", {"record_key_field": "id"}, "no field id"),
        (b"<a>", {"response_format": "xml", "xml_record_path": "a"}, "not XML"),
        (b"a,a\n1,2", {"response_format": "csv"}, "names a column twice"),
        (b"\xff", {"response_format": "text"}, "cannot be read as utf-8"),
        (b"x" * 50, {"response_size_max_bytes": "49"}, "larger than 49 bytes"),
    ],
)
def test_answers_of_no_use_say_why(opened: Open, web: WebServer, context: Context, body: bytes, options: dict[str, str], message: str) -> None:
    with pytest.raises(ConnectorError, match=message):
        read(opened, web, context, body, **options)


# ---------------------------------------------------------------------------------------------- what is new in it


def test_an_answer_that_has_not_changed_makes_no_records(opened: Open, web: WebServer, context: Context) -> None:
    """Neither in the next poll, nor after a restart, nor where only what surrounds the records is new."""
    web.answers.extend(Answer(body=json.dumps({"at": n, "rows": [1, 2]}).encode()) for n in range(3))
    web.answers.append(Answer(body=b'{"at": 4, "rows": [1, 3]}'))
    options = {"http_response_data_json_pointer": "/rows"}
    source = opened(**options)
    assert values(polled(source, context, 2)) == [1, 2]
    restarted = opened(**options)
    assert values(polled(restarted, context)) == []
    assert values(polled(restarted, context)) == [1, 3], "all of it, where something is new"


def test_only_rows_that_are_new(opened: Open, web: WebServer, context: Context) -> None:
    web.answers.extend([Answer(body=b'["a", "b"]'), Answer(body=b'["b", "c", "c"]'), Answer(body=b'["c"]'), Answer(body=b'["a", "c"]')])
    source = opened(on_unchanged="rows")
    assert [values(polled(source, context)) for _ in range(2)] == [["a", "b"], ["c", "c"]]
    source = opened(on_unchanged="rows")
    assert [values(polled(source, context)) for _ in range(2)] == [[], ["a"]]


def test_every_answer_where_that_is_wanted(opened: Open, web: WebServer, context: Context) -> None:
    web.otherwise = Answer(body=b"[1]", headers={"ETag": '"x"'})
    assert values(polled(opened(on_unchanged="emit"), context, 3)) == [1, 1, 1]
    assert not any("If-None-Match" in request.headers for request in web.requests)


def test_requests_are_conditional(opened: Open, web: WebServer, context: Context) -> None:
    def decide(request: Request) -> Answer:
        if request.headers.get("If-None-Match") == '"v1"' and request.headers.get("If-Modified-Since") == "Wed, 14 Oct 2020 12:28:00 GMT":
            return Answer(304, body=b"")
        return Answer(body=b"[1]", headers={"ETag": '"v1"', "Last-Modified": "Wed, 14 Oct 2020 12:28:00 GMT"})

    web.decide = decide
    assert values(polled(opened(), context, 2)) == [1]
    assert values(polled(opened(), context, 1)) == [], "the next process knows them too"
    assert [("If-None-Match" in r.headers) for r in web.requests] == [False, True, True]


def test_a_validator_that_moves_is_noted_without_records(opened: Open, web: WebServer, context: Context) -> None:
    web.answers.extend([Answer(body=b"[1]", headers={"ETag": '"1"'}), Answer(body=b"[1]", headers={"ETag": '"2"'})])
    assert values(polled(opened(), context, 2)) == [1]
    assert context.positions[""]["etag"] == '"2"'


@pytest.mark.parametrize("rule", ["skip", "rows", "emit"])
def test_a_long_answer_goes_on_in_the_middle(opened: Open, web: WebServer, context: Context, monkeypatch: pytest.MonkeyPatch, rule: str) -> None:
    monkeypatch.setattr(http_source, "BATCH_MAX", 3)
    web.otherwise = Answer(body=json.dumps(list(range(10))).encode())
    source = opened(on_unchanged=rule)
    assert [values(polled(source, context)) for _ in range(2)] == [[0, 1, 2], [3, 4, 5]]
    restarted = opened(on_unchanged=rule)
    assert [values(polled(restarted, context)) for _ in range(2)] == [[6, 7, 8], [9]]
    assert values(polled(restarted, context)) == ([0, 1, 2] if rule == "emit" else [])
    changed = opened(Context({"": {"digest": "of another answer", "rows": 5}}), on_unchanged=rule)
    assert values(polled(changed, context)) == [0, 1, 2], "where it is another answer, all of it is new"


# ---------------------------------------------------------------------------------------------- offsets and entities


def test_an_offset_that_counts_records(opened: Open, web: WebServer, context: Context) -> None:
    log = [f"n{n}" for n in range(8)]
    web.decide = lambda request: Answer(body=json.dumps(log[int(request.path.rpartition("=")[2]) :][:3]).encode())
    options = {"url": web.url + "/log?from=${offset}", "http_initial_offset": "1"}
    assert values(polled(opened(**options), context, 2)) == log[1:7]
    assert values(polled(opened(**options), context, 2)) == log[7:]
    log.append("n8")
    assert values(polled(opened(**options), context, 1)) == ["n8"]


def test_an_offset_out_of_the_last_record(opened: Open, web: WebServer, context: Context) -> None:
    rows = [{"at": f"2020-10-14T12:0{n}:00+01:00"} for n in range(5)]
    web.decide = lambda request: Answer(body=json.dumps([r for r in rows if r["at"] > json.loads(request.body)["since"]][:2]).encode())
    options = {
        "http_request_method": "post", "http_request_body": '{"since": "${offset}"}', "http_offset_mode": "chaining",
        "http_offset_json_pointer": "/at", "http_initial_offset": "2020",
    }  # fmt: skip
    assert values(polled(opened(**options), context, 1)) == rows[:2]
    assert values(polled(opened(**options), context, 3)) == rows[2:]


def test_pages_with_a_cursor(opened: Open, web: WebServer, context: Context) -> None:
    pages: dict[str, Any] = {"": {"rows": [1, 2], "next": "p 2"}, "p%202": {"rows": [1, 2], "next": None}}
    web.decide = lambda request: Answer(body=json.dumps(pages[request.path.rpartition("=")[2]]).encode())
    options = {
        "url": web.url + "/?page=${offset}", "http_offset_mode": "cursor_pagination", "http_next_page_json_pointer": "/next",
        "http_response_data_json_pointer": "/rows", "on_unchanged": "rows",
    }  # fmt: skip
    assert values(polled(opened(**options), context, 3)) == [1, 2, 1, 2], "a page like the one before it is another page"
    pages["p%202"]["rows"].append(3)
    assert values(polled(opened(**options), context, 2)) == [3]
    pages["p%202"]["next"] = "p3"
    pages["p3"] = {"rows": [4]}
    assert values(polled(opened(**options), context, 3)) == [4]


def test_tasks_divide_the_entities(opened: Open, web: WebServer) -> None:
    web.decide = lambda request: Answer(body=json.dumps([request.path]).encode())
    found = []
    for task in range(2):
        context = Context(task=task, tasks=2)
        source = opened(
            context, url=web.url + "/${entityName}", entity_names="a b,c,d", topic_name_pattern="of-${entityName}", request_interval_ms="60000"
        )
        found.append([(r.topic, r.value) for r in polled(source, context, 3)])
    assert found == [[("of-a b", "/a%20b"), ("of-d", "/d")], [("of-c", "/c")]]


def test_parameters_are_added(opened: Open, web: WebServer, context: Context) -> None:
    read(opened, web, context, b"[]", url=web.url + "/x?a=1", http_request_parameters="b=2 3&c=${offset}", http_initial_offset="7")
    assert web.requests[0].path in ("/x?a=1&b=2+3&c=7", "/x?a=1&b=2%203&c=7")


# ---------------------------------------------------------------------------------------------- by statement


def test_a_councils_csv_in_a_stream_and_its_password_unseen(web: WebServer) -> None:
    import penstock

    web.otherwise = Answer(body=CSV)
    address = web.url.replace("http://", "http://user:s3cret@")
    with penstock.connect(":memory:") as db:
        db.execute(f"""
            CREATE SOURCE CONNECTOR council WITH (
              'connector.class'='io.confluent.connect.http.HttpSourceConnector', 'url'='{address}/carparks.csv', 'kafka.topic'='carparks-raw',
              'response.format'='csv', 'record.key.field'='name', 'request.interval.ms'='50',
              'value.converter'='org.apache.kafka.connect.storage.StringConverter');
            CREATE STREAM carparks (id VARCHAR KEY, date VARCHAR, time VARCHAR, name VARCHAR, capacity INT, empty INT)
              WITH (kafka_topic='carparks-raw', value_format='DELIMITED', key_format='KAFKA');
        """)
        while len(rows := db.query("SELECT id, time, name, capacity, empty FROM carparks;").fetchall()) < 2:
            db.log.watch(db.log.version(), 0.1)
        assert rows == [("Broadway", "12:28", "Broadway", 1132, 921), ("Kirkgate Centre", "12:28", "Kirkgate Centre", 611, 474)]
        web.wait_for(3)
        assert len(db.query("SELECT id FROM carparks;").fetchall()) == 2, "polled again, and nothing new"
        described = str(db.execute("DESCRIBE CONNECTOR council;")[0].rows)
        assert "carparks.csv" in described
        assert "s3cret" not in described


# ---------------------------------------------------------------------------------------------- requests that fail


@pytest.mark.parametrize(("status", "retry_after_s"), [(429, 17.0), (503, 17.0), (500, 17.0)])
def test_what_passes_is_tried_again(opened: Open, web: WebServer, context: Context, status: int, retry_after_s: float) -> None:
    web.answers.append(Answer(status, {"Retry-After": "17"}, b"not now"))
    web.otherwise = Answer(body=b"[1]")
    source = opened()
    with pytest.raises(RetriableError, match=f"answered {status} .*not now") as caught:
        source.poll()
    assert caught.value.retry_after_s == retry_after_s
    assert values(polled(source, context)) == [1]


def test_a_server_that_hangs_up_or_is_not_there(opened: Open, web: WebServer, context: Context) -> None:
    web.answers.append(Answer(hang_up=True))
    with pytest.raises(RetriableError, match=r"GET to 127\.0\.0\.1 failed"):
        opened().poll()
    with pytest.raises(RetriableError, match=r"GET to 127\.0\.0\.1 failed"):
        opened(url="http://127.0.0.1:9").poll()


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_does_not_pass_fails_the_task(opened: Open, web: WebServer, status: int) -> None:
    web.otherwise = Answer(status, body=b"no")
    with pytest.raises(ConnectorError, match=str(status)) as caught:
        opened().poll()
    assert not isinstance(caught.value, RetriableError)


def test_redirections_stay_with_the_host(opened: Open, web: WebServer, context: Context) -> None:
    web.answers.extend([Answer(302, {"Location": "/there"}), Answer(body=b"[1]")])
    assert values(polled(opened(), context)) == [1]
    assert [r.path for r in web.requests] == ["/", "/there"]
    web.answers.append(Answer(302, {"Location": "http://localhost:1/admin"}))
    with pytest.raises(ConnectorError, match="redirected elsewhere"):
        opened().poll()
    web.otherwise = Answer(302, {"Location": "/round"})
    with pytest.raises(ConnectorError, match="too often"):
        opened().poll()


def test_headers_and_authentication(opened: Open, web: WebServer, context: Context) -> None:
    read(opened, web, context, b"[]", http_request_headers="Accept: text/csv|X-Key: 1", auth_type="bearer", bearer_token="abc")
    assert web.requests[0].headers["Accept"] == "text/csv"
    assert web.requests[0].headers["X-Key"] == "1"
    assert web.requests[0].headers["Authorization"] == "Bearer abc"


def test_between_polls_it_waits(opened: Open, web: WebServer, context: Context) -> None:
    web.otherwise = Answer(body=b"[1]")
    source = opened(request_interval_ms="60000")
    polled(source, context, 3)
    assert len(web.requests) == 1
    assert [59 < (wait or 0) <= 60 for wait in context.waits] == [True, True]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": "ftp://x"}, "not the address of a web server"),
        ({"response_format": "xml"}, "needs 'xml.record.path'"),
        ({"response_format": "csv", "csv_delimiter": "::"}, "is one character"),
        ({"url": "http://x/${offset}", "http_offset_mode": "chaining"}, "needs 'http.offset.json.pointer'"),
        ({"url": "http://x/${offset}", "http_offset_mode": "cursor_pagination"}, "needs 'http.next.page.json.pointer'"),
        ({"url": "http://x/${offset}", "http_initial_offset": "x"}, "is a whole number"),
        ({"url": "http://x/${entityName}"}, "no 'entity.names'"),
        ({"headers": "nonsense"}, "without a colon"),
        ({"auth_type": "basic"}, "needs 'connection.user'"),
    ],
)
def test_mistakes_are_found_at_the_start(opened: Open, options: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        opened(**options)
