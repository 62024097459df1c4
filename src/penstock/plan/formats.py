"""What each format can hold, and the formats that a WITH clause asks for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from penstock.errors import Position, SqlError
from penstock.plan.properties import With, setting
from penstock.plan.scope import nearest
from penstock.plan.steps import Column, FormatSpec
from penstock.sql.types import STRING, Array, Decimal, Map, SqlType, Struct, quote


@dataclass(frozen=True)
class Abilities:
    """`unsupported`: type names that it cannot hold. `wrapping`: the values of WRAP_SINGLE_VALUE that it takes. `infers`: columns come from a
    registered schema. `options`: which of delimiter, fullSchemaName, schemaId and nullableRepresentation it takes."""

    unsupported: tuple[str, ...] = ()
    single: bool = False
    wrapping: tuple[bool, ...] = (True, False)
    infers: bool = False
    map_keys: str = ""
    options: tuple[str, ...] = ()


_NESTED = ("ARRAY", "MAP", "STRUCT")
FORMATS: dict[str, Abilities] = {
    "JSON": Abilities(map_keys="JSON only supports MAP types with STRING keys"),
    "JSON_SR": Abilities(infers=True, map_keys="JSON only supports MAP types with STRING keys", options=("fullSchemaName", "schemaId")),
    "AVRO": Abilities(infers=True, map_keys="Avro only supports MAPs with STRING keys", options=("fullSchemaName", "schemaId")),
    "PROTOBUF": Abilities(wrapping=(True,), infers=True, map_keys="PROTOBUF format only supports MAP types with STRING keys",
                          options=("fullSchemaName", "schemaId", "nullableRepresentation")),
    "PROTOBUF_NOSR": Abilities(wrapping=(True,), map_keys="PROTOBUF format only supports MAP types with STRING keys",
                               options=("nullableRepresentation",)),
    "DELIMITED": Abilities(unsupported=_NESTED, wrapping=(False,), options=("delimiter",)),
    "KAFKA": Abilities(unsupported=(*_NESTED, "BOOLEAN", "DECIMAL", "DATE", "TIME", "TIMESTAMP"), single=True, wrapping=(False,)),
    "NONE": Abilities(wrapping=()),
}
_AVRO_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


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
    spec = _with_options(w, side, spec)
    if side == "VALUE":
        wrap = w.flag("WRAP_SINGLE_VALUE")
        if wrap is not None and wrap not in FORMATS[spec.name].wrapping:
            raise w.error(f"Format '{spec.name}' does not support 'WRAP_SINGLE_VALUE' set to '{str(wrap).lower()}'.", "Leave it out.")
        spec = replace(spec, wrap_single=wrap)
    return spec


def _known(name: str, position: Position | None) -> str:
    if name.upper() not in FORMATS:
        mend = nearest(name, FORMATS) or f"There are {', '.join(FORMATS)}."
        raise SqlError(f"Unknown format: {name.upper()}.", mend=mend, position=position)
    return name.upper()


def _with_options(w: With, side: str, spec: FormatSpec) -> FormatSpec:
    allowed = FORMATS[spec.name].options

    def check(given: object, option: str) -> None:
        if given is not None and option not in allowed:
            raise w.error(f"{spec.name} does not support the following configs: [{option}].", "Leave the property out, or take another format.")

    delimiter = w.text(f"{side}_DELIMITER")
    check(delimiter, "delimiter")
    full_name = w.text(f"{side}_SCHEMA_FULL_NAME") or (w.text("VALUE_AVRO_SCHEMA_FULL_NAME") if side == "VALUE" else None)
    check(full_name, "fullSchemaName")
    nullable = w.text(f"{side}_PROTOBUF_NULLABLE_REPRESENTATION")
    check(nullable, "nullableRepresentation")
    if nullable is not None and nullable.upper() not in ("OPTIONAL", "WRAPPER"):
        raise w.error(f"{side}_PROTOBUF_NULLABLE_REPRESENTATION is OPTIONAL or WRAPPER, but got '{nullable}'.", "Take one of them.")
    schema_id = w.number(f"{side}_SCHEMA_ID")
    if schema_id is not None and "schemaId" not in allowed:
        raise w.error(f"{side}_FORMAT should support schema inference when {side}_SCHEMA_ID is provided. Current format is {spec.name}.",
                      "Take AVRO, JSON_SR or PROTOBUF.")
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
    abilities = FORMATS[spec.name]
    listed = ", ".join(f"{quote(c.name)} {c.type}{' KEY' if side == 'Key' else ''}" for c in columns)
    head = f"{side} format does not support schema: "
    mend = f"Take another {side.upper()}_FORMAT."
    if spec.name == "NONE" and columns:
        raise SqlError(f"{head}The 'NONE' format can only be used when no columns are defined. Got: [{listed}].", mend=mend, position=position)
    for column in columns:
        for type_ in _types_in(column.type):
            name = type(type_).__name__.upper() if isinstance(type_, Array | Map | Struct | Decimal) else str(type_)
            if name in abilities.unsupported:
                raise SqlError(f"{head}The '{spec.name}' format does not support type '{name}', column: {quote(column.name)}.", mend=mend,
                               position=position)
            if isinstance(type_, Map) and type_.key != STRING and abilities.map_keys:
                raise SqlError(f"{head}{abilities.map_keys}, column: {quote(column.name)}.", mend="Cast the keys to STRING.", position=position)
    if abilities.single and len(columns) > 1:
        raise SqlError(f"{head}The '{spec.name}' format only supports a single field. Got: [{listed}].", mend=mend, position=position)
    if spec.name == "AVRO":
        _check_avro_names(columns, position)


def _check_avro_names(columns: Sequence[Column], position: Position | None) -> None:
    for column in columns:
        for name in (column.name, *(f.name for t in _types_in(column.type) if isinstance(t, Struct) for f in t.fields)):
            if not _AVRO_NAME.fullmatch(name):
                where = "initial character" if not re.match(r"[A-Za-z_]", name) else "character in"
                raise SqlError(f"Schema is not compatible with Avro: Illegal {where}: {name}.",
                               mend="Avro's names are letters, digits and _, and start with no digit: rename it with AS.", position=position)


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
