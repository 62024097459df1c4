"""JSON nodes of the test driver: records' keys and values as plain JSON, to bytes of any format and back."""

from __future__ import annotations

import base64
import io
import json
from datetime import UTC, date, datetime, time
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any

from penstock.errors import DataError
from penstock.sql import types as t

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.catalog.model import DataSource
    from penstock.database import Database
    from penstock.plan.steps import Column

EPOCH = date(1970, 1, 1)


def node(value: Any, type_: t.SqlType) -> Any:
    """A natural Python value as a JSON node: BYTES base64, DATE days, TIME and TIMESTAMP ms, DECIMAL a Decimal."""
    if value is None:
        return None
    match type_:
        case t.Array(item):
            return [node(v, item) for v in value]
        case t.Map(key, item):
            pairs = value.items() if isinstance(value, dict) else value
            return {key_text(node(k, key)): node(v, item) for k, v in pairs}
        case t.Struct(fields):
            return {f.name: node(value[f.name], f.type) for f in fields}
    return scalar_node(value)


def key_text(key: Any) -> str:
    """A map's key as JSON has it."""
    return str(key).lower() if isinstance(key, bool) else str(key)


def scalar_node(value: Any) -> Any:
    """A value without parts as a JSON node."""
    match value:
        case bytes():
            return base64.b64encode(value).decode()
        case datetime():
            return round((value.replace(tzinfo=UTC) if value.tzinfo is None else value).timestamp() * 1000)
        case date():
            return (value - EPOCH).days
        case time():
            return (value.hour * 3600 + value.minute * 60 + value.second) * 1000 + value.microsecond // 1000
    return value


def natural(value: Any, type_: t.SqlType) -> Any:
    """A JSON node as the natural Python value of a column. Raises where it is none."""
    if value is None:
        return None
    match type_:
        case t.Array(item):
            return [natural(v, item) for v in value]
        case t.Map(key, item):
            return [(natural(k, key), natural(v, item)) for k, v in value.items()]
        case t.Struct(fields):
            given = {k.upper(): v for k, v in value.items()} | dict(value)
            return {f.name: natural(given.get(f.name), f.type) for f in fields}
        case t.Decimal(_, scale):
            return scaled(value, scale)
    plain: dict[t.SqlType, Any] = {
        t.BYTES: lambda v: base64.b64decode(v), t.DATE: lambda v: date.fromordinal(EPOCH.toordinal() + v), t.TIME: lambda v: v * 1000,
        t.TIMESTAMP: lambda v: v * 1000, t.DOUBLE: float, t.INTEGER: int, t.BIGINT: int, t.STRING: str,
    }  # fmt: skip
    return plain[type_](value) if type_ in plain else value


def scaled(value: Any, scale: int) -> Decimal:
    """A number or its text as a DECIMAL of a scale, of as many digits as it has."""
    return Decimal(str(value)).quantize(Decimal(1).scaleb(-scale), context=Context(prec=100))


# ---------------------------------------------------------------------------------------------- to bytes


def serialised(db: Database, topic: str, value: Any, name: str, source: DataSource | None, *, is_key: bool) -> bytes | None:
    """A node as the bytes that a producer would send."""
    if value is None or name == "NONE":
        return None
    if name == "JSON":
        return json.dumps(value, default=str).encode()
    if name == "DELIMITED" and isinstance(value, str):
        return value.encode()
    registered = db.schemas.latest(f"{topic}-{'key' if is_key else 'value'}")
    if name == "JSON_SR":
        return b"\0" + (registered.id if registered else 0).to_bytes(4, "big") + json.dumps(value, default=str).encode()
    if name == "AVRO" and registered is not None:
        return b"\0" + registered.id.to_bytes(4, "big") + avro_bytes(json.loads(registered.schema.text), value)
    return by_columns(db, topic, value, name, source, is_key=is_key)


def avro_bytes(schema: Any, value: Any) -> bytes:
    """A node as Avro, without the registry's header."""
    import fastavro

    parsed = fastavro.parse_schema(schema)
    out = io.BytesIO()
    fastavro.schemaless_writer(out, parsed, avro_value(schema, value, {}))
    return out.getvalue()


def avro_value(schema: Any, value: Any, named: dict[str, Any]) -> Any:
    """A node as fastavro takes it for a schema."""
    if isinstance(schema, list):
        if value is None:
            return None
        return avro_value(next(s for s in schema if s != "null"), value, named)
    if isinstance(schema, str):
        if schema in named:
            return avro_value(named[schema], value, named)
        convert: dict[str, Any] = {"bytes": lambda v: base64.b64decode(v), "double": float, "float": float, "int": int, "long": int, "string": str}
        return convert[schema](value) if schema in convert else value
    kind = schema["type"]
    if kind in ("record", "enum", "fixed"):
        named[schema["name"]] = schema
    if kind == "record":
        given = {k.upper(): v for k, v in value.items()}
        fields = {}
        for field in schema["fields"]:
            key = field["name"]
            found = value.get(key, given.get(key.upper(), field.get("default")))
            fields[key] = avro_value(field["type"], found, named)
        return fields
    if kind == "array":
        if isinstance(value, dict):  # a map whose keys are no strings: entries
            return [avro_value(schema["items"], {"key": k, "value": v}, named) for k, v in value.items()]
        return [avro_value(schema["items"], v, named) for v in value]
    if kind == "map":
        return {k: avro_value(schema["values"], v, named) for k, v in value.items()}
    if schema.get("logicalType") == "decimal":
        return scaled(value, schema.get("scale", 0))
    if kind in ("enum", "fixed"):
        return value
    return avro_value(kind, value, named)


def columns_of(db: Database, topic: str, name: str, source: DataSource | None, *, is_key: bool) -> list[Column]:
    """The columns of a topic's keys or values: its source's, or those of its registered schema."""
    from penstock.plan.steps import Column, FormatSpec
    from penstock.statements.view import View

    if source is not None:
        headers = {h.name for h in source.headers}
        return list(source.schema.key) if is_key else [c for c in source.schema.value if c.name not in headers]
    found = View(db).columns(FormatSpec(name), topic, is_key)
    return list(found) if found else [Column("ROWKEY" if is_key else "ROWVAL", t.STRING)]


def by_columns(db: Database, topic: str, value: Any, name: str, source: DataSource | None, *, is_key: bool) -> bytes | None:
    """A node as the bytes that the format's own encoder makes of a source's columns. Raises DataError."""
    import pyarrow as pa

    from penstock import formats
    from penstock.engine.operators.source import as_columns, options
    from penstock.plan.steps import FormatSpec

    columns = columns_of(db, topic, name, source, is_key=is_key)
    spec = (source.key_format if is_key else source.value_format) if source else FormatSpec(name)
    wraps = name.startswith("PROTOBUF") or (not is_key and spec.wrap_single is not False and name != "KAFKA")
    single = len(columns) == 1 and not (isinstance(value, dict) and wraps)
    values = [value] if single else [{k.upper(): v for k, v in value.items()}.get(c.name.upper()) for c in columns]
    arrays = [pa.array([natural(v, c.type)], t.arrow_type(c.type)) for v, c in zip(values, columns, strict=True)]
    encode = formats.encoder(name, as_columns(columns), options(spec, topic, is_key=is_key), db.schemas)
    encoded = encode(arrays, pa.array([True]))
    if encoded.errors:
        raise DataError(encoded.errors[0].reason)
    data: bytes = encoded.data[0].as_py()
    return data


# ---------------------------------------------------------------------------------------------- from bytes


def key_node(value: Any) -> Any:
    """A key's node with its numbers as JSON has them: a Decimal only where a float would say another number."""
    match value:
        case dict():
            return {name: key_node(part) for name, part in value.items()}
        case list():
            return [key_node(part) for part in value]
        case Decimal() if Decimal(repr(float(value))) == value:
            return float(value)
    return value


def deserialised(db: Database, topic: str, data: bytes | None, name: str, source: DataSource | None, *, is_key: bool) -> Any:
    """Bytes as a node."""
    if data is None or name == "NONE":
        return None
    if name in ("JSON", "JSON_SR"):
        parsed = json.loads(data[5:] if name == "JSON_SR" else data, parse_float=Decimal)
        columns = columns_of(db, topic, name, source, is_key=is_key) if source is not None else []
        return as_declared(parsed, columns)
    if name == "DELIMITED":
        return data.decode()
    if name == "AVRO":
        return avro_node(db, data)
    import pyarrow as pa

    from penstock import formats
    from penstock.engine.operators.source import as_columns, options
    from penstock.plan.steps import FormatSpec
    from penstock.statements.view import View

    columns = columns_of(db, topic, name, source, is_key=is_key)
    spec = (source.key_format if is_key else source.value_format) if source else FormatSpec(name)
    if spec.schema_id is not None:
        # a pinned schema may have more fields than the source has columns
        columns = list(View(db).columns(spec, topic, is_key) or columns)
    decoded = formats.decoder(name, as_columns(columns), options(spec, topic, is_key=is_key), db.schemas)(pa.array([data], pa.binary()))
    if decoded.errors:
        raise DataError(decoded.errors[0].reason)
    nodes = {c.name: node(a[0].as_py(), c.type) for c, a in zip(columns, decoded.columns, strict=True)}
    return next(iter(nodes.values())) if name == "KAFKA" or (len(nodes) == 1 and spec.wrap_single is False) else nodes


def as_declared(value: Any, columns: Sequence[Column]) -> Any:
    """A JSON node whose numbers are floats where a column is a DOUBLE."""
    if not isinstance(value, dict):
        return floats(value, columns[0].type) if len(columns) == 1 else value
    types = {c.name.upper(): c.type for c in columns}
    if len(columns) == 1 and columns[0].name.upper() not in {k.upper() for k in value}:
        return floats(value, columns[0].type)  # not wrapped in a record
    return {k: floats(v, types[k.upper()]) if k.upper() in types else v for k, v in value.items()}


def floats(value: Any, type_: t.SqlType) -> Any:
    """A node with floats for the DOUBLEs of a type."""
    match type_, value:
        case t.DOUBLE, Decimal():
            return float(value)
        case t.Array(item), list():
            return [floats(v, item) for v in value]
        case t.Map(_, item), dict():
            return {k: floats(v, item) for k, v in value.items()}
        case t.Struct(fields), dict():
            types = {f.name.upper(): f.type for f in fields}
            return {k: floats(v, types[k.upper()]) if k.upper() in types else v for k, v in value.items()}
    return value


def avro_node(db: Database, data: bytes) -> Any:
    """An Avro record in the registry's wire format as a node."""
    import fastavro

    schema = json.loads(db.schemas.by_id(int.from_bytes(data[1:5], "big")).text)
    value = fastavro.schemaless_reader(io.BytesIO(data[5:]), fastavro.parse_schema(physical(schema)), None)
    return avro_parts(schema, value, {})


def physical(schema: Any) -> Any:
    """An Avro schema whose dates and times are plain numbers, as nodes have them: Python's own end at the year 9999."""
    if isinstance(schema, list):
        return [physical(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {k: physical(v) if k in ("type", "items", "values") else v for k, v in schema.items() if k != "logicalType" or v == "decimal"}
    return kept | {"fields": [physical(field) for field in schema["fields"]]} if "fields" in schema else kept


def avro_parts(schema: Any, value: Any, named: dict[str, Any]) -> Any:
    """What fastavro yields for a schema as a node; an array of Connect's map entries is a map."""
    if isinstance(schema, list):
        return None if value is None else avro_parts(next(s for s in schema if s != "null"), value, named)
    if isinstance(schema, str):
        return avro_parts(named[schema], value, named) if schema in named else scalar_node(value)
    kind = schema["type"]
    if kind == "record":
        named[schema["name"]] = schema
        return {f["name"]: avro_parts(f["type"], value[f["name"]], named) for f in schema["fields"]}
    if kind == "array":
        items = [avro_parts(schema["items"], v, named) for v in value]
        if isinstance(schema["items"], dict) and schema["items"].get("connect.internal.type") == "MapEntry":
            return {key_text(entry["key"]): entry["value"] for entry in items}
        return items
    if kind == "map":
        return {key: avro_parts(schema["values"], v, named) for key, v in value.items()}
    return scalar_node(value) if isinstance(kind, str) else avro_parts(kind, value, named)
