"""A key's partition is the one that Kafka's default partitioner gives it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.log.partition import murmur2, next_partition, partition_for, partitions_for

# Kafka's own published vectors of its murmur2 (as signed 32-bit integers).
VECTORS = [
    (b"21", -973932308),
    (b"foobar", -790332482),
    (b"a-little-bit-long-string", -985981536),
    (b"a-little-bit-longer-string", -1486304829),
    (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    (b"abc", 479470107),
]


@pytest.mark.parametrize(("key", "signed"), VECTORS)
def test_murmur2_is_kafkas(key: bytes, signed: int) -> None:
    assert murmur2(key) == signed & 0xFFFFFFFF


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40)), st.integers(1, 64))
def test_columns_hash_as_single_keys_do(keys: list[bytes], partitions: int) -> None:
    assert partitions_for(pa.array(keys, pa.binary()), partitions).tolist() == [partition_for(key, partitions) for key in keys]


def test_a_slice_hashes_its_own_rows() -> None:
    keys = pa.array([b"a", b"bb", b"", b"dddd", b"eeeee"], pa.binary())
    assert partitions_for(keys.slice(1, 3), 7).tolist() == [partition_for(k, 7) for k in (b"bb", b"", b"dddd")]


def test_text_keys_are_their_utf8() -> None:
    assert partitions_for(pa.array(["é", "b"]), 7).tolist() == [partition_for("é".encode(), 7), partition_for(b"b", 7)]


def test_records_without_a_key_stay_together_and_batches_take_turns() -> None:
    keys = pa.nulls(10, pa.binary())
    batches = [partitions_for(keys, 3) for _ in range(3)]
    assert all(len(np.unique(batch)) == 1 for batch in batches)
    assert sorted(int(batch[0]) for batch in batches) == [0, 1, 2]
    assert {next_partition(2), next_partition(2)} == {0, 1}


def test_one_partition_takes_all() -> None:
    assert partitions_for(pa.array([b"a", None], pa.binary()), 1).tolist() == [0, 0]
