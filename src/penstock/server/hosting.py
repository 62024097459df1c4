"""Hosting: sockets, the server that speaks HTTP on them, and how it ends."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import ssl
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from penstock.errors import ConfigError
from penstock.server.authentication import Users
from penstock.server.doors import doors
from penstock.server.guard import LOCAL_NAMES, Guard
from penstock.server.hall import Hall

if TYPE_CHECKING:
    from hypercorn.config import Config
    from starlette.applications import Starlette

    from penstock.database import Database
    from penstock.server.door import Door

LOOPBACK = "127.0.0.1"
STREAMS_END_S = 2.0
"""How long a stream may take to end by itself when the server stops; after that its connection is closed."""
CONNECTIONS_WAITING_MAX = 128

_logger = logging.getLogger("penstock.server")


@dataclass(frozen=True)
class Listener:
    """Where a door listens. Port 0 is any that is free."""

    door: str
    host: str
    port: int


@dataclass(frozen=True)
class Access:
    """Who may come in, and how. `names`: by which the server may be called besides localhost. `certificate` and `key`: PEM files, for TLS."""

    users: Users | None = None
    names: tuple[str, ...] = ()
    certificate: Path | None = None
    key: Path | None = None

    @property
    def scheme(self) -> str:
        """http or https."""
        return "http" if self.certificate is None else "https"


def parse_listeners(given: Sequence[str]) -> list[Listener]:
    """Where each door listens. Without a word each does on the loopback address at its own port; `HOST` or `HOST:PORT` moves them all,
    `DOOR=HOST:PORT`, `DOOR=PORT` or `DOOR=HOST` one, and `DOOR=off` shuts it. Raises ConfigError."""
    known = doors()
    everywhere = [text for text in given if "=" not in text]
    if len(everywhere) > 1:
        raise ConfigError(f"--listen gives two addresses for all doors, {' and '.join(everywhere)}.", mend="Name the doors: --listen ksql=HOST:PORT.")
    found = {name: _parse_listener(name, everywhere[0] if everywhere else LOOPBACK, LOOPBACK, door.port) for name, door in known.items()}
    for text in given:
        name, equals, where = text.partition("=")
        if not equals:
            continue
        if name not in known:
            raise ConfigError(f"There is no door {name!r}.", mend=f"There are: {', '.join(known)}.")
        if where == "off":
            found.pop(name, None)
        else:
            found[name] = _parse_listener(name, where, found[name].host if name in found else LOOPBACK, known[name].port)
    if not found:
        raise ConfigError("Every door is off.", mend="Leave one on.")
    return list(found.values())


def _parse_listener(name: str, where: str, host: str, port: int) -> Listener:
    if where.isdecimal():
        return Listener(name, host, _port(where))
    bare, colon, number = where.rpartition(":")
    if where.endswith("]") or (where.count(":") > 1 and not where.startswith("[")):
        bare, colon = where, ""  # an address of IPv6 alone
    if colon and not number.isdecimal():
        raise ConfigError(f"--listen {name}={where}: {number!r} is no port.", mend="Write DOOR=HOST:PORT.")
    return Listener(name, (bare if colon else where).strip("[]"), _port(number) if colon else port)


def _port(text: str) -> int:
    if int(text) > 65535:
        raise ConfigError(f"{text} is no port.", mend="Ports go up to 65535.")
    return int(text)


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own, which no other can reach."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check(listeners: Sequence[Listener], access: Access) -> None:
    """Raise ConfigError where the listeners would let in who must not come in, or the certificate cannot be used."""
    if (access.certificate is None) != (access.key is None):
        raise ConfigError("A certificate and its key belong together.", mend="Give --certificate and --key.")
    if access.certificate is not None and access.key is not None:
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(access.certificate, access.key, lambda: b"")
        except (OSError, ssl.SSLError) as error:
            reason = error.strerror or str(error)
            raise ConfigError(f"The certificate {access.certificate} with the key {access.key} cannot be used: {reason}.") from None
    for listener in listeners:
        if not is_loopback(listener.host) and access.users is None:
            raise ConfigError(
                f"{listener.host} can be reached by others, and this server asks nobody for a password.",
                mend=f"Name a file of users with --users, or listen on {LOOPBACK}.",
            )


class Bound:
    """Sockets that listen, before anything is served on them. Whoever connects waits."""

    def __init__(self, listeners: Sequence[Listener], access: Access) -> None:
        check(listeners, access)
        self.access = access
        self.sockets: list[tuple[Listener, socket.socket]] = []
        self.addresses: list[tuple[str, str]] = []
        """(door, URL) of each."""
        try:
            for listener in listeners:
                bound = _bind(listener)
                self.sockets.append((listener, bound))
                self.addresses.append((listener.door, f"{access.scheme}://{_shown(listener, bound)}"))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close those sockets that no server has taken over. Closing twice is no error."""
        for _, bound in self.sockets:
            bound.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _shown(listener: Listener, bound: socket.socket) -> str:
    host = f"[{listener.host}]" if ":" in listener.host else listener.host
    return f"{host}:{bound.getsockname()[1]}"


def _bind(listener: Listener) -> socket.socket:
    """A listening socket. Raises ConfigError."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(listener.host, listener.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except OSError as error:
        raise ConfigError(f"{listener.host} is no address of this machine: {error.strerror}.", mend="Name another in --listen.") from None
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        bound.bind(address)
        bound.listen(CONNECTIONS_WAITING_MAX)
    except OSError as error:
        bound.close()
        raise ConfigError(
            f"The door {listener.door} cannot listen on {listener.host}, port {listener.port}: {(error.strerror or str(error)).lower()}.",
            mend=f"Stop what does, or choose another: --listen {listener.door}={listener.port + 1}.",
        ) from None
    return bound


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
        self._served = [_served(db, doors()[listener.door], listener, sock, bound.access) for listener, sock in bound.sockets]
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


def _served(db: Database, door: Door, listener: Listener, sock: socket.socket, access: Access) -> _Served:
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
