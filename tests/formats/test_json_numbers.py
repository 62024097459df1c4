"""Numbers read eight signs at a time are those that Python reads, one by one."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest

from penstock.formats.json_numbers import SIGNS_MAX, Numbers, numbers_of

NUMBER = re.compile(rb"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
ODD = [
    "0", "-0", "0.5", "-0.5", "-0.0", "0.0", "007", "-007", "00", "-", ".", "..", "5.", ".5", "-.5", "null", "1e5", "1-2", "1.2.3", "x", "/", ":",
    "12345678", "123456789", "1234567.8", "12345678.9", "123456789.0", "-12345678.123456", "9999999999999999", "-999999999999999",
    "0.00000000000001", "99999999999999.9",
]  # fmt: skip


def texts(seed: int, longest: int) -> list[bytes]:
    """Numbers and what is nearly one."""
    dice = random.Random(seed)

    def text() -> str:
        match dice.randrange(6):
            case 0:
                return str(dice.randrange(-(10 ** dice.randrange(1, 16)), 10 ** dice.randrange(1, 17)))
            case 1:
                return repr(round(dice.uniform(-1000, 1000), dice.randrange(9)))
            case 2:
                return f"{dice.uniform(-1, 1) * 10 ** dice.randrange(-3, 7):.{dice.randrange(1, 8)}f}"
            case 3:
                return "".join(dice.choice("0123456789.-") for _ in range(dice.randrange(1, 17)))
            case 4:
                return "".join(dice.choice("0123456789.-+eE:/x\xff\x00") for _ in range(dice.randrange(1, 9)))
        return dice.choice(ODD)

    return [raw for raw in (text().encode("latin1") for _ in range(400)) if len(raw) <= longest]


def read(raws: list[bytes], size_max: int = SIGNS_MAX + 1, *, whole: bool) -> Numbers | None:
    """The numbers of a text that holds one behind the other, with what may stand between them."""
    text, starts, ends = bytearray(SIGNS_MAX), [], []
    for number, raw in enumerate(raws):
        starts.append(len(text))
        text += raw
        ends.append(len(text))
        text += (b",", b"9", b"}", b" -")[number % 4]
    codes = np.frombuffer(bytes(text + bytes(SIGNS_MAX)), np.uint8)
    words = np.ndarray((len(codes) - 7,), "<u8", codes, 0, (1,))
    return numbers_of(codes, words, np.array(starts, np.int64), np.array(ends, np.int64), size_max, whole=whole)


@pytest.mark.parametrize("longest", [8, SIGNS_MAX])
@pytest.mark.parametrize("seed", range(8))
def test_numbers_are_those_that_python_reads(seed: int, longest: int) -> None:
    raws = texts(seed, longest)
    for whole in (True, False):
        found = read(raws, whole=whole)
        assert found is not None
        values = (found.whole() if whole else found.floats()).tolist()
        for raw, fine, value in zip(raws, found.fine.tolist(), values, strict=True):
            is_one = NUMBER.fullmatch(raw) is not None and raw != b"-0" and not (whole and b"." in raw)
            assert fine == is_one, raw
            if is_one:
                assert repr(value) == repr(int(raw) if whole else float(raw)), raw


def test_what_is_too_long_is_left_to_others() -> None:
    assert read([b"1", b"1" * (SIGNS_MAX + 1)], whole=True) is None
    assert read([b"1", b"-" + b"1" * SIGNS_MAX], whole=True) is not None
    short = read([b"12", b"123", b"-12", b"-1"], 2, whole=True)
    assert short is not None
    assert short.fine.tolist() == [True, False, False, True]
    empty = read([], whole=False)
    assert empty is not None
    assert empty.floats().tolist() == []
    nothing = read([b"1", b"", b"-"], whole=True)
    assert nothing is not None
    assert nothing.fine.tolist() == [True, False, False]
