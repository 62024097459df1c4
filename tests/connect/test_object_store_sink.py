"""The object store sink: to moto's S3 server (a real one is not to be had here), and to a folder."""

from __future__ import annotations

import gzip
import io
import json
import logging
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal as Number
from pathlib import Path
from typing import Any

import pytest
from tests.connect.json_records import JsonReader, runtime_over, send
from tests.connect.proxies import Proxy
from tests.connect.web_server import Answer

from penstock.connect.inference import shape_of
from penstock.connect.objects import partitioners
from penstock.connect.records import Record
from penstock.connect.runtime import ConnectRuntime
from penstock.errors import ConfigError
from penstock.log import open_log
from penstock.log.protocol import Append, Log
from penstock.log.records import records
from penstock.registry.embedded import EmbeddedRegistry
from penstock.registry.store import TopicStore
from penstock.sql.types import BIGINT, DOUBLE, STRING, TIMESTAMP, Array, Decimal, Field, SqlType, Struct

ROOT = Path(__file__).parents[2]
Start = Callable[..., None]

KEYS = {"s3.bucket.name": "carparks", "s3.region": "us-east-1", "aws.access.key.id": "me", "aws.secret.access.key": "swordfish"}


@dataclass
class Bucket:
    """A bucket of a running server, and a proxy before it."""

    proxy: Proxy
    files: Any

    def objects(self) -> dict[str, bytes]:
        from pyarrow.fs import FileSelector

        found = self.files.get_file_info(FileSelector("carparks", recursive=True))
        return {f.path.removeprefix("carparks/"): self.files.open_input_stream(f.path).readall() for f in found if f.is_file}


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_server: str) -> Iterator[Bucket]:
    from pyarrow.fs import S3FileSystem

    files = S3FileSystem(
        access_key="me", secret_key="x", region="us-east-1", scheme="http", endpoint_override=s3_server.removeprefix("http://"),
        allow_bucket_creation=True, allow_bucket_deletion=True,
    )  # fmt: skip
    files.create_dir("carparks")
    proxy = Proxy(s3_server)
    yield Bucket(proxy, files)
    proxy.close()
    files.delete_dir("carparks")


@pytest.fixture
def runtime(log: Log, tmp_path: Path) -> Iterator[ConnectRuntime]:
    started = runtime_over(log, file_folders=[tmp_path], restart_ms=20, restart_ms_max=80)
    yield started
    started.close()


@pytest.fixture
def start(runtime: ConnectRuntime, tmp_path: Path) -> Start:
    """Start the sink `archive` of the topic `alerts` to the folder `out`; keyword arguments are options, with `_` for the dot."""

    def start_sink(**options: str) -> None:
        properties = {"connector.class": "ObjectStoreSink", "topics": "alerts", "retry.backoff.ms": "1", "flush.size": "3"}
        where = {} if "store_url" in options else {"store.folder": str(tmp_path / "out")}
        runtime.start("SINK", "archive", properties | where | {name.replace("_", "."): text for name, text in options.items()})

    return start_sink


def done(runtime: ConnectRuntime) -> None:
    assert runtime.wait_idle(60), runtime.statuses()


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def lines(data: bytes) -> list[Any]:
    return [json.loads(line)["N"] for line in data.splitlines()]


def at(log: Log, *rows: tuple[int, Mapping[str, Any]], topic: str = "alerts") -> None:
    """Append rows with timestamps."""
    log.append(Append(topic, 0, records([(ms, b"k", json.dumps(row).encode()) for ms, row in rows])))


def test_files_of_so_many_records_by_partition_and_first_offset(
    log: Log, runtime: ConnectRuntime, start: Start, tmp_path: Path
) -> None:
    log.create_topic("parks", 2)
    for partition in range(2):
        send(log, "parks", [{"N": n} for n in range(7 + partition)], partition=partition)
    start(topics="parks", tasks_max="2")
    done(runtime)
    found = {name: lines(data) for name, data in files_of(tmp_path / "out").items()}
    assert found == {
        "topics/parks/partition=0/parks+0+0000000000.json": [0, 1, 2],
        "topics/parks/partition=0/parks+0+0000000003.json": [3, 4, 5],
        "topics/parks/partition=1/parks+1+0000000000.json": [0, 1, 2],
        "topics/parks/partition=1/parks+1+0000000003.json": [3, 4, 5],
    }
    assert log.committed("connect-archive") == {("parks", 0): 6, ("parks", 1): 6}, "what is gathered is not committed"
    runtime.restart("archive")
    send(log, "parks", [{"N": n} for n in (7, 8)])
    done(runtime)
    assert lines(files_of(tmp_path / "out")["topics/parks/partition=0/parks+0+0000000006.json"]) == [6, 7, 8]


def test_s3_objects(log: Log, runtime: ConnectRuntime, start: Start, bucket: Bucket) -> None:
    """The talk's spelling of the class, to a bucket."""
    send(log, "alerts", [{"N": n} for n in range(6)])
    start(connector_class="S3Connector", store_url=bucket.proxy.behind, **{k.replace(".", "_"): v for k, v in KEYS.items()})
    done(runtime)
    assert {name: lines(data) for name, data in bucket.objects().items()} == {
        "topics/alerts/partition=0/alerts+0+0000000000.json": [0, 1, 2],
        "topics/alerts/partition=0/alerts+0+0000000003.json": [3, 4, 5],
    }
    assert "swordfish" not in str(runtime.status("archive"))


def test_a_large_object_goes_in_parts(log: Log, runtime: ConnectRuntime, start: Start, bucket: Bucket) -> None:
    random_ = random.Random(5)
    big = [{"N": n, "TEXT": random_.randbytes(2_500_000).hex()} for n in range(3)]
    send(log, "alerts", big)
    options = {k.replace(".", "_"): v for k, v in KEYS.items()}
    start(store_url=bucket.proxy.url, s3_part_size=str(5 << 20), **options)
    done(runtime)
    (data,) = bucket.objects().values()
    assert [json.loads(line)["TEXT"] for line in data.splitlines()] == [row["TEXT"] for row in big]
    assert any("partNumber=2" in request.path for request in bucket.proxy.requests)


def test_an_outage_of_the_store_loses_nothing(log: Log, runtime: ConnectRuntime, start: Start, bucket: Bucket) -> None:
    bucket.proxy.spoil = lambda request: Answer(503)
    send(log, "alerts", [{"N": n} for n in range(6)])
    start(store_url=bucket.proxy.url, max_retries="1", s3_part_retries="0", **{k.replace(".", "_"): v for k, v in KEYS.items()})
    bucket.proxy.wait_for(3, 60)
    assert log.committed("connect-archive") == {}
    bucket.proxy.spoil = lambda request: None
    done(runtime)
    assert sorted(n for data in bucket.objects().values() for n in lines(data)) == list(range(6))
    assert log.committed("connect-archive") == {("alerts", 0): 6}


@pytest.mark.parametrize("status", [403, 404])
def test_a_bucket_that_we_may_not_write_to_says_so(
    status: int, log: Log, runtime: ConnectRuntime, start: Start, bucket: Bucket
) -> None:
    code = {403: "AccessDenied", 404: "NoSuchBucket"}[status]
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no swordfish</Message></Error>".encode()
    bucket.proxy.spoil = lambda request: Answer(status, {"Content-Type": "application/xml"}, body)
    send(log, "alerts", [{"N": n} for n in range(3)])
    start(store_url=bucket.proxy.url, max_retries="1000", **{k.replace(".", "_"): v for k, v in KEYS.items()})
    reason = failed(runtime, "Check the bucket")
    assert "swordfish" not in reason


def failed(runtime: ConnectRuntime, why: str) -> str:
    deadline = time.monotonic() + 60
    while why not in (reason := runtime.status("archive").tasks[0].reason):
        assert time.monotonic() < deadline, reason
        assert not runtime.wait_idle(0.02)
    return reason


def test_time_rotates_files_by_the_records_own_times(log: Log, runtime: ConnectRuntime, start: Start, tmp_path: Path) -> None:
    at(log, *((ms, {"N": ms}) for ms in (1000, 1999, 1500, 2000, 2500, 500)))
    start(flush_size="100", rotate_interval_ms="1000")
    done(runtime)
    assert [lines(data) for data in files_of(tmp_path / "out").values()] == [[1000, 1999, 1500]]
    at(log, (9000, {"N": 9000}))
    done(runtime)
    assert [lines(data) for data in files_of(tmp_path / "out").values()] == [[1000, 1999, 1500], [2000, 2500, 500]]


def test_folders_by_time_end_a_file_where_they_change(log: Log, runtime: ConnectRuntime, start: Start, tmp_path: Path) -> None:
    hour = 3_600_000
    at(log, *((ms, {"N": ms}) for ms in (10, 20, hour, 30, 26 * hour)))
    start(flush_size="100", rotate_interval_ms=str(hour), partitioner_class="io.confluent.connect.storage.partitioner.HourlyPartitioner")
    done(runtime)
    found = {name.removeprefix("topics/alerts/year=1970/month=01/"): lines(data) for name, data in files_of(tmp_path / "out").items()}
    assert found == {
        "day=01/hour=00/alerts+0+0000000000.json": [10, 20],
        "day=01/hour=01/alerts+0+0000000002.json": [hour],
        "day=01/hour=00/alerts+0+0000000003.json": [30],
    }


def test_the_schedule_writes_without_new_records(log: Log, runtime: ConnectRuntime, start: Start, tmp_path: Path) -> None:
    send(log, "alerts", [{"N": 1}])
    start(flush_size="100", rotate_schedule_interval_ms="300")
    deadline = time.monotonic() + 30
    while log.committed("connect-archive") != {("alerts", 0): 1} and time.monotonic() < deadline:
        log.watch(log.version(), 0.02)
    assert [lines(data) for data in files_of(tmp_path / "out").values()] == [[1]]


def test_folders_by_field_cannot_lead_elsewhere(log: Log, runtime: ConnectRuntime, start: Start, tmp_path: Path) -> None:
    places = ["Leeds", "../../etc", None, "a/b", "..", "Leeds"]
    at(log, *((1, {"N": n, "PLACE": place}) for n, place in enumerate(places)), (1, {"N": 9}))
    start(flush_size="6", partitioner_class="FieldPartitioner", partition_field_name="place", errors_tolerance="all")
    done(runtime)
    found = {name.removeprefix("topics/alerts/"): lines(data) for name, data in files_of(tmp_path / "out").items()}
    assert found == {
        "PLACE=Leeds/alerts+0+0000000000.json".replace("PLACE", "place"): [0, 5],
        "place=..%2F..%2Fetc/alerts+0+0000000001.json": [1],
        f"place={partitioners.NO_VALUE}/alerts+0+0000000002.json": [2],
        "place=a%2Fb/alerts+0+0000000003.json": [3],
        "place=%2E%2E/alerts+0+0000000004.json": [4],
    }
    assert runtime.status("archive").tasks[0].refused == 1


def test_a_refused_record_stays_refused_when_its_put_is_tried_again(
    log: Log, runtime: ConnectRuntime, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("in the way")
    at(log, (1, {"N": 0, "PLACE": "a"}), (1, {"N": 1}), (1, {"N": 2, "PLACE": "a"}), (1, {"N": 3, "PLACE": "a"}))
    start(partitioner_class="field", partition_field_name="PLACE", errors_tolerance="all", max_retries="100000", flush_size="3")
    failed(runtime, "cannot be written")
    (tmp_path / "out").unlink()
    done(runtime)
    assert [lines(data) for data in files_of(tmp_path / "out").values()] == [[0, 2, 3]]
    assert [letter["offset"] for letter in log.read("dlq-archive", 0, 0).to_pylist()] == [0]


class TypedReader(JsonReader):
    """Rows whose columns have types."""

    TYPES: Mapping[str, SqlType] = {"ID": STRING, "N": BIGINT, "PRICE": Decimal(6, 2), "AT": TIMESTAMP, "TAGS": Array(STRING)}

    def types(self, topic: str) -> Mapping[str, SqlType]:  # type: ignore[override]
        return self.TYPES

    def read(self, topic: str, partition: int, offset: int, max_records: int) -> list[Record]:
        found = super().read(topic, partition, offset, max_records)
        for record in found:
            columns: Any = record.columns
            columns["PRICE"] = Number("1.50")
            columns["AT"] = datetime(2020, 10, 14, 12, 28)
        return found


@pytest.mark.parametrize("format_class", ["parquet", "io.confluent.connect.s3.format.avro.AvroFormat"])
def test_parquet_and_avro_have_the_types_of_the_columns(format_class: str, log: Log, start: Start, tmp_path: Path) -> None:
    runtime = ConnectRuntime(log, lambda topics: TypedReader(log, topics), EmbeddedRegistry(TopicStore(log)), file_folders=[tmp_path])
    send(log, "alerts", [{"N": 1, "TAGS": ["a", None]}, {"N": None}, {"N": 3, "EXTRA": {"X": 1.5}}])
    folder = f"file://{tmp_path}/out"
    properties = {"connector.class": "S3Sink", "topics": "alerts", "store.url": folder, "flush.size": "3", "format.class": format_class}
    runtime.start("SINK", "archive", properties)
    done(runtime)
    runtime.close()
    ((name, data),) = files_of(tmp_path / "out").items()
    if name.endswith(".snappy.parquet"):
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pq.read_table(io.BytesIO(data))
        assert table.schema.field("PRICE").type == pa.decimal128(6, 2)
        assert table.schema.field("AT").type == pa.timestamp("us")
        rows = table.to_pylist()
        moment = datetime(2020, 10, 14, 12, 28)
    else:
        import fastavro

        assert name.endswith(".avro")
        rows = list(fastavro.reader(io.BytesIO(data)))
        moment = datetime(2020, 10, 14, 12, 28, tzinfo=UTC)
    assert list(rows[0]) == ["ID", "N", "PRICE", "AT", "TAGS", "EXTRA"]
    shared = {"PRICE": Number("1.50"), "AT": moment}
    assert rows == [
        {"ID": "0", "N": 1, "TAGS": ["a", None], "EXTRA": None, **shared},
        {"ID": "1", "N": None, "TAGS": None, "EXTRA": None, **shared},
        {"ID": "2", "N": 3, "TAGS": None, "EXTRA": {"X": 1.5}, **shared},
    ]


def test_values_as_they_stand_and_compression(log: Log, runtime: ConnectRuntime, start: Start, tmp_path: Path) -> None:
    send(log, "alerts", [{"N": n} for n in range(3)])
    start(format_class="ByteArrayFormat", s3_compression_type="gzip", format_bytearray_separator=";", store_kafka_keys="false")
    done(runtime)
    ((name, data),) = files_of(tmp_path / "out").items()
    assert name.endswith("0000000000.bin.gz")
    assert gzip.decompress(data) == b'{"N": 0};{"N": 1};{"N": 2};'


def test_tombstones_are_refused_or_passed_over(log: Log, runtime: ConnectRuntime, start: Start, tmp_path: Path) -> None:
    send(log, "alerts", [{"N": 0}, None, {"N": 2}, {"N": 3}, None])
    start(errors_tolerance="all")
    done(runtime)
    assert runtime.status("archive").tasks[0].refused == 2
    runtime.stop("archive")
    log.delete_group("connect-archive")
    start(behavior_on_null_values="ignore")
    done(runtime)
    assert runtime.status("archive").tasks[0].refused == 0
    assert [lines(data) for data in files_of(tmp_path / "out").values()] == [[0, 2, 3]]
    assert log.committed("connect-archive") == {("alerts", 0): 5}


@pytest.mark.parametrize("to", ["bucket", "folder"])
def test_killed_in_the_middle_every_record_is_in_the_files_once(to: str, tmp_path: Path, bucket: Bucket) -> None:
    """SIGKILL at random moments of a delivery in folders by field, whose files overlap in offsets."""
    count, kills, random_ = 800, 2, random.Random(23)
    log = open_log(tmp_path / "db")
    log.create_topic("alerts", 2)
    for partition in range(2):
        rows: list[dict[str, Any] | bytes | None] = [{"N": f"{partition}-{n}", "PARK": n * n % 7} for n in range(count // 2)]
        send(log, "alerts", rows, partition=partition)
    log.close()
    where = {**KEYS, "store.url": bucket.proxy.url} if to == "bucket" else {"store.folder": str(tmp_path / "out")}
    properties = {
        "connector.class": "S3Sink", "topics": "alerts", "flush.size": "40", "tasks.max": "2", "partitioner.class": "field",
        "partition.field.name": "PARK", **where,
    }  # fmt: skip
    command = [sys.executable, "-m", "tests.connect.deliver_to", str(tmp_path / "db"), json.dumps(properties)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}

    def found() -> dict[str, bytes]:
        return bucket.objects() if to == "bucket" else files_of(tmp_path / "out")

    def written() -> int:
        return len(bucket.proxy.requests) if to == "bucket" else sum(1 for _ in (tmp_path / "out").rglob("*.json"))

    for _ in range(kills):
        process = subprocess.Popen(command, cwd=ROOT, env=environment)
        wanted, deadline = written() + random_.randint(1, 40), time.monotonic() + 60
        while written() < wanted:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)  # another process writes; nothing tells of its files
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert sum(len(lines(data)) for name, data in found().items() if name.endswith(".json")) < count
    subprocess.run([*command, "until-done"], cwd=ROOT, env=environment, check=True, timeout=120)
    arrived = [n for data in found().values() for n in lines(data)]
    assert sorted(arrived) == sorted(f"{p}-{n}" for p in range(2) for n in range(count // 2))
    assert not [name for name in found() if name.endswith(".part")]


def record(**columns: Any) -> Record:
    return Record("t", 0, 0, 1_602_678_480_123, columns)


@pytest.mark.parametrize(
    ("pattern", "zone", "path"),
    [
        ("'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH", "UTC", "year=2020/month=10/day=14/hour=12"),
        ("yy-M-d'T'H", "America/New_York", "20-10-14T8"),
        ("EEE/MMM/MMMM/a/hh/DDD/e", "UTC", "Wed/Oct/October/PM/12/288/3"),
        ("mm.ss.SSS/'it''s'", "UTC", "28.00.123/it's"),
    ],
)
def test_patterns_of_dates(pattern: str, zone: str, path: str) -> None:
    assert partitioners.by_time(pattern, 1, partitioners.time_zone(zone), lambda r: r.timestamp)(record()) == path


@pytest.mark.parametrize("value", [1_602_678_480_000, "2020-10-14T13:28:00+01:00", "2020-10-14T12:28:00", datetime(2020, 10, 14, 12, 28)])
def test_a_columns_time(value: Any) -> None:
    assert partitioners.field_time("at")(record(AT=value)) == 1_602_678_480_000
    assert partitioners.field_time("at")(record(AT=date(2020, 10, 14))) == 1_602_633_600_000


def test_types_of_values() -> None:
    rows: list[dict[str, Any]] = [{"A": 1, "B": None, "C": {"X": 1}, "D": Number("1.5")}]
    rows += [{"A": 2.5, "C": {"Y": "a"}, "D": Number("22.25"), "E": [1, "a"]}]
    assert shape_of(rows, {"A": BIGINT, "Z": STRING}) == {
        "A": DOUBLE,
        "B": STRING,
        "C": Struct((Field("X", BIGINT), Field("Y", STRING))),
        "D": Decimal(4, 2),
        "E": Array(STRING),
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"store.folder": "/etc/out"}, "outside the folders"),
        ({"store.url": "file:///etc/out"}, "outside the folders"),
        ({}, "needs a bucket or a folder"),
                ({"s3.bucket.name": "b", "store.url": "ftp://x"}, "not the address of an object store"),
        ({"s3.bucket.name": "b", "aws.access.key.id": "x"}, "go together"),
        ({"s3.bucket.name": "b", "format.class": "xml"}, "format.class"),
        ({"s3.bucket.name": "b", "partitioner.class": "field"}, "partition.field.name"),
        ({"s3.bucket.name": "b", "partitioner.class": "timebased"}, "path.format"),
        ({"s3.bucket.name": "b", "partitioner.class": "timebased", "path.format": "QQ", "partition.duration.ms": "5"}, "Q is no part of a date"),
        ({"s3.bucket.name": "b", "partitioner.class": "timebased", "path.format": "'..'/dd", "partition.duration.ms": "5"}, "leads elsewhere"),
        ({"s3.bucket.name": "b", "timezone": "Mars"}, "no time zone"),
        ({"s3.bucket.name": "b", "timestamp.extractor": "Sundial"}, "timestamp.extractor"),
        ({"s3.bucket.name": "b", "file.delim": "/"}, "slash"),
    ],
)
def test_wrong_options(options: dict[str, str], message: str, runtime: ConnectRuntime, log: Log) -> None:
    with pytest.raises(ConfigError, match=message):
        runtime.check("SINK", "archive", {"connector.class": "S3Connector", "topics": "alerts", "flush.size": "3"} | options)


def test_files_go_to_one_place(runtime: ConnectRuntime, log: Log, tmp_path: Path) -> None:
    properties = {"connector.class": "S3Connector", "topics": "alerts", "flush.size": "3", "store.folder": str(tmp_path), "s3.bucket.name": "b"}
    with pytest.raises(ConfigError, match="one place"):
        runtime.check("SINK", "archive", properties)
