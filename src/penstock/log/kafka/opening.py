"""Opening the log of a cluster."""

from __future__ import annotations

from pathlib import Path

from penstock.errors import ConfigError
from penstock.log.embedded.opening import open_embedded
from penstock.log.protocol import Log

STATE_DIR = "penstock.state.dir"
TRANSACTIONAL_ID = "transactional.id"


def open_kafka_log(bootstrap: str, properties: dict[str, str]) -> Log:
    """Open the log of the cluster at `bootstrap`; see `penstock.log.open_kafka`."""
    try:
        from penstock.log.kafka.connection import Connection
        from penstock.log.kafka.log import KafkaLog
    except ImportError as error:
        if (error.name or "").split(".")[0] != "confluent_kafka":
            raise
        raise ConfigError("A log on Kafka needs the package confluent-kafka.", mend="pip install 'penstock[kafka]'") from error

    folder = properties.pop(STATE_DIR, None)
    transactional_id = properties.pop(TRANSACTIONAL_ID, None)
    unknown = sorted(name for name in properties if name.startswith("penstock."))
    if unknown:
        raise ConfigError(f"The setting {unknown[0]} is unknown.", mend=f"The only one of Penstock's own for a log on Kafka is {STATE_DIR}.")
    connection = Connection(bootstrap, properties)
    return KafkaLog(connection, open_embedded(Path(folder) if folder else None), transactional_id)
