"""Change capture from a real PostgreSQL: the snapshot, the stream, the seam between them, crashes, types, schema changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import date, datetime
from datetime import time as time_of_day
from decimal import Decimal

import pytest
from tests.connect.captures import Cases, PostgresCaptured, check_types, streaming
from tests.connect.databases import Server
from tests.connect.source_driver import Driver

from penstock.connect.contract import RetriableError
from penstock.errors import ConfigError, ConnectorError
from penstock.sql import types

CLASS = "io.debezium.connector.postgresql.PostgresConnector"
UUID = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
CUSTOMERS = "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, club TEXT)"


@pytest.fixture
def server(postgres_server: Server) -> Server:
    """A fresh database."""
    return postgres_server.fresh()


@pytest.fixture
def capture(server: Server) -> Iterator[Callable[..., Driver]]:
    """Make a driver of the source; keyword arguments are options, with `_` for the dot. Its slot is dropped at the end."""
    captured = PostgresCaptured(server)
    yield captured.capture
    captured.close()


def test_snapshot_then_changes(server: Server, capture: Callable[..., Driver]) -> None:
    server.run(CUSTOMERS, "INSERT INTO customers VALUES (1, 'Rica', 'bronze'), (2, 'Ruthie', 'platinum')", "CREATE TABLE others (id INTEGER)")
    driver = capture(table_include_list="public.customers")
    first = driver.take(2)
    assert [(r.topic, r.key, r.value["op"], r.value["before"]) for r in first] == [("asgard.public.customers", {"id": n}, "r", None) for n in (1, 2)]
    assert first[0].value["after"] == {"id": 1, "name": "Rica", "club": "bronze"}
    assert first[0].value["source"]["snapshot"] == "true"
    assert isinstance(first[0].value_schema, types.Struct)
    assert [field.name for field in first[0].value_schema.fields] == ["before", "after", "source", "op", "ts_ms"]
    assert str(first[0].key_schema) == "STRUCT<`id` INTEGER>"
    streaming(driver)
    server.run(
        "INSERT INTO customers VALUES (3, 'Brianna', NULL)",
        "UPDATE customers SET club = 'platinum' WHERE id = 1",
        "DELETE FROM customers WHERE id = 2",
    )
    server.run("INSERT INTO others VALUES (1)")
    created, updated, deleted, tombstone = driver.take(4)
    assert (created.value["op"], created.value["after"]) == ("c", {"id": 3, "name": "Brianna", "club": None})
    assert (updated.value["op"], updated.value["before"], updated.value["after"]["club"]) == ("u", None, "platinum")
    assert (deleted.value["op"], deleted.value["before"]["id"], deleted.value["after"], deleted.key) == ("d", 2, None, {"id": 2})
    assert (tombstone.key, tombstone.value) == ({"id": 2}, None)
    source = created.value["source"]
    assert (source["connector"], source["db"], source["schema"], source["table"], source["snapshot"]) == (
        "postgresql",
        server.database,
        "public",
        "customers",
        "false",
    )
    assert abs(source["ts_ms"] - time.time() * 1000) < 60_000
    server.run("UPDATE customers SET id = 30 WHERE id = 3")
    gone, also, came = driver.take(3)
    assert (gone.value["op"], gone.key, also.value, came.value["op"], came.key) == ("d", {"id": 3}, None, "c", {"id": 30})


def test_whole_old_rows_and_no_tombstones(server: Server, capture: Callable[..., Driver]) -> None:
    server.run(CUSTOMERS, "ALTER TABLE customers REPLICA IDENTITY FULL", "INSERT INTO customers VALUES (1, 'a', 'b')")
    driver = streaming(capture(tombstones_on_delete="false", snapshot_mode="never", skipped_operations="none"))
    server.run("UPDATE customers SET club = 'c'", "TRUNCATE customers", "INSERT INTO customers VALUES (2, 'x', 'y')", "DELETE FROM customers")
    updated, emptied, _, deleted = driver.take(4)
    assert updated.value["before"] == {"id": 1, "name": "a", "club": "b"}
    assert (emptied.value["op"], emptied.key, emptied.value["after"]) == ("t", None, None)
    assert deleted.value["before"] == {"id": 2, "name": "x", "club": "y"}
    assert driver.batches


def test_the_server_forgets_only_what_is_committed(server: Server, capture: Callable[..., Driver]) -> None:
    server.run("CREATE TABLE t (id INTEGER PRIMARY KEY)", "CREATE TABLE noise (id INTEGER)")
    driver = streaming(capture(table_include_list="public.t", publication_autocreate_mode="filtered"))

    def flushed() -> str:
        return str(server.run("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE database = current_database()")[0][0])

    server.run("INSERT INTO t VALUES (1)")
    while not (batch := driver.source.poll()).records:
        pass
    before = flushed()
    time.sleep(0.3)
    assert flushed() == before
    driver.positions.update(batch.positions)
    driver.source.committed(batch)
    deadline = time.monotonic() + 20
    while flushed() == before:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_column_that_is_added_and_one_that_is_dropped(server: Server, capture: Callable[..., Driver]) -> None:
    server.run(CUSTOMERS)
    driver = streaming(capture())
    server.run(
        "INSERT INTO customers VALUES (1, 'a', 'b')",
        "ALTER TABLE customers ADD COLUMN points BIGINT DEFAULT 7",
        "INSERT INTO customers (id) VALUES (2)",
    )
    server.run("ALTER TABLE customers DROP COLUMN club", "INSERT INTO customers (id) VALUES (3)")
    rows = [r.value["after"] for r in driver.take(3)]
    assert rows == [{"id": 1, "name": "a", "club": "b"}, {"id": 2, "name": None, "club": None, "points": 7}, {"id": 3, "name": None, "points": 7}]


CASES: Cases = {
    "SMALLINT": ("-1", -1, types.INTEGER, -1, types.INTEGER),
    "BIGINT": ("9223372036854775807", 2**63 - 1, types.BIGINT, 2**63 - 1, types.BIGINT),
    "DOUBLE PRECISION": ("1.5", 1.5, types.DOUBLE, 1.5, types.DOUBLE),
    "NUMERIC(10, 2)": ("12.3", Decimal("12.30"), types.Decimal(10, 2), 12.3, types.DOUBLE),
    "NUMERIC": ("1.25", Decimal("1.250000000000000000"), types.Decimal(38, 18), 1.25, types.DOUBLE),
    "MONEY": ("1234.5", Decimal("1234.50"), types.Decimal(19, 2), 1234.5, types.DOUBLE),
    "BOOLEAN": ("true", True, types.BOOLEAN, True, types.BOOLEAN),
    "BYTEA": (r"'\x00ff'", b"\0\xff", types.BYTES, b"\0\xff", types.BYTES),
    "BIT(1)": ("B'1'", True, types.BOOLEAN, True, types.BOOLEAN),
    "BIT(9)": ("B'100000001'", b"\x01\x01", types.BYTES, b"\x01\x01", types.BYTES),
    "VARCHAR(9)": ("'ä'", "ä", types.STRING, "ä", types.STRING),
    "DATE": ("'1970-01-11'", 10, types.INTEGER, date(1970, 1, 11), types.DATE),
    "TIME": ("'00:00:01.5'", 1_500_000, types.BIGINT, time_of_day(0, 0, 1, 500_000), types.TIME),
    "TIME(3)": ("'00:00:01.5'", 1_500, types.INTEGER, time_of_day(0, 0, 1, 500_000), types.TIME),
    "TIMESTAMP": ("'1970-01-01 00:00:01.5'", 1_500_000, types.BIGINT, datetime(1970, 1, 1, 0, 0, 1, 500_000), types.TIMESTAMP),
    "TIMESTAMP(3)": ("'1970-01-01 00:00:01.5'", 1_500, types.BIGINT, datetime(1970, 1, 1, 0, 0, 1, 500_000), types.TIMESTAMP),
    "TIMESTAMPTZ": ("'2020-02-29 12:00+02'", "2020-02-29T10:00:00Z", types.STRING, datetime(2020, 2, 29, 10), types.TIMESTAMP),
    "JSONB": ("""'{"a": [1]}'""", '{"a": [1]}', types.STRING, '{"a": [1]}', types.STRING),
    "UUID": (f"'{UUID}'", UUID, types.STRING, UUID, types.STRING),
    "INTEGER[]": ("'{1,NULL,2}'", [1, None, 2], types.Array(types.INTEGER), [1, None, 2], types.Array(types.INTEGER)),
    "TEXT[]": (
        r"""'{a,"b \"c\", {d}",NULL}'""",
        ["a", 'b "c", {d}', None],
        types.Array(types.STRING),
        ["a", 'b "c", {d}', None],
        types.Array(types.STRING),
    ),
    "mood": ("'ok'", "ok", types.STRING, "ok", types.STRING),
    "mood[]": ("'{ok,sad}'", ["ok", "sad"], types.Array(types.STRING), ["ok", "sad"], types.Array(types.STRING)),
    "small": ("7", 7, types.INTEGER, 7, types.INTEGER),
    "INTERVAL": ("'1 day'", "1 day", types.STRING, "1 day", types.STRING),
}


def test_types_are_the_same_from_the_snapshot_and_from_the_log(server: Server, capture: Callable[..., Driver]) -> None:
    server.run("CREATE TYPE mood AS ENUM ('sad', 'ok')", "CREATE DOMAIN small AS INTEGER CHECK (VALUE < 10)")
    server.run(f"CREATE TABLE t (id INTEGER PRIMARY KEY, {', '.join(f'c{i} {name}' for i, name in enumerate(CASES))})")
    values = ", ".join(case[0] for case in CASES.values())
    server.run(f"INSERT INTO t VALUES (1, {values})")
    plain, other = capture(), capture(slot_name="other", time_precision_mode="connect", decimal_handling_mode="double")
    streaming(plain)
    streaming(other)
    server.run(f"INSERT INTO t VALUES (2, {values})", "INSERT INTO t VALUES (3)")
    check_types(plain, CASES, connect=False)
    check_types(other, CASES, connect=True)


def test_large_values_that_an_update_did_not_touch(server: Server, capture: Callable[..., Driver]) -> None:
    server.run("CREATE TABLE t (id INTEGER PRIMARY KEY, large TEXT, n INTEGER)", "ALTER TABLE t ALTER large SET STORAGE EXTERNAL")
    server.run("INSERT INTO t VALUES (1, repeat('x', 100000), 0)")
    driver = streaming(capture())
    server.run("UPDATE t SET n = 1", "ALTER TABLE t REPLICA IDENTITY FULL", "UPDATE t SET n = 2")
    lacking, whole = driver.take(2)
    assert lacking.value["after"] == {"id": 1, "large": "__debezium_unavailable_value", "n": 1}
    assert whole.value["after"] == {"id": 1, "large": "x" * 100_000, "n": 2}


def test_a_lost_connection_is_taken_up_again(server: Server, capture: Callable[..., Driver]) -> None:
    server.run("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    driver = streaming(capture())
    server.run("INSERT INTO t VALUES (1)")
    driver.take(1)
    server.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
        "INSERT INTO t VALUES (2)",
    )
    with pytest.raises(RetriableError):
        driver.run_on()
    assert [r.key["id"] for r in driver.take(1)] == [2]


def test_a_slot_that_is_gone_is_said(server: Server, capture: Callable[..., Driver]) -> None:
    server.run(CUSTOMERS, "INSERT INTO customers VALUES (1, 'a', 'b')")
    driver = capture()
    driver.take(1)
    driver.close()
    server.run("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()")
    again = capture()
    again.positions = dict(driver.positions)
    with pytest.raises(ConnectorError, match=r"is gone, and with it the changes since the last start. DROP the connector"):
        again.step()
    anew = capture(snapshot_mode="when_needed")
    anew.positions = dict(driver.positions)
    assert [r.value["op"] for r in anew.take(1)] == ["r"]


def test_heartbeats(server: Server, capture: Callable[..., Driver]) -> None:
    server.run("CREATE TABLE beats (n INTEGER)")
    driver = capture(heartbeat_interval_ms="50", heartbeat_action_query="INSERT INTO beats VALUES (1)", table_include_list="none")
    beats = driver.take(3)
    assert {r.topic for r in beats} == {"__debezium-heartbeat.asgard"}
    assert beats[0].key == {"serverName": "asgard"}
    assert server.run("SELECT count(*) FROM beats")[0][0] >= 3


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"table.include.list": "("}, "is no regular expression"),
        ({"skipped.operations": "x"}, "There are c, u, d, t and none"),
        ({"publication.autocreate.mode": "disabled"}, "There is no publication"),
        ({"database.dbname": "none"}, "does not exist"),
        ({"database.password": "hunter2"}, "password authentication failed"),
        ({"plugin.name": "wal2json"}, "It is one of: pgoutput"),
        ({"publication.autocreate.mode": "filtered", "table.include.list": "none"}, "No table is wanted"),
    ],
)
def test_mistakes(server: Server, options: dict[str, str], complaint: str) -> None:
    given = {
        "database.hostname": "127.0.0.1", "database.port": str(server.port), "database.user": server.user, "database.password": server.password,
        "database.dbname": server.database, "topic.prefix": "asgard",
    }  # fmt: skip
    with pytest.raises((ConfigError, ConnectorError), match=complaint) as caught:
        Driver(CLASS, given | options).run_on()
    assert "hunter2" not in str(caught.value)
