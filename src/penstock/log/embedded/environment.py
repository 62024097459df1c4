"""One LMDB environment: its transactions, who waits for whom, and what happens when a write fails."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import shutil
import struct
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lmdb

from penstock.errors import Error, StorageError, StorageLostError
from penstock.log.embedded import ahead
from penstock.log.embedded.folder import DATA_FILE, WriterLock, memory_folder, prepare

if TYPE_CHECKING:
    from lmdb import _Database

MAP_BYTES_MAX = 1 << 40  # address space, not disk: the file is as large as what it holds
MAP_BYTES_MIN = 1 << 28
READERS_MAX = 1024
POLL_S = 0.025  # how often a reading process looks whether the writing one has committed
GROW_WAIT_S = 0.5
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FREE_BYTES_MIN = 1 << 20  # a write that found less room was cut short for want of it
CLOSE_WAIT_S = 10.0
CLOCK = b"clock"
NUMBER = struct.Struct("<q")


@dataclass(frozen=True, slots=True)
class View:
    """An LMDB transaction and the databases in it: `meta` (topics, heads, offsets, names of stores), `batches`, `state`. `lender` gives a
    read transaction whose values are memory of the map, of the moment at which this one began; None where there is none of it any more."""

    txn: Any
    meta: _Database
    batches: _Database
    state: _Database
    lender: Callable[[], Any]

    def get(self, key: bytes) -> bytes | None:
        """The value of `key` in `meta`."""
        value: bytes | None = self.txn.get(key, db=self.meta)
        return value

    def put(self, key: bytes, value: bytes) -> None:
        """Set `key` in `meta`."""
        self.txn.put(key, value, db=self.meta)

    def number(self, key: bytes) -> int:
        """The integer at `key` in `meta`; 0 where there is none."""
        value = self.get(key)
        return NUMBER.unpack(value)[0] if value else 0

    def advance(self, key: bytes, by: int) -> int:
        """Add to the integer at `key` in `meta`; return what it was before."""
        before = self.number(key)
        self.put(key, NUMBER.pack(before + by))
        return before

    def items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The items of `meta` whose keys begin with `prefix`."""
        with self.txn.cursor(self.meta) as cursor:
            if cursor.set_range(prefix):
                for key, value in cursor.iternext():
                    if not key.startswith(prefix):
                        return
                    yield key, value


class Lender:
    """The read transaction that lends values to another one: begun when first asked for, it ends with that one.

    LMDB's binding either copies every value of a transaction or none, and copies are what nearly everybody wants.
    """

    def __init__(self, begin: Callable[[bool], Any], moment: int) -> None:
        self._begin = begin
        self._moment = moment
        self._txn: Any = None

    def __call__(self) -> Any:
        """The transaction, or None where others have committed meanwhile."""
        if self._txn is None:
            self._txn = self._begin(True)
        return self._txn if self._txn.id() == self._moment else None

    def end(self) -> None:
        """Give it back."""
        if self._txn is not None:
            self._txn.abort()


def commit(txn: Any) -> None:
    """Commit durably. A function of its own so that a test can make it fail."""
    txn.commit()


class Environment:
    """The open folder. Thread-safe: any number of readers, one writer at a time.

    `clock` in `meta` counts the records ever appended and the changes of topics: it numbers records over all topics (`sequence`), and is the
    version that `watch` waits for.
    """

    def __init__(self, folder: Path | None, *, read_only: bool) -> None:
        self.read_only = read_only
        self.folder = folder
        self._lock: WriterLock | None = None
        place = memory_folder() if folder is None else folder
        if folder is not None:
            prepare(folder, read_only=read_only)
            if not read_only:
                self._lock = WriterLock(folder)
        try:
            self._open(place, durable=folder is not None)
        except BaseException:
            self._release()
            raise
        finally:
            if folder is None:
                shutil.rmtree(place)  # the open files live on without a name, and end with the process however that ends
        self._failure: str | None = None
        self._large_pages: int | None = None
        """What `_count_large_pages` counted when a transaction was last committed."""
        self._crowded = False
        """Whether a transaction found the map too small."""
        self._closed = False
        self._writer = threading.Lock()
        self._writing_thread: int | None = None
        self._changed = threading.Condition()
        self._wakes = 0
        self._readers = 0
        self._readers_changed = threading.Condition()
        with self.reading() as view:
            self._version = view.number(CLOCK)
        self._seen_txnid = self._env.info()["last_txnid"]

    def _open(self, place: Path, *, durable: bool) -> None:
        size = MAP_BYTES_MAX
        while True:
            try:
                self._env = lmdb.open(
                    str(place),
                    map_size=size,
                    max_dbs=8,
                    max_readers=READERS_MAX,
                    readonly=self.read_only,
                    sync=durable,
                    metasync=durable,
                    readahead=durable,
                    meminit=False,
                    create=not self.read_only,
                )
                break
            except (lmdb.Error, OSError, OverflowError) as error:
                if size > MAP_BYTES_MIN and ("Cannot allocate" in str(error) or isinstance(error, OverflowError)):
                    size //= 4  # an address space with a limit (ulimit -v, 32 bits); it grows as it fills
                    continue
                raise StorageError(
                    f"{place / DATA_FILE} cannot be opened: {error}.", mend="Check the folder's permissions, or restore it."
                ) from error
        self._map_bytes = size
        self._grows_ahead = durable and not self.read_only
        # to ask how large it is, and to write ahead: a log in memory loses its name
        self._file = os.open(place / DATA_FILE, os.O_RDWR if self._grows_ahead else os.O_RDONLY)
        self._close_file = weakref.finalize(self, os.close, self._file)
        try:
            if not self.read_only:
                self._env.reader_check()  # readers that died keep old pages alive until they are found
            self._tables = [self._env.open_db(name, create=not self.read_only) for name in (b"meta", b"batches", b"state")]
        except lmdb.Error as error:
            self._env.close()
            self._close_file()
            raise StorageError(f"{place / DATA_FILE} cannot be read: {error}.", mend="Restore the folder from a copy.") from error

    @property
    def name(self) -> str:
        """What errors call it."""
        return ":memory:" if self.folder is None else str(self.folder)

    # Reading

    @contextlib.contextmanager
    def reading(self, *, buffers: bool = False) -> Iterator[View]:
        """A consistent view for reading. With `buffers` values are memory of the map: not to be kept beyond the block."""
        with self._readers_changed:
            if self._closed:
                raise StorageLostError(f"The log {self.name} is closed.", mend="Open it again.")
            self._readers += 1
        try:
            txn = self._begin_reading(buffers)
            lender = Lender(self._begin_reading, txn.id())
            try:
                yield self._view(txn, lender)
            finally:
                lender.end()
                txn.abort()
        finally:
            with self._readers_changed:
                self._readers -= 1
                if not self._readers:
                    self._readers_changed.notify_all()

    def _view(self, txn: Any, lender: Lender) -> View:
        meta, batches, state = self._tables
        return View(txn, meta, batches, state, lender)

    def _begin_reading(self, buffers: bool) -> Any:
        try:
            return self._env.begin(buffers=True) if buffers else self._env.begin()
        except lmdb.MapResizedError:
            self._env.set_mapsize(0)  # the writing process has grown the map: take its size over
            return self._env.begin(buffers=True) if buffers else self._env.begin()
        except lmdb.ReadersFullError as error:
            raise StorageError(f"More than {READERS_MAX} readers have {self.name} open at once.", mend="Close snapshots soon.") from error
        except lmdb.Error as error:
            raise StorageError(f"The log {self.name} cannot be read: {error}.", mend="Close it and open it again.") from error

    # Writing

    @contextlib.contextmanager
    def writing(self) -> Iterator[View]:
        """The one write transaction: committed durably when the block ends, undone where it raises. Waits for the one before."""
        self.check_writable()
        with self._writer:
            self.check_writable()
            self._writing_thread = threading.get_ident()
            try:
                with self._transaction() as view:
                    yield view
            finally:
                self._writing_thread = None

    def check_writable(self) -> None:
        """Raise StorageError where nothing may be written: read-only, closed, failed before, or within this thread's own transaction."""
        if self.read_only:
            raise StorageError(f"The log {self.name} is open read-only.", mend="Write from the process that has it open for writing.")
        if self._closed:
            raise StorageLostError(f"The log {self.name} is closed.", mend="Open it again.")
        if self._failure:
            raise StorageLostError(
                f"The log {self.name} failed to write earlier ({self._failure}), and writes no more.", mend="Mend the disk, then open it again."
            )
        if self._writing_thread == threading.get_ident():
            raise StorageError("This thread is inside a transaction already.", mend="Use the transaction's own append, commit_offsets and state.")

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[View]:
        self._grow_where_half_full()
        try:
            txn = self._env.begin(write=True)
        except lmdb.Error as error:
            raise self._poisoned(error) from error
        # nobody else commits while this one writes: what is committed now is what it began from
        lender = Lender(self._begin_reading, txn.id() - 1)
        view = self._view(txn, lender)
        try:
            before = self._large_pages if self._large_pages is not None else self._count_large_pages(txn)
            try:
                yield view
            finally:
                lender.end()
            version = view.number(CLOCK)
            large = self._count_large_pages(txn)
            self._grow_ahead(large - before)
        except (lmdb.Error, OSError) as error:
            txn.abort()
            raise self._failed(error) from error
        except BaseException:
            txn.abort()
            raise
        try:
            commit(txn)
        except (lmdb.Error, OSError) as error:
            raise self._failed(error) from error
        self._large_pages = large
        if version != self._version:
            with self._changed:
                self._version = version
                self._changed.notify_all()

    def _count_large_pages(self, txn: Any) -> int:
        """How many pages the values take that have pages of their own; 0 where nobody needs to know."""
        return ahead.large_pages(txn, self._tables[1:]) if self._grows_ahead else 0

    def _grow_ahead(self, pages: int) -> None:
        """Make room in the file for a transaction whose large values take so many pages more than before it."""
        size = self._env.stat()["psize"]
        if pages * size >= ahead.GROWTH_BYTES_MIN:
            ahead.grow(self._file, (self._env.info()["last_pgno"] + 1 + pages) * size, self._room_bytes())

    def _failed(self, error: Exception) -> Error:
        """What to raise for a transaction that could not be written. Where there was no room for it nothing that counts was touched, and the next
        one, which writes all its pages itself, may find room."""
        if isinstance(error, lmdb.MapFullError):
            self._crowded = True
            return StorageError(f"A transaction is larger than the space left for {self.name}.", mend="Write less in one transaction.")
        code = getattr(error, "code", None) or getattr(error, "errno", None)
        # LMDB calls a write that was cut short an input/output error, whatever cut it short
        if code in FULL or (code == errno.EIO and self._room_bytes() < FREE_BYTES_MIN):
            return StorageError(
                f"There is no room left on the disk of {self.name}, so nothing of a transaction was written.",
                mend="Make room on the disk, or shorten the retention of topics; what was to be written may then be tried again.",
            )
        return self._poisoned(error)

    def _poisoned(self, error: Exception) -> Error:
        """After a failed write what is on the disk is unknown to the process: only opening the folder anew reads it again."""
        self._failure = str(error)
        return StorageLostError(f"The log {self.name} failed to write: {error}. It writes no more.", mend="Mend the disk, then open it again.")

    def _room_bytes(self) -> int:
        """By how much the file may grow: what its disk has free, and what a limit on the size of this process's files (ulimit -f) leaves."""
        disk, size = os.fstatvfs(self._file), os.fstat(self._file).st_size
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
        free = disk.f_bavail * disk.f_frsize
        return free if limit == resource.RLIM_INFINITY else min(free, limit - size)

    def _grow_where_half_full(self) -> None:
        if self._map_bytes == MAP_BYTES_MAX:
            return
        info = self._env.info()
        if info["last_pgno"] * self._env.stat()["psize"] * 2 < self._map_bytes and not self._crowded:
            return
        with self._readers_changed:
            if not self._readers_changed.wait_for(lambda: self._readers == 0, GROW_WAIT_S):
                return  # LMDB maps anew only while no transaction is open: the next write tries again
            self._map_bytes = min(self._map_bytes * 4, MAP_BYTES_MAX)
            self._env.set_mapsize(self._map_bytes)
            self._crowded = False

    # Change

    def version(self) -> int:
        """The clock after the last committed change of any topic, and how often `wake` was called."""
        if not self.read_only:
            return self._version + self._wakes
        txnid = self._env.info()["last_txnid"]  # of the shared map: no transaction, no system call
        if txnid != self._seen_txnid:
            with self.reading() as view:
                version = view.number(CLOCK)
            self._seen_txnid, self._version = txnid, version
        return self._version + self._wakes

    def watch(self, version: int, timeout: float | None) -> int:
        """Wait until the version exceeds `version`, for `timeout` s at most, or the log is closed; return the version then."""
        if not self.read_only:
            with self._changed:
                self._changed.wait_for(lambda: self._version + self._wakes > version or self._closed, timeout)
                return self._version + self._wakes
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not self._closed and self.version() <= version:
                left = POLL_S if deadline is None else min(POLL_S, deadline - time.monotonic())
                if left <= 0:
                    break
                self._changed.wait(left)
            return self._version + self._wakes

    def wake(self) -> None:
        """Let those who watch look around."""
        with self._changed:
            self._wakes += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Wait for the transactions that are open, then give everything back. A second call does nothing."""
        if self._writing_thread == threading.get_ident():
            raise StorageError("The log cannot be closed inside a transaction.", mend="Close it after the block.")
        with self._writer, self._readers_changed:
            if self._closed:
                return
            self._closed = True
            with self._changed:
                self._changed.notify_all()
            if not self._readers_changed.wait_for(lambda: self._readers == 0, CLOSE_WAIT_S):
                raise StorageError(f"The log {self.name} was closed while a snapshot of it is open.", mend="Close snapshots first.")
            self._env.close()
            self._close_file()
            self._release()

    def _release(self) -> None:
        if self._lock:
            self._lock.release()
            self._lock = None

    @property
    def closed(self) -> bool:
        """Whether `close` has been called."""
        return self._closed
