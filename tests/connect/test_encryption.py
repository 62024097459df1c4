"""How the captures of databases encrypt, against real servers that ask for it, and ones that cannot."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.connect.captures import streaming
from tests.connect.certificates import make_certificates
from tests.connect.databases import Server, run_mariadb, run_postgres
from tests.connect.source_driver import Driver

from penstock.errors import ConfigError, ConnectorError


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of certificates."""
    folder = tmp_path_factory.mktemp("certificates")
    make_certificates(folder)
    return folder


@pytest.fixture(scope="module")
def postgres(certificates: Path) -> Iterator[Server]:
    with run_postgres(certificates) as server:
        yield server


@pytest.fixture(scope="module")
def mariadb(certificates: Path) -> Iterator[Server]:
    with run_mariadb(certificates=certificates) as server:
        yield server


def encrypted(class_name: str, server: Server, folder: Path, question: str, options: dict[str, str], host: str = "localhost") -> str:
    """How the connection of a capture is encrypted; empty where it is not. Raises what the capture does."""
    given = {
        "database.hostname": host, "database.port": str(server.port), "database.user": server.user, "database.password": server.password,
        "topic.prefix": "p", "snapshot.mode": "never", "max.retries": "0",
    }  # fmt: skip
    driver = Driver(class_name, given | {name: text.replace("{folder}", str(folder)) for name, text in options.items()}, folders=[folder])
    with contextlib.closing(driver):
        driver.step()
        database = driver.source._database  # type: ignore[attr-defined]
        answer = str(database.rows(question)[0][-1] or "")
        streaming(driver)  # which is a connection of its own
        return answer


def in_mariadb(server: Server, folder: Path, options: dict[str, str], host: str = "localhost") -> str:
    return encrypted("MySqlConnector", server, folder, "SHOW STATUS LIKE 'Ssl_cipher'", options, host)


@pytest.mark.parametrize(
    ("options", "host"),
    [
        ({}, "127.0.0.1"),
        ({"database.ssl.mode": "preferred"}, "127.0.0.1"),
        ({"database.ssl.mode": "required"}, "127.0.0.1"),
        ({"database.ssl.mode": "verify_ca", "database.ssl.ca": "{folder}/ca.pem"}, "127.0.0.1"),
        ({"database.ssl.mode": "verify_identity", "database.ssl.truststore": "{folder}/ca.pem"}, "localhost"),
        ({"database.ssl.ca": "{folder}/ca.pem", "database.ssl.keystore": "{folder}/client.pem"}, "localhost"),
    ],
)
def test_mariadb_that_asks_for_it(mariadb: Server, certificates: Path, options: dict[str, str], host: str) -> None:
    assert in_mariadb(mariadb, certificates, options, host)


@pytest.mark.parametrize(
    ("options", "host"),
    [
        ({"database.ssl.mode": "disabled"}, "localhost"),
        ({"database.ssl.mode": "verify_ca"}, "localhost"),
        ({"database.ssl.mode": "verify_ca", "database.ssl.ca": "{folder}/other-ca.pem"}, "localhost"),
        ({"database.ssl.mode": "verify_identity", "database.ssl.ca": "{folder}/ca.pem"}, "127.0.0.1"),
        ({"database.ssl.ca": "{folder}/ca.pem"}, "127.0.0.1"),
    ],
)
def test_mariadb_is_not_trusted_or_does_not_let_us_in(mariadb: Server, certificates: Path, options: dict[str, str], host: str) -> None:
    with pytest.raises(ConnectorError):
        in_mariadb(mariadb, certificates, options, host)


def test_mariadb_that_cannot(mariadb_server: Server, certificates: Path) -> None:
    assert in_mariadb(mariadb_server, certificates, {}) == ""
    for mode in ("required", "verify_ca", "verify_identity"):
        with pytest.raises(ConnectorError):
            in_mariadb(mariadb_server, certificates, {"database.ssl.mode": mode})
    with pytest.raises(ConfigError, match="It is one of: disabled, preferred, required, verify_ca, verify_identity"):
        in_mariadb(mariadb_server, certificates, {"database.ssl.mode": "prefer"})


def in_postgres(server: Server, folder: Path, options: dict[str, str], host: str = "localhost") -> str:
    own = {"slot.name": "encrypted", "slot.drop.on.stop": "true", "database.dbname": "postgres"}
    return encrypted("PostgresConnector", server, folder, "SELECT cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()", own | options, host)


@pytest.mark.parametrize(
    ("options", "host"),
    [
        ({}, "127.0.0.1"),
        ({"database.ssl.mode": "require"}, "127.0.0.1"),
        ({"database.sslmode": "verify-ca", "database.sslrootcert": "{folder}/ca.pem"}, "127.0.0.1"),
        ({"database.sslmode": "verify-full", "database.sslrootcert": "{folder}/ca.pem"}, "localhost"),
        ({"database.sslmode": "require", "database.sslcert": "{folder}/client.pem", "database.sslkey": "{folder}/client.key"}, "localhost"),
    ],
)
def test_postgres_that_asks_for_it(postgres: Server, certificates: Path, options: dict[str, str], host: str) -> None:
    assert in_postgres(postgres, certificates, options, host)


@pytest.mark.parametrize(
    ("options", "host"),
    [
        ({"database.sslmode": "disable"}, "localhost"),
        ({"database.sslmode": "verify-ca", "database.sslrootcert": "{folder}/other-ca.pem"}, "localhost"),
        ({"database.sslmode": "verify-full", "database.sslrootcert": "{folder}/ca.pem"}, "127.0.0.1"),
    ],
)
def test_postgres_is_not_trusted_or_does_not_let_us_in(postgres: Server, certificates: Path, options: dict[str, str], host: str) -> None:
    with pytest.raises(ConnectorError):
        in_postgres(postgres, certificates, options, host)


def test_postgres_that_cannot(postgres_server: Server, certificates: Path) -> None:
    assert in_postgres(postgres_server, certificates, {}) == ""
    with pytest.raises(ConnectorError, match="does not support SSL"):
        in_postgres(postgres_server, certificates, {"database.sslmode": "require"})
    with pytest.raises(ConfigError, match="It is one of: disable, allow, prefer, require, verify-ca, verify-full"):
        in_postgres(postgres_server, certificates, {"database.sslmode": "required"})
