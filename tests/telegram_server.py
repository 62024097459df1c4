"""A stand-in for Telegram: its own servers cannot be had in a test, and no bot is theirs without an account. It is the npm package
telegram-test-api, with what that lacks added in telegram/server.js."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conftest import require, require_named

FOLDER = Path(__file__).parent / "telegram"
INSTALL_S, WAIT_S = 300, 30
_tokens = count(1)
_client = httpx.Client()


@dataclass
class FakeTelegram:
    """Telegram's side of one bot: `token` is its own, so that tests do not see each other's messages."""

    url: str
    token: str = field(default_factory=lambda: f"{next(_tokens)}:{os.getpid()}-secret")
    seen: int = 0

    def ask(self, control: str, **values: Any) -> Any:
        """Ask the server for what tests need."""
        answer = _client.post(f"{self.url}/test/{control}", json={"token": self.token, **values}, timeout=WAIT_S + 30)
        answer.raise_for_status()
        return answer.json()

    def say(self, chat: int, text: str | None = None, **more: Any) -> int:
        """Somebody says something to the bot; the update_id."""
        return int(self.ask("say", chat=chat, text=text, **more)["update_id"])

    def sent(self, expected: int = 1) -> list[tuple[int, str]]:
        """The next messages of the bot, (chat, text): at least so many, waited for."""
        return [(message["chat"], message["text"]) for message in self.messages(expected)]

    def messages(self, expected: int = 1) -> list[dict[str, Any]]:
        """Like `sent`, whole."""
        found: list[dict[str, Any]] = self.ask("sent", **{"from": self.seen, "count": expected, "ms": WAIT_S * 1000})
        assert len(found) >= expected, f"only {len(found)} messages came: {found}"
        self.seen += len(found)
        return found

    def fail(self, method: str, status: int, *, times: int = 1, chat: int | None = None, body: str = "{}") -> None:
        """The next calls of a method fail; status 0 breaks the connection."""
        self.ask("fail", method=method, status=status, times=times, chat=chat, body=body)

    def all_confirmed(self) -> bool:
        """Whether the bot confirms every update, waited for."""
        return bool(self.ask("confirmed", ms=WAIT_S * 1000) == 0)


@pytest.fixture(scope="session")
def telegram_url() -> Iterator[str]:
    """The server's address; started when the first test asks for it."""
    require_named("node")
    require_named("npm")
    with subprocess.Popen(
        ["node", str(FOLDER / "server.js"), str(_package())], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:  # fmt: skip
        assert server.stdout is not None
        assert server.stdin is not None
        port = server.stdout.readline().strip()
        assert port, "node could not start the stand-in for Telegram"
        yield f"http://127.0.0.1:{port}"
        server.stdin.close()  # which ends it


@pytest.fixture
def telegram(telegram_url: str) -> FakeTelegram:
    """A bot of one's own."""
    return FakeTelegram(telegram_url)


def _package() -> Path:
    """The folder with the installed package, fetched by npm at the first use."""
    wanted = (FOLDER / "package.json").read_bytes()
    name = f"telegram-{hashlib.sha256(wanted).hexdigest()[:12]}"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "penstock" / name
    if not cache.exists():
        cache.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix="telegram-", dir=cache.parent))
        (draft / "package.json").write_bytes(wanted)
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"]
        fetched = subprocess.run(command, cwd=draft, capture_output=True, text=True, timeout=INSTALL_S, check=False)
        if fetched.returncode:
            shutil.rmtree(draft)
            require(False, "the npm package telegram-test-api", f"npm could not fetch it: {fetched.stderr.strip()[-500:]}")
        with contextlib.suppress(OSError):
            draft.rename(cache)  # another test process may have been quicker
        shutil.rmtree(draft, ignore_errors=True)
    return cache
