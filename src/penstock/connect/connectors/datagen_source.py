"""Datagen source: made-up records at a set rate."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from penstock.connect.contract import SourceContext, SourceDefinition
from penstock.connect.datagen.generator import Generator
from penstock.connect.datagen.quickstarts import QUICKSTARTS
from penstock.connect.options import REQUIRED, Option
from penstock.connect.records import SourceBatch, SourceRecord
from penstock.connect.secrets import Secrets
from penstock.errors import ConfigError

PART = "datagen"
BATCH_MAX = 1000

OPTIONS = (
    Option("kafka.topic", "string", "The topic to write to.", REQUIRED, aliases=("topic",)),
    Option("quickstart", "choice", "A schema that comes with Penstock.", None, choices=tuple(QUICKSTARTS)),
    Option("schema.string", "string", "The Avro schema of the records, as JSON.", None),
    Option("schema.filename", "path", "A file that holds the Avro schema.", None),
    Option("schema.keyfield", "string", "The field that is the records' key. Without it a quickstart has its own, another schema none.", None),
    Option("max.interval", "integer", "The longest wait between two records, in ms; each is a part of it. 0: as fast as it goes.", 500, minimum=0),
    Option("rate", "integer", "How many records there are a second, evenly; in place of `max.interval`.", None, minimum=1),
    Option("iterations", "integer", "How many records there are altogether; less than 1: no end.", -1),
    Option("random.seed", "integer", "The same seed makes the same records.", 0, aliases=("generate.seed",)),
    Option(
        "time.start",
        "integer",
        "The time of the first record, in ms since 1970; each further one is later by the distance of `rate`, or by `max.interval`, however fast "
        "they come. Without it the times are those of the making.",
        None,
        minimum=0,
    ),
)


class DatagenSource:
    """The source of the one task. A record is a function of the seed and its number: the position is how many there are."""

    def __init__(self, options: Mapping[str, Any], secrets: Secrets, context: SourceContext) -> None:
        self._context = context
        self._topic: str = options["kafka.topic"]
        schema, option, key = _schema(options)
        self._generator = Generator(schema, option, options["random.seed"], secrets.files)
        self._key: str | None = options["schema.keyfield"] or key
        key_field = self._generator.schema.field(self._key) if self._key else None
        if self._key and key_field is None:
            names = ", ".join(field.name for field in self._generator.schema.fields)
            raise ConfigError(f"'schema.keyfield' is '{self._key}', which is no field of the schema.", mend=f"It has: {names}.")
        self._key_type = None if key_field is None else key_field.type
        self._end: int = options["iterations"]
        self._time_start: int | None = options["time.start"]
        self._gap_s = 1 / options["rate"] if options["rate"] else options["max.interval"] / 1000
        self._even = options["rate"] is not None
        self._number = int(context.positions.get(PART, {"generated": 0})["generated"])
        self._due_at = time.monotonic()

    def poll(self) -> SourceBatch:
        """The records that are due, after a wait where there are none."""
        if 0 < self._end <= self._number:
            self._context.wait()
            return SourceBatch()
        early_s = self._due_at - time.monotonic()
        if early_s > 0:
            self._context.wait(early_s)
        now = time.monotonic()
        if now - self._due_at > 1:  # after a pause or a standstill the rest of a second is made up for, not the whole
            self._due_at = now - 1
        made: list[SourceRecord] = []
        while len(made) < BATCH_MAX and self._due_at <= now and (self._end < 1 or self._number + len(made) < self._end):
            made.append(self._record(self._number + len(made)))
            self._due_at += self._gap_s if self._even else self._gap_s * _part(self._number + len(made))
        return SourceBatch(made, {PART: {"generated": self._number + len(made)}} if made else {})

    def _record(self, number: int) -> SourceRecord:
        at_ms = time.time_ns() // 1_000_000 if self._time_start is None else self._time_start + round(number * self._gap_s * 1000)
        value = self._generator.record(number, at_ms)
        key = value[self._key] if self._key else None
        headers = [("task.id", b"0"), ("current.iteration", str(number).encode())]
        return SourceRecord(self._topic, value, key, self._generator.schema, self._key_type, at_ms, headers=headers)

    def committed(self, batch: SourceBatch) -> None:
        """These are made for good."""
        self._number += len(batch.records)

    def close(self) -> None:
        """Nothing is held."""


def _part(number: int) -> float:
    """A part of the longest wait, spread evenly over 0 to 1 without random numbers, which belong to the records."""
    return number * 0.6180339887498949 % 1


def _schema(options: Mapping[str, Any]) -> tuple[Mapping[str, Any], str, str | None]:
    """The schema, the option it came by, and the key that goes with it."""
    given = [name for name in ("quickstart", "schema.string", "schema.filename") if options[name] is not None]
    if len(given) != 1:
        raise ConfigError(
            f"The connector has {' and '.join(given) or 'no schema'}.", mend="Give one of 'quickstart', 'schema.string' and 'schema.filename'."
        )
    option = given[0]
    if option == "quickstart":
        quickstart = QUICKSTARTS[options[option]]
        return quickstart.schema, option, quickstart.key
    text = options[option]
    if option == "schema.filename":
        try:
            text = text.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"'schema.filename': {options[option]} cannot be read: {error.strerror}.") from error
    try:
        schema = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"'{option}' is not JSON: {error}.") from error
    if not isinstance(schema, dict):
        raise ConfigError(f"'{option}' is no schema of a record.", mend='Write {"type": "record", "name": ..., "fields": [...]}.')
    return schema, option, None


DEFINITION = SourceDefinition(
    class_names=("DatagenSource", "DatagenConnector", "io.confluent.kafka.connect.datagen.DatagenConnector"),
    summary="Makes up records at a set rate: ratings, readings, clicks, or what a schema says.",
    documentation="""\
Each record follows from `random.seed` and its number alone, so that the same options make the same records, and a connector that starts again goes on
with the next one. Fields that show the time do so by the clock, unless `time.start` is given.

Quickstarts: `ratings` (rating_id, user_id 1 to 20, stars, route_id, rating_time, channel, message), `readings` (sensor_id, temperature, humidity,
battery, reading_time), `clickstream`, `clickstream_codes`, `users`, `pageviews`, `orders`, `product`, `inventory`, `purchases`, `stock_trades`. The
values are Penstock's own. A record's headers are `task.id` and `current.iteration`, its number from 0.

A schema of one's own is an Avro record; `arg.properties` beside a type say what its values are, as the Avro random generator has them:

| property | of | meaning |
| --- | --- | --- |
| `range` | numbers | an object of `min` and `max`; `max` itself does not come |
| `options` | any | a list of values to choose from, or `{"file": PATH, "encoding": "json"}`, a file of such below the allowed folders |
| `iteration` | numbers | `start`, then by `step` (1) up to `restart`, which does not come, then from `start` again; `initial` is the first of all |
| `iteration` | truth values | `start` alone: they alternate |
| `kind` | texts | `uuid`, `name` or `email` |
| `position` | unions | the number of the type, from 0, that every value has |
| `distribution` | unions | an object of the types' numbers and how probable each is, 1 together: `{"0": 0.2, "1": 0.8}` |
| `regex` | texts | a regular expression that the text matches |
| `length` | texts, bytes, lists, maps | a number, or an object of `min` and `max` |
| `prefix`, `suffix` | texts | what stands around the rest |
| `odds` | truth values | how probable true is |
| `keys` | maps | the properties of the keys |
| `now` | numbers | Penstock's own: `true` is the record's time in ms |""",
    example="""\
CREATE SOURCE CONNECTOR ratings WITH (
  'connector.class' = 'DatagenSource',
  'kafka.topic' = 'ratings',
  'quickstart' = 'ratings',
  'rate' = '5'
);""",
    options=OPTIONS,
    open=DatagenSource,
)
