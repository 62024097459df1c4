"""State as a cycle sees it: read without the writer's lock until something is written.

Only one transaction at a time may write a log, and most of a cycle's time goes into reading state and computing. Nobody but the query itself
writes its state, so what a snapshot shows stays true until the cycle's own first write; from then on its transaction is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Protocol

from penstock.log.protocol import StateStore

if TYPE_CHECKING:
    from penstock.log.protocol import Buffer, Snapshot, Transaction


class Home(Protocol):
    """Where a cycle keeps its state: a log, or what opens one when asked."""

    def begin(self) -> AbstractContextManager[Transaction]: ...

    def snapshot(self) -> AbstractContextManager[Snapshot]: ...


class CycleState:
    """The snapshot, and then the transaction, of one cycle. Leaving the block commits, or undoes all where it raises."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._reading = ExitStack()
        self._writing = ExitStack()
        self._view: Snapshot | Transaction | None = None
        self._transaction: Transaction | None = None

    @property
    def view(self) -> Snapshot | Transaction:
        """What is read from."""
        if self._view is None:
            self._view = self._reading.enter_context(self._home.snapshot())
        return self._view

    @property
    def transaction(self) -> Transaction:
        """The write transaction, begun when first asked for. The snapshot ends before: held across the wait for others it would keep old pages."""
        if self._transaction is None:
            self._reading.close()
            self._view = self._transaction = self._writing.enter_context(self._home.begin())
        return self._transaction

    @property
    def writes(self) -> bool:
        """Whether the transaction has begun."""
        return self._transaction is not None

    def store(self, name: str) -> StateStore:
        """A state store; an iterator of its is spent before the cycle's first write."""
        return CycleStore(self, name)

    def __enter__(self) -> CycleState:
        self._writing.__enter__()
        return self

    def __exit__(self, *exc: object) -> bool | None:
        self._reading.close()
        return self._writing.__exit__(*exc)  # type: ignore[arg-type]


class CycleStore(StateStore):
    """One store of a cycle: its reads go to the snapshot until the cycle writes."""

    def __init__(self, state: CycleState, name: str) -> None:
        self._state = state
        self._name = name
        self._opened: tuple[Snapshot | Transaction, StateStore] | None = None

    def _read(self) -> StateStore:
        view = self._state.view
        if self._opened is None or self._opened[0] is not view:
            self._opened = view, view.state(self._name)
        return self._opened[1]

    def _write(self) -> StateStore:
        _ = self._state.transaction
        return self._read()

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return self._read().get_many(keys)

    def scan(self, start: bytes = b"", end: bytes | None = None, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        return self._read().scan(start, end, reverse=reverse)

    def scan_many(self, ranges: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        return self._read().scan_many(ranges)

    def count(self) -> int:
        return self._read().count()

    def borrow(self, key: bytes) -> Buffer | None:
        return self._read().borrow(key)

    def put_many(self, items: Iterable[tuple[bytes, Buffer]]) -> None:
        self._write().put_many(items)

    def delete_many(self, keys: Sequence[bytes]) -> None:
        if keys:
            self._write().delete_many(keys)

    def delete_range(self, start: bytes, end: bytes) -> None:
        self._write().delete_range(start, end)

    def clear(self) -> None:
        self._write().clear()
