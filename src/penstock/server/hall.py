"""What the endpoints of a door share: the database, threads for what blocks, and word of changes in the log."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from starlette.types import Receive

from penstock.cancellation import Cancellation
from penstock.database import Session

if TYPE_CHECKING:
    from penstock.database import Database

THREADS_MAX = 32
WATCH_S = 0.5
"""How long the watching thread looks at the log before it asks whether anybody still waits."""
POLL_S = 0.02

P = ParamSpec("P")
T = TypeVar("T")


class Hall:
    """The way from a door to the database. Everything here is for the event loop's thread, except where it says otherwise.

    The database's methods block, so they run in threads (`run`). What waits for new records waits here (`changed`), and costs no thread.
    """

    def __init__(self, db: Database) -> None:
        self.db = db
        self._threads = ThreadPoolExecutor(THREADS_MAX, "door")
        self._waiting: set[asyncio.Future[None]] = set()
        self._wanted = threading.Condition()
        self._watcher: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._seen = db.log.version()
        self._kept: dict[type, Any] = {}
        self._endable: dict[Future[Any], Cancellation] = {}
        self.streams: set[object] = set()
        """The streams that are being sent."""
        self.closing = asyncio.Event()
        """Set when the server stops: streams end."""

    def of(self, kind: Callable[[], T]) -> T:
        """The one object of a class that the endpoints of this door share; made when it is first asked for. From any thread."""
        assert isinstance(kind, type)
        found: T = self._kept.setdefault(kind, kind())
        return found

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What a call returns that may block; it is made in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: call(*args, **kwargs))

    async def run_as(self, session: Session, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same, in a client's session."""
        return await self.run(self._within, session, lambda: call(*args, **kwargs))

    def _within(self, session: Session, call: Callable[[], T]) -> T:
        with self.db.enter(session):
            return call()

    async def run_while_wanted(self, session: Session, receive: Receive, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same; `receive` tells when the client goes, whose request has been read. Then, and when the server stops, what the session is doing is
        ended."""
        call_made = self._threads.submit(self._within, session, lambda: call(*args, **kwargs))
        self._endable[call_made] = session.cancellation
        call_made.add_done_callback(self._endable.pop)
        running = asyncio.wrap_future(call_made)
        unwanted = [asyncio.create_task(gone(receive)), asyncio.create_task(self._closed())]
        try:
            first: list[asyncio.Future[Any]] = [running, *unwanted]
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            while not running.done():
                session.cancellation.ask()  # again and again: what it interrupts may not have begun
                await asyncio.wait([running], timeout=POLL_S)
        finally:
            for each in unwanted:
                each.cancel()
        return await running

    async def _closed(self) -> None:
        await self.closing.wait()

    def later(self, call: Callable[[], object]) -> None:
        """Make a call in a thread, some time, and wait for nothing: for what must be closed even where the asking task is cancelled."""
        self._threads.submit(call)

    async def changed(self, version: int) -> None:
        """Wait until the log has changed since `version`, or the server stops."""
        self._loop = asyncio.get_running_loop()
        told: asyncio.Future[None] = self._loop.create_future()
        with self._wanted:
            self._waiting.add(told)
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._watch, name="door-watch", daemon=True)
                self._watcher.start()
            self._wanted.notify()
        try:
            # what changed before the watching thread looked is seen here, what changes after it is told
            if self.db.log.version() == version and not self.closing.is_set():
                await told
        finally:
            with self._wanted:
                self._waiting.discard(told)

    def _watch(self) -> None:
        """Watch the log as long as somebody waits; runs in a thread of its own, one for all."""
        while not self.closing.is_set():
            with self._wanted:
                if not self._waiting:
                    self._wanted.wait(WATCH_S)
                    continue
            now = self.db.log.watch(self._seen, WATCH_S)
            if now != self._seen:
                self._seen = now
                self._tell()

    def _tell(self) -> None:
        with self._wanted:
            told = list(self._waiting)
        assert self._loop is not None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_wake, told)

    def stop(self) -> None:
        """End the streams, and let who waits go on."""
        self.closing.set()
        _wake(list(self._waiting))

    async def wind_down(self, timeout_s: float) -> None:
        """End the streams, and wait until they are sent whole, at most for a time."""
        self.stop()
        deadline = asyncio.get_running_loop().time() + timeout_s
        while self.streams and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(POLL_S)

    def close(self) -> None:
        """Wait until no call is under way any more. From any thread, once the event loop has ended."""
        while waiting := list(self._endable.values()):
            for cancellation in waiting:
                cancellation.ask()  # its request is given up, and with it whoever asked so far
            time.sleep(POLL_S)
        self._threads.shutdown(wait=True)
        with self._wanted:
            self._wanted.notify()
        if self._watcher is not None:
            self._watcher.join()


async def gone(receive: Receive) -> None:
    """Wait until the client has gone."""
    while (await receive())["type"] not in ("http.disconnect", "websocket.disconnect"):
        pass


def _wake(told: list[asyncio.Future[None]]) -> None:
    for future in told:
        if not future.done():
            future.set_result(None)
