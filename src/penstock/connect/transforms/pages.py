"""The documentation of transforms, predicates and converters, from their definitions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from penstock.connect.converters import CLASSES, short_name
from penstock.connect.options import Option, default_text
from penstock.connect.text import json_text
from penstock.connect.transforms.chain import PREDICATES, TRANSFORMS
from penstock.connect.transforms.definition import TransformDefinition
from penstock.connect.transforms.message import Message

_CONVERTERS = {
    "StringConverter": "text in UTF-8; objects and lists as JSON, dates and times in ISO 8601",
    "ByteArrayConverter": "bytes as they stand",
    "JsonConverter": "JSON: with `.schemas.enable` (true unless given) an object of `schema` and `payload`, as Kafka Connect writes it, without "
    "it the payload alone. Dates are days, times ms. `.decimal.format` is `numeric` (as the digits stand) unless it is `base64`, the default there.",
    "AvroConverter": "AVRO, the schema under the subject TOPIC-key or TOPIC-value",
    "JsonSchemaConverter": "JSON_SR, the schema under the subject TOPIC-key or TOPIC-value",
    "ProtobufConverter": "PROTOBUF, the schema under the subject TOPIC-key or TOPIC-value; `.optional.for.nullables` tells NULL from 0",
    "IntegerConverter": "4 bytes, as the format KAFKA has an INTEGER",
    "LongConverter": "8 bytes, as the format KAFKA has a BIGINT",
    "ShortConverter": "2 bytes",
    "DoubleConverter": "8 bytes, as the format KAFKA has a DOUBLE",
    "FloatConverter": "4 bytes",
    "BooleanConverter": "one byte",
}


def pages() -> Iterator[tuple[str, str]]:
    """(path below docs/, text) of the two pages."""
    yield "connectors/transforms.md", "\n".join(_transforms())
    yield "connectors/converters.md", "\n".join(_converters())


def _transforms() -> Iterator[str]:
    yield from (
        "# Transforms",
        "",
        "A connector's records pass through its transforms one by one: a source's before they are written, a sink's before they are delivered.",
        "",
        "```sql",
        "  'transforms' = 'row,route',",
        "  'transforms.row.type' = 'io.debezium.transforms.ExtractNewRecordState',",
        "  'transforms.route.type' = 'RegexRouter',",
        "  'transforms.route.regex' = 'db\\.(.*)',",
        "  'transforms.route.replacement' = '$1'",
        "```",
        "",
        "A type is written in full (`org.apache.kafka.connect.transforms.RegexRouter`) or short. One with `$Key` or `$Value` behind its name works",
        "on the key or on the value. Names of fields are looked for exactly, then without regard to case. Where the value has a schema, value and",
        "schema change together. What a transform cannot do to a record goes the way that `errors.tolerance` says.",
        "",
        "Of a sink's record the key is the value of the key's column, an object where there are several; the value holds the other columns. A key or",
        "value that is no object reaches the sink as the column `ROWKEY` or `ROWVAL`.",
        "",
    )
    for definition in TRANSFORMS:
        yield from _transform(definition)
    yield from (
        "## Predicates",
        "",
        "`transforms.NAME.predicate` names a predicate of the option `predicates`: the transform applies to the records that it holds true of, or",
        "with `transforms.NAME.negate` to all others.",
        "",
        "```sql",
        "  'transforms' = 'drop',",
        "  'transforms.drop.type' = 'Filter',",
        "  'transforms.drop.predicate' = 'gone',",
        "  'predicates' = 'gone',",
        "  'predicates.gone.type' = 'RecordIsTombstone'",
        "```",
        "",
    )
    for predicate in PREDICATES:
        options = "; ".join(f"`{option.name}`: {option.documentation}" for option in predicate.options)
        yield f"- `{predicate.name}` (`{predicate.package}{predicate.name}`): {predicate.summary} {options}".rstrip()


def _transform(definition: TransformDefinition) -> Iterator[str]:
    names = [f"{definition.name}${side}" for side in ("Key", "Value")] if definition.sided else [definition.name]
    shown = ", ".join(f"`{name}`" for name in (*names, *(definition.package + name for name in names)))
    yield from (f"## {definition.name}", "", definition.summary, "", f"`type`: {shown}", "")
    if definition.documentation:
        yield from (definition.documentation, "")
    if definition.options:
        yield from (*_table(definition.options), "")
    yield "```"
    yield from (f"transforms.x.{name} = {text}" for name, text in definition.example.options.items())
    yield ""
    yield f"before  {_message(definition.example.before)}"
    yield f"after   {_message(definition.example.after) if definition.example.after else 'nothing: the record is dropped'}"
    yield from ("```", "")


def _message(message: Message) -> str:
    headers = "".join(f", header {name}={value.decode()}" for name, value in message.headers)
    key = "" if message.key is None else f", key {json_text(message.key)}"
    time = "" if message.timestamp is None else f", timestamp {message.timestamp}"
    schema = "" if message.value_schema is None else f", of {message.value_schema}"
    return f"topic {message.topic}{key}, value {json_text(message.value)}{schema}{headers}{time}"


def _table(options: Sequence[Option]) -> Iterator[str]:
    yield from ("| option | type | default | meaning |", "| --- | --- | --- | --- |")
    for option in options:
        kind = " or ".join(f"`{choice}`" for choice in option.choices) if option.choices else option.type
        also = f" Also written {', '.join(f'`{alias}`' for alias in option.aliases)}." if option.aliases else ""
        default = "none" if option.default == [] else default_text(option)
        yield f"| `{option.name}` | {kind} | {default} | {option.documentation}{also} |"


def _converters() -> Iterator[str]:
    yield from (
        "# Converters",
        "",
        "A source's `key.converter` and `value.converter` say what its keys and values become as bytes. Without them the settings of the same names",
        "hold, and without those keys become text, and values AVRO where the source knows their schema, JSON where it does not; text and bytes stay",
        "as they are. A schema is registered under its topic's subject with the fields' names as the source has them; where the subject's",
        "compatibility forbids it, the record is refused, and the reason says so.",
        "",
        "A sink reads a topic as its stream or table says. For a topic that has neither, the same options say how to read it.",
        "",
        "| class | bytes |",
        "| --- | --- |",
    )
    for full in CLASSES:
        yield f"| `{full}`, or `{short_name(full)}` | {_CONVERTERS[short_name(full)]} |"
