"""docs/server.md holds every endpoint of every door, and every route comes from a documented definition."""

from __future__ import annotations

from pathlib import Path

from starlette.routing import Route, WebSocketRoute

import penstock
from penstock.server.doors import doors
from penstock.server.pages import pages

PAGE = Path(__file__).parents[2] / "docs" / "server.md"


def test_every_endpoint_is_documented() -> None:
    ((_, page),) = pages()
    assert PAGE.read_text().strip() == page.strip()
    for door in doors().values():
        assert f"## {door.name}\n" in page
        for each in door.endpoints:
            assert each.documentation.endswith("."), each.path
            assert f"### {each.method} {each.path.replace(':path', '')}\n" in page


def test_every_route_is_an_endpoint() -> None:
    with penstock.connect(":memory:") as db:
        for door in doors().values():
            application = door.application(db)
            routes = set()
            for route in application.routes:
                assert isinstance(route, Route | WebSocketRoute)
                methods = {"WEBSOCKET"} if isinstance(route, WebSocketRoute) else (route.methods or set()) - {"HEAD"}
                routes |= {(method, route.path) for method in methods}
            assert routes == {(each.method, each.path) for each in door.endpoints}
            application.state.hall.close()
