"""JSON_SR: JSON behind the id of its schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from penstock.errors import SchemaError
from penstock.formats.contract import Column, Decoded, Decoder, Encoded, Encoder, RowError, SerdeOptions
from penstock.formats.definition import Format, is_unwrapped
from penstock.formats.json import JsonDecoder, JsonEncoder, reject
from penstock.registry.model import Schema, SchemaRegistry

if TYPE_CHECKING:
    import pyarrow as pa

PREFIX = 5  # a zero byte and the schema's id, 4 bytes big-endian


class JsonSrDecoder:
    """Takes the prefix off and reads JSON."""

    def __init__(self, columns: Sequence[Column], schemas: SchemaRegistry, *, unwrapped: bool) -> None:
        self.inner = JsonDecoder(columns, unwrapped=unwrapped)
        self.schemas = schemas
        self.faults: dict[bytes, str] = {}

    def __call__(self, data: pa.Array) -> Decoded:
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        heads = pc.binary_slice(data, 0, PREFIX)
        bad = {head: fault for head in pc.unique(heads.drop_null()).to_pylist() if (fault := self._fault(head))}
        errors = []
        if bad:
            wrong = pc.is_in(heads, pa.array(list(bad), pa.binary()))
            errors = [RowError(int(row), bad[heads[row].as_py()]) for row in np.flatnonzero(np.asarray(wrong))]
            data = pc.if_else(wrong, pa.scalar(None, pa.binary()), data)
        decoded = self.inner(_without_prefix(data))
        return Decoded(decoded.columns, decoded.present, sorted([*errors, *decoded.errors], key=lambda e: e.row))

    def _fault(self, head: bytes) -> str | None:
        """Why records with this prefix cannot be read; None where they can. An unknown id is asked for anew each time."""
        if len(head) < PREFIX or head[0] != 0:
            return "not JSON with a schema id: it must begin with a zero byte and the id's four bytes"
        if head not in self.faults:
            id_ = int.from_bytes(head[1:], "big")
            try:
                kind = self.schemas.by_id(id_).type
            except SchemaError:
                return f"unknown schema id {id_}"
            self.faults[head] = "" if kind == "JSON" else f"the schema of id {id_} is not JSON but {kind}"
        return self.faults[head] or None


def _without_prefix(data: pa.Array) -> pa.Array:
    """The values without their first five bytes. (Not by `binary_slice` with an open end, which fails on some lengths.)"""
    import numpy as np
    import pyarrow as pa

    if not len(data):
        return data
    offsets = np.frombuffer(data.buffers()[1], np.int32)[data.offset:data.offset + len(data) + 1]
    if data.buffers()[2] is None or offsets[0] == offsets[-1]:
        return data
    cut = np.empty(2 * len(data) + 1, np.int32)
    cut[0::2] = offsets
    cut[1::2] = np.minimum(offsets[:-1] + PREFIX, offsets[1:])
    pieces = pa.Array.from_buffers(pa.binary(), 2 * len(data), [None, pa.py_buffer(cut), data.buffers()[2]])
    places = pa.array(np.arange(1, 2 * len(data), 2), mask=np.asarray(data.is_null()) if data.null_count else None)
    return pieces.take(places)


class JsonSrEncoder:
    """Writes JSON and puts the prefix before it."""

    def __init__(self, columns: Sequence[Column], id_: int, *, unwrapped: bool) -> None:
        self.inner = JsonEncoder(columns, unwrapped=unwrapped)
        self.prefix = b"\0" + id_.to_bytes(4, "big")

    def __call__(self, columns: Sequence[pa.Array], present: pa.Array) -> Encoded:
        import pyarrow as pa
        import pyarrow.compute as pc

        encoded = self.inner(columns, present)
        return Encoded(pc.binary_join_element_wise(pa.scalar(self.prefix), encoded.data, pa.scalar(b"")), encoded.errors)


def schema_of(columns: Sequence[Column], options: SerdeOptions) -> Schema:
    """The schema that the columns are registered as."""
    from penstock.formats.json_schema import to_json_schema

    return Schema(to_json_schema(columns, unwrapped=is_unwrapped(FORMAT, columns, options)), "JSON")


def infer(schema: Schema, options: SerdeOptions, schemas: SchemaRegistry) -> list[Column]:
    """The columns of a schema."""
    from penstock.formats.json_schema import from_json_schema

    references = {r.name: schemas.version(r.subject, r.version).schema.text for r in schema.references}
    return from_json_schema(schema.text, options, key_or_value="ROWKEY" if options.is_key else "ROWVAL", upper=options.schema_id is None,
                            references=references)


FORMAT = Format(
    name="JSON_SR",
    summary="Text objects, their JSON Schema in the registry.",
    description=(
        "As JSON, with a zero byte and the schema's id in 4 bytes before the text. The schema written is Connect's: every property may be null, "
        "`connect.type` and `title` tell the types that JSON does not have."
    ),
    decode=lambda columns, options, schemas: _decoder(columns, options, schemas),
    encode=lambda columns, options, schemas: _encoder(columns, options, schemas),
    schema_type="JSON",
    infer=infer,
    schema=schema_of,
    reject=reject,
    options={"KEY_SCHEMA_ID, VALUE_SCHEMA_ID": "the id of the registered schema to take columns from and to write by"},
)


def _decoder(columns: Sequence[Column], options: SerdeOptions, schemas: SchemaRegistry) -> Decoder:
    return JsonSrDecoder(columns, schemas, unwrapped=is_unwrapped(FORMAT, columns, options))


def _encoder(columns: Sequence[Column], options: SerdeOptions, schemas: SchemaRegistry) -> Encoder:
    from penstock.formats import register_schema

    id_ = register_schema("JSON_SR", columns, options, schemas)
    assert id_ is not None
    return JsonSrEncoder(columns, id_, unwrapped=is_unwrapped(FORMAT, columns, options))
