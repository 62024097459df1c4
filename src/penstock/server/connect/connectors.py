"""What connectors there are, and their configurations: /connectors, /connectors/{name} and /connectors/{name}/config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from penstock.catalog.model import Connector, State
from penstock.errors import Error
from penstock.server.answers import Refusal, answer, json_object
from penstock.server.connect.entities import EXPANSIONS, config_of, info, known, name_of
from penstock.server.door import endpoint
from penstock.server.hall import Hall
from penstock.sql import ast
from penstock.statements.connectors import drop_connector, ensure_connector, text_of

if TYPE_CHECKING:
    from penstock.database import Database

_INFO = (
    '{"name": "ratings", "config": {"name": "ratings", "connector.class": "DatagenSource", "kafka.topic": "ratings", "quickstart": "ratings"}, '
    '"tasks": [{"connector": "ratings", "task": 0}], "type": "source"}'
)
_CONFIG = '{"connector.class": "DatagenSource", "kafka.topic": "ratings", "quickstart": "ratings", "rate": "5"}'
_STATES: tuple[State, ...] = ("RUNNING", "PAUSED", "STOPPED")


@endpoint(
    "GET", "/connectors",
    "The connectors' names; with `?expand=info` and `?expand=status`, one or both, an object with what is asked for of each.",
    gives='["ratings"]',
)  # fmt: skip
async def names(hall: Hall, request: Request) -> Response:
    """What there is."""
    wanted = request.query_params.getlist("expand")
    if unknown := set(wanted) - set(EXPANSIONS):
        raise Refusal(400, f"'expand' is info or status, not {min(unknown)}.")

    def found() -> object:
        connectors = sorted(hall.db.catalog.connectors(), key=lambda c: c.name)
        if not wanted:
            return [connector.name for connector in connectors]
        return {c.name: {part: EXPANSIONS[part](hall.db, c, request.url.netloc) for part in wanted} for c in connectors}

    return answer(await hall.run(found))


@endpoint(
    "POST", "/connectors",
    "Makes a connector: 201. `initial_state` may be `RUNNING`, `PAUSED` or `STOPPED`. 409 where there is one of the name, 400 where the "
    "configuration is wrong.",
    takes=f'{{"name": "ratings", "config": {_CONFIG}}}',
    gives=_INFO,
)  # fmt: skip
async def create(hall: Hall, request: Request) -> Response:
    """Make one."""
    wanted = await json_object(request)
    name, named = wanted.get("name"), str(wanted.get("initial_state") or "RUNNING").upper()
    if not isinstance(name, str) or not name.strip():
        raise Refusal(400, 'The request names no connector. Write {"name": ..., "config": {...}}.')
    state = next((state for state in _STATES if state == named), None)
    if state is None:
        raise Refusal(400, f"'initial_state' is one of {', '.join(_STATES)}, not {named}.")
    config = _config(wanted.get("config"), name)

    def made() -> dict[str, Any]:
        with hall.db.alone():
            if hall.db.catalog.connector(name) is not None:
                raise Refusal(409, f"Connector {name} already exists")
            _ensure(hall.db, name, config, state)
            return info(hall.db, known(hall.db, name))

    return answer(await hall.run(made), status=201, headers={"Location": f"/connectors/{name}"})


@endpoint("GET", "/connectors/{name}", "A connector's configuration and tasks.", gives=_INFO)
async def get(hall: Hall, request: Request) -> Response:
    """One of them."""
    return answer(await hall.run(lambda: info(hall.db, known(hall.db, name_of(request)))))


@endpoint(
    "DELETE", "/connectors/{name}",
    "Drops a connector with its place: 204. What its far side keeps for it is removed there; what cannot be is in the server's log, with how to "
    "remove it, and in the header `Warning`.",
)  # fmt: skip
async def delete(hall: Hall, request: Request) -> Response:
    """Drop one."""

    def dropped() -> str:
        said = drop_connector(hall.db, ast.DropConnector(known(hall.db, name_of(request)).name))
        return said.message.partition(" is dropped.")[2].strip()

    left = await hall.run_as(hall.db.remote_session({}, {}), dropped)
    return Response(status_code=204, headers={"Warning": f'199 penstock "{_header(left)}"'} if left else {})


@endpoint("GET", "/connectors/{name}/config", "A connector's configuration.", gives=_CONFIG)
async def get_config(hall: Hall, request: Request) -> Response:
    """Its options."""
    return answer(await hall.run(lambda: config_of(hall.db, known(hall.db, name_of(request)))))


@endpoint(
    "PUT", "/connectors/{name}/config",
    "Sees to it that a connector of this configuration is there: one that is new is made (201), one that has another goes on from where it was with "
    "this one (200).",
    takes=_CONFIG,
    gives=_INFO,
)  # fmt: skip
async def put_config(hall: Hall, request: Request) -> Response:
    """Make or change one."""
    name = name_of(request)
    config = _config(await json_object(request), name)

    def changed() -> tuple[bool, dict[str, Any]]:
        with hall.db.alone():
            before = hall.db.catalog.connector(name)
            _ensure(hall.db, name, config if before is None else _with_hidden(hall.db, before, config))
            return before is None, info(hall.db, known(hall.db, name))

    is_new, found = await hall.run(changed)
    return answer(found, status=201 if is_new else 200)


@endpoint(
    "PATCH", "/connectors/{name}/config",
    "Changes some options and leaves the others as they are; null takes one out.",
    takes='{"rate": "50", "random.seed": null}',
    gives=_INFO,
)  # fmt: skip
async def patch_config(hall: Hall, request: Request) -> Response:
    """Change some of its options."""
    name, changes = name_of(request), await json_object(request)
    given = _config(changes, name)

    def changed() -> dict[str, Any]:
        with hall.db.alone():
            before = known(hall.db, name)
            kept = {option: text for option, text in before.options.items() if option not in changes}
            _ensure(hall.db, name, kept | _with_hidden(hall.db, before, given))
            return info(hall.db, known(hall.db, name))

    return answer(await hall.run(changed))


def _config(given: Any, name: str) -> dict[str, str]:
    """A configuration as texts, without the name and without nulls. Raises Refusal."""
    if not isinstance(given, Mapping):
        raise Refusal(400, "The request has no configuration. Write it as a JSON object.")
    if given.get("name") not in (None, name):
        raise Refusal(400, f"Connector name configuration ({given['name']}) doesn't match the connector's name ({name}).")
    for option, value in given.items():
        if isinstance(value, Mapping | list):
            raise Refusal(400, f"The option '{option}' is no text, number or truth value. Lists are texts with commas.")
    return {option: text_of(value) for option, value in given.items() if option != "name" and value is not None}


def _with_hidden(db: Database, before: Connector, config: Mapping[str, str]) -> dict[str, str]:
    """A configuration in which what was hidden from the client stands again, where it comes back as it was shown."""
    shown = db.connectors.status(before.name).options
    return {option: before.options[option] if option in before.options and shown.get(option) == text else text for option, text in config.items()}


def _ensure(db: Database, name: str, config: Mapping[str, str], state: State = "RUNNING") -> None:
    """Make a connector or change it. Raises Refusal for what is wrong with the configuration."""
    try:
        ensure_connector(db, name, config, state=state)
    except Error as error:
        raise Refusal(400, f"Connector configuration is invalid: {error}") from None


def _header(text: str) -> str:
    """Text as a header's quoted string."""
    return "".join(c for c in text if " " <= c <= "~").replace("\\", "").replace('"', "'")
