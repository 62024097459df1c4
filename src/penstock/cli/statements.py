"""Statements, told apart by what a command does with them."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Literal as OneOf

from penstock.errors import Position
from penstock.sql import ast
from penstock.sql.parser import parse, parse_one
from penstock.sql.tokens import split_statements

Nature = OneOf["rows that go on", "rows", "look", "change"]


def split(text: str) -> list[tuple[str, Position]]:
    """The statements of a text, as written, and where each begins. Nothing is parsed: a mistake shows when the statement is run."""
    return [(piece.text, piece.position) for piece in split_statements(text) if piece.text.strip()]


def nature(statement: ast.Statement) -> Nature:
    """A push query or PRINT gives rows that go on; a pull query gives rows; SHOW, DESCRIBE and EXPLAIN only look; anything else changes something."""
    match statement:
        case ast.Query(select=ast.Select(emit=None)) | ast.RawQuery():
            return "rows"
        case ast.Query() | ast.Print():
            return "rows that go on"
        case ast.Show() | ast.Describe() | ast.Explain() | ast.Spool():
            return "look"
        case ast.AssertTopic() | ast.AssertSchema() | ast.AssertSource() | ast.AssertValues():
            return "look"
        case _:
            return "change"


def parsed(text: str, variables: MutableMapping[str, str]) -> ast.Statement:
    """One statement's text, with the session's variables in place; DEFINE takes effect on them. Raises SqlError where it cannot be understood."""
    found = parse(text, variables)
    return found[0] if len(found) == 1 else parse_one(text)


def nature_of(text: str, variables: MutableMapping[str, str]) -> Nature:
    """The nature of one statement's text: see `parsed`."""
    return nature(parsed(text, variables))
