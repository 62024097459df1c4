"""A database that bots talk about."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.bots.plants import prepare
from tests.telegram_server import telegram, telegram_url  # noqa: F401  # fixtures

import penstock


@pytest.fixture
def db(tmp_path: Path) -> Iterator[penstock.Database]:
    with penstock.connect(tmp_path / "data") as opened:
        prepare(opened)
        yield opened
