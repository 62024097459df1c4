"""What becomes of a record that fails: `errors.tolerance` and its like."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from penstock.connect.dead_letters import Letter
from penstock.connect.secrets import Secrets
from penstock.connect.text import plain_text
from penstock.errors import ConnectorError, Error
from penstock.log.names import check_not_own

if TYPE_CHECKING:
    from penstock.connect.task import TaskSetup

_SHOWN_MAX = 200  # characters of a key or value in the log

_logger = logging.getLogger("penstock.connect")


class Tolerance:
    """The decision for the records of one run of a task, and the way to the dead letters."""

    def __init__(self, setup: TaskSetup, options: Mapping[str, Any], secrets: Secrets) -> None:
        self._setup, self._secrets = setup, secrets
        self._tolerant: bool = options["errors.tolerance"] == "all"
        self._logs: bool = options["errors.log.enable"]
        self._shows: bool = options["errors.log.include.messages"]
        named = options["errors.deadletterqueue.topic.name"]
        self.topic: str = "" if not self._tolerant else f"dlq-{setup.connector}" if named is None else named
        """The dead letter topic; empty where there is none."""

    def accept(self, place: str, error: Error, key: Any, value: Any) -> Error:
        """Take it that a record is refused, and say so; the error, free of secrets. Raises ConnectorError where nothing is tolerated."""
        safe = type(error)(self._secrets.redact(f"{place}: {error}"))
        if not self._tolerant:
            raise ConnectorError(safe.what, mend="With 'errors.tolerance'='all' such records go to a dead letter topic.")
        if self._logs:
            _logger.warning("connector %s refused %s%s", self._setup.connector, safe.what, self._shown(key, value) if self._shows else "")
        return safe

    def append(self, transaction: Any, letter: Letter) -> None:
        """Append a letter, within the transaction that commits the place of what was refused."""
        if self.topic:
            letter.append(transaction, self.topic)

    def prepare(self) -> None:
        """Create the dead letter topic where it does not exist."""
        log = self._setup.worker.log
        check_not_own(self.topic or "")
        if self.topic and log.topic(self.topic) is None:
            log.create_topic(self.topic)

    def _shown(self, key: Any, value: Any) -> str:
        def shown(part: Any) -> str:
            text = part.decode(errors="replace") if isinstance(part, bytes) else plain_text(part)
            return self._secrets.redact(text)[:_SHOWN_MAX]

        return f" (key: {shown(key)}, value: {shown(value)})"
