"""`connection.url`, in the spelling of JDBC or of SQLAlchemy, and the engine behind it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from penstock.connect.databases.local_files import held
from penstock.connect.options import REQUIRED, Option
from penstock.connect.secrets import Secrets
from penstock.errors import ConfigError

if TYPE_CHECKING:
    import sqlalchemy

CONNECTION_OPTIONS = (
    Option(
        "connection.url",
        "address",
        "The database: `jdbc:postgresql://HOST:PORT/DATABASE`, `jdbc:mysql://...`, `jdbc:mariadb://...`, `jdbc:sqlite:FILE`, or an address as "
        "SQLAlchemy writes it. A password in it is not shown. A file in it, SQLite's or a certificate, lies below the folders that "
        "connectors may use.",
        REQUIRED,
    ),
    Option("connection.user", "string", "The user, where the address does not name one.", None),
    Option("connection.password", "password", "The user's password.", None),
    Option("connection.timeout.ms", "integer", "How long to wait for a connection, in ms.", 30_000, minimum=1),
)

# dialect -> (driver that we install, the extra that brings it, the module to look for)
DRIVERS = {
    "postgresql": ("psycopg", "postgres", "psycopg"),
    "mysql": ("pymysql", "mysql", "pymysql"),
    "mariadb": ("pymysql", "mysql", "pymysql"),
}
_JDBC = re.compile(r"jdbc:(\w+):(.*)", re.DOTALL)
# What a JDBC address may say about encryption; anything else in it tunes the Java driver.
_POSTGRES_PARAMETERS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "options")
_VERIFIED = {"verify_ca": False, "verify_identity": True}


def need(module: str, extra: str) -> None:
    """Raise ConfigError where a library is not installed."""
    import importlib.util

    if importlib.util.find_spec(module) is None:
        raise ConfigError(f"The connector needs the Python package {module}, which is not installed.", mend=f"pip install 'penstock[{extra}]'")


def database_url(options: Mapping[str, Any], secrets: Secrets) -> tuple[sqlalchemy.URL, dict[str, Any]]:
    """The address of `connection.url`, user and password as a SQLAlchemy URL, and what the driver needs beside it. Its password is known to
    `secrets` from now on. Raises ConfigError; nothing is connected."""
    need("sqlalchemy", "jdbc")
    import sqlalchemy

    text: str = options["connection.url"]
    url, arguments = _from_jdbc(text) if text.startswith("jdbc:") else (_parsed(text), {})
    secrets.hide(str(url.password or ""))
    url = url.set(
        username=options["connection.user"] or url.username,
        password=options["connection.password"] or url.password,
    )
    url = held(url, secrets.files)
    dialect = url.get_backend_name()
    driver, extra, module = DRIVERS.get(dialect, ("", "", ""))
    if driver and "+" not in url.drivername:
        url = url.set(drivername=f"{dialect}+{driver}")
    if driver and url.drivername.endswith(f"+{driver}"):
        need(module, extra)
    try:
        url.get_dialect().import_dbapi()
    except (sqlalchemy.exc.ArgumentError, ImportError, NotImplementedError) as error:
        mend = "There are drivers for postgresql, mysql, mariadb and sqlite; any other that SQLAlchemy knows serves once its package is installed."
        raise ConfigError(f"'connection.url' names the database '{url.drivername}', for which there is no driver: {error}.", mend=mend) from None
    # PostgreSQL's library would go to a socket of its own choice.
    if dialect != "sqlite" and not url.host and not (url.query.keys() & {"host", "unix_socket"} if driver else url.query):
        raise ConfigError("'connection.url' names no host.", mend=f"Write jdbc:{dialect}://HOST:PORT/DATABASE.")
    seconds = max(1, options["connection.timeout.ms"] // 1000)
    if driver:
        arguments.setdefault("connect_timeout", seconds)
    elif dialect == "sqlite":
        arguments.setdefault("timeout", seconds)
    return url, arguments


def open_engine(options: Mapping[str, Any], secrets: Secrets) -> sqlalchemy.Engine:
    """An engine with one connection, which is tried before each use and opened anew where it broke."""
    import sqlalchemy

    url, arguments = database_url(options, secrets)
    return sqlalchemy.create_engine(
        url, connect_args=arguments, poolclass=sqlalchemy.QueuePool, pool_size=1, max_overflow=0, pool_pre_ping=True, hide_parameters=True
    )


def shown(url: sqlalchemy.URL) -> str:
    """Where a database is, without who we are: for messages."""
    return f"{url.get_backend_name()} {url.host or ''}{f':{url.port}' if url.port else ''}/{url.database or ''}".replace(" /", " ")


def _parsed(text: str) -> sqlalchemy.URL:
    import sqlalchemy

    try:
        url = sqlalchemy.make_url(text)
    except (sqlalchemy.exc.ArgumentError, ValueError):  # its words would show the address
        raise ConfigError("'connection.url' is no address of a database.", mend="Write jdbc:postgresql://HOST:PORT/DATABASE, or the like.") from None
    if url.get_backend_name() == "postgres":
        url = url.set(drivername="postgresql")
    return url


def _from_jdbc(text: str) -> tuple[sqlalchemy.URL, dict[str, Any]]:
    import sqlalchemy

    match = _JDBC.fullmatch(text.strip())
    if match is None:
        raise ConfigError("'connection.url' is no address of a database.", mend="Write jdbc:postgresql://HOST:PORT/DATABASE, or the like.")
    dialect, rest = match[1].lower(), match[2]
    if dialect == "sqlite":
        # The parameters tune the Java driver, unless the name is an address itself, which SQLite reads.
        return sqlalchemy.URL.create("sqlite", database=rest if rest.startswith("file:") else rest.partition("?")[0]), {}
    if dialect not in DRIVERS:
        raise ConfigError(
            f"'connection.url' is of the database '{dialect}', whose JDBC spelling is not known here.",
            mend="Known are postgresql, mysql, mariadb and sqlite; write any other as SQLAlchemy does, dialect+driver://HOST:PORT/DATABASE.",
        )
    address, _, query = rest.partition("?")
    if not address.startswith("//"):
        address = f"//localhost/{address}"  # jdbc:postgresql:DATABASE
    given = dict(parse_qsl(query, keep_blank_values=True))
    url = _parsed(f"{dialect}:{address}").set(username=given.get("user"), password=given.get("password"))
    if dialect == "postgresql":
        kept = {name: value for name, value in given.items() if name in _POSTGRES_PARAMETERS}
        if given.get("ssl", "false").lower() in ("true", "") and "ssl" in given:
            kept.setdefault("sslmode", "verify-full")  # as the Java driver has it
        if "currentSchema" in given:
            kept["options"] = f"{kept.get('options', '')} -csearch_path={given['currentSchema']}".strip()
        return url.set(query=kept), {}
    return url, _mysql_encryption(given)


def _mysql_encryption(given: Mapping[str, str]) -> dict[str, Any]:
    """PyMySQL's arguments for `sslMode`, and for the older `useSSL` and `requireSSL`."""
    mode = given.get("sslMode", given.get("sslmode", "")).lower().replace("-", "_")
    if not mode and "true" in (given.get("useSSL", "").lower(), given.get("requireSSL", "").lower()):
        mode = "required"
    if mode in _VERIFIED or mode == "verify_full":
        return {"ssl_verify_cert": True, "ssl_verify_identity": _VERIFIED.get(mode, True)}
    if mode in ("required", "require", "trust"):
        return {"ssl": {"check_hostname": False, "verify_mode": "none"}}
    return {}
