"""Charts of a query's rows: as a PNG for a chat, as text for a terminal."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from typing import Literal as OneOf

from penstock.bots.texts import Columns, fill
from penstock.bots.values import show_value
from penstock.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DRAWING = threading.Lock()
"""matplotlib's fonts and settings are shared, and it does not say that threads may draw at once."""
TEXT_WIDTH = 60
BARS_MAX, LEGEND_MAX = 40, 12


@dataclass(frozen=True)
class Chart:
    """A chart as it is drawn. `series`: name -> its points, (x, y) in order; of bars there is one series, whose x are the labels."""

    kind: OneOf["bars", "lines"]
    title: str
    series: Mapping[str, Sequence[tuple[Any, float]]]
    x_label: str = ""
    y_label: str = ""


@dataclass(frozen=True)
class Bars:
    """A bar for each row: `label` and `value` name columns. Where the value is a MAP (a HISTOGRAM), each row is a chart of its own, with a bar for
    each key, the longest first, and `label` is not needed. `title` may use the first row's columns, and the command's arguments."""

    value: str
    label: str = ""
    title: str = ""
    value_label: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the rows must have."""
        return tuple(name for name in (self.value, self.label) if name)

    def charts(self, rows: Sequence[Mapping[str, Any]], values: Mapping[str, Any]) -> Iterator[Chart]:
        """The charts of a query's rows."""
        histograms = [row for row in rows if isinstance(row[self.value], Mapping)]
        for row in histograms:
            bars = sorted(row[self.value].items(), key=lambda bar: (-bar[1], str(bar[0])))
            yield Chart("bars", fill(self.title, Columns(values, row)), {"": [(show_value(k), float(v)) for k, v in bars]}, "", self.value_label)
        if histograms or not rows:
            return
        if not self.label:
            raise ConfigError(f"The bars of {self.value} have no labels.", mend="Say which column holds them: Bars(value=..., label=...).")
        points = [(show_value(row[self.label]), float(row[self.value] or 0)) for row in rows]
        yield Chart("bars", fill(self.title, Columns(values, rows[0])), {"": points[:BARS_MAX]}, "", self.value_label)


@dataclass(frozen=True)
class Lines:
    """A line over `x` (a time in ms or a TIMESTAMP, with `time`; else a number), of `y`, one for each value of the column `series` where it is given.
    `title` may use the first row's columns, and the command's arguments."""

    x: str
    y: str
    series: str = ""
    title: str = ""
    y_label: str = ""
    time: bool = True

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the rows must have."""
        return tuple(name for name in (self.x, self.y, self.series) if name)

    def charts(self, rows: Sequence[Mapping[str, Any]], values: Mapping[str, Any]) -> Iterator[Chart]:
        """The chart of a query's rows, in the order of x."""
        series: dict[str, list[tuple[Any, float]]] = {}
        for row in rows:
            if row[self.x] is not None and row[self.y] is not None:
                series.setdefault(show_value(row[self.series]) if self.series else "", []).append((self._x(row[self.x]), float(row[self.y])))
        if series:
            ordered = {name: sorted(points) for name, points in series.items()}
            yield Chart("lines", fill(self.title, Columns(values, rows[0])), ordered, "", self.y_label)

    def _x(self, value: Any) -> Any:
        if not self.time or isinstance(value, datetime):
            return value
        from datetime import UTC

        return datetime.fromtimestamp(value / 1000, UTC).replace(tzinfo=None)


def png(chart: Chart) -> bytes:
    """The chart as a PNG, 1000 pixels wide. Raises ConfigError where matplotlib is missing."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError("Pictures need matplotlib, which is not here.", mend="pip install 'penstock[charts]'") from None
    bars = len(next(iter(chart.series.values()), ()))
    height = max(3.0, 1.2 + 0.45 * bars) if chart.kind == "bars" else 5.0
    with _DRAWING:
        figure = Figure(figsize=(8, height), dpi=125, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        (_draw_bars if chart.kind == "bars" else _draw_lines)(axes, chart)
        # A dollar sign begins a formula in matplotlib's texts; here it is somebody's dollar.
        axes.set_title(chart.title, parse_math=False, wrap=True)
        axes.spines[["top", "right"]].set_visible(False)
        file = io.BytesIO()
        figure.savefig(file, format="png")
    return file.getvalue()


def _draw_bars(axes: Axes, chart: Chart) -> None:
    from matplotlib.ticker import MaxNLocator

    points = next(iter(chart.series.values()), ())
    drawn = axes.barh(range(len(points)), [value for _, value in points], color="#3b7dd8")
    axes.set_yticks(range(len(points)), [_short(label) for label, _ in points], parse_math=False)
    axes.bar_label(drawn, [_number(value) for _, value in points], padding=3)
    axes.invert_yaxis()
    axes.set_xlabel(chart.y_label, parse_math=False)
    axes.margins(x=0.1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=all(value.is_integer() for _, value in points)))


def _draw_lines(axes: Axes, chart: Chart) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    for name, points in list(chart.series.items())[:LEGEND_MAX]:
        axes.plot([x for x, _ in points], [y for _, y in points], label=name.lstrip("_"), linewidth=1.8)
    if any(isinstance(x, datetime) for points in chart.series.values() for x, _ in points[:1]):
        locator = AutoDateLocator()  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    if len(chart.series) > 1:
        for text in axes.legend(frameon=False, fontsize="small").get_texts():
            text.set_parse_math(False)
    axes.set_xlabel(chart.x_label, parse_math=False)
    axes.set_ylabel(chart.y_label, parse_math=False)
    axes.set_ylim(bottom=min(0.0, *(y for points in chart.series.values() for _, y in points), 0.0))
    axes.grid(alpha=0.3)


def chart_text(chart: Chart, width: int = TEXT_WIDTH) -> str:
    """The chart for a terminal: bars with their numbers; of lines a bar for each of some points in time.

    >>> print(chart_text(Chart("bars", "Pies", {"": [("Pecan", 4.0), ("Apple", 2.0)]}), width=20))
    Pies
    Pecan ████████████ 4
    Apple ██████ 2
    """
    lines = [chart.title] if chart.title else []
    for name, points in chart.series.items():
        lines += [name] if name else []
        shown = [(str(label), value) for label, value in (points if chart.kind == "bars" else _thinned(points))]
        labels = max((len(_short(label)) for label, _ in shown), default=0)
        numbers = max((len(_number(value)) for _, value in shown), default=0)
        room = max(5, width - labels - numbers - 2)
        largest = max((value for _, value in shown), default=0) or 1
        lines += [f"{_short(label):{labels}} {'█' * round(max(0, value) / largest * room)} {_number(value)}" for label, value in shown]
    return "\n".join(lines)


def _thinned(points: Sequence[tuple[Any, float]], most: int = 12) -> list[tuple[Any, float]]:
    """Some of the points, evenly, the last among them."""
    if len(points) <= most:
        return list(points)
    return [points[round(i * (len(points) - 1) / (most - 1))] for i in range(most)]


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"


def _short(label: str, most: int = 32) -> str:
    return label if len(label) <= most else label[: most - 1] + "…"
