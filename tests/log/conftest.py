"""The homes of the log: the tests of the protocol run the same on each."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from penstock.log import open_log
from penstock.log.protocol import Log

_number = itertools.count()


@pytest.fixture(params=["memory", "folder"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    """An open log of each home."""
    opened = open_log(None if request.param == "memory" else tmp_path / "log")
    yield opened
    opened.close()


@pytest.fixture
def topic_name() -> Callable[[], str]:
    """Each call gives a name that no other test uses: the topics of a broker outlive a test."""
    return lambda: f"topic-{next(_number)}"
