"""DELIMITED: fields by their places, quoted as ksqlDB quotes them."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.formats.codec import KEY, VALUE, columns, decode, encode, rows

from penstock.errors import SqlError
from penstock.formats import RowError, SerdeOptions
from penstock.formats.delimited import double_text
from penstock.sql import types as sql

WIDE = columns(A=sql.BIGINT, B=sql.STRING, C=sql.DOUBLE, D=sql.Decimal(6, 4), E=sql.BOOLEAN, F=sql.BYTES, G=sql.DATE, H=sql.TIMESTAMP)


def test_reading() -> None:
    line = b'1,"say ""hi"", you",2.5,10,true,aGk=,18262, 1500 '
    assert rows(decode("DELIMITED", WIDE, [line, b",,,,,,,", line + b"\r\n", None])) == [
        row := (1, 'say "hi", you', 2.5, Decimal("10.0000"), True, b"hi", datetime.date(2020, 1, 1), datetime.datetime(1970, 1, 1, 0, 0, 1, 500000)),
        (None,) * 8, row, None]


@pytest.mark.parametrize(("line", "reason"), [
    (b"1,zero", "the line has 2 fields, but there are 3 columns"), (b"x,zero,0", "ID: 'x' is not a BIGINT"),
    (b'1,"zero,0', "the quote at character 2 of the line is not closed before the next delimiter"),
    (b"1,\xff,0", "the line is not UTF-8 text: invalid start byte at byte 2"),
])
def test_a_bad_line_says_why(line: bytes, reason: str) -> None:
    wanted = columns(ID=sql.BIGINT, NAME=sql.STRING, VALUE=sql.INTEGER)
    assert decode("DELIMITED", wanted, [line]).errors == [RowError(0, reason)]


def test_writing() -> None:
    assert encode("DELIMITED", WIDE, [(1, 'a,"b"', 0.5, Decimal("1"), False, b"hi", 1, 1000), (-1, " x", 1e10, None, None, None, None, None)]) == [
        b'1,"a,""b""",0.5,1.0000,false,aGk=,1,1', b'"-1"," x",1.0E10,,,,,']
    assert encode("DELIMITED", columns(A=sql.STRING, B=sql.STRING), [("", ""), ("a", None)]) == [b'"",', b"a,"]


def test_delimiters() -> None:
    wanted = columns(A=sql.INTEGER, B=sql.STRING)
    for word, character in (("|", "|"), ("TAB", "\t"), ("space", " "), ("$", "$"), ("\t", "\t")):
        options = SerdeOptions(False, "t-value", delimiter=word)
        data = encode("DELIMITED", wanted, [(1, "x")], options)
        assert data == [f"1{character}x".encode()]
        assert rows(decode("DELIMITED", wanted, data, options)) == [(1, "x")]
    with pytest.raises(SqlError, match="A delimiter is one character"):
        encode("DELIMITED", wanted, [], SerdeOptions(False, "t-value", delimiter="||"))


def test_keys_stand_bare() -> None:
    assert rows(decode("DELIMITED", columns(K=sql.BOOLEAN), [b"true", b'"true"', None], KEY)) == [(True,), (True,), None]
    assert encode("DELIMITED", columns(K=sql.STRING), [("You",), (None,)], KEY) == [b"You", None]


def test_nested_types_are_refused() -> None:
    with pytest.raises(SqlError, match="The 'DELIMITED' format does not support type 'ARRAY', column: `K`"):
        encode("DELIMITED", columns(K=sql.Array(sql.DOUBLE)), [], KEY)


@pytest.mark.parametrize(("value", "text"), [
    (1.0, "1.0"), (0.001, "0.001"), (1e-4, "1.0E-4"), (9999999.0, "9999999.0"), (1e7, "1.0E7"), (5e-324, "4.9E-324"), (-0.0, "-0.0"),
    (123.456, "123.456"), (1.7976931348623157e308, "1.7976931348623157E308"), (float("nan"), "NaN"), (100.0, "100.0"),
    (float("-inf"), "-Infinity"),
])
def test_doubles_are_written_as_java_does(value: float, text: str) -> None:
    assert double_text(value) == text


@settings(deadline=None)
@given(st.lists(st.tuples(st.none() | st.text(min_size=1), st.none() | st.floats(allow_nan=False))))
def test_there_and_back(cells: list[tuple[str | None, float | None]]) -> None:
    wanted = columns(A=sql.STRING, B=sql.DOUBLE)
    assert rows(decode("DELIMITED", wanted, encode("DELIMITED", wanted, cells), VALUE)) == cells
