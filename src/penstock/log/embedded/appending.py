"""Group commit: appends that arrive while another is being written share the next durable write.

A durable write costs a fixed time of the disk's, whatever its size. Each caller queues what it wants; the first to get the writer's lock writes
for all that have queued by then, and the others find theirs done. Records for one partition become one stored batch.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from penstock.errors import Error
from penstock.log.embedded import partitions
from penstock.log.embedded.environment import CLOCK, Environment, View
from penstock.log.embedded.topics import require
from penstock.log.protocol import Append
from penstock.log.records import check_records, conform


@dataclass(slots=True, eq=False)
class _Request:
    appends: Sequence[Append]
    offsets: list[int] = field(default_factory=list)
    error: BaseException | None = None
    done: bool = False


class Appender:
    """The queue of appends before one environment."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._queue: list[_Request] = []
        self._queue_lock = threading.Lock()
        self._turn = threading.Lock()

    def append(self, appends: Sequence[Append]) -> list[int]:
        """Append durably, all or nothing; the offset of each append's first record."""
        self._environment.check_writable()
        request = _Request([Append(a.topic, a.partition, conform(a.records)) for a in appends])
        with self._queue_lock:
            self._queue.append(request)
        with self._turn:
            if not request.done:
                with self._queue_lock:
                    requests, self._queue = self._queue, []
                self._write(requests)
        if request.error:
            raise request.error
        return request.offsets

    def _write(self, requests: list[_Request]) -> None:
        try:
            with self._environment.writing() as view:
                valid = [request for request in requests if _is_valid(view, request)]
                _append_together(view, valid)
        except BaseException as error:
            for request in requests:
                request.error = request.error or _own(error)
            if not isinstance(error, Exception):
                raise  # an interrupt of the thread that writes; the others are told that it did not happen
        finally:
            for request in requests:
                request.done = True


def _own(error: BaseException) -> BaseException:
    """Each waiting thread raises an error of its own: a traceback belongs to one."""
    if isinstance(error, Error):
        return type(error)(error.what, mend=error.mend)
    return Error(f"The append was not written: {error!r}.") if not isinstance(error, Exception) else error


def _is_valid(view: View, request: _Request) -> bool:
    try:
        for append in request.appends:
            check_records(require(view, append.topic, append.partition).info, append.records)
    except Error as error:
        request.error = error
        return False
    return True


def _append_together(view: View, requests: list[_Request]) -> None:
    """Write the records of each partition as one batch. All have one sequence number: nobody has waited for another's."""
    groups: dict[tuple[str, int], list[tuple[_Request, int, pa.RecordBatch]]] = {}
    total = sum(append.records.num_rows for request in requests for append in request.appends)
    sequence = view.advance(CLOCK, total) if total else 0
    for request in requests:
        request.offsets = [0] * len(request.appends)
        for index, append in enumerate(request.appends):
            groups.setdefault((append.topic, append.partition), []).append((request, index, append.records))
    for (name, partition), members in groups.items():
        together = pa.concat_batches([batch for _, _, batch in members]) if len(members) > 1 else members[0][2]
        offset = partitions.append(view, require(view, name), partition, together, sequence)
        for request, index, batch in members:
            request.offsets[index] = offset
            offset += batch.num_rows
