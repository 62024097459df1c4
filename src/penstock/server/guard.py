"""What stands before every door: whose page a request comes from, by what name the server is called, and who asks."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penstock.server.answers import Refusal
from penstock.server.authentication import Users

_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:@/\[\]]+))(?::\d+)?")
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Guard:
    """An application that lets only those requests through which may come in.

    A web page of anybody's may send requests to a server on the reader's own machine. Its browser says so in `Origin` and `Sec-Fetch-Site`, which
    such a page cannot forge; and where a name that the page's owner made point to this machine (DNS rebinding) is the way in, `Host` holds that name.
    So a request of another origin is refused, and so is one by a name that is not among `names` (None: by any, which is for servers that ask for
    passwords, since a browser keeps those apart by name).
    """

    application: ASGIApp
    error: Callable[[Refusal], Response]
    names: frozenset[str] | None
    users: Users | None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.application(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._stranger(headers)
        if refusal is None and self.users is not None and not await self._known(headers, self.users):
            refusal = Refusal(
                401, "The server asks for a user's name and password.", headers={"www-authenticate": 'Basic realm="penstock", charset="UTF-8"'}
            )
        if refusal is None:
            await self.application(scope, *remembering(receive, send))
        elif scope["type"] == "websocket":
            await _refuse_socket(self.error(refusal), scope, send)
        else:
            await self.error(refusal)(scope, receive, send)

    def _stranger(self, headers: Headers) -> Refusal | None:
        """The refusal of a request that comes from a stranger's page."""
        host = headers.get("host", "")
        if self.names is not None and not self._named(host):
            what = f"by the name {host[:200]!r}" if host else "without a Host"
            return Refusal(421, f"This server is not to be called {what}. Call it localhost, or start it with --allow-host and that name.")
        origin = headers.get("origin")
        if origin is not None:
            try:
                same = urlsplit(origin).netloc.lower() == host.lower()
            except ValueError:
                same = False
            if not same:
                return Refusal(403, f"A page of {origin[:200]} may not use this server.")
        if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            return Refusal(403, "A page of another site may not use this server.")
        return None

    def _named(self, host: str) -> bool:
        assert self.names is not None
        name = name_of(host)
        return name in self.names or name.endswith(".localhost")

    async def _known(self, headers: Headers, users: Users) -> bool:
        given = headers.get("authorization")
        return given is not None and await asyncio.to_thread(users.accepts, given)


def name_of(host: str) -> str:
    """The name in a header `Host`, without the port, in lower case; empty where it is no name."""
    found = _HOST.fullmatch(host)
    return (found[1] or found[2]).lower().rstrip(".") if found else ""


def remembering(receive: Receive, send: Send) -> tuple[Receive, Send]:
    """What a client sends, and what is sent to it. That it has gone is told to everybody who asks from then on, and nothing more is sent, which the
    server would keep for ever in HTTP/2."""
    last: list[Message] = []

    async def received() -> Message:
        if last:
            return last[0]
        message = await receive()
        if message["type"] in ("http.disconnect", "websocket.disconnect"):
            last.append(message)
        return message

    async def sent(message: Message) -> None:
        if not last:
            await send(message)

    return received, sent


async def _refuse_socket(response: Response, scope: Scope, send: Send) -> None:
    """Answer the opening of a WebSocket with an error."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    await send({"type": "websocket.http.response.start", "status": response.status_code, "headers": response.raw_headers})
    await send({"type": "websocket.http.response.body", "body": bytes(response.body)})
