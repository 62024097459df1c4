"""Values in place of `:name`: whatever they hold, they stay values, in our language and in ordinary SQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import penstock
from penstock.errors import DataError, SqlError
from penstock.sql.parameters import bind

OURS = "SELECT text AS n FROM s WHERE text = :value;"
ORDINARY = "SELECT max(text) AS n FROM s WHERE text = :value GROUP BY text ORDER BY 1;"


@pytest.fixture(scope="module")
def db() -> Iterator[penstock.Database]:
    with penstock.connect(":memory:") as opened:
        opened.execute("CREATE STREAM s (text STRING, number DOUBLE) WITH (kafka_topic='s', value_format='JSON', partitions=1);")
        opened.execute("DEFINE secret = 'drop';")
        opened.insert("s", [{"text": "plain", "number": 1.0}])
        yield opened


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
@example("' OR '1'='1")
@example("'; DROP STREAM s; --")
@example("${secret} :value $${x} /* ` \" \\' *\\")
def test_no_text_becomes_sql(db: penstock.Database, text: str) -> None:
    for sql in ("SELECT :value AS v, text FROM s;", "SELECT :value AS v, text FROM s ORDER BY 2 LIMIT 1;"):
        assert db.query(sql, {"value": text}).fetchall() == [(text, "plain")]
    for sql in (OURS, ORDINARY):
        assert len(db.query(sql, {"value": text}).fetchall()) == (text == "plain")


@pytest.mark.parametrize(
    "value",
    [
        True, False, 0, -7, 2**62, 1.5, -1e300, 1e-7, Decimal("-12.340"), date(2024, 2, 29), time(23, 59, 1), datetime(2024, 2, 29, 1, 2, 3),
        ["a'", "b"], [1, 2],
    ],
    ids=repr,
)  # fmt: skip
def test_every_type_comes_back(db: penstock.Database, value: Any) -> None:
    for sql in ("SELECT :value AS v FROM s;", "SELECT :value AS v FROM s ORDER BY number;"):
        assert db.query(sql, {"value": value}).fetchall() == [(value,)]


def test_nothing_is_null(db: penstock.Database) -> None:
    assert db.query("SELECT COALESCE(:value, text) AS v FROM s;", {"value": None}).fetchall() == [("plain",)]


def test_a_time_with_a_zone_is_taken_in_utc(db: penstock.Database) -> None:
    value = datetime.fromisoformat("2024-02-29T01:30:00+02:00")
    assert db.query("SELECT :value AS v FROM s;", {"value": value}).fetchall() == [(value.astimezone(UTC).replace(tzinfo=None),)]


def test_a_negative_number_begins_no_comment(db: penstock.Database) -> None:
    assert db.query("SELECT number-:n AS v FROM s;", {"n": -1}).fetchall() == [(2.0,)]


def test_only_tokens_are_names() -> None:
    text = "SELECT ':a', \":a\", `:a`, -- :a\n /* :a */ x::INT, :a, : a"
    assert bind(text, {"a": 1}) == text.replace(", :a,", ", 1,")


def test_execute_takes_them_too(db: penstock.Database) -> None:
    db.execute("CREATE STREAM e (text STRING) WITH (kafka_topic='e', value_format='JSON', partitions=1);")
    db.execute("INSERT INTO e (text) VALUES (:text);", {"text": "it's"})
    assert db.execute("SELECT text FROM e WHERE text = :text;", {"text": "it's"})[0].rows == [("it's",)]


def test_what_is_missing_or_no_value_is_told(db: penstock.Database) -> None:
    with pytest.raises(SqlError, match=r"Line 1:27: There is no value for :there. Given are: here."):
        db.query("SELECT * FROM s WHERE n = :there;", {"here": 1})
    for value in (object(), float("nan"), Decimal("Infinity"), "a\0b"):
        with pytest.raises(DataError, match="The parameter :v cannot be"):
            db.query("SELECT :v AS v FROM s;", {"v": value})
    with pytest.raises(SqlError):
        db.query("SELECT :v AS v FROM s;")


def test_rows_of_several_sources_are_there_together_or_not_at_all(db: penstock.Database) -> None:
    db.execute("CREATE STREAM a (n INT) WITH (kafka_topic='a', value_format='JSON', partitions=1);")
    db.execute("CREATE TABLE b (id STRING PRIMARY KEY, n INT) WITH (kafka_topic='b', value_format='JSON', partitions=3);")
    assert db.insert_together({"a": [{"n": 1}], "b": [{"id": "x", "n": 2}, {"id": "y", "n": 3}]}) == 3
    with pytest.raises(DataError):
        db.insert_together({"a": [{"n": 1}], "b": [{"id": None, "n": 2}]})
    with pytest.raises(SqlError):
        db.insert_together({"a": [{"n": 1}], "nowhere": [{"n": 2}]})
    assert db.query("SELECT n FROM a;").fetchall() == [(1,)]
    assert sorted(db.query("SELECT id, n FROM b;").fetchall()) == [("x", 2), ("y", 3)]
