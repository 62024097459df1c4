"""What all tests of the engine share."""

from __future__ import annotations

import pytest

from penstock.log.embedded import cleaning


@pytest.fixture(autouse=True)
def no_retention(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events of these tests lie in 1970: on a busy machine a test would last until the cleaner takes them."""
    monkeypatch.setattr(cleaning, "INTERVAL_S", 3600.0)
