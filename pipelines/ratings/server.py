"""The customers' database: a real one, started in the data folder where it is installed."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from penstock.errors import ConfigError

from .config import Config

START_S = 60
USER = "penstock"
SQLITE = Path("files", "customers.db")
_ACCOUNTS = {"postgres": "postgres", "mysql": "mysql"}


@dataclass(frozen=True)
class Address:
    """Where the database is. `kind`: postgres, mysql or sqlite, whose `database` is a file."""

    kind: str
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = ""
    database: str = "demo"


@contextlib.contextmanager
def running(config: Config, folder: Path) -> Iterator[Address]:
    """The configured database while the block runs. One of our own lives below `folder`, Penstock's, and is found again there: a server in
    `customers`, a SQLite file in `files`, which connectors may read. One that an earlier run has left running is taken over."""
    if config.host:
        password = os.environ.get("RATINGS_DB_PASSWORD", "")
        port = config.port or (5432 if config.kind == "postgres" else 3306)
        yield Address(config.kind, config.host, port, config.user, password, config.database)
        return
    kind = _kept(folder) or _chosen(config.kind)
    if kind == "sqlite":
        file = folder / SQLITE
        file.parent.mkdir(parents=True, exist_ok=True)
        yield Address("sqlite", database=str(file.resolve()))
        return
    home = _home(folder / "customers" / kind, kind)
    password = _password(home)
    with _postgres(home, password) if kind == "postgres" else _mysql(home, password) as port:
        yield Address(kind, "127.0.0.1", port, USER, password)


def _kept(folder: Path) -> str | None:
    """The database that an earlier run has made."""
    if (folder / SQLITE).exists():
        return "sqlite"
    return next((kind for kind in _ACCOUNTS if (folder / "customers" / kind / "data").exists()), None)


def _chosen(kind: str) -> str:
    programs = {"postgres": ("initdb", "postgres"), "mysql": ("mariadb-install-db", "mariadbd")}
    for each, needed in programs.items():
        if kind in ("auto", each):
            missing = [name for name in needed if program(name) is None]
            if not missing:
                return each
            if kind == each:
                raise ConfigError(f"The program {missing[0]} is not installed.", mend="On Debian: apt-get install postgresql, or mariadb-server.")
    return "sqlite"


def program(name: str) -> str | None:
    """A server's program: on the path, or where Debian keeps it."""
    folders = [os.environ.get("PATH", ""), *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), "/usr/sbin"]
    return shutil.which(name, path=os.pathsep.join(folders))


def _home(folder: Path, kind: str) -> Path:
    """The server's folder. The servers refuse to run as root: there it belongs to their own account, which must be able to come to it."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        account = pwd.getpwnam(_ACCOUNTS[kind])
        os.chown(folder, account.pw_uid, account.pw_gid)
        for parent in folder.resolve().parents:
            if not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o011)  # to pass through, not to look
    return folder.resolve()


def _as(kind: str, *command: str) -> list[str]:
    return [*(["runuser", "-u", _ACCOUNTS[kind], "--"] if os.geteuid() == 0 else []), *command]


def _password(home: Path) -> str:
    file = home / "password"
    if not file.exists():
        file.touch(0o600)
        file.write_text(secrets.token_hex(16))
        if os.geteuid() == 0:
            shutil.chown(file, home.owner())
    return file.read_text()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _make(kind: str, home: Path, command: list[str]) -> None:
    if not (home / "data").exists():
        made = subprocess.run(_as(kind, *command), capture_output=True, text=True, cwd=home, timeout=START_S, check=False)  # noqa: S603 - our own command
        if made.returncode:
            shutil.rmtree(home / "data", ignore_errors=True)
            raise ConfigError(f"{command[0]} failed: {(made.stderr or made.stdout).strip()[-300:]}")


@contextlib.contextmanager
def _postgres(home: Path, password: str) -> Iterator[int]:
    initdb, postgres = program("initdb"), program("postgres")
    assert initdb
    assert postgres
    make = [initdb, "-D", f"{home}/data", "-U", USER, f"--pwfile={home}/password", "-A", "scram-sha-256", "-E", "UTF8", "--no-locale", "--no-sync"]
    _make("postgres", home, make)
    options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "wal_level": "logical", "shared_buffers": "16MB"}
    command = [postgres, "-D", f"{home}/data", *(f"--{name}={value}" for name, value in options.items())]
    with _server("postgres", home, command, home / "data" / "postmaster.pid", signal.SIGINT) as port:
        import psycopg

        with psycopg.connect(host="127.0.0.1", port=port, user=USER, password=password, dbname="postgres", autocommit=True) as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = 'demo'").fetchone() is None:
                connection.execute("CREATE DATABASE demo")
        yield port


@contextlib.contextmanager
def _mysql(home: Path, password: str) -> Iterator[int]:
    install, mariadbd = program("mariadb-install-db"), program("mariadbd")
    assert install
    assert mariadbd
    make = [install, "--no-defaults", f"--datadir={home}/data", "--auth-root-authentication-method=normal", "--skip-test-db"]
    _make("mysql", home, make)
    first = home / "first.sql"
    account = f"'{USER}'@'127.0.0.1'"
    first.touch(0o600)
    first.write_text(
        f"CREATE USER IF NOT EXISTS {account} IDENTIFIED BY '{password}';\nGRANT ALL ON *.* TO {account};\nCREATE DATABASE IF NOT EXISTS demo;\n"
    )
    if os.geteuid() == 0:
        shutil.chown(first, home.owner())
    options = {
        "datadir": home / "data", "bind-address": "127.0.0.1", "socket": home / "socket", "pid-file": home / "pid", "init-file": first,
        "log-bin": "binlog", "binlog-format": "ROW", "binlog-row-metadata": "FULL", "server-id": 1, "skip-name-resolve": "ON",
        "innodb-buffer-pool-size": "16M", "performance-schema": "OFF", "character-set-server": "utf8mb4",
    }  # fmt: skip
    command = [mariadbd, "--no-defaults", *(f"--{name}={value}" for name, value in options.items())]
    with _server("mysql", home, command, home / "pid", signal.SIGTERM) as port:
        yield port


@contextlib.contextmanager
def _server(kind: str, home: Path, command: list[str], pid_file: Path, stop: signal.Signals) -> Iterator[int]:
    """A server on a free port, which it keeps in the file `port`. It is told to stop at the end; so is one that a killed run has left."""
    _stop(pid_file, stop)
    port = _free_port()
    with (home / "log").open("wb") as log:
        # In a session of its own, so that Ctrl-C in the terminal reaches us alone: the server stops after us.
        process = subprocess.Popen(_as(kind, *command, f"--port={port}"), stdout=log, stderr=log, cwd=home, start_new_session=True)  # noqa: S603 - our own command
    try:
        deadline = time.monotonic() + START_S
        while not _answers(kind, port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise ConfigError(f"The database did not start: {(home / 'log').read_text(errors='replace').strip()[-300:]}")
            time.sleep(0.05)  # nothing tells when a process begins to listen
        yield port
    finally:
        _stop(pid_file, stop)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        if process.poll() is None:
            process.kill()
            process.wait()


def _answers(kind: str, port: int) -> bool:
    """Whether the server takes users already: MariaDB greets at once, PostgreSQL may still be reading its log."""
    password = "none"  # noqa: S105 - any answer will do, a refusal too
    if kind == "postgres":
        import psycopg

        try:
            psycopg.connect(host="127.0.0.1", port=port, user=USER, password=password, dbname="postgres", connect_timeout=2).close()
        except psycopg.OperationalError as error:
            return "authentication failed" in str(error)
        return True
    import pymysql

    try:
        pymysql.connect(host="127.0.0.1", port=port, user=USER, password=password, connect_timeout=2).close()
    except pymysql.MySQLError as error:
        return bool(error.args) and error.args[0] == 1045
    return True


def _stop(pid_file: Path, how: signal.Signals) -> None:
    """Stop the server of our own folder, and wait for its end."""
    try:
        pid = int(pid_file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return
    deadline = time.monotonic() + START_S
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, how)
        while pid_file.exists() and time.monotonic() < deadline:
            os.kill(pid, 0)
            time.sleep(0.05)
