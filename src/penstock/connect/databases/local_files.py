"""The files of this machine that an address of a database names: a SQLite database, certificates, keys, a server's socket. They lie below the
allowed folders."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from penstock.connect.folders import Folders
from penstock.errors import ConfigError

if TYPE_CHECKING:
    import sqlalchemy

OPTION = "connection.url"
# Parameters of PostgreSQL's and MySQL's drivers that name a file or a folder.
_FILES = (
    "sslrootcert", "sslcert", "sslkey", "sslcrl", "sslcrldir", "sslkeylogfile", "passfile", "servicefile",
    "ssl_ca", "ssl_capath", "ssl_cert", "ssl_key", "read_default_file", "option_files", "unix_socket",
)  # fmt: skip
# Parameters that PostgreSQL's library reads more from, hosts and files among it.
_ELSEWHERE = ("service", "conninfo", "dsn")
_SERVERS = ("postgresql", "mysql", "mariadb")
_MEMORY = ("", ":memory:")
_DRIVER_PARAMETERS = ("timeout", "isolation_level")
_SQLITE_PARAMETERS = ("mode", "cache", "immutable", "nolock")
_SYSTEM = "system"
"""Instead of a file of PostgreSQL's authorities: those that the system trusts."""


def held(url: sqlalchemy.URL, folders: Folders) -> sqlalchemy.URL:
    """The address with every file in it as its real path. Raises ConfigError for one that is not allowed, and for a SQLite database in memory."""
    dialect = url.get_backend_name()
    if dialect == "sqlite":
        return _sqlite(url, folders)
    if infile := next((name for name in url.query if "local_infile" in name.lower()), None):
        raise ConfigError(f"'{OPTION}' has {infile}, by which the server could read files of this machine.", mend="Leave it out.")
    if elsewhere := next((name for name in url.query if name.lower() in _ELSEWHERE), None):
        raise ConfigError(f"'{OPTION}' has {elsewhere}, which could name a file of this machine.", mend="Write what it stands for.")
    for name, text in url.query.items():
        if name.lower() == "host":
            url = url.update_query_dict({name: _hosts(text, OPTION, folders)})
    if url.host:
        url = url.set(host=host(url.host, OPTION, folders))
    if dialect not in _SERVERS and url.database and not url.host:  # of a driver that we do not know: a database without a server
        url = url.set(database=str(folders.path(url.database, OPTION)))
    files = {name: str(text) for name, text in url.query.items() if name.lower() in _FILES}
    return url.update_query_dict(
        {name: authorities(text, OPTION, folders) if name == "sslrootcert" else str(folders.path(text, OPTION)) for name, text in files.items()}
    )


def authorities(text: str, option: str, folders: Folders) -> str:
    """A file of certificates as its real path; PostgreSQL's word for those of the system is left alone. Raises ConfigError."""
    return text if text == _SYSTEM else str(folders.path(text, option))


def _hosts(text: str | tuple[str, ...], option: str, folders: Folders) -> str | tuple[str, ...]:
    if isinstance(text, tuple):
        return tuple(host(each, option, folders) for each in text)
    return host(text, option, folders)


def host(text: str, option: str, folders: Folders) -> str:
    """Names of hosts, with commas between them. PostgreSQL's library takes one that begins with a slash for the folder of the server's socket, which
    is to be allowed. Raises ConfigError."""
    return ",".join(_host(each, option, folders) for each in text.split(","))


def _host(text: str, option: str, folders: Folders) -> str:
    if not text or text.startswith("@"):
        raise ConfigError(f"'{option}' names a socket of this machine that is no file below an allowed folder.", mend="Name a host.")
    return str(folders.path(text, option)) if text.startswith(("/", "~")) else text


def _sqlite(url: sqlalchemy.URL, folders: Folders) -> sqlalchemy.URL:
    """The name is a path, or an address as SQLite reads it (`file:demo.db?mode=ro`), whose path is written with % where need be. Parameters say
    how to open it; which stand for SQLite itself are put into such an address, as only there it heeds them."""
    name, query = url.database or "", dict(url.query)
    ours = {each: query.pop(each) for each in _DRIVER_PARAMETERS if each in query}
    query.pop("uri", None)
    if name.startswith("file:"):
        parts = urlsplit(name)
        if parts.netloc not in ("", "localhost"):
            raise ConfigError(f"'{OPTION}' names a file of the machine {parts.netloc}.", mend="Write jdbc:sqlite:FILE.")
        name, query = unquote(parts.path), query | dict(parse_qsl(parts.query, keep_blank_values=True))
    if name in _MEMORY or query.get("mode") == "memory":
        raise ConfigError(f"'{OPTION}' is a SQLite database in memory, which nobody else could fill or read.", mend="Name a file: jdbc:sqlite:FILE.")
    if unknown := sorted(set(query) - set(_SQLITE_PARAMETERS)):
        raise ConfigError(f"'{OPTION}' has {unknown[0]}, which is not known here.", mend=f"Known are {', '.join(_SQLITE_PARAMETERS)}.")
    path = str(folders.path(name, OPTION))
    if not query:
        return url.set(database=path, query=ours)
    return url.set(database=f"file:{quote(path)}?{urlencode(query)}", query={**ours, "uri": "true"})
