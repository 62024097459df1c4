"""Plans as JSON text and back, exactly: generic over the frozen dataclasses that plans are made of."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time
from decimal import Decimal as Number
from functools import cache
from types import ModuleType
from typing import Any

from penstock.errors import StorageError

VERSION = 1
_SCALARS: dict[type, str] = {Number: "decimal", bytes: "bytes", date: "date", time: "time", datetime: "datetime"}


def to_json(plan: object) -> str:
    """A plan, step, expression, schema or DataSource as JSON text."""
    return json.dumps({"version": VERSION, "plan": _out(plan)}, separators=(",", ":"), ensure_ascii=False)


def from_json(text: str) -> Any:
    """What `to_json` wrote, equal to the original. Raises StorageError: not such a text, or of a version not known here."""
    try:
        held = json.loads(text)
        if held["version"] != VERSION:
            raise StorageError(f"A stored plan has version {held['version']}, but this Penstock reads version {VERSION}.",
                               mend="Create the query again.")
        return _in(held["plan"])
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError("A stored plan cannot be read.", mend="Create the query again.") from error


def _out(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        name = _names()[type(value)]
        return {"": name, **{f.name: _out(getattr(value, f.name)) for f in fields(value)}}
    if isinstance(value, tuple):
        return [_out(v) for v in value]
    if isinstance(value, dict):
        return {"": "dict", "items": [[key, _out(item)] for key, item in value.items()]}
    if isinstance(value, float):
        return {"": "float", "value": value.hex()}
    tag = _SCALARS.get(type(value))
    if tag is None:
        assert value is None or isinstance(value, str | int), f"not storable: {value!r}"
        return value
    return {"": tag, "value": value.hex() if isinstance(value, bytes) else str(value) if isinstance(value, Number) else value.isoformat()}


_READ: dict[str, Callable[[str], Any]] = {
    "decimal": Number, "bytes": bytes.fromhex, "date": date.fromisoformat, "time": time.fromisoformat, "datetime": datetime.fromisoformat,
    "float": float.fromhex,
}


def _in(held: Any) -> Any:
    if isinstance(held, list):
        return tuple(map(_in, held))
    if not isinstance(held, dict):
        return held
    tag = held[""]
    if tag == "dict":
        return {key: _in(item) for key, item in held["items"]}
    if tag in _READ:
        return _READ[tag](held["value"])
    return _classes()[tag](**{name: _in(value) for name, value in held.items() if name})


@cache
def _classes() -> dict[str, type]:
    from penstock.catalog import model
    from penstock.functions import definition
    from penstock.plan import expressions, steps
    from penstock.sql import types

    found: dict[str, type] = {}
    for module in (types, expressions, steps, model, definition):
        found |= {f"{_short(module)}.{name}": thing for name, thing in vars(module).items()
                  if isinstance(thing, type) and is_dataclass(thing) and thing.__module__ == module.__name__}
    return found


def _short(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2]


@cache
def _names() -> dict[type, str]:
    return {thing: name for name, thing in _classes().items()}
