"""config.toml as typed values."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from penstock.errors import ConfigError

FOLDER = Path(__file__).parent
DRIVERS = ("simulator", "camera", "folder")
PATTERNS = ("stripes", "dots", "diamonds", "band", "letters")

Colour = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""


@dataclass(frozen=True)
class Sock:
    """How a simulated sock looks."""

    name: str
    colour: Colour
    second: Colour
    pattern: str


@dataclass(frozen=True)
class Config:
    """All of config.toml. `blank` is what the simulator's classifier calls the wall, `pictures_s` how many pictures are taken in a second."""

    driver: str
    number: int
    folder: Path
    model: Path
    pictures_s: float
    credentials: str
    window_s: float
    blank: str
    socks: tuple[Sock, ...]


def load(path: Path = FOLDER / "config.toml") -> Config:
    """Read a configuration; its paths start at its own folder. Raises ConfigError that names the file and what is wrong in it."""
    try:
        with path.open("rb") as file:
            text = tomllib.load(file)
        camera, simulator = text["camera"], text["simulator"]
        config = Config(
            driver=camera["driver"],
            number=camera["number"],
            folder=path.parent / camera["folder"],
            model=path.parent / camera["model"],
            pictures_s=camera["pictures_s"],
            credentials=str(path.parent / text["broker"]["credentials"]) if text["broker"]["credentials"] else "",
            window_s=simulator["window_s"],
            blank=simulator["blank"],
            socks=tuple(Sock(s["name"], colour(s["colour"]), colour(s["second"]), s["pattern"]) for s in simulator["socks"]),
        )
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{path}: {type(error).__name__} {error}.", mend="Compare it with the one that comes with Penstock.") from error
    _check(config, path)
    return config


def colour(parts: list[int]) -> Colour:
    """A colour out of three numbers. Raises ValueError."""
    red, green, blue = parts
    if not all(isinstance(part, int) and 0 <= part <= 255 for part in parts):
        raise ValueError(f"{parts} is no colour")
    return red, green, blue


def _check(config: Config, path: Path) -> None:
    if config.driver not in DRIVERS:
        raise ConfigError(f"{path}: driver is one of {', '.join(DRIVERS)}, not '{config.driver}'.")
    if config.pictures_s <= 0 or config.window_s <= 0:
        raise ConfigError(f"{path}: pictures_s and window_s are above 0.")
    for sock in config.socks:
        if sock.pattern not in PATTERNS:
            raise ConfigError(f"{path}: the pattern of {sock.name} is one of {', '.join(PATTERNS)}, not '{sock.pattern}'.")
    names = [sock.name for sock in config.socks]
    if len({*names, config.blank}) <= len(names) or not names:
        raise ConfigError(f"{path}: the socks need different names, and other names than '{config.blank}'.")
