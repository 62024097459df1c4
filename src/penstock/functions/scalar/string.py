"""Strings."""

from __future__ import annotations

import re

from penstock.functions.define import Settled, python_scalar, sql_scalar
from penstock.functions.duckdb import text as literal
from penstock.sql.types import BYTES, STRING

_SPACES = literal("".join(map(chr, range(1, 33))))
_CODE_POINT = re.compile(r"(?:\\u[0-9a-fA-F]{4}){1,2}")


@sql_scalar("LCASE(text STRING) -> STRING")
def lcase(text: str) -> str:
    """Text in lower case.

    text: what to convert

    LCASE('ABC') -> 'abc'
    """
    return f"lower({text})"


@sql_scalar("UCASE(text STRING) -> STRING")
def ucase(text: str) -> str:
    """Text in upper case.

    text: what to convert

    UCASE('abc') -> 'ABC'
    """
    return f"upper({text})"


@python_scalar("INITCAP(text STRING) -> STRING")
def initcap(text: str) -> str:
    """The first letter of each word in upper case, all others in lower case. Words are what stands between spaces.

    text: what to convert

    INITCAP('the   Quick br0wn fOx') -> 'The   Quick Br0wn Fox'
    """
    return re.sub(r"\S+", lambda word: word[0][:1].upper() + word[0][1:].lower(), text)


@sql_scalar("TRIM(text STRING) -> STRING")
def trim(text: str) -> str:
    """Text without the spaces, tabs and line ends at its ends.

    text: what to trim

    TRIM('  dry ') -> 'dry'
    """
    return f"trim({text}, {_SPACES})"


@sql_scalar("LEN(text STRING) -> INTEGER", "LEN(text BYTES) -> INTEGER")
def len_(text: str, *, settled: Settled) -> str:
    """How many characters a text has, or how many bytes.

    text: a text, or bytes

    LEN('penstock') -> 8
    """
    return f"CAST({'octet_length' if settled.types[0] == BYTES else 'length'}({text}) AS INTEGER)"


@sql_scalar("CONCAT(parts STRING...) -> STRING", "CONCAT(parts BYTES...) -> BYTES")
def concat(*parts: str, settled: Settled) -> str:
    """Joins texts, or bytes, one after the other. A NULL counts as nothing.

    parts: what to join

    CONCAT('plant ', 'is ', 'dry') -> 'plant is dry'
    CONCAT('a', CAST(NULL AS STRING), 'b') -> 'ab'
    """
    if settled.returns == BYTES:
        return " || ".join(f"coalesce({part}, ''::BLOB)" for part in parts)
    return f"concat({', '.join(parts)})"


@sql_scalar("CONCAT_WS(separator STRING, parts STRING...) -> STRING", "CONCAT_WS(separator BYTES, parts BYTES...) -> BYTES")
def concat_ws(separator: str, *parts: str, settled: Settled) -> str:
    """Joins texts, or bytes, with a separator between them. NULLs are passed over; a NULL separator makes NULL.

    separator: what to put between
    parts: what to join

    CONCAT_WS(', ', 'apple', 'banana', NULL, 'date') -> 'apple, banana, date'
    """
    if settled.returns == BYTES:
        given = f"list_filter(CAST([{', '.join(parts)}] AS BLOB[]), lambda penstock_part: penstock_part IS NOT NULL)"
        joined = f"list_reduce({given}, lambda penstock_all, penstock_part: penstock_all || {separator} || penstock_part)"
        return f"CASE WHEN {separator} IS NULL THEN NULL WHEN len({given}) = 0 THEN ''::BLOB ELSE {joined} END"
    return f"concat_ws({separator}, {', '.join(parts or ['NULL'])})"


@sql_scalar(
    "SUBSTRING(text N, position INTEGER) -> N",
    "SUBSTRING(text N, position INTEGER, length INTEGER) -> N",
    types={"N": (STRING, BYTES)},
)
def substring(text: str, position: str, length: str | None = None, *, settled: Settled) -> str:
    """The part of a text, or of bytes, from a position on, of a length if one is given.

    text: a text, or bytes
    position: where the part begins: 1 is the first character, -1 the last
    length: how long the part is at most

    SUBSTRING('stream', 1, 4) -> 'stre'
    SUBSTRING('stream', -3) -> 'eam'
    """
    size = f"{'octet_length' if settled.types[0] == BYTES else 'length'}({text})"
    start = f"CAST(CASE WHEN {position} < 0 THEN greatest({size} + {position}, 0) + 1 ELSE greatest({position}, 1) END AS BIGINT)"
    unknown = " OR ".join(f"{part} IS NULL" for part in (text, position, length) if part)  # greatest() passes over NULLs
    if settled.types[0] == BYTES:
        end = f"{start} + greatest({length}, 0) - 1" if length else size
        part = f"({text})[{start}:{end}]"
    else:
        part = f"substring({text}, {start}{f', greatest({length}, 0)' if length else ''})"
    return f"CASE WHEN {unknown} THEN NULL ELSE {part} END"


@sql_scalar("REPLACE(text STRING, old STRING, new STRING) -> STRING")
def replace(text: str, old: str, new: str) -> str:
    """Text with each place where one text stands replaced by another.

    text: where to replace
    old: what to replace
    new: what to put there

    REPLACE('foo bar', 'foo', 'cat') -> 'cat bar'
    """
    return f"replace({text}, {old}, {new})"


@python_scalar(
    "INSTR(text STRING, part STRING) -> INTEGER",
    "INSTR(text STRING, part STRING, position INTEGER) -> INTEGER",
    "INSTR(text STRING, part STRING, position INTEGER, occurrence INTEGER) -> INTEGER",
)
def instr(text: str, part: str, position: int = 1, occurrence: int = 1) -> int:
    """The place of a text inside another, from 1; 0 where it is not there.

    text: where to look
    part: what to look for
    position: where to begin; negative to begin that far from the end and look towards the start
    occurrence: the how many-th of the places is wanted

    INSTR('CORPORATE FLOOR', 'OR') -> 2
    INSTR('CORPORATE FLOOR', 'OR', 3, 2) -> 14
    INSTR('CORPORATE FLOOR', 'OR', -3, 2) -> 2
    """
    if occurrence < 1:
        raise ValueError(f"INSTR takes an occurrence from 1, not {occurrence}")
    if position == 0:
        return 0
    at = position - 1 if position > 0 else len(text) + position
    for again in range(occurrence):
        if again:
            at += 1 if position > 0 else -1
        if at < 0:
            return 0
        at = text.find(part, at) if position > 0 else text.rfind(part, 0, at + len(part))
        if at < 0:
            return 0
    return at + 1


PADDED = (
    "(text STRING, length INTEGER, padding STRING) -> STRING",
    "(text BYTES, length INTEGER, padding BYTES) -> BYTES",
)


FILLED_MAX = 32 * 1024 * 1024


def fill(count: int, padding: str | bytes) -> str | bytes:
    """As much of a repeated padding as fills `count` places. Raises ValueError beyond FILLED_MAX."""
    if count > FILLED_MAX:
        raise ValueError(f"{count} characters to fill in, and {FILLED_MAX} are the most")
    return (padding * -(-max(count, 0) // len(padding)))[: max(count, 0)]


@python_scalar(*(f"LPAD{form}" for form in PADDED))
def lpad(text: str | bytes, length: int, padding: str | bytes) -> str | bytes | None:
    """Text, or bytes, of a given length: filled from the left, or cut where it is longer.

    NULL where the length is negative or the padding empty; an error where more than 32 million characters would be filled in.

    text: a text, or bytes
    length: how long it shall be
    padding: what to fill with, as often as needed

    LPAD('Foo', 7, 'Bar') -> 'BarBFoo'
    LPAD('Foo', 2, 'Bar') -> 'Fo'
    """
    if length < 0 or not padding:
        return None
    return fill(length - len(text), padding) + text[:length]  # type: ignore[operator]


@python_scalar(*(f"RPAD{form}" for form in PADDED))
def rpad(text: str | bytes, length: int, padding: str | bytes) -> str | bytes | None:
    """Text, or bytes, of a given length: filled on the right, or cut where it is longer.

    NULL where the length is negative or the padding empty; an error where more than 32 million characters would be filled in.

    text: a text, or bytes
    length: how long it shall be
    padding: what to fill with, as often as needed

    RPAD('Foo', 7, 'Bar') -> 'FooBarB'
    """
    if length < 0 or not padding:
        return None
    return text[:length] + fill(length - len(text), padding)  # type: ignore[operator]


@sql_scalar("SPLIT(text STRING, delimiter STRING) -> ARRAY<STRING>")
def split(text: str, delimiter: str) -> str:
    """The pieces of a text, or of bytes, between the places where a delimiter stands; an empty delimiter cuts between all characters.

    text: a text, or bytes
    delimiter: what stands between the pieces

    SPLIT('a.b.', '.') -> ARRAY['a', 'b', '']
    """
    return f"CASE WHEN {delimiter} IS NULL THEN NULL WHEN {text} = '' THEN [''] ELSE string_split({text}, {delimiter}) END"


@python_scalar("SPLIT(text BYTES, delimiter BYTES) -> ARRAY<BYTES>")
def split_bytes(text: bytes, delimiter: bytes) -> list[bytes]:
    """The form for bytes."""
    return text.split(delimiter) if delimiter else [bytes([b]) for b in text] or [b""]


@python_scalar("SPLIT_TO_MAP(text STRING, entry_delimiter STRING, value_delimiter STRING) -> MAP<STRING, STRING>")
def split_to_map(text: str, entry_delimiter: str, value_delimiter: str) -> dict[str, str] | None:
    """A map of the pairs that a text lists. Of equal keys the last counts; a piece without a value is left out. NULL where a delimiter is empty.

    text: the pairs as text
    entry_delimiter: what stands between the pairs
    value_delimiter: what stands between a key and its value

    SPLIT_TO_MAP('apple:=green/cherry:=red', '/', ':=') -> MAP('apple' := 'green', 'cherry' := 'red')
    """
    if not entry_delimiter or not value_delimiter:
        return None
    pieces = (entry.split(value_delimiter) for entry in text.split(entry_delimiter) if entry)
    return {piece[0]: piece[1] for piece in pieces if len(piece) == 2}


@python_scalar("CHR(code INTEGER) -> STRING", "CHR(code STRING) -> STRING")
def chr_(code: int | str) -> str | None:
    r"""The character of a Unicode code point; NULL where there is none.

    code: the code point as a number, or as a text like \u004b

    CHR(75) -> 'K'
    CHR('\u597d') -> '好'
    """
    if isinstance(code, int):
        return chr(code) if 0 <= code < 0x110000 and not 0xD800 <= code < 0xE000 else None
    if not _CODE_POINT.fullmatch(code):
        return None
    units = [int(unit, 16) for unit in code.split("\\u")[1:]]
    shown = b"".join(unit.to_bytes(2, "big") for unit in units).decode("utf-16-be", "replace")
    return shown if len(shown) == 1 and shown != "\ufffd" else None


@sql_scalar("UUID() -> STRING", volatile=True)
def uuid() -> str:
    """A random UUID of version 4, another one each time.

    LEN(UUID()) -> 36
    """
    return "CAST(uuid() AS VARCHAR)"


@sql_scalar("MD5(text STRING) -> STRING")
def md5(text: str) -> str:
    """The MD5 digest of a text's UTF-8 bytes, as 32 hexadecimal digits.

    text: what to digest

    MD5('r1') -> '7c92cf1eee8d99cc85f8355a3d6e4b86'
    """
    return f"md5({text})"


@sql_scalar("SHA256(text STRING) -> STRING")
def sha256(text: str) -> str:
    """The SHA-256 digest of a text's UTF-8 bytes, as 64 hexadecimal digits.

    text: what to digest

    SUBSTRING(SHA256('a'), 1, 8) -> 'ca978112'
    """
    return f"sha256({text})"
