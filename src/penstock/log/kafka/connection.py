"""The cluster: its address, its settings, and its errors in our words."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from penstock.errors import ConfigError, Error, StorageError

REQUEST_S = 30.0


class Connection:
    """How to reach a cluster; makes the clients' settings."""

    def __init__(self, bootstrap: str, properties: Mapping[str, str]) -> None:
        self.bootstrap = bootstrap
        self._properties: dict[str, Any] = {"bootstrap.servers": bootstrap, "log_level": "0", **properties}
        try:
            self.admin = AdminClient(self._properties)
        except (KafkaException, ValueError) as error:
            raise ConfigError(f"Kafka's client refuses a setting: {_text(error)}.", mend="See librdkafka's configuration properties.") from error
        with self.speaking():
            self.admin.list_topics(timeout=REQUEST_S)

    def settings(self, **own: str | int | bool) -> dict[str, Any]:
        """The settings of a client; its `own` with underscores for dots."""
        return {**self._properties, **{name.replace("_", "."): value for name, value in own.items()}}

    @contextlib.contextmanager
    def speaking(self) -> Iterator[None]:
        """Turn what the client raises into a StorageError that names the cluster."""
        try:
            yield
        except KafkaException as error:
            raise self.failure(error) from error

    def failure(self, error: KafkaException | KafkaError | str) -> Error:
        """The error for what the cluster or the way to it refused."""
        return StorageError(f"Kafka at {self.bootstrap} failed: {_text(error)}.", mend="Check that the brokers run and the address is right.")

    def wait(self, future: Future[Any], **meant: Error) -> Any:
        """The result of an admin request. `meant`: errors by Kafka's code name, that have a meaning of their own."""
        try:
            return future.result(REQUEST_S)
        except KafkaException as error:
            raise meant.get(error.args[0].name(), self.failure(error)) from error


def _text(error: object) -> str:
    if isinstance(error, KafkaException) and error.args:
        error = error.args[0]
    return error.str() if isinstance(error, KafkaError) else str(error)
