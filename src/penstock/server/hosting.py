"""Hosting: the server that speaks HTTP on sockets, and how it ends."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from penstock.server.doors import doors
from penstock.server.guard import LOCAL_NAMES, Guard
from penstock.server.hall import Hall
from penstock.server.listening import Access, Bound

if TYPE_CHECKING:
    from hypercorn.config import Config
    from starlette.applications import Starlette

    from penstock.database import Database
    from penstock.server.door import Door

STREAMS_END_S = 2.0
"""How long a stream may take to end by itself when the server stops; after that its connection is closed."""

_logger = logging.getLogger("penstock.server")


@dataclass
class _Served:
    """One door as it is served."""

    application: Starlette
    guard: Guard
    config: Config
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def hall(self) -> Hall:
        hall: Hall = self.application.state.hall
        return hall


class Server:
    """The doors of a database, served from a thread of their own until `close`; a context manager."""

    def __init__(self, db: Database, bound: Bound) -> None:
        self._bound = bound
        self._served = [_served(db, doors()[listener.door], sock, bound.access) for listener, sock in bound.sockets]
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(_log_failure)
        self._thread = threading.Thread(target=self._run, name="server", daemon=True)
        self._thread.start()

    @property
    def addresses(self) -> list[tuple[str, str]]:
        """(door, URL) of each."""
        return self._bound.addresses

    def _run(self) -> None:
        from hypercorn.asyncio import serve

        async def all_doors() -> None:
            await asyncio.gather(*(serve(each.guard, each.config, shutdown_trigger=each.stop.wait) for each in self._served))  # type: ignore[arg-type]

        try:
            self._loop.run_until_complete(all_doors())
        except asyncio.CancelledError:
            _logger.debug("The server was ended before its connections had.")
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    def close(self) -> None:
        """End the streams, let what is under way finish, and stop serving. Closing twice is no error."""

        async def stop() -> None:
            await asyncio.gather(*(each.hall.wind_down(STREAMS_END_S) for each in self._served))
            for each in self._served:
                each.stop.set()

        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(stop(), self._loop)
            self._thread.join()
        for each in self._served:
            each.hall.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _served(db: Database, door: Door, sock: socket.socket, access: Access) -> _Served:
    application = door.application(db)
    names = LOCAL_NAMES | {name.lower() for name in access.names} if access.users is None else None
    return _Served(application, Guard(application, door.error, names, access.users), _config(sock, access))


def _config(sock: socket.socket, access: Access) -> Config:
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"fd://{sock.detach()}"]
    config.errorlog = _logger
    config.loglevel = "WARNING"
    config.include_server_header = False
    config.graceful_timeout = STREAMS_END_S
    config.keep_alive_timeout = 75
    config.keep_alive_max_requests = 1_000_000
    config.websocket_max_message_size = 1024 * 1024
    if access.certificate is not None:
        config.certfile, config.keyfile = str(access.certificate), str(access.key)
    return config


def _log_failure(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What nobody awaits: a failed TLS handshake is the client's affair, a connection cut off at the end is meant so; anything else is logged."""
    if not isinstance(context.get("exception"), ssl.SSLError | asyncio.CancelledError):
        _logger.error("%s", context["message"], exc_info=context.get("exception"))
