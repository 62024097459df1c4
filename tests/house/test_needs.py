"""The skip-or-fail rule: a missing part skips a test and says why; with CI=true it fails."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests import cases
from tests.conftest import LONG, require, require_named


def test_present_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    require(True, "anything", "")
    require_named("sh")
    require_named("module:pytest")


@pytest.mark.parametrize("name", ["no-such-program-anywhere", "module:no_such_module_anywhere"])
def test_missing_skips_and_says_why(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"needs the .*no.such.*not here"):
        require_named(name)


def test_missing_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="needs the program no-such-program"):
        require_named("no-such-program-anywhere")


def test_missing_cases_fail_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(cases, "FOLDER", None)
    with pytest.raises(pytest.fail.Exception, match="needs the folder of conformance cases"):
        require_named("conformance")


def test_the_longest_files_are_there() -> None:
    folder = Path(__file__).parents[1]
    assert [name for name in LONG if not (folder / name).is_file()] == []


@pytest.mark.needs("sh", "module:pytest")
def test_the_marker_lets_a_test_run_that_has_what_it_needs() -> None:
    pass
