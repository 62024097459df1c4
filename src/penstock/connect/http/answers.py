"""An answer's body as rows: CSV, JSON, XML or lines of text."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from xml.parsers import expat

from penstock.connect.options import Option
from penstock.errors import ConfigError, ConnectorError
from penstock.sql.types import STRING, Field, SqlType, Struct


@dataclass(frozen=True, slots=True)
class Row:
    """One record to be: its value (of `schema`, where there is one), and its fields by name, for the key and the offset (None: it has none).
    `error` is why it could not be read; its value is then the text as it stands."""

    value: Any
    fields: Any = None
    schema: SqlType | None = None
    error: str | None = None


Read = Callable[[bytes, str], list[Row]]
"""(body, charset) -> rows. Raises ConnectorError for a body that is not what it should be."""
ReadPage = Callable[[bytes, str], tuple[list[Row], Any]]
"""The same, and beside the rows the whole document, where a pointer can reach into it; else None."""

OPTIONS = (
    Option(
        "response.format",
        "choice",
        "What the answer is: `json`, `csv` (a header, then rows), `xml`, or `text` (each line that is not empty is a record).",
        "json",
        choices=("json", "csv", "xml", "text"),
    ),
    Option(
        "response.encoding",
        "string",
        "The character set of CSV and text. Where it is not given it is the one that the answer names, else UTF-8.",
        None,
    ),
    Option("response.size.max.bytes", "integer", "An answer larger than this is not read.", 67_108_864, minimum=1),
    Option(
        "http.response.data.json.pointer",
        "string",
        "JSON: where the records are, as a JSON pointer such as `/data/items`. A list is as many records, anything else is one; null is none. "
        "Where it is not given, the whole document.",
        "",
    ),
    Option(
        "xml.record.path",
        "string",
        "XML: the elements that are records, as names from the root on, `/carparks/carpark`; `*` is any name. A record has the element's attributes "
        "and children by name; a child with neither is its text, one that comes several times a list, and text beside attributes is `text`.",
        None,
    ),
    Option("csv.has.header", "boolean", "CSV: whether the first row holds the columns' names. It is never a record.", True),
    Option("csv.columns", "list", "CSV: the columns' names, in place of the header's; without either they are COLUMN1, COLUMN2 ...", ()),
    Option("csv.skip.lines", "integer", "CSV: how many lines stand before the header or the first row.", 0, minimum=0),
    Option("csv.delimiter", "string", "CSV: what stands between columns: a character, or `tab`.", ","),
    Option(
        "csv.values",
        "choice",
        "CSV: `line` makes each row a record as it stands, for a stream with VALUE_FORMAT='DELIMITED' (which takes its own delimiter); `struct` "
        "makes it a structure of text columns, for any other format.",
        "line",
        choices=("line", "struct"),
    ),
)


def reader(options: Mapping[str, Any]) -> ReadPage:
    """The function that reads a body. Raises ConfigError for options that do not go together."""
    match options["response.format"]:
        case "csv":
            return _no_document(_csv_reader(options))
        case "xml":
            path = (options["xml.record.path"] or "").strip("/")
            if not path:
                raise ConfigError("'response.format'='xml' needs 'xml.record.path'.", mend="Name the elements that are records: /carparks/carpark.")
            return _no_document(lambda body, _: list(_xml_rows(body, path.split("/"))))
        case "text":
            return _no_document(_text_rows)
        case _:
            where = options["http.response.data.json.pointer"]
            return lambda body, _: _json_page(body, where)


def pointed(document: Any, pointer: str) -> Any:
    """What a JSON pointer (RFC 6901) reaches. Raises LookupError where there is nothing."""
    if pointer and not pointer.startswith("/"):
        raise LookupError(pointer)
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, list) and name.isdecimal() and int(name) < len(document):
            document = document[int(name)]
        elif isinstance(document, Mapping) and name in document:
            document = document[name]
        else:
            raise LookupError(pointer)
    return document


def _no_document(read: Read) -> ReadPage:
    return lambda body, charset: (read(body, charset), None)


def _decoded(body: bytes, charset: str) -> str:
    try:
        return body.decode(charset).removeprefix("\ufeff")
    except (UnicodeDecodeError, LookupError) as error:
        raise ConnectorError(f"The answer cannot be read as {charset}: {error}.", mend="Set 'response.encoding'.") from None


def _text_rows(body: bytes, charset: str) -> list[Row]:
    return [Row(line.rstrip("\n")) for line in io.StringIO(_decoded(body, charset), newline=None) if line.strip()]


def _json_page(body: bytes, pointer: str) -> tuple[list[Row], Any]:
    if not body.strip():
        return [], None
    try:
        document = json.loads(body)
    except ValueError as error:
        raise ConnectorError(
            f"The answer is not JSON: {error}.", mend="Does the address answer with something else? See 'response.format'."
        ) from None
    try:
        found = pointed(document, pointer)
    except LookupError:
        raise ConnectorError(
            f"The answer holds nothing at {pointer}.", mend="Set 'http.response.data.json.pointer' to where the records are."
        ) from None
    values = found if isinstance(found, list) else [] if found is None else [found]
    return [Row(value, value) for value in values], document


def _csv_reader(options: Mapping[str, Any]) -> Read:
    delimiter = "\t" if options["csv.delimiter"].lower() in ("tab", "\\t") else options["csv.delimiter"]
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise ConfigError(f"'csv.delimiter' is one character, not '{delimiter}'.", mend="Write , or ; or | or tab.")
    named: list[str] = list(options["csv.columns"])
    has_header, skip, as_lines = options["csv.has.header"], options["csv.skip.lines"], options["csv.values"] == "line"

    def read(body: bytes, charset: str) -> list[Row]:
        lines = list(io.StringIO(_decoded(body, charset), newline=""))[skip:]
        rows = (row for row in _csv_rows(lines, delimiter) if row[2])
        names = named
        if has_header and (header := next(rows, None)):
            if isinstance(header[2], str):
                raise ConnectorError(f"The answer is not CSV: line {header[0] + skip}: {header[2]}")
            names = named or [name.strip() for name in header[2]]
        if len(set(names)) < len(names):
            raise ConnectorError(f"The header names a column twice: {delimiter.join(names)}.", mend="Give the names by 'csv.columns'.")
        return [_csv_row(line + skip, raw, cells, names, as_lines) for line, raw, cells in rows]

    return read


def _csv_rows(lines: list[str], delimiter: str) -> Iterator[tuple[int, str, list[str] | str]]:
    """(number of the last line, text as it stands, cells or what is wrong with it) of each row; one in quotes may go over several lines."""
    parser = csv.reader(lines, delimiter=delimiter)
    start = 0
    while True:
        cells: list[str] | str
        try:
            cells = next(parser)
        except StopIteration:
            return
        except csv.Error as error:  # the next call goes on behind it
            cells = f"{error}."
        yield parser.line_num, "".join(lines[start : parser.line_num]).rstrip("\r\n"), cells
        start = parser.line_num


def _csv_row(line: int, raw: str, cells: list[str] | str, names: list[str], as_lines: bool) -> Row:
    if isinstance(cells, str):
        return Row(raw, error=f"Line {line} of the answer is no CSV: {cells}")
    names = names or [f"COLUMN{number}" for number in range(1, len(cells) + 1)]
    if as_lines:
        return Row(raw, dict(zip(names, cells, strict=False)))
    if len(cells) > len(names):
        what = f"Line {line} of the answer has {len(cells)} columns, but there are names for {len(names)}."
        return Row(raw, error=f"{what} Set 'csv.columns', or 'csv.delimiter'.")
    fields = dict.fromkeys(names) | dict(zip(names, cells, strict=False))
    return Row(fields, fields, Struct(tuple(Field(name, STRING) for name in names)))


@dataclass(slots=True)
class _Element:
    """An element inside a record, while it is read."""

    fields: dict[str, Any]
    text: list[str]

    def value(self) -> Any:
        text = "".join(self.text).strip()
        if not self.fields:
            return text or None
        return self.fields | {"text": text} if text else self.fields

    def add(self, name: str, value: Any) -> None:
        if name not in self.fields:
            self.fields[name] = value
        elif isinstance(self.fields[name], list):
            self.fields[name].append(value)
        else:
            self.fields[name] = [self.fields[name], value]


def _xml_rows(body: bytes, path: list[str]) -> Iterator[Row]:
    """The records of a document, by expat itself: it fetches nothing, and a document that declares entities (it needs a DOCTYPE for that, and so
    do all the known attacks) is refused."""
    names: list[str] = []
    open_elements: list[_Element] = []
    rows: list[Row] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        names.append(tag.rpartition(" ")[2])
        if open_elements or _matches(names, path):
            open_elements.append(_Element({name.rpartition(" ")[2]: text for name, text in attributes.items()}, []))

    def end(_: str) -> None:
        name = names.pop()
        if open_elements:
            value = open_elements.pop().value()
            if open_elements:
                open_elements[-1].add(name, value)
            else:
                rows.append(Row(value, value))

    def text(part: str) -> None:
        if open_elements:
            open_elements[-1].text.append(part)

    def doctype(*_: object) -> None:
        raise ConnectorError("The answer is XML with a DOCTYPE, which is not read: it can declare entities that grow or reach elsewhere.")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = text, doctype
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise ConnectorError(f"The answer is not XML: {error}.") from None
    return iter(rows)


def _matches(names: list[str], path: list[str]) -> bool:
    return len(names) == len(path) and all(want in ("*", name) for want, name in zip(path, names, strict=True))
