"""Object store sink: records gathered into files, in S3 or a folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from penstock.connect.contract import RefusedError, SinkContext, SinkDefinition
from penstock.connect.objects import partitioners, stores, writers
from penstock.connect.options import REQUIRED, Option
from penstock.connect.records import Record
from penstock.connect.secrets import Secrets
from penstock.errors import ConfigError

_NO_EFFECT = "Accepted, without effect: "
Place = tuple[str, int]

OPTIONS = (
    Option("s3.bucket.name", "string", "The bucket. It must be there.", None),
    Option("s3.region", "string", "The bucket's region.", "us-west-2"),
    Option(
        "store.url",
        "string",
        "The address of an object store that is not Amazon's, `http://host:9000`; or `file:///folder` for a folder of this machine.",
        None,
    ),
    Option("store.folder", "path", "A folder of this machine, instead of a bucket.", None),
    Option("aws.access.key.id", "password", "The key's id. Without it AWS_ACCESS_KEY_ID, ~/.aws, or the machine's role serve.", None),
    Option("aws.secret.access.key", "password", "The key's secret.", None),
    Option("aws.session.token", "password", "The token of a key for a limited time.", None),
    Option("topics.dir", "string", "The folder, or the beginning of the names, of all files.", "topics"),
    Option(
        "format.class",
        "string",
        "What the files are: `json` (lines), `avro`, `parquet` or `bytes` (the values as they stand), or the class of Confluent's that means it.",
        "json",
    ),
    Option(
        "flush.size", "integer", "A file is written when so many records of a topic's partition are gathered.", REQUIRED, minimum=1
    ),
    Option(
        "rotate.interval.ms",
        "integer",
        "A file spans at most so many ms, by the time that `timestamp.extractor` takes from the records; it is written when a later one comes. "
        "-1: files do not look at the time.",
        -1,
        minimum=-1,
    ),
    Option(
        "rotate.schedule.interval.ms",
        "integer",
        "All that is gathered is written at every so many ms of the day, by the clock and `timezone`, even if nothing comes any more. -1: never.",
        -1,
        minimum=-1,
    ),
    Option(
        "partitioner.class",
        "string",
        "The folders: `default` (`partition=0`), `field` (`COLUMN=value`), `timebased` (`path.format`), `daily`, `hourly`, or Confluent's class.",
        "default",
    ),
    Option("partition.field.name", "list", "The columns of the folders of `field`.", ()),
    Option("path.format", "string", "The folders of `timebased`, as Java writes dates: `'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH`.", None),
    Option("partition.duration.ms", "integer", "The span of a folder of `timebased`, in ms.", -1, minimum=-1),
    Option("timezone", "string", "The time zone of the folders, and of the hours at which files are written.", "UTC"),
    Option("locale", "string", "The language of names of months and days: English alone.", "en"),
    Option(
        "timestamp.extractor",
        "string",
        "A record's time: `record` (its timestamp), `recordfield` (the column `timestamp.field`) or `wallclock` (when it is gathered; "
        "a crash may then leave a record in two folders).",
        "record",
    ),
    Option("timestamp.field", "string", "The column of `recordfield`: a TIMESTAMP, ms since the epoch, or text in ISO 8601.", "timestamp"),
    Option("store.kafka.keys", "boolean", "Whether files hold the key's columns beside the value's.", True),
    Option(
        "behavior.on.null.values", "choice", "What to do with a tombstone: pass it over, or refuse it.", "fail", choices=("ignore", "fail")
    ),
    Option("s3.compression.type", "choice", "How JSON and bytes are compressed.", "none", choices=("none", "gzip")),
    Option("s3.compression.level", "integer", "How hard: 1 to 9; -1 leaves it to the library.", -1, minimum=-1),
    Option("parquet.codec", "choice", "How Parquet is compressed.", "snappy", choices=("none", "snappy", "gzip", "brotli", "lz4", "zstd")),
    Option("avro.codec", "choice", "How Avro is compressed.", "null", choices=("null", "deflate", "bzip2", "xz")),
    Option("format.bytearray.extension", "string", "How the names of files of `bytes` end.", ".bin"),
    Option("format.bytearray.separator", "string", "What follows each record in files of `bytes`.", "\n"),
    Option("file.delim", "string", "What stands between topic, partition and offset in a file's name.", "+"),
    Option("filename.offset.zero.pad.width", "integer", "How many digits an offset has in a file's name, at least.", 10, minimum=0),
    Option("s3.part.size", "integer", "Larger objects are sent in parts of so many bytes.", 25 << 20, minimum=5 << 20),
    Option("s3.part.retries", "integer", "How often a request is repeated at once, before `max.retries` count.", 3, minimum=0),
    Option("s3.connect.timeout.ms", "integer", "How long to wait for a connection, in ms.", 10_000, minimum=1),
    Option("s3.request.timeout.ms", "integer", "How long to wait for an answer, in ms.", 30_000, minimum=1),
    Option("s3.path.style.access.enabled", "boolean", "Whether the bucket stands in the path, or before the host, of `store.url`.", True),
    Option("s3.proxy.url", "string", "A proxy.", None),
    Option("storage.class", "string", _NO_EFFECT + "the store's own options say it.", None),
    Option("schema.compatibility", "string", _NO_EFFECT + "a file has the columns of its records.", None),
    Option("schema.generator.class", "string", _NO_EFFECT + "a file has the columns of its records.", None),
    Option("directory.delim", "string", _NO_EFFECT + "it is a slash.", "/"),
    Option("s3.retry.backoff.ms", "integer", _NO_EFFECT + "`retry.backoff.ms` says it.", 200),
    Option("s3.credentials.provider.class", "string", _NO_EFFECT + "see `aws.access.key.id`.", None),
)


@dataclass
class _Gathered:
    """Records of a topic's partition that wait for their files, in order."""

    end: int  # the offset after the last record that was taken or passed over
    delivered: int  # the offset before which all is in files
    records: list[tuple[str, Record]] = field(default_factory=list)  # each with its folder
    since_ms: int = 0  # the first one's time

    def due(self, flush_size: int) -> bool:
        """Whether there are as many as a file takes."""
        return len(self.records) >= flush_size


class ObjectStoreSink:
    """The sink of one task: gathers by topic and partition, and writes all files of a partition together.

    A file's name is its folder and its first record's offset. Whatever the ends of the spans that are written together, a span that
    begins where all is delivered gives each record of it the same file names again, or longer files of these names: so what a crash left
    half done is written over, and never stands beside.
    """

    def __init__(self, options: Mapping[str, Any], secrets: Secrets, context: SinkContext) -> None:
        self._context = context
        self._store = _store(options, secrets)
        self._format = _format(options)
        self._moment = _moment(options)
        self._folder = _partitioner(options, self._moment)
        self._zone = partitioners.time_zone(options["timezone"])
        self._flush_size: int = options["flush.size"]
        self._span_ms: int = options["rotate.interval.ms"]
        self._by_time = _last_word(options["partitioner.class"], "partitioner") in ("timebased", "daily", "hourly")
        self._schedule_ms: int = options["rotate.schedule.interval.ms"]
        self._next_s = self._after(time.time()) if self._schedule_ms > 0 else None
        self._refuses_tombstones = options["behavior.on.null.values"] == "fail"
        self._name: Callable[[Record], str] = _file_name(options, self._format.ending)
        self._top = PurePosixPath(*(part for part in options["topics.dir"].split("/") if part not in ("", ".", "..")))
        self._gathered: dict[Place, _Gathered] = {}

    def put(self, records: Sequence[Record]) -> None:
        """Take the records, and write the files that are full. Raises RefusedError for those that can go into no file."""
        refused: list[tuple[Record, str]] = []
        taken: list[tuple[Record, str, int]] = []
        for record in records:
            try:
                taken += self._placed(record)
            except RefusedError as error:
                refused.append((record, str(error)))
        for record, folder, at_ms in taken:
            self._take(record, folder, at_ms)
        if records:
            gathered = self._of(records[-1])
            gathered.end = max(gathered.end, records[-1].offset + 1)
        if refused:
            raise RefusedError(f"{len(refused)} of {len(records)} records are refused.", refused=refused)

    def delivered(self) -> Mapping[Place, int]:
        """Up to which offset all records are in files; of a partition of which none waits, up to the last one seen."""
        return {place: g.delivered if g.records else g.end for place, g in self._gathered.items()}

    def tick(self) -> float | None:
        """Write what the schedule says; the seconds until its next time, where anything waits."""
        full = [place for place, gathered in self._gathered.items() if gathered.due(self._flush_size)]
        struck = self._next_s is not None and time.time() >= self._next_s
        for place in [p for p, g in self._gathered.items() if g.records] if struck else full:
            self._write(place)
        if struck:
            self._next_s = self._after(time.time())
        waits = any(gathered.records for gathered in self._gathered.values())
        return max(0.0, self._next_s - time.time()) if self._next_s is not None and waits else None

    def close(self) -> None:
        """Nothing is kept: what is gathered comes again."""

    def _of(self, record: Record) -> _Gathered:
        return self._gathered.setdefault((record.stands_in, record.partition), _Gathered(record.offset, 0))

    def _placed(self, record: Record) -> list[tuple[Record, str, int]]:
        """The record with its folder and its time; nothing for one that is passed over. Raises RefusedError."""
        if not record.tombstone:
            return [(record, self._folder(record), self._moment(record) if self._span_ms > 0 else 0)]
        if self._refuses_tombstones:
            raise RefusedError("It is a tombstone.", mend="'behavior.on.null.values'='ignore' passes such records over.")
        return []

    def _take(self, record: Record, folder: str, at_ms: int) -> None:
        """Gather a record, but not one that an earlier try of the same put has gathered."""
        place, gathered = (record.stands_in, record.partition), self._of(record)
        if gathered.due(self._flush_size):  # it could not be written before
            self._write(place)
        if record.offset < gathered.end:
            return
        if gathered.records and self._span_ms > 0:
            moved = self._by_time and folder != gathered.records[-1][0]
            if moved or at_ms - gathered.since_ms >= self._span_ms:
                self._write(place)
        if not gathered.records:
            gathered.since_ms, gathered.delivered = at_ms, record.offset
        gathered.records.append((folder, record))
        gathered.end = record.offset + 1
        if gathered.due(self._flush_size):
            self._write(place)

    def _write(self, place: Place) -> None:
        """Write the files of a partition, one for each topic and folder. Raises RetriableError; then all is as before."""
        gathered = self._gathered[place]
        files: dict[tuple[str, str], list[Record]] = {}
        for folder, record in gathered.records:
            files.setdefault((record.topic, folder), []).append(record)
        types = self._context.types(place[0])
        for (topic, folder), records in files.items():
            path = self._top / partitioners.folder_name(topic) / folder / self._name(records[0])
            self._store.put(path, self._format.write(records, types))
        gathered.records.clear()
        gathered.delivered = gathered.end

    def _after(self, now_s: float) -> float:
        """The next time of the schedule: they are counted from the day's beginning in the time zone."""
        now = datetime.fromtimestamp(now_s, self._zone)
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        spans = (now - midnight) // timedelta(milliseconds=self._schedule_ms) + 1
        return (midnight + spans * timedelta(milliseconds=self._schedule_ms)).timestamp()


def _store(options: Mapping[str, Any], secrets: Secrets) -> stores.Store:
    url = urlsplit(options["store.url"] or "")
    if url.scheme == "file":
        folder = secrets.files.path(unquote(url.path), "store.url")
        return stores.FolderStore(folder / options["s3.bucket.name"] if options["s3.bucket.name"] else folder)
    if options["store.folder"] is not None:
        if options["store.url"] or options["s3.bucket.name"]:
            raise ConfigError("'store.folder' and a bucket: files go to one place.", mend="Leave one of them out.")
        return stores.FolderStore(options["store.folder"])
    if not options["s3.bucket.name"]:
        raise ConfigError("The sink needs a bucket or a folder.", mend="Add 's3.bucket.name'='...' or 'store.folder'='...' to WITH.")
    return stores.s3_store(options, secrets.redact)


def _last_word(text: str, ending: str) -> str:
    """The name of a class, or our own word for it: `parquet` of io.confluent.connect.s3.format.parquet.ParquetFormat."""
    return text.rsplit(".", 1)[-1].lower().removesuffix(ending).replace("-", "")


def _format(options: Mapping[str, Any]) -> writers.FileFormat:
    keys: bool = options["store.kafka.keys"]
    level = options["s3.compression.level"] if options["s3.compression.type"] == "gzip" else None
    match _last_word(options["format.class"], "format"):
        case "json":
            return writers.json_lines(keys=keys, gzip_level=level)
        case "avro":
            return writers.avro(keys=keys, codec=options["avro.codec"])
        case "parquet":
            return writers.parquet(keys=keys, codec=options["parquet.codec"])
        case "bytes" | "bytearray":
            ending = "." + options["format.bytearray.extension"].lstrip(".")
            return writers.values(separator=options["format.bytearray.separator"].encode(), ending=ending, gzip_level=level)
    raise ConfigError(f"'format.class' cannot be '{options['format.class']}'.", mend="It is one of: json, avro, parquet, bytes.")


def _moment(options: Mapping[str, Any]) -> partitioners.Moment:
    match _last_word(options["timestamp.extractor"].replace("$", "."), "timestampextractor"):
        case "record":
            return lambda record: record.timestamp
        case "wallclock":
            return lambda record: time.time_ns() // 1_000_000
        case "recordfield":
            return partitioners.field_time(options["timestamp.field"])
    raise ConfigError(
        f"'timestamp.extractor' cannot be '{options['timestamp.extractor']}'.", mend="It is one of: Record, RecordField, Wallclock."
    )


def _partitioner(options: Mapping[str, Any], moment: partitioners.Moment) -> partitioners.Partitioner:
    zone = partitioners.time_zone(options["timezone"])
    match _last_word(options["partitioner.class"], "partitioner"):
        case "default":
            return partitioners.no_folders
        case "field":
            if not options["partition.field.name"]:
                raise ConfigError("'partitioner.class'='field' needs 'partition.field.name'.")
            return partitioners.by_fields(options["partition.field.name"])
        case "daily":
            return partitioners.by_time(partitioners.DAILY, partitioners.DAY_MS, zone, moment)
        case "hourly":
            return partitioners.by_time(partitioners.HOURLY, partitioners.HOUR_MS, zone, moment)
        case "timebased":
            if not options["path.format"] or options["partition.duration.ms"] < 1:
                raise ConfigError("'partitioner.class'='timebased' needs 'path.format' and 'partition.duration.ms'.")
            if options["locale"].lower()[:2] != "en" and any(part in options["path.format"] for part in ("MMM", "E", "a")):
                raise ConfigError("'path.format' names months or days, which are had in English alone.", mend="Write 'locale'='en', or numbers.")
            return partitioners.by_time(options["path.format"], options["partition.duration.ms"], zone, moment)
    raise ConfigError(
        f"'partitioner.class' cannot be '{options['partitioner.class']}'.", mend="It is one of: default, field, timebased, daily, hourly."
    )


def _file_name(options: Mapping[str, Any], ending: str) -> Callable[[Record], str]:
    """`topic+partition+offset` of a file's first record. The topic is that which the record stands in: two of them may go to one folder."""
    between, digits = options["file.delim"], options["filename.offset.zero.pad.width"]
    if "/" in between or "\0" in between:
        raise ConfigError("'file.delim' cannot hold a slash.")
    return lambda record: f"{record.stands_in}{between}{record.partition}{between}{record.offset:0{digits}d}{ending}"


DEFINITION = SinkDefinition(
    class_names=("ObjectStoreSink", "S3Sink", "S3Connector", "S3SinkConnector", "io.confluent.connect.s3.S3SinkConnector"),
    summary="Gathers records into files of Parquet, Avro or JSON, in S3 or in a folder.",
    documentation="""\
The files of a topic lie in `topics.dir/topic/FOLDERS/topic+partition+offset.ENDING`; the offset is that of the first record. `flush.size`,
`rotate.interval.ms` and `rotate.schedule.interval.ms` say when what is gathered is written: all files of a partition together. With
`rotate.interval.ms` and folders by time, a file is also written when a record of another folder comes.

**Exactly once.** A file is there as a whole or not at all: an object comes into being with its last part, a local file is moved to its name when
it is on the disk. An offset is committed after the files before it are there; until then the records come again after a crash and are
written to files of the same names, over those of before. This needs folders that depend on the record alone: with `wallclock` a
record may come to lie in two. Who reads while the connector starts anew after a crash may see a file replaced by a longer one.

Gathered records are held in memory: `flush.size` of each partition, at most.

**Columns.** Parquet and Avro have the types of the topic's stream or table; where a topic has none, or a transform has changed a column, they are
taken from the values of each file. Key columns stand before the others (`store.kafka.keys`), since a table's key is not in its value.

A folder must lie below those that connectors may use (the setting `connector.file.allowed.paths`). Values that become folders are percent-encoded
where they would mean something in a path; a NULL is `__HIVE_DEFAULT_PARTITION__`.

The connector speaks to Amazon S3 and to what speaks like it (MinIO, Ceph, Cloudflare R2, Google's interoperable API): give its address in
`store.url`.
""",
    example="""\
CREATE SINK CONNECTOR carparks_archive WITH (
  'connector.class' = 'S3Connector',
  'topics' = 'carpark_events',
  's3.region' = 'eu-west-1',
  's3.bucket.name' = 'carparks',
  'aws.access.key.id' = '${env:AWS_ACCESS_KEY_ID}',
  'aws.secret.access.key' = '${env:AWS_SECRET_ACCESS_KEY}',
  'format.class' = 'io.confluent.connect.s3.format.parquet.ParquetFormat',
  'partitioner.class' = 'daily',
  'flush.size' = 10000,
  'rotate.schedule.interval.ms' = 600000
);""",
    options=OPTIONS,
    batch_max=lambda options: min(options["flush.size"], 5_000),
    open=ObjectStoreSink,
)
