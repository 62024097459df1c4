"""The talk's two queries in plain Python, written from what they mean and knowing nothing of the engine."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

SIZE_MS = 6 * 3600 * 1000
GRACE_MS = 10 * 60 * 1000
COUNT_MIN = 120


@dataclass(frozen=True)
class Alert:
    """A row of houseplant_low_readings."""

    plant_id: str
    window_start_ms: int
    count: int
    message: str


def as_float32(number: float) -> float:
    """A number as Avro's `float` keeps it."""
    kept: float = struct.unpack("<f", struct.pack("<f", number))[0]
    return kept


def alerts(readings: Iterable[Mapping[str, Any]], plants: Mapping[str, Mapping[str, Any]]) -> Iterator[Alert]:
    """The alerts in the order in which they come. `readings` in order of arrival; `plants` by id.

    Time is the greatest time of any low reading so far; a window is over when time has come to its end and the grace period, and a low
    reading that comes for it after that is late and does not count.
    """
    time_ms = -1
    open_windows: dict[tuple[int, str], int] = {}
    for reading in readings:
        plant = plants.get(reading["id"])
        if plant is None or not as_float32(reading["moisture"]) < as_float32(plant["moisture_low"]):
            continue
        time_ms = max(time_ms, reading["ROWTIME"])
        start_ms = reading["ROWTIME"] // SIZE_MS * SIZE_MS
        if start_ms + SIZE_MS + GRACE_MS > time_ms:
            open_windows[start_ms, reading["id"]] = open_windows.get((start_ms, reading["id"]), 0) + 1
        for key in sorted(key for key in open_windows if key[0] + SIZE_MS + GRACE_MS <= time_ms):
            count = open_windows.pop(key)
            if count > COUNT_MIN:
                about = plants[key[1]]
                message = f"{about['given_name']} the {about['common_name']} ({about['scientific_name']}) is looking pretty dry..."
                yield Alert(key[1], key[0], count, message)
