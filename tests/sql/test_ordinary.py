"""Which SELECTs are ordinary SQL, and which are slips in the streaming language."""

from __future__ import annotations

import pytest

from penstock.errors import SqlError
from penstock.sql import ast
from penstock.sql.parser import parse_one

ORDINARY = [
    "SELECT name, GEO_DISTANCE(lat, lon, 53.8, -1.5) AS km FROM carparks WHERE spaces > 0 ORDER BY km LIMIT 1",
    "SELECT * FROM t ORDER BY a DESC NULLS LAST",
    "SELECT a, COUNT(*) FROM t GROUP BY a HAVING COUNT(*) > 1 ORDER BY 2",
    "SELECT * FROM t LIMIT 5 OFFSET 10",
    "SELECT * FROM t OFFSET 10",
    "SELECT DISTINCT a FROM t",
    "SELECT COUNT(DISTINCT a) FROM t",
    "SELECT a FROM t UNION ALL SELECT a FROM u",
    "SELECT a FROM t WHERE b = 1 EXCEPT SELECT a FROM u",
    "SELECT a FROM (SELECT a FROM t) x",
    "SELECT a FROM t WHERE a IN (SELECT b FROM u)",
    "SELECT a FROM t WHERE a > (SELECT AVG(a) FROM t)",
    "SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.a = t.a)",
    "SELECT a FROM t WHERE NOT EXISTS (SELECT 1 FROM u)",
    "WITH x AS (SELECT a FROM t) SELECT * FROM x",
    "WITH RECURSIVE x (n) AS (SELECT 1 AS n FROM t) SELECT * FROM x",
    "SELECT ROW_NUMBER() OVER (PARTITION BY a ORDER BY b) FROM t",
    "SELECT SUM(a) OVER w FROM t WINDOW w AS (ORDER BY b)",
    "SELECT SUM(a) FILTER (WHERE a > 1) FROM t",
    "SELECT * FROM t, u WHERE t.a = u.a",
    "SELECT * FROM t x, u AS y",
    "SELECT * FROM t JOIN u USING (a)",
    "SELECT * FROM t CROSS JOIN u",
    "SELECT * FROM t NATURAL JOIN u",
    "SELECT * FROM t ASOF JOIN u ON t.a >= u.a",
    "SELECT * FROM t JOIN (SELECT * FROM u) v ON t.a = v.a",
    "SELECT a::INT FROM t",
    "SELECT a FROM t WHERE b > DATE '2024-01-01'",
    "SELECT a FROM t WHERE b > c - INTERVAL '1' DAY",
    "SELECT EXTRACT(YEAR FROM b) FROM t",
    "SELECT a FROM t WHERE b ILIKE 'x%'",
    "SELECT a FROM t QUALIFY ROW_NUMBER() OVER (ORDER BY a) = 1",
]


@pytest.mark.parametrize("sql", ORDINARY)
def test_ordinary(sql: str) -> None:
    statement = parse_one(f" {sql};")
    assert isinstance(statement, ast.RawQuery)
    assert statement.text == sql
    assert statement.position
    assert str(statement.position) == "1:2"


def test_ordinary_sql_explained() -> None:
    statement = parse_one("EXPLAIN ANALYZE SELECT a FROM t ORDER BY a;")
    assert isinstance(statement, ast.Explain)
    assert isinstance(statement.statement, ast.RawQuery)
    assert (statement.analyze, statement.text) == (True, "EXPLAIN ANALYZE SELECT a FROM t ORDER BY a")
    assert statement.statement.text == "SELECT a FROM t ORDER BY a"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FORM t ORDER BY a",  # the slip stands before what makes the query ordinary
        "SELECT a FROM t WEHRE a = 1",
        "SELECT a FROM t WHERE a = 'x ORDER BY a",
        "SELECT (a FROM t ORDER BY a",
        "SELECT a FROM t) ORDER BY a",
        "SELECT a FROM t ORDER BY a EMIT CHANGES",
        "SELECT DISTINCT a FROM t EMIT FINAL",
        "SELECT a ORDER BY a",
        "CREATE STREAM s AS SELECT * FROM t ORDER BY a",
        "INSERT INTO s SELECT DISTINCT a FROM t",
        "EXPLAIN STREAM ORDER BY",
        "SELECT a FROM t WHERE a = ?",
    ],
)
def test_slips(sql: str) -> None:
    with pytest.raises(SqlError):
        parse_one(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a FROM t WHERE a IS DISTINCT FROM b",
        "SELECT a FROM t WHERE a IS NOT DISTINCT FROM b",
        "SELECT a, COUNT(*) FROM t GROUP BY a HAVING COUNT(*) > 1 LIMIT 3",
        "SELECT t.a FROM t JOIN u ON t.a = u.a",
        "SELECT offset, date FROM t",
    ],
)
def test_of_both_languages(sql: str) -> None:
    """What the streaming language can say is told as that."""
    assert isinstance(parse_one(sql), ast.Query)
