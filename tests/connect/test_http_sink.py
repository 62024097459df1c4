"""The HTTP sink against a real server that fails on purpose."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path

import pytest
from tests.connect.json_records import runtime_over, send
from tests.connect.web_server import Answer, Request, WebServer

from penstock.connect.runtime import ConnectRuntime
from penstock.errors import ConfigError
from penstock.log.protocol import Log

Start = Callable[..., None]


def done(runtime: ConnectRuntime) -> None:
    assert runtime.wait_idle(10), runtime.statuses()


def test_a_template_cannot_be_broken_by_data(
    log: Log, web: WebServer, runtime: ConnectRuntime, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_ID", '12"3')
    nasty = 'dry", "admin": true, "x": "{ID} ${env:CHAT_ID} \\ \n é'
    send(log, "alerts", [{"MESSAGE": nasty, "N": 121, "L": [1, {"a": None}]}])
    shape = {"chat_id": "${env:CHAT_ID}", "text": "{message}!", "n": "{N:json}", "l": "{L:json}", "as_text": "{N}", "brace": "{{}}", "k": 1}
    start(body_template=json.dumps(shape))
    done(runtime)
    assert json.loads(web.requests[0].body) == {
        "chat_id": '12"3', "text": nasty + "!", "n": 121, "l": [1, {"a": None}], "as_text": "121", "brace": "{}", "k": 1,
    }  # fmt: skip
    assert web.requests[0].headers["Content-Type"] == "application/json"
    assert web.requests[0].method == "POST"


def test_record_fields_and_missing_columns_in_a_text_body(log: Log, web: WebServer, runtime: ConnectRuntime, start: Start) -> None:
    send(log, "alerts", [{"A": None}])
    start(body_template="{topic}/{partition}/{offset}/{timestamp}/{key}/{A}/{B}", request_method="PUT")
    done(runtime)
    assert (web.requests[0].method, web.requests[0].body) == ("PUT", b"alerts/0/0/1000/0//")


def test_a_url_template_encodes_values(log: Log, web: WebServer, runtime: ConnectRuntime, start: Start) -> None:
    send(log, "alerts", [{"NAME": "../a b?x=1"}])
    start(http_api_url=web.url + "/plants/{NAME}/${key}?t=${topic}")
    done(runtime)
    assert web.requests[0].path == "/plants/..%2Fa%20b%3Fx%3D1/0?t=alerts"


def test_the_struct_text_and_the_regex_replacements_of_the_talk(log: Log, web: WebServer, runtime: ConnectRuntime, start: Start) -> None:
    send(log, "alerts", [{"PLANT": None, "MESSAGE": "Cyril looks dry...", "LOW_READING_COUNT": 121}])
    start(
        headers="Content-Type: application/json|X-Room: kitchen",
        regex_patterns=r"^Struct\{MESSAGE=(.*),LOW_READING_COUNT=(\d+)\}$~dry",
        regex_replacements=r'{"chat_id": "1", "text": "$1", "n": \$$2}~thirsty',
    )
    done(runtime)
    assert web.requests[0].body == b'{"chat_id": "1", "text": "Cyril looks thirsty...", "n": $121}'
    assert web.requests[0].headers["Content-Type"] == "application/json"
    assert web.requests[0].headers["X-Room"] == "kitchen"


def test_batches_of_json_are_arrays(log: Log, web: WebServer, runtime: ConnectRuntime, start: Start) -> None:
    send(log, "alerts", [{"N": number} for number in range(7)])
    start(request_body_format="json", batch_max_size="3")
    done(runtime)
    assert [json.loads(request.body) for request in web.requests] == [[{"N": 0}, {"N": 1}, {"N": 2}], [{"N": 3}, {"N": 4}, {"N": 5}], [{"N": 6}]]
    assert runtime.status("pager").tasks[0].delivered == 7


def test_batches_of_text(log: Log, web: WebServer, runtime: ConnectRuntime, start: Start) -> None:
    send(log, "alerts", [{"N": 1}, {"N": 2}])
    start(body_template="{N}", batch_max_size="10", batch_prefix="<", batch_separator=";", batch_suffix=">")
    done(runtime)
    assert [request.body for request in web.requests] == [b"<1;2>"]


@pytest.mark.parametrize(
    "failure", [Answer(500), Answer(503, {"Retry-After": "0"}), Answer(429, {"Retry-After": "0"}), Answer(408), Answer(hang_up=True)]
)
def test_what_passes_is_tried_again(failure: Answer, log: Log, web: WebServer, runtime: ConnectRuntime, start: Start) -> None:
    web.answers.extend([failure, failure])
    send(log, "alerts", [{"N": 1}, {"N": 2}])
    start(body_template="{N}")
    done(runtime)
    bodies = [request.body for request in web.requests]
    assert bodies == [b"1", b"2"] if failure.hang_up else bodies == [b"1", b"1", b"1", b"2"]
    assert runtime.status("pager").state == "RUNNING"


@pytest.mark.parametrize("headers", [{"Retry-After": "1"}, {"Retry-After": "date"}, {}])
def test_retry_after_is_obeyed(headers: dict[str, str], log: Log, web: WebServer, runtime: ConnectRuntime, start: Start) -> None:
    """In seconds, as a date, and in Telegram's body."""
    if headers.get("Retry-After") == "date":
        headers = {"Retry-After": formatdate(time.time() + 2, usegmt=True)}
    web.answers.append(Answer(429, headers, b'{"ok": false, "parameters": {"retry_after": 1}}'))
    send(log, "alerts", [{"N": 1}])
    began = time.monotonic()
    start()
    web.wait_for(2)
    assert time.monotonic() - began > 0.9


def test_an_outage_fails_the_task_which_comes_back_and_loses_nothing(log: Log, web: WebServer, runtime: ConnectRuntime, start: Start) -> None:
    web.otherwise = Answer(503)
    send(log, "alerts", [{"N": n} for n in range(20)])
    start(body_template="{N}", max_retries="1", errors_tolerance="all")
    web.wait_for(6)
    status = runtime.status("pager")
    assert "503" in status.tasks[0].reason
    assert status.tasks[0].delivered == 0
    web.otherwise = Answer()
    done(runtime)
    web.requests[:] = [r for r in web.requests if r.body != b"0"]
    assert [r.body for r in web.requests] == [str(n).encode() for n in range(1, 20)]
    assert runtime.status("pager").tasks[0].delivered == 20
    assert log.end_offset("dlq-pager", 0) == 0


def test_a_refused_record_goes_to_the_dead_letters_with_the_reason(log: Log, web: WebServer, runtime: ConnectRuntime, start: Start) -> None:
    web.decide = lambda request: Answer(400, body=b"chat not\nfound") if b"bad" in request.body else Answer()
    send(log, "alerts", [{"T": "a"}, {"T": "bad"}, b"{broken", {"T": "b"}])
    start(request_body_format="json", batch_max_size="10", errors_tolerance="all")
    done(runtime)
    delivered = [json.loads(r.body) for r in web.requests if b"bad" not in r.body]
    assert delivered == [[{"T": "a"}], [{"T": "b"}]], "the batch's good record is delivered by itself"
    letters = log.read("dlq-pager", 0, 0).to_pylist()
    assert [letter["value"] for letter in letters] == [b'{"T": "bad"}', b"{broken"]
    headers = [{h["key"].removeprefix("__connect.errors."): h["value"].decode() for h in letter["headers"]} for letter in letters]
    assert headers[0]["topic"] == "alerts"
    assert headers[0]["offset"] == "1"
    assert headers[0]["connector.name"] == "pager"
    assert headers[0]["stage"] == "TASK_PUT"
    assert "answered 400 Bad Request: chat not found" in headers[0]["exception.message"]
    assert headers[1]["stage"] == "VALUE_CONVERTER"
    assert "not JSON" in headers[1]["exception.message"]
    assert runtime.status("pager").tasks[0].refused == 2
    assert log.committed("connect-pager") == {("alerts", 0): 4}


def test_without_tolerance_a_refused_record_fails_the_task(log: Log, web: WebServer, runtime: ConnectRuntime, start: Start) -> None:
    web.otherwise = Answer(404)
    send(log, "alerts", [{"N": 1}])
    start()
    web.wait_for(2)  # it has failed and tried again
    reason = runtime.status("pager").tasks[0].reason
    assert "alerts-0@0" in reason
    assert "404" in reason
    assert log.committed("connect-pager") == {}
    assert log.topic("dlq-pager") is None


def test_not_let_in_is_not_the_records_fault(log: Log, web: WebServer, runtime: ConnectRuntime, start: Start) -> None:
    web.answers.append(Answer(401))
    send(log, "alerts", [{"N": 1}])
    start(errors_tolerance="all")
    web.wait_for(2)
    done(runtime)
    assert log.end_offset("dlq-pager", 0) == 0
    assert runtime.status("pager").tasks[0].delivered == 1


@pytest.mark.parametrize(("behavior", "method"), [("ignore", None), ("delete", "DELETE")])
def test_tombstones(behavior: str, method: str | None, log: Log, web: WebServer, runtime: ConnectRuntime, start: Start) -> None:
    send(log, "alerts", [{"N": 1}, None, {"N": 2}])
    start(behavior_on_null_values=behavior, http_api_url=web.url + "/${key}", batch_max_size="5")
    done(runtime)
    expected = [("POST", "/0"), ("DELETE", "/1"), ("POST", "/2")] if method else [("POST", "/0"), ("POST", "/2")]
    assert [(r.method, r.path) for r in web.requests] == expected


def test_a_tombstone_may_be_refused(log: Log, runtime: ConnectRuntime, start: Start) -> None:
    send(log, "alerts", [None])
    start(behavior_on_null_values="fail", errors_tolerance="all")
    done(runtime)
    assert log.end_offset("dlq-pager", 0) == 1


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"auth_type": "basic", "connection_user": "dani", "connection_password": "s3cret"}, "Basic " + base64.b64encode(b"dani:s3cret").decode()),
        ({"auth_type": "bearer", "auth_bearer_token": "t0ken"}, "Bearer t0ken"),
    ],
)
def test_authentication(options: dict[str, str], expected: str, log: Log, web: WebServer, runtime: ConnectRuntime, start: Start) -> None:
    send(log, "alerts", [{"N": 1}])
    start(**options)
    done(runtime)
    assert web.requests[0].headers["Authorization"] == expected
    assert "s3cret" not in str(runtime.status("pager"))
    assert "t0ken" not in str(runtime.status("pager"))


def test_secrets_never_leave(
    log: Log, web: WebServer, runtime: ConnectRuntime, start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A token from a file, in the address, echoed by the server: it is in no status, log line or dead letter."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "bot.properties").write_text("# the bot\nTOKEN = 123:abcDEF\n")

    def echo(request: Request) -> Answer:
        return Answer(400, body=f"no such path {request.path}".encode())

    web.decide = echo
    send(log, "alerts", [{"N": 1}])
    start(http_api_url=web.url + f"/bot${{file:{tmp_path}/secrets/bot.properties:TOKEN}}/send", errors_tolerance="all")
    done(runtime)
    assert web.requests[0].path == "/bot123:abcDEF/send"
    letter = str(log.read("dlq-pager", 0, 0).to_pylist())
    assert "no such path /bot[hidden]/send" in letter
    everything = letter + caplog.text + str(runtime.statuses())
    assert "abcDEF" not in everything
    assert "bot.properties:TOKEN" in str(runtime.statuses()), "what is shown is the reference"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"http.api.url": "ftp://x"}, "not the address of a web server"),
        ({"htp.api.url": "http://x"}, "no option 'htp.api.url'. Did you mean 'http.api.url'"),
        ({"request.method": "GET"}, "cannot be 'GET'. It is one of: post, put, patch, delete"),
        ({"body.template": '{"a": {B}}'}, "'body.template' is not JSON"),
        ({"body.template": '{"a": "{NO_SUCH}"}'}, "asks for {NO_SUCH}, but the records have no such column. They have: ID, MESSAGE"),
        ({"body.template": "a } b"}, "holds a single '}'"),
        ({"batch.max.size": "0"}, "is at least 1, not 0"),
        ({"batch.max.size": "many"}, "is a whole number"),
        ({"batch.json.as.array": "yes"}, "is true or false"),
        ({"regex.patterns": "a~b", "regex.replacements": "c"}, "holds 2 and 'regex.replacements' 1 parts"),
        ({"regex.patterns": "(", "regex.replacements": "c"}, "no regular expression"),
        ({"headers": "nonsense"}, "without a colon"),
        ({"auth.type": "basic"}, "needs 'connection.user'"),
        ({"auth.type": "bearer", "auth.bearer.token": "${env:NO_SUCH_VARIABLE_HERE}"}, "NO_SUCH_VARIABLE_HERE, which is not set"),
        ({"http.api.url": "http://x/${file:/etc/passwd:root}"}, "outside the allowed folders"),
        ({"topics": ""}, "needs the option 'topics'"),
        ({"connector.class": "Htp"}, "no connector of the class 'Htp'"),
    ],
)
def test_mistakes_are_told_before_anything_starts(options: dict[str, str], complaint: str, log: Log, tmp_path: Path) -> None:
    columns = frozenset({"ID", "MESSAGE"})
    runtime = runtime_over(log, columns, secret_folders=[tmp_path])
    properties = {"connector.class": "io.confluent.connect.http.HttpSinkConnector", "topics": "alerts", "http.api.url": "http://x"}
    with pytest.raises(Exception, match=complaint.replace("{", r"\{").replace("}", r"\}").replace(".", r"\.").replace("?", r"\?")):
        runtime.check("SINK", "pager", properties | options)
    foreign = {"confluent.topic.bootstrap.servers": "x", "value.converter": "StringConverter"}
    runtime.check("SINK", "pager", properties | foreign | {"body.template": '{"t": "{message}"}'})


def test_what_must_be_given() -> None:
    from penstock.connect.connectors.http_sink import DEFINITION
    from penstock.connect.options import parse_options
    from penstock.connect.secrets import Secrets

    with pytest.raises(ConfigError, match=r"needs the option 'http\.api\.url'"):
        parse_options(DEFINITION.all_options, {"connector.class": "HttpSink", "topics": "a"}, Secrets())
