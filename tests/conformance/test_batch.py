"""ksqlDB's own cases in mode batch: a file of its own, so that another process may run the other mode meanwhile."""

from __future__ import annotations

import pytest
from tests import cases


@pytest.mark.needs("conformance")
def test_the_cases_hold_but_for_the_known_failures() -> None:
    cases.check("batch")
