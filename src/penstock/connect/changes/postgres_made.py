"""What a capture has made at its PostgreSQL server, and how it is removed again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from penstock.connect.changes.postgres_database import PostgresDatabase
from penstock.connect.changes.postgres_stream import quoted
from penstock.connect.contract import CLEAN_UP_S
from penstock.connect.records import Position
from penstock.errors import ConnectorError

PART = "made"


@dataclass(frozen=True)
class Made:
    """The slots and publications that a connector made, or was about to make when it was last seen."""

    slots: tuple[str, ...] = ()
    publications: tuple[str, ...] = ()

    @classmethod
    def of(cls, positions: Mapping[str, Position]) -> Self:
        """As the positions have it."""
        part = positions.get(PART, {})
        return cls(tuple(part.get("slots", ())), tuple(part.get("publications", ())))

    def as_positions(self) -> dict[str, Position]:
        """For the positions."""
        return {PART: {"slots": list(self.slots), "publications": list(self.publications)}}

    def with_missing(self, database: PostgresDatabase, slot: str, publication: str | None) -> Made:
        """The same, and those of the two that the server does not have yet."""
        slots = self.slots if slot in self.slots or database.has_slot(slot) else (*self.slots, slot)
        is_new = publication is not None and publication not in self.publications and not database.has_publication(publication)
        return Made(slots, (*self.publications, publication) if is_new and publication else self.publications)

    def left(self, why: str) -> list[str]:
        """That all of them stay, a sentence each."""
        return [*(_slot_stays(slot, why) for slot in self.slots), *(_publication_stays(name, "") for name in self.publications)]

    def dropped(self, database: PostgresDatabase, slot_in_use: str) -> list[str]:
        """Drop them. What stays, a sentence each; also the slot that the connector reads without having made it."""
        left = [why for slot in self.slots if (why := _dropped_slot(database, slot))]
        if slot_in_use not in self.slots and database.has_slot(slot_in_use):
            left.append(_slot_stays(slot_in_use, "It was there before the connector."))
        return left + [why for name in self.publications if (why := _dropped_publication(database, name))]


def _dropped_slot(database: PostgresDatabase, slot: str) -> str:
    """Drop a slot; why it stays, or nothing."""
    deadline = time.monotonic() + CLEAN_UP_S
    try:
        while not database.drop_slot(slot):
            if time.monotonic() > deadline:
                return _slot_stays(slot, "It is in use.")
            time.sleep(0.05)  # the server has not noticed yet that our connection is gone, and nothing tells when it does
    except ConnectorError as error:
        return _slot_stays(slot, error.what)
    return ""


def _dropped_publication(database: PostgresDatabase, name: str) -> str:
    """Drop a publication, unless another reader may need it; why it stays, or nothing."""
    try:
        if others := database.slots():
            return _publication_stays(name, f"The slot {others[0]} may need it.")
        database.drop_publication(name)
    except ConnectorError as error:
        return _publication_stays(name, error.what)
    return ""


def _slot_stays(slot: str, why: str) -> str:
    written = slot.replace("'", "''")
    return f"The replication slot {slot} stays, and with it the server keeps its log. {why} To drop it: SELECT pg_drop_replication_slot('{written}');"


def _publication_stays(name: str, why: str) -> str:
    return f"The publication {name} stays.{' ' if why else ''}{why} To drop it: DROP PUBLICATION {quoted(name)};"
