"""The order of arrival: the records of several partitions in one line, however they are cut into batches.

The record that comes next is always one of those that come next in their partitions: the one with the smallest sequence number (it became durable
first), among those written together the one with the smallest timestamp, and then that of the first partition. So the next record depends on
nothing but where the query stands in each partition, and that is why the cuts between batches make no difference. Nor does it matter whether
numbers and times rise within a partition: a record with smaller ones than its predecessor has waited for that, and comes right after.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Numbers64 = npt.NDArray[np.int64]

KEYS_MAX = 1 << 62


def turns(batches: Sequence[pa.RecordBatch]) -> list[Numbers64]:
    """For each partition's next records what they are put in line by, never falling within a partition."""
    sequences, times = ([batch[name].to_numpy() for batch in batches] for name in ("sequence", "timestamp"))
    keys = _together(sequences, times)
    return [np.maximum.accumulate(key) for key in keys]


def _together(sequences: list[Numbers64], times: list[Numbers64]) -> list[Numbers64]:
    """One number for a record's sequence number and timestamp, that sorts as the two do."""
    first, last = min(int(s.min()) for s in sequences), max(int(s.max()) for s in sequences)
    if first == last or all(np.array_equal(s, t) for s, t in zip(sequences, times, strict=True)):
        return times
    begin, end = min(int(t.min()) for t in times), max(int(t.max()) for t in times)
    if (last - first + 1) * (end - begin + 1) <= KEYS_MAX:
        return [(s - first) * (end - begin + 1) + (t - begin) for s, t in zip(sequences, times, strict=True)]
    # too far apart for one number: their ranks do as well
    s, t = (np.unique(np.concatenate(part), return_inverse=True)[1].astype(np.int64) for part in (sequences, times))
    return np.split(s * (int(t.max()) + 1) + t, np.cumsum([len(part) for part in times])[:-1])


def certain(keys: Sequence[Numbers64], unread: Sequence[bool]) -> list[int]:
    """How many records of each partition may be taken: those before which nothing can turn up among what is still `unread` of the partitions."""
    ends = [(int(key[-1]), number) for number, (key, more) in enumerate(zip(keys, unread, strict=True)) if more]
    if not ends:
        return [len(key) for key in keys]
    horizon, at = min(ends)  # the next record of this partition comes after its last one, at the earliest right after
    return [int(np.searchsorted(key, horizon, side="right" if number <= at else "left")) for number, key in enumerate(keys)]


def line(keys: Sequence[Numbers64]) -> list[Numbers64]:
    """The places of each partition's records in the one line."""
    together = keys[0] if len(keys) == 1 else np.concatenate(keys)
    places = np.arange(len(together))
    if len(keys) > 1 and (together[1:] < together[:-1]).any():
        order = np.argsort(together, kind="stable")
        places = np.empty(len(order), np.int64)
        places[order] = np.arange(len(order))
    return np.split(places, np.cumsum([len(key) for key in keys])[:-1])
