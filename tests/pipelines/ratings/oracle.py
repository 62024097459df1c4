"""What the pipeline should say, computed in plain Python from the two topics that come in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

MINUTE_MS = 60_000


def joined(arrivals: Iterable[tuple[str, str | None, Mapping[str, Any] | None]]) -> list[dict[str, Any]]:
    """Each rating with its customer as of its arrival. `arrivals`: (topic, key, row) in the order in which they came, customers by key, None
    for a tombstone."""
    customers: dict[str, Mapping[str, Any]] = {}
    found = []
    for topic, key, row in arrivals:
        if topic != "ratings":
            assert key is not None
            customers.pop(key, None)
            if row is not None:
                customers[key] = row
            continue
        assert row is not None
        customer = customers.get(str(row["USER_ID"]), {})
        full_name = f"{customer['FIRST_NAME']} {customer['LAST_NAME']}" if customer else None
        names = ("EMAIL", "CLUB_STATUS")
        found.append(
            {n: row[n] for n in ("RATING_ID", "CHANNEL", "STARS", "MESSAGE", "USER_ID")}
            | {"FULL_NAME": full_name}
            | {n: customer.get(n) for n in names}
        )
    return found


def unhappy_platinum(rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """The ratings of platinum customers with one or two stars."""
    return [row["RATING_ID"] for row in rows if row["STARS"] < 3 and row["CLUB_STATUS"] == "platinum"]


def by_club_status(rows: Sequence[Mapping[str, Any]], times: Mapping[int, int]) -> Counter[tuple[int, str]]:
    """(start of the minute, club) -> how many ratings. `times`: rating -> its time in ms."""
    return Counter((times[r["RATING_ID"]] // MINUTE_MS * MINUTE_MS, r["CLUB_STATUS"]) for r in rows if r["CLUB_STATUS"] is not None)
