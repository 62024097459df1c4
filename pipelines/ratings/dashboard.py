"""The talk's dashboard in the terminal: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import statistics
import threading
from collections import Counter, deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from rich.columns import Columns
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

STEP_MS = 10_000
"""Ratings by channel and the medians are of so long each."""
STEPS_SHOWN = 5
UNHAPPY_SHOWN = 6
PEOPLE_SHOWN = 5
STARS_KEPT = 1_000
BAR_WIDTH = 20
REFRESH_S = 0.25
COLOURS = {"platinum": "bright_white", "gold": "yellow", "silver": "white", "bronze": "dark_orange3"}


class Dashboard:
    """Gathers what the pipeline says and shows it. `rating`, `unhappy` and `moved` may be called from any thread."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._lock = threading.Lock()
        self._channels: dict[int, Counter[str]] = {}
        self._stars: dict[str, deque[int]] = {}
        self._people: Counter[str] = Counter()
        self._shown: deque[str] = deque(maxlen=UNHAPPY_SHOWN)
        self._news: list[Text] = []
        self._told_ms = 0
        self.unhappy_count = 0

    def rating(self, row: Any) -> None:
        """A row of ratings_with_customer_data."""
        with self._lock:
            step = int(row["EXTRACT_TS"]) // STEP_MS * STEP_MS
            self._channels.setdefault(step, Counter())[row["CHANNEL"]] += 1
            for old in sorted(self._channels)[:-STEPS_SHOWN]:
                del self._channels[old]
            if row["CLUB_STATUS"] is not None:
                self._stars.setdefault(row["CLUB_STATUS"], deque(maxlen=STARS_KEPT)).append(row["STARS"])
            if row["FULL_NAME"] is not None:
                self._people[row["FULL_NAME"]] += 1

    def unhappy(self, row: Any) -> None:
        """A row of unhappy_platinum_customers."""
        line = f"{moment(row['EXTRACT_TS']):%H:%M:%S}  {row['FULL_NAME']} <{row['EMAIL']}>  {'*' * row['STARS']:2}  {row['MESSAGE']}"
        with self._lock:
            self._shown.append(line)
            self._news.append(Text("UNHAPPY ", style="bold red").append(line, style="not bold default"))
            self.unhappy_count += 1

    def moved(self, customer: int, club: str) -> None:
        """A customer joined another club."""
        with self._lock:
            self._news.append(Text(f"customer {customer} is {club} now", style=COLOURS[club]))

    def show(self, stop: threading.Event, enough: Callable[[], bool]) -> None:
        """Show until `stop` is set or it is `enough`."""
        if not self._console.is_terminal:
            while not stop.wait(REFRESH_S) and not enough():
                self._tell()
            self._tell()
            return
        with Live(self._page(), console=self._console, auto_refresh=False) as live:
            while not stop.wait(REFRESH_S) and not enough():
                live.update(self._page(), refresh=True)
            live.update(self._page(), refresh=True)

    def _tell(self) -> None:
        """Print the news, and once in a step the figures, in plain lines."""
        with self._lock:
            news, self._news = self._news, []
            newest = max(self._channels, default=0)
            channels, medians = dict(self._channels.get(self._told_ms, {})), self._medians()
        for line in news:
            self._console.print(line)
        if newest > self._told_ms:
            if self._told_ms:
                counts = ", ".join(f"{name} {count}" for name, count in sorted(channels.items()))
                self._console.print(
                    f"{moment(self._told_ms):%H:%M:%S}  ratings: {counts}; median stars: {', '.join(f'{c} {m:g}' for c, m in medians)}"
                )
            self._told_ms = newest

    def _medians(self) -> list[tuple[str, float]]:
        return [(club, statistics.median(self._stars[club])) for club in COLOURS if club in self._stars]

    def _page(self) -> Group:
        with self._lock:
            self._news.clear()
            steps, people = sorted(self._channels.items()), self._people.most_common(PEOPLE_SHOWN)
            medians, shown = self._medians(), list(self._shown)
        return Group(
            Columns([self._by_channel(steps), self._by_club(medians), self._by_person(people)], padding=(0, 4)),
            Text(f"\nUnhappy platinum customers ({self.unhappy_count})", style="bold"),
            Text("\n".join(shown) or "none yet", style="red"),
        )

    @staticmethod
    def _by_channel(steps: list[tuple[int, Counter[str]]]) -> Table:
        table = Table(title="Ratings by channel per 10 s", box=None, title_justify="left")
        names = sorted({name for _, counts in steps for name in counts})
        for heading in ("", *names):
            table.add_column(heading, justify="right")
        for at, counts in steps:
            table.add_row(f"{moment(at):%H:%M:%S}", *(str(counts[name]) for name in names))
        return table

    @staticmethod
    def _by_club(medians: list[tuple[str, float]]) -> Table:
        table = Table(title="Median rating by club status", box=None, show_header=False, title_justify="left")
        for club, median in medians:
            table.add_row(Text(club, style=COLOURS[club]), Text("█" * round(median / 5 * BAR_WIDTH), style=COLOURS[club]), f"{median:g}")
        return table

    @staticmethod
    def _by_person(people: list[tuple[str, int]]) -> Table:
        table = Table(title="Ratings per person", box=None, show_header=False, title_justify="left")
        most = max((count for _, count in people), default=1)
        for name, count in people:
            table.add_row(name, "█" * round(count / most * BAR_WIDTH), str(count))
        return table


def moment(time_ms: int) -> datetime:
    """Event time as a UTC datetime."""
    return datetime.fromtimestamp(time_ms / 1000, UTC)
