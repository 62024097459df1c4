"""KAFKA and NONE: Kafka's own serializers, and nothing at all."""

from __future__ import annotations

import struct

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.formats.codec import KEY, VALUE, columns, decode, encode, rows

from penstock.errors import SqlError
from penstock.formats import RowError, decoder
from penstock.registry.embedded import EmbeddedRegistry
from penstock.sql import types as sql


@pytest.mark.parametrize(("type_", "value", "data"), [
    (sql.INTEGER, -2, struct.pack(">i", -2)), (sql.BIGINT, 1 << 40, struct.pack(">q", 1 << 40)), (sql.DOUBLE, 0.1, struct.pack(">d", 0.1)),
    (sql.STRING, "é", "é".encode()), (sql.BYTES, b"\0\xff", b"\0\xff"), (sql.STRING, "", b""),
])
def test_each_type(type_: sql.SqlType, value: object, data: bytes) -> None:
    assert encode("KAFKA", columns(V=type_), [(value,), (None,), None, (value,)]) == [data, None, None, data]
    assert rows(decode("KAFKA", columns(V=type_), [data, None, data], KEY)) == [(value,), None, (value,)]


@settings(deadline=None)
@given(st.lists(st.none() | st.integers(-(1 << 63), (1 << 63) - 1)))
def test_there_and_back(numbers: list[int | None]) -> None:
    data = encode("KAFKA", columns(V=sql.BIGINT), [(n,) for n in numbers])
    assert rows(decode("KAFKA", columns(V=sql.BIGINT), data)) == [None if n is None else (n,) for n in numbers]


def test_bad_bytes_say_why() -> None:
    decoded = decode("KAFKA", columns(V=sql.INTEGER), [struct.pack(">i", 7), b"abc", None, b""])
    assert rows(decoded) == [(7,), None, None, None]
    assert decoded.errors == [RowError(1, "V: 3 bytes are not an INTEGER, which has 4"), RowError(3, "V: 0 bytes are not an INTEGER, which has 4")]
    text = decode("KAFKA", columns(V=sql.STRING), [b"ok", b"\xff"])
    assert (rows(text), text.errors) == ([("ok",), None], [RowError(1, "V: the bytes are not UTF-8 text: invalid start byte at byte 0")])


def test_a_slice_of_an_array(schemas: EmbeddedRegistry) -> None:
    data = pa.array([struct.pack(">d", float(i)) for i in range(10)], pa.binary()).slice(3, 4)
    assert decoder("KAFKA", columns(V=sql.DOUBLE), KEY, schemas)(data).columns[0].to_pylist() == [3.0, 4.0, 5.0, 6.0]


def test_only_one_column_of_its_types() -> None:
    with pytest.raises(SqlError, match=r"The 'KAFKA' format only supports a single field. Got: \[`V0` INTEGER, `V1` STRING\]"):
        encode("KAFKA", columns(V0=sql.INTEGER, V1=sql.STRING), [])
    with pytest.raises(SqlError, match="The 'KAFKA' format does not support type 'BOOLEAN'"):
        encode("KAFKA", columns(V=sql.BOOLEAN), [])


def test_none_holds_nothing() -> None:
    assert rows(decode("NONE", [], [b"ignored", None], KEY)) == [None, None]
    assert encode("NONE", [], [(), ()], KEY) == [None, None]
    with pytest.raises(SqlError, match=r"The 'NONE' format can only be used when no columns are defined. Got: \[`K` STRING KEY\]"):
        encode("NONE", columns(K=sql.STRING), [], KEY)
    assert rows(decode("KAFKA", [], [b"x", None], VALUE)) == [(), None]
