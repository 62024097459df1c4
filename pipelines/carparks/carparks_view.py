"""The car parks in the terminal: live bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from .council import ZONE

BAR_WIDTH = 24
REFRESH_S = 0.25
PLAIN_EVERY_MS = 6 * 3600 * 1000


class CarparksView:
    """What was last counted in each car park, and what the bot said. Thread-safe."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()
        self._lock = threading.Lock()
        self._parks: dict[str, Any] = {}
        self._said: list[Text] = []
        self._alert_count = 0
        self._told_ms = 0

    @property
    def alert_count(self) -> int:
        """How many alerts came."""
        with self._lock:
            return self._alert_count

    def event(self, row: Any) -> None:
        """A row of carpark_events. An earlier one than the last is history."""
        with self._lock:
            last = self._parks.get(row["NAME"])
            if last is None or row["TS"] >= last["TS"]:
                self._parks[row["NAME"]] = row

    def alert(self, text: str) -> None:
        """A message that the bot sent of itself."""
        self._say("ALERT ", "bold red", text)
        with self._lock:
            self._alert_count += 1

    def talk(self, question: str, answer: str) -> None:
        """Something that the bot was asked, and its answer."""
        self._say(f"{question}  ", "bold cyan", answer)

    def show(self, stop: threading.Event, enough: Callable[[], bool]) -> None:
        """Show until `stop` is set or it is `enough`."""
        if not self._console.is_terminal:
            while not stop.wait(REFRESH_S) and not enough():
                self._tell()
            self._tell()
            return
        with Live(self._table(), console=self._console, auto_refresh=False) as live:
            while not stop.wait(REFRESH_S) and not enough():
                self._tell(live)
            self._tell(live)

    def _say(self, head: str, style: str, text: str) -> None:
        with self._lock:
            self._said.append(Text(head, style=style).append(text, style="not bold default"))

    def _tell(self, live: Live | None = None) -> None:
        """Print what was said; then the car parks, in plain lines every six hours of theirs."""
        with self._lock:
            said, self._said = self._said, []
            parks = sorted(self._parks.items())
        for text in said:
            self._console.print(text, soft_wrap=True)
        if live is not None:
            live.update(self._table(), refresh=True)
            return
        now_ms = max((row["TS"] for _, row in parks), default=0)
        if now_ms - self._told_ms >= PLAIN_EVERY_MS:
            self._told_ms = now_ms
            states = ", ".join(f"{name} {row['EMPTY_PLACES']} of {row['CAPACITY']}" for name, row in parks)
            self._console.print(f"{moment(now_ms):%a %d %b %H:%M}  free: {states}", soft_wrap=True)

    def _table(self) -> Group:
        with self._lock:
            parks = sorted(self._parks.items())
        table = Table(box=None, pad_edge=False)
        for heading in ("car park", "taken", "free", "of", "counted by"):
            table.add_column(heading, no_wrap=True, justify="right" if heading in ("free", "of") else "left")
        for name, row in parks:
            full = row["PCT_FULL"] / 100
            style = "red" if full > 0.95 else "yellow" if full > 0.8 else "green"
            taken = round(full * BAR_WIDTH)
            bar = Text("█" * taken + "·" * (BAR_WIDTH - taken), style=style)
            table.add_row(name, bar, Text(str(row["EMPTY_PLACES"]), style=style), str(row["CAPACITY"]), row["SOURCE"])
        now_ms = max((row["TS"] for _, row in parks), default=0)
        return Group(Text(f"{moment(now_ms):%A %d %B, %H:%M}" if parks else "waiting for the first count ...", style="bold"), table)


def moment(time_ms: int) -> datetime:
    """Event time as it is on the car parks' clocks."""
    return datetime.fromtimestamp(time_ms / 1000, ZONE)
