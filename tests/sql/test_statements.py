"""The definitions of the statements are whole, and their examples are what they say."""

from __future__ import annotations

import pytest

from penstock.sql import ast
from penstock.sql.parser import parse_one
from penstock.sql.statements import STATEMENTS, Definition


def statement_classes() -> set[type[ast.Statement]]:
    return {each for each in vars(ast).values() if isinstance(each, type) and issubclass(each, ast.Statement) and each is not ast.Statement}


def test_every_statement_class_is_defined_once() -> None:
    defined = [node for definition in STATEMENTS for node in definition.nodes]
    assert set(defined) == statement_classes()
    assert len(defined) == len(set(defined))


@pytest.mark.parametrize("definition", STATEMENTS, ids=lambda each: each.name)
def test_examples_parse_to_their_statement(definition: Definition) -> None:
    assert definition.examples
    for example in definition.examples:
        assert isinstance(parse_one(example), definition.nodes), example
