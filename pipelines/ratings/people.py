"""The airline's customers: who they are at first, and what becomes of them."""

from __future__ import annotations

import random
from dataclasses import dataclass

CLUBS = ("bronze", "silver", "gold", "platinum")
_FIRST = (
    "Rica", "Ruthie", "Mariejeanne", "Hashim", "Hansiain", "Robinet", "Clair", "Brena", "Waldon", "Patti",
    "Fay", "Brianna", "Rodrique", "Alexandro", "Merilyn", "Odo", "Kerry", "Lorin", "Sibel", "Teo",
)  # fmt: skip
_LAST = (
    "Blaisdell", "Brockherst", "Cocci", "Rumke", "Coda", "Leheude", "Vardy", "Tollerton", "Keddey", "Rosten",
    "Huc", "Paradise", "Silverton", "Vout", "Dough", "Novak", "Ivers", "Toop", "Aydin", "Marin",
)  # fmt: skip


@dataclass(frozen=True)
class Person:
    """A row of the table demo.customers."""

    id: int
    first_name: str
    last_name: str
    email: str
    gender: str
    club_status: str


def people() -> list[Person]:
    """The twenty customers, who are the same at every start: one in four is platinum."""
    return [
        Person(n, first, last, f"{first[0]}{last}{n}@example.com".lower(), "Female" if n % 2 else "Male", CLUBS[n % len(CLUBS)])
        for n, (first, last) in enumerate(zip(_FIRST, _LAST, strict=True), 1)
    ]


class Moves:
    """Who joins which club next: the same for the same seed. Every third move makes somebody platinum."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - not for secrets
        self._count = 0

    def next(self) -> tuple[int, str]:
        """(customer, club)."""
        self._count += 1
        club = "platinum" if self._count % 3 == 1 else self._random.choice(CLUBS[:3])
        return self._random.randint(1, len(_FIRST)), club
