"""Where the server listens, who may come in, and how it begins and ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests.server.conftest import Serve, Served

from penstock.errors import ConfigError
from penstock.server.authentication import hashed, read_users
from penstock.server.listening import Access, Listener, check, parse_listeners


def test_both_protocols(served: Served) -> None:
    for two in (False, True):
        with httpx.Client(http1=not two, http2=two) as client:
            answer = client.get(f"{served.url}/info")
        assert answer.http_version == ("HTTP/2" if two else "HTTP/1.1")
        assert answer.json()["KsqlServerInfo"]["serverStatus"] == "RUNNING"
    assert httpx.get(f"{served.url}/healthcheck").json()["isHealthy"] is True


@pytest.mark.needs("curl")
def test_curl(served: Served) -> None:
    """As ksqlDB's documentation calls it: a body without a content type of JSON, and either version of HTTP."""
    for version in ("--http1.1", "--http2", "--http2-prior-knowledge"):
        command = ["curl", "-sS", version, "-X", "POST", f"{served.url}/ksql", "-d", '{"ksql": "LIST TYPES;", "streamsProperties": {}}']
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert '"@type":"type_list"' in said


def test_what_is_not_there(served: Served) -> None:
    missing, wrong = httpx.get(f"{served.url}/nowhere"), httpx.get(f"{served.url}/ksql")
    assert (missing.status_code, missing.json()["error_code"]) == (404, 40400)
    assert (wrong.status_code, wrong.json()["error_code"], wrong.headers["allow"]) == (405, 40500, "POST")


# ---------------------------------------------------------------------------------------------- strangers


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8088", "localhost.evil.example", "127.0.0.1.evil.example", "[::1].evil", "@", "a b"])
def test_a_name_that_is_not_this_machine_s_is_refused(served: Served, host: str) -> None:
    answer = httpx.post(f"{served.url}/ksql", json={"ksql": "SHOW STREAMS;"}, headers={"host": host})
    assert answer.status_code in (400, 421)
    assert "streams" not in answer.text


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:9", "[::1]:8088", "penstock.localhost", "localhost."])
def test_names_of_this_machine(served: Served, host: str) -> None:
    assert httpx.get(f"{served.url}/info", headers={"host": host}).status_code == 200


def test_a_further_name(serve: Serve) -> None:
    server = serve("--allow-host", "Streams.example")
    assert httpx.get(f"{server.url}/info", headers={"host": "streams.example:443"}).status_code == 200
    assert httpx.get(f"{server.url}/info", headers={"host": "other.example"}).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:3000"},
        {"origin": "http://["},
        {"sec-fetch-site": "cross-site"},
    ],
)
def test_pages_of_other_origins_are_refused(served: Served, headers: dict[str, str]) -> None:
    answer = httpx.post(f"{served.url}/ksql", content=b'{"ksql": "SHOW STREAMS;"}', headers={"content-type": "text/plain", **headers})
    assert (answer.status_code, answer.json()["error_code"]) == (403, 40300)


def test_a_page_of_the_server_s_own_origin_may(served: Served) -> None:
    assert httpx.get(f"{served.url}/info", headers={"origin": served.url, "sec-fetch-site": "same-origin"}).status_code == 200


# ---------------------------------------------------------------------------------------------- users


@pytest.fixture
def users(tmp_path: Path) -> Path:
    """A users file: ann by a hash, bob by the environment, eve by a file."""
    (tmp_path / "secrets.properties").write_text("eve=of:eve\n")
    path = tmp_path / "users"
    path.write_text(f"# who may\nann:{hashed('of ann')}\n\nbob:${{env:BOBS}}\neve:${{file:{tmp_path}/secrets.properties:eve}}\n")
    return path


def test_who_has_no_password_stays_outside(serve: Serve, users: Path) -> None:
    server = serve("--users", str(users), environment={"BOBS": "of bob"})
    for name, password in (("ann", "of ann"), ("bob", "of bob"), ("eve", "of:eve"), ("ann", "of ann")):
        assert httpx.get(f"{server.url}/info", auth=(name, password)).status_code == 200
    for auth in (None, ("ann", "of bob"), ("ann", ""), ("mallory", "of ann"), ("", "")):
        answer = httpx.post(f"{server.url}/ksql", json={"ksql": "SHOW STREAMS;"}, auth=auth)
        assert (answer.status_code, answer.json()["error_code"]) == (401, 40100)
        assert answer.headers["www-authenticate"].startswith("Basic realm=")
    for header in ("Basic", "Basic !!!", "Basic YW5u", "Bearer x", "Basic " + "A" * 8000):
        assert httpx.get(f"{server.url}/info", headers={"authorization": header}).status_code == 401
    assert httpx.get(f"{server.url}/info", auth=("ann", "of ann"), headers={"host": "any.example"}).status_code == 200
    assert httpx.get(f"{server.url}/info", auth=("ann", "of ann"), headers={"origin": "http://evil.example"}).status_code == 403
    code, errors = server.stop()
    assert (code, errors) == (0, "")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ann", "is not name:password"),
        ("ann:hunter2", "holds no hash"),
        ("ann:scrypt$3$8$1$AAAA$AAAA", "of a cost that is not taken here"),
        ("ann:${env:NOT_SET_ANYWHERE}", "which is not set"),
        ("ann:${file:/etc/passwd:root}", "outside the allowed folders"),
        ("", "names nobody"),
    ],
)
def test_a_users_file_with_a_mistake(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "users"
    path.write_text(line)
    with pytest.raises(ConfigError, match=said) as error:
        read_users(path)
    assert "hunter2" not in str(error.value)


def test_penstock_password_writes_a_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "penstock", "password", "ann"]
    line = subprocess.run(command, input="of ann\n", capture_output=True, text=True, check=True).stdout
    assert "of ann" not in line
    (tmp_path / "users").write_text(line)
    assert read_users(tmp_path / "users").accepts("Basic YW5uOm9mIGFubg==")


# ---------------------------------------------------------------------------------------------- addresses


def test_an_address_that_others_can_reach_needs_users(tmp_path: Path, users: Path) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1", "example.org"):
        with pytest.raises(ConfigError, match=r"can be reached by others.*Name a file of users"):
            check([Listener("ksql", host, 0)], Access())
    command = [sys.executable, "-m", "penstock", "server", "--data", str(tmp_path / "data"), "--listen", "0.0.0.0:0"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("0.0.0.0 can be reached by others")
    assert not (tmp_path / "data").exists()


def test_an_open_address_with_users(serve: Serve, users: Path) -> None:
    server = serve("--users", str(users), "--listen", "0.0.0.0:0", listen=False, environment={"BOBS": "of bob"})
    port = server.url.rpartition(":")[2]
    assert httpx.get(f"http://127.0.0.1:{port}/info").status_code == 401
    assert httpx.get(f"http://127.0.0.1:{port}/info", auth=("ann", "of ann")).status_code == 200
    assert "Passwords come in unencrypted" in server.stop()[1]


def test_listeners() -> None:
    (ksql,) = (each for each in parse_listeners([]) if each.door == "ksql")
    assert ksql == Listener("ksql", "127.0.0.1", 8088)

    def of(*given: str) -> Listener:
        return next(each for each in parse_listeners(list(given)) if each.door == "ksql")

    assert of("ksql=9") == Listener("ksql", "127.0.0.1", 9)
    assert of("::1") == Listener("ksql", "::1", 8088)
    assert of("::1", "ksql=7") == Listener("ksql", "::1", 7)
    assert of("ksql=[::1]:7") == Listener("ksql", "::1", 7)
    assert of("ksql=localhost") == Listener("ksql", "localhost", 8088)
    assert of("127.0.0.1:0") == Listener("ksql", "127.0.0.1", 0)
    for wrong in (["nodoor=1"], ["ksql=a:b"], ["ksql=99999"], ["a", "b"]):
        with pytest.raises(ConfigError):
            parse_listeners(wrong)


def test_a_port_in_use(serve: Serve, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "penstock", "server", "--data", str(tmp_path / "other"), "--listen", f"ksql={port}"]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        f"The door ksql cannot listen on 127.0.0.1, port {port}: address already in use. "
        f"Stop what does, or choose another: --listen ksql={port + 1}.\n"
    )


def test_a_folder_in_use(serve: Serve, tmp_path: Path) -> None:
    serve()
    command = [sys.executable, "-m", "penstock", "server", "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "is already open for writing, by process" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


# ---------------------------------------------------------------------------------------------- TLS


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for localhost and its key."""
    paths = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", str(paths[0]), "-keyout", str(paths[1])]
    subprocess.run(command, check=True, capture_output=True)
    return paths


@pytest.mark.needs("openssl")
def test_tls(serve: Serve, certificate: tuple[Path, Path]) -> None:
    import ssl

    server = serve("--certificate", str(certificate[0]), "--key", str(certificate[1]))
    assert server.url.startswith("https://")
    context = ssl.create_default_context(cafile=str(certificate[0]))
    for two in (False, True):
        with httpx.Client(verify=context, http1=not two, http2=two) as client:
            answer = client.get(f"{server.url}/info")
            assert (answer.status_code, answer.http_version) == (200, "HTTP/2" if two else "HTTP/1.1")
    with pytest.raises(httpx.HTTPError):
        httpx.get(server.url.replace("https", "http") + "/info")
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"{server.url}/info")  # nobody vouches for it
    assert server.stop() == (0, "")


@pytest.mark.needs("openssl")
def test_certificates_that_cannot_be_used(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    other = tmp_path / "none.pem"
    for access, said in (
        (Access(certificate=certificate[0]), "belong together"),
        (Access(certificate=other, key=certificate[1]), "No such file"),
        (Access(certificate=certificate[1], key=certificate[1]), "cannot be used"),
    ):
        with pytest.raises(ConfigError, match=said):
            check([], access)


# ---------------------------------------------------------------------------------------------- begin and end


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it(serve: Serve, number: int) -> None:
    server = serve()
    assert httpx.get(f"{server.url}/info").status_code == 200
    assert server.stop(number) == (0, "")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.url}/info")


def test_a_file_of_statements_and_connectors_first(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "begin.sql").write_text(
        "CREATE STREAM IF NOT EXISTS begun (n INT) WITH (KAFKA_TOPIC = 'begun', VALUE_FORMAT = 'JSON', PARTITIONS = 1);\n"
        "CREATE SINK CONNECTOR IF NOT EXISTS written WITH ('connector.class' = 'FileSink', 'topics' = 'begun', 'file' = 'out.txt');\n"
    )
    (tmp_path / "made.json").write_text(
        '{"name": "made", "config": {"connector.class": "DatagenSource", "kafka.topic": "made", "quickstart": "orders"}}'
    )
    server = serve(str(tmp_path / "begin.sql"), "--connector", str(tmp_path / "made.json"))
    (answer,) = server.ksql("SHOW CONNECTORS;")
    assert [(each["name"], each["type"]) for each in answer["connectors"]] == [("WRITTEN", "sink"), ("made", "source")]
    assert server.stop() == (0, "")
    assert serve(str(tmp_path / "begin.sql")).stop() == (0, "")  # a folder where they are there already


def test_a_file_with_a_mistake(tmp_path: Path) -> None:
    file = tmp_path / "begin.sql"
    file.write_text("SHOW STREAMS;\n  SHOW STREEMS;\n")
    command = [sys.executable, "-m", "penstock", "server", str(file), "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"{file}: Line 2:8: ")


def test_a_killed_server_comes_back_with_all_that_it_answered(serve: Serve) -> None:
    server = serve()
    server.ksql("CREATE STREAM kept (n INT) WITH (KAFKA_TOPIC = 'kept', VALUE_FORMAT = 'JSON', PARTITIONS = 1);")
    for n in range(20):
        server.ksql(f"INSERT INTO kept VALUES ({n});")
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    (answer,) = serve().ksql("DESCRIBE kept EXTENDED;")
    assert answer["sourceDescription"]["statistics"] == "records: 20"
