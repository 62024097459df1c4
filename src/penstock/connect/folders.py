"""Which files connectors may touch: those below allowed folders, symbolic links followed first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from penstock.errors import ConfigError

SETTING = "connector.file.allowed.paths"


class Folders:
    """The folders below which connectors may read and write.

    `allowed` holds folders; `barred` those which stay closed although an allowed one may hold them (a database's own, whose files are not
    for others); of two that hold a file the closer one counts. A relative path starts at `base`, or where that is None in the working directory.
    """

    def __init__(self, allowed: Sequence[Path] = (), *, barred: Sequence[Path] = (), base: Path | None = None) -> None:
        self._allowed = [folder.resolve() for folder in allowed]
        self._barred = [folder.resolve() for folder in barred]
        self._base = base

    def path(self, text: str, option: str) -> Path:
        """The real path of what `option` names, a file, a folder or what is yet to be made. Raises ConfigError where it is not allowed, or is
        no path."""
        if not text.strip() or "\0" in text:
            raise ConfigError(f"'{option}' names no file.", mend="Give it a path.")
        given = Path(text).expanduser()
        real = (given if self._base is None else self._base / given).resolve()
        if _closeness(real, self._allowed) <= _closeness(real, self._barred):
            allowed = ", ".join(map(str, self._allowed)) or "no folder"
            raise ConfigError(
                f"'{option}' names {text}, which is outside the folders that connectors may use ({allowed}).",
                mend=f"Move it there, or name its folder in the setting {SETTING}.",
            )
        return real


def _closeness(path: Path, folders: Sequence[Path]) -> int:
    """How many names the path of the closest folder that holds the path has; 0 where none does."""
    return max((len(folder.parts) for folder in folders if path.is_relative_to(folder)), default=0)
