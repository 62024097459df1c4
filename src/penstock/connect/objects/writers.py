"""Records as the bytes of a file: JSON lines, Avro, Parquet, or their values as they stand."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.connect.arrow import column
from penstock.connect.inference import as_text, shape_of
from penstock.connect.records import Record
from penstock.connect.text import json_text
from penstock.errors import ConnectorError
from penstock.formats.avro_rows import writer_of
from penstock.formats.avro_schema import name_fault, to_avro
from penstock.formats.contract import Column, SerdeOptions
from penstock.formats.rows import plain_values
from penstock.sql.types import STRING, SqlType

Types = Mapping[str, SqlType] | None
Write = Callable[[Sequence[Record], Types], bytes]
"""Records of one topic, in order, and the types of its columns where they are known -> the file."""


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A kind of file: how its name ends, and how it is written."""

    ending: str
    write: Write


def row(record: Record, *, keys: bool) -> Mapping[str, Any]:
    """What a file holds of a record."""
    return record.columns if keys else record.value_columns()


def json_lines(*, keys: bool, gzip_level: int | None) -> FileFormat:
    """A JSON object a line."""

    def write(records: Sequence[Record], types: Types) -> bytes:
        return _zipped("".join(f"{json_text(row(r, keys=keys))}\n" for r in records).encode(errors="replace"), gzip_level)

    return FileFormat(".json" if gzip_level is None else ".json.gz", write)


def values(*, separator: bytes, ending: str, gzip_level: int | None) -> FileFormat:
    """The records' values as they stand, each followed by `separator`."""

    def write(records: Sequence[Record], types: Types) -> bytes:
        return _zipped(b"".join((r.value or b"") + separator for r in records), gzip_level)

    return FileFormat(ending if gzip_level is None else f"{ending}.gz", write)


def _zipped(data: bytes, level: int | None) -> bytes:
    # Without a time in it the same records are the same bytes.
    return data if level is None else gzip.compress(data, level, mtime=0)


def parquet(*, keys: bool, codec: str) -> FileFormat:
    """A Parquet file of one table."""

    def write(records: Sequence[Record], types: Types) -> bytes:
        import pyarrow as pa
        import pyarrow.parquet as pq

        arrays = _arrays(records, types, keys=keys)
        out = io.BytesIO()
        pq.write_table(pa.table([array for _, array in arrays], [c.name for c, _ in arrays]), out, compression=codec)
        return out.getvalue()

    return FileFormat({"none": "", "gzip": ".gz"}.get(codec, f".{codec}") + ".parquet", write)


def avro(*, keys: bool, codec: str) -> FileFormat:
    """An Avro object container file."""

    def write(records: Sequence[Record], types: Types) -> bytes:
        import fastavro

        arrays = _arrays(records, types, keys=keys)
        for each, _ in arrays:
            if fault := name_fault(each.name):
                raise ConnectorError(f"{records[0].stands_in}: {fault}", mend="Rename the column, or write Parquet or JSON.")
        schema = json.loads(to_avro([c for c, _ in arrays], SerdeOptions(is_key=False, subject=f"{records[0].topic}-value"), unwrapped=False))
        parsed, shape = fastavro.parse_schema(schema), writer_of(schema, {})
        cells = [plain_values(array, c.type) for c, array in arrays]
        rows = (shape(dict(zip([c.name for c, _ in arrays], row_, strict=True))) for row_ in zip(*cells, strict=True))
        out = io.BytesIO()
        fastavro.writer(out, parsed, rows, codec=codec)
        return out.getvalue()

    return FileFormat(".avro", write)


def _arrays(records: Sequence[Record], types: Types, *, keys: bool) -> list[tuple[Column, Any]]:
    """The records' columns, each with its array."""
    rows = [row(record, keys=keys) for record in records]
    found = []
    for name, type_ in shape_of(rows, types).items():
        cells = [r.get(name) for r in rows]
        array, errors = column(cells, type_, name)
        if errors:  # values that have no type in common, on their outside or within
            type_ = STRING
            array, _ = column([None if cell is None else as_text(cell) for cell in cells], STRING, name)
        found.append((Column(name, type_), array))
    return found
