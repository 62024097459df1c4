"""The homes of the log: the tests of the protocol run the same on each."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.kafka_broker import kafka_bootstrap  # noqa: F401  # a fixture

from penstock.errors import StorageError
from penstock.log import open_kafka, open_log
from penstock.log.embedded import cleaning
from penstock.log.protocol import Log

# What a home lacks, by the name of the test: (home, test) -> why. Nothing else in the tests tells homes apart.
LACKS: dict[tuple[str, str], str] = {
    ("kafka", "test_what_is_written_together_shares_a_sequence_number_below_that_of_what_follows"): "Kafka knows no order over topics",
}


@pytest.fixture(autouse=True)
def no_retention(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records of these tests are years old: on a busy machine a test would last until the cleaner takes them."""
    monkeypatch.setattr(cleaning, "INTERVAL_S", 3600.0)


@pytest.fixture(params=["memory", "folder", "kafka"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    """An open log of each home."""
    home = request.param
    lack = LACKS.get((home, request.node.originalname))
    if lack:
        pytest.skip(f"{home}: {lack}")
    if home == "kafka":
        yield request.getfixturevalue("kafka_log")()
        return
    opened = open_log(tmp_path / "log" if home == "folder" else None)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def kafka_log(kafka_bootstrap: str) -> Iterator[Callable[[], Log]]:  # noqa: F811
    """One log for all tests, opened anew after a test that has closed it: its clients take a second to make."""
    logs: list[Log] = []

    def current() -> Log:
        try:
            logs[-1].version()
        except (IndexError, StorageError):
            logs.append(open_kafka(kafka_bootstrap))
        return logs[-1]

    yield current
    for log in logs:
        log.close()


@pytest.fixture
def topic_name() -> Callable[[], str]:
    """Each call gives a name that no other test uses: the topics of a broker outlive a test."""
    return lambda: f"topic-{uuid.uuid4().hex[:12]}"
