"""Tries again what the far side could not do now, after its own word or an exponential back-off."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from penstock.connect.contract import RetriableError
from penstock.connect.life import Life
from penstock.connect.secrets import Secrets
from penstock.errors import ConnectorError

WAIT_MS_MAX = 60_000
RETRY_AFTER_S_MAX = 3600.0

_Answer = TypeVar("_Answer")


class Retries:
    """The retries of one task, by the options `max.retries` and `retry.backoff.ms`."""

    def __init__(self, life: Life, options: Mapping[str, Any], secrets: Secrets) -> None:
        self._life, self._secrets = life, secrets
        self._max: int = options["max.retries"]
        self._backoff_ms: int = options["retry.backoff.ms"]
        # The random part of a wait needs no seed that anyone knows: it keeps tasks from retrying in step.
        self._jitter = random.Random()  # noqa: S311

    def until_done(self, work: Callable[[], _Answer]) -> _Answer:
        """What `work` answers, tried until it raises no RetriableError. Raises ConnectorError when the tries are used up."""
        attempt = 0
        while True:
            try:
                return work()
            except RetriableError as error:
                if attempt == self._max:
                    raise ConnectorError(f"{error.what} ({attempt + 1} tries)", mend="It is tried again by and by.") from None
                wait_s = min(WAIT_MS_MAX, self._backoff_ms * 2 ** min(attempt, 20)) / 1000 * self._jitter.uniform(0.8, 1.2)
                if error.retry_after_s is not None:
                    wait_s = min(error.retry_after_s, RETRY_AFTER_S_MAX)
                self._life.note_trouble(self._secrets.redact(error.what), wait_s)
                self._life.wait(wait_s)
                attempt += 1
