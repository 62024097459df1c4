"""Statements, told apart by what a command does with them."""

from __future__ import annotations

from typing import Literal as OneOf

from penstock.errors import Position
from penstock.sql import ast
from penstock.sql.parser import parse_one
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
        case ast.Show() | ast.Describe() | ast.Explain() | ast.AssertTopic() | ast.AssertSchema():
            return "look"
        case _:
            return "change"


def nature_of(text: str) -> Nature:
    """The nature of one statement's text. Raises SqlError where it cannot be understood."""
    return nature(parse_one(text))
