"""State stores: each a range of one LMDB database, under a number of four bytes that stands for its name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import lmdb

from penstock.errors import StorageError
from penstock.log.embedded.environment import View
from penstock.log.protocol import StateStore

if TYPE_CHECKING:
    from penstock.log.protocol import Buffer

STORE = b"store/"
NEXT_STORE = b"next store"
NAME_BYTES_MAX = 400
KEY_BYTES_MAX = 500


def open_store(view: View, name: str, *, writable: bool) -> StateStore:
    """The store `name` in the transaction; made by the first thing put into it."""
    key = _name_key(name)
    return LmdbStateStore(view, key, view.get(key), writable)


def _name_key(name: str) -> bytes:
    """Where the number of a store stands. A long name keeps its beginning, so that stores can be found by it."""
    text = name.encode()
    if len(text) <= NAME_BYTES_MAX:
        return STORE + text
    return STORE + text[:NAME_BYTES_MAX] + b"\0" + hashlib.sha256(text).digest()


class LmdbStateStore(StateStore):
    """A state store inside one transaction; useless after it."""

    def __init__(self, view: View, name_key: bytes, prefix: bytes | None, writable: bool) -> None:
        self._view = view
        self._name_key = name_key
        self._prefix = prefix
        self._writable = writable
        self._cursor: Any = view.txn.cursor(view.state)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        if self._prefix is None:
            return [None] * len(keys)
        return list(map(self._cursor.get, map(self._prefix.__add__, keys)))

    def borrow(self, key: bytes) -> Buffer | None:
        if self._prefix is None:
            return None
        lender = self._view.lender()
        lent = lender.get(self._prefix + key, db=self._view.state) if lender is not None else None
        # what this transaction has written itself it alone can see
        return lent if lent is not None else self._cursor.get(self._prefix + key)

    def put_many(self, items: Iterable[tuple[bytes, Buffer]]) -> None:
        items = iter(items)
        first = next(items, None)
        if first is None:
            return
        prefix = self._make()
        try:
            self._cursor.putmulti((prefix + key, value) for key, value in chain((first,), items))
        except lmdb.BadValsizeError as error:
            raise StorageError("A key is too long for state.", mend=f"Use keys of at most {KEY_BYTES_MAX} bytes.") from error

    def delete_many(self, keys: Sequence[bytes]) -> None:
        self._check_writable()
        if self._prefix is None:
            return
        seek, delete = self._cursor.set_key, self._cursor.delete
        for key in map(self._prefix.__add__, keys):
            if seek(key):
                delete()

    def delete_range(self, start: bytes, end: bytes) -> None:
        self._check_writable()
        if self._prefix is not None:
            self._delete(self._prefix + start, self._prefix + end)

    def scan(self, start: bytes = b"", end: bytes | None = None, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        if self._prefix is None:
            return
        first = self._prefix + start
        beyond = _after(self._prefix) if end is None else self._prefix + end
        size = len(self._prefix)
        with self._view.txn.cursor(self._view.state) as cursor:
            if reverse:
                if not (cursor.prev() if cursor.set_range(beyond) else cursor.last()):
                    return
                for key, value in cursor.iterprev():
                    if key < first:
                        return
                    yield key[size:], value
            elif cursor.set_range(first):
                for key, value in cursor.iternext():
                    if key >= beyond:
                        return
                    yield key[size:], value

    def scan_many(self, ranges: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        if self._prefix is None:
            return []
        prefix, size = self._prefix, len(self._prefix)
        found: list[tuple[bytes, bytes]] = []
        with self._view.txn.cursor(self._view.state) as cursor:
            seek, item, following = cursor.set_range, cursor.item, cursor.next
            for start, end in ranges:
                beyond = prefix + end
                more = seek(prefix + start)
                while more:
                    key, value = item()
                    if key >= beyond:
                        break
                    found.append((key[size:], value))
                    more = following()
        return found

    def count(self) -> int:
        if self._prefix is None:
            return 0
        beyond = _after(self._prefix)
        count = 0
        with self._view.txn.cursor(self._view.state) as cursor:
            if cursor.set_range(self._prefix):
                for key in cursor.iternext(keys=True, values=False):
                    if key >= beyond:
                        break
                    count += 1
        return count

    def clear(self) -> None:
        self._check_writable()
        if self._prefix is None:
            return
        self._delete(self._prefix, _after(self._prefix))
        self._view.txn.delete(self._name_key, db=self._view.meta)
        self._prefix = None

    def _delete(self, first: bytes, beyond: bytes) -> None:
        """Remove the items of the database with first <= key < beyond."""
        more, key, delete = self._cursor.set_range(first), self._cursor.key, self._cursor.delete
        while more and key() < beyond:
            more = delete()

    def _make(self) -> bytes:
        self._check_writable()
        if self._prefix is None:
            self._prefix = self._view.get(self._name_key)  # another handle of this transaction may have made it
        if self._prefix is None:
            self._prefix = self._view.advance(NEXT_STORE, 1).to_bytes(4, "big")
            self._view.put(self._name_key, self._prefix)
        return self._prefix

    def _check_writable(self) -> None:
        if not self._writable:
            raise StorageError("A snapshot's state is for reading.", mend="Write in a transaction.")


def delete_stores(view: View, prefix: str) -> None:
    """Remove every store whose name begins with `prefix`."""
    text = prefix.encode()
    if len(text) > NAME_BYTES_MAX:
        raise StorageError(f"State stores cannot be found by {len(text)} bytes of their names.", mend=f"Give at most {NAME_BYTES_MAX}.")
    for key, number in list(view.items(STORE + text)):
        LmdbStateStore(view, key, number, writable=True).clear()


def _after(prefix: bytes) -> bytes:
    """The first key beyond all that begin with the four bytes `prefix`."""
    return (int.from_bytes(prefix, "big") + 1).to_bytes(4, "big")
