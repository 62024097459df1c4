"""The positions of sources: how far each part of a source's world is read, in the log's own state, so that they become durable with the records."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping

from penstock.connect.records import Position
from penstock.log.protocol import Log, Transaction

_INCARNATION = "incarnation"
"""The part under which a sink's incarnation is kept; a source has none."""
_KEY_BYTES_MAX = 400  # of the 500 that a state store takes


def load(log: Log, connector: str) -> dict[str, Position]:
    """The committed position of each part."""
    with log.snapshot() as snapshot:
        return dict(json.loads(value) for _, value in snapshot.state(_store(connector)).scan())


def store(transaction: Transaction, connector: str, positions: Mapping[str, Position]) -> None:
    """Put positions in place of the earlier ones of the same parts."""
    items = sorted((_key(part), json.dumps([part, position], ensure_ascii=False).encode()) for part, position in positions.items())
    transaction.state(_store(connector)).put_many(items)


def change(log: Log, connector: str, changes: Mapping[str, Position | None]) -> None:
    """Put positions in place of the earlier ones of the same parts; None forgets a part."""
    with log.begin() as transaction:
        store(transaction, connector, {part: position for part, position in changes.items() if position is not None})
        transaction.state(_store(connector)).delete_many(sorted(_key(part) for part, position in changes.items() if position is None))


def incarnation(log: Log, connector: str) -> str:
    """A name that the connector keeps until its positions are forgotten; drawn at the first call."""
    with log.begin() as transaction:
        state = transaction.state(_store(connector))
        (known,) = state.get_many([_INCARNATION.encode()])
        if known is None:
            known = json.dumps([_INCARNATION, {"id": secrets.token_hex(8)}]).encode()
            state.put_many([(_INCARNATION.encode(), known)])
    return str(json.loads(known)[1]["id"])


def known_incarnation(log: Log, connector: str) -> str | None:
    """That name, where it was drawn."""
    known = load(log, connector).get(_INCARNATION)
    return None if known is None else str(known["id"])


def forget(log: Log, connector: str) -> None:
    """Remove the positions of a connector."""
    with log.begin() as transaction:
        transaction.state(_store(connector)).clear()


def _store(connector: str) -> str:
    return f"connect-{connector}"


def _key(part: str) -> bytes:
    """A part's name, or where it is long its hash: the value holds the name in any case."""
    text = part.encode()
    return text if 0 < len(text) <= _KEY_BYTES_MAX else b"\0" + hashlib.sha256(text).digest()
