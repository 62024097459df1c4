"""Which files an address of a database may name."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path

import pytest
import sqlalchemy
from tests.connect.certificates import make_certificates
from tests.connect.source_driver import Driver

from penstock.connect.contract import definition_of
from penstock.connect.databases.address import database_url, open_engine
from penstock.connect.folders import Folders
from penstock.connect.options import parse_options
from penstock.connect.secrets import Secrets
from penstock.errors import ConfigError

SINK = "JdbcSink"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder that is allowed, with a way out of it."""
    allowed = tmp_path / "in"
    allowed.mkdir()
    (allowed / "link.db").symlink_to(tmp_path / "out.db")
    for name in ("in/a b.db", "out.db"):
        with sqlite3.connect(tmp_path / name) as connection:
            connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        connection.close()
    return allowed


def given(address: str, folder: Path, **more: str) -> tuple[Mapping[str, object], Secrets]:
    secrets = Secrets(files=Folders([folder], base=folder))
    properties = {"connector.class": SINK, "topics": "t", "connection.url": address} | more
    return parse_options(definition_of(SINK, "SINK").all_options, properties, secrets), secrets


@pytest.mark.parametrize(
    "address",
    [
        "jdbc:sqlite:a b.db", "jdbc:sqlite:{folder}/a b.db?journal_mode=WAL", "jdbc:sqlite:file:{folder}/a%20b.db",
        "jdbc:sqlite:file:a%20b.db?cache=private",
        "sqlite:///{folder}/a b.db", "sqlite:///a b.db?timeout=3", "sqlite:///file:{folder}/a%20b.db?uri=true&mode=rw",
        "jdbc:sqlite:file://localhost{folder}/a%20b.db", "sqlite+pysqlite:///{folder}/a b.db?uri=true",
    ],
)  # fmt: skip
def test_a_file_below_the_allowed_folder(address: str, folder: Path) -> None:
    engine = open_engine(*given(address.format(folder=folder), folder))
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("SELECT file FROM pragma_database_list")).scalar() == str(folder / "a b.db")
    engine.dispose()


def test_parameters_of_sqlite_itself_hold(folder: Path) -> None:
    for address in ("jdbc:sqlite:file:a%20b.db?mode=ro", "sqlite:///a b.db?mode=ro&uri=true"):
        engine = open_engine(*given(address, folder))
        with engine.connect() as connection, pytest.raises(sqlalchemy.exc.OperationalError, match="readonly"):
            connection.execute(sqlalchemy.text("INSERT INTO t VALUES (1)"))
        engine.dispose()


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("jdbc:sqlite:{out}", "outside the folders"),
        ("jdbc:sqlite:../out.db", "outside the folders"),
        ("jdbc:sqlite:link.db", "outside the folders"),
        ("jdbc:sqlite:file:{out}", "outside the folders"),
        ("jdbc:sqlite:file:%2e%2e/out.db", "outside the folders"),
        ("jdbc:sqlite:file:../out.db?mode=ro", "outside the folders"),
        ("sqlite:///{out}", "outside the folders"),
        ("sqlite:///file:{out}?uri=true&mode=ro", "outside the folders"),
        ("sqlite:///x?uri=true&a=/../../out.db", "has a, which is not known"),
        ("jdbc:sqlite:file:x.db?vfs=unix-none", "has vfs, which is not known"),
        ("jdbc:sqlite:file:x%00.db", "names no file"),
        ("jdbc:sqlite:file://elsewhere/x.db", "a file of the machine elsewhere"),
        ("jdbc:sqlite::memory:", "in memory"),
        ("jdbc:sqlite:", "in memory"),
        ("sqlite://", "in memory"),
        ("jdbc:sqlite:file::memory:?cache=shared", "in memory"),
        ("sqlite:///file:x?uri=true&mode=memory", "in memory"),
        ("nosuch:///{out}?x=1", "outside the folders"),
        ("jdbc:postgresql://h/d?sslrootcert={out}", "outside the folders"),
        ("postgresql://h/d?sslkey={out}", "outside the folders"),
        ("postgresql://h/d?passfile={out}", "outside the folders"),
        ("mysql://h/d?ssl_ca={out}", "outside the folders"),
        ("mysql+pymysql://h/d?read_default_file={out}", "outside the folders"),
        ("postgresql://h/d?sslkey=/system", "outside the folders"),
        ("mysql+mysqlconnector://h/d?allow_local_infile=1", "has allow_local_infile"),
        ("mysql://h/d?local_infile=1", "could read files of this machine"),
        ("postgresql:///d?host={out}", "outside the folders"),
        ("postgresql:///d?host=h&host=/run/postgresql", "outside the folders"),
        ("postgresql:///d?host=h,/run/postgresql", "outside the folders"),
        ("postgresql://h/d?host=~postgres", "outside the folders"),
        ("postgresql:///d?host=@abstract", "names a socket"),
        ("postgresql:///d?host=h,", "names a socket"),
        ("postgresql:///d?sslmode=disable", "names no host"),
        ("postgresql://h/d?service=other", "has service"),
        ("mysql://h/d?unix_socket=/run/mysqld/mysqld.sock", "outside the folders"),
        ("mariadb:///d?ssl_ca=ca.pem", "names no host"),
    ],
)
def test_no_other_file(address: str, complaint: str, folder: Path) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        database_url(*given(address.format(out=folder.parent / "out.db"), folder))
    assert "connection.url" in str(caught.value)


def test_certificates_below_the_allowed_folder(folder: Path) -> None:
    url, _ = database_url(*given("jdbc:postgresql://h/d?sslrootcert=ca.pem&sslmode=verify-full", folder))
    assert url.query["sslrootcert"] == str(folder / "ca.pem")
    url, _ = database_url(*given("postgresql://h/d?sslrootcert=system", folder))
    assert url.query["sslrootcert"] == "system"
    url, _ = database_url(*given("mysql://h/d?ssl_ca=ca.pem", folder))
    assert url.query["ssl_ca"] == str(folder / "ca.pem")


def test_sockets_below_the_allowed_folder(folder: Path) -> None:
    url, _ = database_url(*given(f"postgresql:///d?host={folder}", folder))
    assert url.query["host"] == str(folder)
    url, _ = database_url(*given("mysql:///d?unix_socket=mysqld.sock", folder))
    assert url.query["unix_socket"] == str(folder / "mysqld.sock")


def test_a_socket_of_a_change_capture(folder: Path) -> None:
    options = {"database.hostname": str(folder), "database.user": "u", "topic.prefix": "p", "database.dbname": "d"}
    Driver("PostgresConnector", options, folders=[folder]).close()
    with pytest.raises(ConfigError, match=r"'database.hostname' names .* outside the folders"):
        Driver("PostgresConnector", options | {"database.hostname": "h,/run/postgresql"}, folders=[folder])


@pytest.mark.parametrize(
    ("class_name", "option", "more"),
    [
        ("PostgresConnector", "database.sslrootcert", {"database.dbname": "d"}),
        ("MySqlConnector", "database.ssl.ca", {}),
    ],
)
def test_authorities_of_change_captures(class_name: str, option: str, more: dict[str, str], folder: Path) -> None:
    options = {"database.hostname": "h", "database.user": "u", "topic.prefix": "p"} | more
    make_certificates(folder)
    Driver(class_name, options | {option: str(folder / "ca.pem")}, folders=[folder]).close()
    with pytest.raises(ConfigError, match=f"'{option}' names .* outside the folders"):
        Driver(class_name, options | {option: str(folder.parent / "ca.pem")}, folders=[folder])
