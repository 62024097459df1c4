"""The converters of formats whose schemas the registry holds: AVRO, JSON_SR, PROTOBUF."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock import formats
from penstock.connect.arrow import column
from penstock.errors import DataError, Error
from penstock.formats import Column, SerdeOptions
from penstock.registry.model import SchemaRegistry
from penstock.result import plain_columns
from penstock.sql.types import SqlType, Struct

_PREFIX = 5  # a zero byte and the schema's id
_LONE = "ROWKEY", "ROWVAL"  # what a value that is no record is called in a schema's columns


class WithSchema:
    """A format of the registry: a schema that is written becomes the newest of its subject, if the subject's compatibility allows it."""

    def __init__(self, format_name: str, *, is_key: bool, schemas: SchemaRegistry, optional: bool = False) -> None:
        self._format, self._is_key, self._schemas = format_name, is_key, schemas
        self._properties = {"VALUE_PROTOBUF_NULLABLE_REPRESENTATION": "OPTIONAL"} if optional else None
        self._encoders: dict[tuple[str, SqlType], formats.Encoder] = {}
        self._decoders: dict[bytes, tuple[formats.Decoder, list[Column]]] = {}

    def write(self, topic: str, values: Sequence[Any], schema: SqlType | None) -> list[bytes | None | Error]:
        """The bytes of values of one topic and schema."""
        import pyarrow as pa

        if schema is None:
            needs = DataError(f"{self._format} needs a schema, which the records do not have.", mend="Choose JsonConverter.")
            return [None if value is None else needs for value in values]
        columns = self._columns(schema)
        try:
            encoder = self._encoder(topic, schema, columns)
        except Error as error:
            return [None if value is None else error for value in values]
        errors: dict[int, Error] = {}
        arrays = []
        for each in columns:
            cells = [None if v is None else v.get(each.name) for v in values] if isinstance(schema, Struct) else list(values)
            array, wrong = column(cells, each.type, each.name)
            arrays.append(array)
            errors = {**wrong, **errors}
        encoded = encoder(arrays, pa.array([value is not None for value in values]))
        errors |= {error.row: DataError(error.reason) for error in encoded.errors}
        return [errors.get(place, data) for place, data in enumerate(encoded.data.to_pylist())]

    def _columns(self, schema: SqlType) -> list[Column]:
        if isinstance(schema, Struct):
            return [Column(field.name, field.type) for field in schema.fields]
        return [Column(_LONE[0 if self._is_key else 1], schema)]

    def _encoder(self, topic: str, schema: SqlType, columns: Sequence[Column]) -> formats.Encoder:
        encoder = self._encoders.get((topic, schema))
        if encoder is None:
            # A key of one field stays a record, as Connect writes it: hence never the options of a SQL key, which has no record around it.
            subject = f"{topic}-{'key' if self._is_key else 'value'}"
            options = SerdeOptions(is_key=False, subject=subject, wrap_single=isinstance(schema, Struct), properties=self._properties)
            encoder = self._encoders[topic, schema] = formats.encoder(self._format, columns, options, self._schemas)
        return encoder

    def read(self, data: Sequence[bytes | None]) -> list[Any]:
        """The values of records, each by the schema that it was written with."""
        import pyarrow as pa

        by_schema: dict[bytes, list[int]] = {}
        for place, item in enumerate(data):
            if item is not None:
                by_schema.setdefault(item[:_PREFIX], []).append(place)
        found: list[Any] = [None] * len(data)
        for prefix, places in by_schema.items():
            try:
                decoder, columns = self._decoder(prefix)
            except Error as error:
                for place in places:
                    found[place] = error
                continue
            decoded = decoder(pa.array([data[place] for place in places], pa.binary()))
            lists = plain_columns(pa.table(list(decoded.columns), names=[str(i) for i in range(len(columns))]), [c.type for c in columns])
            lone = len(columns) == 1 and columns[0].name in _LONE
            for row, place in enumerate(places):
                found[place] = lists[0][row] if lone else {c.name: cells[row] for c, cells in zip(columns, lists, strict=True)}
            for wrong in decoded.errors:
                found[places[wrong.row]] = DataError(wrong.reason)
        return found

    def _decoder(self, prefix: bytes) -> tuple[formats.Decoder, list[Column]]:
        known = self._decoders.get(prefix)
        if known is None:
            if len(prefix) < _PREFIX or prefix[0] != 0:
                raise DataError(f"not {self._format} with a schema id: it must begin with a zero byte and the id's four bytes")
            options = SerdeOptions(is_key=False, subject="", schema_id=int.from_bytes(prefix[1:], "big"))
            columns = formats.infer_columns(self._format, options, self._schemas)
            if len(columns) == 1 and columns[0].name in _LONE:
                options = SerdeOptions(is_key=False, subject="", schema_id=options.schema_id, wrap_single=False)
            known = self._decoders[prefix] = formats.decoder(self._format, columns, options, self._schemas), columns
        return known
