"""The generated pages say what the code says."""

from __future__ import annotations

from scripts.docs import ROOT, stale


def test_generated_pages_are_current() -> None:
    assert [str(p.relative_to(ROOT)) for p in stale()] == [], "stale: run `make docs`"
