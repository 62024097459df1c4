"""PROTOBUF_NOSR: Protocol Buffers by the columns alone, without the schema registry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from penstock.formats.contract import Column, Decoded, Decoder, Encoder, SerdeOptions
from penstock.formats.definition import Format
from penstock.formats.protobuf import NULLABLE, ProtobufEncoder, read_types, reject, schema_of
from penstock.formats.rows import decode_rows

if TYPE_CHECKING:
    import pyarrow as pa


class PlainProtobufDecoder:
    """Reads records that are the message of the columns."""

    def __init__(self, columns: Sequence[Column], decode: Callable[[bytes], list[Any]]) -> None:
        self.columns = columns
        self.decode = decode

    def __call__(self, data: pa.Array) -> Decoded:
        return decode_rows(self.columns, self.decode, data)


def _decoder(columns: Sequence[Column], options: SerdeOptions) -> Decoder:
    from penstock.formats.protobuf_rows import message_decoder

    types = read_types(schema_of(columns, options), None)
    return PlainProtobufDecoder(columns, message_decoder(types, types.top()[0], columns))


def _encoder(columns: Sequence[Column], options: SerdeOptions) -> Encoder:
    types = read_types(schema_of(columns, options), None)
    return ProtobufEncoder(columns, types, types.top()[0], b"")


FORMAT = Format(
    name="PROTOBUF_NOSR",
    summary="Protocol Buffers, without the schema registry.",
    description=(
        "As PROTOBUF, but a record is the message alone, and its schema that of the columns: the first column is field 1, the second field 2, and so "
        "on, so columns may only be added at the end. It needs the extra `penstock[protobuf]`."
    ),
    decode=lambda columns, options, schemas: _decoder(columns, options),
    encode=lambda columns, options, schemas: _encoder(columns, options),
    reject=reject,
    options={"KEY_PROTOBUF_NULLABLE_REPRESENTATION, VALUE_PROTOBUF_NULLABLE_REPRESENTATION": NULLABLE},
    can_unwrap=False,
)
