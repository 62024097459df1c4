"""Answers that go on: their parts are sent as they come, no faster than the client reads them, and they end with the client or the server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from penstock.server.door import bug
from penstock.server.hall import Hall, gone

END_S = 1.0
"""How long a stream may take to end by itself once the server stops."""


class Stream(Response):
    """An answer whose body is made part by part. A part is asked for once the one before it is sent.

    When the client has gone, `parts` is closed where it waits. When the server stops, it should end by itself soon; else it is closed too. With
    `duplex` the request's body is read by `parts`, which sees by itself that the client has gone. `ended` is called at the end, even where not one
    part was asked for.
    """

    def __init__(
        self, hall: Hall, parts: AsyncGenerator[bytes, None], media_type: str, *, duplex: bool = False, ended: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(None, 200, media_type=media_type)
        del self.headers["content-length"]
        self._hall, self._parts, self._duplex, self._ended = hall, parts, duplex, ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._hall.streams.add(self)
        try:
            await self._run(receive, send)
        finally:
            self._hall.streams.discard(self)
            self._ended()

    async def _run(self, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        sending = asyncio.create_task(self._send(send))
        ends = [] if self._duplex else [gone(receive)]
        await until_first(sending, *ends, self._closing())
        with contextlib.suppress(Exception):
            await self._parts.aclose()

    async def _send(self, send: Send) -> None:
        try:
            async for part in self._parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
        except OSError:
            return  # the client has gone
        except Exception as error:  # noqa: BLE001 - the answer has begun, and ends here
            bug(error)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _closing(self) -> None:
        await self._hall.closing.wait()
        await asyncio.sleep(END_S)


async def until_first(task: asyncio.Task[None], *others: Coroutine[Any, Any, None]) -> None:
    """Run a task until it or one of the others ends, and cancel the rest."""
    tasks = [task, *(asyncio.create_task(other) for other in others)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
