"""The shape of a flat JSON record, learnt from a sample: the bytes that repeat in each record, and the scalars between them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal as OneOf

from penstock.formats.coercion import match_fields
from penstock.formats.contract import Column
from penstock.sql.types import Array, Decimal, Map, Primitive, SqlType, Struct

TokenKind = OneOf["string", "number", "boolean", "null"]

_SPACE = re.compile(rb"[ \t\n\r]*")
_KEY = re.compile(rb'"[^"\\\x00-\x1f]*"')
_SCALAR = re.compile(rb'"[^"\\\x00-\x1f]*"|-?[0-9][-+.0-9eE]*|true|false|null')
_SEPARATOR = re.compile(rb',[ \t\n\r]*"')


@dataclass(frozen=True)
class Token:
    """A scalar's place: between literals, and the column's type, or else (a field that no column asks for) the kind of the sample's token."""

    type: SqlType | None
    kind: TokenKind


@dataclass(frozen=True)
class Leaf:
    token: int


@dataclass(frozen=True)
class Branch:
    """A STRUCT: the children stand for its fields; None for a field that the record lacks."""

    children: tuple[Leaf | Branch | None, ...]


@dataclass(frozen=True)
class Shape:
    """Literal 0, token 0, literal 1, token 1, ..., the last literal. `separator` is a comma, the space behind it and a quote, the same in all
    inner literals; `counts[i]` is how often it occurs in literal i + 1, `first[i]` where in that literal it first does."""

    literals: tuple[bytes, ...]
    tokens: tuple[Token, ...]
    separator: bytes
    counts: tuple[int, ...]
    first: tuple[int, ...]
    columns: tuple[Leaf | Branch | None, ...]


class _NotFlat(Exception):  # noqa: N818 - a finding, not an error
    """The sample holds an array, an escape, a key twice, or is no JSON."""


@dataclass
class _Scan:
    sample: bytes
    position: int
    tokens: list[tuple[int, int]]

    def space(self) -> None:
        match = _SPACE.match(self.sample, self.position)
        self.position = match.end() if match else self.position

    def expect(self, pattern: re.Pattern[bytes]) -> bytes:
        match = pattern.match(self.sample, self.position)
        if match is None:
            raise _NotFlat
        self.position = match.end()
        return match.group()

    def value(self) -> dict[str, object] | int:
        self.space()
        if self.sample[self.position:self.position + 1] == b"{":
            return self.object()
        start = self.position
        self.expect(_SCALAR)
        self.tokens.append((start, self.position))
        return len(self.tokens) - 1

    def object(self) -> dict[str, object]:
        fields: dict[str, object] = {}
        self.expect(re.compile(rb"\{"))
        self.space()
        if self.sample[self.position:self.position + 1] == b"}":
            raise _NotFlat  # an empty object: other records will have something there
        while True:
            self.space()
            key = self.expect(_KEY)[1:-1].decode()
            if key in fields:
                raise _NotFlat
            self.space()
            self.expect(re.compile(rb":"))
            fields[key] = self.value()
            self.space()
            if self.expect(re.compile(rb"[,}]")) == b"}":
                return fields


def learn(sample: bytes, columns: Sequence[Column], *, unwrapped: bool) -> Shape | None:
    """The shape of a record, or None where it is not flat, or a column takes more than a scalar's work from it."""
    scan = _Scan(sample, 0, [])
    try:
        document = scan.value()
        scan.space()
        if scan.position != len(sample) or isinstance(document, int) is not unwrapped:
            return None
        types: dict[int, SqlType] = {}
        wanted = [document] if unwrapped else match_fields(_as_object(document), [c.name for c in columns])
        roots = tuple(_resolve(node, c.type, types) for node, c in zip(wanted, columns, strict=True))
    except (_NotFlat, UnicodeDecodeError, RecursionError):
        return None
    return _shape(sample, scan.tokens, types, roots)


def _as_object(document: dict[str, object] | int) -> dict[str, object]:
    if isinstance(document, int):
        raise _NotFlat
    return document


def _resolve(node: object, type_: SqlType, types: dict[int, SqlType]) -> Leaf | Branch | None:
    if node is None:
        return None
    if isinstance(node, int):
        if not isinstance(type_, Primitive | Decimal) or (type_.__class__ is Primitive and str(type_) in ("BYTES", "NULL")) or node in types:
            raise _NotFlat
        types[node] = type_
        return Leaf(node)
    if not isinstance(type_, Struct) or not isinstance(node, dict):
        raise _NotFlat
    children = match_fields(node, [f.name for f in type_.fields])
    return Branch(tuple(_resolve(child, f.type, types) for child, f in zip(children, type_.fields, strict=True)))


def _shape(sample: bytes, tokens: list[tuple[int, int]], types: dict[int, SqlType], roots: tuple[Leaf | Branch | None, ...]) -> Shape | None:
    edges = [0, *(edge for token in tokens for edge in token), len(sample)]
    literals = tuple(sample[edges[i]:edges[i + 1]] for i in range(0, len(edges), 2))
    inner = literals[1:-1]
    separators = {m.group() for literal in inner for m in _SEPARATOR.finditer(literal)}
    if len(separators) > 1 or any(not _SEPARATOR.search(literal) for literal in inner):
        return None
    separator = separators.pop() if separators else b',"'
    if any(separator in literal for literal in (literals[0], literals[-1])):
        return None
    return Shape(
        literals,
        tuple(Token(types.get(i), _kind(sample[start:end])) for i, (start, end) in enumerate(tokens)),
        separator,
        tuple(literal.count(separator) for literal in inner),
        tuple(literal.index(separator) for literal in inner),
        roots,
    )


def _kind(token: bytes) -> TokenKind:
    if token[:1] == b'"':
        return "string"
    return "boolean" if token in (b"true", b"false") else "null" if token == b"null" else "number"


def decodable(type_: SqlType) -> bool:
    """Whether columns of the type can come from a shape at all: scalars, and structs of them."""
    match type_:
        case Struct(fields):
            return all(decodable(f.type) for f in fields)
        case Array() | Map():
            return False
    return str(type_) not in ("BYTES", "NULL")
