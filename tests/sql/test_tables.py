"""grammar.json is what grammar.lark says, and every rule has the function that builds its node."""

from __future__ import annotations

import json

from penstock.sql import parser, tables


def test_tables_are_current() -> None:
    assert json.loads(tables.TABLES.read_text()) == json.loads(json.dumps(tables.build())), "stale: run `python -m penstock.sql.tables`"


def test_every_rule_has_its_function() -> None:
    assert parser._actions()
