"""Transforms that change single fields: InsertField, ReplaceField, MaskField, Cast."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from functools import lru_cache
from typing import Any

from penstock.connect.options import REQUIRED, Option
from penstock.connect.text import plain_text
from penstock.connect.transforms.definition import Example, Side, Transform, TransformDefinition, fields_of, find, part, with_part
from penstock.connect.transforms.message import Message
from penstock.errors import ConfigError, DataError
from penstock.sql.types import BIGINT, BOOLEAN, DOUBLE, INTEGER, STRING, TIMESTAMP, Field, SqlType, Struct

EPOCH = datetime(1970, 1, 1)


def put_field(message: Message, side: Side, name: str, value: Any, type_: SqlType) -> Message:
    """The message with a field set in its key or value, the last where it is new."""
    old, schema = part(message, side)
    return with_part(message, side, {**fields_of(old, side), name: value}, _with_field(schema, name, type_) if isinstance(schema, Struct) else None)


@lru_cache(1000)
def _with_field(schema: Struct, name: str, type_: SqlType) -> Struct:
    if schema.field(name) is None:
        return Struct((*schema.fields, Field(name, type_)))
    return Struct(tuple(Field(name, type_) if field.name == name else field for field in schema.fields))


def moment(ms: int, *, typed: bool) -> Any:
    """A time in ms as a message has it: a TIMESTAMP where it has types, else the number."""
    return EPOCH + timedelta(milliseconds=ms) if typed else ms


# ---------------------------------------------------------------------------------------------- InsertField


def _insert_field(options: Mapping[str, Any], side: Side) -> Transform:
    def bare(option: str) -> str | None:
        # `!` says that the field must be there, `?` that it may be NULL: here every field may
        name: str | None = options[option]
        return None if name is None else name.rstrip("!?")

    topic, partition, offset, timestamp, static = map(
        bare, ("topic.field", "partition.field", "offset.field", "timestamp.field", "static.field")
    )
    if (static is None) != (options["static.value"] is None):
        raise ConfigError("'static.field' and 'static.value' need each other.")
    if not (topic or partition or offset or timestamp or static):
        raise ConfigError("InsertField inserts nothing.", mend="Give topic.field, partition.field, offset.field, timestamp.field or static.field.")

    def insert(message: Message) -> Message:
        if part(message, side)[0] is None:
            return message
        changed = message
        if topic:
            changed = put_field(changed, side, topic, message.topic, STRING)
        if partition:
            changed = put_field(changed, side, partition, message.partition, INTEGER)
        if offset:
            changed = put_field(changed, side, offset, message.offset, BIGINT)
        if timestamp:
            ms = time.time_ns() // 1_000_000 if message.timestamp is None else message.timestamp
            changed = put_field(changed, side, timestamp, moment(ms, typed=message.typed), TIMESTAMP)
        if static:
            changed = put_field(changed, side, static, options["static.value"], STRING)
        return changed

    return insert


# ---------------------------------------------------------------------------------------------- ReplaceField, MaskField


def _replace_field(options: Mapping[str, Any], side: Side) -> Transform:
    include = {name.lower() for name in options["include"]}
    exclude = {name.lower() for name in options["exclude"]}
    renames = {}
    for rename in options["renames"]:
        old, colon, new = rename.partition(":")
        if not colon or not old or not new:
            raise ConfigError(f"'renames' holds '{rename}'.", mend="Write OLD:NEW, with commas between several.")
        renames[old.lower()] = new

    @lru_cache(1000)
    def names(given: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        """(old name, new name) of the fields that stay."""
        kept = [name for name in given if (not include or name.lower() in include) and name.lower() not in exclude]
        return tuple((name, renames.get(name.lower(), name)) for name in kept)

    def change(message: Message) -> Message:
        value, schema = part(message, side)
        if value is None:
            return message
        fields = fields_of(value, side)
        changed = {new: fields[old] for old, new in names(tuple(fields))}
        if not isinstance(schema, Struct):
            return with_part(message, side, changed, None)
        types = {field.name: field.type for field in schema.fields}
        return with_part(message, side, changed, Struct(tuple(Field(new, types[old]) for old, new in names(tuple(types)))))

    return change


def _mask_field(options: Mapping[str, Any], side: Side) -> Transform:
    replacement: str | None = options["replacement"]

    def mask(message: Message) -> Message:
        value, schema = part(message, side)
        if value is None:
            return message
        masked = dict(fields_of(value, side))
        for wanted in options["fields"]:
            name = find(masked, wanted)
            if name is not None and masked[name] is not None:
                masked[name] = _masked(masked[name], replacement, name)
        return with_part(message, side, masked, schema)

    return mask


def _masked(value: Any, replacement: str | None, name: str) -> Any:
    """The nothing of a value's type, or the replacement as that type."""
    if isinstance(value, str):
        return replacement or ""
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        try:
            return type(value)(replacement or 0)
        except (ValueError, ArithmeticError) as error:
            raise DataError(f"The field {name} is a number, which '{replacement}' cannot replace.") from error
    if replacement is not None:
        raise DataError(f"The field {name} is neither text nor a number, so that '{replacement}' cannot replace it.")
    if isinstance(value, datetime | date | time_of_day):
        return {datetime: EPOCH, date: EPOCH.date(), time_of_day: EPOCH.time()}[type(value)]
    return type(value)()


# ---------------------------------------------------------------------------------------------- Cast

_TYPES: dict[str, SqlType] = {
    "int8": INTEGER, "int16": INTEGER, "int32": INTEGER, "int64": BIGINT, "float32": DOUBLE, "float64": DOUBLE, "boolean": BOOLEAN, "string": STRING,
}  # fmt: skip


def _cast(options: Mapping[str, Any], side: Side) -> Transform:
    whole: str | None = None
    by_field: dict[str, str] = {}
    for piece in options["spec"]:
        name, colon, word = piece.rpartition(":")
        if word.strip().lower() not in _TYPES or (colon and not name):
            raise ConfigError(f"'spec' holds '{piece}'.", mend=f"Write FIELD:TYPE, or TYPE alone, of: {', '.join(_TYPES)}.")
        if colon:
            by_field[name.strip()] = word.strip().lower()
        else:
            whole = word.strip().lower()
    if whole and (by_field or len(options["spec"]) > 1):
        raise ConfigError("'spec' casts the whole and its fields.", mend="Give either one type, or FIELD:TYPE of each.")

    def cast(message: Message) -> Message:
        value, schema = part(message, side)
        if value is None:
            return message
        if whole:
            return with_part(message, side, _as(value, whole, f"The {side}"), None if schema is None else _TYPES[whole])
        changed = message
        for wanted, word in by_field.items():
            fields = fields_of(part(changed, side)[0], side)
            name = find(fields, wanted)
            if name is not None:
                changed = put_field(changed, side, name, _as(fields[name], word, f"The field {name}"), _TYPES[word])
        return changed

    return cast


def _as(value: Any, word: str, where: str) -> Any:
    """A value as the type of a word. Raises DataError."""
    if value is None:
        return None
    try:
        if word == "string":
            return value.decode() if isinstance(value, bytes) else plain_text(value)
        number = _number(value)
        if word == "boolean":
            return _boolean(value, number)
        if word.startswith("float"):
            return float(number)
        bits = int(word[3:])
        result = int(number)
        if not -(1 << bits - 1) <= result < 1 << bits - 1:
            raise DataError(f"{where} is {value!r}, which {word} does not hold.")
        return result
    except (TypeError, ValueError, ArithmeticError) as error:
        raise DataError(f"{where} is {value!r}, which cannot be cast to {word}.") from error


def _number(value: Any) -> int | float | Decimal | str:
    """What is counted of a value: a moment in ms, a date in days, a time of day in ms, text as the number it says."""
    match value:
        case datetime():
            naive = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
            return (naive - EPOCH) // timedelta(milliseconds=1)
        case date():
            return (value - EPOCH.date()).days
        case time_of_day():
            return (datetime.combine(EPOCH, value) - EPOCH) // timedelta(milliseconds=1)
        case str():
            text = value.strip()
            return text if text.lower() in ("true", "false") else int(text) if text.lstrip("+-").isdigit() else float(text)
        case bool() | int() | float() | Decimal():
            return value
    raise TypeError


def _boolean(value: Any, number: Any) -> bool:
    if isinstance(number, str):
        return number.lower() == "true"
    if isinstance(value, str):
        raise TypeError
    return bool(number)


_HELLO = Struct((Field("n", STRING),))

DEFINITIONS = (
    TransformDefinition(
        "InsertField",
        "Adds fields to an object: where and when the record came, or a fixed text.",
        "Confluent's marks behind a field's name, `!` and `?`, are taken and mean nothing: every field may be NULL. A tombstone stays as it is. "
        "Only a sink's record has an offset; a source's has a partition only where the source chooses it.",
        (
            Option("topic.field", "string", "The field for the topic's name.", None),
            Option("partition.field", "string", "The field for the partition.", None),
            Option("offset.field", "string", "The field for the offset.", None),
            Option("timestamp.field", "string", "The field for the record's time: a TIMESTAMP, or ms where the value has no types.", None),
            Option("static.field", "string", "The field for `static.value`.", None),
            Option("static.value", "string", "A text.", None),
        ),
        Example(
            {"type": "InsertField$Value", "topic.field": "from", "static.field": "site", "static.value": "Leeds"},
            Message("readings", None, {"n": 1}),
            Message("readings", None, {"n": 1, "from": "readings", "site": "Leeds"}),
        ),
        _insert_field,
        sided=True,
    ),
    TransformDefinition(
        "ReplaceField",
        "Keeps, drops and renames fields.",
        "First fields are chosen by their old names, then renamed.",
        (
            Option("include", "list", "The only fields to keep; all where it is not given.", [], aliases=("whitelist",)),
            Option("exclude", "list", "Fields to drop.", [], aliases=("blacklist",)),
            Option("renames", "list", "Pairs `old:new`, with commas between them.", []),
        ),
        Example(
            {"type": "ReplaceField$Value", "exclude": "secret", "renames": "n:count"},
            Message("t", None, {"n": 1, "secret": "x", "at": "here"}),
            Message("t", None, {"count": 1, "at": "here"}),
        ),
        _replace_field,
        sided=True,
    ),
    TransformDefinition(
        "MaskField",
        "Puts nothing, or a replacement, in place of what fields hold.",
        "Nothing is the empty text, 0, false, the empty list or object, or 1970-01-01.",
        (
            Option("fields", "list", "The fields to mask.", REQUIRED),
            Option("replacement", "string", "What to put there, of texts and numbers alone.", None),
        ),
        Example(
            {"type": "MaskField$Value", "fields": "phone", "replacement": "hidden"},
            Message("t", None, {"name": "Ana", "phone": "0113"}),
            Message("t", None, {"name": "Ana", "phone": "hidden"}),
        ),
        _mask_field,
        sided=True,
    ),
    TransformDefinition(
        "Cast",
        "Changes the type of fields, or of the whole key or value.",
        "Fractions are cut off for whole numbers; a number out of the type's range is an error. A moment becomes its ms since 1970, a date its days.",
        (Option("spec", "list", f"Pairs `field:type` with commas between them, or one type for the whole. Types: {', '.join(_TYPES)}.", REQUIRED),),
        Example(
            {"type": "Cast$Value", "spec": "n:int32"},
            Message("t", None, {"n": "12"}, None, _HELLO),
            Message("t", None, {"n": 12}, None, Struct((Field("n", INTEGER),))),
        ),
        _cast,
        sided=True,
    ),
)

