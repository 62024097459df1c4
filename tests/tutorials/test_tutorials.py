"""What ksqlDB's tutorials and guides teach, over data of our own: each file beside this one holds tests in SQL, run as `penstock test` runs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.cli.sql_tests import Case, cases, outcome

FILES = sorted(Path(__file__).parent.glob("*.sql"))
CASES = [case for file in FILES for case in cases(file)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.file.stem}: {case.name}")
def test_tutorial(case: Case) -> None:
    assert outcome(case, None) is None
