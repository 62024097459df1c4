"""What the pipeline should find, in plain Python: from messages and the times at which they arrived."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable

SEEN_MIN = 4


def smoothed(messages: Iterable[tuple[int, str]], window_ms: int, blank: str | None) -> set[tuple[str, int]]:
    """(image, start of the window) of each sock that was seen often enough in a window. `messages`: (arrival in ms, text)."""
    seen: Counter[tuple[str, int]] = Counter()
    for arrived_ms, text in messages:
        image = json.loads(text)["image"]
        if image != blank:
            seen[image, arrived_ms // window_ms * window_ms] += 1
    return {place for place, count in seen.items() if count >= SEEN_MIN}


def pairs(found: set[tuple[str, int]]) -> dict[str, tuple[str, int]]:
    """Image -> (Pair or Un-matched, how many were seen)."""
    counts = Counter(image for image, _ in found)
    return {image: ("Un-matched" if count % 2 else "Pair", count) for image, count in counts.items()}
