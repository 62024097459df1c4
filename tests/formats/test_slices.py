"""Every format takes arrays that are slices of longer ones, and says the same of them as of copies."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from tests.formats.codec import VALUE, columns

from penstock.formats import Column, decoder, encoder
from penstock.registry.embedded import EmbeddedRegistry
from penstock.sql import types as sql
from penstock.sql.types import arrow_type

SCALARS = columns(A=sql.INTEGER, B=sql.DOUBLE, C=sql.STRING, D=sql.TIMESTAMP)
NESTED = [*SCALARS, *columns(L=sql.Array(sql.TIMESTAMP), R=sql.Struct((sql.Field("X", sql.DATE), sql.Field("Y", sql.Array(sql.DOUBLE)))))]
CELLS: list[tuple[Any, ...]] = [
    (i, None if i % 5 == 0 else i / 4, None if i % 3 == 0 else "x" * (i % 7), i * 1000, None if i % 4 == 0 else [i * 1000, None],
     None if i % 6 == 0 else {"X": i, "Y": None if i % 2 else [1.5]}) for i in range(200)]


@pytest.mark.parametrize("rows", [10, 120])
@pytest.mark.parametrize(("name", "wanted"), [
    ("JSON", NESTED), ("JSON", SCALARS), ("JSON_SR", NESTED), ("AVRO", SCALARS), ("AVRO", NESTED), ("DELIMITED", SCALARS), ("PROTOBUF_NOSR", SCALARS),
    ("KAFKA", SCALARS[:1]), ("KAFKA", SCALARS[1:2]), ("KAFKA", SCALARS[2:3]),
])
def test_slices(name: str, wanted: list[Column], rows: int, schemas: EmbeddedRegistry) -> None:
    where = [NESTED.index(c) for c in wanted]
    whole = [pa.array([cells[i] for cells in CELLS], arrow_type(NESTED[i].type)) for i in where]
    parts = [a.slice(37, rows) for a in whole]
    copies = [pa.concat_arrays([pa.array(a.to_pylist(), a.type)]) for a in parts]
    present = pa.array([i % 11 != 0 for i in range(200)]).slice(37, rows)
    write, read = encoder(name, wanted, VALUE, schemas), decoder(name, wanted, VALUE, schemas)
    data = write(parts, present).data
    assert data.equals(write(copies, pa.array(present.to_pylist())).data)
    longer = pa.concat_arrays([pa.array([b"12345", None], pa.binary()), data, pa.array([b"1"], pa.binary())])
    got, plain = read(longer.slice(2, rows)), read(data)
    assert not got.errors
    assert got.present.equals(plain.present)
    for one, other, expected in zip(got.columns, plain.columns, copies, strict=True):
        assert one.equals(other)
        if name in ("JSON", "JSON_SR", "AVRO", "KAFKA"):
            assert one.filter(present).equals(expected.filter(present))


@pytest.mark.parametrize("name", ["JSON", "JSON_SR", "AVRO", "DELIMITED", "PROTOBUF_NOSR"])
def test_no_rows_and_only_nulls(name: str, schemas: EmbeddedRegistry) -> None:
    read, write = decoder(name, SCALARS, VALUE, schemas), encoder(name, SCALARS, VALUE, schemas)
    for rows in (0, 100):
        empty = [pa.nulls(rows, arrow_type(c.type)) for c in SCALARS]
        data = write(empty, pa.array([False] * rows, pa.bool_())).data
        assert data.equals(pa.nulls(rows, pa.binary()))
        decoded = read(data)
        assert [c.type for c in decoded.columns] == [arrow_type(c.type) for c in SCALARS]
        assert decoded.present.equals(pa.array([False] * rows, pa.bool_()))
