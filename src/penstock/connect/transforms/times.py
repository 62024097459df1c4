"""TimestampConverter and TimestampRouter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from penstock.connect.options import REQUIRED, Option
from penstock.connect.transforms.definition import Example, Side, Transform, TransformDefinition, fields_of, find, part, type_of, with_part
from penstock.connect.transforms.fields import EPOCH, put_field
from penstock.connect.transforms.message import Message
from penstock.errors import ConfigError, DataError
from penstock.sql.types import BIGINT, DATE, STRING, TIME, TIMESTAMP, Field, SqlType, Struct

_UNITS = {"seconds": 1_000_000, "milliseconds": 1000, "microseconds": 1}  # in us; a nanosecond is less than one
_MICROSECOND = timedelta(microseconds=1)


def _timestamp_converter(options: Mapping[str, Any], side: Side) -> Transform:
    target: str = options["target.type"].lower()
    read, write = _reader(options), _writer(options)
    type_: SqlType = {"string": STRING, "unix": BIGINT, "date": DATE, "time": TIME, "timestamp": TIMESTAMP}[target]

    def converted(value: Any, where: str) -> Any:
        try:
            return None if value is None else write(read(value))
        except (ValueError, OverflowError, TypeError) as error:
            raise DataError(f"{where} is {value!r}, which is no time: {error}.") from error

    def convert(message: Message) -> Message:
        value, schema = part(message, side)
        if value is None:
            return message
        if not options["field"]:
            return with_part(message, side, converted(value, f"The {side}"), None if schema is None else type_)
        name = find(fields_of(value, side), options["field"])
        if name is None:
            if schema is not None and type_of(schema, options["field"]) is None:
                raise DataError(f"The {side} has no field {options['field']}, only {', '.join(value)}.")
            return message
        return put_field(message, side, name, converted(value[name], f"The field {name}"), type_)

    return convert


def _reader(options: Mapping[str, Any]) -> Callable[[Any], datetime]:
    """From any form of a time to the moment in UTC."""
    pattern = _pattern(options) if options["format"] else None

    def read(value: Any) -> datetime:
        match value:
            case datetime():
                return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
            case date():
                return datetime.combine(value, time())
            case time():
                return datetime.combine(EPOCH, value)
            case bool():
                raise TypeError("a truth value")
            case int():
                precision = options["unix.precision"]
                return EPOCH + timedelta(microseconds=value // 1000 if precision == "nanoseconds" else value * _UNITS[precision])
            case str():
                if pattern is None:
                    raise ValueError("text needs the option 'format'")
                moment: datetime = pattern.parse(value)
                return moment
        raise TypeError(f"a {type(value).__name__}")

    return read


def _writer(options: Mapping[str, Any]) -> Callable[[datetime], Any]:
    target = options["target.type"].lower()
    if target == "string":
        if not options["format"]:
            raise ConfigError("'target.type'='string' needs 'format'.", mend="Give it a pattern such as yyyy-MM-dd HH:mm:ss.")
        pattern = _pattern(options)
        return lambda moment: pattern.format(moment.replace(tzinfo=UTC))
    if target == "unix":
        precision = options["unix.precision"]
        if precision == "nanoseconds":
            return lambda moment: (moment - EPOCH) // _MICROSECOND * 1000
        unit = _UNITS[precision]
        return lambda moment: (moment - EPOCH) // _MICROSECOND // unit
    if target == "date":
        return lambda moment: moment.date()
    if target == "time":
        return lambda moment: moment.time()
    return lambda moment: moment


def _pattern(options: Mapping[str, Any], name: str = "format") -> Any:
    from penstock.functions.java_time import pattern

    try:
        return pattern(options[name])
    except ValueError as error:
        raise ConfigError(f"'{name}' is no pattern of a time: {error}.") from error


def _timestamp_router(options: Mapping[str, Any], _: Side) -> Transform:
    pattern, shape = _pattern(options, "timestamp.format"), options["topic.format"]

    def route(message: Message) -> Message:
        if message.timestamp is None:
            raise DataError("The record has no timestamp to name its topic by.")
        moment = (EPOCH + timedelta(milliseconds=message.timestamp)).replace(tzinfo=UTC)
        return replace(message, topic=shape.replace("${topic}", message.topic).replace("${timestamp}", pattern.format(moment)))

    return route


DEFINITIONS = (
    TransformDefinition(
        "TimestampConverter",
        "Changes how a time is written: as text, as a number, or as a date, a time or a timestamp.",
        "What a time is now shows by itself: text is read by `format`, a number by `unix.precision`. Times are in UTC.",
        (
            Option("field", "string", "The field; where it is not given, the whole key or value.", ""),
            Option("target.type", "choice", "What to make of it.", REQUIRED, choices=("string", "unix", "date", "time", "timestamp")),
            Option("format", "string", "Java's pattern of the text, such as `yyyy-MM-dd HH:mm:ss`.", ""),
            Option(
                "unix.precision", "choice", "The unit of a number.", "milliseconds",
                choices=("seconds", "milliseconds", "microseconds", "nanoseconds"),
            ),
        ),
        Example(
            {"type": "TimestampConverter$Value", "field": "at", "target.type": "Timestamp", "format": "yyyy-MM-dd HH:mm"},
            Message("t", None, {"at": "2021-06-30 12:18"}, None, Struct((Field("at", STRING),)), typed=True),
            Message("t", None, {"at": datetime(2021, 6, 30, 12, 18)}, None, Struct((Field("at", TIMESTAMP),)), typed=True),
        ),
        _timestamp_converter,
        sided=True,
    ),
    TransformDefinition(
        "TimestampRouter",
        "Puts the record's time into its topic's name.",
        "",
        (
            Option("topic.format", "string", "The new name, of `${topic}` and `${timestamp}`.", "${topic}-${timestamp}"),
            Option("timestamp.format", "string", "Java's pattern of the time, in UTC.", "yyyyMMdd"),
        ),
        Example(
            {"type": "TimestampRouter", "timestamp.format": "yyyy-MM"},
            Message("orders", None, {"n": 1}, timestamp=1_625_055_519_446),
            Message("orders-2021-06", None, {"n": 1}, timestamp=1_625_055_519_446),
        ),
        _timestamp_router,
    ),
)  # fmt: skip
