"""Who may come in: a file of users and their passwords, asked for by HTTP Basic."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from penstock.connect.secrets import REFERENCE, Secrets
from penstock.errors import ConfigError

COST, BLOCK, LANES = 2**14, 8, 1
"""What one guess costs: scrypt's N, r and p; 16 MiB and some 40 ms."""
KNOWN_MAX = 1000
_HASH = re.compile(r"scrypt\$(\d+)\$(\d+)\$(\d+)\$([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+)")
_COST_MAX = 2**20


def hashed(password: str) -> str:
    """A password as a users file holds it: `scrypt$16384$8$1$SALT$HASH`, made anew each time."""
    salt = secrets.token_bytes(16)
    parts = (base64.b64encode(part).decode() for part in (salt, _scrypt(password, salt, COST, BLOCK, LANES)))
    return f"scrypt${COST}${BLOCK}${LANES}${'$'.join(parts)}"


def _scrypt(password: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=cost, r=block, p=lanes, maxmem=256 * cost * block, dklen=32)


class Users:
    """The users of a server. Every method may be called from any thread; a check may take some 40 ms."""

    def __init__(self, passwords: Mapping[str, str]) -> None:
        self._passwords = dict(passwords)
        self._nobody = hashed(secrets.token_hex())
        self._key = secrets.token_bytes(32)
        self._known: set[bytes] = set()

    def accepts(self, authorization: str) -> bool:
        """Whether the header `Authorization` names a user and that one's password."""
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            name, colon, password = base64.b64decode(given.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        if not colon:
            return False
        digest = hmac.digest(self._key, given.strip().encode(), "sha256")  # what was right once costs nothing the next time
        if digest in self._known:
            return True
        # a name that is not there takes as long as a wrong password
        if not matches(password, self._passwords.get(name, self._nobody)) or name not in self._passwords:
            return False
        if len(self._known) < KNOWN_MAX:
            self._known.add(digest)
        return True


def matches(password: str, kept: str) -> bool:
    """Whether a password is the one that `hashed` made the text of."""
    found = _HASH.fullmatch(kept)
    assert found, "checked when the file was read"
    salt, wanted = (base64.b64decode(part) for part in found.groups()[3:])
    return hmac.compare_digest(_scrypt(password, salt, *map(int, found.groups()[:3])), wanted)


def read_users(path: Path) -> Users:
    """The users of a file: a line each, `name:` and then what `penstock password` prints, or a reference to where the password is,
    `${env:NAME}` or `${file:PATH:KEY}` (below the folder of the users file). Lines that begin with # are comments.

    Raises ConfigError, with the line and never with a password.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"The users file {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"The users file {path} is no text in UTF-8.") from None
    references = Secrets([path.resolve().parent])
    passwords: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, colon, given = (part.strip() for part in line.partition(":"))
        where = f"Line {number} of the users file {path}"
        if not colon or not name or not given:
            raise ConfigError(f"{where} is not name:password.", mend="`penstock password NAME` prints such a line.")
        if name in passwords:
            raise ConfigError(f"{where}: there is a user {name} already.")
        passwords[name] = _kept(given, references, where)
    if not passwords:
        raise ConfigError(f"The users file {path} names nobody.", mend="`penstock password NAME` prints a line for it.")
    return Users(passwords)


def _kept(given: str, references: Secrets, where: str) -> str:
    """The hash of what stands behind a user's name. Raises ConfigError."""
    found = _HASH.fullmatch(given)
    if found:
        cost, block, lanes = map(int, found.groups()[:3])
        if not (1 < cost <= _COST_MAX and cost & (cost - 1) == 0 and 0 < block <= 32 and 0 < lanes <= 16):
            raise ConfigError(f"{where} has a hash of a cost that is not taken here.", mend="Make it anew by `penstock password`.")
        return given
    if REFERENCE.fullmatch(given):
        return hashed(references.resolve(given, where))
    raise ConfigError(
        f"{where} holds no hash of a password and no reference to one.",
        mend="`penstock password NAME` prints such a line; or write ${env:NAME} or ${file:PATH:KEY}.",
    )
