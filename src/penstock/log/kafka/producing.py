"""Writing to a cluster: an idempotent producer for single appends, a transactional one for the rest."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from penstock.errors import TopicError
from penstock.log.kafka.connection import REQUEST_S, Connection
from penstock.log.protocol import Append, TopicInfo
from penstock.log.records import check_records

MESSAGE_BYTES_MAX = 1_000_000_000  # of the client: a topic's own limit is the one that counts
BATCH_BYTES = 1_000_000
RECORD_OVERHEAD_BYTES = 100
QUEUE_RECORDS = 50_000  # produced between two looks at the queue


class _Delivery:
    """What became of the records of one append."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.error: KafkaError | None = None

    def __call__(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.error = self.error or error
        elif self.first is None:
            self.first = message.offset()


def check(info: TopicInfo, batch: pa.RecordBatch) -> None:
    """Raise TopicError where the topic does not take these records (columns of RECORDS)."""
    check_records(info, batch)
    if "compact" in info.config.cleanup and batch.column(1).null_count:
        raise TopicError(f"Topic {info.name} is compacted, so a record needs a key; one has none.", mend="Give each record a key.")
    if batch.num_rows and pc.min(batch.column(0)).as_py() < 1:
        raise TopicError(f"A record for topic {info.name} has a timestamp below 1, which Kafka's client cannot write.", mend="Use 1 ms or later.")


class Producing:
    """The producers of one log; made when first needed."""

    def __init__(self, connection: Connection, transactional_id: str | None) -> None:
        self._connection = connection
        self._transactional_id = transactional_id or f"penstock-{uuid.uuid4()}"
        self._plain: Any = None
        self._transactional: Any = None
        self._groups: dict[str, Any] = {}
        self._lock = threading.Lock()

    def plain(self) -> Any:
        """The idempotent producer, for any thread."""
        with self._lock:
            if self._plain is None:
                self._plain = self._producer()
            return self._plain

    def begin(self) -> Any:
        """The transactional producer, with a transaction begun; for one thread at a time."""
        with self._connection.speaking():
            if self._transactional is None:
                producer = self._producer(transactional_id=self._transactional_id)
                producer.init_transactions(REQUEST_S)
                self._transactional = producer
            self._transactional.begin_transaction()
        return self._transactional

    def commit(self, producer: Any) -> None:
        """Commit the transaction. Undone, and an error, where that fails."""
        while True:
            try:
                producer.commit_transaction(REQUEST_S)
                return
            except KafkaException as error:
                if error.args[0].retriable():
                    continue
                self.abort(producer)
                raise self._connection.failure(error) from error

    def abort(self, producer: Any) -> None:
        """Undo the transaction. A producer that cannot is given up: the cluster undoes its transaction when the next one begins."""
        try:
            producer.abort_transaction(REQUEST_S)
        except KafkaException:
            self._transactional = None

    def commit_offsets(self, producer: Any, group: str, offsets: Mapping[tuple[str, int], int]) -> None:
        """Make a group's offsets part of the transaction."""
        if group not in self._groups:
            consumer = Consumer(self._connection.settings(group_id=group))
            self._groups[group] = consumer.consumer_group_metadata()
            consumer.close()
        positions = [TopicPartition(topic, partition, offset) for (topic, partition), offset in offsets.items()]
        with self._connection.speaking():
            producer.send_offsets_to_transaction(positions, self._groups[group], REQUEST_S)

    def _producer(self, **own: str) -> Any:
        return Producer(
            self._connection.settings(enable_idempotence=True, acks="all", message_max_bytes=MESSAGE_BYTES_MAX, batch_size=BATCH_BYTES, **own)
        )

    def append(self, producer: Any, info: TopicInfo, append: Append) -> int:
        """Write checked records; return the offset of the first when all are acknowledged."""
        delivery = _Delivery()
        try:
            for chunk in _chunks(append.records, info.config.max_message_bytes):
                _produce(producer, append.topic, append.partition, chunk, delivery)
                if producer.flush(REQUEST_S * 4):
                    raise self._connection.failure("records were not acknowledged in time")
        except KafkaException as error:
            raise self._connection.failure(error) from error
        if delivery.error is not None:
            if delivery.error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
                limit = info.config.max_message_bytes
                mend = "Raise its max.message.bytes, or make the record smaller; Kafka counts its own overhead too."
                raise TopicError(f"A record is larger than topic {info.name} takes ({limit}).", mend=mend)
            raise self._connection.failure(delivery.error)
        assert delivery.first is not None
        return delivery.first

    def close(self) -> None:
        """Give the clients back."""
        for producer in (self._plain, self._transactional):
            if producer is not None:
                producer.flush(REQUEST_S)
                producer.close()


def _chunks(batch: pa.RecordBatch, limit: int) -> list[pa.RecordBatch]:
    """Parts small enough that the client does not make of them a batch larger than the topic takes."""
    if limit > BATCH_BYTES * 1.1:
        return [batch]
    sizes = pc.add(pc.fill_null(pc.binary_length(batch.column(1)), 0), pc.fill_null(pc.binary_length(batch.column(2)), 0)).to_pylist()
    parts, begin, size = [], 0, 0
    for row, length in enumerate(sizes):
        size += length + RECORD_OVERHEAD_BYTES
        if row > begin and size > limit:
            parts.append(batch.slice(begin, row - begin))
            begin, size = row, length + RECORD_OVERHEAD_BYTES
    return [*parts, batch.slice(begin)]


def _produce(producer: Any, topic: str, partition: int, batch: pa.RecordBatch, delivery: _Delivery) -> None:
    for begin in range(0, batch.num_rows, QUEUE_RECORDS):
        part = batch.slice(begin, QUEUE_RECORDS)
        timestamps, keys, values, headers = (column.to_pylist() for column in part.columns)
        for timestamp, key, value, pairs in zip(timestamps, keys, values, headers, strict=True):
            given = [(pair["key"], pair["value"]) for pair in pairs] if pairs else None
            while True:
                try:
                    producer.produce(topic, value, key, partition, on_delivery=delivery, timestamp=timestamp, headers=given)
                    break
                except BufferError:
                    producer.poll(0.1)  # the queue is full: let some records go
        producer.poll(0)
