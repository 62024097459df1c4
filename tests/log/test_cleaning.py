"""Retention, compaction and merging, against plain Python models."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import StorageError
from penstock.log import open_log
from penstock.log.embedded import batches, cleaning, compaction, merging
from penstock.log.embedded.log import EmbeddedLog
from penstock.log.embedded.topics import Head, find, head
from penstock.log.protocol import Append, Log, TopicConfig
from penstock.log.records import records

T0 = 1_700_000_000_000
Stored = tuple[int, int, bytes | None, bytes | None]  # offset, timestamp, key, value


@pytest.fixture
def log() -> Iterator[Log]:
    opened = open_log(None)
    yield opened
    opened.close()


def everything(log: Log, topic: str = "t") -> list[Stored]:
    found: list[Stored] = []
    offset = 0
    while (batch := log.read(topic, 0, offset)).num_rows:
        found += zip(*(batch.column(name).to_pylist() for name in ("offset", "timestamp", "key", "value")), strict=True)
        offset = found[-1][0] + 1
    return found


def head_of(log: Log, topic: str = "t") -> Head:
    assert isinstance(log, EmbeddedLog)
    with log._environment.reading() as view:
        found = find(view, topic)
        assert found
        return head(view, found, 0)


def append(log: Log, *rows: tuple[int, bytes | None, bytes | None]) -> None:
    log.append(Append("t", 0, records(rows)))


def test_retention_by_time_drops_whole_batches_from_the_front(log: Log) -> None:
    log.create_topic("t", 1, TopicConfig(retention_ms=1000))
    append(log, (T0, b"a", b"1"), (T0 + 900, b"b", b"2"))
    append(log, (T0 + 10, b"c", b"3"))
    append(log, (T0 + 950, b"d", b"4"))
    log.clean(T0 + 1900)
    assert log.start_offset("t", 0) == 0
    log.clean(T0 + 1901)
    assert log.start_offset("t", 0) == 3, "the batches whose latest record is over 1 s old"
    assert everything(log) == [(3, T0 + 950, b"d", b"4")]
    log.clean(T0 + 10_000)
    assert (log.start_offset("t", 0), log.end_offset("t", 0)) == (4, 4)
    assert log.read("t", 0, 0).num_rows == 0
    append(log, (T0 + 10_000, b"e", b"5"))
    assert everything(log) == [(4, T0 + 10_000, b"e", b"5")]
    assert log.offset_at("t", 0, 0) == 4


def test_retention_by_size_keeps_at_least_so_much(log: Log) -> None:
    log.create_topic("t", 1, TopicConfig(retention_ms=None, retention_bytes=500_000))
    for i in range(10):
        append(log, (T0, b"k", random.Random(i).randbytes(100_000)))
    log.clean(T0)
    place = head_of(log)
    assert 500_000 <= place.bytes < 601_000
    assert (place.start, place.end) == (5, 10)
    assert [o for o, *_ in everything(log)] == [5, 6, 7, 8, 9]


def test_a_topic_without_limits_keeps_all(log: Log) -> None:
    log.create_topic("t", 1, TopicConfig(retention_ms=None))
    append(log, (0, b"a", b"1"))
    log.clean(T0 * 10)
    assert len(everything(log)) == 1


def test_compaction_keeps_the_last_of_each_key_at_its_offset(log: Log) -> None:
    log.create_topic("t", 1, TopicConfig(frozenset({"compact"})))
    append(log, (T0, b"a", b"1"), (T0, b"b", b"1"), (T0, b"a", b"2"))
    append(log, (T0, b"c", b"1"), (T0, b"b", b"2"))
    log.clean(T0)
    assert everything(log) == [(2, T0, b"a", b"2"), (3, T0, b"c", b"1"), (4, T0, b"b", b"2")]
    assert log.start_offset("t", 0) == 0
    assert log.read("t", 0, 1).column("offset").to_pylist() == [2, 3, 4]
    append(log, (T0, b"c", b"2"))
    log.clean(T0)
    assert [(o, k, v) for o, _, k, v in everything(log)] == [(2, b"a", b"2"), (4, b"b", b"2"), (5, b"c", b"2")]


def test_compaction_drops_records_without_a_key(log: Log) -> None:
    log.create_topic("t", 1, TopicConfig(frozenset({"compact"})))
    append(log, (T0, None, b"1"), (T0, b"a", b"1"), (T0, None, b"2"))
    log.clean(T0 + 1)
    assert [(o, k) for o, _, k, _ in everything(log)] == [(1, b"a")]


def test_a_tombstone_stays_its_time_after_the_first_pass(log: Log) -> None:
    log.create_topic("t", 1, TopicConfig(frozenset({"compact"}), delete_retention_ms=1000))
    append(log, (T0, b"a", b"1"), (T0, b"a", None), (T0, b"b", b"1"))
    log.clean(T0 + 50_000)
    assert [(o, v) for o, _, _, v in everything(log)] == [(1, None), (2, b"1")]
    assert head_of(log).horizon == T0 + 51_000
    assert not compaction.is_due(head_of(log), T0 + 50_999)
    assert compaction.is_due(head_of(log), T0 + 51_000)
    log.clean(T0 + 50_999)
    assert len(everything(log)) == 2
    log.clean(T0 + 51_000)
    assert [(o, v) for o, _, _, v in everything(log)] == [(2, b"1")]


def test_compaction_in_rounds_when_keys_are_many(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "KEYS_MAX", 10)
    monkeypatch.setattr(compaction, "CHUNK_BYTES", 2000)
    log.create_topic("t", 1, TopicConfig(frozenset({"compact"})))
    chance = random.Random(5)
    model: dict[bytes, int] = {}
    for offset in range(300):
        key = b"%d" % chance.randrange(60)
        model[key] = offset
        append(log, (T0, key, b"v"))
    log.clean(T0)
    assert [(o, k) for o, _, k, _ in everything(log)] == sorted((o, k) for k, o in model.items())


@pytest.mark.parametrize("step", ["_keep_latest", "replace_batches"])
def test_compaction_that_fails_half_way_goes_on_later(log: Log, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    monkeypatch.setattr(compaction, "CHUNK_BYTES", 2000)
    log.create_topic("t", 1, TopicConfig(frozenset({"compact"})))
    for i in range(100):
        append(log, (T0, b"%d" % (i % 20), b"v%d" % i))
    calls = 0
    real = getattr(compaction, step)

    def fail(*args: object) -> object:
        nonlocal calls
        calls += 1
        if step == "_keep_latest" or calls == 3:
            raise RuntimeError("stopped here")
        return real(*args)

    monkeypatch.setattr(compaction, step, fail)
    with pytest.raises(RuntimeError, match="stopped here"):
        log.clean(T0)
    assert {k: v for _, _, k, v in everything(log)} == {b"%d" % i: b"v%d" % (80 + i) for i in range(20)}
    monkeypatch.setattr(compaction, step, real)
    log.clean(T0)
    assert [o for o, *_ in everything(log)] == list(range(80, 100))


operations = st.lists(
    st.one_of(
        st.lists(st.tuples(st.integers(0, 5), st.sampled_from([b"x", b"yy", None]), st.integers(0, 400)), min_size=1, max_size=8),
        st.integers(1, 400),
    ),
    max_size=25,
)


@settings(deadline=None, max_examples=60)
@given(operations, st.sampled_from([frozenset({"compact"}), frozenset({"delete"}), frozenset({"compact", "delete"})]), st.booleans())
def test_what_a_reader_sees_agrees_with_a_model(steps: list[object], cleanup: frozenset[str], by_size: bool) -> None:
    """Random appends and cleanings. The model holds every record ever written; what is read must be a part of it that keeps the promises."""
    config = TopicConfig(cleanup, retention_ms=None if by_size else 300, retention_bytes=3000 if by_size else None, delete_retention_ms=100)
    log = open_log(None)
    log.create_topic("t", 1, config)
    model: list[Stored] = []
    now = T0
    first_cleaned: dict[int, int] = {}  # offset of a tombstone -> the time of the first cleaning that saw it
    for step in steps:
        if isinstance(step, list):
            batch = [(now - late, b"%d" % key, value) for key, value, late in step]
            model += [(len(model) + i, *row) for i, row in enumerate(batch)]
            append(log, *batch)
            continue
        assert isinstance(step, int)
        now += step
        log.clean(now)
        for offset, _, _, value in model:
            if value is None:
                first_cleaned.setdefault(offset, now)
        found = everything(log)
        start = log.start_offset("t", 0)
        assert set(found) <= set(model)
        assert log.end_offset("t", 0) == len(model)
        assert found == sorted(found)
        assert all(row[0] >= start for row in found)
        final = {row[2]: row for row in model}
        for row in model:
            offset, _, key, value = row
            if offset < start:
                assert "delete" in cleanup
                continue
            if "compact" not in cleanup:
                assert row in found
            elif final[key] != row:
                assert row not in found, "superseded"
            elif value is not None or now < first_cleaned[offset] + 100:
                assert row in found, "the last of its key"
        if "delete" in cleanup and not by_size:
            live = [row for row in model if row[1] >= now - 300]
            assert "compact" in cleanup or set(live) <= set(found), "younger than the retention"
    log.close()


def test_merging_makes_many_appends_few_batches(log: Log) -> None:
    log.create_topic("t", 1)
    log.create_topic("other", 1)
    for i in range(3000):
        append(log, (T0 + i, b"k%d" % i, b"v%d" % i))
        if i % 3 == 0:
            log.append(Append("other", 0, records([(T0, None, b"x")])))
    before = log.read("t", 0, 0)
    log.clean(T0)
    assert head_of(log).batches < 5
    after = log.read("t", 0, 0)
    assert after.equals(before)
    assert log.read("t", 0, 1234, max_records=3).column("key").to_pylist() == [b"k1234", b"k1235", b"k1236"]
    assert log.offset_at("t", 0, T0 + 2500) == 2500


def test_merging_writes_each_record_a_few_times_only(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "RUN_BYTES", 20_000)
    log.create_topic("t", 1)
    written = 0
    real = batches.encode_read

    def counted(batch: pa.RecordBatch, *, horizon: int) -> bytes:
        nonlocal written
        written += batch.num_rows
        return real(batch, horizon=horizon)

    monkeypatch.setattr(merging, "encode_read", counted)
    for i in range(2000):
        append(log, (T0 + i, b"k%d" % i, b"v%d" % i))
        if i % 10 == 9:
            log.clean(T0)
    assert written < 2000 * 12
    assert head_of(log).batches < 40
    assert head_of(log).merged > 1000
    assert [o for o, *_ in everything(log)] == list(range(2000))


def test_merged_batches_hold_back_little_from_retention(log: Log) -> None:
    log.create_topic("t", 1, TopicConfig(retention_ms=10_000))
    for i in range(100):
        append(log, (T0 + i * 200, b"k", b"v"))
        log.clean(T0 + i * 200)
    assert everything(log)[0][1] >= T0 + 99 * 200 - 10_000 - 1_000


def test_the_log_cleans_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleaning, "INTERVAL_S", 0.01)
    log = open_log(None)
    log.create_topic("t", 1, TopicConfig(retention_ms=1))
    append(log, (T0, b"a", b"1"))
    assert isinstance(log, EmbeddedLog)
    thread = log._cleaner._thread
    assert thread is not None
    for _ in range(1000):
        if log.start_offset("t", 0):
            break
        thread.join(0.01)
    assert log.start_offset("t", 0) == 1
    log.close()
    assert not thread.is_alive()


def test_cleaning_passes_over_a_topic_deleted_meanwhile(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    log.create_topic("t", 1, TopicConfig(frozenset({"compact"})))
    append(log, (T0, b"a", b"1"), (T0, b"a", b"2"))
    real = compaction._latest

    def delete_first(*args: object) -> object:
        log.delete_topic("t")
        log.create_topic("t", 1)
        append(log, (T0, b"a", b"new"))
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(compaction, "_latest", delete_first)
    log.clean(T0)
    assert [v for *_, v in everything(log)] == [b"new"]


def test_nothing_is_cleaned_read_only(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    log = open_log(folder)
    reader = open_log(folder, read_only=True)
    with pytest.raises(StorageError, match="read-only"):
        reader.clean()
    reader.close()
    log.close()
