"""What the survey's queries should say, in plain Python, from what the respondents meant to say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pipelines.survey.simulator import Respondent

WINDOW_MS = 48 * 3600 * 1000
GRACE_MS = 10 * 60 * 1000


@dataclass(frozen=True)
class Final:
    """A final result: the question, its window's start, and how many chose what."""

    question: str
    start_ms: int
    results: tuple[tuple[str, int], ...]


def entries(who: Iterable[Respondent]) -> list[Respondent]:
    """Those who finish."""
    return [each for each in who if not each.gives_up]


def live(who: Iterable[Respondent]) -> dict[str, dict[str, int]]:
    """Question -> option -> how many."""
    counts: dict[str, Counter[str]] = {}
    for each in entries(who):
        counts.setdefault(each.survey.question, Counter())[each.response] += 1
    return {question: dict(counter) for question, counter in counts.items()}


def finals(who: Iterable[Respondent]) -> Iterator[Final]:
    """The results of the windows that are over, grace and all, by the time of the last entry."""
    finished = entries(who)
    now_ms = max((each.at_ms for each in finished), default=0)
    windows: dict[tuple[int, str], Counter[str]] = {}
    for each in finished:
        windows.setdefault((each.at_ms // WINDOW_MS * WINDOW_MS, each.survey.question), Counter())[each.response] += 1
    for (start_ms, question), counter in sorted(windows.items()):
        if start_ms + WINDOW_MS + GRACE_MS <= now_ms:
            yield Final(question, start_ms, tuple(sorted(counter.items())))
