"""Rows as a table, as JSON lines or as CSV."""

from __future__ import annotations

import base64
import csv
import json
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from typing import Any, TextIO

ROWS_AHEAD = 1000
"""How many rows a table looks at to set its columns' widths."""
WIDTH_MIN = 6


class Output(StrEnum):
    """How rows are written."""

    table = "table"
    json = "json"
    csv = "csv"


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


def write(columns: Sequence[str], rows: Iterable[Sequence[Any]], output: Output, file: TextIO | None = None) -> int:
    """Write all the rows; how many there were. A table is as wide as its contents need; only on a terminal it is cut to fit."""
    file = file or sys.stdout
    if output is not Output.table:
        return sum(write_row(columns, row, output, file, header=number == 0) for number, row in enumerate(rows)) or _header(columns, output, file)
    text = [[cell(value) for value in row] for row in rows]
    widths = _widths(columns, text[:ROWS_AHEAD], file)
    for line in (*_head(columns, widths), *(_line(row, widths) for row in text)):
        print(line, file=file)
    return len(text)


def write_row(columns: Sequence[str], row: Sequence[Any], output: Output, file: TextIO | None = None, *, header: bool = False) -> int:
    """Write one row as it comes, with `header` after the head. For a table the columns share the terminal's width evenly; what goes
    elsewhere is not cut. Returns 1."""
    file = file or sys.stdout
    if output is Output.json:
        print(json.dumps(dict(zip(columns, map(plain, row), strict=True)), ensure_ascii=False), file=file, flush=True)
    elif output is Output.csv:
        if header:
            _header(columns, output, file)
        csv.writer(file, lineterminator="\n").writerow(["" if value is None else cell(value) for value in row])
        file.flush()
    else:
        widths, cells = _even_widths(len(columns)), [cell(value) for value in row]
        own = widths if file.isatty() else [max(width, len(text)) for width, text in zip(widths, cells, strict=True)]
        for line in (*(_head(columns, widths) if header else ()), _line(cells, own)):
            print(line, file=file, flush=True)
    return 1


def _header(columns: Sequence[str], output: Output, file: TextIO) -> int:
    if output is Output.csv:
        csv.writer(file, lineterminator="\n").writerow(columns)
    return 0


def _head(columns: Sequence[str], widths: Sequence[int]) -> tuple[str, str]:
    return _line(columns, widths), "-+-".join("-" * width for width in widths)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return " | ".join(_cut(" ".join(text.splitlines()) if "\n" in text else text, width) for text, width in zip(cells, widths, strict=True)).rstrip()


def _cut(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else text[: max(0, width - 1)] + "…"


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]], file: TextIO) -> list[int]:
    """Each column as wide as its widest cell; on a terminal the widest ones give way until the line fits."""
    widths = [max(len(name), *(len(row[i]) for row in rows)) if rows else len(name) for i, name in enumerate(columns)]
    if file.isatty():
        room = shutil.get_terminal_size().columns - 3 * (len(widths) - 1)
        while sum(widths) > room and max(widths, default=0) > WIDTH_MIN:
            widths[widths.index(max(widths))] -= 1
    return widths


def _even_widths(count: int) -> list[int]:
    room = shutil.get_terminal_size((100, 24)).columns - 3 * (count - 1)
    return [max(WIDTH_MIN, room // count if count else 0)] * count
