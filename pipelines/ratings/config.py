"""config.toml as typed values."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from penstock.errors import ConfigError

FOLDER = Path(__file__).parent
KINDS = ("auto", "postgres", "mysql", "sqlite")
WAYS = ("auto", "webhook", "telegram", "terminal")


@dataclass(frozen=True)
class Config:
    """All of config.toml. `host` is empty where the demo starts the database itself."""

    kind: str
    host: str
    port: int
    user: str
    database: str
    per_second: int
    change_every_s: float
    notify: str
    bucket: str


def load(path: Path = FOLDER / "config.toml") -> Config:
    """Read a configuration. Raises ConfigError that names the file and what is wrong in it."""
    try:
        with path.open("rb") as file:
            text = tomllib.load(file)
        config = Config(
            kind=text["database"]["kind"],
            host=text["database"]["host"],
            port=text["database"]["port"],
            user=text["database"]["user"],
            database=text["database"]["database"],
            per_second=text["ratings"]["per_second"],
            change_every_s=text["customers"]["change_every_s"],
            notify=text["notifications"]["to"],
            bucket=text["lake"]["bucket"],
        )
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: {type(error).__name__} {error}.", mend="Compare it with the one that comes with Penstock.") from error
    if config.kind not in KINDS:
        raise ConfigError(f"{path}: the database is one of {', '.join(KINDS)}, not '{config.kind}'.")
    if config.notify not in WAYS:
        raise ConfigError(f"{path}: notifications go to one of {', '.join(WAYS)}, not '{config.notify}'.")
    if config.host and config.kind not in ("postgres", "mysql"):
        raise ConfigError(f"{path}: a database with a host is 'postgres' or 'mysql', not '{config.kind}'.")
    if config.per_second < 1:
        raise ConfigError(f"{path}: per_second is at least 1, not {config.per_second}.")
    return config
