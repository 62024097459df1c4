"""The columns of MySQL and MariaDB: from the catalog and from the log the same types, from both the same values."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from penstock.connect.changes.postgres_columns import micros
from penstock.connect.databases.columns import as_decimal, decimal_type
from penstock.errors import DataError
from penstock.sql.types import BIGINT, BOOLEAN, BYTES, DATE, DOUBLE, INTEGER, STRING, TIME, TIMESTAMP, Decimal, SqlType

Read = Callable[[Any], Any]
_DAY = timedelta(days=1)
_INTEGERS = {"tinyint": 1, "smallint": 2, "mediumint": 3, "int": 4, "bigint": 8}
TEXTS = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext"})
_BYTES = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "geometry"})


@dataclass(frozen=True)
class Rendering:
    """decimal.handling.mode, time.precision.mode, bigint.unsigned.handling.mode."""

    decimals: str = "precise"
    times: str = "adaptive_time_microseconds"
    large: str = "long"


@dataclass(frozen=True)
class Declared:
    """A column's type: `kind` is the catalog's data_type. `digits` are those of a fraction of seconds, `length` that of a BIT or BINARY."""

    kind: str
    unsigned: bool = False
    precision: int | None = None
    scale: int | None = None
    digits: int = 0
    length: int = 0


def column_of(declared: Declared, rendering: Rendering) -> tuple[SqlType, Read]:
    """The type of a column, and the function from what the driver or the log gives to its value."""
    type_, read = _column(declared, rendering)
    return type_, lambda value: None if value is None else read(value)


def _column(declared: Declared, rendering: Rendering) -> tuple[SqlType, Read]:
    kind = declared.kind
    if kind in _INTEGERS:
        if kind == "bigint" and declared.unsigned and rendering.large == "precise":
            return Decimal(20, 0), lambda value: as_decimal(value, Decimal(20, 0))
        return (BIGINT if kind == "bigint" or (kind == "int" and declared.unsigned) else INTEGER), int
    if kind == "decimal":
        return _decimal(decimal_type(declared.precision, declared.scale), rendering.decimals)
    if kind == "bit":
        if declared.length == 1:
            return BOOLEAN, lambda value: _bits(value) != 0
        return BYTES, lambda value: _bits(value).to_bytes((declared.length + 7) // 8, "little")
    if kind == "binary":
        return BYTES, lambda value: _bytes(value).ljust(declared.length, b"\0")  # the log leaves zeros at the end out
    if kind in _BYTES:
        return BYTES, _bytes
    if kind in ("date", "datetime", "timestamp", "time"):
        return _temporal(declared, rendering.times)
    return _OTHERS.get(kind, (STRING, _text))


def _decimal(type_: SqlType, mode: str) -> tuple[SqlType, Read]:
    if mode != "precise":
        return (STRING, str) if mode == "string" else (DOUBLE, float)
    assert isinstance(type_, Decimal)

    def exact(value: Any) -> Any:
        try:
            return as_decimal(value, type_)
        except DataError:
            return value  # more than 38 digits: the record goes the way of those that cannot be converted

    return type_, exact


def _temporal(declared: Declared, mode: str) -> tuple[SqlType, Read]:
    connect = mode == "connect"
    match declared.kind:
        case "date":
            return (DATE, _date) if connect else (INTEGER, lambda v: None if (d := _date(v)) is None else (d - date(1970, 1, 1)).days)
        case "time":
            if connect:
                return TIME, lambda v: (datetime.min + v).time() if timedelta(0) <= v < _DAY else v
            return BIGINT, lambda v: v // timedelta(microseconds=1)
        case "timestamp":
            if connect:
                return TIMESTAMP, _moment
            return STRING, lambda v: None if (m := _moment(v)) is None else m.replace(tzinfo=UTC).isoformat().replace("+00:00", "Z")
        case _:
            if connect:
                return TIMESTAMP, _moment
            unit = 1000 if declared.digits <= 3 else 1
            return BIGINT, lambda v: None if (m := _moment(v)) is None else micros(m) // unit


def _date(value: Any) -> date | None:
    return value if isinstance(value, date) else None  # else text: a zero date


def _moment(value: Any) -> datetime | None:
    return value if isinstance(value, datetime) else None


def _bits(value: Any) -> int:
    """The driver gives bytes, the log text of 0 and 1."""
    return int(value, 2) if isinstance(value, str) else int.from_bytes(value, "big")


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value)


def _float(value: Any) -> float:
    """The shortest number that stands for the same 32 bits: 1.1 and not 1.10000002384."""
    bits = struct.pack("<f", value)
    for digits in range(6, 9):
        short = float(f"{value:.{digits}g}")
        if struct.pack("<f", short) == bits:
            return short
    return float(value)


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(_plain(value), ensure_ascii=False, default=str)


def _plain(value: Any) -> Any:
    """The log's JSON has names as bytes."""
    if isinstance(value, dict):
        return {_text(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return _text(value) if isinstance(value, bytes) else value


_OTHERS: dict[str, tuple[SqlType, Read]] = {
    "double": (DOUBLE, float),
    "float": (DOUBLE, _float),
    "year": (INTEGER, lambda value: 0 if value == 1900 else int(value)),  # the log's year 0000 comes as 1900, which no YEAR can be
    "json": (STRING, _json),
    "set": (STRING, lambda value: value if isinstance(value, str) else ",".join(value)),
}


def of_catalog(row: dict[str, Any]) -> Declared:
    """A column of information_schema.columns."""
    full = str(row["COLUMN_TYPE"]).lower()
    kind = str(row["DATA_TYPE"]).lower()
    length = row["CHARACTER_MAXIMUM_LENGTH"] if kind == "binary" else row["NUMERIC_PRECISION"] if kind == "bit" else 0
    if kind in _GEOMETRIES:
        kind = "geometry"
    return Declared(kind, "unsigned" in full, row["NUMERIC_PRECISION"], row["NUMERIC_SCALE"], int(row["DATETIME_PRECISION"] or 0), int(length or 0))


_GEOMETRIES = ("point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection", "geometry")


def of_log(column: Any) -> Declared:
    """A column of the log's table map, as python-mysql-replication gives it."""
    from pymysqlreplication.constants import FIELD_TYPE

    code, is_text = column.type, column.character_set_name not in (None, "binary")
    kinds = {
        FIELD_TYPE.TINY: "tinyint", FIELD_TYPE.SHORT: "smallint", FIELD_TYPE.INT24: "mediumint", FIELD_TYPE.LONG: "int",
        FIELD_TYPE.LONGLONG: "bigint",
        FIELD_TYPE.NEWDECIMAL: "decimal", FIELD_TYPE.FLOAT: "float", FIELD_TYPE.DOUBLE: "double", FIELD_TYPE.YEAR: "year", FIELD_TYPE.BIT: "bit",
        FIELD_TYPE.DATE: "date", FIELD_TYPE.NEWDATE: "date", FIELD_TYPE.TIME: "time", FIELD_TYPE.TIME2: "time", FIELD_TYPE.DATETIME: "datetime",
        FIELD_TYPE.DATETIME2: "datetime", FIELD_TYPE.TIMESTAMP: "timestamp", FIELD_TYPE.TIMESTAMP2: "timestamp", FIELD_TYPE.JSON: "json",
        FIELD_TYPE.ENUM: "enum", FIELD_TYPE.SET: "set", FIELD_TYPE.GEOMETRY: "geometry", FIELD_TYPE.BLOB: "text" if is_text else "blob",
        FIELD_TYPE.VARCHAR: "varchar" if is_text else "varbinary", FIELD_TYPE.VAR_STRING: "varchar" if is_text else "varbinary",
        FIELD_TYPE.STRING: "char" if is_text else "binary",
    }  # fmt: skip
    kind = kinds.get(code, "text")
    length = getattr(column, "bits", 0) if kind == "bit" else getattr(column, "max_length", 0) if kind == "binary" else 0
    return Declared(
        kind, bool(column.unsigned), getattr(column, "precision", None), getattr(column, "decimals", None), getattr(column, "fsp", 0), length
    )
