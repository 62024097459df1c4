"""Opening a folder: once a process, since LMDB may not open one environment twice in it; further read-only handles share the first."""

from __future__ import annotations

import threading
from pathlib import Path

from penstock.errors import StorageError
from penstock.log.embedded.environment import Environment
from penstock.log.embedded.log import EmbeddedLog

_lock = threading.Lock()
_open: dict[Path, tuple[Environment, int]] = {}  # the environment and how many handles share it


def open_embedded(folder: Path | None, *, read_only: bool = False) -> EmbeddedLog:
    """Open the folder, or with None a log in memory; see `penstock.log.open_log`."""
    if folder is None:
        if read_only:
            raise StorageError("A new log in memory has nothing to read.", mend="Open it for writing, or name a folder.")
        environment = Environment(None, read_only=False)
        return EmbeddedLog(environment, read_only=False, on_close=environment.close)
    place = folder.expanduser().resolve()
    with _lock:
        if place in _open:
            environment, handles = _open[place]
            if not read_only:
                mend = "Close that handle first." if environment.read_only else "Share that handle, or open it read-only."
                raise StorageError(f"The folder {place} is already open in this process.", mend=mend)
        else:
            environment, handles = Environment(place, read_only=read_only), 0
        _open[place] = environment, handles + 1
    return EmbeddedLog(environment, read_only=read_only, on_close=lambda: _release(place))


def _release(place: Path) -> None:
    """Close the environment with its last handle. A writer's handle that closes earlier leaves it open for the readers that share it."""
    with _lock:
        environment, handles = _open[place]
        if handles > 1:
            _open[place] = environment, handles - 1
            return
        del _open[place]
        environment.close()
