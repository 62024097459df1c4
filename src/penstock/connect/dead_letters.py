"""The dead letter topic: a refused record's own key and value, with the reason in its headers, under the names that Kafka Connect uses."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import Literal as OneOf

from penstock.connect.records import Record, SourceRecord
from penstock.connect.text import json_text
from penstock.errors import Error
from penstock.log.protocol import Append, Transaction

PREFIX = "__connect.errors."
_BYTES_MAX = 4 << 20  # of a key or value of a source's letter
Stage = OneOf["KEY_CONVERTER", "VALUE_CONVERTER", "TRANSFORMATION", "TASK_PUT"]


@dataclass(frozen=True, slots=True)
class Letter:
    """A record of the dead letter topic."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]

    def append(self, transaction: Transaction, topic: str) -> None:
        """Append it, within the transaction that commits the place of what was refused."""
        from penstock.log.records import records

        batch = records([(time.time_ns() // 1_000_000, self.key, self.value)], [list(self.headers)])
        transaction.append(Append(topic, 0, batch))


def letter_of_sink(record: Record, *, connector: str, task: int, stage: Stage, error: Error) -> Letter:
    """The letter of a record that a sink could not decode or deliver: its bytes as they stand. The error's text must be free of secrets."""
    place = {"topic": record.stands_in, "partition": str(record.partition), "offset": str(record.offset)}
    return Letter(record.key, record.value, (*record.headers, *_context(place, connector, task, stage, error)))


def letter_of_source(record: SourceRecord, *, connector: str, task: int, stage: Stage, error: Error) -> Letter:
    """The letter of a record that a source could not transform or convert: bytes and text as they stand, anything else as JSON,
    each cut off after 4 MiB. The error's text must be free of secrets."""
    place = {"topic": record.topic}
    key, value = _bytes(record.key), _bytes(record.value)
    headers = [*record.headers, *_context(place, connector, task, stage, error)]
    for name, data in (("key", key), ("value", value)):
        if data is not None and len(data) > _BYTES_MAX:  # it may be here because it is too large
            headers.append((f"{PREFIX}{name}.cut.from.bytes", str(len(data)).encode()))
    return Letter(key and key[:_BYTES_MAX], value and value[:_BYTES_MAX], headers)


def _context(place: dict[str, str], connector: str, task: int, stage: Stage, error: Error) -> list[tuple[str, bytes]]:
    context = place | {
        "connector.name": connector,
        "task.id": str(task),
        "stage": stage,
        "exception.class.name": type(error).__name__,
        "exception.message": str(error),
    }
    return [(PREFIX + name, text.encode()) for name, text in context.items()]


def _bytes(value: Any) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else json_text(value)).encode(errors="replace")
