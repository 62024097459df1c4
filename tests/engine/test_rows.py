"""Packed rows come back as they were."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal as D

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.engine.rows import RowCodec, pack_key_array, pack_keys
from penstock.sql import types as t

VALUES: dict[t.SqlType, st.SearchStrategy[object]] = {
    t.BOOLEAN: st.booleans(),
    t.INTEGER: st.integers(-(2**31), 2**31 - 1),
    t.BIGINT: st.integers(-(2**63), 2**63 - 1),
    t.DOUBLE: st.floats(allow_nan=False),
    t.STRING: st.text(st.characters(codec="utf-8")),
    t.BYTES: st.binary(),
    t.DATE: st.dates(),
    t.TIME: st.times(),
    t.TIMESTAMP: st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1)),
    t.Decimal(8, 2): st.decimals(-999999, 999999, places=2),
    t.Array(t.STRING): st.lists(st.none() | st.text(st.characters(codec="utf-8"))),
    t.Map(t.STRING, t.BIGINT): st.dictionaries(st.text("ab"), st.integers(-5, 5)).map(lambda d: list(d.items())),
    t.Struct((t.Field("A", t.DATE), t.Field("b c", t.Array(t.Decimal(4, 1))))): st.fixed_dictionaries(
        {"A": st.dates(), "b c": st.lists(st.decimals(-99, 99, places=1))}
    ),
}


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_rows_come_back(data: st.DataObject) -> None:
    types = data.draw(st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=9))
    rows = data.draw(st.integers(0, 5))
    columns = [
        pa.array(data.draw(st.lists(st.none() | VALUES[type_], min_size=rows, max_size=rows)), t.arrow_type(type_)) for type_ in types
    ]
    codec = RowCodec(types)
    packed = codec.encode(columns)
    assert all(isinstance(row, bytes) for row in packed)
    assert [c.to_pylist() for c in codec.decode(packed)] == [c.to_pylist() for c in columns]


def test_a_missing_row_is_null_in_every_column() -> None:
    codec = RowCodec([t.STRING, t.INTEGER, t.Array(t.DOUBLE)])
    packed = codec.encode([pa.array(["a"]), pa.array([1], pa.int32()), pa.array([[1.5]])])
    assert [c.to_pylist() for c in codec.decode([None, *packed, None])] == [[None, "a", None], [None, 1, None], [None, [1.5], None]]


def test_a_slice_packs_its_own_rows() -> None:
    values = pa.array([1, None, 3, 4], pa.int64()).slice(1, 2)
    words = pa.array(["p", "q", None, "s"]).slice(1, 2)
    codec = RowCodec([t.BIGINT, t.STRING])
    assert [c.to_pylist() for c in codec.decode(codec.encode([values, words]))] == [[None, 3], ["q", None]]


def test_keys_are_equal_exactly_where_the_columns_are() -> None:
    pairs = [("a", "b"), ("ab", ""), ("", "ab"), ("a", None), (None, "a"), ("a\0", "b"), ("a", "\0b")]
    columns = [pa.array([p[0] for p in pairs]), pa.array([p[1] for p in pairs])]
    assert len(set(pack_keys(columns, [t.STRING, t.STRING]))) == len(pairs)
    assert pack_keys([pa.array(["x"])], [t.STRING]) == [b"sx"]


@pytest.mark.parametrize("type_", [t.STRING, t.INTEGER, t.BIGINT, t.DOUBLE, t.BYTES])
def test_keys_are_the_same_as_a_list_and_as_an_array(type_: t.SqlType) -> None:
    values: list[object] = {t.STRING: ["", "é", "ab"], t.BYTES: [b"", b"\0", b"ab"]}.get(type_, [-5, 0, 7])  # type: ignore[call-overload]
    for given_ in (values, [*values, None]):
        column = pa.array(given_, t.arrow_type(type_))
        for columns, types in (([column], [type_]), ([column, column], [type_, type_])):
            assert pack_key_array(columns, types).to_pylist() == pack_keys(columns, types)
            assert len(set(pack_keys(columns, types))) == len(given_)


def test_whole_numbers_sort_as_keys() -> None:
    numbers = [-(2**63), -256, -1, 0, 1, 255, 256, 2**63 - 1]
    keys = pack_keys([pa.array(numbers)], [t.BIGINT])
    assert keys == sorted(keys)


def test_all_types_at_once() -> None:
    values = [True, 7, 2**40, 1.5, "é", b"\0\xff", date(2026, 1, 2), time(1, 2, 3), datetime(2026, 1, 2, 3), D("1.25")]
    types = [t.BOOLEAN, t.INTEGER, t.BIGINT, t.DOUBLE, t.STRING, t.BYTES, t.DATE, t.TIME, t.TIMESTAMP, t.Decimal(8, 2)]
    columns = [pa.array([v], t.arrow_type(type_)) for v, type_ in zip(values, types, strict=True)]
    codec = RowCodec(types)
    assert [c.to_pylist()[0] for c in codec.decode(codec.encode(columns))] == values
    assert np.all([len(row) for row in codec.encode(columns)])
