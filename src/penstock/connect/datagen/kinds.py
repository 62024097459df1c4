"""Texts of a kind: UUIDs, names of people, addresses of mail."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Mapping

_GIVEN = ["Ada", "Bram", "Chidi", "Dagny", "Emeka", "Farah", "Goro", "Hilde", "Ines", "Jonas", "Kofi", "Lena", "Mei", "Nadia", "Oscar", "Priya"]
_FAMILY = ["Abara", "Berg", "Castro", "Dahl", "Eklund", "Farouk", "Garcia", "Hansen", "Ito", "Jensen", "Khan", "Lopez", "Moreau", "Novak", "Okoro"]


def _name(numbers: random.Random) -> str:
    return f"{numbers.choice(_GIVEN)} {numbers.choice(_FAMILY)}"


def _email(numbers: random.Random) -> str:
    """An address of a domain that is nobody's (RFC 2606)."""
    return f"{_name(numbers).lower().replace(' ', '.')}{numbers.randrange(100)}@example.com"


KINDS: Mapping[str, Callable[[random.Random], str]] = {
    "uuid": lambda numbers: str(uuid.UUID(int=numbers.getrandbits(128), version=4)),
    "name": _name,
    "email": _email,
}
