"""The results in the terminal: live bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

REFRESH_S = 0.25
BAR_WIDTH = 40
PLAIN_EVERY_MS = 6 * 3600 * 1000


class ResultsView:
    """Gathers results and shows them. `live` and `final` may be called from any thread; `now_ms` says what time it is in the survey's world."""

    def __init__(self, now_ms: Callable[[], int], console: Console | None = None) -> None:
        self._now_ms = now_ms
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._lock = threading.Lock()
        self._live: dict[str, Mapping[str, int]] = {}
        self._finals: list[str] = []
        self._final_count = 0
        self._told_ms: int | None = None

    @property
    def final_count(self) -> int:
        """How many final results came."""
        return self._final_count

    def live(self, row: Any) -> None:
        """A row of survey_results_live."""
        with self._lock:
            self._live[row["QUESTION"]] = row["RESULTS"]

    def final(self, row: Any) -> None:
        """A row of survey_results_final."""
        start, end = moment(row["WINDOWSTART"]), moment(row["WINDOWEND"])
        line = f"{row['QUESTION']} {as_text(row['RESULTS'])} ({start:%a %d %b %H:%M} to {end:%a %d %b %H:%M})"
        with self._lock:
            self._finals.append(line)
            self._final_count += 1

    def show(self, stop: threading.Event, enough: Callable[[], bool]) -> None:
        """Show until `stop` is set or it is `enough`."""
        if not self._console.is_terminal:
            while not stop.wait(REFRESH_S) and not enough():
                self._tell()
            self._tell()
            return
        with Live(self._tables(), console=self._console, auto_refresh=False) as live:
            while not stop.wait(REFRESH_S) and not enough():
                self._tell(live)
            self._tell(live)

    def _tell(self, live: Live | None = None) -> None:
        """Print the final results that came; then how it stands, in plain lines at the first answers and every six hours of the survey's time."""
        with self._lock:
            finals, self._finals = self._finals, []
            standing = sorted(self._live.items())
        for line in finals:
            self._console.print(Text("FINAL ", style="bold green").append(line, style="not bold default"))
        if live is not None:
            live.update(self._tables(), refresh=True)
        elif standing and (self._told_ms is None or self._now_ms() - self._told_ms >= PLAIN_EVERY_MS):
            self._told_ms = self._now_ms()
            for question, results in standing:
                self._console.print(f"{moment(self._told_ms):%a %d %b %H:%M}  {question} {as_text(results)}")

    def _tables(self) -> Group:
        with self._lock:
            standing = sorted(self._live.items())
        parts: list[Text | Table] = [Text(f"{moment(self._now_ms()):%A %d %B, %H:%M}" if standing else "waiting for answers ...", style="bold")]
        for question, results in standing:
            table = Table(box=None, pad_edge=False, show_header=False)
            largest = max(results.values(), default=1)
            for option, votes in ordered(results):
                table.add_row(option, Text("█" * max(1, round(votes / largest * BAR_WIDTH)), style="cyan"), str(votes))
            parts += [Text(question, style="bold yellow"), table]
        return Group(*parts)


def ordered(results: Mapping[str, int]) -> list[tuple[str, int]]:
    """The options, the most chosen first."""
    return sorted(results.items(), key=lambda each: (-each[1], each[0]))


def as_text(results: Mapping[str, int]) -> str:
    """A histogram on one line."""
    return ", ".join(f"{option} {votes}" for option, votes in ordered(results))


def moment(time_ms: int) -> datetime:
    """Event time as a UTC datetime."""
    return datetime.fromtimestamp(time_ms / 1000, UTC)
