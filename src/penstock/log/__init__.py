"""Topics: an append-only log of records in partitions, with offsets and state beside it, in two homes behind one protocol."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.log.protocol import Log


def open_log(path: str | Path | None, *, read_only: bool = False) -> Log:
    """Open the embedded log in the folder `path`, made where there is none; None or ":memory:" is a log that ends with the process.

    One process writes; any number may read at the same time with `read_only=True`. Opening a folder read-only in the process that
    already has it open shares that handle. Raises StorageError where the folder is in use by another writer, is not Penstock's, is of a
    newer format, or cannot be read.
    """
    from penstock.log.embedded.opening import open_embedded

    return open_embedded(None if path is None or str(path) == ":memory:" else Path(path), read_only=read_only)


def open_kafka(bootstrap: str, properties: Mapping[str, str] | None = None) -> Log:
    """Open the log that is the Apache Kafka cluster at `bootstrap` ("host:port,host:port").

    `properties`: librdkafka's settings for every client (security.protocol, sasl.*, ssl.*); `transactional.id` (default: one of its own each
    time; set it, and a transaction left by a crash is undone at once); `penstock.state.dir`, the folder for state (default: in memory).
    What is particular to this home stands in `penstock.log.kafka`. Raises StorageError where the cluster does not answer, ConfigError for a bad
    setting or without confluent-kafka.
    """
    from penstock.log.kafka.opening import open_kafka_log

    return open_kafka_log(bootstrap, dict(properties or {}))
