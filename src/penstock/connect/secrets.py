"""Secrets in a connector's configuration: `${env:NAME}` and `${file:PATH:KEY}`.

They are resolved when a task starts and live in that task alone: what is stored and shown is the reference, and any text that leaves
the task (a failure's reason, a dead letter's header, a log line) passes through `redact` first.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

from penstock.connect.folders import Folders
from penstock.errors import ConfigError, Error

REFERENCE = re.compile(r"\$\{(env|file):([^}]*)\}")
HIDDEN = "[hidden]"
# The password of an address (a URL of a database, a broker): before the host, or among the parameters. A careless one may hold an @.
_ADDRESS_PASSWORD = re.compile(r"(?<=://)(?P<user>[^:/?#]*):(?P<before>[^/?#]*)@|(?<=[?&;])password=(?P<parameter>[^&;#]*)", re.IGNORECASE)


class Secrets:
    """Resolves references, and remembers what it resolved in order to keep it out of messages.

    `folders`: files may be read below these only (links followed first). `env_pattern`: environment variables whose whole name matches may be read.
    """

    def __init__(
        self,
        folders: Sequence[Path] = (),
        *,
        env_pattern: str = ".*",
        environment: Mapping[str, str] | None = None,
        files: Folders | None = None,
    ) -> None:
        self.files = files or Folders()
        """Which files the connector may touch beside those of secrets."""
        self._folders = [folder.resolve() for folder in folders]
        self._env_pattern = re.compile(env_pattern)
        self._environment = os.environ if environment is None else environment
        self._known: set[str] = set()

    def resolve(self, text: str, option: str) -> str:
        """Replace each reference by its value. `option` names the setting in errors; a ConfigError never holds a value."""
        return REFERENCE.sub(lambda match: self.hide(self._value(match[1], match[2], option)), text)

    def hide(self, value: str) -> str:
        """Remember a value as secret, and return it."""
        if value:
            self._known.add(value)
        return value

    def hide_in_address(self, text: str) -> str:
        """Remember the passwords inside an address, as written and decoded, and return the address."""
        for match in _ADDRESS_PASSWORD.finditer(text):
            password = match["before"] or match["parameter"] or ""
            self.hide(password)
            self.hide(unquote(password))
        return text

    def redact(self, text: str) -> str:
        """The text with every known secret replaced, the longest first (one may hold another)."""
        for secret in sorted(self._known, key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return text

    @contextmanager
    def out_of_errors(self) -> Iterator[None]:
        """An Error that is raised within shows no known secret."""
        try:
            yield
        except Error as error:
            error.what, error.mend = self.redact(error.what), self.redact(error.mend)
            raise

    def _value(self, provider: str, reference: str, option: str) -> str:
        if provider == "env":
            return self._from_environment(reference, option)
        path, colon, key = reference.rpartition(":")
        if not colon or not path or not key:
            raise ConfigError(f"'{option}' holds ${{file:{reference}}}, which names no key.", mend="Write ${file:PATH:KEY}.")
        return self._from_file(Path(path), key, option)

    def _from_environment(self, name: str, option: str) -> str:
        if not self._env_pattern.fullmatch(name):
            raise ConfigError(
                f"'{option}' asks for the environment variable {name}, which config.providers.env.param.allowlist.pattern does not allow."
            )
        value = self._environment.get(name)
        if value is None:
            raise ConfigError(f"'{option}' asks for the environment variable {name}, which is not set.", mend=f"Set it: export {name}=...")
        return value

    def _from_file(self, path: Path, key: str, option: str) -> str:
        real = path.resolve()
        if not any(real.is_relative_to(folder) for folder in self._folders):
            allowed = ", ".join(map(str, self._folders)) or "no folder"
            raise ConfigError(
                f"'{option}' asks for the file {path}, which is outside the allowed folders ({allowed}).",
                mend="Move the file there, or name its folder in config.providers.file.param.allowed.paths.",
            )
        try:
            text = real.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"'{option}' asks for the file {path}, which cannot be read: {error.strerror}.") from error
        for line in text.splitlines():
            name, equals, value = line.strip().partition("=")
            if equals and not name.startswith(("#", "!")) and name.strip() == key:
                return value.strip()
        raise ConfigError(f"'{option}' asks for {key} in the file {path}, which does not hold it.", mend=f"Add the line {key}=... to it.")


def hidden_address(text: str) -> str:
    """An address as it may be shown: its passwords left out, unless they are references."""

    def hide(match: re.Match[str]) -> str:
        if REFERENCE.search(match[0]):
            return match[0]
        return f"password={HIDDEN}" if match["parameter"] is not None else f"{match['user']}:{HIDDEN}@"

    return _ADDRESS_PASSWORD.sub(hide, text)
