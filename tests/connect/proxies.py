"""Servers in front of real ones that spoil what passes through them, on purpose."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from tests.connect.web_server import Answer, Request, WebServer

Spoil = Callable[[Request], Answer | None]
# What belongs to one connection, and what httpx has undone or counts itself.
_OWN = frozenset({"connection", "host", "content-length", "transfer-encoding", "content-encoding", "accept-encoding", "keep-alive", "expect"})


class Proxy(WebServer):
    """Passes each request on to the server at `behind`, but for those that `spoil` answers itself."""

    def __init__(self, behind: str, certificates: Path | None = None) -> None:
        super().__init__(certificates)
        self.behind = behind
        self.spoil: Spoil = lambda request: None
        self._client = httpx.Client(timeout=30)
        self.decide = self._decided

    def _decided(self, request: Request) -> Answer:
        return self.spoil(request) or self.pass_on(request)

    def pass_on(self, request: Request) -> Answer:
        headers = {name: text for name, text in request.headers.items() if name.lower() not in _OWN or name.lower() == "content-encoding"}
        answer = self._client.request(request.method, self.behind + request.path, content=request.body, headers=headers)
        kept = {name.title(): text for name, text in answer.headers.items() if name.lower() not in _OWN}
        return Answer(answer.status_code, kept, answer.content)

    def close(self) -> None:
        super().close()
        self._client.close()


class SearchProxy(Proxy):
    """In front of a search node. `spoil_items` may change the items of a bulk answer, after the node has acted upon them."""

    def __init__(self, node: str, certificates: Path | None = None) -> None:
        super().__init__(node, certificates)
        self.node = node
        self.spoil_items: Callable[[list[dict[str, Any]]], None] = lambda items: None
        self.bulks: list[int] = []  # bytes of each bulk request

    def _decided(self, request: Request) -> Answer:
        bulk = request.path.endswith("_bulk")
        if bulk:
            self.bulks.append(len(request.body))
        spoilt = self.spoil(request)
        if spoilt is not None:
            return spoilt
        answer = self.pass_on(request)
        if not bulk or answer.status != 200:
            return answer
        content = json.loads(answer.body)
        self.spoil_items(content["items"])
        return Answer(answer.status, answer.headers, json.dumps(content).encode())
