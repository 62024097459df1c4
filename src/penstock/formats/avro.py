"""AVRO: Avro's binary form behind the id of its schema, as Confluent's serializers write it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.errors import SchemaError
from penstock.formats.contract import Column, Decoded, Decoder, Encoded, Encoder, SerdeOptions
from penstock.formats.definition import Format, is_unwrapped, map_key_is_not_string
from penstock.formats.rows import RowDecoder
from penstock.registry.model import Schema, SchemaRegistry

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.formats.avro_columns import ScalarField

ROWS_MIN = 48  # below so many records, one by one is quicker
ROWS_AT_ONCE = 50_000  # so many records' working arrays stay in the processor's cache: half as quick again as 200,000
PREFIX = 5  # a zero byte and the schema's id, 4 bytes big-endian


@dataclass(frozen=True)
class _Writer:
    """The reading of the records of one schema id; `fields` where it can be done by columns. `fault` says why it cannot be done at all."""

    decode: RowDecoder | None
    fields: list[ScalarField] | None
    fault: str = ""


class AvroDecoder:
    """Reads batches whose records may be of several schema ids."""

    def __init__(self, columns: Sequence[Column], schemas: SchemaRegistry, *, unwrapped: bool) -> None:
        self.columns = columns
        self.schemas = schemas
        self.unwrapped = unwrapped
        self.writers: dict[int, _Writer] = {}

    def __call__(self, data: pa.Array) -> Decoded:
        from penstock.formats.rows import decode_rows, join

        if len(data) < ROWS_MIN or self.unwrapped:
            return decode_rows(self.columns, self._row, data)
        if len(data) <= ROWS_AT_ONCE:
            return self._batch(data)
        return join([self._batch(data.slice(start, ROWS_AT_ONCE)) for start in range(0, len(data), ROWS_AT_ONCE)])

    def _batch(self, data: pa.Array) -> Decoded:
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        from penstock.formats.avro_columns import decode_scalars
        from penstock.formats.rows import decode_rows, merge

        parts: list[tuple[Any, Decoded]] = []
        heads = pc.binary_slice(data, 0, PREFIX)
        for entry in pc.value_counts(heads.drop_null()).to_pylist():
            head = entry["values"]
            same = entry["counts"] == len(data)
            rows = np.arange(len(data)) if same else np.flatnonzero(np.asarray(pc.equal(heads, pa.scalar(head, pa.binary())).fill_null(False)))
            chosen = data if same else data.take(pa.array(rows))
            fields = self._writer(int.from_bytes(head[1:], "big")).fields if len(head) == PREFIX and head[0] == 0 else None
            if fields is not None:
                good, decoded = decode_scalars(chosen, PREFIX, fields, self.columns)
                parts.append((rows[good], decoded))
                rows = rows[~good]
                chosen = chosen.filter(pa.array(~good)) if len(rows) else chosen.slice(0, 0)
            if len(rows):
                parts.append((rows, decode_rows(self.columns, self._row, chosen)))
        return merge(parts, len(data), self.columns)

    def _row(self, data: bytes) -> Sequence[Any] | None:
        from penstock.formats.coercion import Misfit

        if len(data) < PREFIX or data[0] != 0:
            raise Misfit("not Avro with a schema id: it must begin with a zero byte and the id's four bytes")
        writer = self._writer(int.from_bytes(data[1:PREFIX], "big"))
        if writer.decode is None:
            raise Misfit(writer.fault)
        return writer.decode(data[PREFIX:])

    def _writer(self, id_: int) -> _Writer:
        writer = self.writers.get(id_)
        if writer is None:
            writer = self._load(id_)
            if writer.decode is not None:  # an unknown id may be registered later
                self.writers[id_] = writer
        return writer

    def _load(self, id_: int) -> _Writer:
        from penstock.formats.avro_columns import scalar_fields
        from penstock.formats.avro_rows import body_decoder, load

        try:
            schema = self.schemas.by_id(id_)
        except SchemaError:
            return _Writer(None, None, f"unknown schema id {id_}")
        if schema.type != "AVRO":
            return _Writer(None, None, f"the schema of id {id_} is not Avro but {schema.type}")
        try:
            parsed = load(schema, self.schemas)
        except SchemaError as problem:
            return _Writer(None, None, f"the schema of id {id_} cannot be used: {problem.what}")
        return _Writer(body_decoder(parsed, self.columns, unwrapped=self.unwrapped), None if self.unwrapped else scalar_fields(parsed, self.columns))


class AvroEncoder:
    """Writes batches by one schema."""

    def __init__(self, columns: Sequence[Column], schema: Schema, id_: int, schemas: SchemaRegistry, *, unwrapped: bool) -> None:
        from penstock.formats.avro_columns import writable
        from penstock.formats.avro_rows import body_encoder, load

        parsed = load(schema, schemas)
        self.columns = columns
        self.prefix = b"\0" + id_.to_bytes(4, "big")
        self.encode_row = body_encoder(parsed, columns, self.prefix, unwrapped=unwrapped)
        self.columnar = not unwrapped and writable(parsed, columns)

    def __call__(self, columns: Sequence[pa.Array], present: pa.Array) -> Encoded:
        import pyarrow as pa
        import pyarrow.compute as pc

        from penstock.formats.rows import encode_rows

        if not self.columnar or len(present) < ROWS_MIN:
            return encode_rows(self.columns, self.encode_row, columns, present)
        from penstock.formats.avro_columns import encode_scalars

        starts = range(0, len(present), ROWS_AT_ONCE)
        data = pa.concat_arrays([encode_scalars([c.slice(at, ROWS_AT_ONCE) for c in columns], self.columns, self.prefix) for at in starts])
        return Encoded(data if pc.all(present).as_py() else pc.if_else(present, data, pa.scalar(None, pa.binary())))


def reject(columns: Sequence[Column], options: SerdeOptions) -> str | None:
    """Names must be Avro's, MAP keys STRING."""
    from penstock.formats.avro_schema import name_fault, names_of

    if any(map_key_is_not_string(c.type) for c in columns):
        return "Avro only supports MAPs with STRING keys"
    unwrapped = is_unwrapped(FORMAT, columns, options)
    for column in columns:
        for name in ([] if unwrapped else [column.name]) + names_of(column.type):
            if fault := name_fault(name):
                return f"Schema is not compatible with Avro: {fault}"
    return None


def schema_of(columns: Sequence[Column], options: SerdeOptions) -> Schema:
    """The schema that the columns are registered as."""
    from penstock.formats.avro_schema import to_avro

    return Schema(to_avro(columns, options, unwrapped=is_unwrapped(FORMAT, columns, options)))


def infer(schema: Schema, options: SerdeOptions, schemas: SchemaRegistry) -> list[Column]:
    """The columns of a schema."""
    from penstock.formats.avro_schema import from_avro

    references = {r.name: schemas.version(r.subject, r.version).schema.text for r in schema.references}
    return from_avro(schema.text, options, key_or_value="ROWKEY" if options.is_key else "ROWVAL", upper=options.schema_id is None,
                     references=references)


FORMAT = Format(
    name="AVRO",
    summary="Avro's binary form, its schema in the registry.",
    description=(
        "A record is a zero byte, its schema's id in 4 bytes, and Avro's binary form. Records are read by the schema that they were written "
        "with; its fields go to the columns by name (exactly, or else by the first that differs only in case), what it lacks is `NULL`. "
        "The schema written has every field nullable, DECIMAL, DATE, TIME and TIMESTAMP as Avro's logical types, and a MAP as Connect writes it, "
        "a list of entries; both forms of a map are read. A pinned schema id is written as that schema demands, with its defaults for what is NULL."
    ),
    decode=lambda columns, options, schemas: _decoder(columns, options, schemas),
    encode=lambda columns, options, schemas: _encoder(columns, options, schemas),
    schema_type="AVRO",
    infer=infer,
    schema=schema_of,
    reject=reject,
    options={
        "KEY_SCHEMA_FULL_NAME, VALUE_SCHEMA_FULL_NAME, VALUE_AVRO_SCHEMA_FULL_NAME":
            "the full name of the record in the schema; io.confluent.ksql.avro_schemas.KsqlDataSourceSchema unless given",
        "KEY_SCHEMA_ID, VALUE_SCHEMA_ID": "the id of the registered schema to take columns from and to write by",
    },
)


def _decoder(columns: Sequence[Column], options: SerdeOptions, schemas: SchemaRegistry) -> Decoder:
    return AvroDecoder(columns, schemas, unwrapped=is_unwrapped(FORMAT, columns, options))


def _encoder(columns: Sequence[Column], options: SerdeOptions, schemas: SchemaRegistry) -> Encoder:
    from penstock.formats import register_schema

    id_ = register_schema("AVRO", columns, options, schemas)
    assert id_ is not None
    return AvroEncoder(columns, schemas.by_id(id_), id_, schemas, unwrapped=is_unwrapped(FORMAT, columns, options))
