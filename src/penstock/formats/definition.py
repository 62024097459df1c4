"""What a format is: one definition that holds its name, capabilities, options, code and documentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from penstock.errors import SchemaError
from penstock.formats.contract import Column, Decoder, Encoder, SerdeOptions
from penstock.registry.model import Schema, SchemaRegistry, SchemaType
from penstock.sql.types import Array, Decimal, Field, Map, SqlType, Struct

DECIMAL_DIGITS_MAX = 38


@dataclass(frozen=True)
class Format:
    """A serialisation format.

    `decode` and `encode` make the codec of a list of columns. `infer` turns a registered schema into columns, and `schema` turns columns into
    the schema that a statement registers; both are None for a format without schemas. `reject` says why the format cannot hold the columns.
    """

    name: str
    summary: str
    description: str
    decode: Callable[[Sequence[Column], SerdeOptions, SchemaRegistry], Decoder]
    encode: Callable[[Sequence[Column], SerdeOptions, SchemaRegistry], Encoder]
    schema_type: SchemaType | None = None
    infer: Callable[[Schema, SerdeOptions, SchemaRegistry], list[Column]] | None = None
    schema: Callable[[Sequence[Column], SerdeOptions], Schema] | None = None
    reject: Callable[[Sequence[Column], SerdeOptions], str | None] = lambda columns, options: None
    options: Mapping[str, str] = field(default_factory=dict)
    as_key: bool = True
    as_value: bool = True
    multi_column_keys: bool = True
    can_wrap: bool = True
    can_unwrap: bool = True

    @property
    def has_schemas(self) -> bool:
        """Whether the schema registry holds the schemas of the format, so that columns can be inferred."""
        return self.schema_type is not None


def is_unwrapped(format_: Format, columns: Sequence[Column], options: SerdeOptions) -> bool:
    """Whether the one column stands in the bytes by itself, not as a field of a record: a key's always does where the format can do it."""
    if len(columns) != 1 or not format_.can_unwrap:
        return False
    return options.is_key or not options.wrap_single or not format_.can_wrap


def registered_decimal(precision: object, scale: object, where: str) -> Decimal:
    """The DECIMAL of a registered schema's decimal. One of more digits than a column can have is the widest: a value that needs them is a bad record.
    Raises SchemaError for what is no precision or scale."""
    try:
        digits, behind = int(str(precision)), int(str(scale))
    except ValueError:
        digits, behind = 0, 0
    if digits < 1 or not 0 <= behind <= min(digits, DECIMAL_DIGITS_MAX):
        raise SchemaError(f"{where} is a decimal of precision {precision} and scale {scale}, which no DECIMAL is.",
                          mend="List the columns that you need in the statement.")
    return Decimal(min(digits, DECIMAL_DIGITS_MAX), behind)


def type_word(type_: SqlType) -> str:
    """The bare name of a type, without its parameters: ARRAY, MAP, STRUCT, DECIMAL, BIGINT."""
    match type_:
        case Array():
            return "ARRAY"
        case Map():
            return "MAP"
        case Struct():
            return "STRUCT"
        case Decimal():
            return "DECIMAL"
    return str(type_)


def describe_columns(columns: Sequence[Column], options: SerdeOptions) -> str:
    """The columns as a schema prints them, in brackets: [`ID` INTEGER KEY, `AGE` INTEGER KEY]."""
    key = " KEY" if options.is_key else ""
    return "[" + ", ".join(f"`{c.name}` {c.type}{key}" for c in columns) + "]"


def map_key_is_not_string(type_: SqlType) -> bool:
    """Whether the type holds, at any depth, a MAP whose keys are not STRING."""
    match type_:
        case Map(key, value):
            return str(key) != "STRING" or map_key_is_not_string(value)
        case Array(item):
            return map_key_is_not_string(item)
        case Struct(fields):
            return any(map_key_is_not_string(f.type) for f in fields)
    return False


def upper_names(type_: SqlType) -> SqlType:
    """The type with the names of all its fields in upper case: formats match names without regard to case."""
    match type_:
        case Array(item):
            return Array(upper_names(item))
        case Map(key, value):
            return Map(key, upper_names(value))
        case Struct(fields):
            return Struct(tuple(Field(f.name.upper(), upper_names(f.type)) for f in fields))
    return type_
