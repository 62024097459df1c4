"""What a transform is: one definition holds its type names, its options, its code, its documentation and an example that is executed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from typing import Literal as OneOf

from penstock.connect.options import Option
from penstock.connect.transforms.message import Message
from penstock.errors import DataError
from penstock.sql.types import SqlType, Struct

Side = OneOf["key", "value"]
Transform = Callable[[Message], Message | None]
"""A message to what becomes of it, None where it is dropped. Raises DataError for a message that it cannot do."""
Predicate = Callable[[Message], bool]

KAFKA = "org.apache.kafka.connect.transforms."


@dataclass(frozen=True)
class Example:
    """A configuration (without the transform's name before the options), a message, and what becomes of it; None: it is dropped."""

    options: Mapping[str, str]
    before: Message
    after: Message | None


@dataclass(frozen=True)
class TransformDefinition:
    """A transform. `name` is the short name of its type; `package` stands before it in the full one. `sided`: there is one of keys and one of
    values, by `$Key` or `$Value` behind the type's name. `make`: (options, side) -> the transform; it raises ConfigError for what only it
    can check."""

    name: str
    summary: str
    documentation: str
    options: tuple[Option, ...]
    example: Example
    make: Callable[[Mapping[str, Any], Side], Transform]
    sided: bool = False
    package: str = KAFKA


@dataclass(frozen=True)
class PredicateDefinition:
    """A predicate, which decides whether a transform applies to a message."""

    name: str
    summary: str
    options: tuple[Option, ...]
    make: Callable[[Mapping[str, Any]], Predicate]
    package: str = KAFKA + "predicates."


def part(message: Message, side: Side) -> tuple[Any, SqlType | None]:
    """The key or the value, with its schema."""
    return (message.key, message.key_schema) if side == "key" else (message.value, message.value_schema)


def with_part(message: Message, side: Side, value: Any, schema: SqlType | None) -> Message:
    """The message with another key or value."""
    if side == "value":
        return replace(message, value=value, value_schema=schema)
    return replace(message, key=value, key_schema=schema, key_column=message.key_column if not isinstance(value, Mapping) else None)


def fields_of(value: Any, side: Side) -> Mapping[str, Any]:
    """The fields of a key or value that must be an object. Raises DataError."""
    if not isinstance(value, Mapping):
        raise DataError(f"The {side} is no object with fields but {_shown(value)}.")
    return value


def find(fields: Mapping[str, Any], name: str) -> str | None:
    """A field's name as the message has it: exactly, or else by the first that differs only in case; None where there is none."""
    if name in fields:
        return name
    return next((other for other in fields if other.lower() == name.lower()), None)


def type_of(schema: SqlType | None, name: str) -> SqlType | None:
    """The type of a field; None where the schema does not say."""
    field = schema.field(name) if isinstance(schema, Struct) else None
    return None if field is None else field.type


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
