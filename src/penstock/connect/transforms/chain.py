"""The transforms of a connector, from its options: `transforms` and `predicates`, and those that begin with `transforms.NAME.`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from penstock.connect.options import Option, parse_options
from penstock.connect.secrets import Secrets
from penstock.connect.transforms import fields, structure, times, unwrap, whole
from penstock.connect.transforms.definition import Predicate, PredicateDefinition, Side, Transform, TransformDefinition
from penstock.connect.transforms.message import Message
from penstock.errors import ConfigError

TRANSFORMS: tuple[TransformDefinition, ...] = tuple(
    sorted(
        (*unwrap.DEFINITIONS, *structure.DEFINITIONS, *fields.DEFINITIONS, *times.DEFINITIONS, *whole.DEFINITIONS), key=lambda d: d.name
    )
)
PREDICATES = whole.PREDICATES

_TYPE = Option("type", "string", "", "")
_OF_A_TRANSFORM = (Option("predicate", "string", "", None), Option("negate", "boolean", "", False))
_Made = TypeVar("_Made")
_Definition = TypeVar("_Definition", TransformDefinition, PredicateDefinition)


class Chain:
    """Transforms, one after the other."""

    def __init__(self, steps: Sequence[tuple[Transform, Predicate | None, bool]]) -> None:
        self._steps = steps

    def __bool__(self) -> bool:
        return bool(self._steps)

    def __call__(self, message: Message) -> Message | None:
        """What becomes of a message; None where it is dropped. Raises DataError."""
        for transform, predicate, negate in self._steps:
            if predicate is None or predicate(message) != negate:
                changed = transform(message)
                if changed is None:
                    return None
                message = changed
        return message


def chain(options: Mapping[str, Any], properties: Mapping[str, str], secrets: Secrets) -> Chain:
    """The chain that the options of a connector ask for. `options` are parsed, `properties` as given. Raises ConfigError that names the option."""
    given = {name.lower() if name.lower().startswith(("transforms.", "predicates.")) else name: text for name, text in properties.items()}
    for name in given:
        listing, dot, rest = name.partition(".")
        if dot and listing in ("transforms", "predicates") and not any(rest.startswith(f"{alias.lower()}.") for alias in options[listing]):
            there = ", ".join(options[listing]) or "there are none"
            raise ConfigError(f"'{name}' is for none of the {listing}: {there}.", mend=f"Name it in '{listing}'.")
    predicates = {alias: _predicate(f"predicates.{alias}", given, secrets) for alias in options["predicates"]}
    return Chain([_step(f"transforms.{alias}", given, predicates, secrets) for alias in options["transforms"]])


def _step(
    prefix: str, given: Mapping[str, str], predicates: Mapping[str, Predicate], secrets: Secrets
) -> tuple[Transform, Predicate | None, bool]:
    type_name = _type_of(prefix, given, secrets)
    bare, dollar, side = type_name.partition("$")
    definition = _named(bare, TRANSFORMS, prefix)
    if definition.sided != bool(dollar) or (dollar and side.lower() not in ("key", "value")):
        right = f"{definition.name}$Key or {definition.name}$Value" if definition.sided else definition.name
        raise ConfigError(f"'{prefix}.type' cannot be '{type_name}'.", mend=f"Write {right}.")
    own = _parsed((*definition.options, *_OF_A_TRANSFORM), prefix, given, secrets)
    name = own["predicate"]
    if name is not None and name not in predicates:
        raise ConfigError(f"'{prefix}.predicate' is '{name}', which 'predicates' does not name.")
    chosen: Side = "key" if side.lower() == "key" else "value"
    return _made(lambda: definition.make(own, chosen), prefix), predicates[name] if name is not None else None, own["negate"]


def _predicate(prefix: str, given: Mapping[str, str], secrets: Secrets) -> Predicate:
    definition = _named(_type_of(prefix, given, secrets), PREDICATES, prefix)
    own = _parsed(definition.options, prefix, given, secrets)
    return _made(lambda: definition.make(own), prefix)


def _type_of(prefix: str, given: Mapping[str, str], secrets: Secrets) -> str:
    text = given.get(f"{prefix.lower()}.type")
    if not text:
        raise ConfigError(f"The connector needs the option '{prefix}.type'.", mend="It names the class, such as ExtractField$Key.")
    return secrets.resolve(text, f"{prefix}.type")


def _named(type_name: str, definitions: Sequence[_Definition], prefix: str) -> _Definition:
    """The definition of a type's short or full name."""
    for definition in definitions:
        if type_name.lower() in (definition.name.lower(), (definition.package + definition.name).lower()):
            return definition
    raise ConfigError(f"'{prefix}.type' is '{type_name}', which is not known.", mend=f"There are: {', '.join(d.name for d in definitions)}.")


def _parsed(definitions: Sequence[Option], prefix: str, given: Mapping[str, str], secrets: Secrets) -> dict[str, Any]:
    """The options of one transform or predicate, by their own names; errors say the whole name."""
    start = f"{prefix.lower()}."
    own = {f"{prefix}.{name.removeprefix(start)}": text for name, text in given.items() if name.startswith(start)}
    renamed = [
        replace(option, name=f"{prefix}.{option.name}".lower(), aliases=tuple(f"{prefix}.{alias}".lower() for alias in option.aliases))
        for option in (_TYPE, *definitions)
    ]
    values = parse_options(renamed, own, secrets, nested=True)
    return {name.removeprefix(start): value for name, value in values.items()}


def _made(make: Callable[[], _Made], prefix: str) -> _Made:
    try:
        return make()
    except ConfigError as error:
        # the option's own name is known there, the transform's only here
        raise ConfigError(re.sub(r"^'([\w.]+)'", rf"'{prefix}.\1'", error.what), mend=error.mend) from None
