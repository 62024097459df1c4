"""Keys of a table of state: their hashes, their order, and moving them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from penstock.engine.keys import HASHED_TOGETHER, hashed, rising, taken


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


def test_an_order_by_hash_keeps_the_first_of_the_same_before() -> None:
    rng = np.random.default_rng(7)
    far = rng.integers(0, 2**63, 5_000).astype(np.uint64)
    near = (np.uint64(1) << np.uint64(40)) + rng.integers(0, 50, 5_000).astype(np.uint64)  # they differ by their lowest bits alone
    for hashes in (far, near, np.concatenate([far, far[::-1]]), np.zeros(3, np.uint64), np.zeros(0, np.uint64)):
        assert (rising(hashes) == np.argsort(hashes, kind="stable")).all()


def test_keys_of_one_length_and_of_several_move_alike() -> None:
    rng = np.random.default_rng(8)
    for keys in (rests(1, [9] * 100), rests(2, [i % 5 for i in range(100)]), rests(3, [0] * 100)):
        some = keys.slice(10, 80)
        for order in (rng.permutation(80), rng.integers(0, 80, 200), rng.integers(0, 80, 5), np.zeros(0, np.int64)):
            moved = taken(some, order)
            moved.validate(full=True)
            assert moved.equals(some.take(pa.array(order)))
