"""`penstock server` as a process of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest


class Served:
    """A running `penstock server`. Everything but the first line of its output is in `log`."""

    def __init__(self, *arguments: str, environment: dict[str, str] | None = None) -> None:
        command = [sys.executable, "-m", "penstock", "server", *arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | (environment or {})
        )  # fmt: skip
        self.said: list[str] = []
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            if line.startswith("Ready: "):
                break
        else:
            _, errors = self.process.communicate()
            raise AssertionError(f"the server ended with {self.process.returncode}: {errors}")
        self.urls: dict[str, str] = dict(re.findall(r"(\w+) (https?://[^, ]+?)(?:,|\. )", self.said[-1]))

    @property
    def url(self) -> str:
        """The address of ksqlDB's door."""
        return self.urls["ksql"]

    def stop(self, number: int | None = signal.SIGTERM, timeout_s: float = 30) -> tuple[int, str]:
        """End it by a signal, or where that is None wait until it has ended; its exit code and what it said on stderr."""
        if number is not None:
            self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=timeout_s)
        return self.process.returncode, errors

    def ksql(self, sql: str, **fields: Any) -> Any:
        """What /ksql answers, which must be no error."""
        answer = httpx.post(f"{self.url}/ksql", json={"ksql": sql, **fields}, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def insert(self, target: str, *rows: dict[str, Any]) -> list[Any]:
        """Insert rows by /inserts-stream; the acknowledgements."""
        lines = "\n".join(json.dumps(each) for each in ({"target": target}, *rows))
        return [json.loads(line) for line in httpx.post(f"{self.url}/inserts-stream", content=lines, timeout=60).text.splitlines()]

    def ask(self, sql: str) -> list[Any]:
        """The lines that /query-stream answers: the columns, and each row."""
        answer = httpx.post(f"{self.url}/query-stream", json={"sql": sql}, timeout=60)
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]

    def refused(self, sql: str, **fields: Any) -> Any:
        """The error that /ksql answers."""
        answer = httpx.post(f"{self.url}/ksql", json={"ksql": sql, **fields}, timeout=60)
        assert answer.status_code == 400, answer.text
        return answer.json()


Serve = Callable[..., Served]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """`serve("--users", ...)`: start a server on a folder of the test's own, on free ports. What still runs at the end is ended."""
    started: list[Served] = []

    def start(*arguments: str, listen: bool = True, environment: dict[str, str] | None = None) -> Served:
        places = ["--data", str(tmp_path / "data"), *(("--listen", "127.0.0.1:0") if listen else ())]
        started.append(Served(*(place for place in places if place not in arguments), *arguments, environment=environment))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
        each.process.communicate()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for the tests of a module that leave it as they found it, or use names of their own."""
    folder = tmp_path_factory.mktemp("served")
    server = Served("--data", str(folder / "data"), "--listen", "127.0.0.1:0", "--set", f"connector.file.allowed.paths={folder}")
    yield server
    code, errors = server.stop()
    assert (code, errors) == (0, "")
