"""What every test may use: above all the one rule for tests that need what a machine may lack."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests import cases
from tests.connect.web_server import WebServer

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Tests start Python some hundred times; where nothing keeps what is compiled each start takes a second longer, packages that uv installed included.

LONG = (
    "conformance/test_record.py", "pipelines/ratings/test_end_to_end.py", "engine/test_state_table.py", "engine/test_batches.py",
    "conformance/test_batch.py", "pipelines/carparks/test_end_to_end.py", "connect/test_kills_of_databases.py", "connect/test_jdbc_source.py",
    "engine/test_crash.py", "connect/test_elasticsearch_sink.py", "pipelines/socks/test_end_to_end.py", "server/test_queries.py",
    "server/test_hosting.py", "bots/test_telegram.py", "connect/test_jdbc_sink.py", "fuzz/test_fuzz.py", "pipelines/survey/test_end_to_end.py",
    "connect/test_captures.py", "connect/test_telegram.py", "engine/test_arrival.py",
)  # fmt: skip
"""The files that take longest, longest first: they begin first, so that of several processes none works on alone at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    turn = {Path(__file__).parent / name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: turn.get(item.path, len(LONG)))


def require(present: object, what: str, mend: str) -> None:
    """Go on where `present` is true; else skip the test and say why, or fail it where CI=true, since there nothing may be missing."""
    if present:
        return
    reason = f"needs {what}, which is not here. {mend}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def require_named(name: str) -> None:
    """Require a program by its name, a Python module as `module:NAME`, or ksqlDB's cases by `conformance`."""
    module = name.removeprefix("module:")
    if name == "conformance":
        require(cases.FOLDER, "the folder of conformance cases", "Put it at ../shared/conformance, beside the repository.")
    elif module != name:
        require(importlib.util.find_spec(module.split(".")[0]), f"the Python module {module}", "Run `make environment`.")
    else:
        require(shutil.which(name), f"the program {name}", "As root on Debian `make test` installs it; tests/debian-packages.txt names its package.")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Apply `@pytest.mark.needs("java", "module:adafruit_seesaw")`."""
    for marker in item.iter_markers("needs"):
        for name in marker.args:
            require_named(name)


@pytest.fixture
def web() -> Iterator[WebServer]:
    """A web server of the test's own, which records what it gets."""
    server = WebServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def needs() -> Callable[[object, str, str], None]:
    """`needs(present, what, mend)`: the same rule for a fixture that finds out only as it starts something (a broker, a port)."""
    return require
