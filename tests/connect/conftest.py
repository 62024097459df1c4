"""A log, a web server and a runtime between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.connect.databases import mariadb_server, postgres_server  # noqa: F401  # fixtures
from tests.connect.json_records import runtime_over
from tests.connect.mosquitto import mosquitto as mosquitto  # a fixture
from tests.connect.web_server import WebServer

from penstock.connect.runtime import ConnectRuntime
from penstock.log import open_log
from penstock.log.protocol import Log


@pytest.fixture
def log() -> Iterator[Log]:
    opened = open_log(None)
    opened.create_topic("alerts")
    yield opened
    opened.close()


@pytest.fixture
def runtime(log: Log, tmp_path: Path) -> Iterator[ConnectRuntime]:
    started = runtime_over(log, secret_folders=[tmp_path / "secrets"], restart_ms=20, restart_ms_max=80)
    yield started
    started.close()


@pytest.fixture
def start(runtime: ConnectRuntime, web: WebServer) -> Callable[..., None]:
    """Start the HTTP sink `pager` on the topic `alerts`; keyword arguments are options, with `_` for the dot."""

    def start_sink(**options: str) -> None:
        properties = {"connector.class": "HttpSink", "topics": "alerts", "http.api.url": web.url, "retry.backoff.ms": "5"}
        runtime.start("SINK", "pager", properties | {name.replace("_", "."): text for name, text in options.items()})

    return start_sink
