"""Whatever is thrown at the parser, it answers with a tree or an SqlError, within a second of the processor's time."""

from __future__ import annotations

import random
import time

import pytest
from tests.sql.test_mistakes import SLIPS
from tests.sql.test_ordinary import ORDINARY
from tests.talks.texts import TALKS, statements

from penstock.errors import SqlError
from penstock.sql import ast, tables
from penstock.sql.format import format_statement
from penstock.sql.parser import parse, parse_expression, parse_one, parse_schema, parse_type
from penstock.sql.statements import STATEMENTS
from penstock.sql.tokens import RESERVED, UNITS, split_statements, tokenize

SECONDS_MAX = 1.0
MESSAGE_MAX = 300
CORPUS = [
    *(example for definition in STATEMENTS for example in definition.examples),
    *(statement.removesuffix(";") for talk in TALKS for statement in statements(talk)),
    *(sql for sql, _ in SLIPS),
    *ORDINARY,
]
_SIGNS = r"""( ) [ ] , . ; + - * / % || = <> != < <= > >= -> => := :: ' " ` -- /* */ ${x} ${ $ # \ ü ‘"""
_VALUES = "1 1.5 .5 1e5 1R 99999999999999999999 'x' `x` x"
SIGNS = [*_SIGNS.split(), *_VALUES.split(), "\x00"]
WORDS = "ARRAY MAP STRUCT OVER UNION DECIMAL VARCHAR"
VOCABULARY = [*sorted(RESERVED), *sorted(UNITS), *sorted(tables.load().keywords), *WORDS.split(), *SIGNS]


def mutated(chance: random.Random) -> str:
    """A statement of the corpus with some tokens left out, doubled, swapped, replaced or put in, and now and then some characters."""
    words = [token.text for token in tokenize(chance.choice(CORPUS))]
    for _ in range(chance.choice([0, 1, 1, 2, 3, 8])):
        place = chance.randrange(len(words) + 1)
        match chance.randrange(6):
            case 0:
                words[place : place + chance.randint(1, 3)] = []
            case 1:
                words[place:place] = words[place : place + chance.randint(1, 8)]
            case 2:
                other = chance.randrange(len(words) + 1)
                words[place : place + 1], words[other : other + 1] = words[other : other + 1], words[place : place + 1]
            case 3:
                words[place : place + 1] = [chance.choice(VOCABULARY)]
            case 4:
                words.insert(place, chance.choice(VOCABULARY))
            case _:
                donor = [token.text for token in tokenize(chance.choice(CORPUS))]
                start = chance.randrange(len(donor) + 1)
                words[place:place] = donor[start : start + chance.randint(1, 12)]
    text = chance.choice([" ", "\n", " "]).join(words)
    if chance.random() < 0.2 and text:
        place = chance.randrange(len(text))
        text = text[:place] + chance.choice(SIGNS) + text[place + chance.randrange(3) :]
    return text


def attempt(text: str) -> tuple[ast.Statement | None, SqlError | None]:
    try:
        return parse_one(text), None
    except SqlError as error:
        return None, error


def judge(text: str) -> str:
    """Parse the text in every way; name what came of it as a statement."""
    started = time.thread_time()
    statement, slip = attempt(text)
    outcome = type(statement or slip).__name__
    if slip:
        assert slip.position is not None, text
        assert slip.what, text
        assert "\n" not in str(slip), text
        assert len(str(slip)) < MESSAGE_MAX, text
    for other in (parse, parse_expression, parse_type, parse_schema):
        try:
            other(text)
        except SqlError:
            continue
    assert time.thread_time() - started < SECONDS_MAX * 5, f"slow: {text}"
    if statement is not None and not isinstance(statement, ast.RawQuery):
        written = format_statement(statement)
        if not (isinstance(statement, ast.Explain) and isinstance(statement.statement, ast.RawQuery)):
            assert parse_one(written) == statement, (text, written)
    return outcome


def storm(seed: int, count: int) -> None:
    chance = random.Random(seed)
    outcomes: dict[str, int] = {}
    for number in range(count):
        text = mutated(chance)
        try:
            outcome = judge(text)
        except SqlError:
            raise
        except Exception as error:
            raise AssertionError(f"seed {seed}, statement {number}: {text!r}") from error
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    # The storm reaches both sides of the language's border.
    assert outcomes["SqlError"] > count / 10
    assert sum(outcomes.values()) - outcomes["SqlError"] > count / 10


def test_storm() -> None:
    storm(seed=1, count=2_000)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 12))
def test_long_storm(seed: int) -> None:
    storm(seed, count=10_000)


UNITS_REPEATED = [
    "(", "[", "<", "((x)", "(x,", "CASE ", "f(", "x => ", "(x, y) => ", "GROUP BY (", "BY(", "'", "`", "/*", "--", "ARRAY<", "STRUCT<a ", "${",
    "a.", "->", "-", "NOT ", "SELECT ", "EXPLAIN ", "JOIN x ON ", ";", "\n", "1.", "e", "ORDER BY ", "FROM x ,", "IN (", "WITH (",
]  # fmt: skip


@pytest.mark.parametrize("unit", UNITS_REPEATED)
@pytest.mark.parametrize("start", ["", "SELECT ", "SELECT a FROM t WHERE ", "CREATE STREAM s ("])
def test_repetition_is_linear(start: str, unit: str) -> None:
    text = start + unit * (20_000 // len(unit))
    started = time.thread_time()
    _, slip = attempt(text)
    assert len(str(slip)) < MESSAGE_MAX
    split_statements(text)
    assert time.thread_time() - started < SECONDS_MAX
