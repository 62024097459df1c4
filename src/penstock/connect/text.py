"""A record's values as text: JSON, plain, and the form that Kafka Connect prints a struct in."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any


def json_text(value: Any) -> str:
    """A value as JSON: numbers as they are (DECIMAL with all its digits, no number as null), bytes as base64, dates and times in ISO 8601,
    structs and maps as objects."""
    if isinstance(value, Decimal):
        return str(value) if value.is_finite() else "null"
    if (isinstance(value, float) and value != value) or value in (float("inf"), float("-inf")):
        return "null"
    if isinstance(value, bytes):
        return json.dumps(base64.b64encode(value).decode())
    if isinstance(value, datetime | date | time):
        return json.dumps(value.isoformat())
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(str(k), ensure_ascii=False)}:{json_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(json_text, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def plain_text(value: Any) -> str:
    """A value as it stands in a sentence: text as it is, NULL empty, anything else as JSON without quotes around it."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    text = json_text(value)
    return json.loads(text) if text.startswith('"') else text


def struct_text(columns: Mapping[str, Any]) -> str:
    """Columns as Kafka Connect prints a struct, `Struct{A=1,B=x}`, without the NULLs: what regex.patterns of Confluent's HTTP sink match."""
    return "Struct{" + ",".join(f"{name}={_inner(value)}" for name, value in columns.items() if value is not None) + "}"


def _inner(value: Any) -> str:
    if isinstance(value, Mapping):
        return struct_text(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_inner, value)) + "]"
    return plain_text(value)
