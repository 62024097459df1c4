"""The SQL of the five talks: every statement of theirs parses, and says what the talk says."""

from __future__ import annotations

from typing import Any

import pytest
from tests.talks.texts import text

from penstock.sql import ast
from penstock.sql.format import format_statement
from penstock.sql.parser import parse, parse_one

COUNTS = {"houseplants": (5, 0), "ratings": (12, 0), "socks": (6, 0), "survey": (6, 0), "carparks": (8, 1)}
"""How many statements a talk has, and how many of them are ordinary SQL, which ksqlDB has not."""


@pytest.mark.parametrize("talk", COUNTS)
def test_every_statement_parses(talk: str) -> None:
    sql = text(talk)
    variables: dict[str, str] = {}
    statements = parse(sql, variables)
    assert (len(statements), sum(isinstance(each, ast.RawQuery) for each in statements)) == COUNTS[talk]
    assert statements == parse(sql)  # nothing in it is taken for a variable
    for statement in statements:
        assert parse_one(format_statement(statement)) == statement


def part(talk: str, number: int) -> Any:
    return parse(text(talk))[number]


def test_the_alerting_table() -> None:
    statement = part("houseplants", 4)
    assert statement.properties == {"KAFKA_TOPIC": "houseplant-low-readings", "FORMAT": "AVRO"}
    query = statement.query
    assert query.window == ast.Window("TUMBLING", 21_600_000, None, 604_800_000, 600_000)
    assert [each.alias for each in query.items] == [None, None, None, None, None, "MESSAGE", "LOW_READING_COUNT"]
    assert [each.name for each in query.group_by] == ["PLANT_ID", "SCIENTIFIC_NAME", "COMMON_NAME", "GIVEN_NAME", "MOISTURE_LOW"]
    assert (query.emit, query.limit) == ("FINAL", None)


def test_the_enrichment() -> None:
    query = part("houseplants", 2).query
    assert isinstance(query.relation, ast.Join)
    assert query.items[1] == ast.SelectItem(ast.ColumnRef("ROWTIME", "HOUSEPLANT_READINGS"), "TS")


def test_the_smoothed_socks() -> None:
    query = part("socks", 3).query
    assert query.items[2] == ast.SelectItem(ast.ColumnRef("WINDOWSTART"), "WINDOW_START")
    assert part("socks", 0).properties["mqtt.password"] == "${file:/scripts/credentials.properties:MQTT_PASSWORD}"
    assert part("socks", 0).name == "mqtt-source"


def test_columns_called_date_and_time() -> None:
    assert [column.name for column in part("carparks", 0).columns] == ["DATE", "TIME", "NAME", "CAPACITY"]
