"""PROTOBUF: Protocol Buffers behind the id of their schema and the place of the message in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from penstock.errors import SchemaError
from penstock.formats.coercion import Misfit
from penstock.formats.contract import Column, Decoded, Encoded, Encoder, SerdeOptions
from penstock.formats.definition import Format, map_key_is_not_string
from penstock.formats.rows import decode_rows, encode_rows
from penstock.registry.model import Reference, Schema, SchemaRegistry

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.registry.protobuf import ProtoTypes

PREFIX = 5  # a zero byte and the schema's id, 4 bytes big-endian


class ProtobufDecoder:
    """Reads records of any schema ids."""

    def __init__(self, columns: Sequence[Column], schemas: SchemaRegistry) -> None:
        self.columns = columns
        self.schemas = schemas
        self.known: dict[int, ProtoTypes] = {}
        self.readers: dict[tuple[int, tuple[int, ...]], Callable[[bytes], list[Any]]] = {}

    def __call__(self, data: pa.Array) -> Decoded:
        return decode_rows(self.columns, self._row, data)

    def _row(self, data: bytes) -> list[Any]:
        if len(data) <= PREFIX or data[0] != 0:
            raise Misfit("not Protobuf with a schema id: it must begin with a zero byte, the id's four bytes and the message's place")
        path, body = _message_path(data)
        key = (int.from_bytes(data[1:PREFIX], "big"), path)
        reader = self.readers.get(key)
        if reader is None:
            reader = self.readers[key] = self._reader(*key)
        return reader(data[body:])

    def _reader(self, id_: int, path: tuple[int, ...]) -> Callable[[bytes], list[Any]]:
        from penstock.formats.protobuf_rows import message_decoder

        types = self.known.get(id_)
        if types is None:
            try:
                schema = self.schemas.by_id(id_)
            except SchemaError:
                raise Misfit(f"unknown schema id {id_}") from None
            if schema.type != "PROTOBUF":
                raise Misfit(f"the schema of id {id_} is not Protobuf but {schema.type}")
            try:
                types = self.known[id_] = read_types(schema, self.schemas)
            except SchemaError as problem:
                raise Misfit(f"the schema of id {id_} cannot be used: {problem.what}") from None
        messages, prefix = types.file.messages, types.file.package + "." if types.file.package else ""
        name = ""
        for index in path:
            if index >= len(messages):
                raise Misfit(f"the schema of id {id_} has no message at the place {list(path)}")
            name = f"{name}.{messages[index].name}" if name else prefix + messages[index].name
            messages = messages[index].messages
        return message_decoder(types, name, self.columns)


def _message_path(data: bytes) -> tuple[tuple[int, ...], int]:
    """The message's place in its file (indexes from the outermost in), and where the body begins. A single zero byte is the first message."""
    count, position = _number(data, PREFIX)
    if count == 0:
        return (0,), position
    path = []
    for _ in range(count):
        index, position = _number(data, position)
        path.append(index)
    if count < 0 or min(path) < 0:
        raise Misfit("not Protobuf with a schema id: the message's place is malformed")
    return tuple(path), position


def _number(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(data) and shift < 35:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), position
    raise Misfit("not Protobuf with a schema id: the message's place is malformed")


class ProtobufEncoder:
    """Writes rows as one message, behind `prefix`."""

    def __init__(self, columns: Sequence[Column], types: ProtoTypes, message: str, prefix: bytes) -> None:
        from penstock.formats.protobuf_rows import message_encoder

        self.columns = columns
        self.prefix = prefix
        self.encode_row = message_encoder(types, message, columns)

    def __call__(self, columns: Sequence[pa.Array], present: pa.Array) -> Encoded:
        return encode_rows(self.columns, lambda cells: self.prefix + self.encode_row(cells), columns, present)


def read_types(schema: Schema, schemas: SchemaRegistry | None) -> ProtoTypes:
    """The types of a schema and of what it refers to; SchemaError where it is malformed."""
    from penstock.registry.protobuf import parse_protobuf

    def resolve(reference: Reference) -> Schema:
        assert schemas is not None
        return schemas.version(reference.subject, reference.version, deleted=True).schema

    return parse_protobuf(schema, resolve)


def reject(columns: Sequence[Column], options: SerdeOptions) -> str | None:
    """Names must be Protobuf's, MAP keys STRING."""
    from penstock.formats.avro_schema import names_of
    from penstock.formats.protobuf_schema import NAME

    if any(map_key_is_not_string(c.type) for c in columns):
        return "PROTOBUF format only supports MAP types with STRING keys"
    for column in columns:
        for name in (column.name, *names_of(column.type)):
            if not NAME.fullmatch(name):
                return f"Schema is not compatible with Protobuf: the name {name} is not one of letters, digits and underscores"
    return None


def schema_of(columns: Sequence[Column], options: SerdeOptions) -> Schema:
    """The schema that the columns are registered as."""
    from penstock.formats.protobuf_schema import to_protobuf

    return Schema(to_protobuf(columns, options), "PROTOBUF")


def infer(schema: Schema, options: SerdeOptions, schemas: SchemaRegistry) -> list[Column]:
    """The columns of a schema's message."""
    from penstock.formats.protobuf_schema import columns_of, message_of

    types = read_types(schema, schemas)
    return columns_of(types, message_of(types, options), upper=options.schema_id is None)


NULLABLE = "OPTIONAL or WRAPPER: how NULL is told from a scalar's default; without it, NULL is written as the default and reads as that"

FORMAT = Format(
    name="PROTOBUF",
    summary="Protocol Buffers, their schema in the registry.",
    description=(
        "A record is a zero byte, its schema's id in 4 bytes, the message's place in the schema's file, and the message. Fields go to the columns by "
        "name. A scalar that is absent reads as its type's default (0, false, an empty text), absent bytes as `NULL`, an absent list as an empty "
        "one, an absent message as `NULL`. DECIMAL is `confluent.type.Decimal`, DATE and TIME `google.type.Date` and `TimeOfDay`, TIMESTAMP "
        "`google.protobuf.Timestamp`; unsigned numbers read as BIGINT, enums as STRING. It needs the extra `penstock[protobuf]`."
    ),
    decode=lambda columns, options, schemas: ProtobufDecoder(columns, schemas),
    encode=lambda columns, options, schemas: _encoder(columns, options, schemas),
    schema_type="PROTOBUF",
    infer=infer,
    schema=schema_of,
    reject=reject,
    options={
        "KEY_SCHEMA_FULL_NAME, VALUE_SCHEMA_FULL_NAME": "the message of the schema; ConnectDefault1 or the schema's first unless given",
        "KEY_SCHEMA_ID, VALUE_SCHEMA_ID": "the id of the registered schema to take columns from and to write by",
        "KEY_PROTOBUF_NULLABLE_REPRESENTATION, VALUE_PROTOBUF_NULLABLE_REPRESENTATION": NULLABLE,
    },
    can_unwrap=False,
)


def _encoder(columns: Sequence[Column], options: SerdeOptions, schemas: SchemaRegistry) -> Encoder:
    from penstock.formats import register_schema
    from penstock.formats.protobuf_schema import message_of

    id_ = register_schema("PROTOBUF", columns, options, schemas)
    assert id_ is not None
    types = read_types(schemas.by_id(id_), schemas)
    message = message_of(types, options)
    place = types.top().index(message)
    path = b"\0" if place == 0 else b"\x02" + bytes([place << 1]) if place < 64 else b"\x02" + bytes([place << 1 & 0x7F | 0x80, place >> 6])
    return ProtobufEncoder(columns, types, message, b"\0" + id_.to_bytes(4, "big") + path)

