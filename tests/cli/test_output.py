"""Tables on a terminal and elsewhere."""

from __future__ import annotations

import io
import os
import shutil

import pytest

from penstock.cli.output import Layout, Output, RowPrinter, write


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "get_terminal_size", lambda *_: os.terminal_size((40, 20)))


def written(file: io.StringIO, columns: tuple[str, ...], *rows: tuple[object, ...]) -> list[str]:
    write(columns, rows, Output.table, file)
    return file.getvalue().splitlines()


def test_a_table_fits_the_terminal_and_shows_all(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = written(Terminal(), ("NAME", "STATEMENT"), ("S", "CREATE STREAM s (n INT) WITH (kafka_topic='s', value_format='JSON')"), ("T", None))
    assert lines == [
        "NAME | STATEMENT",
        "-----+----------------------------------",
        "S    | CREATE STREAM s (n INT) WITH",
        "     | (kafka_topic='s',",
        "     | value_format='JSON')",
        "T    | null",
    ]
    assert max(map(len, lines)) <= 40


def test_what_is_indented_stays_indented() -> None:
    lines = written(Terminal(), ("PLAN",), ("write it\n  select a, b and all the others that there are",))
    assert lines[2:] == ["write it", "  select a, b and all the others that", "  there are"]


def test_elsewhere_nothing_is_cut_or_broken() -> None:
    lines = written(io.StringIO(), ("A", "B"), ("x" * 60, "two\nlines"))
    assert lines[2:] == [f"{'x' * 60} | two lines"]


def test_a_time_gives_way_after_long_texts() -> None:
    lines = written(Terminal(), ("ROWTIME", "VALUE"), ("2026-11-21T17:46:05.003Z", "some words of a record that is long"))
    assert lines[2].startswith("2026-11-21T17:46:05.003Z | some words of")
    assert "".join(line.split("|")[1] for line in lines[2:]).split() == ["some", "words", "of", "a", "record", "that", "is", "long"]


def test_rows_as_they_come_widen_their_columns() -> None:
    file = Terminal()
    rows = RowPrinter(("K", "V"), Output.table, file)
    for key, value in [("a", 1), ("longer", 2), ("b", 3)]:
        rows.write((key, value))
    assert file.getvalue().splitlines() == ["K | V", "--+--", "a | 1", "longer | 2", "b      | 3"]
    assert rows.count == 3


def laid_out(layout: Layout, file: io.StringIO, *rows: tuple[object, ...]) -> list[str]:
    """A table's lines, the same of rows together and of rows as they come."""
    write(("NAME", "V"), rows, Output.table, file, layout)
    printer = RowPrinter(("NAME", "V"), Output.table, coming := type(file)(), layout)
    for row in rows:
        printer.write(row)
    assert coming.getvalue() == file.getvalue()
    return file.getvalue().splitlines()


def test_columns_of_a_set_width_wrap_or_cut_what_is_longer() -> None:
    rows = (("one two three", 1), ("x" * 9, None))
    head = ["NAME    | V", "--------+--------"]
    assert laid_out(Layout(7), io.StringIO(), *rows) == [*head, "one two | 1", "three   |", "xxxxxxx | null", "xx      |"]
    assert laid_out(Layout(7, wrap=False), io.StringIO(), *rows) == [*head, "one ... | 1", "xxxx... | null"]
    assert laid_out(Layout(2, wrap=False), io.StringIO(), ("abc", 1))[-1] == ".. | 1"


def test_a_terminal_that_does_not_wrap_cuts() -> None:
    assert laid_out(Layout(wrap=False), Terminal(), ("k", "word " * 20))[2:] == ["k    | word word word word word word ..."]
