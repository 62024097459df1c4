"""A reader of topics whose keys are text and whose values are JSON objects: the runtime's tests need no engine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from penstock.connect.records import Record
from penstock.connect.runtime import ConnectRuntime
from penstock.errors import TopicError
from penstock.log.protocol import Append, Log
from penstock.log.records import records
from penstock.registry.embedded import EmbeddedRegistry
from penstock.registry.store import TopicStore


def send(log: Log, topic: str, rows: Sequence[dict[str, Any] | bytes | None], *, partition: int = 0, first_key: int = 0) -> None:
    """Append rows with the keys `first_key`, `first_key` + 1 ... and the timestamps 1000, 1001 ...; bytes are written as they are."""
    values = [row if row is None or isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    keyed = [(1000 + number, str(first_key + number).encode(), value) for number, value in enumerate(values)]
    log.append(Append(topic, partition, records(keyed)))


class JsonReader:
    """A RecordReader over such topics; the key's column is ID."""

    def __init__(self, log: Log, topics: Sequence[str], columns: frozenset[str] | None = None) -> None:
        for topic in topics:
            if log.topic(topic) is None:
                raise TopicError(f"There is no topic {topic}.")
        self._log, self._topics, self._columns = log, topics, columns

    def partitions(self) -> list[tuple[str, int]]:
        return [(topic, p) for topic in self._topics if (info := self._log.topic(topic)) for p in range(info.partitions)]

    def columns(self) -> frozenset[str] | None:
        return self._columns

    def types(self, topic: str) -> None:
        return None

    def read(self, topic: str, partition: int, offset: int, max_records: int) -> list[Record]:
        batch = self._log.read(topic, partition, offset, max_records=max_records)
        return [self._record(topic, partition, row) for row in batch.to_pylist()]

    def _record(self, topic: str, partition: int, row: dict[str, Any]) -> Record:
        key, value = row["key"], row["value"]
        headers = [(h["key"], h["value"]) for h in row["headers"] or []]
        columns: dict[str, Any] = {"ID": key.decode() if key is not None else None}
        error = None
        if value is not None:
            try:
                columns |= json.loads(value)
            except ValueError as problem:
                columns, error = {}, f"not JSON: {problem}"
        return Record(topic, partition, row["offset"], row["timestamp"], columns, ("ID",), value is None, key, value, headers, error)


def runtime_over(log: Log, columns: frozenset[str] | None = None, **settings: Any) -> ConnectRuntime:
    """A connector runtime over such topics, with a registry of its own."""
    return ConnectRuntime(log, lambda topics: JsonReader(log, topics, columns), EmbeddedRegistry(TopicStore(log)), **settings)
