"""The documentation is whole and not stale."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.functions import all_functions, describe, document
from penstock.functions.define import Function

PAGE = Path(__file__).parents[2] / "docs" / "sql" / "functions.md"
BUILTIN = [f for f in all_functions() if f.builtin]


@pytest.mark.parametrize("function", BUILTIN, ids=[f.name for f in BUILTIN])
def test_a_function_is_documented(function: Function) -> None:
    assert function.summary.endswith(".")
    assert function.group
    parameters = {p.name for o in function.overloads for p in o.signature.parameters}
    assert set(function.parameters) == parameters
    assert any(function.name in e.call for e in function.examples)


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == document.page(), "run `make docs`"


def test_a_function_is_described_as_text() -> None:
    shown = document.text(describe("LPAD"))
    assert "LPAD(text STRING, length INTEGER, padding STRING) -> STRING" in shown
    assert "LPAD('Foo', 7, 'Bar') -> 'BarBFoo'" in shown
