"""File source: the lines of growing files, as text, CSV or JSON."""

from __future__ import annotations

import csv
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from penstock.connect.contract import SourceContext, SourceDefinition
from penstock.connect.files.tail import Line, Tail
from penstock.connect.options import REQUIRED, Option
from penstock.connect.records import Position, SourceBatch, SourceRecord
from penstock.connect.secrets import Secrets
from penstock.errors import ConfigError

WILD = "*?["
WAIT_S_MIN = 0.01

OPTIONS = (
    Option("file", "string", "The file. `*`, `?` and `[...]` in its name, not in its folder's, stand for many. It need not exist yet.", REQUIRED),
    Option("topic", "string", "The topic to write to.", REQUIRED),
    Option(
        "format",
        "choice",
        "What a line is: `lines`: text as it stands; `csv`: fields, which become an object of texts; `json`: a JSON value.",
        "lines",
        choices=("lines", "csv", "json"),
    ),
    Option("csv.columns", "list", "The names of the fields of CSV. Without them the first line of each file has the names.", []),
    Option("csv.delimiter", "string", "What stands between fields: one character, or `\\t`.", ","),
    Option("csv.skip.lines", "integer", "So many lines at the beginning of each file are passed over, after that with the names.", 0, minimum=0),
    Option("key.field", "string", "The field of CSV or JSON that is the records' key.", ""),
    Option("batch.size", "integer", "At most so many lines in one transaction.", 2000, minimum=1),
    Option("poll.interval.ms", "integer", "How long it takes at most, in ms, until a line that comes after a rest is noticed.", 250, minimum=1),
)


class FileSource:
    """The source of one task: the files whose names fall to it."""

    def __init__(self, options: Mapping[str, Any], secrets: Secrets, context: SourceContext) -> None:
        self._options, self._context, self._secrets = options, context, secrets
        self._path = secrets.files.path(options["file"], "file")
        if any(c in str(self._path.parent) for c in WILD) and not self._path.parent.exists():
            raise ConfigError(f"'file' is {options['file']}: there may be no pattern in the name of a folder.")
        self._delimiter: str = {"\\t": "\t"}.get(options["csv.delimiter"], options["csv.delimiter"])
        if len(self._delimiter) != 1:
            raise ConfigError(f"'csv.delimiter' is '{self._delimiter}', not one character.")
        if options["format"] == "lines" and options["key.field"]:
            raise ConfigError("'key.field' needs fields.", mend="Give 'format'='csv' or 'format'='json'.")
        self._tails: dict[str, Tail] = {}
        self._wait_s = WAIT_S_MIN

    def poll(self) -> SourceBatch:
        """The next lines, after a wait where there are none; a wait grows with the time that nothing has come."""
        while True:
            batch = self._look()
            if batch.positions:
                self._wait_s = WAIT_S_MIN
                return batch
            self._context.wait(self._wait_s)
            self._wait_s = min(self._wait_s * 2, self._options["poll.interval.ms"] / 1000)

    def committed(self, batch: SourceBatch) -> None:
        """A file has nothing to acknowledge."""

    def close(self) -> None:
        """Close the files."""
        for tail in self._tails.values():
            tail.close()

    def _look(self) -> SourceBatch:
        records: list[SourceRecord] = []
        positions: dict[str, Position] = {}
        for path in self._files():
            left = self._options["batch.size"] - len(records)
            if left <= 0:
                break
            tail = self._tails.get(str(path))
            if tail is None:
                tail = self._tails[str(path)] = Tail(path, self._context.positions.get(str(path)))
            lines = tail.lines(left)
            if lines:
                records += self._records(tail, lines)
                positions[str(path)] = tail.place(lines[-1].end)
        return SourceBatch(records, positions)

    def _files(self) -> Sequence[Path]:
        """The files of this task that there are now, and those that it has open."""
        if not any(c in self._path.name for c in WILD):
            return [self._path]
        # a link may lead out of the allowed folders
        found = {self._secrets.files.path(str(path), "file") for path in self._path.parent.glob(self._path.name)}
        mine = (path for path in found if zlib.crc32(str(path).encode()) % self._context.tasks == self._context.task)
        return sorted({*mine, *map(Path, self._tails)})

    # ------------------------------------------------------------------ a line's record

    def _records(self, tail: Tail, lines: Sequence[Line]) -> list[SourceRecord]:
        topic: str = self._options["topic"]
        match self._options["format"]:
            case "lines":
                return [SourceRecord(topic, _text(line.data)) for line in lines]
            case "json":
                return [self._keyed(line, _json) for line in lines if line.data.strip()]
        names, skipped = self._columns(tail)
        return [self._keyed(line, lambda data: _fields(data, names, self._delimiter)) for line in lines if line.data.strip() and line.end > skipped]

    def _keyed(self, line: Line, read: Any) -> SourceRecord:
        topic: str = self._options["topic"]
        try:
            value = read(line.data)
        except ValueError as error:
            return SourceRecord(topic, line.data, error=f"The line that ends at byte {line.end}: {error}.")
        name = self._options["key.field"]
        if not name:
            return SourceRecord(topic, value)
        if not isinstance(value, Mapping) or name not in value:
            return SourceRecord(topic, line.data, error=f"The line that ends at byte {line.end} has no field {name} for the key.")
        return SourceRecord(topic, value, key=value[name])

    def _columns(self, tail: Tail) -> tuple[Sequence[str], int]:
        """The names of a file's fields, and the byte before which its lines hold none."""
        first = tail.first_lines(self._options["csv.skip.lines"] + (0 if self._options["csv.columns"] else 1))
        end = first[-1].end if first else 0
        if self._options["csv.columns"]:
            return self._options["csv.columns"], end
        return _split(first[0].data.removeprefix(b"\xef\xbb\xbf"), self._delimiter) if first else [], end


def _text(data: bytes) -> str | bytes:
    """A line as text, or where it is none as it stands."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _json(data: bytes) -> Any:
    return json.loads(data.decode())


def _fields(data: bytes, names: Sequence[str], delimiter: str) -> dict[str, str | None]:
    """The fields of a line by name; an empty one is NULL. Raises ValueError."""
    fields = _split(data, delimiter)
    if len(fields) != len(names):
        raise ValueError(f"it has {len(fields)} fields, not {len(names)}")
    return {name: field or None for name, field in zip(names, fields, strict=True)}


def _split(data: bytes, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([data.decode()], delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise ValueError(str(error)) from None


DEFINITION = SourceDefinition(
    class_names=("FileSource", "FileStreamSource", "FileStreamSourceConnector", "org.apache.kafka.connect.file.FileStreamSourceConnector"),
    summary="Reads lines of files that grow: text, CSV or JSON.",
    documentation="""\
A line is taken when its end is there; half a line waits. A file that is renamed is read to its end, then the new one of its name from the beginning,
also where that happened while nobody read (as long as the old one lies beside it, under a name that begins with its own); one that is cut off is
read from the beginning. The place in each file is committed with its records: no line is lost, none comes twice.

CSV's fields are texts; empty ones are NULL. A stream over the topic with `value_format = 'JSON'` reads numbers out of them, the transform Cast makes
them. A record ends with its line: a line break within quotes is none of this connector's. A line that is not what `format` says goes the way that
`errors.tolerance` says; a line of text that is not UTF-8 stays as it is.

Files are found below the allowed folders alone (the setting `connector.file.allowed.paths`). With a pattern, names that rotation gives to old files
should not match it.""",
    example="""\
CREATE SOURCE CONNECTOR measurements WITH (
  'connector.class' = 'FileSource',
  'file' = 'measurements-*.csv',
  'format' = 'csv',
  'key.field' = 'sensor',
  'topic' = 'measurements'
);""",
    options=OPTIONS,
    open=FileSource,
    tasks=lambda options: 1000 if any(c in options["file"] for c in WILD) else 1,
)
