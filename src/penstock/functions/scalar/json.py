"""JSON inside strings."""

from __future__ import annotations

import base64
import json
import math
import re
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Any

from penstock.functions.define import python_scalar
from penstock.functions.java_text import double_to_string, value_to_string
from penstock.sql.types import BIGINT, BOOLEAN, DOUBLE, INTEGER, STRING


class Number(str):
    """A number as the text has it, so that none of its digits is lost."""

    __slots__ = ()


SHOWN_MAX = 60
"""How much of a text a message shows."""
_DECODER = json.JSONDecoder(parse_float=Number, parse_int=Number)
_STEP = re.compile(r"""\.([^.\[\]]+)|\[(-?\d+)\]|\[\s*'((?:[^'\\]|\\.)*)'\s*\]|\[\s*"((?:[^"\\]|\\.)*)"\s*\]""")


def read(text: str) -> Any:
    """The first JSON value of a text; what follows it does not matter. Raises ValueError where there is none."""
    try:
        return _DECODER.raw_decode(text, len(text) - len(text.lstrip()))[0]
    except json.JSONDecodeError as error:
        shown = text if len(text) <= SHOWN_MAX else text[:SHOWN_MAX] + "..."
        raise ValueError(f"{shown!r} is no JSON: {error.msg.lower()} at character {error.pos + 1}") from error


def write(value: Any) -> str:
    """A value as compact JSON; the types that JSON lacks as ksqlDB shows them."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case Number():
            return str(value)
        case str():
            return json.dumps(value, ensure_ascii=False)
        case int():
            return str(value)
        case float():
            return double_to_string(value) if math.isfinite(value) else f'"{double_to_string(value)}"'
        case Decimal():
            return f"{value:f}"
        case bytes():
            return f'"{base64.b64encode(value).decode()}"'
        case list():
            return f"[{','.join(map(write, value))}]"
        case dict():
            return f"{{{','.join(f'{json.dumps(name_of(k), ensure_ascii=False)}:{write(v)}' for k, v in value.items())}}}"
        case datetime() | date() | time():
            return f'"{value_to_string(value)}"'
    raise AssertionError(f"no JSON for {type(value).__name__}")


def name_of(key: Any) -> str:
    """A map's key as the name of a member."""
    return key if isinstance(key, str) else value_to_string(key)


@lru_cache(maxsize=1024)
def steps_of(path: str) -> tuple[str | int, ...]:
    """The names and places that a JSONPath leads through. Raises ValueError for a path that could lead to several values."""
    rest, steps = path.strip(), []
    if not rest.startswith("$"):
        raise ValueError(f"the JSONPath {path!r} does not begin with $")
    at = 1
    while at < len(rest):
        found = _STEP.match(rest, at)
        if found is None or found[1] == "*":
            raise ValueError(f"the JSONPath {path!r} is not a plain way to one value, at {rest[at:]!r}")
        name, index, *quoted = found.groups()
        steps.append(int(index) if index is not None else name if name is not None else next(q for q in quoted if q is not None))
        at = found.end()
    return tuple(steps)


@python_scalar("EXTRACTJSONFIELD(json STRING, path STRING) -> STRING")
def extractjsonfield(text: str, path: str) -> str | None:
    """The value at a JSONPath, as text: a string without its quotes, an object or array as JSON. NULL where there is none.

    json: a text that holds JSON
    path: where the value is, such as $.log.instance, $.items[0] or $['a name']

    EXTRACTJSONFIELD('{"log": {"cloud": "gcp", "instance": 4}}', '$.log.instance') -> '4'
    EXTRACTJSONFIELD('{"a": [{"b": "x"}]}', '$.a[0].b') -> 'x'
    """
    value = read(text)
    for step in steps_of(path):
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value):
            value = value[step]
        else:
            return None
    return None if value is None else str(value) if isinstance(value, str) else write(value)


@python_scalar("IS_JSON_STRING(json STRING) -> BOOLEAN", nulls=True)
def is_json_string(text: str | None) -> bool:
    """Whether a text is a JSON value; NULL is none.

    json: the text

    IS_JSON_STRING('[1, 2, 3]') -> TRUE
    IS_JSON_STRING('abc') -> FALSE
    """
    try:
        if text is not None:
            _DECODER.decode(text)
    except ValueError:
        return False
    return text is not None


@python_scalar("JSON_ARRAY_LENGTH(json STRING) -> INTEGER")
def json_array_length(text: str) -> int | None:
    """How many items a JSON array has; NULL where the text is something else.

    json: a text that holds JSON

    JSON_ARRAY_LENGTH('[1, [1, [2]], 3]') -> 3
    JSON_ARRAY_LENGTH('{}') -> NULL
    """
    value = read(text) if text else None
    return len(value) if isinstance(value, list) else None


@python_scalar("JSON_ARRAY_CONTAINS(json STRING, item N) -> BOOLEAN", types={"N": (STRING, BOOLEAN, INTEGER, BIGINT, DOUBLE)}, nulls=True)
def json_array_contains(text: str | None, item: Any) -> bool:
    """Whether a JSON array has an item; it does not where the text is no array.

    json: a text that holds JSON
    item: what to look for: a text, a number, a boolean or NULL

    JSON_ARRAY_CONTAINS('["Pink", "Red"]', 'Pink') -> TRUE
    JSON_ARRAY_CONTAINS('[1, 2]', 3) -> FALSE
    """
    try:
        value = read(text) if text else None
    except ValueError:
        return False
    return isinstance(value, list) and any(same(member, item) for member in value)


def same(member: Any, item: Any) -> bool:
    """Whether an item of JSON is a value, of the same kind: 1 is no '1' and no TRUE."""
    if isinstance(member, Number):
        whole = member.lstrip("-").isdigit()
        return isinstance(item, int | float) and not isinstance(item, bool) and whole == isinstance(item, int) and float(member) == item
    return type(member) is type(item) and bool(member == item)


@python_scalar("JSON_CONCAT(jsons STRING...) -> STRING")
def json_concat(*texts: str) -> str | None:
    """Several JSON values as one: objects become one object, in which the later of two equal names counts; anything else becomes one array.

    NULL where one of the texts holds no JSON.

    jsons: texts that hold JSON

    JSON_CONCAT('{"a": 1}', '{"b": 2}') -> '{"a":1,"b":2}'
    JSON_CONCAT('[1, 2]', '3') -> '[1,2,3]'
    """
    if not all(text.strip() for text in texts):
        return None
    values = [read(text) for text in texts]
    if all(isinstance(value, dict) for value in values):
        return write({k: v for value in values for k, v in value.items()})
    return write([item for value in values for item in (value if isinstance(value, list) else [value])])


@python_scalar("JSON_KEYS(json STRING) -> ARRAY<STRING>")
def json_keys(text: str) -> list[str] | None:
    """The names of a JSON object's members; NULL where the text is something else.

    json: a text that holds JSON

    JSON_KEYS('{"a": "abc", "b": {"c": "a"}, "d": 1}') -> ARRAY['a', 'b', 'd']
    """
    value = read(text) if text else None
    return list(value) if isinstance(value, dict) else None


@python_scalar("JSON_RECORDS(json STRING) -> MAP<STRING, STRING>")
def json_records(text: str) -> dict[str, str] | None:
    """The members of a JSON object, each value as JSON; NULL where the text is something else.

    json: a text that holds JSON

    JSON_RECORDS('{"a": "abc", "d": 1}') -> MAP('a' := '"abc"', 'd' := '1')
    """
    value = read(text) if text else None
    return {k: write(v) for k, v in value.items()} if isinstance(value, dict) else None


@python_scalar("JSON_ITEMS(json STRING) -> ARRAY<STRING>")
def json_items(text: str) -> list[str] | None:
    """The items of a JSON array, each as JSON; NULL where the text is something else.

    json: a text that holds JSON

    JSON_ITEMS('[{"a": 1}, 2]') -> ARRAY['{"a":1}', '2']
    """
    value = read(text) if text else None
    return [write(item) for item in value] if isinstance(value, list) else None


@python_scalar("TO_JSON_STRING(value T) -> STRING", nulls=True)
def to_json_string(value: Any) -> str:
    """Any value as JSON. Dates and times are texts, bytes are base64.

    value: what to convert

    TO_JSON_STRING(ARRAY[1, 2, 3]) -> '[1,2,3]'
    TO_JSON_STRING(STRUCT(id := 1, name := 'A')) -> '{"ID":1,"NAME":"A"}'
    """
    return write(value)
