"""What every test may use: above all the one rule for tests that need what a machine may lack."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable

import pytest


def require(present: object, what: str, mend: str) -> None:
    """Go on where `present` is true; else skip the test and say why, or fail it where CI=true, since there nothing may be missing."""
    if present:
        return
    reason = f"needs {what}, which is not here. {mend}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def require_named(name: str) -> None:
    """Require a program by its name, or a Python module as `module:NAME`."""
    module = name.removeprefix("module:")
    if module != name:
        require(importlib.util.find_spec(module.split(".")[0]), f"the Python module {module}", "Run `make environment`.")
    else:
        require(shutil.which(name), f"the program {name}", "As root on Debian `make test` installs it; tests/debian-packages.txt names its package.")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Apply `@pytest.mark.needs("java", "module:adafruit_seesaw")`."""
    for marker in item.iter_markers("needs"):
        for name in marker.args:
            require_named(name)


@pytest.fixture(scope="session")
def needs() -> Callable[[object, str, str], None]:
    """`needs(present, what, mend)`: the same rule for a fixture that finds out only as it starts something (a broker, a port)."""
    return require
