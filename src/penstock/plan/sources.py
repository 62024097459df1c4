"""CREATE STREAM and CREATE TABLE over a topic: the columns, formats, timestamp and window that the source has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from penstock import formats
from penstock.catalog.model import DataSource
from penstock.errors import Position, SqlError
from penstock.functions import java_time
from penstock.plan.formats import check_key, check_value, read_formats, wraps
from penstock.plan.interfaces import CatalogView, SchemaLookup
from penstock.plan.properties import With, duration_ms, identifier, setting
from penstock.plan.scope import RESERVED, nearest
from penstock.plan.steps import Column, FormatSpec, HeaderColumn, Schema, TimestampSpec, WindowedKey, WindowKind
from penstock.plan.typed import resolve_type
from penstock.sql import ast
from penstock.sql.types import BIGINT, BYTES, STRING, TIMESTAMP, Array, Field, Struct, quote

HEADERS_TYPE = Array(Struct((Field("KEY", STRING), Field("VALUE", BYTES))))


def plan_create_source(statement: ast.CreateSource, catalog: CatalogView, schemas: SchemaLookup, defaults: Mapping[str, str]) -> DataSource:
    """The stream or table of a CREATE statement; columns that it leaves out come from the registered schemas. Raises SqlError."""
    if statement.or_replace and statement.is_source:
        kind = statement.kind.lower()
        raise SqlError(f"Cannot add {kind} '{statement.name}': CREATE OR REPLACE is not supported on source {kind}s.",
                       mend="Drop it, and create it anew.", position=statement.position)
    w = With(statement.properties, "source", statement.position)
    topic = w.text("KAFKA_TOPIC")
    if topic is None:
        raise w.error("Missing required property 'KAFKA_TOPIC' which has no default value.", "Write WITH (KAFKA_TOPIC='...').")
    key_format, value_format = read_formats(w, defaults, None)
    _check_columns(statement)
    key, value, headers = _declared(statement, catalog)
    key, value = _inferred(statement, w, topic, (key_format, value_format), (key, value), headers, schemas)
    body = [c for c in value if c.name not in {h.name for h in headers}]
    if not (*key, *value):
        raise w.error("No columns supplied.", "List them in brackets, or take a format whose schema is registered: AVRO, JSON_SR or PROTOBUF.")
    if statement.kind == "TABLE" and not key:
        raise w.error("Tables require a PRIMARY KEY. Please define the PRIMARY KEY.", "Write PRIMARY KEY behind the type of a column.")
    _check_names(key, value, statement.position)
    check_key(key_format, key, statement.position)
    check_value(value_format, body, statement.position)
    window = read_window(w)
    if window and not key:
        raise w.error("Windowed sources require a key column.", "Write KEY behind the type of a column.")
    schema = Schema(tuple(key), tuple(value))
    timestamp = read_timestamp(w, schema)
    return DataSource(statement.name, statement.kind, topic, schema, key_format, with_wrapping(value_format, body, defaults), timestamp, window,
                      tuple(headers), statement.is_source, statement.text)


def with_wrapping(spec: FormatSpec, columns: Sequence[Column], defaults: Mapping[str, str]) -> FormatSpec:
    """`spec` with the setting ksql.persistence.wrap.single.values, where that says something of these columns."""
    wanted = setting(defaults, "ksql.persistence.wrap.single.values")
    if spec.wrap_single is not None or wanted is None or len(columns) != 1:
        return spec
    wrap = wanted.lower() == "true"
    return replace(spec, wrap_single=wrap) if wraps(spec.name, wrap) else spec


# ---------------------------------------------------------------------------------------------- columns


def _check_columns(statement: ast.CreateSource) -> None:
    for column in statement.columns:
        if statement.kind == "TABLE" and column.constraint == "KEY":
            raise SqlError(f"Column `{column.name}` is a 'KEY' column: please use 'PRIMARY KEY' for tables.", mend="Tables have a PRIMARY KEY.",
                           position=column.position)
        if statement.kind == "STREAM" and column.constraint == "PRIMARY KEY":
            raise SqlError(f"Column `{column.name}` is a 'PRIMARY KEY' column: please use 'KEY' for streams.", mend="Streams have a KEY.",
                           position=column.position)
        if column.name in RESERVED:
            raise SqlError(f"'{column.name}' is a reserved column name. You cannot use it as a name for a column.", mend="Take another name.",
                           position=column.position)


def _declared(statement: ast.CreateSource, catalog: CatalogView) -> tuple[list[Column], list[Column], list[HeaderColumn]]:
    key: list[Column] = []
    value: list[Column] = []
    headers: list[HeaderColumn] = []
    for definition in statement.columns:
        type_ = resolve_type(definition.type, catalog, definition.position)
        column = Column(definition.name, type_)
        if definition.constraint in ("KEY", "PRIMARY KEY"):
            key.append(column)
            continue
        value.append(column)
        if definition.constraint in ("HEADERS", "HEADER"):
            _check_header(definition, column, headers)
            headers.append(HeaderColumn(column.name, definition.header))
    return key, value, headers


def _check_header(definition: ast.ColumnDefinition, column: Column, earlier: Sequence[HeaderColumn]) -> None:
    def fail(what: str, mend: str) -> SqlError:
        return SqlError(what, mend=mend, position=definition.position)

    if definition.constraint == "HEADERS":
        if column.type != HEADERS_TYPE:
            raise fail(f"Invalid type for HEADERS column: expected ARRAY<STRUCT<`KEY` STRING, `VALUE` BYTES>>, got {column.type}.",
                       "Write ARRAY<STRUCT<key STRING, value BYTES>>.")
        if earlier:
            raise fail("Schema already contains a HEADERS column.", "Keep one HEADERS column, or one HEADER('name') column for each name.")
        return
    if column.type != BYTES:
        raise fail(f"Invalid type for HEADER('{definition.header}') column: expected BYTES, got {column.type}.", "Write BYTES.")
    if any(h.header is None for h in earlier):
        raise fail("Schema already contains a HEADERS column.", "Keep one HEADERS column, or one HEADER('name') column for each name.")
    if any(h.header == definition.header for h in earlier):
        raise fail(f"Schema already contains a HEADER('{definition.header}') column.", "Leave one of them out.")


def _inferred(statement: ast.CreateSource, w: With, topic: str, specs: tuple[FormatSpec, FormatSpec], declared: tuple[list[Column], list[Column]],
              headers: Sequence[HeaderColumn], schemas: SchemaLookup) -> tuple[list[Column], list[Column]]:
    key_format, value_format = specs
    key, value = declared
    header_names = {h.name for h in headers}
    for columns, spec, name in ((key, key_format, "KEY"), ([c for c in value if c.name not in header_names], value_format, "VALUE")):
        if columns and spec.schema_id is not None:
            raise w.error(f"Table elements and {name}_SCHEMA_ID cannot both exist for create statement.", "Leave one of them out.")
    if not key and formats.format_named(key_format.name).has_schemas:
        key = list(schemas.columns(key_format, topic, True) or ())
    if len(header_names) == len(value) and formats.format_named(value_format.name).has_schemas:
        found = schemas.columns(value_format, topic, False)
        if found is None:
            what = f"the id {value_format.schema_id}" if value_format.schema_id is not None else f"the subject {topic}-value"
            raise w.error(f"Schema for message values on topic '{topic}' does not exist in the Schema Registry: there is none under {what}.",
                          "List the columns in brackets, or register the schema first.")
        value = [*found, *value]
    return key, value


def _check_names(key: Sequence[Column], value: Sequence[Column], position: Position | None) -> None:
    for kind, columns in (("key", key), ("value", value)):
        for number, column in enumerate(columns):
            earlier = [*columns[:number], *(key if kind == "value" else ())]
            if any(c.name == column.name for c in earlier):
                raise SqlError(f"Duplicate {kind} columns found in schema: {quote(column.name)} {column.type}.", mend="Rename one of them.",
                               position=position)
            if column.name in RESERVED:
                raise SqlError(f"'{column.name}' is a reserved column name. You cannot use it as a name for a column.",
                               mend="List the columns in brackets, under other names.", position=position)


# ---------------------------------------------------------------------------------------------- window and timestamp


def read_window(w: With) -> WindowedKey | None:
    """WINDOW_TYPE and WINDOW_SIZE of a WITH clause. Raises SqlError."""
    kind, size = w.text("WINDOW_TYPE"), w.text("WINDOW_SIZE")
    if kind is None:
        if size is not None:
            raise w.error("'WINDOW_SIZE' is only of use with 'WINDOW_TYPE'.", "Add WINDOW_TYPE='TUMBLING'.")
        return None
    kinds: dict[str, WindowKind] = {"TUMBLING": "TUMBLING", "HOPPING": "HOPPING", "SESSION": "SESSION"}
    if kind.upper() not in kinds:
        raise w.error(f"Configuration WINDOW_TYPE is invalid: '{kind}'.", nearest(kind, kinds) or f"There are {', '.join(kinds)}.")
    if kind.upper() == "SESSION":
        if size is not None:
            raise w.error("'WINDOW_SIZE' should not be set for SESSION windows.", "Leave it out.")
        return WindowedKey("SESSION")
    if size is None:
        raise w.error("'WINDOW_SIZE' must be provided for TUMBLING and HOPPING windows.", "Add WINDOW_SIZE='30 SECONDS', say.")
    size_ms = duration_ms(size, "WINDOW_SIZE", w.position)
    if size_ms <= 0:
        raise w.error("Configuration WINDOW_SIZE is invalid: it must be positive.", "Write '30 SECONDS', say.")
    return WindowedKey(kinds[kind.upper()], size_ms)


def read_timestamp(w: With, schema: Schema) -> TimestampSpec | None:
    """TIMESTAMP and TIMESTAMP_FORMAT of a WITH clause, over the columns of `schema`. Raises SqlError."""
    text, pattern = w.text("TIMESTAMP"), w.text("TIMESTAMP_FORMAT")
    if text is None:
        if pattern is not None:
            raise w.error("'TIMESTAMP_FORMAT' is only of use with 'TIMESTAMP'.", "Name the column with TIMESTAMP='...'.")
        return None
    name = identifier(text)
    column = next((c for c in schema.columns if c.name == name), None)
    if column is None:
        raise w.error(f"The TIMESTAMP column set in the WITH clause does not exist in the schema: '{name}'.",
                      nearest(name, [c.name for c in schema.columns]))
    if column.type == STRING:
        if pattern is None:
            raise w.error("A String timestamp field has been specified without also specifying the timestamp_format.", "Add TIMESTAMP_FORMAT='...'.")
        try:
            java_time.pattern(pattern)
        except ValueError as error:
            raise w.error(f"'TIMESTAMP_FORMAT' cannot be used: {error}.", "Write it like 'yyyy-MM-dd HH:mm:ss'.") from None
        return TimestampSpec(name, pattern)
    if column.type not in (BIGINT, TIMESTAMP):
        raise w.error(f"Timestamp column, {quote(name)}, should be LONG(INT64), TIMESTAMP, or a String with a timestamp_format specified, "
                      f"but is {column.type}.", "Take another column.")
    if pattern is not None:
        raise w.error("'TIMESTAMP_FORMAT' set in the WITH clause can only be used when the timestamp column is of type STRING.", "Leave it out.")
    return TimestampSpec(name)
