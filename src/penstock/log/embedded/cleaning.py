"""Cleaning: retention, compaction and merging, from time to time in a thread of the log's own that starts with the first write."""

from __future__ import annotations

import logging
import threading
import time
import weakref

from penstock.errors import StorageError, StorageLostError
from penstock.log.embedded import compaction, topics
from penstock.log.embedded.compaction import compact
from penstock.log.embedded.environment import Environment
from penstock.log.embedded.merging import merge
from penstock.log.embedded.retention import expire

_logger = logging.getLogger("penstock.log")

INTERVAL_S = 10.0  # after a write
IDLE_INTERVALS = 30  # without one: 5 minutes, as Kafka's log.retention.check.interval.ms


class Cleaner:
    """The cleaner of one log: `clean` when told, and its own thread."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._one_at_a_time = threading.Lock()
        self._state = _State()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """There is a write: clean before long."""
        self._state.written = True
        if self._thread is None and not self._environment.read_only:
            with self._one_at_a_time:
                if self._thread is None:
                    thread = threading.Thread(target=_run, args=(weakref.ref(self), self._state), name="penstock-cleaner", daemon=True)
                    thread.start()
                    self._thread = thread

    def clean(self, now_ms: int | None, *, due_only: bool = False) -> None:
        """Clean everything now, or with `due_only` compact only what is worth it; `now_ms` stands for the time."""
        now = time.time_ns() // 1_000_000 if now_ms is None else now_ms
        stopped = self._state.stop.is_set
        with self._one_at_a_time:
            with self._environment.reading() as view:
                every = list(topics.every(view))
            for topic in every:
                for partition in range(topic.info.partitions):
                    if stopped():
                        return
                    expire(self._environment, topic, partition, now)
                    if "compact" in topic.info.config.cleanup:
                        with self._environment.reading() as view:
                            place = topics.head(view, topic, partition)
                        if not due_only or compaction.is_due(place, now):
                            compact(self._environment, topic, partition, now, stopped)
                    merge(self._environment, topic, partition, stopped)

    def stop(self) -> None:
        """End the thread, after the transaction that it is in."""
        self._state.stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()


class _State:
    """What the log tells the thread. The thread holds nothing else of it, so that a log that is forgotten can go."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.written = False


def _run(reference: weakref.ref[Cleaner], state: _State) -> None:
    idle = 0
    while not state.stop.wait(INTERVAL_S):
        idle = 0 if state.written else idle + 1
        if idle % IDLE_INTERVALS:
            continue
        state.written = False
        cleaner = reference()
        if cleaner is None:
            return
        try:
            cleaner.clean(None, due_only=True)
        except StorageLostError:
            return  # the log can write no more; whoever writes to it is told
        except StorageError as error:
            _logger.warning("Topics could not be cleaned: %s", error)  # it is tried again
        del cleaner
