"""What tests of users' own functions share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from penstock.functions import describe
from penstock.functions.define import FUNCTIONS


@pytest.fixture
def only_built_in_functions_afterwards() -> Iterator[None]:
    """Forget, when the test is over, the functions that it defined."""
    describe("COUNT")
    before = dict(FUNCTIONS)
    yield
    FUNCTIONS.clear()
    FUNCTIONS.update(before)
