"""Real databases for tests: PostgreSQL and MariaDB, each started once in a temporary folder on a free port, ready for change capture."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import require

START_S = 90


@dataclass(frozen=True)
class Server:
    """A database server. Its superuser `penstock` has the password `secret`; `database` is a fresh one of the test that asked for it."""

    dialect: str  # as in a URL of SQLAlchemy's: postgresql+psycopg, mysql+pymysql
    port: int
    database: str = ""
    user: str = "penstock"
    password: str = "secret"

    @property
    def jdbc_url(self) -> str:
        """The address as a JDBC driver has it."""
        return f"jdbc:{self.dialect.split('+')[0]}://127.0.0.1:{self.port}/{self.database}"

    @property
    def url(self) -> str:
        """The address as SQLAlchemy has it."""
        return f"{self.dialect}://{self.user}:{self.password}@127.0.0.1:{self.port}/{self.database}"

    def run(self, *statements: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        """Run statements, each in a transaction of its own; the rows of the last."""
        import sqlalchemy

        engine = sqlalchemy.create_engine(self.url, poolclass=sqlalchemy.NullPool)
        rows: list[tuple[Any, ...]] = []
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for statement in statements:
                result = connection.execute(sqlalchemy.text(statement), parameters or {})
                rows = [tuple(row) for row in result] if result.returns_rows else []
        engine.dispose()
        return rows

    def drop_slots(self) -> None:
        """Drop the replication slots of this database of PostgreSQL's, each when its reader has gone."""
        deadline = time.monotonic() + 20
        while self.run("SELECT 1 FROM pg_replication_slots WHERE database = current_database()") and time.monotonic() < deadline:
            self.run("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database() AND NOT active")

    def fresh(self) -> Server:
        """A new, empty database on this server."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self.run(f"CREATE DATABASE {name}{_strategy(self)}")
        return Server(self.dialect, self.port, name)


@cache
def _strategy(server: Server) -> str:
    """How PostgreSQL makes a database quickest: it would write all of it to its log, too."""
    if not server.dialect.startswith("postgresql") or int(server.run("SHOW server_version_num")[0][0]) < 150_000:
        return ""
    return " STRATEGY FILE_COPY"


def program(name: str) -> str | None:
    """A server's program: on the path, or where Debian keeps it."""
    folders = [os.environ.get("PATH", ""), *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), "/usr/sbin"]
    return shutil.which(name, path=os.pathsep.join(folders))


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _as(user: str) -> list[str]:
    """What to write before a command so that it runs as `user` where we are root, which these servers refuse to be."""
    return ["runuser", "-u", user, "--"] if os.geteuid() == 0 else []


def _give(folder: Path, user: str) -> None:
    if os.geteuid() == 0:
        entry = pwd.getpwnam(user)
        os.chown(folder, entry.pw_uid, entry.pw_gid)


def _give_certificates(certificates: Path, folder: Path, user: str) -> None:
    """Copy the server's certificate and key to where only the server may read them."""
    for name in ("server.pem", "server.key", "ca.pem"):
        copy = folder / name
        copy.write_bytes((certificates / name).read_bytes())
        copy.chmod(0o600)
        _give(copy, user)


@contextlib.contextmanager
def _folder(user: str) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=f"penstock-{user}-"))
    _give(folder, user)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _running(command: list[str], folder: Path, stop: signal.Signals) -> Iterator[subprocess.Popen[bytes]]:
    output = (folder / "server.log").open("wb")
    process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder, start_new_session=True)
    try:
        yield process
    finally:
        # runuser stands between: the signal goes to the whole group that we started.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, stop)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.close()


def _await(server: Server, process: subprocess.Popen[bytes], folder: Path) -> None:
    import sqlalchemy

    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(sqlalchemy.exc.OperationalError):
            server.run("SELECT 1")
            return
        time.sleep(0.1)  # nothing tells when a process begins to listen
    pytest.fail(f"The database did not start:\n{(folder / 'server.log').read_text(errors='replace')[-2000:]}", pytrace=False)


@contextlib.contextmanager
def run_postgres(certificates: Path | None = None) -> Iterator[Server]:
    """A PostgreSQL server that logs for logical replication. With a folder of `make_certificates` it takes encrypted connections alone."""
    initdb, postgres = program("initdb"), program("postgres")
    require(initdb and postgres, "PostgreSQL", "As root on Debian `make test` installs it; tests/debian-packages.txt names its package.")
    assert initdb
    assert postgres
    with _folder("postgres") as folder:
        password = folder / "password"
        password.write_text("secret")
        _give(password, "postgres")
        make = [
            initdb,
            "-D",
            f"{folder}/data",
            "-U",
            "penstock",
            f"--pwfile={password}",
            "-A",
            "scram-sha-256",
            "--no-sync",
            "-E",
            "UTF8",
            "--no-locale",
        ]
        subprocess.run([*_as("postgres"), *make], check=True, capture_output=True, timeout=START_S, cwd=folder)
        if certificates is not None:
            _give_certificates(certificates, folder, "postgres")
            rules = folder / "data" / "pg_hba.conf"
            rules.write_text(rules.read_text().replace("\nhost ", "\nhostssl "))
        port = free_port()
        options = {
            "port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": folder, "wal_level": "logical", "fsync": "off",
            "max_wal_senders": 20, "max_replication_slots": 20, "shared_buffers": "32MB",
        }  # fmt: skip
        if certificates is not None:
            options |= {"ssl": "on", "ssl_cert_file": folder / "server.pem", "ssl_key_file": folder / "server.key"}
        command = [*_as("postgres"), postgres, "-D", f"{folder}/data", *(f"--{name}={value}" for name, value in options.items())]
        with _running(command, folder, signal.SIGQUIT) as process:  # at once: its data are thrown away
            _await(Server("postgresql+psycopg", port, "postgres"), process, folder)
            yield Server("postgresql+psycopg", port, "postgres")


@contextlib.contextmanager
def run_mariadb(*more: str, certificates: Path | None = None) -> Iterator[Server]:
    """A MariaDB server that logs rows, with their columns' names, unless `more` options say otherwise. With a folder of `make_certificates` it takes
    encrypted connections alone."""
    install, mariadbd = program("mariadb-install-db"), program("mariadbd")
    require(install and mariadbd, "MariaDB", "As root on Debian `make test` installs it; tests/debian-packages.txt names its package.")
    assert install
    assert mariadbd
    with _folder("mysql") as folder:
        plain = ["--no-defaults", f"--datadir={folder}/data"]
        make = [install, *plain, "--auth-root-authentication-method=normal", "--skip-test-db", "--innodb-log-file-size=8M"]
        subprocess.run([*_as("mysql"), *make], check=True, capture_output=True, timeout=START_S, cwd=folder)
        port = free_port()
        first = folder / "first.sql"
        # One statement a line: the server reads this file so.
        first.write_text("CREATE USER penstock@'127.0.0.1' IDENTIFIED BY 'secret';\nGRANT ALL ON *.* TO penstock@'127.0.0.1' WITH GRANT OPTION;\n")
        _give(first, "mysql")
        options = {
            "port": port, "bind-address": "127.0.0.1", "socket": folder / "socket", "pid-file": folder / "pid", "init-file": first,
            "log-bin": "binlog", "binlog-format": "ROW", "binlog-row-metadata": "FULL", "server-id": 1, "skip-name-resolve": "ON",
            "innodb-flush-log-at-trx-commit": 0, "innodb-buffer-pool-size": "32M", "innodb-log-file-size": "8M", "character-set-server": "utf8mb4",
        }  # fmt: skip
        if certificates is not None:
            _give_certificates(certificates, folder, "mysql")
            options |= {"ssl-cert": folder / "server.pem", "ssl-key": folder / "server.key", "ssl-ca": folder / "ca.pem"}
            options["require-secure-transport"] = "ON"
        command = [*_as("mysql"), mariadbd, *plain, *(f"--{name}={value}" for name, value in options.items()), *more]
        with _running(command, folder, signal.SIGKILL) as process:  # to end well would take seconds, and its data are thrown away
            _await(Server("mysql+pymysql", port, "mysql"), process, folder)
            yield Server("mysql+pymysql", port, "mysql")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """PostgreSQL, for the whole session."""
    with run_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[Server]:
    """MariaDB, for the whole session."""
    with run_mariadb() as server:
        yield server
