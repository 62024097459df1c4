"""ksqlDB's own cases, which lie beside the repository. docs/conformance.md tells of them."""

from __future__ import annotations

import os
from pathlib import Path

from scripts import conformance

FOLDER = conformance.cases_folder()
FILES = [Path("none")] if FOLDER is None else sorted(FOLDER.glob("*/*.json"))
"""Never empty: a test of each file is there also where it can only say what it needs."""


def check(mode: str) -> None:
    """All cases through the whole product, in a mode: those that are known to fail do, and no others."""
    assert FOLDER is not None
    # where other processes run tests meanwhile, they are what the other processors are for
    results = conformance.run(FOLDER, mode, workers=1 if "PYTEST_XDIST_WORKER" in os.environ else conformance.WORKERS)
    new, gone = conformance.difference(mode, results)
    assert new == []
    assert gone == [], "These hold, or are no cases any more: strike them off with `python scripts/conformance.py --strike`."
    line = conformance.count_line(mode, results)
    assert line in conformance.DOCUMENT.read_text().split("\n"), f"docs/conformance.md must say {line}: `python scripts/conformance.py --strike`."
