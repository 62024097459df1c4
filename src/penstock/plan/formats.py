"""What each format can hold, and the formats that a WITH clause asks for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from penstock import formats
from penstock.errors import Position, SqlError
from penstock.plan.properties import With, setting
from penstock.plan.scope import nearest
from penstock.plan.steps import Column, FormatSpec
from penstock.sql.types import Array, Map, SqlType, Struct, quote

_FULL_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII)
_OPTION_NAMES = {"DELIMITER": "delimiter", "SCHEMA_FULL_NAME": "fullSchemaName", "PROTOBUF_NULLABLE_REPRESENTATION": "nullableRepresentation"}
"""The properties of a format's own, behind KEY_ and VALUE_, and what ksqlDB calls them in its messages."""


def _takes(name: str) -> set[str]:
    """The properties that a format takes, by its definition."""
    return {part.strip() for names in formats.format_named(name).options for part in names.split(",")}


def wraps(name: str, wanted: bool) -> bool:
    """Whether the values of a format can be wrapped in a record (`wanted`), or stand bare."""
    definition = formats.format_named(name)
    return definition.can_wrap if wanted else definition.can_unwrap


def read_formats(w: With, defaults: Mapping[str, str], inherited: tuple[FormatSpec, FormatSpec] | None) -> tuple[FormatSpec, FormatSpec]:
    """The key's and the value's format of a WITH clause; `inherited` are those of the first source of a query. Raises SqlError."""
    for side in ("KEY", "VALUE"):
        if "FORMAT" in w and f"{side}_FORMAT" in w:
            raise w.error(f"Cannot supply both '{side}_FORMAT' and 'FORMAT' properties, as 'FORMAT' sets both key and value formats.",
                          "Either use just 'FORMAT', or use 'KEY_FORMAT' and 'VALUE_FORMAT'.")
    return _read(w, "KEY", defaults, inherited[0] if inherited else None), _read(w, "VALUE", defaults, inherited[1] if inherited else None)


def _read(w: With, side: str, defaults: Mapping[str, str], inherited: FormatSpec | None) -> FormatSpec:
    given = w.text(f"{side}_FORMAT") or w.text("FORMAT")
    if given is None and inherited is not None:
        spec = replace(inherited, schema_id=None, full_schema_name=None, wrap_single=None)
    else:
        name = given or setting(defaults, f"ksql.persistence.default.format.{side.lower()}") or ("KAFKA" if side == "KEY" else None)
        if name is None:
            raise w.error("Statement is missing the 'VALUE_FORMAT' property from the WITH clause.",
                          "Either provide one or set a default via the 'ksql.persistence.default.format.value' config.")
        spec = FormatSpec(_known(name, w.position))
        if side == "VALUE" and not formats.format_named(spec.name).as_value:
            raise w.error(f"The '{spec.name}' format can only be used for keys.", "Take another VALUE_FORMAT.")
    spec = _with_options(w, side, spec)
    if side == "VALUE":
        wrap = w.flag("WRAP_SINGLE_VALUE")
        if wrap is not None and not wraps(spec.name, wrap):
            raise w.error(f"Format '{spec.name}' does not support 'WRAP_SINGLE_VALUE' set to '{str(wrap).lower()}'.", "Leave it out.")
        spec = replace(spec, wrap_single=wrap)
    return spec


def _known(name: str, position: Position | None) -> str:
    if name.upper() not in formats.NAMES:
        mend = nearest(name, formats.NAMES) or f"There are {', '.join(formats.NAMES)}."
        raise SqlError(f"Unknown format: {name.upper()}.", mend=mend, position=position)
    return name.upper()


def _with_options(w: With, side: str, spec: FormatSpec) -> FormatSpec:
    allowed = _takes(spec.name)
    for kind, shown in _OPTION_NAMES.items():
        given = f"{side}_{kind}" in w or (kind == "SCHEMA_FULL_NAME" and side == "VALUE" and "VALUE_AVRO_SCHEMA_FULL_NAME" in w)
        if given and f"{side}_{kind}" not in allowed:
            raise w.error(f"{spec.name} does not support the following configs: [{shown}].", "Leave the property out, or take another format.")
    schema_id = w.number(f"{side}_SCHEMA_ID")
    if schema_id is not None and not formats.format_named(spec.name).has_schemas:
        raise w.error(f"{side}_FORMAT should support schema inference when {side}_SCHEMA_ID is provided. Current format is {spec.name}.",
                      "Take AVRO, JSON_SR or PROTOBUF.")
    nullable = w.text(f"{side}_PROTOBUF_NULLABLE_REPRESENTATION")
    if nullable is not None and nullable.upper() not in ("OPTIONAL", "WRAPPER"):
        raise w.error(f"{side}_PROTOBUF_NULLABLE_REPRESENTATION is OPTIONAL or WRAPPER, but got '{nullable}'.", "Take one of them.")
    delimiter = w.text(f"{side}_DELIMITER")
    full_name = w.text(f"{side}_SCHEMA_FULL_NAME")
    if full_name is None and side == "VALUE":
        full_name = w.text("VALUE_AVRO_SCHEMA_FULL_NAME")
    if full_name is not None and not full_name.strip():
        raise w.error(f"The full name of the {side.lower()}'s schema is empty.", "Write a name like 'com.acme.Reading'.")
    if full_name is not None and not _FULL_NAME.fullmatch(full_name):
        raise w.error(f"'{full_name}' cannot be the full name of a schema.", "Write words of letters, digits and underscores with dots between them.")
    return replace(spec, delimiter=_delimiter(w, side, delimiter) if delimiter is not None else spec.delimiter,
                   full_schema_name=full_name, schema_id=schema_id, nullable=nullable.upper() if nullable else spec.nullable)


def _delimiter(w: With, side: str, text: str) -> str:
    special = {"TAB": "\t", "SPACE": " "}.get(text.upper())
    if special:
        return special
    problem = f"Configuration {side}_DELIMITER is invalid: "
    if not text.strip():
        raise w.error(f"{problem}Delimiter cannot be empty, if you meant to have a tab or space for delimiter, please use the special values "
                      "'TAB' or 'SPACE'.", "Example valid value: ';'.")
    if len(text) > 1:
        raise w.error(f"{problem}Invalid delimiter value: '{text}'. Only single characters and the special values TAB and SPACE are valid.",
                      "Example valid value: ';'.")
    return text


# ---------------------------------------------------------------------------------------------- what fits


def check_key(spec: FormatSpec, columns: Sequence[Column], position: Position | None) -> None:
    """Refuse key columns that cannot be keys, or that the key's format cannot hold. Raises SqlError."""
    for column in columns:
        if _has_map(column.type):
            raise SqlError("Map keys, including types that contain maps, are not supported as they may lead to unexpected behavior due to "
                           f"inconsistent serialization. Key column name: {quote(column.name)}. Column type: {column.type}. "
                           "See https://github.com/confluentinc/ksql/issues/6621 for more.", mend="Key by a part of it.", position=position)
    _check(spec, columns, "Key", position)


def check_value(spec: FormatSpec, columns: Sequence[Column], position: Position | None) -> None:
    """Refuse value columns that the format cannot hold. Raises SqlError."""
    _check(spec, columns, "Value", position)
    if spec.wrap_single is not None and len(columns) != 1:
        raise SqlError("'WRAP_SINGLE_VALUE' is only valid for single-field value schemas.", mend="Leave it out.", position=position)


def _check(spec: FormatSpec, columns: Sequence[Column], side: str, position: Position | None) -> None:
    is_key = side == "Key"
    wrap = spec.wrap_single if spec.wrap_single is not None else not is_key
    options = formats.SerdeOptions(is_key, "", spec.schema_id, spec.full_schema_name, wrap, spec.delimiter or ",")
    reason = formats.format_named(spec.name).reject([formats.Column(c.name, c.type) for c in columns], options)
    if reason:
        raise SqlError(f"{side} format does not support schema: {reason}.", mend=f"Take another {side.upper()}_FORMAT, or other columns.",
                       position=position)


def _types_in(type_: SqlType) -> Iterable[SqlType]:
    yield type_
    match type_:
        case Array(item):
            yield from _types_in(item)
        case Map(key, value):
            yield from _types_in(key)
            yield from _types_in(value)
        case Struct(fields):
            for field in fields:
                yield from _types_in(field.type)


def _has_map(type_: SqlType) -> bool:
    return any(isinstance(t, Map) for t in _types_in(type_))
