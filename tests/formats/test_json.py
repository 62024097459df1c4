"""JSON: what its fields become, what is refused and why, and that whole batches read and write exactly as single records do."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.formats.codec import BARE, KEY, VALUE, columns, decode, encode, rows

from penstock.errors import SqlError
from penstock.formats import Column, RowError, SerdeOptions, decoder, encoder
from penstock.formats.json_rows import row_decoder, row_encoder
from penstock.formats.rows import decode_rows, encode_rows, plain_values
from penstock.registry.embedded import EmbeddedRegistry
from penstock.registry.store import MemoryStore
from penstock.sql import types as sql
from penstock.sql.types import arrow_type

READING = columns(ID=sql.BIGINT, PLANT=sql.INTEGER, MOISTURE=sql.DOUBLE, NAME=sql.STRING, OK=sql.BOOLEAN)


def test_fields_match_by_name_and_else_without_case() -> None:
    record = b'{"id":1,"Plant":2,"moisture":3.5,"NAME":"x","name":"y","ok":true,"more":[1]}'
    assert rows(decode("JSON", READING, [record])) == [(1, 2, 3.5, "x", True)]


def test_missing_fields_and_nulls_are_null() -> None:
    assert rows(decode("JSON", READING, [b'{"ID":null}', b"{}", b"null", None])) == [(None,) * 5, (None,) * 5, None, None]


@pytest.mark.parametrize(("type_", "text", "value"), [
    (sql.INTEGER, '"49"', 49), (sql.INTEGER, "3.7", 3), (sql.BIGINT, "-12", -12), (sql.DOUBLE, '"1e3"', 1000.0), (sql.DOUBLE, "7", 7.0),
    (sql.DOUBLE, '"Infinity"', float("inf")), (sql.BOOLEAN, '"True"', True), (sql.STRING, "10.50", "10.50"), (sql.STRING, "true", "true"),
    (sql.STRING, '{"a": [1, 2.50]}', '{"a":[1,2.50]}'), (sql.BYTES, '"aGk="', b"hi"), (sql.DATE, "18262", datetime.date(2020, 1, 1)),
    (sql.TIME, "3600000", datetime.time(1)), (sql.TIMESTAMP, "1500", datetime.datetime(1970, 1, 1, 0, 0, 1, 500000)),
    (sql.Decimal(38, 20), "0.12345678901234567890", Decimal("0.12345678901234567890")), (sql.Decimal(4, 2), '"10.1"', Decimal("10.10")),
    (sql.Array(sql.STRING), "[1, null]", ["1", None]), (sql.Map(sql.STRING, sql.DOUBLE), '{"a": 1}', [("a", 1.0)]),
    (sql.Struct((sql.Field("F", sql.INTEGER), sql.Field("G", sql.STRING))), '{"f": 1}', {"F": 1, "G": None}),
])
def test_a_value_becomes_its_columns(type_: sql.SqlType, text: str, value: object) -> None:
    assert rows(decode("JSON", columns(V=type_), [b'{"V":' + text.encode() + b"}"])) == [(value,)]
    assert rows(decode("JSON", columns(V=type_), [text.encode()], BARE)) == [(value,)]
    many = decode("JSON", columns(V=type_), [b'{"V":' + text.encode() + b"}"] * 100)
    assert rows(many) == [(value,)] * 100


@pytest.mark.parametrize(("record", "reason"), [
    (b'{"MOISTURE":"wet"}', "MOISTURE: 'wet' is not a DOUBLE"),
    (b'{"ID":1,}', "not JSON: trailing comma in object at byte 8"),
    (b'{"ID":', "not JSON: it breaks off at byte 6"),
    (b"", "not JSON: it is empty"),
    (b'{"NAME":"\xff"}', "not JSON: its text is not UTF-8: invalid start byte"),
    (b"[1]", "an array is not a JSON object with the fields ID, PLANT, MOISTURE, NAME, OK"),
    (b'{"PLANT":3000000000}', "PLANT: 3000000000 is not an INTEGER: it does not fit 32 bits"),
    (b'{"OK":1}', "OK: 1 is not a BOOLEAN"),
    (b'{"MOISTURE":1e400}', "MOISTURE: 1E+400 is not a DOUBLE: it is too large"),
    (b'{"ID":[]}', "ID: an array is not a BIGINT"),
])
def test_a_bad_record_says_why(record: bytes, reason: str) -> None:
    good = b'{"ID":1,"PLANT":2,"MOISTURE":3.5,"NAME":"x","OK":true}'
    assert decode("JSON", READING, [good, record]).errors == [RowError(1, reason)]
    many = decode("JSON", READING, [good] * 60 + [record] + [good] * 60)
    assert many.errors == [RowError(60, reason)]
    assert rows(many) == [(1, 2, 3.5, "x", True)] * 60 + [None] + [(1, 2, 3.5, "x", True)] * 60


def test_a_place_inside_a_value_is_named() -> None:
    nested = columns(A=sql.Struct((sql.Field("B", sql.Array(sql.INTEGER)),)))
    assert decode("JSON", nested, [b'{"A":{"B":[1,"x"]}}']).errors == [RowError(0, "A.B[1]: 'x' is not an INTEGER")]


def test_records_of_json_sr_are_read() -> None:
    assert rows(decode("JSON", columns(A=sql.INTEGER), [b'\0\0\0\0\7{"A":1}'])) == [(1,)]


def test_writing() -> None:
    wide = columns(I=sql.INTEGER, D=sql.DOUBLE, S=sql.STRING, B=sql.BYTES, N=sql.Decimal(4, 2), DAY=sql.DATE, T=sql.TIME, TS=sql.TIMESTAMP,
                   L=sql.Array(sql.INTEGER), M=sql.Map(sql.STRING, sql.DOUBLE), R=sql.Struct((sql.Field("X", sql.BIGINT),)))
    cells = (1, 0.1, 'a"b', b"hi", Decimal("10.10"), 18262, 3_600_000_000, 1_500_999, [1, None], [("k", 1.0)], {"X": None})
    assert encode("JSON", wide, [cells, (None,) * 11, None]) == [
        b'{"I":1,"D":0.1,"S":"a\\"b","B":"aGk=","N":10.10,"DAY":18262,"T":3600000,"TS":1500,"L":[1,null],"M":{"k":1.0},"R":{"X":null}}',
        b'{"I":null,"D":null,"S":null,"B":null,"N":null,"DAY":null,"T":null,"TS":null,"L":null,"M":null,"R":null}',
        None,
    ]


def test_single_columns_stand_bare() -> None:
    assert encode("JSON", columns(A=sql.STRING), [("x",), (None,), None], BARE) == [b'"x"', None, None]
    assert encode("JSON", columns(A=sql.STRING), [("x",)], KEY) == [b'"x"']
    assert encode("JSON", columns(A=sql.STRING), [("x",)], VALUE) == [b'{"A":"x"}']
    assert encode("JSON", columns(A=sql.STRING, B=sql.INTEGER), [("x", 1)], KEY) == [b'{"A":"x","B":1}']
    assert rows(decode("JSON", columns(A=sql.STRING), [b'"x"', b"null", None] * 30, KEY)) == [("x",), None, None] * 30


def test_maps_need_string_keys() -> None:
    with pytest.raises(SqlError, match="JSON only supports MAP types with STRING keys"):
        decode("JSON", columns(M=sql.Map(sql.INTEGER, sql.DOUBLE)), [])


# ------------------------------------------------------------------------ whole batches against single records

INNER = sql.Struct((sql.Field("X", sql.INTEGER), sql.Field("Y", sql.STRING)))
SHAPED = columns(A=sql.BIGINT, B=sql.INTEGER, C=sql.DOUBLE, D=sql.STRING, E=sql.BOOLEAN, F=sql.Decimal(6, 2), G=sql.TIMESTAMP, H=sql.DATE,
                 I=sql.TIME, J=INNER)
NASTY = [
    "0", "-0", "-0.0", "00", "01", "-01", "1.", ".5", "1.0", "1e5", "1E400", "-", "+1", "1-2", "1.2.3", "0x1F", "NaN", "Infinity", "nan",
    "9223372036854775807", "9223372036854775808", "-9223372036854775808", "2147483648", "123456789012345678901234567890", "0.1", "1.005",
    "12345.67", "1_000",
    "9007199254740993", "9999999999999999", "-9223372036854776", "86399999", "86400000", "1.7976931348623157e308", "5e-324",
    "null", "true", "false", "tru", "nul", '"5"', '"-5.5"', '"true"', '""',
    '"null"', '"a,\\"b"', '"a,"', '"é€😀"', '"\\u0041"', '"\\ud800"', '"\\n"', '"\t"',
    '"a', '{"X":1,"Y":"z"}', '{"x":1,"y":null}', '{"Y":"q","X":"7"}',
    "{}", "[]", "[1,2]", '{"X":{}}', " 7 ", '"x" ', "",
]
scalar = st.one_of(
    st.sampled_from(NASTY), st.integers(-(1 << 65), 1 << 65).map(str), st.floats(allow_nan=False, allow_infinity=False).map(json.dumps),
    st.decimals(-10**5, 10**5, places=2).map(str), st.text(max_size=6).map(json.dumps),
    st.text(max_size=6).map(lambda t: json.dumps(t, ensure_ascii=False)),
)


@st.composite
def record(draw: st.DrawFn) -> bytes:
    names = draw(st.sampled_from([*map(list, ("ABCDEFGHIJ", "abcdefghij", "AbC", "JIHGFEDCBA", "Aa", "AAB", "AZD"))]))
    usual = {
        "A": "17", "B": "2", "C": "0.5", "D": '"plant-1"', "E": "true", "F": "12.50", "G": "1500", "H": "18262", "I": "5",
        "J": '{"X":1,"Y":"z"}',
    }
    odd = draw(st.sets(st.sampled_from(names), max_size=3))
    space = draw(st.sampled_from(["", "", "", " ", "\n"]))
    fields = [f'"{n}":{space}{draw(scalar) if n in odd else usual.get(n.upper(), "9")}' for n in names]
    data = ("{" + f",{space}".join(fields) + "}").encode("utf-8", "surrogatepass")
    cut = draw(st.integers(0, 60))
    if cut == 1:
        return data[: draw(st.integers(0, len(data)))]
    return data.replace(b"plant", b"pl\xffnt") if cut == 2 else data


@settings(max_examples=150, deadline=None)
@given(st.lists(record(), min_size=1, max_size=12), st.integers(0, 3))
@example([b'{"A":1}', b'{"A":1}{"A":2}', b""], 0)
@example([b'{"D":"a"}', b'{"D":"a","D":"b"}', b'{"D":"a\\"}'], 1)
@example([b'{"A":1,"G":9999999999999999}', b'{"A":1,"G":-9223372036854776}', b'{"A":1,"G":999999999999999}'], 0)
def test_batches_read_as_records_do(sample: list[bytes], nulls: int) -> None:
    records: list[bytes | None] = [*(sample * (1 + 96 // len(sample))), *[None] * nulls]
    data = pa.array([b"-", *records], pa.binary()).slice(1)  # an array with an offset, too
    quick = decoder("JSON", SHAPED, VALUE, EmbeddedRegistry(MemoryStore()))
    exact = decode_rows(SHAPED, row_decoder(SHAPED, unwrapped=False), data)
    for _ in range(2):  # the second time with shapes known
        got = quick(data)
        assert list(got.errors) == list(exact.errors)
        assert got.present.equals(exact.present)
        for column, one, other in zip(SHAPED, got.columns, exact.columns, strict=True):
            assert one.type == arrow_type(column.type)
            assert list(map(repr, plain_values(one, column.type))) == list(map(repr, plain_values(other, column.type))), column


@pytest.mark.parametrize("usual", ["9", "2.5", "-3", "-0.5"])
def test_what_nobody_reads_must_be_json_too(usual: str) -> None:
    wanted = columns(A=sql.BIGINT)
    odd = [*NASTY, "--1", "-1-", "1..2", "1.2-3", "-1.5-", "1-.5", "1.-5"]
    for texts in (odd, *([text] * 60 for text in odd)):
        data = pa.array([f'{{"Z":{text},"A":1}}'.encode("utf-8", "surrogatepass") for text in [usual] * 60 + texts + [usual]], pa.binary())
        exact = decode_rows(wanted, row_decoder(wanted, unwrapped=False), data)
        got = decoder("JSON", wanted, VALUE, EmbeddedRegistry(MemoryStore()))(data)
        assert list(got.errors) == list(exact.errors)
        assert got.columns[0].equals(exact.columns[0])


@settings(max_examples=60, deadline=None)
@given(st.lists(scalar, min_size=1, max_size=8), st.sampled_from([sql.BIGINT, sql.DOUBLE, sql.STRING, sql.BOOLEAN, sql.Decimal(4, 1)]))
def test_bare_values_read_as_records_do(texts: list[str], type_: sql.SqlType) -> None:
    wanted = columns(V=type_)
    data = pa.array([t.encode("utf-8", "surrogatepass") for t in texts] * 64, pa.binary())
    exact = decode_rows(wanted, row_decoder(wanted, unwrapped=True), data)
    got = decoder("JSON", wanted, KEY, EmbeddedRegistry(MemoryStore()))(data)
    assert list(got.errors) == list(exact.errors)
    assert got.present.equals(exact.present)
    assert list(map(repr, got.columns[0].to_pylist())) == list(map(repr, exact.columns[0].to_pylist()))


WRITTEN = columns(A=sql.BIGINT, B=sql.DOUBLE, C=sql.STRING, D=sql.BOOLEAN, E=sql.TIMESTAMP, F=sql.DATE, G=sql.TIME, H=sql.Array(sql.DOUBLE), J=INNER)
CELLS = st.tuples(
    st.none() | st.integers(-(1 << 63), (1 << 63) - 1), st.none() | st.floats(), st.none() | st.text(), st.none() | st.booleans(),
    st.none() | st.integers(-(1 << 53), 1 << 53), st.none() | st.integers(-100000, 100000), st.none() | st.integers(0, 86_399_999_999),
    st.none() | st.lists(st.none() | st.floats(), max_size=3),
    st.none() | st.fixed_dictionaries({"X": st.none() | st.integers(-5, 5), "Y": st.none() | st.text(max_size=3)}),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.none() | CELLS, min_size=1, max_size=10))
def test_batches_write_as_records_do(sample: list[tuple[object, ...] | None]) -> None:
    cells = sample * (1 + 60 // len(sample))
    arrays = [pa.array([None if r is None else r[i] for r in cells], arrow_type(c.type)) for i, c in enumerate(WRITTEN)]
    present = pa.array([r is not None for r in cells])
    got = encoder("JSON", WRITTEN, VALUE, EmbeddedRegistry(MemoryStore()))(arrays, present)
    exact = encode_rows(WRITTEN, row_encoder(WRITTEN, unwrapped=False), arrays, present)
    assert got.data.to_pylist() == exact.data.to_pylist()
    assert list(got.errors) == list(exact.errors)


def test_options_are_those_of_the_statement() -> None:
    assert rows(decode("json", [Column("A", sql.INTEGER)], [b"5"], SerdeOptions(False, "t-value", wrap_single=False))) == [(5,)]


def test_a_batch_larger_than_a_piece() -> None:
    wanted = columns(A=sql.INTEGER, S=sql.STRING)
    records = [b'{"A":%d,"S":"x"}' % i if i % 10_007 else b"{" for i in range(60_000)]
    decoded = decode("JSON", wanted, records)
    assert [e.row for e in decoded.errors] == [0, 10_007, 20_014, 30_021, 40_028, 50_035]
    assert rows(decoded) == [(i, "x") if i % 10_007 else None for i in range(60_000)]
