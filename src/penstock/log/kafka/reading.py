"""Reading from a cluster: one consumer a partition, that goes on where it stopped."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import Any

import numpy as np
import pyarrow as pa
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from penstock.log.kafka.connection import REQUEST_S, Connection
from penstock.log.records import HEADERS, NOTHING_READ, READ

READERS_MAX = 16
MESSAGES_AT_ONCE = 10_000
WAIT_MS = 5  # of the broker at the end of a partition, before it says that it is the end
PREFETCH_KBYTES = 8 << 10


class Readers:
    """The consumers of one log; the longest unused one goes when there are many."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._readers: OrderedDict[tuple[str, int], _Reader] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, topic: str, partition: int, offset: int, end: int, max_records: int, max_bytes: int) -> pa.RecordBatch:
        """Records from `offset` on and before `end`, as the protocol's `read`; the partition has an offset `offset`."""
        if offset >= end or max_records < 1:
            return NOTHING_READ
        reader = self._take(topic, partition)
        try:
            with self._connection.speaking():
                messages = reader.read(offset, end, max_records, max_bytes)
        except BaseException:
            reader.close()
            raise
        self._give_back(topic, partition, reader)
        return _batch(messages) if messages else NOTHING_READ

    def _take(self, topic: str, partition: int) -> _Reader:
        """A reader for one caller: two that read the same partition at once have one each."""
        with self._lock:
            reader = self._readers.pop((topic, partition), None)
        return reader or _Reader(self._connection, topic, partition)

    def _give_back(self, topic: str, partition: int, reader: _Reader) -> None:
        with self._lock:
            spare = [self._readers.pop((topic, partition), None)]
            self._readers[topic, partition] = reader
            if len(self._readers) > READERS_MAX:
                spare.append(self._readers.popitem(last=False)[1])
        for other in spare:
            if other:
                other.close()

    def forget(self, topic: str) -> None:
        """Close the readers of a topic that is deleted: one of the same name begins anew."""
        with self._lock:
            gone = [self._readers.pop(key) for key in list(self._readers) if key[0] == topic]
        for reader in gone:
            reader.close()

    def close(self) -> None:
        """Close all."""
        with self._lock:
            readers, self._readers = list(self._readers.values()), OrderedDict()
        for reader in readers:
            reader.close()


class _Reader:
    """A consumer of one partition. It fetches ahead while a backlog is read, and rests once it has come to the end."""

    def __init__(self, connection: Connection, topic: str, partition: int) -> None:
        settings = connection.settings(
            group_id="penstock-reader",  # the client wants one; nothing is ever committed under it
            enable_auto_commit=False,
            enable_partition_eof=True,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            fetch_wait_max_ms=WAIT_MS,
            queued_max_messages_kbytes=PREFETCH_KBYTES,
        )
        self._consumer: Any = Consumer(settings)
        self._place = TopicPartition(topic, partition)
        self._next: int | None = None
        self._resting = False

    def read(self, offset: int, end: int, max_records: int, max_bytes: int) -> list[Any]:
        if offset != self._next:
            self._consumer.assign([TopicPartition(self._place.topic, self._place.partition, offset)])
        if self._resting:  # an assignment does not end the rest either
            self._consumer.resume([self._place])
        self._resting = False
        found: list[Any] = []
        size = 0
        deadline = time.monotonic() + REQUEST_S
        while len(found) < max_records and size < max_bytes:
            first = self._consumer.poll(max(0.0, deadline - time.monotonic()))
            if first is None:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"no answer while reading {self._place.topic}"))
            wanted = min(max_records - len(found) - 1, MESSAGES_AT_ONCE, (max_bytes - size) // max(len(first), 1) - 1)
            more = self._consumer.consume(wanted, 0) if wanted > 0 else []
            ended = False
            for message in (first, *more):
                error = message.error()
                if error is None:
                    found.append(message)
                    size += len(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    ended = True
                elif error.fatal() or not error.retriable():
                    raise KafkaException(error)
            if ended or (found and found[-1].offset() >= end - 1):
                self._consumer.pause([self._place])
                self._resting = True
                break
        self._next = found[-1].offset() + 1 if found else offset
        return [message for message in found if offset <= message.offset() < end]

    def close(self) -> None:
        self._consumer.close()


def _batch(messages: list[Any]) -> pa.RecordBatch:
    timestamps = np.fromiter((message.timestamp()[1] for message in messages), np.int64, len(messages))
    headers = [[{"key": k, "value": v} for k, v in pairs] if (pairs := message.headers()) else None for message in messages]
    columns = [
        pa.array(np.fromiter((message.offset() for message in messages), np.int64, len(messages))),
        pa.array(timestamps),
        pa.array(timestamps),
        pa.array([message.key() for message in messages], pa.binary()),
        pa.array([message.value() for message in messages], pa.binary()),
        pa.array(headers, HEADERS),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=READ)
