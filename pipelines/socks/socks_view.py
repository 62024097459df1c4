"""The socks in the terminal: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

BAR_WIDTH = 24
REFRESH_S = 0.1


class SocksView:
    """Gathers what the pipeline says and shows it. `seen` and `pair` may be called from any thread."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._changed = threading.Condition()
        self._pairs: dict[str, tuple[str, int]] = {}
        self._news: list[str] = []
        self._now: tuple[str, float] | None = None
        self._pictures = 0
        self.news_count = 0
        """How many results came: a sock that is new, or one more of it."""

    def seen(self, row: Any) -> None:
        """A row of sock_stream."""
        with self._changed:
            self._now = (row["IMAGE"], row["PROBABILITY"])
            self._pictures += 1

    def pair(self, row: Any, *, is_news: bool = True) -> None:
        """A row of the pairs' push query. A window that is counted anew takes its sock back for a moment: only what grows is news."""
        image, state, count = row["IMAGE"], row["PAIR_SEEN"], row["NUMBER_SOCKS_SEEN"]
        with self._changed:
            more = count > self._pairs.get(image, ("", 0))[1]
            if not more:
                return
            self._pairs[image] = (state, count)
            if is_news:
                self._news.append(f"{image}: {state} ({count} seen)")
                self.news_count += 1
            self._changed.notify_all()

    def show(self, stop: threading.Event, enough: Callable[[], bool]) -> None:
        """Show until `stop` is set or it is `enough`."""
        if not self._console.is_terminal:
            while not stop.is_set() and not enough():
                with self._changed:
                    self._changed.wait(REFRESH_S)
                self._tell()
            self._tell()
            return
        with Live(self._table(), console=self._console, auto_refresh=False) as live:
            while not stop.wait(REFRESH_S) and not enough():
                live.update(self._table(), refresh=True)
            live.update(self._table(), refresh=True)

    def _tell(self) -> None:
        with self._changed:
            news, self._news = self._news, []
        for line in news:
            self._console.print(line)

    def _table(self) -> Group:
        with self._changed:
            pairs, now, pictures = sorted(self._pairs.items()), self._now, self._pictures
        if now is None:
            head = Text("waiting for the first picture ...", style="bold")
        else:
            head = (
                Text(f"the camera sees  {now[0]:<18}", style="bold")
                .append(bar(now[1]))
                .append(f" {now[1]:3.0f} %   {pictures} pictures", style="dim")
            )
        table = Table(box=None, pad_edge=False)
        for heading in ("sock", "pair", "seen"):
            table.add_column(heading, no_wrap=True)
        for image, (state, count) in pairs:
            table.add_row(image, Text(state, style="bold green" if state == "Pair" else "bold yellow"), str(count))
        return Group(head, Text(), table)


def bar(percent: float) -> Text:
    """A certainty as a bar of BAR_WIDTH characters."""
    full = round(percent / 100 * BAR_WIDTH)
    return Text("█" * full + "·" * (BAR_WIDTH - full), style="green" if percent > 80 else "yellow")
