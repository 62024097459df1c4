"""JDBC sink: what arrives in real databases."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.connect.databases import Server
from tests.connect.test_jdbc_source import server  # noqa: F401  # a fixture

import penstock
from penstock.connect.databases.places import Places

ROOT = Path(__file__).parents[2]
STREAM = (
    "CREATE STREAM sales (id INT KEY, what STRING, amount DECIMAL(8, 2), at TIMESTAMP, tags ARRAY<STRING>, d DATE, ok BOOLEAN, b BYTES) "
    "WITH (kafka_topic='sales', format='AVRO', partitions=1);"
)
ROW = {"id": 1, "what": "x", "amount": Decimal("9.50"), "at": datetime(2020, 2, 29, 12), "tags": ["a", "b"], "d": date(2020, 2, 29), "ok": True}


@pytest.fixture
def db(tmp_path: Path) -> Iterator[penstock.Database]:
    with penstock.connect(":memory:", properties={"connector.file.allowed.paths": str(tmp_path)}) as opened:
        opened.execute(STREAM)
        yield opened


@pytest.fixture
def sink(db: penstock.Database, server: Server) -> Callable[..., None]:  # noqa: F811
    """Create the sink; keyword arguments are options, with `_` for the dot."""

    def create(**options: str) -> None:
        given = {"connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector", "connection.url": server.jdbc_url, "topics": "sales"}
        if server.dialect != "sqlite":
            given |= {"connection.user": server.user, "connection.password": server.password}
        given |= {name.replace("_", "."): text for name, text in options.items()}
        text = ", ".join(f"'{name}' = '{value}'" for name, value in given.items())
        db.execute(f"CREATE SINK CONNECTOR target WITH ({text});")

    return create


def reason(db: penstock.Database) -> str:
    """Why the task failed, once it has."""
    deadline = time.monotonic() + 30
    while (status := db.connectors.status("TARGET")).state != "FAILED":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return status.tasks[0].reason


def names(server: Server) -> Callable[[str], str]:  # noqa: F811
    """How the server quotes a name."""
    return lambda name: f"`{name}`" if server.dialect.startswith("mysql") else f'"{name}"'


def test_a_table_is_made_and_widened(db: penstock.Database, server: Server, sink: Callable[..., None]) -> None:  # noqa: F811
    sink(auto_create="true", auto_evolve="true", pk_mode="record_key", insert_mode="upsert", delete_enabled="true")
    db.insert("sales", [ROW, {"id": 2}])
    assert db.connectors.wait_idle(30)
    q = names(server)
    columns = ", ".join(map(q, ("ID", "WHAT", "AMOUNT", "OK", "TAGS")))
    rows = sorted(server.run(f"SELECT {columns} FROM {q('sales')}"))
    assert [(r[0], r[1], r[2] and float(r[2]), r[3] and bool(r[3]), r[4]) for r in rows] == [
        (1, "x", 9.5, True, '["a","b"]'),
        (2, None, None, None, None),
    ]
    server.run(f"ALTER TABLE {q('sales')} DROP COLUMN {q('WHAT')}")
    db.connectors.restart("TARGET")
    db.insert("sales", [{"id": 1, "what": "y"}, {"id": 3, "what": "z"}])
    assert db.connectors.wait_idle(30)
    assert sorted(server.run(f"SELECT {q('ID')}, {q('WHAT')} FROM {q('sales')}")) == [(1, "y"), (2, None), (3, "z")]


def test_upsert_and_delete(db: penstock.Database, server: Server, sink: Callable[..., None]) -> None:  # noqa: F811
    server.run("CREATE TABLE shop (id INTEGER PRIMARY KEY, what VARCHAR(9), other VARCHAR(9) DEFAULT 'kept')")
    db.execute("CREATE TABLE goods (id INT PRIMARY KEY, what STRING) WITH (kafka_topic='goods', format='JSON', partitions=1);")
    sink(topics="goods", table_name_format="shop", insert_mode="upsert", pk_mode="record_key", delete_enabled="true")
    db.insert("goods", [{"id": 1, "what": "a"}, {"id": 2, "what": "b"}, {"id": 1, "what": "A"}])
    assert db.connectors.wait_idle(30)
    assert sorted(server.run("SELECT id, what, other FROM shop")) == [(1, "A", "kept"), (2, "b", "kept")]
    from penstock.log.protocol import Append
    from penstock.log.records import records

    key = db.log.read("goods", 0, 0)["key"][0].as_py()
    db.log.append(Append("goods", 0, records([(5, key, None)])))
    assert db.connectors.wait_idle(30)
    assert server.run("SELECT id FROM shop") == [(2,)]


def test_update_changes_what_is_there(db: penstock.Database, server: Server, sink: Callable[..., None]) -> None:  # noqa: F811
    server.run("CREATE TABLE shop (id INTEGER PRIMARY KEY, what VARCHAR(9))", "INSERT INTO shop VALUES (1, 'old')")
    sink(table_name_format="shop", insert_mode="update", pk_mode="record_key", fields_whitelist="what")
    db.insert("sales", [{"id": 1, "what": "new"}, {"id": 2, "what": "none"}])
    assert db.connectors.wait_idle(30)
    assert server.run("SELECT id, what FROM shop") == [(1, "new")]


def test_keys_of_kafka_and_of_the_value(db: penstock.Database, server: Server, sink: Callable[..., None]) -> None:  # noqa: F811
    sink(auto_create="true", pk_mode="kafka", insert_mode="upsert", fields_whitelist="what", pk_fields="t,p,o")
    db.insert("sales", [{"id": 1, "what": "a"}, {"id": 1, "what": "a"}])
    assert db.connectors.wait_idle(30)
    q = names(server)
    assert sorted(server.run(f"SELECT t, p, o, {q('WHAT')} FROM {q('sales')}")) == [("sales", 0, 0, "a"), ("sales", 0, 1, "a")]
    db.execute("DROP CONNECTOR target;")
    sink(auto_create="true", pk_mode="record_value", pk_fields="what", insert_mode="upsert", fields_whitelist="what,ok", table_name_format="by_what")
    db.insert("sales", [{"id": 1, "what": "a", "ok": True}])
    assert db.connectors.wait_idle(30)
    assert [(row[0], bool(row[1])) for row in server.run(f"SELECT {q('WHAT')}, {q('OK')} FROM by_what")] == [("a", True)]


def test_a_row_that_is_refused_goes_to_the_dead_letters(db: penstock.Database, server: Server, sink: Callable[..., None]) -> None:  # noqa: F811
    server.run("CREATE TABLE shop (what VARCHAR(9) NOT NULL)")
    sink(table_name_format="shop", fields_whitelist="what", errors_tolerance="all")
    db.insert("sales", [{"id": n, "what": None if n == 2 else str(n)} for n in range(5)])
    assert db.connectors.wait_idle(30)
    assert sorted(server.run("SELECT what FROM shop")) == [("0",), ("1",), ("3",), ("4",)]
    assert db.log.end_offset("dlq-TARGET", 0) == 1


def test_a_connector_that_is_created_again_begins_anew(db: penstock.Database, server: Server, sink: Callable[..., None]) -> None:  # noqa: F811
    server.run("CREATE TABLE shop (what VARCHAR(9))")
    db.insert("sales", [{"id": n, "what": str(n)} for n in range(5)])
    for times in (1, 2):
        sink(table_name_format="shop", fields_whitelist="what")
        assert db.connectors.wait_idle(30)
        assert server.run("SELECT count(*) FROM shop") == [(5 * times,)]
        db.connectors.restart("TARGET")
        assert db.connectors.wait_idle(30)
        assert server.run("SELECT count(*) FROM shop") == [(5 * times,)]
        db.execute("DROP CONNECTOR target;")


def places(server: Server) -> list[tuple[str, int]]:  # noqa: F811
    """Whose places the target keeps, without the incarnations, and how far each has come."""
    return sorted((name.partition("/")[0], offset) for name, offset in server.run("SELECT connector, next_offset FROM penstock_offsets"))


def test_a_connector_that_is_dropped_leaves_no_place(db: penstock.Database, server: Server, sink: Callable[..., None]) -> None:  # noqa: F811
    sink(auto_create="true")
    given = {"connector.class": "JdbcSink", "topics": "sales", "connection.url": server.jdbc_url, "auto.create": "true"}
    if server.dialect != "sqlite":
        given |= {"connection.user": server.user, "connection.password": server.password}
    given["table.name.format"] = "others"
    db.create_connector("other's", given)
    db.insert("sales", [ROW])
    assert db.connectors.wait_idle(30)
    db.execute("PAUSE CONNECTOR target;")
    assert places(server) == [("TARGET", 1), ("other's", 1)]
    db.connectors.pause("other's")
    assert db.connectors.move_offsets("other's", {("sales", 0): 0}) == []
    assert places(server) == [("TARGET", 1)]
    assert db.execute("DROP CONNECTOR target;")[0].message == "Connector TARGET is dropped."
    assert places(server) == []
    db.connectors.resume("other's")
    assert db.connectors.wait_idle(30)
    assert places(server) == [("other's", 1)]
    if server.dialect == "sqlite":
        return
    db.create_connector("other's", given | {"connection.url": server.jdbc_url.replace(f":{server.port}/", ":1/"), "offsets.table.name": "Own"})
    assert re.fullmatch(
        r"Connector other's is dropped\. Its place stays in \w+ 127\.0\.0\.1:1/\w+, which harms nothing: Removing it failed: .* "
        r"To remove it: DELETE FROM \"Own\" WHERE \"Own\"\.connector = 'other''s/[0-9a-f]{16}';",
        db.execute("DROP CONNECTOR `other's`;")[0].message,
    )


def test_two_may_make_the_table_of_places_at_the_same_moment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    import sqlalchemy

    make = sqlalchemy.Table.create
    monkeypatch.setattr(sqlalchemy.Table, "create", lambda table, connection, **_: make(table, connection, checkfirst=False))
    engine = sqlalchemy.create_engine(server.url)
    assert [Places("places", name).create(engine) for name in ("one", "two")] == [True, True]
    engine.dispose()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"insert_mode": "upsert"}, "needs a primary key"),
        ({"delete_enabled": "true"}, "needs 'pk.mode'='record_key'"),
        ({"pk_mode": "record_value"}, "needs 'pk.fields'"),
        ({"pk_mode": "kafka", "pk_fields": "a,b"}, "takes three"),
        ({"table_name_format": "."}, "names no table"),
        ({"insert_mode": "upsert", "pk_mode": "kafka", "connection_url": "mssql+nothing://h/d"}, "there is no driver"),
    ],
)
def test_mistakes(sink: Callable[..., None], options: dict[str, str], complaint: str) -> None:
    with pytest.raises(penstock.Error, match=re.escape(complaint)):
        sink(**options)


def test_a_table_or_column_that_is_not_there(db: penstock.Database, server: Server, sink: Callable[..., None]) -> None:  # noqa: F811
    sink(table_name_format="none")
    db.insert("sales", [{"id": 1, "what": "x"}])
    assert "There is no table none in the database. Create it, or set" in reason(db)
    db.execute("DROP CONNECTOR target;")
    server.run("CREATE TABLE shop (what VARCHAR(9))")
    sink(table_name_format="shop")
    assert "The table shop has no column AMOUNT, AT, TAGS, D, OK, B" in reason(db)
    db.execute("DROP CONNECTOR target;")
    sink(table_name_format="shop", fields_whitelist="what")
    assert db.connectors.wait_idle(30)
    assert server.run("SELECT what FROM shop") == [("x",)]


def test_killed_in_the_middle_it_writes_each_row_once(tmp_path: Path, server: Server) -> None:  # noqa: F811
    """SIGKILL at seeded moments of plain inserts: every record is one row."""
    count, seeded = 600, random.Random(5)
    server.run("CREATE TABLE shop (what VARCHAR(9))")
    with penstock.connect(tmp_path / "db") as db:
        db.execute(STREAM)
        db.insert("sales", [{"id": n, "what": str(n)} for n in range(count)])
        statement = (
            f"CREATE SINK CONNECTOR target WITH ('connector.class'='JdbcSink', 'connection.url'='{server.url}', 'topics'='sales', "
            "'table.name.format'='shop', 'fields.whitelist'='what', 'batch.size'='40');"
        )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.connect.run_statements", str(tmp_path / "db"), statement]

    def written() -> int:
        return int(server.run("SELECT count(*) FROM shop")[0][0])

    for _ in range(2):
        process = subprocess.Popen(command, cwd=ROOT, env=environment)
        aim, deadline = min(count, written() + seeded.randint(1, 150)), time.monotonic() + 120
        try:
            while written() < aim:
                assert time.monotonic() < deadline
                assert process.poll() is None
                time.sleep(0.01)  # the database tells nobody of rows
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    subprocess.run([*command, "until-idle"], cwd=ROOT, env=environment, check=True, timeout=120)
    rows: list[Any] = server.run("SELECT what FROM shop")
    assert sorted(int(row[0]) for row in rows) == list(range(count))
