"""A door: its endpoints, each of which is registered and documented by one definition, and the application that they make."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from typing import Literal as OneOf

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from penstock.engine.runtime import described
from penstock.errors import Error
from penstock.server.answers import Refusal, answer
from penstock.server.hall import Hall

if TYPE_CHECKING:
    from penstock.database import Database

Method = OneOf["GET", "POST", "PUT", "PATCH", "DELETE", "WEBSOCKET"]
Handler = Callable[[Hall, Request], Awaitable[Response]]
Talker = Callable[[Hall, WebSocket], Awaitable[None]]

_logger = logging.getLogger("penstock.server")


@dataclass(frozen=True)
class Endpoint:
    """One endpoint, registered and documented. `path` is as Starlette writes it, `/status/{command_id:path}`; `takes` and `gives` are examples of the
    request's body and of the answer."""

    method: Method
    path: str
    documentation: str
    handle: Any
    takes: str = ""
    gives: str = ""


def endpoint(method: Method, path: str, documentation: str, *, takes: str = "", gives: str = "") -> Callable[[Handler], Endpoint]:
    """Make a function an endpoint: it gets the hall and the request. What it raises becomes the door's answer."""
    return lambda handle: Endpoint(method, path, documentation, handle, takes, gives)


def talk(path: str, documentation: str, *, takes: str = "", gives: str = "") -> Callable[[Talker], Endpoint]:
    """Make a function the endpoint of a WebSocket."""
    return lambda handle: Endpoint("WEBSOCKET", path, documentation, handle, takes, gives)


@dataclass(frozen=True)
class Door:
    """A door of the server.

    `port` is where its clients expect it; `documentation` says who they are. `refused` makes the answer of a user's error, `error_body` the body
    of any refusal, in the door's own form.
    """

    name: str
    port: int
    documentation: str
    endpoints: Sequence[Endpoint]
    refused: Callable[[Error], Refusal]
    error_body: Callable[[Refusal], Mapping[str, object]]

    def application(self, db: Database) -> Starlette:
        """The application over a database; its `state.hall` is what the endpoints share."""
        hall = Hall(db)
        routes: list[BaseRoute] = [self._route(each, hall) for each in self.endpoints]

        async def unknown(request: Request, error: Exception) -> Response:
            assert isinstance(error, HTTPException)
            what = {404: f"There is no {request.url.path} here.", 405: f"{request.url.path} does not take {request.method}."}
            return self.error(Refusal(error.status_code, what.get(error.status_code, str(error.detail)), headers=error.headers))

        application = Starlette(routes=routes, exception_handlers={HTTPException: unknown})
        application.state.hall = hall
        return application

    def error(self, refusal: Refusal) -> Response:
        """The answer of a refusal."""
        return answer(self.error_body(refusal), status=refusal.status, headers=refusal.headers)

    def _route(self, each: Endpoint, hall: Hall) -> BaseRoute:
        if each.method == "WEBSOCKET":

            async def talked(socket: WebSocket) -> None:
                await each.handle(hall, socket)

            return WebSocketRoute(each.path, talked)

        async def handled(request: Request) -> Response:
            try:
                response: Response = await each.handle(hall, request)
            except Exception as error:  # noqa: BLE001 - the last place where a failure can be told to the client
                return self.error(self.refusal(error))
            return response

        return Route(each.path, handled, methods=[each.method])

    def refusal(self, error: Exception) -> Refusal:
        """What is told of an error: a refusal as it is, a user's error in the door's form, any other as a bug, of which the log tells more."""
        if isinstance(error, Refusal):
            return error
        if isinstance(error, Error):
            return self.refused(error)
        return bug(error)


def bug(error: Exception) -> Refusal:
    """What is told of a failure that is nobody's fault but ours. The log has the place in the code, and at its level DEBUG the whole way there."""
    _logger.error("A request failed: %s", described(error))
    _logger.debug("It failed here.", exc_info=error)
    return Refusal(500, f"Penstock has a bug: {type(error).__name__}: {error}. Please report it, with what the server's log shows.")
