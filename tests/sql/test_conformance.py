"""Every statement of ksqlDB's own cases parses, but for those whose syntax the case wants refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cases import FILES

from penstock.errors import SqlError
from penstock.sql import ast
from penstock.sql.parser import parse_one

# What ksqlDB says where it refuses the syntax of a statement.
SYNTAX = re.compile(r"Syntax error|line \d+:\d+|Invalid numeric literal|overflows DOUBLE|must be integer", re.IGNORECASE)

pytestmark = pytest.mark.needs("conformance")


def cases(path: Path) -> Iterator[dict[str, Any]]:
    yield from json.loads(path.read_text())["tests"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_statements_parse(path: Path) -> None:
    for case in cases(path):
        refusal = case.get("expectedException") or case.get("expectedError")
        for number, sql in enumerate(case["statements"], 1):
            sql = sql.replace("{FORMAT}", "JSON").replace("{CONFIG}", "1")
            try:
                statement = parse_one(sql)
            except SqlError:
                if refusal and number == len(case["statements"]):
                    continue
                if "DECIMAL(50,30)" in sql and refusal:  # wider than a DECIMAL is anywhere here
                    continue
                raise AssertionError(f"{case['name']}: {sql}") from None
            assert not isinstance(statement, ast.RawQuery), sql


def test_wrong_syntax_is_refused() -> None:
    accepted = []
    for path in FILES:
        for case in cases(path):
            refusal = case.get("expectedException") or case.get("expectedError") or {}
            if "ParseFailed" in refusal.get("type", "") and SYNTAX.search(refusal.get("message", "")):
                try:
                    parse_one(case["statements"][-1])
                except SqlError:
                    continue
                accepted.append(case["statements"][-1])
    # A KEY of a table and a PRIMARY KEY of a stream are the planner's to refuse.
    assert [sql for sql in accepted if "KEY," not in sql] == []
