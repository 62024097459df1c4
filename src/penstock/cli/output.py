"""Rows as a table, as JSON lines or as CSV."""

from __future__ import annotations

import base64
import csv
import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from itertools import zip_longest
from typing import Any, TextIO

ROWS_AHEAD = 1000
"""How many rows a table looks at to set its columns' widths."""
WIDTH_MIN = 6
WIDTH_KEPT = 24
"""A column up to this width, such as one of times, gives way last."""


class Output(StrEnum):
    """How rows are written."""

    table = "table"
    json = "json"
    csv = "csv"


@dataclass(frozen=True)
class Layout:
    """How a table is laid out: the width of every column in characters, 0 for what its contents need, and whether long cells take several lines
    or are cut."""

    column_width: int = 0
    wrap: bool = True

    def widths(self, needed: Sequence[int], file: TextIO) -> list[int]:
        """The columns' widths, of contents this wide."""
        return [self.column_width] * len(needed) if self.column_width else fitted(needed, room_of(file))


FITTED = Layout()


def cell(value: Any) -> str:
    """A value in a table's or CSV's cell: NULL as `null`, what holds other values as JSON."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, bytes | Mapping | list | tuple):
        return json.dumps(plain(value), ensure_ascii=False)
    return str(value)


def plain(value: Any) -> Any:
    """A value as JSON can hold it: DECIMAL as text (no digit is lost), BYTES as base64, dates and times in ISO 8601."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value


def write(columns: Sequence[str], rows: Iterable[Sequence[Any]], output: Output, file: TextIO | None = None, layout: Layout = FITTED) -> int:
    """Write all the rows; how many there were. A table is as wide as its contents need, where its layout does not say; on a terminal long cells
    take several lines, so that the table fits."""
    file = file or sys.stdout
    if output is not Output.table:
        printer = RowPrinter(columns, output, file)
        return sum(printer.write(row) for row in rows) or printer.head()
    text = [[cell(value) for value in row] for row in rows]
    widths = layout.widths([widest(column) for column in zip(columns, *text[:ROWS_AHEAD], strict=True)], file)
    for line in (*_head(columns, widths), *(line for row in text for line in _lines(row, widths, file, layout))):
        print(line, file=file)
    return len(text)


class RowPrinter:
    """Writes rows as they come. The columns of a table start as wide as the first row needs, and widen where a later one needs more."""

    def __init__(self, columns: Sequence[str], output: Output, file: TextIO | None = None, layout: Layout = FITTED) -> None:
        self._columns, self._output, self._file, self._layout = columns, output, file or sys.stdout, layout
        self._widths: list[int] = []
        self.count = 0

    def head(self) -> int:
        """Write what stands above the rows, where it belongs to none; 0."""
        if self._output is Output.csv:
            csv.writer(self._file, lineterminator="\n").writerow(self._columns)
        return 0

    def write(self, row: Sequence[Any]) -> int:
        """Write one row; 1."""
        if self._output is Output.json:
            print(json.dumps(dict(zip(self._columns, map(plain, row), strict=True)), ensure_ascii=False), file=self._file)
        elif self._output is Output.csv:
            if self.count == 0:
                self.head()
            csv.writer(self._file, lineterminator="\n").writerow(["" if value is None else cell(value) for value in row])
        else:
            self._write_line([cell(value) for value in row])
        self._file.flush()
        self.count += 1
        return 1

    def _write_line(self, cells: list[str]) -> None:
        needed = [widest((name, text)) for name, text in zip(self._columns, cells, strict=True)]
        wanted = [max(pair) for pair in zip(needed, self._widths or needed, strict=True)]
        first, self._widths = not self._widths, self._layout.widths(wanted, self._file)
        for line in (*(_head(self._columns, self._widths) if first else ()), *_lines(cells, self._widths, self._file, self._layout)):
            print(line, file=self._file)


def widest(texts: Iterable[str]) -> int:
    """How wide the longest line of some cells is."""
    return max(len(line) for text in texts for line in (text.split("\n")))


def room_of(file: TextIO) -> int | None:
    """How many characters a line may have; None where the file is no terminal."""
    return shutil.get_terminal_size().columns if file.isatty() else None


def fitted(widths: Sequence[int], room: int | None) -> list[int]:
    """The columns' widths, of which those of long texts give way until a line fits, the widest first; then any, the last first."""
    found = list(widths)
    over = 0 if room is None else sum(found) + 3 * (len(found) - 1) - room
    for _ in range(over):
        wide = [at for at, width in enumerate(found) if width > WIDTH_KEPT] or [at for at, width in enumerate(found) if width > WIDTH_MIN][-1:]
        if wide:
            found[max(wide, key=lambda at: found[at])] -= 1
    return found


def _head(columns: Sequence[str], widths: Sequence[int]) -> tuple[str, ...]:
    lines = [[name[at : at + width] for at in range(0, len(name), width)] or [""] for name, width in zip(columns, widths, strict=True)]
    names = (_joined(parts, widths) for parts in zip_longest(*lines, fillvalue=""))
    return (*names, "-+-".join("-" * width for width in widths))


def _lines(cells: Sequence[str], widths: Sequence[int], file: TextIO, layout: Layout) -> Iterator[str]:
    """A row's lines: one where long cells are cut, or the file is no terminal and no width is set; else as many as the longest cell takes."""
    limited = layout.column_width > 0 or file.isatty()
    if not (limited and layout.wrap):
        flat = [" ".join(text.splitlines()) if "\n" in text else text for text in cells]
        yield _joined([_cut(text, width) for text, width in zip(flat, widths, strict=True)] if limited else flat, widths)
        return
    wrapped = [_wrapped(text, width) for text, width in zip(cells, widths, strict=True)]
    yield from (_joined(parts, widths) for parts in zip_longest(*wrapped, fillvalue=""))


def _cut(text: str, width: int) -> str:
    """A cell that fits, its end shown as dots where something is missing."""
    return text if len(text) <= width else text[: max(0, width - 3)] + "..."[:width]


def _wrapped(text: str, width: int) -> list[str]:
    """A cell's lines; what is indented stays so."""
    lines: list[str] = []
    for line in text.splitlines() or [""]:
        indent = " " * min(len(line) - len(line.lstrip()), width // 2)
        lines += textwrap.wrap(line, width, initial_indent="", subsequent_indent=indent, break_on_hyphens=False) or [""]
    return lines


def _joined(cells: Sequence[str], widths: Sequence[int]) -> str:
    return " | ".join(text.ljust(width) for text, width in zip(cells, widths, strict=True)).rstrip()
