"""config.toml as typed values."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from penstock.errors import ConfigError

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Park:
    """A simulated car park. `busy` is the part of its spaces that is wanted at the busiest hour: above 1 it is then full."""

    name: str
    council: str
    capacity: int
    latitude: float
    longitude: float
    busy: float


@dataclass(frozen=True)
class Config:
    """All of config.toml. Addresses are empty where there is none."""

    driver: str
    current: str
    historic: str
    leeds: str
    interval_s: int
    spaces: int
    archive: bool
    every_s: int
    history_s: int
    parks: tuple[Park, ...]

    @property
    def addresses(self) -> dict[str, str]:
        """Where the real councils are asked, by what they are asked for."""
        return {"current": self.current, "historic": self.historic, "leeds": self.leeds}


def load(path: Path = FOLDER / "config.toml") -> Config:
    """Read a configuration. Raises ConfigError that names the file and what is wrong in it."""
    try:
        with path.open("rb") as file:
            text = tomllib.load(file)
        councils, simulator = text["councils"], text["simulator"]
        parks = (Park(p["name"], p["council"], p["capacity"], p["place"][0], p["place"][1], p["busy"]) for p in simulator["parks"])
        config = Config(
            councils["driver"], councils["current"], councils["historic"], councils["leeds"], councils["interval_s"], text["bot"]["spaces"],
            text["analytics"]["archive"], simulator["every_s"], simulator["history_s"], tuple(parks),
        )  # fmt: skip
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, KeyError, TypeError, IndexError) as error:
        raise ConfigError(f"{path}: {type(error).__name__} {error}.", mend="Compare it with the one that comes with Penstock.") from error
    if config.driver not in ("simulator", "live"):
        raise ConfigError(f"{path}: driver is 'simulator' or 'live', not '{config.driver}'.")
    if config.interval_s < 1 or config.every_s < 60 or config.every_s % 60:
        raise ConfigError(f"{path}: interval_s is at least 1, and every_s whole minutes.")
    return config
