"""Connectors from JSON files: {"name": ..., "config": {...}} as Kafka Connect's REST interface takes them, or the options alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """The configuration of one connector, as a file has it."""

    path: Path
    name: str
    config: Mapping[str, Any]


def read(path: Path) -> Iterator[ConfigFile]:
    """The configuration in a file, or those in the files *.json of a folder, by name. Raises ConfigError that names the file."""
    if path.is_dir():
        files = sorted(path.glob("*.json"))
        if not files:
            raise ConfigError(f"The folder {path} holds no *.json.", mend="Name a file, or a folder of configurations.")
        for file in files:
            yield _read(file)
    else:
        yield _read(path)


def _read(path: Path) -> ConfigFile:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{path} holds no JSON object.", mend="Write the options as an object, or {\"name\": ..., \"config\": {...}}.")
    config = found["config"] if isinstance(found.get("config"), dict) else found
    name = found.get("name", path.stem)
    if not isinstance(name, str) or not name:
        raise ConfigError(f"{path}: 'name' is {name!r}.", mend="Give the connector a name, or leave it out: it is then the file's.")
    return ConfigFile(path, name, {option: value for option, value in config.items() if option != "name"})
