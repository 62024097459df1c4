"""The car parks' SQL and the bot's alerts in plain Python, written from what they mean and knowing nothing of the engine."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")


@dataclass(frozen=True)
class Event:
    """A row of carpark_events, what matters of it."""

    source: str
    ts: int
    name: str
    capacity: int
    empty: int
    latitude: float
    longitude: float

    @property
    def pct_full(self) -> float:
        return (self.capacity - self.empty) / self.capacity * 100


@dataclass(frozen=True)
class State:
    """A row of carpark."""

    latest_ts: str
    empty: int
    average: float
    pct_full: float


def events(path: str, body: str) -> list[Event]:
    """What a council's answer says."""
    if path == "/leeds.json":
        return [
            Event("leeds/carparks", stamp(p["updated"]), p["name"], p["spaces"], p["free"], p["position"]["lat"], p["position"]["lng"])
            for p in json.loads(body)["carparks"]
        ]
    source = {"/current.csv": "v2/Council/CarParkCurrent", "/historic.csv": "v2/Council/CarParkHistoric"}[path]
    rows = list(csv.reader(io.StringIO(body)))[1:]
    return [Event(source, stamp(f"{r[0]}T{r[1]}"), r[2], int(r[3]), int(r[4]), float(r[6]), float(r[7])) for r in rows]


def stamp(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=LONDON).timestamp() * 1000)


def states(all_events: Iterable[Event]) -> dict[str, State]:
    """The table carpark, from the events in order of arrival."""
    by_name: dict[str, list[Event]] = {}
    for event in all_events:
        by_name.setdefault(event.name, []).append(event)
    return {
        name: State(
            datetime.fromtimestamp(found[-1].ts / 1000, LONDON).strftime("%Y-%m-%d %H:%M:%S"),
            found[-1].empty,
            sum(e.empty for e in found) / len(found),
            found[-1].pct_full,
        )
        for name, found in by_name.items()
    }


def crossings(before: Iterable[Event], after: Sequence[Event], spaces: int) -> list[tuple[str, int]]:
    """(car park, free spaces) of each time a car park comes to have more than `spaces`, for one who asked after `before` had come: a car park
    that has them already is told of at its next count."""
    holding: set[str] = set()
    told = []
    for event in after:
        if event.empty <= spaces:
            holding.discard(event.name)
        elif event.name not in holding:
            holding.add(event.name)
            told.append((event.name, event.empty))
    return told


def nearest(found: Iterable[Event], latitude: float, longitude: float) -> list[str]:
    """The three nearest car parks with free spaces, from the last event of each."""
    last = {event.name: event for event in found}
    free = [event for event in last.values() if event.empty > 0]
    return [e.name for e in sorted(free, key=lambda e: distance_km(latitude, longitude, e.latitude, e.longitude))[:3]]


def distance_km(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """By the spherical law of cosines."""
    a, b, turn = math.radians(lat1), math.radians(lat2), math.radians(lon2 - lon1)
    return 6371 * math.acos(min(1.0, math.sin(a) * math.sin(b) + math.cos(a) * math.cos(b) * math.cos(turn)))
