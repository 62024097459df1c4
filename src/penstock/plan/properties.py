"""The properties of a WITH clause: one definition each, which reads them, checks them and documents them (docs/sql/properties.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal as OneOf

from penstock.errors import Position, SqlError
from penstock.plan.scope import nearest
from penstock.sql.ast import Properties, PropertyValue

Place = OneOf["source", "sink", "insert"]


@dataclass(frozen=True)
class Property:
    """`places`: CREATE STREAM/TABLE (source), CREATE ... AS SELECT (sink), INSERT INTO ... SELECT (insert)."""

    name: str
    type: OneOf["string", "integer", "boolean"]
    places: tuple[Place, ...]
    default: str
    documentation: str


_BOTH: tuple[Place, ...] = ("source", "sink")
PROPERTIES = (
    Property("KAFKA_TOPIC", "string", _BOTH, "source: required; sink: its name in upper case", "The topic that is read or written."),
    Property("FORMAT", "string", _BOTH, "", "The format of keys and values at once; not together with KEY_FORMAT or VALUE_FORMAT."),
    Property("KEY_FORMAT", "string", _BOTH, "source: ksql.persistence.default.format.key, else KAFKA; sink: that of the first source",
             "The format of keys: AVRO, DELIMITED, JSON, JSON_SR, KAFKA, NONE, PROTOBUF or PROTOBUF_NOSR."),
    Property("VALUE_FORMAT", "string", _BOTH, "source: ksql.persistence.default.format.value, else required; sink: that of the first source",
             "The format of values: AVRO, DELIMITED, JSON, JSON_SR, KAFKA, NONE, PROTOBUF or PROTOBUF_NOSR."),
    Property("PARTITIONS", "integer", _BOTH, "that of the topic; sink: that of the first source's topic",
             "How many partitions the topic gets where it is created."),
    Property("REPLICAS", "integer", _BOTH, "1", "How many copies of each partition Apache Kafka keeps; the embedded log keeps one."),
    Property("RETENTION_MS", "integer", _BOTH, "for ever; sink: that of the first source's stream, or of the window",
             "How long the topic keeps records, in ms, where it is created; -1 keeps them for ever. A windowed table's stay at least as long as its "
             "window's RETENTION. CREATE OR REPLACE changes it."),
    Property("CLEANUP_POLICY", "string", _BOTH, "stream: delete; table: compact; windowed table: compact,delete",
             "`delete` drops records by age, `compact` keeps the last of each key, `compact,delete` does both."),
    Property("TIMESTAMP", "string", _BOTH, "the record's own timestamp",
             "The column that gives the row its time (ROWTIME): a BIGINT (ms since 1970), a TIMESTAMP, or a STRING read by TIMESTAMP_FORMAT."),
    Property("TIMESTAMP_FORMAT", "string", _BOTH, "", "How TIMESTAMP's STRING column is written, in java.time's letters: `yyyy-MM-dd HH:mm:ss`."),
    Property("WRAP_SINGLE_VALUE", "boolean", _BOTH, "ksql.persistence.wrap.single.values, else the format's own way",
             "Whether a value of one column is a record with one field (true) or the bare value (false)."),
    Property("WINDOW_TYPE", "string", ("source",), "", "The window in the topic's keys: TUMBLING, HOPPING or SESSION."),
    Property("WINDOW_SIZE", "string", ("source",), "", "The size of a TUMBLING or HOPPING window: `30 SECONDS`."),
    Property("KEY_DELIMITER", "string", _BOTH, ",", "The character between the columns of a DELIMITED key; also SPACE or TAB."),
    Property("VALUE_DELIMITER", "string", _BOTH, ",", "The character between the columns of a DELIMITED value; also SPACE or TAB."),
    Property("KEY_SCHEMA_ID", "integer", _BOTH, "", "The id of the registered schema that keys are read or written with."),
    Property("VALUE_SCHEMA_ID", "integer", _BOTH, "", "The id of the registered schema that values are read or written with."),
    Property("KEY_SCHEMA_FULL_NAME", "string", _BOTH, "", "The full name of the key's schema: AVRO record, PROTOBUF message or JSON title."),
    Property("VALUE_SCHEMA_FULL_NAME", "string", _BOTH, "", "The full name of the value's schema: AVRO record, PROTOBUF message or JSON title."),
    Property("VALUE_AVRO_SCHEMA_FULL_NAME", "string", _BOTH, "io.confluent.ksql.avro_schemas.KsqlDataSourceSchema",
             "The older spelling of VALUE_SCHEMA_FULL_NAME, for AVRO."),
    Property("KEY_PROTOBUF_NULLABLE_REPRESENTATION", "string", _BOTH, "",
             "How PROTOBUF keys tell NULL from a type's zero: OPTIONAL (optional fields) or WRAPPER (wrapper messages)."),
    Property("VALUE_PROTOBUF_NULLABLE_REPRESENTATION", "string", _BOTH, "",
             "How PROTOBUF values tell NULL from a type's zero: OPTIONAL (optional fields) or WRAPPER (wrapper messages)."),
    Property("SOURCED_BY_CONNECTOR", "string", _BOTH, "", "The connector that writes the topic; for the record only."),
    Property("QUERY_ID", "string", ("sink", "insert"), "made from the statement", "The id of the persistent query."),
)
_MENDS = {"KEY": "Declare the column as the key: `name type KEY` for a stream, `name type PRIMARY KEY` for a table."}
_BY_NAME = {p.name: p for p in PROPERTIES}
_UNITS_MS = {"MILLISECOND": 1, "SECOND": 1000, "MINUTE": 60_000, "HOUR": 3_600_000, "DAY": 86_400_000, "WEEK": 604_800_000, "MONTH": 2_592_000_000,
             "YEAR": 31_536_000_000}


class With:
    """A WITH clause, read by property and checked on the way in. Raises SqlError: an unknown property, or a value of a wrong type."""

    def __init__(self, properties: Properties, place: Place, position: Position | None) -> None:
        self.position = position
        self._values: dict[str, PropertyValue] = {}
        for name, value in properties.items():
            definition = _BY_NAME.get(name)
            if definition is None or place not in definition.places:
                known = [p.name for p in PROPERTIES if place in p.places]
                mend = _MENDS.get(name) or nearest(name, known) or f"There are {', '.join(known)}."
                raise SqlError(f"Invalid config variable(s) in the WITH clause: {name}.", mend=mend, position=position)
            self._values[name] = _checked(definition, value, position)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str) -> str | None:
        """A string property, or None where it is not given."""
        value = self._values.get(name)
        assert value is None or isinstance(value, str)
        return value

    def number(self, name: str) -> int | None:
        """An integer property, or None where it is not given."""
        value = self._values.get(name)
        assert value is None or isinstance(value, int)
        return value

    def flag(self, name: str) -> bool | None:
        """A boolean property, or None where it is not given."""
        value = self._values.get(name)
        assert value is None or isinstance(value, bool)
        return value

    def error(self, what: str, mend: str = "") -> SqlError:
        """An error at the place of the statement."""
        return SqlError(what, mend=mend, position=self.position)


def _checked(definition: Property, value: PropertyValue, position: Position | None) -> PropertyValue:
    name = definition.name
    if definition.type == "string" and isinstance(value, str):
        return value
    if definition.type == "integer":
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, str) and re.fullmatch(r"\s*-?\d+\s*", value):
            return int(value)
    if definition.type == "boolean":
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.strip().lower() in ("true", "false"):
            return value.strip().lower() == "true"
    example = {"string": f"{name}='...'", "integer": f"{name}=4", "boolean": f"{name}=true"}[definition.type]
    wanted = "an integer" if definition.type == "integer" else f"a {definition.type}"
    raise SqlError(f"Invalid value {value!r} for configuration {name}: expected {wanted}.", mend=f"Write {example}.", position=position)


def duration_ms(text: str, name: str, position: Position | None) -> int:
    """A duration such as `30 SECONDS` in ms. Raises SqlError."""
    problem = f"Configuration {name} is invalid: Invalid duration: '{text}'."
    parts = text.split()
    if len(parts) != 2 or not parts[0].isdigit():
        raise SqlError(problem, mend="Write it like '30 SECONDS'.", position=position)
    unit = parts[1].upper()
    size = _UNITS_MS.get(unit) or (_UNITS_MS.get(unit[:-1]) if unit.endswith("S") else None)
    if size is None:
        raise SqlError(f"{problem} Unknown time unit: '{unit}'.", mend=f"There are {', '.join(_UNITS_MS)}.", position=position)
    return int(parts[0]) * size


def identifier(text: str) -> str:
    """A column's name given as a property: upper case unless quoted."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "`\"":
        return text[1:-1].replace(text[0] * 2, text[0])
    return text.upper()


def setting(defaults: Mapping[str, str], name: str) -> str | None:
    """A setting of the session or the server, with or without the prefix of ksqlDB's streams settings; None where it is not set."""
    value = defaults.get(name)
    return None if value is None or value == "" else str(value)


def page() -> str:
    """The page docs/sql/properties.md."""
    where = {"source": "CREATE STREAM, CREATE TABLE", "sink": "CREATE ... AS SELECT", "insert": "INSERT INTO ... SELECT"}
    lines = [
        "# Properties of the WITH clause", "",
        "Made from their definitions in `src/penstock/plan/properties.py`. Names are in any case; values are strings, numbers or booleans.", "",
        "| property | type | where | default | meaning |", "| --- | --- | --- | --- | --- |",
        *(f"| `{p.name}` | {p.type} | {'; '.join(where[place] for place in p.places)} | {p.default} | {p.documentation} |" for p in PROPERTIES),
    ]
    return "\n".join(lines) + "\n"
