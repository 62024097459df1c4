"""What a batch remembers of where its records came from."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from penstock.engine.intake import ROWS_REPEATED, gather, offsets_of
from penstock.engine.stage import Origin
from penstock.log.records import numbered, records


def batch(*offsets: int) -> pa.RecordBatch:
    return numbered(records([(1000 + o, b"k%d" % o, b"v") for o in offsets]), np.array(offsets), np.array(offsets))


@pytest.mark.parametrize("offsets", [(5, 6, 7), (3, 4, 9), (8,)])
def test_a_place_has_its_record_s_offset_whether_or_not_compaction_left_gaps(offsets: tuple[int, ...]) -> None:
    origin = Origin()
    origin.parts.append((0, "t", 2, pa.array([10, 20, 21][: len(offsets)]), offsets_of(batch(*offsets))))
    assert [origin.of(place) for place in (10, 20, 21)][: len(offsets)] == [("t", 2, offset) for offset in offsets]
    assert origin.of(11) == ("", -1, -1)
    assert origin.count == len(offsets)


def test_the_records_of_partitions_are_put_in_the_order_of_their_places() -> None:
    rows = gather([(0, batch(4, 5), np.array([1, 3])), (7, batch(1, 2, 9), np.array([0, 2, 4]))])
    assert rows is not None
    assert rows.places.to_pylist() == [0, 1, 2, 3, 4]
    assert rows.partitions.to_pylist() == [7, 0, 7, 0, 7]
    assert rows.offsets.to_pylist() == [1, 4, 2, 5, 9]
    assert rows.keys.to_pylist() == [b"k1", b"k4", b"k2", b"k5", b"k9"]
    assert gather([]) is None


@pytest.mark.parametrize("count", [1, ROWS_REPEATED, ROWS_REPEATED + 1])
def test_one_partition_s_records_stay_as_they_are(count: int) -> None:
    rows = gather([(3, batch(*range(count)), np.arange(count))])
    assert rows is not None
    assert len(rows) == len(rows.partitions) == count
    assert rows.partitions.unique().to_pylist() == [3]
