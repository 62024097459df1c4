"""Speed of the embedded log: durable appends and commits, reading, state. `python -m bench.log [FOLDER]` prints a Markdown table.

FOLDER is where the log is made, on the disk to be measured (default: a temporary folder of the current one). 20 s on two cores.
"""

from __future__ import annotations

import random
import statistics
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from penstock.log import open_log
from penstock.log.protocol import Append, Log, TopicConfig
from penstock.log.records import HEADERS, RECORDS, records

BATCH = 20_000
FOREVER = TopicConfig(retention_ms=None)


def readings(count: int) -> pa.RecordBatch:
    """Records of some 95 bytes: a key of 10 and JSON of 70."""
    values = [b'{"sensor_id": "plant-%06d", "timestamp": %d, "moisture": %d}' % (i % 1000, 1_700_000_000_000 + i, i % 101) for i in range(count)]
    keys = [b"plant-%04d" % (i % 1000) for i in range(count)]
    times = pa.array(range(1_700_000_000_000, 1_700_000_000_000 + count), pa.int64())
    return pa.RecordBatch.from_arrays([times, pa.array(keys, pa.binary()), pa.array(values, pa.binary()), pa.nulls(count, HEADERS)], schema=RECORDS)


def seconds(work: Callable[[], object], times: int = 1) -> float:
    """Seconds that one run takes, the mean of `times`."""
    begin = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - begin) / times


def median_ms(work: Callable[[], object], times: int) -> float:
    """Milliseconds at the median of `times` runs."""
    return statistics.median(seconds(work) for _ in range(times)) * 1000


def appends(log: Log) -> Iterator[tuple[str, str]]:
    """Large and small appends, of one thread and of sixteen."""
    log.create_topic("large", 1, FOREVER)
    batch = readings(BATCH)
    rate = BATCH / seconds(lambda: log.append(Append("large", 0, batch)), 150)
    yield "append, durable, 20,000 records a transaction", f"{rate / 1e6:.1f} M records/s"
    log.create_topic("small", 1, FOREVER)
    one = Append("small", 0, readings(1))
    yield "append, durable, 1 record, median", f"{median_ms(lambda: log.append(one), 2000):.2f} ms"

    def step() -> None:
        with log.begin() as transaction:
            transaction.append(one)
            transaction.commit_offsets("group", {("small", 0): 1})
            transaction.state("step").put_many([(b"key", b"value")])

    yield "transaction of 1 record, an offset and a state change, median", f"{median_ms(step, 1000):.2f} ms"
    for threads in (1, 16):
        count = 4000 // threads
        workers = [threading.Thread(target=lambda n=count: [log.append(one) for _ in range(n)]) for _ in range(threads)]

        def together(workers: list[threading.Thread] = workers) -> None:
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()

        yield f"append, durable, 1 record each, {threads} threads", f"{count * threads / seconds(together):,.0f} appends/s"


def read_all(log: Log, topic: str) -> int:
    """Read a topic to its end in the default steps; how many records."""
    offset = count = 0
    while (batch := log.read(topic, 0, offset)).num_rows:
        offset = batch.column("offset")[-1].as_py() + 1
        count += batch.num_rows
    return count


def reads(log: Log) -> Iterator[tuple[str, str]]:
    """Reading what was written in bulk, and record by record."""
    taken = seconds(lambda: read_all(log, "large"), 2)
    yield "read, 20,000-record batches", f"{log.end_offset('large', 0) / taken / 1e6:.0f} M records/s"


def singles() -> Iterator[tuple[str, str]]:
    """100,000 appends of one record, merged and read back (in memory: the disk's part is measured above)."""
    log = open_log(None)
    log.create_topic("singles", 1, FOREVER)
    each = [Append("singles", 0, readings(1))] * 100_000
    taken = seconds(lambda: [log.append(append) for append in each])
    yield "append, in memory, 1 record", f"{len(each) / taken:,.0f} appends/s"
    yield "read 100,000 single appends before merging", f"{len(each) / seconds(lambda: read_all(log, 'singles')):,.0f} records/s"
    yield "merging them", f"{seconds(log.clean):.2f} s"
    yield "read them after merging", f"{len(each) / seconds(lambda: read_all(log, 'singles'), 3) / 1e6:.0f} M records/s"
    log.close()


def state(log: Log) -> Iterator[tuple[str, str]]:
    """State of a million keys, touched at 181,000 sorted ones."""
    keys = [struct.pack(">Q", i * 7919) for i in range(1_000_000)]
    some = sorted(random.Random(1).sample(keys, 181_000))
    items = [(key, b"v" * 40) for key in some]
    with log.begin() as transaction:
        transaction.state("bench").put_many([(key, b"v" * 40) for key in keys])
    with log.snapshot() as snapshot:
        store = snapshot.state("bench")
        yield "state, get_many of 181,000 of 1 M keys", f"{len(some) / min(seconds(lambda: store.get_many(some)) for _ in range(3)) / 1e6:.1f} M/s"
        yield "state, scan of 1 M items", f"{1 / seconds(lambda: sum(1 for _ in store.scan())):.1f} M/s"
    with log.begin() as transaction:
        store = transaction.state("bench")
        yield "state, put_many of 181,000 of 1 M keys", f"{len(some) / min(seconds(lambda: store.put_many(items)) for _ in range(3)) / 1e6:.1f} M/s"
        yield "state, delete_many of 181,000 of 1 M keys", f"{len(some) / seconds(lambda: store.delete_many(some)) / 1e6:.1f} M/s"


@contextmanager
def folder(arguments: list[str]) -> Iterator[Path]:
    """The folder to measure in, removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="penstock-bench-", dir=arguments[0] if arguments else ".") as name:
        yield Path(name) / "log"


def main(arguments: list[str]) -> None:
    """Measure everything; print a row as soon as it is known."""
    with folder(arguments) as place:
        log = open_log(place)
        print("| what | measured |\n| --- | --- |")
        for part in (appends(log), reads(log), state(log), singles()):
            for what, measured in part:
                print(f"| {what} | {measured} |", flush=True)
        log.append(Append("small", 0, records([])))
        log.close()


if __name__ == "__main__":
    main(sys.argv[1:])
