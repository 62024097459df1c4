"""The options of connectors: one definition is the check, the default and the documentation."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from typing import Literal as OneOf

from penstock.connect.secrets import HIDDEN, Secrets, hidden_address
from penstock.errors import ConfigError

OptionType = OneOf["string", "password", "integer", "boolean", "choice", "list", "path", "address", "template", "regex list"]
REQUIRED = object()
"""The default of an option that must be given."""


@dataclass(frozen=True)
class Option:
    """One option. `minimum` is for integers, `choices` (lower case) for choices; `aliases` are other spellings that mean the same. The
    value of a `path` is a `Path` below the folders that connectors may use."""

    name: str
    type: OptionType
    documentation: str
    default: Any = None
    minimum: int | None = None
    choices: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()

    @property
    def required(self) -> bool:
        """Whether the option must be given."""
        return self.default is REQUIRED

    def parse(self, text: str, secrets: Secrets) -> Any:
        """The value of the option's text, its secrets resolved. A `template` is left as it stands: its parts are resolved where it is
        compiled, so that a secret cannot change its structure."""
        if self.type == "template":
            return text
        text = secrets.resolve(text, self.name)
        match self.type:
            case "password":
                return secrets.hide(text)
            case "address":
                return secrets.hide_in_address(text)
            case "integer":
                return self._integer(text)
            case "boolean":
                if text.lower() not in ("true", "false"):
                    raise ConfigError(f"'{self.name}' is true or false, not '{secrets.redact(text)}'.")
                return text.lower() == "true"
            case "choice":
                if text.lower() not in self.choices:
                    raise ConfigError(f"'{self.name}' cannot be '{secrets.redact(text)}'.", mend=f"It is one of: {', '.join(self.choices)}.")
                return text.lower()
            case "path":
                return secrets.files.path(text, self.name)
            case "list":
                return [part.strip() for part in text.split(",") if part.strip()]
            case _:
                return text

    def _integer(self, text: str) -> int:
        if not re.fullmatch(r"-?\d+", text.strip()):
            raise ConfigError(f"'{self.name}' is a whole number, not '{text}'.")
        number = int(text)
        if self.minimum is not None and number < self.minimum:
            raise ConfigError(f"'{self.name}' is at least {self.minimum}, not {number}.")
        return number


# Options of Kafka Connect and of Confluent's packages that say where Kafka is, or what has no meaning here.
IGNORED = re.compile(
    r"(confluent|kafka|reporter|header\.converter|schema\.registry|consumer\.override|producer\.override|database\.history|"
    r"schema\.history\.internal)(\..*)?"
    r"|name|input\.(key\.|data\.)?format|config\.action\.reload|errors\.retry\..*"
    r"|topic\.creation\.(default\.replication\.factor|enable)|errors\.deadletterqueue\.topic\.replication\.factor|behavior\.on\.error|report\.errors\.as"
    r"|include\.schema\.changes|database\.allowpublickeyretrieval|max\.queue\.size"
)

_CLASS = Option("connector.class", "string", "The connector: one of the names at the head of its page.", REQUIRED)
_TOLERANCE = "errors.tolerance"
_DEAD_LETTERS = "errors.deadletterqueue.topic.name"
_RETRIES = (
    Option("max.retries", "integer", "How often a failed attempt is made again before the task fails (and restarts by itself).", 10, minimum=0),
    Option("retry.backoff.ms", "integer", "The wait before the first retry, in ms; it doubles up to a minute.", 1000, minimum=0),
)

_TRANSFORMS = (
    Option("transforms", "list", "Names of [transforms](transforms.md), in order; the options of each begin with `transforms.NAME.`.", []),
    Option("predicates", "list", "Names of predicates; the options of each begin with `predicates.NAME.`.", []),
)
_CONVERTERS_OF_A_SOURCE = (
    Option(
        "key.converter",
        "string",
        "What keys become as bytes: a [converter](converters.md). The setting of this name stands in where it is not given, then StringConverter.",
        None,
    ),
    Option(
        "value.converter",
        "string",
        "What values become as bytes: a [converter](converters.md). The setting of this name stands in where it is not given; then text and bytes "
        "stay as they are, values with a schema become AVRO and others JSON.",
        None,
    ),
)
_CONVERTERS_OF_A_SINK = (
    Option(
        "key.converter",
        "string",
        "How keys of topics without a stream or table are read: a [converter](converters.md); StringConverter where only the other is given.",
        None,
    ),
    Option(
        "value.converter",
        "string",
        "How values of topics without a stream or table are read: a [converter](converters.md). Where neither is given such records have no columns.",
        None,
    ),
)
_LOGGING = (
    Option("errors.log.enable", "boolean", "Whether each record that is tolerated is written to the process's log.", True),
    Option("errors.log.include.messages", "boolean", "Whether its key and value are written with it, at most 200 characters of each.", False),
)

EVERY_SINK = (
    _CLASS,
    Option("topics", "list", "The topics, with commas between them. A topic's stream or table says how to decode it, else the converters.", REQUIRED),
    Option("tasks.max", "integer", "At most this many tasks; the topics' partitions are divided among them.", 1, minimum=1),
    Option(
        _TOLERANCE,
        "choice",
        "What to do with a record that cannot be decoded or that the far side refuses: `none` fails the task, `all` sends it to the dead "
        "letter topic and goes on.",
        "none",
        choices=("none", "all"),
    ),
    Option(
        _DEAD_LETTERS,
        "string",
        "The dead letter topic. Where it is not given it is `dlq-` and the connector's name; empty, refused records are dropped and only counted.",
        None,
    ),
    *_LOGGING,
    *_RETRIES,
    *_TRANSFORMS,
    *_CONVERTERS_OF_A_SINK,
)

EVERY_SOURCE = (
    _CLASS,
    Option("tasks.max", "integer", "At most this many tasks; the parts of the source (tables, files) are divided among them.", 1, minimum=1),
    Option(
        _TOLERANCE,
        "choice",
        "What to do with a record that cannot be transformed or written in its format: `none` fails the task, `all` sends it to the dead letter "
        "topic and goes on.",
        "none",
        choices=("none", "all"),
    ),
    Option(
        _DEAD_LETTERS,
        "string",
        "The dead letter topic. Where it is not given it is `dlq-` and the connector's name; empty, refused records are dropped and only counted.",
        None,
    ),
    *_LOGGING,
    *_RETRIES,
    *_TRANSFORMS,
    *_CONVERTERS_OF_A_SOURCE,
    Option(
        "topic.creation.default.partitions",
        "integer",
        "How many partitions a topic gets that is made for the first record; the setting `num.partitions` where it is not given.",
        None,
        minimum=1,
    ),
    Option(
        "topic.creation.default.cleanup.policy",
        "choice",
        "What becomes of old records of such a topic: dropped by age, or all but the last of each key.",
        "delete",
        choices=("delete", "compact", "compact,delete", "delete,compact"),
    ),
    Option("topic.creation.default.retention.ms", "integer", "How long records of such a topic are kept, in ms; -1 for ever.", -1, minimum=-1),
)


# Options whose names hold a name that the user gives; who knows those names reads them.
NESTED = re.compile(r"(transforms|predicates|key\.converter|value\.converter)\..+")


def parse_options(definitions: Sequence[Option], given: Mapping[str, str], secrets: Secrets, *, nested: bool = False) -> dict[str, Any]:
    """Every option by its name: the given value, parsed, or the default. Raises ConfigError for an unknown option, a missing one or a bad value.
    The options of transforms, predicates and converters are passed over; with `nested` they are what is given."""
    by_name = _by_name(definitions)
    values: dict[str, Any] = {option.name: option.default for option in definitions}
    for name, text in given.items():
        option = _option(by_name, name, nested=nested)
        if option is not None:
            values[option.name] = option.parse(text, secrets)
    for option in definitions:
        _need(option, values[option.name])
    return values


def option_faults(definitions: Sequence[Option], given: Mapping[str, str], secrets: Secrets) -> dict[str, str]:
    """What is wrong with each option by itself, under its name in the documentation; an unknown one under the name that is given."""
    by_name, faults = _by_name(definitions), dict[str, str]()
    values: dict[str, Any] = {option.name: option.default for option in definitions}
    for name, text in given.items():
        try:
            option = _option(by_name, name, nested=False)
            if option is not None:
                values[option.name] = None  # given, if badly
                values[option.name] = option.parse(text, secrets)
        except ConfigError as error:
            faults[by_name[name.lower()].name if name.lower() in by_name else name] = secrets.redact(str(error))
    for option in definitions:
        try:
            _need(option, values[option.name])
        except ConfigError as error:
            faults[option.name] = str(error)
    return faults


def _by_name(definitions: Sequence[Option]) -> dict[str, Option]:
    return {name: option for option in definitions for name in (option.name, *option.aliases)}


def _option(by_name: Mapping[str, Option], name: str, *, nested: bool) -> Option | None:
    """The option of a name as it is given, None for one that is passed over. Raises ConfigError."""
    option = by_name.get(name.lower())
    if option is None and (nested or not (IGNORED.fullmatch(name.lower()) or NESTED.fullmatch(name.lower()))):
        near = difflib.get_close_matches(name.lower(), list(by_name), n=1)
        raise ConfigError(f"The connector has no option '{name}'.", mend=f"Did you mean '{near[0]}'?" if near else "")
    return option


def _need(option: Option, value: Any) -> None:
    """Raise ConfigError where a value that must be given is not."""
    if value is REQUIRED or (option.required and value == []):
        raise ConfigError(f"The connector needs the option '{option.name}'.", mend=f"Add '{option.name}'='...' to WITH. {option.documentation}")


def shown_options(definitions: Sequence[Option], given: Mapping[str, str]) -> dict[str, str]:
    """The options as they may be shown: references to secrets as they were written, passwords written out hidden."""
    types = {name: option.type for option in definitions for name in (option.name, *option.aliases)}

    def shown(name: str, text: str) -> str:
        match types.get(name.lower()):
            case "password" if "${" not in text:
                return HIDDEN
            case "address":
                return hidden_address(text)
            case _:
                return text

    return {name: shown(name, text) for name, text in given.items()}


def default_text(option: Option) -> str:
    """The default as documentation shows it."""
    if option.required:
        return "required"
    if option.default is None:
        return "none"
    return json.dumps(option.default) if not isinstance(option.default, str) else f"`{option.default}`" if option.default else "empty"
