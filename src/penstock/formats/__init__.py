"""Formats: the bytes of records to columns and back, a batch at a time. A format is one module, loaded when it is first used."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from penstock.errors import SchemaError, SqlError
from penstock.formats.contract import Column, Decoded, Decoder, Encoded, Encoder, RowError, SerdeOptions
from penstock.formats.definition import Format, is_unwrapped, upper_names
from penstock.registry.model import Schema, SchemaRegistry
from penstock.sql.types import Struct

__all__ = [
    "NAMES", "Column", "Decoded", "Decoder", "Encoded", "Encoder", "Format", "RowError", "SerdeOptions",
    "check_columns", "decoder", "encoder", "format_named", "formats", "infer_columns", "register_schema",
]

NAMES = ("AVRO", "DELIMITED", "JSON", "JSON_SR", "KAFKA", "NONE", "PROTOBUF", "PROTOBUF_NOSR")


def format_named(name: str) -> Format:
    """The definition of a format, by its name in any case; SqlError where there is none."""
    known = name.upper()
    if known not in NAMES:
        raise SqlError(f"Unknown format: {name}.", mend=f"The formats are {', '.join(NAMES)}.")
    definition: Format = importlib.import_module(f"penstock.formats.{known.lower()}").FORMAT
    return definition


def formats() -> list[Format]:
    """All formats, by name."""
    return [format_named(name) for name in NAMES]


def check_columns(name: str, columns: Sequence[Column], options: SerdeOptions) -> None:
    """Raise SqlError where the format cannot hold the columns, or cannot do what the options ask."""
    reason = format_named(name).reject(columns, options)
    if reason:
        raise SqlError(f"{reason}.", mend="Choose another format (JSON takes most types), or other columns.")


def decoder(name: str, columns: Sequence[Column], options: SerdeOptions, schemas: SchemaRegistry) -> Decoder:
    """The reader of a format's records into `columns`. It never raises for data: a bad record is a RowError.
    Raises SqlError for columns that the format cannot hold, SchemaError where a pinned schema is unknown."""
    check_columns(name, columns, options)
    return format_named(name).decode(columns, options, schemas)


def encoder(name: str, columns: Sequence[Column], options: SerdeOptions, schemas: SchemaRegistry) -> Encoder:
    """The writer of `columns` as a format's records. A format with schemas writes by the schema pinned in the options, or else registers the
    columns' own (`register_schema`). Raises SqlError for columns that the format cannot hold, SchemaError for schemas."""
    check_columns(name, columns, options)
    return format_named(name).encode(columns, options, schemas)


def infer_columns(name: str, options: SerdeOptions, schemas: SchemaRegistry) -> list[Column]:
    """The columns of a registered schema: that of `options.schema_id`, or else the newest of `options.subject`. Names become upper case, but by
    id they stay as they are. Raises SchemaError where there is no schema, SqlError for a format without schemas."""
    definition = format_named(name)
    if definition.infer is None:
        raise SqlError(
            f"The {definition.name} format has no schemas to take columns from.", mend="List the columns in the statement.",
        )
    if options.schema_id is not None:
        schema = schemas.by_id(options.schema_id)
    else:
        latest = schemas.latest(options.subject)
        if latest is None:
            raise SchemaError(
                f"There is no schema for subject {options.subject}.", mend="Register one, or list the columns in the statement.",
            )
        schema = latest.schema
    if schema.type != definition.schema_type:
        raise SchemaError(
            f"The schema of {options.subject} is of type {schema.type}, but the {definition.name} format needs {definition.schema_type}.",
            mend="Use the format that the schema is of.",
        )
    return definition.infer(schema, options, schemas)


def register_schema(name: str, columns: Sequence[Column], options: SerdeOptions, schemas: SchemaRegistry) -> int | None:
    """Register the schema of `columns` under `options.subject`, as CREATE does for a format with schemas; return its id, or None for a format
    without. Where `options.schema_id` pins a schema, that is the one, and where the newest schema of the subject gives these very columns, it
    stays: who registered it knows its names, types and documentation better. Raises SchemaError where it is refused as incompatible."""
    check_columns(name, columns, options)
    definition = format_named(name)
    if definition.schema is None:
        return None
    if options.schema_id is not None:
        schemas.by_id(options.schema_id)
        return options.schema_id
    latest = schemas.latest(options.subject)
    fits = latest is not None and latest.schema.type == definition.schema_type and _same_columns(definition, columns, options, latest.schema, schemas)
    if latest is not None and fits and options.full_schema_name is None:
        return latest.id
    try:
        return schemas.register(options.subject, definition.schema(columns, options))
    except SchemaError:
        if latest is not None and fits:  # the name that was asked for is refused, but the columns are there
            return latest.id
        raise


def _same_columns(definition: Format, columns: Sequence[Column], options: SerdeOptions, schema: Schema, schemas: SchemaRegistry) -> bool:
    """Whether the columns of a registered schema are these, but for the case of their names."""
    if definition.infer is None:
        return False
    try:
        found = definition.infer(schema, options, schemas)
    except (SchemaError, SqlError):
        return False  # a schema that columns cannot be taken from is not theirs
    unwrapped = is_unwrapped(definition, columns, options)
    if not unwrapped and len(found) == 1 and found[0].name == "ROWKEY" and isinstance(found[0].type, Struct):
        found = [Column(f.name, f.type) for f in found[0].type.fields]
    if unwrapped:
        return len(found) == 1 and upper_names(found[0].type) == upper_names(columns[0].type)
    return [(c.name.upper(), upper_names(c.type)) for c in found] == [(c.name.upper(), upper_names(c.type)) for c in columns]
