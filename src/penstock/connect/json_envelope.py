"""JSON as Kafka Connect's JsonConverter has it: the payload alone, or beside its schema."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as Number
from functools import lru_cache
from typing import Any

import orjson

from penstock.connect.text import json_text
from penstock.errors import DataError
from penstock.sql.types import (
    BIGINT,
    BOOLEAN,
    BYTES,
    DATE,
    DOUBLE,
    INTEGER,
    STRING,
    TIME,
    TIMESTAMP,
    Array,
    Decimal,
    Field,
    Map,
    Primitive,
    SqlType,
    Struct,
)  # fmt: skip

_EPOCH = datetime(1970, 1, 1)
_MS = timedelta(milliseconds=1)
_DATA = "org.apache.kafka.connect.data."
_WORDS: dict[SqlType, tuple[str, str]] = {
    BOOLEAN: ("boolean", ""), INTEGER: ("int32", ""), BIGINT: ("int64", ""), DOUBLE: ("double", ""), STRING: ("string", ""), BYTES: ("bytes", ""),
    DATE: ("int32", "Date"), TIME: ("int32", "Time"), TIMESTAMP: ("int64", "Timestamp"),
}  # fmt: skip
_TYPES: dict[str, SqlType] = {
    "boolean": BOOLEAN, "int8": INTEGER, "int16": INTEGER, "int32": INTEGER, "int64": BIGINT, "float": DOUBLE, "double": DOUBLE, "string": STRING,
    "bytes": BYTES,
}  # fmt: skip


def to_bytes(value: Any) -> bytes:
    """A plain value as JSON text; dates and times in ISO 8601, DECIMAL with all its digits, bytes as base64. Raises DataError."""
    try:
        return orjson.dumps(value)
    except TypeError:  # a Decimal, bytes, a key that is no text, a number of more than 64 bits: what only the slower way can
        try:
            return json_text(value).encode()
        except UnicodeEncodeError as error:
            raise DataError("Its text holds half a surrogate pair, which UTF-8 has no bytes for.") from error
        except TypeError as error:
            raise DataError(f"It cannot be written as JSON: {error}.") from error


def enveloped(value: Any, schema: SqlType | None, *, base64_decimals: bool) -> dict[str, Any]:
    """{"schema": ..., "payload": ...}."""
    if schema is None:
        return {"schema": None, "payload": value}
    return {"schema": schema_json(schema), "payload": payload(value, schema, base64_decimals=base64_decimals)}


@lru_cache(1000)
def schema_json(schema: SqlType) -> Mapping[str, Any]:
    """A type in Connect's JSON; every value is optional."""
    match schema:
        case Primitive():
            word, logical = _WORDS[schema]
            return {"type": word, "optional": True} | ({"name": _DATA + logical, "version": 1} if logical else {})
        case Decimal(precision, scale):
            parameters = {"scale": str(scale), "connect.decimal.precision": str(precision)}
            return {"type": "bytes", "optional": True, "name": f"{_DATA}Decimal", "version": 1, "parameters": parameters}
        case Array(item):
            return {"type": "array", "optional": True, "items": schema_json(item)}
        case Map(key, value):
            return {"type": "map", "optional": True, "keys": schema_json(key), "values": schema_json(value)}
        case Struct(fields):
            return {"type": "struct", "optional": True, "fields": [{"field": f.name, **schema_json(f.type)} for f in fields]}
    raise AssertionError(f"no schema of {schema}")


def payload(value: Any, schema: SqlType, *, base64_decimals: bool) -> Any:
    """A value as Connect writes it: a date as days, times as ms, a map whose keys are no text as a list of pairs. Raises DataError."""
    if value is None:
        return None
    try:
        return _payload(schema, base64_decimals)(value)
    except (TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise DataError(f"{repr(value)[:60]} is no {schema}: {error}.") from error


@lru_cache(1000)
def _payload(schema: SqlType, base64_decimals: bool) -> Callable[[Any], Any]:
    def inner(type_: SqlType) -> Callable[[Any], Any]:
        convert = _payload(type_, base64_decimals)
        return lambda v: None if v is None else convert(v)

    match schema:
        case Primitive("DATE"):
            return lambda v: (v - _EPOCH.date()).days
        case Primitive("TIME"):
            return lambda v: (datetime.combine(_EPOCH, v) - _EPOCH) // _MS
        case Primitive("TIMESTAMP"):
            return lambda v: v if isinstance(v, int) else ((v.astimezone(UTC).replace(tzinfo=None) if v.tzinfo else v) - _EPOCH) // _MS
        case Decimal(_, scale):
            return lambda v: _unscaled(Number(str(v)), scale) if base64_decimals else Number(str(v))
        case Array(item):
            convert = inner(item)
            return lambda v: [convert(i) for i in v]
        case Map(key, value):
            to_key, to_value = inner(key), inner(value)
            if key == STRING:
                return lambda v: {k: to_value(i) for k, i in v.items()}
            return lambda v: [[to_key(k), to_value(i)] for k, i in v.items()]
        case Struct(fields):
            converters = [(f.name, inner(f.type)) for f in fields]
            return lambda v: {name: c(v.get(name)) for name, c in converters}
    return lambda v: v


def _unscaled(number: Number, scale: int) -> bytes:
    """The digits without the point, as a big-endian number; JSON makes base64 of it."""
    digits = int(number.scaleb(scale).to_integral_exact())
    return digits.to_bytes(digits.bit_length() // 8 + 1, "big", signed=True)


# ---------------------------------------------------------------------------------------------- reading


def from_bytes(data: bytes, *, with_schema: bool) -> Any:
    """The plain value of JSON text; `with_schema`: of the payload, by the schema beside it. Raises DataError."""
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            found = json.loads(data)  # which knows NaN and numbers of any length
        except ValueError as error:
            raise DataError(f"not JSON: {error}") from None
    if not with_schema:
        return found
    if not isinstance(found, dict) or found.keys() != {"schema", "payload"}:
        raise DataError("not JSON with the fields schema and payload alone; set schemas.enable to false for JSON without a schema")
    schema = found["schema"]
    return found["payload"] if schema is None else natural(found["payload"], type_of(schema))


def type_of(schema: Any) -> SqlType:
    """The type of a schema in Connect's JSON. Raises DataError."""
    try:
        word, name = schema["type"], str(schema.get("name", "")).removeprefix(_DATA)
        match word, name:
            case "int32", "Date":
                return DATE
            case "int32", "Time":
                return TIME
            case "int64", "Timestamp":
                return TIMESTAMP
            case "bytes", "Decimal":
                return Decimal(38, int(schema["parameters"]["scale"]))
            case "array", _:
                return Array(type_of(schema["items"]))
            case "map", _:
                return Map(type_of(schema["keys"]), type_of(schema["values"]))
            case "struct", _:
                return Struct(tuple(Field(f["field"], type_of(f)) for f in schema["fields"]))
        return _TYPES[word]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"its schema is not one of Connect's: {error}") from None


def natural(value: Any, schema: SqlType) -> Any:
    """A payload as natural Python values. Raises DataError."""
    if value is None:
        return None
    try:
        match schema:
            case Primitive("DATE"):
                return date.fromordinal(_EPOCH.toordinal() + value)
            case Primitive("TIME"):
                return (_EPOCH + timedelta(milliseconds=value)).time()
            case Primitive("TIMESTAMP"):
                return _EPOCH + timedelta(milliseconds=value)
            case Primitive("BYTES"):
                return base64.b64decode(value, validate=True)
            case Decimal(_, scale):
                if isinstance(value, str):
                    return Number(int.from_bytes(base64.b64decode(value, validate=True), "big", signed=True)).scaleb(-scale)
                return Number(str(value))
            case Array(item):
                return [natural(i, item) for i in value]
            case Map(key, inner):
                return {natural(k, key): natural(v, inner) for k, v in (value.items() if isinstance(value, dict) else value)}
            case Struct(fields):
                return {f.name: natural(value.get(f.name), f.type) for f in fields}
    except (TypeError, ValueError, ArithmeticError, AttributeError, OverflowError) as error:
        raise DataError(f"{repr(value)[:60]} is no {schema}: {error}") from None
    return value


