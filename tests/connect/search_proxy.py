"""A server in front of a real search node that spoils what passes through it, on purpose."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
from tests.connect.web_server import Answer, Request, WebServer

Spoil = Callable[[Request], Answer | None]


class SearchProxy(WebServer):
    """Passes each request on to the node at `node`, but for those that `spoil` answers itself. `spoil_items` may change the items of a bulk answer,
    after the node has acted upon them."""

    def __init__(self, node: str) -> None:
        super().__init__()
        self.node = node
        self.spoil: Spoil = lambda request: None
        self.spoil_items: Callable[[list[dict[str, Any]]], None] = lambda items: None
        self.bulks: list[int] = []  # bytes of each bulk request
        self.decide = self._pass_on

    def _pass_on(self, request: Request) -> Answer:
        bulk = request.path.endswith("_bulk")
        if bulk:
            self.bulks.append(len(request.body))
        spoilt = self.spoil(request)
        if spoilt is not None:
            return spoilt
        headers = {name: text for name, text in request.headers.items() if name.lower() in ("content-type", "content-encoding")}
        answer = httpx.request(request.method, self.node + request.path, content=request.body, headers=headers, timeout=30)
        body = answer.content
        if bulk and answer.status_code == 200:
            content = json.loads(body)
            self.spoil_items(content["items"])
            body = json.dumps(content).encode()
        return Answer(answer.status_code, {"Content-Type": "application/json"}, body)
