"""Where the doors listen and who may come in: addresses, sockets, certificates."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from penstock.errors import ConfigError
from penstock.server.authentication import Users
from penstock.server.doors import doors

LOOPBACK = "127.0.0.1"
CONNECTIONS_WAITING_MAX = 128


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
