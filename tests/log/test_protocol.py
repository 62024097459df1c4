"""What every home of the log does. Offsets may have gaps (Kafka's transaction markers take some), so tests compare records, not counts of offsets."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pyarrow as pa
import pytest

from penstock.errors import StorageError, TopicError
from penstock.log.embedded import partitions
from penstock.log.protocol import Append, Log, TopicConfig
from penstock.log.records import READ, records

Row = tuple[int, bytes | None, bytes | None]
T0 = 1_700_000_000_000
FOREVER = TopicConfig(retention_ms=None)


def rows(batch: pa.RecordBatch) -> list[Row]:
    return list(zip(*(batch.column(name).to_pylist() for name in ("timestamp", "key", "value")), strict=True))


def read_all(log: Log, topic: str, partition: int = 0, **limits: int) -> list[Row]:
    found: list[Row] = []
    offset = 0
    while (batch := log.read(topic, partition, offset, **limits)).num_rows:
        found += rows(batch)
        offset = batch.column("offset")[-1].as_py() + 1
    return found


@pytest.fixture
def topic(log: Log, topic_name: Callable[[], str]) -> str:
    name = topic_name()
    log.create_topic(name, 3, FOREVER)
    return name


def test_records_come_back_as_they_went(log: Log, topic: str) -> None:
    given: list[Row] = [(T0, b"k", b"v"), (T0 - 5, None, b""), (T0 + 1, b"", None), (T0, b"\x00\xff", b"x" * 100_000)]
    headers = [[("a", b"1"), ("a", b"2")], None, [("null", None)], None]
    first = log.append(Append(topic, 1, records(given, headers)))[0]
    batch = log.read(topic, 1, 0)
    assert batch.schema.equals(READ)
    assert rows(batch) == given
    assert batch.column("offset").to_pylist() == [first, first + 1, first + 2, first + 3]
    assert batch.column("headers").to_pylist() == [h and [{"key": k, "value": v} for k, v in h] for h in headers]
    batch.validate(full=True)


def test_partitions_are_apart(log: Log, topic: str) -> None:
    offsets = log.append(*(Append(topic, p, records([(T0, b"k", b"%d" % p)])) for p in (0, 1, 2)))
    assert offsets == [0, 0, 0]
    assert [read_all(log, topic, p) for p in (0, 1, 2)] == [[(T0, b"k", b"%d" % p)] for p in (0, 1, 2)]


def test_offsets_follow_one_another(log: Log, topic: str) -> None:
    assert log.end_offset(topic, 0) == log.start_offset(topic, 0) == 0
    assert log.append(Append(topic, 0, records([(T0, None, b"1"), (T0, None, b"2")]))) == [0]
    assert log.append(Append(topic, 0, records([(T0, None, b"3")]))) == [2]
    assert log.end_offset(topic, 0) == 3
    assert log.start_offset(topic, 0) == 0
    assert rows(log.read(topic, 0, 1)) == [(T0, None, b"2"), (T0, None, b"3")]


def test_one_call_appends_twice_to_a_partition(log: Log, topic: str) -> None:
    assert log.append(Append(topic, 0, records([(T0, None, b"1")])), Append(topic, 0, records([(T0, None, b"2")]))) == [0, 1]
    assert [v for _, _, v in read_all(log, topic)] == [b"1", b"2"]


def test_an_empty_append_changes_nothing(log: Log, topic: str) -> None:
    log.append(Append(topic, 0, records([(T0, None, b"1")])))
    assert log.append(Append(topic, 0, records([]))) == [1]
    assert log.append() == []
    assert len(read_all(log, topic)) == 1


def test_reading_stops_at_the_limits_and_goes_on(log: Log, topic: str) -> None:
    given: list[Row] = [(T0 + i, b"%d" % i, b"v" * 100) for i in range(1000)]
    for i in range(0, 1000, 250):
        log.append(Append(topic, 0, records(given[i : i + 250])))
    assert log.read(topic, 0, 10, max_records=7).num_rows == 7
    assert rows(log.read(topic, 0, 245, max_records=10)) == given[245:255]
    assert read_all(log, topic, max_records=33) == given
    assert read_all(log, topic, max_bytes=5000) == given
    assert 1 <= log.read(topic, 0, 0, max_bytes=1).num_rows < 1000


def test_a_snapshot_reads_in_parts_what_it_reads_at_once(log: Log, topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "PART_RECORDS", 30)  # Kafka's home gives one part, however many records
    given: list[Row] = [(T0 + i, b"%d" % i, b"v" * 100) for i in range(200)]
    for i in range(0, 200, 20):
        log.append(Append(topic, 0, records(given[i : i + 20])))
    with log.snapshot() as snapshot:
        for offset, most, size in ((0, 1000, 1 << 20), (33, 100, 1 << 20), (33, 7, 1 << 20), (0, 1000, 9000), (0, 1000, 1), (199, 10, 1 << 20)):
            parts = list(snapshot.read_parts(topic, 0, offset, max_records=most, max_bytes=size))
            whole = snapshot.read(topic, 0, offset, max_records=most, max_bytes=size)
            assert all(part.num_rows for part in parts)
            assert pa.Table.from_batches(parts).equals(pa.Table.from_batches([whole])), (offset, most, size)
        assert list(snapshot.read_parts(topic, 0, snapshot.end_offset(topic, 0), max_records=10, max_bytes=100)) == []
        assert list(snapshot.read_parts(topic, 1, 0, max_records=10, max_bytes=100)) == []


def test_the_end_is_empty_and_beyond_it_is_an_error(log: Log, topic: str) -> None:
    log.append(Append(topic, 0, records([(T0, None, b"1")])))
    end = log.end_offset(topic, 0)
    assert log.read(topic, 0, end).num_rows == 0
    assert log.read(topic, 0, end).schema.equals(READ)
    with pytest.raises(TopicError, match="beyond"):
        log.read(topic, 0, end + 1)
    assert len(rows(log.read(topic, 0, -5))) == 1


def test_a_batch_outlives_the_log(log: Log, topic: str) -> None:
    log.append(Append(topic, 0, records([(T0, b"k", b"v" * 1000)])))
    batch = log.read(topic, 0, 0)
    log.delete_topic(topic)
    log.close()
    assert rows(batch) == [(T0, b"k", b"v" * 1000)]


def test_reading_from_a_time(log: Log, topic: str) -> None:
    log.append(Append(topic, 0, records([(T0, None, b"0"), (T0 + 10, None, b"1"), (T0 + 5, None, b"2")])))
    log.append(Append(topic, 0, records([(T0 + 20, None, b"3"), (T0 + 30, None, b"4")])))
    assert [log.offset_at(topic, 0, T0 + t) for t in (-1, 0, 1, 10, 11, 20, 21, 30)] == [0, 0, 1, 1, 3, 3, 4, 4]
    assert log.offset_at(topic, 0, T0 + 31) == log.end_offset(topic, 0)
    assert log.offset_at(topic, 1, T0) == 0


def test_what_is_written_together_shares_a_sequence_number_below_that_of_what_follows(log: Log, topic: str) -> None:
    for i in range(3):
        two = (Append(topic, partition, records([(T0, None, b"a"), (T0 - i, None, b"b")])) for partition in (0, 1))
        if i == 1:
            with log.begin() as transaction:
                for append in two:
                    transaction.append(append)
        else:
            log.append(*two)
    first, second = (log.read(topic, partition, 0).column("sequence").to_pylist() for partition in (0, 1))
    assert first == second
    assert first[0] == first[1] < first[2] == first[3] < first[4] == first[5]


def test_topics_are_listed_with_their_settings(log: Log, topic_name: Callable[[], str]) -> None:
    name, internal = topic_name(), "_" + topic_name()
    config = TopicConfig(frozenset({"compact", "delete"}), retention_ms=1000, retention_bytes=1 << 20, delete_retention_ms=5, max_message_bytes=2000)
    log.create_topic(name, 2, config)
    log.create_topic(internal)
    info = log.topic(name)
    assert info is not None
    assert (info.name, info.partitions, info.config, info.internal) == (name, 2, config, False)
    found = {t.name: t for t in log.topics()}
    assert found[name] == info
    assert found[internal].internal
    assert found[internal].config == TopicConfig()
    assert log.topic("no-such-topic") is None


def test_topics_can_be_altered(log: Log, topic: str) -> None:
    log.alter_topic(topic, partitions=4)
    log.alter_topic(topic, config=TopicConfig(frozenset({"compact"}), retention_ms=None))
    info = log.topic(topic)
    assert info is not None
    assert (info.partitions, info.config.cleanup) == (4, frozenset({"compact"}))
    log.append(Append(topic, 3, records([(T0, b"k", b"v")])))
    assert len(read_all(log, topic, 3)) == 1
    with pytest.raises(TopicError, match="fewer"):
        log.alter_topic(topic, partitions=2)


def test_a_deleted_topic_is_gone_and_its_name_is_free(log: Log, topic: str) -> None:
    log.append(Append(topic, 0, records([(T0, None, b"old")])))
    log.commit_offsets("group-of-" + topic, {(topic, 0): 1})
    log.delete_topic(topic)
    assert log.topic(topic) is None
    with pytest.raises(TopicError, match="does not exist"):
        log.read(topic, 0, 0)
    log.create_topic(topic, 1, FOREVER)
    assert read_all(log, topic) == []
    assert log.committed("group-of-" + topic) == {}


def test_wrong_topics_are_told(log: Log, topic: str) -> None:
    one = records([(T0, None, b"x")])
    with pytest.raises(TopicError, match="does not exist"):
        log.append(Append("no-such-topic", 0, one))
    with pytest.raises(TopicError, match="has no partition 3"):
        log.append(Append(topic, 3, one))
    with pytest.raises(TopicError, match="has no partition 7"):
        log.read(topic, 7, 0)
    with pytest.raises(TopicError, match="exists already"):
        log.create_topic(topic)
    for name in ("", "a b", "..", "x" * 250, "a/b"):
        with pytest.raises(TopicError, match="cannot be a topic's name"):
            log.create_topic(name)
    with pytest.raises(TopicError, match="partitions"):
        log.create_topic("none", 0)
    for call in (log.delete_topic, lambda name: log.alter_topic(name, partitions=2), lambda name: log.end_offset(name, 0)):
        with pytest.raises(TopicError, match="does not exist"):
            call("no-such-topic")


def test_nothing_of_a_refused_append_is_written(log: Log, topic: str) -> None:
    one = records([(T0, None, b"x")])
    with pytest.raises(TopicError):
        log.append(Append(topic, 0, one), Append(topic, 99, one))
    assert read_all(log, topic) == []


def test_records_must_suit_their_topic(log: Log, topic_name: Callable[[], str]) -> None:
    small = topic_name()
    log.create_topic(small, 1, TopicConfig(max_message_bytes=1000))
    with pytest.raises(TopicError, match=r"larger than topic .* takes \(1000\)"):
        log.append(Append(small, 0, records([(T0, None, b"x" * 1001)])))
    log.append(Append(small, 0, records([(T0, None, b"x" * 400)] * 10)))


def test_a_compacted_topic_takes_no_key_except_on_kafka(log: Log, topic_name: Callable[[], str], request: pytest.FixtureRequest) -> None:
    compacted = topic_name()
    log.create_topic(compacted, 1, TopicConfig(frozenset({"compact"})))
    keyless = Append(compacted, 0, records([(T0, None, b"x")]))
    if "kafka" in request.node.callspec.id:
        with pytest.raises(TopicError, match="needs a key"):
            log.append(keyless)
        return
    assert log.append(keyless) == [0]
    assert log.read(compacted, 0, 0)["key"].to_pylist() == [None]


def test_columns_must_be_there_and_convert(log: Log, topic: str) -> None:
    with pytest.raises(TopicError, match="no column key"):
        log.append(Append(topic, 0, pa.record_batch({"timestamp": [1]})))
    with pytest.raises(TopicError, match="timestamp is null"):
        log.append(Append(topic, 0, pa.record_batch({"timestamp": pa.array([None], pa.int64()), "key": [b"k"], "value": [b""], "headers": [None]})))
    log.append(
        Append(topic, 0, pa.record_batch({"headers": [None], "value": ["text"], "key": pa.array([b"k"], pa.large_binary()), "timestamp": [T0]}))
    )
    assert read_all(log, topic) == [(T0, b"k", b"text")]


def test_groups_commit_offsets(log: Log, topic: str) -> None:
    group, other = "g-" + topic, "g-" + topic + "-2"
    log.append(Append(topic, 0, records([(T0, None, b"x")] * 5)))
    assert log.committed(group) == {}
    log.commit_offsets(group, {(topic, 0): 3, (topic, 2): 0})
    log.commit_offsets(group, {(topic, 0): 4})
    log.commit_offsets(other, {(topic, 1): 0})
    assert log.committed(group) == {(topic, 0): 4, (topic, 2): 0}
    assert log.committed(other) == {(topic, 1): 0}
    assert {group, other} <= set(log.groups())
    log.delete_group(group)
    assert log.committed(group) == {}
    assert group not in log.groups()
    log.delete_group(group)
    with pytest.raises(TopicError, match="does not exist"):
        log.commit_offsets(group, {("no-such-topic", 0): 1})


def test_a_transaction_is_whole(log: Log, topic: str) -> None:
    with log.begin() as transaction:
        transaction.append(Append(topic, 0, records([(T0, b"k", b"1")])))
        transaction.append(Append(topic, 1, records([(T0, b"k", b"2")])))
        transaction.commit_offsets("g-" + topic, {(topic, 0): 1})
        transaction.state(topic).put_many([(b"a", b"1")])
    assert (read_all(log, topic, 0), read_all(log, topic, 1)) == ([(T0, b"k", b"1")], [(T0, b"k", b"2")])
    assert log.committed("g-" + topic) == {(topic, 0): 1}
    with log.snapshot() as snapshot:
        assert snapshot.state(topic).get_many([b"a"]) == [b"1"]


def test_a_failed_transaction_leaves_nothing(log: Log, topic: str) -> None:
    def fail() -> None:
        with log.begin() as transaction:
            transaction.append(Append(topic, 0, records([(T0, b"k", b"1")])))
            transaction.commit_offsets("g-" + topic, {(topic, 0): 1})
            transaction.state(topic).put_many([(b"a", b"1")])
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        fail()
    assert read_all(log, topic) == []
    assert log.committed("g-" + topic) == {}
    with log.snapshot() as snapshot:
        assert snapshot.state(topic).get_many([b"a"]) == [None]
    log.append(Append(topic, 0, records([(T0, b"k", b"2")])))
    assert [v for _, _, v in read_all(log, topic)] == [b"2"]


def test_a_thread_writes_through_its_own_transaction(log: Log, topic: str) -> None:
    with log.begin():
        for write in (
            lambda: log.append(Append(topic, 0, records([(T0, None, b"x")]))),
            lambda: log.commit_offsets("g", {(topic, 0): 0}),
            lambda: log.begin().__enter__(),
        ):
            with pytest.raises(StorageError, match="inside a transaction"):
                write()


def test_transactions_of_threads_take_turns(log: Log, topic: str) -> None:
    def work(number: int) -> None:
        for _ in range(5):
            with log.begin() as transaction:
                store = transaction.state("counter-" + topic)
                (count,) = store.get_many([b"n"])
                store.put_many([(b"n", b"%d" % (int(count or b"0") + 1))])
                transaction.append(Append(topic, 0, records([(T0, None, b"%d" % number)])))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with log.snapshot() as snapshot:
        assert snapshot.state("counter-" + topic).get_many([b"n"]) == [b"20"]
    assert len(read_all(log, topic)) == 20


def test_a_snapshot_stays_as_it_was_in_state(log: Log, topic: str) -> None:
    with log.begin() as transaction:
        transaction.state(topic).put_many([(b"a", b"1")])
    with log.snapshot() as snapshot:
        before = snapshot.state(topic)
        with log.begin() as transaction:
            transaction.state(topic).put_many([(b"a", b"2")])
        assert before.get_many([b"a"]) == [b"1"]
        with pytest.raises(StorageError, match="for reading"):
            before.put_many([(b"a", b"3")])
        assert snapshot.end_offset(topic, 0) == 0
        assert snapshot.read(topic, 0, 0).num_rows == 0
        assert snapshot.committed("g-" + topic) == {}


def test_watching_wakes_for_an_append(log: Log, topic: str) -> None:
    version = log.version()
    assert log.watch(version, 0.01) == version
    timer = threading.Timer(0.05, lambda: log.append(Append(topic, 0, records([(T0, None, b"x")]))))
    timer.start()
    seen = log.watch(version, 30)
    assert seen > version
    assert log.watch(version, 30) >= seen
    timer.join()
    version = log.version()
    with log.begin() as transaction:
        transaction.append(Append(topic, 0, records([(T0, None, b"y")])))
    assert log.watch(version, 30) > version


def test_whoever_watches_can_be_woken_without_a_change(log: Log, topic: str) -> None:
    version = log.version()
    timer = threading.Timer(0.05, log.wake)
    timer.start()
    assert log.watch(version, 30) > version
    timer.join()
    version = log.version()
    log.wake()  # nor is one lost that comes before the watching
    assert log.watch(version, 30) > version
    assert log.end_offset(topic, 0) == 0


def test_a_closed_log_says_so(log: Log, topic: str) -> None:
    log.close()
    log.close()
    for call in (lambda: log.topics(), lambda: log.read(topic, 0, 0), lambda: log.append(Append(topic, 0, records([(T0, None, b"x")]))), log.version):
        with pytest.raises(StorageError, match="closed"):
            call()
