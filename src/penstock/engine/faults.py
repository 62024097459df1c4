"""The processing log: a stream of what queries could not process."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence

import pyarrow as pa

from penstock.engine.stage import Fault
from penstock.log.protocol import Append
from penstock.log.records import records

PROCESSING_LOG_TOPIC = "penstock-processing-log"
TOLD_MAX = 5

_logger = logging.getLogger("penstock.engine")


def report(query: str, faults: Sequence[Fault], append: Callable[[Append], object] | None) -> None:
    """Write faults to the processing log by `append`. What came from that log itself would come again and again: the process's own log is told of
    it, and so it is of everything where there is no `append`, since this process only reads."""
    if append is None:
        _tell(query, faults)
        return
    if written := [f for f in faults if f.topic != PROCESSING_LOG_TOPIC]:
        append(Append(PROCESSING_LOG_TOPIC, 0, _records(query, written)))
    _tell(query, [f for f in faults if f.topic == PROCESSING_LOG_TOPIC])


def _tell(query: str, faults: Sequence[Fault]) -> None:
    for fault in faults[:TOLD_MAX]:
        _logger.warning("%s: %s (topic %s, partition %d, offset %d)", query, fault.reason, fault.topic, fault.partition, fault.offset)
    if len(faults) > TOLD_MAX:
        _logger.warning("%s: %d more records could not be processed.", query, len(faults) - TOLD_MAX)


def _records(query: str, faults: Sequence[Fault]) -> pa.RecordBatch:
    now = int(time.time() * 1000)
    rows = [
        json.dumps(
            {"query": query, "kind": f.kind, "topic": f.topic, "partition": f.partition, "offset": f.offset, "reason": f.reason},
            ensure_ascii=False,
        ).encode()
        for f in faults
    ]
    return records([(now, None, row) for row in rows])
