"""The file credentials.properties, as the talk has it: where the broker is, and who we are there."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from penstock.errors import ConfigError

NAMES = ("MQTT_URI", "MQTT_USERNAME", "MQTT_PASSWORD")


@dataclass(frozen=True)
class Credentials:
    """What the file holds; the password is not shown."""

    uri: str
    username: str
    password: str = field(repr=False)

    @property
    def host(self) -> str:
        """The broker's host."""
        return urlsplit(self.uri).hostname or "localhost"

    @property
    def encrypted(self) -> bool:
        """Whether the connection is."""
        return urlsplit(self.uri).scheme not in ("tcp", "mqtt")

    @property
    def port(self) -> int:
        """The broker's port."""
        return urlsplit(self.uri).port or (8883 if self.encrypted else 1883)


def read(path: Path) -> Credentials:
    """Read the file. Raises ConfigError."""
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}.", mend=f"Write the lines {', '.join(f'{name}=...' for name in NAMES)}."
        ) from error
    found = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    missing = [name for name in NAMES if name not in found]
    if missing:
        raise ConfigError(f"{path} does not hold {', '.join(missing)}.", mend=f"Add the line {missing[0]}=...")
    return Credentials(*(found[name].strip() for name in NAMES))


def write(path: Path, credentials: Credentials) -> None:
    """Write the file, for its owner's eyes alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = (credentials.uri, credentials.username, credentials.password)
    text = "".join(f"{name}={value}\n" for name, value in zip(NAMES, values, strict=True))
    draft = path.with_name(path.name + ".draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    os.replace(draft, path)
