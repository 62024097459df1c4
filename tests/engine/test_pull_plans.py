"""Pull queries that join and aggregate in ksqlDB's own SQL, over what is there now."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import penstock


@pytest.fixture(scope="module")
def db() -> Iterator[penstock.Database]:
    """Readings of plants, the plants, and a table of counts."""
    with penstock.connect(":memory:") as db:
        db.execute(
            """
            CREATE STREAM r (plant STRING KEY, moisture DOUBLE) WITH (kafka_topic='readings', value_format='JSON');
            CREATE TABLE p (plant STRING PRIMARY KEY, name STRING) WITH (kafka_topic='plants', value_format='JSON');
            CREATE TABLE n AS SELECT plant, COUNT(*) AS n FROM r GROUP BY plant;
            """
        )
        db.insert("p", [{"plant": "a", "name": "Ann"}, {"plant": "b", "name": "Bob"}])
        db.insert("r", [{"plant": "a", "moisture": 12.5}, {"plant": "b", "moisture": 61.0}, {"plant": "a", "moisture": 1.0}])
        assert db.wait_idle(10)
        yield db


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT COUNT(*) AS n FROM r;", [(3,)]),
        ("SELECT COUNT(*) AS n FROM r WHERE moisture > 100;", []),
        ("SELECT plant, COUNT(*) AS n, AVG(moisture) AS m FROM r GROUP BY plant HAVING COUNT(*) > 1;", [("a", 2, 6.75)]),
        ("SELECT r.plant, p.name, moisture FROM r JOIN p ON r.plant = p.plant;", [("a", "Ann", 12.5), ("b", "Bob", 61.0), ("a", "Ann", 1.0)]),
        ("SELECT UCASE(name), COUNT(*) FROM p GROUP BY name;", [("ANN", 1), ("BOB", 1)]),
        ("SELECT * FROM n WHERE plant = 'a';", [("a", 2)]),
        ("SELECT plant, COUNT(*) AS n FROM r WINDOW TUMBLING (SIZE 3650 DAYS) GROUP BY plant;", [("a", 2), ("b", 1)]),
        ("SELECT p.name, sum(moisture) s FROM r JOIN p ON p.plant = r.plant GROUP BY p.name ORDER BY s DESC;", [("Bob", 61.0), ("Ann", 13.5)]),
    ],
)
def test_answers(db: penstock.Database, sql: str, rows: list[tuple[object, ...]]) -> None:
    found = [tuple(row) for row in db.query(sql).fetchall()]
    assert found == rows if "ORDER BY" in sql or "JOIN" in sql else sorted(found) == sorted(rows)
