"""Keys of a table of state: their hashes, their order, and moving them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from penstock.engine.keys import HASHED_TOGETHER, NO_KEYS, Keys, among_few, hashed, number_hashes, rising, state_keys, taken
from penstock.sql.types import BIGINT, INTEGER


def rests(seed: int, lengths: Sequence[int]) -> pa.Array:
    """Random keys of these lengths."""
    rng = np.random.default_rng(seed)
    return pa.array([rng.bytes(length) for length in lengths], pa.binary())


def test_a_hash_depends_on_the_key_alone_not_on_its_neighbours() -> None:
    long = HASHED_TOGETHER + 100
    mixed = [i % 23 for i in range(long)]
    for keys in (rests(1, [9] * long), rests(2, mixed), rests(3, [16] * 5), rests(4, [0, 0]), rests(5, [])):
        alone = np.concatenate([np.zeros(0, np.uint64), *(hashed(keys.slice(i, 1)) for i in range(0, len(keys), 97))])
        assert (hashed(keys)[::97] == alone).all()
        assert (hashed(keys.slice(3)) == hashed(keys)[3:]).all()


def test_the_hashes_of_whole_numbers_are_those_of_their_keys_and_all_differ() -> None:
    rng = np.random.default_rng(11)
    for type_, kind in ((BIGINT, np.int64), (INTEGER, np.int32)):
        ends = np.iinfo(kind)
        some = rng.integers(ends.min, ends.max, 20_000)
        values: Any = np.concatenate([[ends.min, ends.max], np.arange(-20_000, 20_000), some]).astype(kind)
        hashes = number_hashes(values)
        assert (hashes == hashed(state_keys([pa.array(values)], [type_], len(values)))).all()
        assert len(np.unique(hashes)) == len(np.unique(values))


def test_an_order_by_hash_keeps_the_first_of_the_same_before() -> None:
    rng = np.random.default_rng(7)
    far = rng.integers(0, 2**63, 5_000).astype(np.uint64)
    near = (np.uint64(1) << np.uint64(40)) + rng.integers(0, 50, 5_000).astype(np.uint64)  # they differ by their lowest bits alone
    halves = (rng.integers(0, 20, 5_000).astype(np.uint64) << np.uint64(32)) + rng.integers(0, 20, 5_000).astype(np.uint64)
    wide = rng.integers(0, 2**63, 40_000).astype(np.uint64)
    some = np.concatenate([wide, wide[:50] ^ np.uint64(1), wide[:9_000]])  # a few differ by their lowest bit alone
    pairs = np.concatenate([wide[:5_000] ^ np.uint64(1), wide[:20_000]])  # and these are many
    alike = [np.zeros(count, np.uint64) for count in (20_000, 3, 1, 0)]
    for hashes in (wide, some, pairs, far, near, halves, np.concatenate([far, far[::-1]]), *alike):
        order, risen = rising(hashes)
        assert (order == np.argsort(hashes, kind="stable")).all()
        assert (risen == np.sort(hashes)).all()
        for most in (1, 7, 1 << 17):
            groups = rng.integers(0, most, len(hashes))
            assert (rising(hashes, groups)[0] == np.lexsort((hashes, groups))).all()


def test_few_keys_are_found_among_many_and_many_among_few() -> None:
    rng = np.random.default_rng(9)
    many, _ = Keys.of([b"k%d" % i for i in rng.permutation(5_000).tolist()])
    few, _ = Keys.of([b"k%d" % i for i in (3, 77, 4_999, 6_000, 7_000)])
    for here, wanted in ((few, many), (many, few), (few, NO_KEYS), (NO_KEYS, few), (few, few)):
        place = {key: i for i, key in enumerate(here.to_list())}
        assert here.find(wanted).tolist() == [place.get(key, -1) for key in wanted.to_list()]
        some = np.arange(len(wanted)) % 2 == 0
        expected = [place.get(key, -1) if flag else -1 for key, flag in zip(wanted.to_list(), some, strict=True)]
        assert here.find(wanted, some).tolist() == expected


def test_the_places_of_those_of_many_numbers_that_are_among_few() -> None:
    rng = np.random.default_rng(3)
    for _ in range(300):
        many = np.sort(rng.integers(0, rng.integers(1, 60), rng.integers(0, 50)).astype(np.uint64))
        few = np.sort(rng.integers(0, rng.integers(1, 60), rng.integers(0, 20)).astype(np.uint64))
        assert among_few(many, few).tolist() == np.flatnonzero(np.isin(many, few)).tolist()


def test_few_are_found_among_many_where_keys_share_a_hash() -> None:
    """Two keys with one hash are two keys, however they are looked for."""
    names = [b"a", b"b", b"c", *(b"x%d" % i for i in range(60))]
    hashes = np.array([5, 5, 5, *range(10, 70)], np.uint64)
    many = Keys((b"",), np.array([0, len(names)]), hashes, pa.array(names, pa.binary()))
    few = Keys((b"",), np.array([0, 2]), np.array([5, 5], np.uint64), pa.array([b"c", b"a"], pa.binary()))
    assert few.find(many).tolist() == [1, -1, 0, *[-1] * 60]
    assert many.find(few).tolist() == [2, 0]


def test_keys_of_one_length_and_of_several_move_alike() -> None:
    rng = np.random.default_rng(8)
    for keys in (rests(1, [9] * 100), rests(2, [i % 5 for i in range(100)]), rests(3, [0] * 100)):
        some = keys.slice(10, 80)
        for order in (rng.permutation(80), rng.integers(0, 80, 200), rng.integers(0, 80, 5), np.zeros(0, np.int64)):
            moved = taken(some, order)
            moved.validate(full=True)
            assert moved.equals(some.take(pa.array(order)))
