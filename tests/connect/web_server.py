"""A local web server that records what it gets and fails on purpose."""

from __future__ import annotations

import ssl
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Request:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What to answer. `hang_up` closes the connection without a word, before the request counts."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    hang_up: bool = False


class WebServer:
    """Answers with `answers` in turn, then with `otherwise`, or with what `decide` says of a request. `requests` are those it answered."""

    def __init__(self, certificates: Path | None = None) -> None:
        """`certificates`: a folder of `make_certificates`; the server then encrypts, and asks for a certificate of that authority."""
        self.requests: list[Request] = []
        self.answers: deque[Answer] = deque()
        self.otherwise = Answer()
        self.decide: Any = None
        self._arrived = threading.Condition()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _chunks(self) -> bytes:
                body = b""
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def _any(self) -> None:
                chunked = self.headers.get("Transfer-Encoding") == "chunked"
                length = int(self.headers.get("Content-Length") or 0)
                body = self._chunks() if chunked else self.rfile.read(length)
                if len(body) < length:  # the client was killed within its request, which is none then
                    self.close_connection = True
                    return
                request = Request(self.command, self.path, dict(self.headers), body)
                with outer._arrived:
                    answer = outer.decide(request) if outer.decide else outer.answers.popleft() if outer.answers else outer.otherwise
                    if not answer.hang_up:
                        outer.requests.append(request)
                        outer._arrived.notify_all()
                if answer.hang_up:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer.body)

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _any

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base's
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # a client that was killed

        self._server = Server(("127.0.0.1", 0), Handler)
        self._scheme, self._host = "http", "127.0.0.1"
        if certificates is not None:
            self._scheme, self._host = "https", "localhost"
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates / "ca.pem")
            context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
            context.verify_mode = ssl.CERT_REQUIRED
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"{self._scheme}://{self._host}:{self._server.server_port}"

    def wait_for(self, count: int, timeout_s: float = 10) -> list[Request]:
        """The first `count` requests, once they are there."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.requests) >= count, timeout_s), f"only {len(self.requests)} of {count} requests came"
            return self.requests[:count]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
