"""The SQL types, and how they are written.

`str(type)` is the form ksqlDB prints in a schema: ``STRUCT<`A` BIGINT, `B` ARRAY<STRING>>``.
`arrow_type` is the one physical form that a column of a type has everywhere in Penstock.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class SqlType:
    """Base of the types."""


@dataclass(frozen=True, slots=True)
class Primitive(SqlType):
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Decimal(SqlType):
    """A number of `precision` digits (1 to 38), `scale` of them behind the point (0 to precision)."""

    precision: int
    scale: int

    def __str__(self) -> str:
        return f"DECIMAL({self.precision}, {self.scale})"


@dataclass(frozen=True, slots=True)
class Array(SqlType):
    item: SqlType

    def __str__(self) -> str:
        return f"ARRAY<{self.item}>"


@dataclass(frozen=True, slots=True)
class Map(SqlType):
    key: SqlType
    value: SqlType

    def __str__(self) -> str:
        return f"MAP<{self.key}, {self.value}>"


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a STRUCT. Names are as stored: upper case unless they were quoted."""

    name: str
    type: SqlType

    def __str__(self) -> str:
        return f"{quote(self.name)} {self.type}"


@dataclass(frozen=True, slots=True)
class Struct(SqlType):
    """Named fields, in order; names are unique."""

    fields: tuple[Field, ...]

    def __str__(self) -> str:
        return f"STRUCT<{', '.join(map(str, self.fields))}>"

    def field(self, name: str) -> Field | None:
        return next((f for f in self.fields if f.name == name), None)


@dataclass(frozen=True, slots=True)
class Named(SqlType):
    """A custom type (CREATE TYPE) by its name, as the parser leaves it; the planner replaces it by what it stands for."""

    name: str

    def __str__(self) -> str:
        return quote(self.name)


BOOLEAN = Primitive("BOOLEAN")
INTEGER = Primitive("INTEGER")  # 32 bits
BIGINT = Primitive("BIGINT")  # 64 bits
DOUBLE = Primitive("DOUBLE")
STRING = Primitive("STRING")
BYTES = Primitive("BYTES")
DATE = Primitive("DATE")
TIME = Primitive("TIME")  # milliseconds
TIMESTAMP = Primitive("TIMESTAMP")  # milliseconds since 1970-01-01 UTC
NULL = Primitive("NULL")  # the type of a bare NULL; it fits anywhere

PRIMITIVES = {t.name: t for t in (BOOLEAN, INTEGER, BIGINT, DOUBLE, STRING, BYTES, DATE, TIME, TIMESTAMP)}
ALIASES = {"INT": INTEGER, "VARCHAR": STRING}


def quote(name: str) -> str:
    """Write an identifier in backticks, as schemas print it: ``ID`` becomes `` `ID` ``."""
    return "`" + name.replace("`", "``") + "`"


def is_numeric(type_: SqlType) -> bool:
    """Whether values of the type are numbers: INTEGER, BIGINT, DOUBLE or DECIMAL."""
    return type_ in (INTEGER, BIGINT, DOUBLE) or isinstance(type_, Decimal)


@cache
def arrow_type(type_: SqlType) -> pa.DataType:
    """The Arrow type of a column: INTEGER int32, BIGINT int64, DOUBLE float64, BOOLEAN bool, STRING string, BYTES binary,
    DECIMAL decimal128, DATE date32, TIME time64[us], TIMESTAMP timestamp[us] (no zone), ARRAY list, MAP map, STRUCT struct."""
    import pyarrow as pa

    match type_:
        case Decimal(precision, scale):
            return pa.decimal128(precision, scale)
        case Array(item):
            return pa.list_(arrow_type(item))
        case Map(key, value):
            return pa.map_(arrow_type(key), arrow_type(value))
        case Struct(fields):
            return pa.struct([pa.field(f.name, arrow_type(f.type)) for f in fields])
        case Primitive(name):
            return {
                "BOOLEAN": pa.bool_(),
                "INTEGER": pa.int32(),
                "BIGINT": pa.int64(),
                "DOUBLE": pa.float64(),
                "STRING": pa.string(),
                "BYTES": pa.binary(),
                "DATE": pa.date32(),
                "TIME": pa.time64("us"),
                "TIMESTAMP": pa.timestamp("us"),
                "NULL": pa.null(),
            }[name]
    raise AssertionError(f"no Arrow type for {type_}")


def type_of_arrow(type_: pa.DataType) -> SqlType:
    """The type of an Arrow column that came from elsewhere: NULL for one that has no counterpart here, such as an interval."""
    import pyarrow.types as kinds

    if kinds.is_list(type_) or kinds.is_large_list(type_) or kinds.is_fixed_size_list(type_):
        return Array(type_of_arrow(type_.value_type))
    if kinds.is_map(type_):
        return Map(type_of_arrow(type_.key_type), type_of_arrow(type_.item_type))
    if kinds.is_struct(type_):
        return Struct(tuple(Field(type_.field(i).name, type_of_arrow(type_.field(i).type)) for i in range(type_.num_fields)))
    if kinds.is_decimal(type_) and type_.precision <= 38:
        return Decimal(type_.precision, type_.scale)
    if kinds.is_integer(type_):
        return INTEGER if type_.bit_width < 32 or str(type_) == "int32" else BIGINT
    alike = (
        (kinds.is_boolean, BOOLEAN), (kinds.is_floating, DOUBLE), (kinds.is_string, STRING), (kinds.is_large_string, STRING),
        (kinds.is_binary, BYTES), (kinds.is_large_binary, BYTES), (kinds.is_date, DATE), (kinds.is_time, TIME), (kinds.is_timestamp, TIMESTAMP),
    )  # fmt: skip
    return next((found for is_kind, found in alike if is_kind(type_)), NULL)
