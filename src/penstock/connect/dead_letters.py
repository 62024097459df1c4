"""The dead letter topic: a refused record's own bytes, with the reason in its headers, under the names that Kafka Connect uses."""

from __future__ import annotations

import time

from penstock.connect.records import Record
from penstock.errors import Error
from penstock.log.protocol import Append, Log, Transaction

PREFIX = "__connect.errors."


def ensure_topic(log: Log, topic: str) -> None:
    """Create the dead letter topic where it does not exist."""
    if log.topic(topic) is None:
        log.create_topic(topic)


def append_letter(transaction: Transaction, topic: str, record: Record, *, connector: str, task: int, stage: str, error: Error) -> None:
    """Append the record to the dead letter topic, within the transaction that commits its offset. `stage` is VALUE_CONVERTER or TASK_PUT.
    The error's text must be free of secrets."""
    context = {
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "connector.name": connector,
        "task.id": str(task),
        "stage": stage,
        "exception.class.name": type(error).__name__,
        "exception.message": str(error),
    }
    from penstock.log.records import records

    headers = [*record.headers, *((PREFIX + name, text.encode()) for name, text in context.items())]
    batch = records([(time.time_ns() // 1_000_000, record.key, record.value)], [headers])
    transaction.append(Append(topic, 0, batch))
