"""Simulated councils: web servers that tell how many spaces are free, one in CSV, one in JSON."""

from __future__ import annotations

import json
import math
import random
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from zoneinfo import ZoneInfo

from .config import Park

ZONE = ZoneInfo("Europe/London")
DAY_S = 86_400
HEADER = "Date,Time,Name,Capacity,Empty Places,Status,Latitude,Longitude"
COUNTED_S = 1800
"""The historic CSV has a count of every half hour."""


def empty_places(park: Park, time_ms: int, seed: int) -> int:
    """How many spaces are free at a time: nothing but a function of its arguments, so that a simulation can go on anywhere. Cars come in the
    morning, most are there at 13:00, few stay for the night; each car park has good days and bad ones, and some chance."""
    local = datetime.fromtimestamp(time_ms / 1000, ZONE)
    hour = local.hour + local.minute / 60
    wanted = park.busy * math.exp(-(((hour - 13) / 4.5) ** 2)) + 0.04
    day = random.Random(f"{seed}/{park.name}/{local.date()}").uniform(0.85, 1.1)  # noqa: S311 - a simulation
    minute = random.Random(f"{seed}/{park.name}/{time_ms // 60_000}").gauss(0, 0.02)  # noqa: S311
    taken = round(park.capacity * (wanted * day + minute))
    return park.capacity - min(park.capacity, max(0, taken))


def line(park: Park, time_ms: int, seed: int) -> str:
    """A row of CSV, without the last column of the current ones."""
    local = datetime.fromtimestamp(time_ms / 1000, ZONE)
    free = empty_places(park, time_ms, seed)
    status = "Spaces" if free > park.capacity * 0.05 else "Almost full" if free else "Full"
    return f"{local:%Y-%m-%d,%H:%M},{park.name},{park.capacity},{free},{status},{park.latitude},{park.longitude}"


class Councils:
    """Two councils on a port of loopback. They count every `every_s` seconds of the time that `now_ms` tells.

    `told`: called with the path and the body of each answer that is new, before it is sent.
    """

    def __init__(
        self,
        parks: Sequence[Park],
        *,
        seed: int,
        now_ms: Callable[[], int],
        every_s: int,
        history_s: int,
        told: Callable[[str, str], None] = lambda path, body: None,
    ) -> None:
        self._parks, self._seed, self._now_ms, self._every_ms, self._history_s = parks, seed, now_ms, every_s * 1000, history_s
        self._start_ms = now_ms() // self._every_ms * self._every_ms
        self._told, self._last, self._telling = told, dict[str, str](), threading.Lock()
        answers = {"/current.csv": self.current, "/historic.csv": self.historic, "/leeds.json": self.leeds}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet: sent apart, the second would wait for the first to be acknowledged

            def do_GET(self) -> None:
                answer = answers.get(self.path)
                body = outer._answer(self.path, answer()) if answer else b""
                self.send_response(200 if answer else 404)
                self.send_header("Content-Type", "application/json" if self.path.endswith("json") else "text/csv; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base's
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # who asked has gone away

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="councils", daemon=True).start()

    @property
    def url(self) -> str:
        """Their address; `/current.csv`, `/historic.csv` and `/leeds.json` are below it."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def counted_ms(self) -> int:
        """When they counted last."""
        return self._now_ms() // self._every_ms * self._every_ms

    def current(self) -> str:
        """The first council's CSV."""
        at = self.counted_ms()  # once: an answer is of one moment
        rows = (f"{line(park, at, self._seed)},https://maps.example/{park.latitude};{park.longitude}" for park in self._of("bradford"))
        return "\n".join([f"{HEADER},DirectionsURL", *rows, ""])

    def historic(self) -> str:
        """The first council's counts of the time before the simulation's start."""
        first = self._start_ms - self._history_s * 1000
        times = range(first // 1000 // COUNTED_S * COUNTED_S * 1000, self._start_ms, COUNTED_S * 1000)
        return "\n".join([HEADER, *(line(park, at, self._seed) for at in times for park in self._of("bradford")), ""])

    def leeds(self) -> str:
        """The second council's JSON."""
        at = self.counted_ms()
        local = datetime.fromtimestamp(at / 1000, UTC).astimezone(ZONE)
        parks = [
            {
                "name": park.name,
                "spaces": park.capacity,
                "free": empty_places(park, at, self._seed),
                "open": 6 <= local.hour < 23,
                "updated": f"{local:%Y-%m-%dT%H:%M}",
                "position": {"lat": park.latitude, "lng": park.longitude},
            }
            for park in self._of("leeds")
        ]
        return json.dumps({"carparks": parks})

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def _of(self, council: str) -> list[Park]:
        return [park for park in self._parks if park.council == council]

    def _answer(self, path: str, body: str) -> bytes:
        with self._telling:
            if self._last.get(path) != body:
                self._last[path] = body
                self._told(path, body)
        return body.encode()
