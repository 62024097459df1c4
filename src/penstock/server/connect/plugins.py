"""Which connectors can be made, their options, and whether a configuration would do: /connector-plugins."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from penstock.connect.contract import Definition, definition_of, definitions
from penstock.connect.converters import CLASSES
from penstock.connect.options import Option, shown_options
from penstock.connect.transforms.chain import PREDICATES, TRANSFORMS
from penstock.errors import ConfigError, Error
from penstock.server.answers import Refusal, answer, json_object
from penstock.server.connect.entities import flag
from penstock.server.door import endpoint
from penstock.server.hall import Hall
from penstock.statements.connectors import text_of

if TYPE_CHECKING:
    from penstock.database import Database

_TYPES = {
    "string": "STRING", "password": "PASSWORD", "integer": "LONG", "boolean": "BOOLEAN", "choice": "STRING", "list": "LIST", "path": "STRING",
    "address": "STRING", "template": "STRING", "regex list": "LIST",
}  # fmt: skip
_DEFINITION = (
    '{"name": "kafka.topic", "type": "STRING", "required": true, "default_value": null, "importance": "HIGH", "documentation": "The topic to write '
    'to.", "group": "DatagenSource", "width": "MEDIUM", "display_name": "kafka.topic", "dependents": [], "order": 1}'
)


@endpoint(
    "GET", "/connector-plugins",
    "The connectors that can be made; `connector.class` may have any other of the names at the head of a [connector's page](connectors/README.md). "
    "With `?connectorsOnly=false` transformations, predicates and converters as well.",
    gives='[{"class": "DatagenSource", "type": "source", "version": "0.1.0"}]',
)  # fmt: skip
async def plugins(hall: Hall, request: Request) -> Response:
    """What there is."""
    found = [(each.class_names[0], each.kind.lower()) for each in definitions()]
    if not flag(request, "connectorsOnly", default=True):
        sides = [(each, ("$Key", "$Value") if each.sided else ("",)) for each in TRANSFORMS]
        found += [(f"{each.package}{each.name}{side}", "transformation") for each, names in sides for side in names]
        found += [(f"{each.package}{each.name}", "predicate") for each in PREDICATES]
        found += [(name, "converter") for name in CLASSES]
    version = metadata.version("penstock")
    return answer([{"class": name, "type": kind, "version": version} for name, kind in found])


@endpoint("GET", "/connector-plugins/{plugin}/config", "The options of a connector.", gives=f"[{_DEFINITION}]")
async def plugin_config(hall: Hall, request: Request) -> Response:
    """Its options."""
    definition = _known(request)
    return answer([_described(option, order, definition) for order, option in enumerate(definition.all_options)])


@endpoint(
    "PUT", "/connector-plugins/{plugin}/config/validate",
    "Whether a configuration would do: each option with its value and what is wrong with it. What is wrong with several together, or with topics, "
    "stands with the option that it names, else with `connector.class`. Secrets are looked up, nothing is sent anywhere.",
    takes='{"connector.class": "DatagenSource", "kafka.topic": "ratings", "quickstart": "ratings"}',
    gives=f'{{"name": "DatagenSource", "error_count": 0, "groups": ["DatagenSource"], "configs": [{{"definition": {_DEFINITION}, "value": {{"name": '
    '"kafka.topic", "value": "ratings", "recommended_values": [], "errors": [], "visible": true}}]}',
)  # fmt: skip
async def validate(hall: Hall, request: Request) -> Response:
    """Whether a configuration would do."""
    definition, given = _known(request), await json_object(request)
    config = {option: text_of(value) for option, value in given.items() if value is not None}
    named = next((text for option, text in config.items() if option.lower() == "connector.class"), None)
    if named is None or named.lower() not in (name.lower() for name in definition.class_names):
        raise Refusal(400, f"'connector.class' is {named}, but the path asks for {request.path_params['plugin']}.")
    return answer(await hall.run(_validated, hall.db, definition, config))


def _validated(db: Database, definition: Definition, config: Mapping[str, str]) -> dict[str, Any]:
    options = definition.all_options
    faults = db.connectors.faults(definition, config)
    if not faults:
        try:
            db.connectors.check(definition.kind, config.get("name", "validated"), {n: text for n, text in config.items() if n != "name"})
        except Error as error:
            names = [*config, *(option.name for option in options)]
            quoted = re.findall(r"'([^']+)'", str(error))
            faults = {next((name for name in quoted if name in names), "connector.class"): str(error)}
    shown = shown_options(options, config)
    groups = list(dict.fromkeys(_group(option, definition) for option in options))
    configs = []
    for order, option in enumerate(options):
        spellings = (option.name, *option.aliases)
        text = next((text for name, text in shown.items() if name.lower() in spellings), _default(option))
        errors = [faults.pop(name) for name in spellings if name in faults]
        configs.append({"definition": _described(option, order, definition), "value": _value(option.name, text, option.choices, errors)})
    for name, why in faults.items():  # what is no option of the connector's
        unknown = Option(name, "string", "There is no such option.")
        configs.append({"definition": _described(unknown, len(configs), definition), "value": _value(name, shown.get(name), (), [why])})
    return {
        "name": definition.class_names[0],
        "error_count": sum(len(each["value"]["errors"]) for each in configs),
        "groups": groups,
        "configs": configs,
    }


def _value(name: str, text: str | None, choices: tuple[str, ...], errors: list[str]) -> dict[str, Any]:
    return {"name": name, "value": text, "recommended_values": list(choices), "errors": errors, "visible": True}


def _known(request: Request) -> Definition:
    """The connector of the path. Raises Refusal (404)."""
    try:
        return definition_of(request.path_params["plugin"], None)
    except ConfigError as error:
        raise Refusal(404, str(error)) from None


def _described(option: Option, order: int, definition: Definition) -> dict[str, Any]:
    return {
        "name": option.name, "type": _TYPES[option.type], "required": option.required, "default_value": _default(option),
        "importance": "HIGH" if option.required else "MEDIUM", "documentation": option.documentation, "group": _group(option, definition),
        "width": "MEDIUM", "display_name": option.name, "dependents": [], "order": order,
    }  # fmt: skip


def _group(option: Option, definition: Definition) -> str:
    return definition.class_names[0] if option in definition.options else "Common"


def _default(option: Option) -> str | None:
    """The default as a text, None where there is none."""
    if option.required or option.default is None:
        return None
    return ",".join(option.default) if isinstance(option.default, list | tuple) else text_of(option.default)
