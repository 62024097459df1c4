"""DELIMITED: a line of fields with a delimiter between them."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from penstock.formats.coercion import Misfit, coercer
from penstock.formats.contract import Column, Decoded, Decoder, Encoded, Encoder, SerdeOptions
from penstock.formats.definition import Format, is_unwrapped, type_word
from penstock.formats.rows import decode_rows, encode_rows
from penstock.registry.model import SchemaRegistry
from penstock.sql.types import BOOLEAN, BYTES, DOUBLE, STRING, Array, Map, SqlType, Struct
from penstock.sql.types import Decimal as DecimalType

if TYPE_CHECKING:
    import pyarrow as pa

WORDS = {"TAB": "\t", "SPACE": " "}


def delimiter_of(options: SerdeOptions) -> str:
    """The delimiter itself, also where it is given by its word."""
    return WORDS.get(options.delimiter.upper(), options.delimiter)


class DelimitedDecoder:
    """Reads lines; an empty field that is not quoted is NULL."""

    def __init__(self, columns: Sequence[Column], delimiter: str) -> None:
        self.columns = columns
        self.delimiter = delimiter
        self.coercers = [coercer(c.type) for c in columns]
        escaped = re.escape(delimiter)
        quoted = rf'"(?P<quoted>(?:[^"]|"")*)"[ \t]*(?:(?P<end>{escaped})|\r?\n?\Z)'
        self.field = re.compile(rf'{quoted}|(?P<plain>(?!")[^{escaped}]*?)(?:(?P<stop>{escaped})|\r?\n?\Z)')

    def __call__(self, data: pa.Array) -> Decoded:
        return decode_rows(self.columns, self._row, data)

    def _row(self, data: bytes) -> list[Any]:
        try:
            fields = self._split(data.decode())
        except UnicodeDecodeError as problem:
            raise Misfit(f"the line is not UTF-8 text: {problem.reason} at byte {problem.start}") from None
        if len(fields) != len(self.columns):
            raise Misfit(f"the line has {len(fields)} fields, but there are {len(self.columns)} columns")
        cells = []
        for column, coerce, text in zip(self.columns, self.coercers, fields, strict=True):
            try:
                cells.append(coerce(text if text is None or column.type == STRING else text.strip()))
            except Misfit as problem:
                raise problem.under(column.name) from None
        return cells

    def _split(self, line: str) -> list[str | None]:
        if '"' not in line:
            return [text or None for text in line.removesuffix("\n").removesuffix("\r").split(self.delimiter)]
        fields: list[str | None] = []
        position = 0
        while True:
            match = self.field.match(line, position)
            if match is None:
                raise Misfit(f"the quote at character {position} of the line is not closed before the next delimiter")
            quoted = match["quoted"]
            fields.append(match["plain"] or None if quoted is None else quoted.replace('""', '"'))
            if match["end"] is None and match["stop"] is None:
                return fields
            position = match.end()


class DelimitedEncoder:
    """Writes lines, quoting what needs it by the rules of Apache Commons CSV, so that the text is ksqlDB's."""

    def __init__(self, columns: Sequence[Column], delimiter: str, *, unwrapped: bool) -> None:
        self.columns = columns
        self.delimiter = delimiter
        self.unwrapped = unwrapped
        self.texts = [_text_of(c.type) for c in columns]
        self.special = re.compile(f'[\r\n"{re.escape(delimiter)}]')

    def __call__(self, columns: Sequence[pa.Array], present: pa.Array) -> Encoded:
        return encode_rows(self.columns, self._row, columns, present)

    def _row(self, cells: Sequence[Any]) -> bytes | None:
        if self.unwrapped and cells[0] is None:
            return None
        fields = ["" if v is None else self._quoted(text(v), first=i == 0) for i, (v, text) in enumerate(zip(cells, self.texts, strict=True))]
        return self.delimiter.join(fields).encode()

    def _quoted(self, text: str, *, first: bool) -> str:
        if not text:
            needed = first
        elif first and not (text[0].isascii() and text[0].isalnum()):
            needed = True
        else:
            needed = text[0] <= "#" or text[-1] <= " " or self.special.search(text) is not None
        return '"' + text.replace('"', '""') + '"' if needed else text


def _text_of(type_: SqlType) -> Callable[[Any], str]:
    if type_ == BOOLEAN:
        return lambda v: "true" if v else "false"
    if type_ == DOUBLE:
        return double_text
    if type_ == BYTES:
        return lambda v: base64.b64encode(v).decode()
    if isinstance(type_, DecimalType):
        return lambda v: format(v, "f")
    return str


def double_text(value: float) -> str:
    """A double as Java writes it: 0.001 to 10,000,000 with a point, beyond that as 1.5E10; at least one digit after the point."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "-0.0" if str(value)[0] == "-" else "0.0"
    mantissa, _, exponent = format(value, ".1e").partition("e")
    if float(f"{mantissa}e{exponent}") != value:  # two digits do not tell: take as few as do
        mantissa, _, exponent = _scientific(repr(value)).partition("e")
    power = int(exponent)
    if not -3 <= power < 7:
        return f"{mantissa}E{power}"
    digits = mantissa.lstrip("-").replace(".", "")
    if power < 0:
        digits, power = "0" * -power + digits, 0
    whole, fraction = digits[:power + 1].ljust(power + 1, "0"), digits[power + 1:].rstrip("0") or "0"
    return f"{'-' if value < 0 else ''}{whole}.{fraction}"


def _scientific(text: str) -> str:
    """The shortest digits of a double, with one before the point."""
    import decimal

    sign, digits, exponent = decimal.Decimal(text).as_tuple()
    assert isinstance(exponent, int)
    kept = "".join(map(str, digits)).rstrip("0")
    return f"{'-' if sign else ''}{kept[0]}.{kept[1:] or '0'}e{exponent + len(digits) - 1}"


def reject(columns: Sequence[Column], options: SerdeOptions) -> str | None:
    """No nested types, and a delimiter of one character."""
    if len(delimiter_of(options)) != 1:
        return f"A delimiter is one character (or TAB, or SPACE), but this is '{options.delimiter}'"
    for column in columns:
        if isinstance(column.type, Array | Map | Struct):
            return f"The 'DELIMITED' format does not support type '{type_word(column.type)}', column: `{column.name}`"
    return None


FORMAT = Format(
    name="DELIMITED",
    summary="A line of fields, with a comma or another character between them.",
    description=(
        "A record is one line of text with a field for each column, in their order; there are no names. A field that holds the delimiter, a quote "
        "or a line's end stands in double quotes, with quotes inside it doubled. An empty field is `NULL`. Numbers are plain text, BYTES base64, "
        "DATE days since 1970-01-01, TIME milliseconds of the day, TIMESTAMP milliseconds since 1970-01-01 UTC. ARRAY, MAP and STRUCT have no form."
    ),
    decode=lambda columns, options, schemas: _decoder(columns, options, schemas),
    encode=lambda columns, options, schemas: _encoder(columns, options, schemas),
    reject=reject,
    options={"KEY_DELIMITER, VALUE_DELIMITER": "the character between the fields, or TAB, or SPACE; a comma unless given"},
    can_wrap=False,
)


def _decoder(columns: Sequence[Column], options: SerdeOptions, schemas: SchemaRegistry) -> Decoder:
    return DelimitedDecoder(columns, delimiter_of(options))


def _encoder(columns: Sequence[Column], options: SerdeOptions, schemas: SchemaRegistry) -> Encoder:
    return DelimitedEncoder(columns, delimiter_of(options), unwrapped=is_unwrapped(FORMAT, columns, options))
