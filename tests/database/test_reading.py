"""What queries answer: pull and push, row by row and whole, and the statements that tell what there is."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import penstock

SETUP = """
CREATE STREAM orders (id STRING KEY, customer STRING, cents INT) WITH (kafka_topic='orders', value_format='JSON', partitions=2);
CREATE TABLE customers (id STRING PRIMARY KEY, name STRING) WITH (kafka_topic='customers', value_format='JSON', partitions=2);
CREATE TABLE spent AS SELECT customer, COUNT(*) AS orders, SUM(cents) AS cents FROM orders GROUP BY customer;
CREATE TABLE hourly AS SELECT customer, COUNT(*) AS orders FROM orders WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY customer;
CREATE STREAM large AS SELECT o.id AS id, o.cents AS cents, c.name AS name FROM orders o JOIN customers c ON o.id = c.id WHERE o.cents > 100;
"""
HOUR = 3_600_000
T0 = 1_700_000_000_000 // HOUR * HOUR


@pytest.fixture
def db() -> Iterator[penstock.Database]:
    with penstock.connect() as database:
        database.execute(SETUP)
        database.insert("customers", [{"id": f"o{i}", "name": f"name {i}"} for i in range(4)])
        rows = [{"id": f"o{i}", "customer": "ann" if i % 2 else "bob", "cents": 50 * i, "ROWTIME": T0 + i * HOUR // 2} for i in range(6)]
        database.insert("orders", rows)
        assert database.wait_idle(20)
        yield database


def rows(db: penstock.Database, sql: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in db.query(sql).fetchall()]


def test_pull_by_key_by_window_and_by_scan(db: penstock.Database) -> None:
    assert rows(db, "SELECT * FROM spent WHERE customer = 'ann';") == [("ann", 3, 450)]
    assert rows(db, "SELECT cents, customer FROM spent WHERE customer IN ('ann', 'bob', 'eve') AND orders > 1;") == [(450, "ann"), (300, "bob")]
    assert rows(db, "SELECT * FROM spent WHERE customer = 'eve';") == []
    assert sorted(rows(db, "SELECT * FROM spent;")) == [("ann", 3, 450), ("bob", 3, 300)]
    assert rows(db, "SELECT customer FROM spent WHERE cents * 2 = 600;") == [("bob",)]
    windows = rows(db, "SELECT customer, WINDOWSTART, WINDOWEND, orders FROM hourly WHERE customer = 'ann';")
    assert windows == [("ann", T0 + h * HOUR, T0 + (h + 1) * HOUR, 1) for h in range(3)]
    later = f"SELECT WINDOWSTART FROM hourly WHERE customer = 'ann' AND WINDOWSTART >= {T0 + HOUR};"
    assert rows(db, later) == [(T0 + HOUR,), (T0 + 2 * HOUR,)]
    assert len(rows(db, "SELECT * FROM orders WHERE cents > 50 LIMIT 2;")) == 2
    assert sorted(rows(db, "SELECT id, name FROM customers;"))[0] == ("o0", "name 0")


def test_pull_in_ordinary_sql(db: penstock.Database) -> None:
    assert rows(db, "SELECT customer, sum(cents) FROM orders GROUP BY customer ORDER BY 2 DESC;") == [("ann", 450), ("bob", 300)]
    joined = "SELECT c.name, o.cents FROM orders o JOIN customers c ON o.id = c.id WHERE o.cents > 50 ORDER BY o.cents;"
    assert rows(db, joined) == [("name 2", 100), ("name 3", 150)]
    common = "WITH rich AS (SELECT customer FROM spent WHERE cents > 400) SELECT count(*) FROM orders WHERE customer IN (SELECT customer FROM rich);"
    assert rows(db, common) == [(3,)]
    assert rows(db, "SELECT max(ROWTIME) FROM orders;") == [(T0 + 5 * HOUR // 2,)]
    assert rows(db, "SELECT customer, row_number() OVER (ORDER BY customer) AS n FROM spent ORDER BY n;") == [("ann", 1), ("bob", 2)]


def test_the_forms_of_an_answer(db: penstock.Database) -> None:
    query = db.query("SELECT customer, cents FROM spent;")
    assert query.columns == ("CUSTOMER", "CENTS")
    assert not query.is_push
    table = query.arrow()
    assert table.column_names == ["CUSTOMER", "CENTS"]
    assert query.pl().sort("CUSTOMER").rows() == [("ann", 450), ("bob", 300)]
    assert sorted(query.df()["CENTS"].tolist()) == [300, 450]
    row = query.fetchone()
    assert row is not None
    assert (row["CENTS"], row["cents"], row[1]) == (row.as_dict()["CENTS"],) * 3
    with pytest.raises(KeyError):
        row["nope"]
    assert len(query.fetchall()) == 1
    assert query.fetchone() is None


def test_push_with_limit_timeout_and_close(db: penstock.Database) -> None:
    with db.query("SELECT id, cents FROM orders WHERE cents > 100 EMIT CHANGES LIMIT 2;") as query:
        assert query.is_push
        assert {row["CENTS"] for row in query} <= {150, 200, 250}
        assert query.fetchone() is None
        with pytest.raises(penstock.Error, match="push query"):
            query.arrow()
    began = time.monotonic()
    assert len(db.query("SELECT id FROM orders EMIT CHANGES;", timeout=0.1).fetchall()) == 6
    assert time.monotonic() - began < 5
    assert db.query("SELECT id FROM orders EMIT CHANGES LIMIT 0;").fetchall() == []


def test_a_push_query_waits_for_what_comes(db: penstock.Database) -> None:
    query = db.query("SELECT customer, COUNT(*) AS c FROM orders WHERE cents > 1000 GROUP BY customer EMIT CHANGES LIMIT 1;", timeout=20)
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.extend(query))
    thread.start()
    db.insert("orders", [{"id": "x", "customer": "eve", "cents": 2000}])
    thread.join(20)
    assert found == [("eve", 1)]


def test_push_queries_of_several_threads_at_once(db: penstock.Database) -> None:
    found: list[list[penstock.result.Row]] = []
    threads = [
        threading.Thread(target=lambda: found.append(db.query("SELECT id FROM orders EMIT CHANGES LIMIT 6;", timeout=20).fetchall()))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [len(rows) for rows in found] == [6] * 4


def test_statements_that_tell(db: penstock.Database, tmp_path: Path) -> None:
    def one(sql: str) -> str:
        return "\n".join(" ".join(map(str, row)) for row in db.execute(sql)[-1].rows)

    assert "SPENT SPENT KAFKA JSON false" in one("SHOW TABLES;")
    assert "ORDERS" in one("LIST STREAMS;")
    assert "orders 2 6 delete" in one("SHOW TOPICS;")
    assert "CTAS_SPENT_1 PERSISTENT RUNNING SPENT" in one("SHOW QUERIES;")
    assert "auto.offset.reset" in one("SHOW PROPERTIES;")
    assert "SUBSTRING" in one("SHOW FUNCTIONS;")
    assert "CUSTOMER STRING (primary key)" in one("DESCRIBE spent;")
    assert "Records" in one("DESCRIBE orders EXTENDED;")
    assert "SUBSTRING" in one("DESCRIBE FUNCTION SUBSTRING;")
    assert "SPENT" in one("EXPLAIN CTAS_SPENT_1;")
    assert "ORDERS" in one("EXPLAIN SELECT id FROM orders EMIT CHANGES;")
    assert "looks up 2 keys" in one("EXPLAIN SELECT * FROM spent WHERE customer IN ('ann', 'bob');")
    assert "ann" in one("PRINT 'orders' FROM BEGINNING LIMIT 3;")
    assert "150" in one("PRINT 'LARGE' FROM BEGINNING;")
    db.execute("ASSERT TOPIC orders WITH (PARTITIONS=2); ASSERT NOT EXISTS TOPIC nothing; ASSERT NOT EXISTS SCHEMA SUBJECT 'x-value';")
    with pytest.raises(penstock.Error, match="does not exist"):
        db.execute("ASSERT TOPIC nothing TIMEOUT 0 SECONDS;")
    db.execute("SET 'auto.offset.reset' = 'latest';")
    assert "auto.offset.reset latest session" in one("SHOW PROPERTIES;")
    db.execute("UNSET 'auto.offset.reset';")
    assert "auto.offset.reset earliest default" in one("SHOW PROPERTIES;")
    assert "WHO ann" in one("DEFINE who = 'ann'; SHOW VARIABLES;").upper().replace("ANN", "ann")
    assert rows(db, "SELECT orders FROM spent WHERE customer = '${who}';") == [(3,)]
    db.execute("UNDEFINE who;")
    assert one("SHOW VARIABLES;") == ""
    db.execute("CREATE TYPE money AS STRUCT<cents INT, currency STRING>;")
    assert "MONEY" in one("SHOW TYPES;")
    db.execute("DROP TYPE money;")
    script = tmp_path / "more.sql"
    script.write_text("CREATE STREAM more (n INT) WITH (kafka_topic='more', value_format='JSON', partitions=1); INSERT INTO more (n) VALUES (1);")
    db.execute(f"RUN SCRIPT '{script}';")
    assert rows(db, "SELECT n FROM more;") == [(1,)]


def test_the_examples_in_the_docstrings_run() -> None:
    tried = 0
    for module in pkgutil.walk_packages(penstock.__path__, "penstock."):
        if module.name.endswith("__main__"):
            continue
        spec = importlib.util.find_spec(module.name)
        assert spec
        assert spec.origin
        if ">>> " not in Path(spec.origin).read_text():
            continue
        result = doctest.testmod(importlib.import_module(module.name))
        assert result.failed == 0, module.name
        tried += result.attempted
    tried += doctest.testmod(penstock).attempted
    assert tried > 5
