"""The runner of ksqlDB's own cases, and the lists of those that are known to fail."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripts import conformance
from scripts.conformance import Result


@pytest.mark.parametrize("mode", conformance.MODES)
def test_each_known_failure_is_listed_once_below_a_reason(mode: str) -> None:
    reason = False
    for line in conformance.known_file(mode).read_text().split("\n"):
        if line.startswith("#"):
            reason = True
        elif line:
            assert reason, f"{line} stands below no reason"
        else:
            reason = False
    listed = conformance.known(mode)
    assert len(listed) == len(set(listed))


def test_the_document_says_why_cases_fail() -> None:
    assert "\n".join([*conformance.reasons_table(), ""]) in conformance.DOCUMENT.read_text(), "stale: `python scripts/conformance.py --strike`"


RUNNER = """
import os, time
def expand(path):
    yield from ((f"{path.stem}: {what}", what) for what in path.read_text().split())
def attempt(task):
    name, what, mode = task
    if what == "die":
        os._exit(3)
    if what == "hang":
        time.sleep(60)
    return name, False, what == mode, what
"""


def test_a_worker_that_dies_or_hangs_costs_its_case_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conformance, "ANSWER_S", 3.0)
    (tmp_path / "run.py").write_text(RUNNER)
    (tmp_path / "kind").mkdir()
    (tmp_path / "kind" / "a.json").write_text("record die batch hang")
    (tmp_path / "kind" / "b.json").write_text("record die record")
    results = conformance.run(tmp_path, "record")
    assert {name: r.passed for name, r in results.items()} == {
        "a: record": True, "a: die": False, "a: batch": False, "a: hang": False, "b: record": True, "b: die": False,
    }  # fmt: skip
    assert results["a: die"].detail.startswith("CRASH")


def test_what_passes_is_struck_off_with_the_reason_that_it_leaves_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conformance, "known_file", lambda mode: tmp_path / mode)
    (tmp_path / "record").write_text("# one reason\na: 1\na: 2\n\n# another\nb: 1\n\n# a third\nc: 1\n")
    held, failed = Result(True, "ok"), Result(False, "x")
    results = {"a: 1": held, "a: 2": failed, "b: 1": held, "c: 1": failed, "d: 1": failed}
    new, gone = conformance.difference("record", results)
    assert (new, gone) == (["d: 1 -- x"], ["a: 1", "b: 1"])
    assert conformance.struck((tmp_path / "record").read_text(), gone) == "# one reason\na: 2\n\n# a third\nc: 1\n"
    assert conformance.count_line("record", results) == "| record | 2 of 5 (40.0 %) | 2 of 5 (40.0 %) | 0 of 0 (0.0 %) |"
    results |= {"c: 1": Result(False, "x", spelled=True), "e: 1": Result(True, "", negative=True)}
    assert conformance.count_line("record", results) == "| record | 2 of 5 (40.0 %) | 2 of 4 (50.0 %) | 1 of 1 (100.0 %) |"
    assert conformance.reasons("record") == {"one reason": 2, "another": 1, "a third": 1}
