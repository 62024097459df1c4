"""The folder: whose it is, which format it has, and who may write."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import weakref
from pathlib import Path

from penstock.errors import StorageError

FORMAT = 4
FORMAT_FILE = "penstock.format"
LOCK_FILE = "penstock.lock"
DATA_FILE = "data.mdb"
MEMORY_SPACE_MIN = 1 << 30  # bytes free in the memory file system, below which the temp folder is the better place


def prepare(folder: Path, *, read_only: bool) -> None:
    """Make the folder Penstock's, or check that it is and that this version can read it."""
    marker = folder / FORMAT_FILE
    try:
        if marker.exists():
            _check_format(marker)
            return
        if read_only:
            raise StorageError(f"There is no Penstock folder at {folder}.", mend="Check the path, or open it for writing to make one.")
        folder.mkdir(parents=True, exist_ok=True)
        found = sorted(n for n in os.listdir(folder) if not n.startswith(".") and n not in (LOCK_FILE, "lost+found"))
        if found:
            raise StorageError(
                f"{folder} is not a Penstock folder and not empty: it holds {', '.join(found[:3])}.", mend="Name an empty or a new one."
            )
        _write_format(folder)
    except OSError as error:
        raise StorageError(f"The folder {folder} cannot be used: {error.strerror}.", mend="Check the path and its permissions.") from error


def _check_format(marker: Path) -> None:
    text = marker.read_text().split()
    if len(text) != 2 or text[0] != "penstock" or not text[1].isdigit():
        raise StorageError(f"{marker} is damaged: it should read 'penstock {FORMAT}'.", mend="Restore the folder from a copy.")
    if int(text[1]) < FORMAT:
        raise StorageError(
            f"The folder {marker.parent} has format {text[1]}, from before the first release; this version of Penstock reads format {FORMAT}.",
            mend="Name a new folder.",
        )
    if int(text[1]) > FORMAT:
        raise StorageError(
            f"The folder {marker.parent} has format {text[1]}; this version of Penstock knows formats up to {FORMAT}.", mend="Upgrade Penstock."
        )


def _write_format(folder: Path) -> None:
    """Written last and renamed into place, so that a crash leaves an empty folder or a whole one."""
    draft = folder / f".{FORMAT_FILE}"
    with draft.open("w") as file:
        file.write(f"penstock {FORMAT}\n")
        file.flush()
        os.fsync(file.fileno())
    draft.rename(folder / FORMAT_FILE)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class WriterLock:
    """The right to write in a folder: a lock of the operating system, which gives it back when the process dies, however it dies."""

    def __init__(self, folder: Path) -> None:
        path = folder / LOCK_FILE
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StorageError(
                f"The folder {folder} cannot be written: {error.strerror}.", mend="Check its permissions, or open it read-only."
            ) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            raise StorageError(
                f"The folder {folder} is already open for writing, by process {holder}.", mend="Open it read-only, or stop that process."
            ) from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        _held.add(self)

    def release(self) -> None:
        """Give the right back; once is enough."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


_held: weakref.WeakSet[WriterLock] = weakref.WeakSet()


def _forget_in_child() -> None:
    """A forked child shares the lock's descriptor, and would keep the folder locked after its parent has died."""
    for lock in list(_held):
        lock.release()


os.register_at_fork(after_in_child=_forget_in_child)


def memory_folder() -> Path:
    """A new temporary folder in the fastest place: the memory file system where there is one with room, else the temp folder."""
    shared = Path("/dev/shm")  # noqa: S108  # the kernel's, not a predictable name of ours
    with contextlib.suppress(OSError):
        if os.access(shared, os.W_OK) and shutil.disk_usage(shared).free >= MEMORY_SPACE_MIN:
            return Path(tempfile.mkdtemp(prefix="penstock-", dir=shared))
    return Path(tempfile.mkdtemp(prefix="penstock-"))
