"""Transforms of the whole record: RegexRouter, Filter, InsertHeader, DropHeaders; and the predicates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from penstock.connect.options import REQUIRED, Option
from penstock.connect.transforms.definition import Example, Predicate, PredicateDefinition, Side, Transform, TransformDefinition
from penstock.connect.transforms.message import Message
from penstock.errors import ConfigError


def _compiled(options: Mapping[str, Any], name: str) -> Any:
    from penstock.functions.java_regex import compiled

    try:
        return compiled(options[name])
    except ValueError as error:
        raise ConfigError(f"'{name}': {error}.") from error


def _regex_router(options: Mapping[str, Any], _: Side) -> Transform:
    import re

    from penstock.functions.java_regex import replacement

    expression, put = _compiled(options, "regex"), replacement(options["replacement"])
    try:
        expression.sub(put, "")  # a template is only parsed where something matches
        re.compile(f"(?:{expression.pattern})|").sub(put, "")
    except (re.error, IndexError) as error:
        raise ConfigError(f"'replacement' is wrong: {error}.", mend="$1 is the first group of 'regex'.") from error

    def route(message: Message) -> Message:
        found = expression.fullmatch(message.topic)
        return message if found is None else replace(message, topic=found.expand(put))

    return route


def _insert_header(options: Mapping[str, Any], _: Side) -> Transform:
    header = (options["header"], options["value.literal"].encode())
    return lambda message: replace(message, headers=(*message.headers, header))


def _drop_headers(options: Mapping[str, Any], _: Side) -> Transform:
    dropped = frozenset(options["headers"])
    return lambda message: replace(message, headers=tuple(header for header in message.headers if header[0] not in dropped))


def _topic_name_matches(options: Mapping[str, Any]) -> Predicate:
    expression = _compiled(options, "pattern")
    return lambda message: expression.fullmatch(message.topic) is not None


def _has_header_key(options: Mapping[str, Any]) -> Predicate:
    return lambda message: any(name == options["name"] for name, _ in message.headers)


def _record_is_tombstone(_: Mapping[str, Any]) -> Predicate:
    return lambda message: message.value is None


DEFINITIONS = (
    TransformDefinition(
        "RegexRouter",
        "Renames the topic by a regular expression.",
        "A topic that the whole expression does not match keeps its name. A sink gives the new name to what it calls by the topic: an index, a "
        "table, a folder.",
        (
            Option("regex", "string", "A regular expression of Java's.", REQUIRED),
            Option("replacement", "string", "The new name; `$1` is the first group.", REQUIRED),
        ),
        Example(
            {"type": "RegexRouter", "regex": "db\\.(.*)", "replacement": "$1"},
            Message("db.users", None, {"n": 1}),
            Message("users", None, {"n": 1}),
        ),
        _regex_router,
    ),
    TransformDefinition(
        "Filter",
        "Drops the record.",
        "It makes sense with a predicate: what the predicate holds true of is dropped. A sink's place moves past a dropped record, a "
        "source's position too.",
        (),
        Example({"type": "Filter"}, Message("t", None, {"n": 1}), None),
        lambda options, side: lambda message: None,
    ),
    TransformDefinition(
        "InsertHeader",
        "Adds a header.",
        "",
        (Option("header", "string", "Its name.", REQUIRED), Option("value.literal", "string", "Its value.", REQUIRED)),
        Example(
            {"type": "InsertHeader", "header": "site", "value.literal": "Leeds"},
            Message("t", None, {"n": 1}),
            Message("t", None, {"n": 1}, headers=(("site", b"Leeds"),)),
        ),
        _insert_header,
    ),
    TransformDefinition(
        "DropHeaders",
        "Drops headers.",
        "",
        (Option("headers", "list", "Their names.", REQUIRED),),
        Example(
            {"type": "DropHeaders", "headers": "trace,span"},
            Message("t", None, {"n": 1}, headers=(("trace", b"1"), ("site", b"Leeds"))),
            Message("t", None, {"n": 1}, headers=(("site", b"Leeds"),)),
        ),
        _drop_headers,
    ),
)

PREDICATES = (
    PredicateDefinition(
        "TopicNameMatches",
        "Whether a regular expression matches the topic's whole name.",
        (Option("pattern", "string", "A regular expression of Java's.", REQUIRED),),
        _topic_name_matches,
    ),
    PredicateDefinition("HasHeaderKey", "Whether there is a header of a name.", (Option("name", "string", "The name.", REQUIRED),), _has_header_key),
    PredicateDefinition("RecordIsTombstone", "Whether the value is null.", (), _record_is_tombstone),
)
