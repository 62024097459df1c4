"""The skip-or-fail rule: a missing part skips a test and says why; with CI=true it fails."""

from __future__ import annotations

import pytest
from tests.conftest import require, require_named


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


@pytest.mark.needs("sh", "module:pytest")
def test_the_marker_lets_a_test_run_that_has_what_it_needs() -> None:
    pass
