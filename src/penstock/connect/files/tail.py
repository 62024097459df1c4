"""A growing file, read line by line: what is complete is given, rotation and truncation are noticed."""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from penstock.errors import ConnectorError

CHUNK = 1 << 20
LINE_BYTES_MAX = 16 << 20
HEAD = 256
"""So many bytes at a file's beginning tell it from another that got its inode."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its end, and the byte at which the next one begins."""

    data: bytes
    end: int


class Tail:
    """One path, from a committed place on."""

    def __init__(self, path: Path, place: Mapping[str, Any] | None) -> None:
        self._path = path
        self._place = place
        self._file: BinaryIO | None = None
        self._buffer = b""
        self._start = 0  # where in the file the buffer begins
        self._last = False  # the file has been renamed or removed: nothing more will be written to it

    def lines(self, count: int) -> list[Line]:
        """At most `count` complete lines that were not given before. Raises ConnectorError for a line without end."""
        if self._file is None and not self._open():
            return []
        found = self._complete(count)
        while not found and self._fill():
            found = self._complete(count)
        if not found and self._is_over():
            found = self._rest()
            if not found:
                self.close()
                self._place = None
                return self.lines(count) if self._path.exists() else []
        return found

    def first_lines(self, count: int) -> list[Line]:
        """The first lines of the file that the last lines came from, at most `count`."""
        assert self._file is not None
        pieces = os.pread(self._file.fileno(), CHUNK, 0).split(b"\n")
        complete = pieces if self._last and pieces[-1] else pieces[:-1]
        found: list[Line] = []
        end = 0
        for piece in complete[:count]:
            end += len(piece) + 1
            found.append(Line(piece.removesuffix(b"\r"), end))
        return found

    def place(self, end: int) -> dict[str, Any]:
        """The place after a line that ends at `end`, as it is committed."""
        assert self._file is not None
        size = min(end, HEAD)
        return {"offset": end, "inode": os.fstat(self._file.fileno()).st_ino, "head": _sum(self._file, size), "head_bytes": size}

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
        self._file, self._buffer, self._start, self._last = None, b"", 0, False

    # ------------------------------------------------------------------ which file

    def _open(self) -> bool:
        """Open the file that the committed place is in, under whatever name it has now, or else the one at the path. Whether there is one."""
        place = self._place
        candidates = [self._path]
        if place is not None:
            candidates += [other for other in _siblings(self._path) if other != self._path]
        for candidate in candidates if place is not None else ():
            file = _opened(candidate)
            if file is None:
                continue
            if place is not None and _is_the_same(file, place):
                self._file, self._start = file, int(place["offset"])
                self._last = candidate != self._path
                return True
            file.close()
        self._file = _opened(self._path)
        self._start = 0
        return self._file is not None

    def _is_over(self) -> bool:
        """Whether this file grows no more: it was renamed, removed or begun anew."""
        assert self._file is not None
        here = os.fstat(self._file.fileno())
        if here.st_size < self._start + len(self._buffer):  # cut off: what is in it now is new
            self._buffer = b""
            return True
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            self._last = True
            return True
        self._last = self._last or (there.st_ino, there.st_dev) != (here.st_ino, here.st_dev)
        return self._last

    # ------------------------------------------------------------------ its lines

    def _fill(self) -> bool:
        """Read on; whether there was anything."""
        assert self._file is not None
        data = os.pread(self._file.fileno(), CHUNK, self._start + len(self._buffer))
        if len(self._buffer) + len(data) > LINE_BYTES_MAX:
            raise ConnectorError(
                f"The line of {self._path} that begins at byte {self._start} is longer than {LINE_BYTES_MAX} bytes.", mend="Is it a file of lines?"
            )
        self._buffer += data
        return bool(data)

    def _complete(self, count: int) -> list[Line]:
        """The complete lines of the buffer."""
        found: list[Line] = []
        begin = 0
        while len(found) < count and (newline := self._buffer.find(b"\n", begin)) >= 0:
            found.append(Line(self._buffer[begin:newline].removesuffix(b"\r"), self._start + newline + 1))
            begin = newline + 1
        self._buffer, self._start = self._buffer[begin:], self._start + begin
        return found

    def _rest(self) -> list[Line]:
        """What a file that is over holds behind its last line's end."""
        data, self._buffer = self._buffer, b""
        self._start += len(data)
        return [Line(data, self._start)] if data else []


def _opened(path: Path) -> BinaryIO | None:
    try:
        # the path is resolved: a link that has come since may lead anywhere
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        if stat.S_ISREG(os.fstat(number).st_mode):
            return os.fdopen(number, "rb")
        os.close(number)
        return None
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConnectorError(f"{path} cannot be read: {error.strerror}.", mend="Give the process the right to read it.") from error


def _siblings(path: Path) -> list[Path]:
    """The files beside a path whose names begin with its own, as rotation names them."""
    return sorted(path.parent.glob(f"{path.stem}*")) if path.parent.is_dir() else []


def _is_the_same(file: BinaryIO, place: Mapping[str, Any]) -> bool:
    status = os.fstat(file.fileno())
    same = status.st_ino == place["inode"] and status.st_size >= int(place["offset"])
    return bool(same and _sum(file, int(place["head_bytes"])) == place["head"])


def _sum(file: BinaryIO, size: int) -> int:
    return zlib.crc32(os.pread(file.fileno(), size, 0))
