"""Converters: what keys and values are as bytes, by Kafka Connect's class names. Sources write by them; sinks read what has no stream or table."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from penstock.connect import json_envelope
from penstock.connect.options import Option, parse_options
from penstock.connect.secrets import Secrets
from penstock.connect.text import plain_text
from penstock.connect.with_schema import WithSchema
from penstock.errors import ConfigError, DataError, Error
from penstock.registry.model import SchemaRegistry
from penstock.sql.types import BYTES, STRING, SqlType


class Converter(Protocol):
    """Values of one topic to bytes, and back."""

    def write(self, topic: str, values: Sequence[Any], schema: SqlType | None) -> list[bytes | None | Error]:
        """The bytes of each value of a type (None where it has none), None for None, or the error that keeps it from them."""
        ...

    def read(self, data: Sequence[bytes | None]) -> list[Any]:
        """The plain value of each, None for None, or an Error."""
        ...


@dataclass(frozen=True)
class Each:
    """A converter of one value at a time; `out` and `back` raise DataError."""

    out: Callable[[Any, SqlType | None], bytes]
    back: Callable[[bytes], Any]

    def write(self, topic: str, values: Sequence[Any], schema: SqlType | None) -> list[bytes | None | Error]:
        """The bytes of each value."""
        return [None if value is None else _caught(self.out, value, schema) for value in values]

    def read(self, data: Sequence[bytes | None]) -> list[Any]:
        """The value of each."""
        return [None if item is None else _caught(self.back, item) for item in data]


def _caught(convert: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return convert(*arguments)
    except Error as error:
        return error


# ---------------------------------------------------------------------------------------------- text, bytes, numbers


def _text_out(value: Any, schema: SqlType | None) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        return plain_text(value).encode()
    except UnicodeEncodeError:
        raise DataError("Its text holds half a surrogate pair, which UTF-8 has no bytes for.") from None


def _text_back(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise DataError(f"not text in UTF-8: {error}") from None


def _bytes_out(value: Any, schema: SqlType | None) -> bytes:
    if not isinstance(value, bytes):
        raise DataError(f"ByteArrayConverter takes bytes alone, not {repr(value)[:60]}.", mend="Choose StringConverter or JsonConverter.")
    return value


def _number(name: str, form: str) -> Converter:
    """The converter of a number of a fixed size, big-endian."""
    packing = struct.Struct(form)

    def out(value: Any, schema: SqlType | None) -> bytes:
        try:
            return packing.pack(value)
        except struct.error as error:
            raise DataError(f"{name} does not take {repr(value)[:60]}: {error}.") from None

    def back(data: bytes) -> Any:
        if len(data) != packing.size:
            raise DataError(f"not the {packing.size} bytes that {name} reads but {len(data)}")
        return packing.unpack(data)[0]

    return Each(out, back)


def _json(options: Mapping[str, Any]) -> Converter:
    with_schema: bool = options["schemas.enable"]
    base64_decimals = options["decimal.format"] == "base64"

    def out(value: Any, schema: SqlType | None) -> bytes:
        if with_schema:
            return json_envelope.to_bytes(json_envelope.enveloped(value, schema, base64_decimals=base64_decimals))
        plain = value if schema is None else json_envelope.payload(value, schema, base64_decimals=base64_decimals)
        return json_envelope.to_bytes(plain)

    return Each(out, lambda data: json_envelope.from_bytes(data, with_schema=with_schema))


TEXT = Each(_text_out, _text_back)
_JSON_OUT: Callable[[Any, SqlType | None], bytes] = lambda value, schema: json_envelope.to_bytes(value)  # noqa: E731


@dataclass(frozen=True)
class ByNature:
    """The default of values: text and bytes as they stand, anything else by its schema, or as JSON where it has none."""

    with_schema: Converter

    def write(self, topic: str, values: Sequence[Any], schema: SqlType | None) -> list[bytes | None | Error]:
        """The bytes of each value."""
        if schema is not None and schema not in (STRING, BYTES):
            return self.with_schema.write(topic, values, schema)
        return [
            None if value is None else _caught(_text_out if isinstance(value, str | bytes) else _JSON_OUT, value, schema) for value in values
        ]

    def read(self, data: Sequence[bytes | None]) -> list[Any]:
        """Bytes as they stand: nothing is known of them."""
        return list(data)


# ---------------------------------------------------------------------------------------------- by class name

Make = Callable[[Mapping[str, Any], SchemaRegistry, bool], Converter]

_SCHEMAS_ENABLE = Option("schemas.enable", "boolean", "", True)
_DECIMAL_FORMAT = Option("decimal.format", "choice", "", "numeric", choices=("numeric", "base64"))
_OPTIONAL = Option("optional.for.nullables", "boolean", "", False)
_ENCODING = Option("encoding", "choice", "", "utf-8", choices=("utf-8", "utf8"))
_IGNORED = re.compile(
    r"(schema\.registry|basic\.auth|bearer\.auth|latest|schemas\.cache|schema\.format|enhanced|connect|discard|generalized|generate|proxy)\..*"
    r"|auto\.register\.schemas|use\.latest\.version|normalize\.schemas|(key|value)\.subject\.name\.strategy|replace\.null\.with\.default"
    r"|allow\.optional\.map\.keys|schemas\.enable|optional\.for\.nullables"
)

CLASSES: dict[str, tuple[tuple[Option, ...], Make]] = {
    "org.apache.kafka.connect.storage.StringConverter": ((_ENCODING,), lambda options, schemas, is_key: TEXT),
    "org.apache.kafka.connect.converters.ByteArrayConverter": ((), lambda options, schemas, is_key: Each(_bytes_out, lambda data: data)),
    "org.apache.kafka.connect.json.JsonConverter": ((_SCHEMAS_ENABLE, _DECIMAL_FORMAT), lambda options, schemas, is_key: _json(options)),
    "io.confluent.connect.avro.AvroConverter": ((), lambda options, schemas, is_key: WithSchema("AVRO", is_key=is_key, schemas=schemas)),
    "io.confluent.connect.json.JsonSchemaConverter": ((), lambda options, schemas, is_key: WithSchema("JSON_SR", is_key=is_key, schemas=schemas)),
    "io.confluent.connect.protobuf.ProtobufConverter": (
        (_OPTIONAL,),
        lambda options, schemas, is_key: WithSchema("PROTOBUF", is_key=is_key, schemas=schemas, optional=options["optional.for.nullables"]),
    ),
    "org.apache.kafka.connect.converters.IntegerConverter": ((), lambda options, schemas, is_key: _number("IntegerConverter", ">i")),
    "org.apache.kafka.connect.converters.LongConverter": ((), lambda options, schemas, is_key: _number("LongConverter", ">q")),
    "org.apache.kafka.connect.converters.ShortConverter": ((), lambda options, schemas, is_key: _number("ShortConverter", ">h")),
    "org.apache.kafka.connect.converters.DoubleConverter": ((), lambda options, schemas, is_key: _number("DoubleConverter", ">d")),
    "org.apache.kafka.connect.converters.FloatConverter": ((), lambda options, schemas, is_key: _number("FloatConverter", ">f")),
    "org.apache.kafka.connect.converters.BooleanConverter": ((), lambda options, schemas, is_key: _number("BooleanConverter", ">?")),
}
"""Class name -> its options, and how it is made from them."""


def short_name(class_name: str) -> str:
    """A class name without its package."""
    return class_name.rpartition(".")[2]


def source_converters(
    properties: Mapping[str, str], defaults: Mapping[str, str], schemas: SchemaRegistry, secrets: Secrets
) -> tuple[Converter, Converter]:
    """The converters of a source's keys and values, from its options and the defaults of all."""
    key = chosen("key.converter", properties, defaults, schemas, secrets)
    value = chosen("value.converter", properties, defaults, schemas, secrets)
    return key or TEXT, value or ByNature(WithSchema("AVRO", is_key=False, schemas=schemas))


def sink_converters(
    properties: Mapping[str, str], defaults: Mapping[str, str], schemas: SchemaRegistry, secrets: Secrets
) -> tuple[Converter, Converter] | None:
    """How a sink reads records of topics without a stream or table: None, where nothing says it."""
    key = chosen("key.converter", properties, defaults, schemas, secrets)
    value = chosen("value.converter", properties, defaults, schemas, secrets)
    return None if key is None and value is None else (key or TEXT, value or ByNature(TEXT))


def chosen(
    option: str, properties: Mapping[str, str], defaults: Mapping[str, str], schemas: SchemaRegistry, secrets: Secrets
) -> Converter | None:
    """The converter that the options name, or else the defaults; None where neither does. Raises ConfigError that names the option."""
    given = {name.lower(): text for name, text in properties.items()}
    if not given.get(option):
        given = {**{name: text for name, text in defaults.items() if name.startswith(option)}, **given}
    class_name = given.get(option)
    if not class_name:
        return None
    found = next((full for full in CLASSES if class_name.lower() in (full.lower(), short_name(full).lower())), None)
    if found is None:
        raise ConfigError(f"'{option}' is '{class_name}', which is not known.", mend=f"There are: {', '.join(map(short_name, CLASSES))}.")
    options, make = CLASSES[found]
    known = {option.name for option in options}
    start = f"{option}."
    own = {
        name: text
        for name, text in given.items()
        if name.startswith(start) and (name.removeprefix(start) in known or not _IGNORED.fullmatch(name.removeprefix(start)))
    }
    whole = [Option(start + o.name, o.type, "", o.default, choices=o.choices) for o in options]
    parsed = parse_options(whole, own, secrets, nested=True)
    return make({name.removeprefix(start): value for name, value in parsed.items()}, schemas, option.startswith("key"))
