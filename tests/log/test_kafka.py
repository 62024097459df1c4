"""What only the Kafka home does, on a real broker: beside other clients, and with its markers and aborted transactions."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest
from confluent_kafka import Consumer, Producer

from penstock.errors import ConfigError, StorageError, TopicError
from penstock.log import open_kafka
from penstock.log.kafka import reading
from penstock.log.partition import partitions_for
from penstock.log.protocol import Append, Log, TopicConfig
from penstock.log.records import records

T0 = 1_700_000_000_000


@pytest.fixture
def log(kafka_bootstrap: str) -> Iterator[Log]:
    opened = open_kafka(kafka_bootstrap)
    yield opened
    opened.close()


@pytest.fixture
def topic(log: Log, topic_name: Callable[[], str]) -> str:
    name = topic_name()
    log.create_topic(name, 7, TopicConfig(retention_ms=None))
    return name


def producer(bootstrap: str, **settings: str) -> Producer:
    return Producer({"bootstrap.servers": bootstrap, **{name.replace("_", "."): value for name, value in settings.items()}})


def test_a_key_goes_where_another_producer_puts_it(log: Log, topic: str, kafka_bootstrap: str) -> None:
    """librdkafka's murmur2_random is the default partitioner of Kafka's Java client."""
    keys = [uuid.uuid5(uuid.NAMESPACE_DNS, str(i)).bytes[: i % 17] for i in range(1, 300)]
    keys = [key for key in keys if key]  # librdkafka takes an empty key for none
    client = producer(kafka_bootstrap, partitioner="murmur2_random")
    for key in keys:
        client.produce(topic, b"", key)
    client.flush()
    client.close()
    ours = partitions_for(pa.array(keys, pa.binary()), 7)
    for partition in range(7):
        found = log.read(topic, partition, 0).column("key").to_pylist()
        assert found == [key for key, mine in zip(keys, ours, strict=True) if mine == partition]


def test_another_consumer_reads_what_was_appended(log: Log, topic: str, kafka_bootstrap: str) -> None:
    log.append(Append(topic, 3, records([(T0, b"k", b"v"), (T0 + 1, b"k", None)], [[("h", b"1"), ("h", None)], None])))
    client = Consumer({"bootstrap.servers": kafka_bootstrap, "group.id": "g-" + topic, "auto.offset.reset": "earliest"})
    client.subscribe([topic])
    found = [message for message in client.consume(2, 20) if message.error() is None]
    client.commit(asynchronous=False)
    client.close()
    assert [(m.partition(), m.offset(), m.timestamp()[1], m.key(), m.value()) for m in found] == [(3, 0, T0, b"k", b"v"), (3, 1, T0 + 1, b"k", None)]
    assert found[0].headers() == [("h", b"1"), ("h", None)]
    assert log.committed("g-" + topic) == {(topic, 3): 2}


def test_markers_take_offsets_and_are_passed_over(log: Log, topic: str) -> None:
    for i in range(5):
        with log.begin() as transaction:
            transaction.append(Append(topic, 0, records([(T0, b"k", b"%d" % i)])))
    offsets = log.read(topic, 0, 0).column("offset").to_pylist()
    assert offsets == [0, 2, 4, 6, 8]
    assert log.end_offset(topic, 0) == 10
    assert log.read(topic, 0, 9).num_rows == 0
    assert log.read(topic, 0, 9).num_rows == 0
    assert log.read(topic, 0, 3).column("offset").to_pylist() == [4, 6, 8]
    assert log.read(topic, 0, 1, max_records=2).column("offset").to_pylist() == [2, 4]
    assert log.read(topic, 0, 5).column("offset").to_pylist() == [6, 8]


def test_open_and_aborted_transactions_are_not_read(log: Log, topic: str, kafka_bootstrap: str) -> None:
    client = producer(kafka_bootstrap, transactional_id="other-" + topic)
    client.init_transactions(20)
    client.begin_transaction()
    client.produce(topic, b"aborted", partition=0)
    client.flush()
    assert log.end_offset(topic, 0) == 0
    assert log.read(topic, 0, 0).num_rows == 0
    client.abort_transaction()
    client.close()
    log.append(Append(topic, 0, records([(T0, None, b"seen")])))
    assert log.read(topic, 0, 0).column("value").to_pylist() == [b"seen"]


def test_watching_sees_what_others_write(log: Log, topic: str, kafka_bootstrap: str) -> None:
    version = log.version()
    client = producer(kafka_bootstrap)
    client.produce(topic, b"x", partition=0)
    client.flush()
    client.close()
    assert log.watch(version, 20) > version


def test_state_stays_in_its_folder(kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = str(tmp_path_factory.mktemp("state") / "here")
    for expected in (None, b"1"):
        log = open_kafka(kafka_bootstrap, {"penstock.state.dir": folder})
        with log.begin() as transaction:
            assert transaction.state("s").get_many([b"a"]) == [expected]
            transaction.state("s").put_many([(b"a", b"1")])
        log.close()


def test_a_transaction_left_by_a_crash_is_undone_by_the_next_of_its_id(kafka_bootstrap: str, topic: str, log: Log) -> None:
    crashed = producer(kafka_bootstrap, transactional_id="mine-" + topic)
    crashed.init_transactions(20)
    crashed.begin_transaction()
    crashed.produce(topic, b"torn", partition=0)
    crashed.flush()
    again = open_kafka(kafka_bootstrap, {"transactional.id": "mine-" + topic})
    with again.begin() as transaction:
        transaction.append(Append(topic, 0, records([(T0, None, b"whole")])))
    assert again.read(topic, 0, 0).column("value").to_pylist() == [b"whole"]
    again.close()


def test_more_partitions_than_readers(log: Log, topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "READERS_MAX", 2)
    log.append(*(Append(topic, p, records([(T0, None, b"%d" % p)])) for p in range(7)))
    for _ in range(2):
        assert [log.read(topic, p, 0).column("value").to_pylist() for p in range(7)] == [[b"%d" % p] for p in range(7)]


def test_a_time_before_1_is_refused(log: Log, topic: str) -> None:
    with pytest.raises(TopicError, match="timestamp below 1"):
        log.append(Append(topic, 0, records([(0, None, b"x")])))


def test_wrong_settings_are_told(kafka_bootstrap: str) -> None:
    with pytest.raises(ConfigError, match=r"no\.such\.setting"):
        open_kafka(kafka_bootstrap, {"no.such.setting": "1"})
    with pytest.raises(ConfigError, match=r"penstock\.nonsense is unknown"):
        open_kafka(kafka_bootstrap, {"penstock.nonsense": "1"})


def test_a_cluster_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.log.kafka.connection.REQUEST_S", 0.5)
    with pytest.raises(StorageError, match=r"Kafka at 127\.0\.0\.1:1 failed"):
        open_kafka("127.0.0.1:1")
