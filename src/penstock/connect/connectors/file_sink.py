"""File sink: records as the lines of one file, each exactly once."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from penstock.connect.contract import RefusedError, SinkContext, SinkDefinition
from penstock.connect.options import REQUIRED, Option
from penstock.connect.records import Record
from penstock.connect.secrets import Secrets
from penstock.connect.text import json_text, plain_text
from penstock.connect.transforms.message import LONE_VALUE
from penstock.errors import ConfigError, ConnectorError, DataError

OPTIONS = (
    Option("file", "path", "The file to write to. What is in it stays.", REQUIRED),
    Option(
        "format",
        "choice",
        "What a record becomes: `lines`: its value as text, an object as JSON; `csv`: its columns, their names in the first line; `json`: an "
        "object of its columns.",
        "lines",
        choices=("lines", "csv", "json"),
    ),
    Option("csv.delimiter", "string", "What stands between fields: one character, or `\\t`.", ","),
    Option("batch.size", "integer", "At most so many records are written at once.", 500, minimum=1),
)


class FileSink:
    """The sink of the one task. Beside the file lies another that says how long it is and up to which record; who starts again cuts off what is
    longer, and passes over what is written."""

    def __init__(self, options: Mapping[str, Any], secrets: Secrets, context: SinkContext) -> None:
        if options["tasks.max"] > 1:
            raise ConfigError("'tasks.max' is above 1, but one file is written by one task.", mend="Leave it out.")
        self._path: Path = options["file"]
        if self._path.is_dir():
            raise ConfigError(f"'file' names {self._path}, which is a folder.", mend="Name a file in it.")
        self._beside = self._path.with_name(f".{self._path.name}.{context.connector}.place")
        self._format: str = options["format"]
        self._delimiter: str = {"\\t": "\t"}.get(options["csv.delimiter"], options["csv.delimiter"])
        if len(self._delimiter) != 1:
            raise ConfigError(f"'csv.delimiter' is '{self._delimiter}', not one character.")
        self._context = context
        self._incarnation = ""
        self._file: io.BufferedRandom | None = None
        self._written: dict[str, int] = {}
        self._columns: list[str] | None = None
        self._is_writing = False  # and what is written may be half a batch

    def put(self, records: Sequence[Record]) -> None:
        """Append the records' lines, durably."""
        file = self._opened()
        new = [record for record in records if record.offset >= self._written.get(f"{record.stands_in}-{record.partition}", 0)]
        if not new:
            return
        lines, refused = [], []
        for record in new:
            try:
                lines += [] if record.tombstone else [self._line(record)]
            except DataError as error:
                refused.append((record, error.what))
        try:
            self._is_writing = True
            file.write(b"".join(lines))
            file.flush()
            os.fsync(file.fileno())
            self._written |= {f"{record.stands_in}-{record.partition}": record.offset + 1 for record in new}
            self._save(file.tell(), clean=False)
            self._is_writing = False
        except OSError as error:
            raise ConnectorError(f"{self._path} cannot be written: {error.strerror}.", mend="Make room, or give the right to write.") from error
        if refused:
            raise RefusedError("It cannot be a line of the file.", mend="Write to another file, or drop columns by ReplaceField.", refused=refused)

    def close(self) -> None:
        """Close the file, which is then whoever's."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # a full disk was told of before
                if not self._is_writing:
                    self._save(self._file.tell(), clean=True)
                self._file.close()
            self._file = None

    def _opened(self) -> io.BufferedRandom:
        if self._file is None:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("a+b")
                self._take_up(self._file)
            except OSError as error:
                raise ConnectorError(f"{self._path} cannot be opened: {error.strerror}.", mend="Give the process the right to write it.") from error
        return self._file

    def _take_up(self, file: io.BufferedRandom) -> None:
        """Put the file into the state that the place beside it tells of."""
        size = file.seek(0, os.SEEK_END)
        self._incarnation = self._context.incarnation()
        try:
            place = json.loads(self._beside.read_text(encoding="utf-8"))
        except FileNotFoundError:
            place = {"length": size, "written": {}, "clean": True}
            self._save(size, clean=False)
        # One of the same name that was dropped, or whose offsets were reset, counts for nothing.
        self._written = dict(place["written"]) if place.get("incarnation") == self._incarnation else {}
        if size > place["length"] and not place["clean"]:  # the end of a write that a crash cut short
            file.truncate(place["length"])
            size = file.seek(0, os.SEEK_END)
        if self._format == "csv" and size:
            file.seek(0)
            self._columns = next(csv.reader([file.readline().decode()], delimiter=self._delimiter), None)
            file.seek(0, os.SEEK_END)
        self._save(size, clean=False)

    def _save(self, length: int, *, clean: bool) -> None:
        """Say, in one step, how far the file is; `clean`: nobody is writing it."""
        new = self._beside.with_name(f"{self._beside.name}.new")
        with new.open("w", encoding="utf-8") as file:
            json.dump({"length": length, "written": self._written, "incarnation": self._incarnation, "clean": clean}, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._beside)

    # ------------------------------------------------------------------ a record's line

    def _line(self, record: Record) -> bytes:
        match self._format:
            case "json":
                text = json_text(record.columns)
            case "csv":
                text = self._fields(record)
            case _:
                return self._plain(record) + b"\n"
        return text.encode() + b"\n"

    def _plain(self, record: Record) -> bytes:
        values = record.value_columns()
        if not record.columns:
            return record.value or b""
        text = plain_text(values[LONE_VALUE]) if values.keys() == {LONE_VALUE} else json_text(values)
        return text.encode()

    def _fields(self, record: Record) -> str:
        """A line of CSV, before the first one the names."""
        lines = []
        if self._columns is None:
            self._columns = list(record.columns)
            lines.append(self._joined(self._columns))
        strange = [name for name in record.columns if name not in self._columns]
        if strange:
            raise DataError(f"It has the columns {', '.join(strange)}, which {self._path} has not.")
        lines.append(self._joined([plain_text(record.columns.get(name)) for name in self._columns]))
        return "\n".join(lines)

    def _joined(self, fields: Sequence[str]) -> str:
        buffer = io.StringIO()
        csv.writer(buffer, delimiter=self._delimiter, lineterminator="").writerow(fields)
        return buffer.getvalue()


DEFINITION = SinkDefinition(
    class_names=("FileSink", "FileStreamSink", "FileStreamSinkConnector", "org.apache.kafka.connect.file.FileStreamSinkConnector"),
    summary="Writes records as the lines of a file: text, CSV or JSON.",
    documentation="""\
Each record is in the file exactly once: a small file beside it, `.FILE.CONNECTOR.place`, says how long it is and up to which record. After a crash
the sink cuts off what was written beyond that, and passes over what was written before it. A connector that is dropped and made again, or whose
offsets are reset, writes its topics once more.

Lines are durable when the connector commits its offset. A tombstone is passed over. The file lies below an allowed folder (the setting
`connector.file.allowed.paths`); nothing rotates it: for files by time and size there is the object store's sink.""",
    example="""\
CREATE SINK CONNECTOR archive WITH (
  'connector.class' = 'FileSink',
  'topics' = 'readings',
  'file' = 'readings.jsonl',
  'format' = 'json'
);""",
    options=OPTIONS,
    batch_max=lambda options: options["batch.size"],
    open=FileSink,
)
