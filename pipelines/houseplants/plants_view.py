"""The plants in the terminal: live bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

WINDOW_MS = 6 * 3600 * 1000
LOW_READINGS_MIN = 120
BAR_WIDTH = 24
REFRESH_S = 0.25
PLAIN_EVERY_MS = 24 * 3600 * 1000


@dataclass
class Seen:
    """What was last seen of a plant. `low` counts its low readings in the window that starts at `window_ms`."""

    name: str
    moisture: float
    moisture_low: float
    temperature: float
    time_ms: int
    window_ms: int = 0
    low: int = 0


class PlantsView:
    """Gathers what the pipeline says and shows it. `reading` and `alert` may be called from any thread."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._lock = threading.Lock()
        self._plants: dict[str, Seen] = {}
        self._alerts: list[str] = []
        self._alert_count = 0
        self._told_ms = 0

    @property
    def alert_count(self) -> int:
        """How many alerts came."""
        return self._alert_count

    def reading(self, row: Any) -> None:
        """A row of houseplant_readings_enriched."""
        time_ms = int(row["TS"])
        with self._lock:
            seen = self._plants.get(row["PLANT_ID"])
            window_ms = time_ms - time_ms % WINDOW_MS
            low = seen.low if seen is not None and seen.window_ms == window_ms else 0
            low += row["MOISTURE"] < row["MOISTURE_LOW"]
            self._plants[row["PLANT_ID"]] = Seen(
                row["GIVEN_NAME"], row["MOISTURE"], row["MOISTURE_LOW"], row["TEMPERATURE"], time_ms, window_ms, low
            )

    def alert(self, row: Any) -> None:
        """A row of houseplant_low_readings."""
        start, end = (moment(row[name]).strftime("%H:%M") for name in ("WINDOWSTART", "WINDOWEND"))
        line = f"{row['MESSAGE']} ({row['LOW_READING_COUNT']} low readings from {start} to {end} on {moment(row['WINDOWSTART']):%a %d %b})"
        with self._lock:
            self._alerts.append(line)
            self._alert_count += 1

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

    def _tell(self, live: Live | None = None) -> None:
        """Print the alerts that came; then the plants, in plain lines once a day of theirs."""
        with self._lock:
            alerts, self._alerts = self._alerts, []
        for line in alerts:
            self._console.print(Text("ALERT ", style="bold red").append(line, style="not bold default"))
        if live is not None:
            live.update(self._table(), refresh=True)
            return
        with self._lock:
            plants = list(self._plants.values())
        now_ms = max((seen.time_ms for seen in plants), default=0)
        if now_ms - self._told_ms >= PLAIN_EVERY_MS:
            self._told_ms = now_ms
            states = ", ".join(f"{seen.name} {seen.moisture:.0f}% (low below {seen.moisture_low:.0f}%)" for seen in plants)
            self._console.print(f"{moment(now_ms):%a %d %b %H:%M}  {states}")

    def _table(self) -> Group:
        with self._lock:
            plants = sorted(self._plants.items())
        table = Table(box=None, pad_edge=False)
        for heading in ("plant", "moisture", "", "low below", "soil", f"low since {self._window(plants)}"):
            table.add_column(heading, no_wrap=True)
        for _, seen in plants:
            dry = seen.moisture < seen.moisture_low
            table.add_row(
                seen.name,
                bar(seen.moisture, seen.moisture_low),
                Text(f"{seen.moisture:3.0f} %", style="red" if dry else ""),
                f"{seen.moisture_low:.0f} %",
                f"{seen.temperature:.1f} °C",
                Text(f"{seen.low:3d} of {LOW_READINGS_MIN}", style="bold red" if seen.low > LOW_READINGS_MIN else ""),
            )
        now_ms = max((seen.time_ms for _, seen in plants), default=0)
        return Group(Text(f"{moment(now_ms):%A %d %B, %H:%M}" if plants else "waiting for the first reading ...", style="bold"), table)

    def _window(self, plants: list[tuple[str, Seen]]) -> str:
        return f"{moment(max(seen.window_ms for _, seen in plants)):%H:%M}" if plants else "..."


def bar(moisture: float, low: float) -> Text:
    """The moisture as a bar of BAR_WIDTH characters, with a mark at the threshold."""
    full, mark = round(moisture / 100 * BAR_WIDTH), min(BAR_WIDTH - 1, round(low / 100 * BAR_WIDTH))
    cells = ["█" if i < full else "·" for i in range(BAR_WIDTH)]
    cells[mark] = "|"
    text = Text("".join(cells), style="red" if moisture < low else "green")
    text.stylize("bold yellow", mark, mark + 1)
    return text


def moment(time_ms: int) -> datetime:
    """Event time as a UTC datetime."""
    return datetime.fromtimestamp(time_ms / 1000, UTC)
