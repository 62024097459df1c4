"""Columns that come in parts lie one behind the other."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from penstock.engine.evaluate import one_chunk
from penstock.engine.pile import Pile, adjoining

PARTS: dict[str, list[pa.Array]] = {
    "numbers": [pa.array([1, 2, 3]), pa.array([4]), pa.array([5, 6])],
    "small numbers": [pa.array([1, 2, 3], pa.int32()), pa.array([4], pa.int32())],
    "times": [pa.array([1, 2], pa.timestamp("us")), pa.array([3], pa.timestamp("us"))],
    "slices": [pa.array([9, 1, 2, 9])[1:3], pa.array([9, 9, 3, 4])[2:]],
    "texts": [pa.array(["a", "", "bcd"]), pa.array(["ef"]), pa.array(["", "g"])],
    "slices of texts": [pa.array(["x", "aa", "bb", "y"])[1:3], pa.array(["x", "cc", "dd"])[1:]],
    "bytes": [pa.array([b"a", b"bc"]), pa.array([b"", b"d"])],
    "empty texts": [pa.array(["", ""]), pa.array([""])],
}


def piled(parts: list[pa.Array]) -> pa.ChunkedArray:
    """The parts, added to a pile for as many rows as they have."""
    pile = Pile(sum(map(len, parts)))
    return pa.chunked_array([pile.add(part) for part in parts], parts[0].type)


@pytest.mark.parametrize("name", PARTS)
def test_parts_become_one_without_being_put_together(name: str) -> None:
    parts = PARTS[name]
    column = piled(parts)
    whole = adjoining(column.chunks)
    assert whole is not None
    assert whole.equals(pa.concat_arrays(parts))
    assert one_chunk(column).buffers()[1].address == column.chunk(0).buffers()[1].address
    assert whole.slice(1).equals(pa.concat_arrays(parts).slice(1))
    whole.validate(full=True)


MIXED: dict[str, list[pa.Array]] = {
    "a NULL": [pa.array([1, 2]), pa.array([3, None]), pa.array([4])],
    "longer texts than the first": [pa.array(["a", "b"]), pa.array(["c" * 1000]), pa.array(["d"] * 5), pa.array(["e" * 3000])],
    "no plain type": [pa.array([[1], [2, 3]]), pa.array([[4]])],
    "booleans": [pa.array([True, False]), pa.array([True])],
    "an empty part": [pa.array([1, 2]), pa.array([], pa.int64()), pa.array([3])],
}


@pytest.mark.parametrize("name", MIXED)
def test_what_cannot_lie_behind_the_rest_stays_where_it_is(name: str) -> None:
    column = piled(MIXED[name])
    assert one_chunk(column).equals(pa.concat_arrays(MIXED[name]))
    column.validate(full=True)


def test_memory_is_taken_for_what_is_still_to_come() -> None:
    pile = Pile(10)
    for part, rows in ((["a"] * 4, 10), (["b" * 100] * 5, 6), (["c" * 10_000], 1)):
        pile.add(pa.array(part))
        assert pile.room is not None
        assert pile.room.numbers.size == (rows + 1) * 4
    assert pile.add(pa.array(["more than was said"])).to_pylist() == ["more than was said"]


def test_what_does_not_adjoin_is_put_together() -> None:
    numbers = pa.array(np.arange(10))
    assert adjoining([numbers[:3], numbers[4:]]) is None
    assert adjoining([numbers[5:], numbers[:5]]) is None
    assert adjoining([numbers[:5], pa.array([5, 6])]) is None
    whole = adjoining([numbers[2:5], numbers[5:9]])
    assert whole is not None
    assert whole.equals(numbers[2:9])
