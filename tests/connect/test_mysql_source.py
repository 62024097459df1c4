"""Change capture from a real MariaDB: the snapshot, the binary log, the seam between them, crashes, types, schema changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime
from datetime import time as time_of_day
from decimal import Decimal

import pytest
from tests.connect.captures import Cases, MariaDbCaptured, check_types, streaming
from tests.connect.databases import Server, run_mariadb
from tests.connect.source_driver import Driver

from penstock.connect.contract import RetriableError
from penstock.errors import ConfigError, ConnectorError
from penstock.sql import types

CLASS = "io.debezium.connector.mysql.MySqlConnector"
CUSTOMERS = "CREATE TABLE customers (id INT PRIMARY KEY, name VARCHAR(20), club VARCHAR(20))"


@pytest.fixture
def server(mariadb_server: Server) -> Server:
    """A fresh database."""
    return mariadb_server.fresh()


def options(server: Server, **more: str) -> dict[str, str]:
    given = {
        "database.hostname": "127.0.0.1", "database.port": str(server.port), "database.user": server.user, "database.password": server.password,
        "database.include.list": server.database, "database.server.name": "asgard", "database.history.kafka.topic": "ignored",
    }  # fmt: skip
    return given | {name.replace("_", "."): text for name, text in more.items()}


@pytest.fixture
def capture(server: Server) -> Iterator[Callable[..., Driver]]:
    """Make a driver of the source; keyword arguments are options, with `_` for the dot."""
    captured = MariaDbCaptured(server)
    yield captured.capture
    captured.close()


@pytest.mark.parametrize("locking", ["minimal", "extended"])
def test_snapshot_then_changes(server: Server, capture: Callable[..., Driver], locking: str) -> None:
    server.run(CUSTOMERS, "INSERT INTO customers VALUES (1, 'Rica', 'bronze'), (2, 'Ruthie', 'platinum')", "CREATE TABLE others (id INT)")
    driver = capture(table_whitelist=f"{server.database}.customers", snapshot_locking_mode=locking, database_server_id="4711")
    first = driver.take(2)
    topic = f"asgard.{server.database}.customers"
    assert [(r.topic, r.key, r.value["op"], r.value["before"]) for r in first] == [(topic, {"id": n}, "r", None) for n in (1, 2)]
    assert first[0].value["after"] == {"id": 1, "name": "Rica", "club": "bronze"}
    streaming(driver)
    server.run("INSERT INTO customers VALUES (3, 'Brianna', NULL)", "UPDATE customers SET club = 'platinum' WHERE id = 1")
    server.run("DELETE FROM customers WHERE id = 2", "INSERT INTO others VALUES (1)")
    created, updated, deleted, tombstone = driver.take(4)
    assert (created.value["op"], created.value["after"]) == ("c", {"id": 3, "name": "Brianna", "club": None})
    assert created.value_schema == first[0].value_schema
    assert created.key_schema == first[0].key_schema
    assert (updated.value["op"], updated.value["before"]["club"], updated.value["after"]["club"]) == ("u", "bronze", "platinum")
    assert (deleted.value["op"], deleted.value["before"]["name"], deleted.value["after"], deleted.key) == ("d", "Ruthie", None, {"id": 2})
    assert (tombstone.key, tombstone.value) == ({"id": 2}, None)
    source = created.value["source"]
    assert (source["connector"], source["db"], source["table"], source["snapshot"], source["server_id"]) == (
        "mysql",
        server.database,
        "customers",
        "false",
        1,
    )
    assert source["gtid"].startswith("0-1-")
    server.run("UPDATE customers SET id = 30 WHERE id = 3")
    gone, also, came = driver.take(3)
    assert (gone.value["op"], gone.key, also.value, came.value["op"], came.key) == ("d", {"id": 3}, None, "c", {"id": 30})


def test_a_column_that_is_added_and_one_that_is_dropped(server: Server, capture: Callable[..., Driver]) -> None:
    server.run(CUSTOMERS)
    driver = streaming(capture(skipped_operations="none"))
    server.run(
        "INSERT INTO customers VALUES (1, 'a', 'b')",
        "ALTER TABLE customers ADD COLUMN points BIGINT DEFAULT 7",
        "INSERT INTO customers (id) VALUES (2)",
    )
    server.run("ALTER TABLE customers DROP COLUMN club", "INSERT INTO customers (id) VALUES (3)", "TRUNCATE TABLE customers", "FLUSH BINARY LOGS")
    server.run("INSERT INTO customers (id) VALUES (4)")
    *rows, emptied, last = driver.take(5)
    assert [r.value["after"] for r in rows] == [
        {"id": 1, "name": "a", "club": "b"}, {"id": 2, "name": None, "club": None, "points": 7}, {"id": 3, "name": None, "points": 7},
    ]  # fmt: skip
    assert (emptied.value["op"], emptied.value["before"], emptied.value["after"]) == ("t", None, None)
    assert last.value["after"]["id"] == 4
    assert driver.positions["mysql"]["file"] != driver.records[0].value["source"]["file"]


CASES: Cases = {
    "TINYINT": ("-1", -1, types.INTEGER, -1, types.INTEGER),
    "TINYINT UNSIGNED": ("255", 255, types.INTEGER, 255, types.INTEGER),
    "MEDIUMINT": ("-8388608", -8388608, types.INTEGER, -8388608, types.INTEGER),
    "INT UNSIGNED": ("4294967295", 2**32 - 1, types.BIGINT, 2**32 - 1, types.BIGINT),
    "BIGINT": ("-9223372036854775808", -(2**63), types.BIGINT, -(2**63), types.BIGINT),
    "FLOAT": ("1.1", 1.1, types.DOUBLE, 1.1, types.DOUBLE),
    "DOUBLE": ("1.1", 1.1, types.DOUBLE, 1.1, types.DOUBLE),
    "DECIMAL(10, 2)": ("-12.3", Decimal("-12.30"), types.Decimal(10, 2), -12.3, types.DOUBLE),
    "BIT(1)": ("b'1'", True, types.BOOLEAN, True, types.BOOLEAN),
    "BIT(9)": ("b'100000001'", b"\x01\x01", types.BYTES, b"\x01\x01", types.BYTES),
    "BINARY(4)": ("x'ff00'", b"\xff\0\0\0", types.BYTES, b"\xff\0\0\0", types.BYTES),
    "VARBINARY(9)": ("x'00ff'", b"\0\xff", types.BYTES, b"\0\xff", types.BYTES),
    "BLOB": ("x'00ff'", b"\0\xff", types.BYTES, b"\0\xff", types.BYTES),
    "VARCHAR(9)": ("'ä😀'", "ä😀", types.STRING, "ä😀", types.STRING),
    "CHAR(9) CHARACTER SET latin1": ("'ä'", "ä", types.STRING, "ä", types.STRING),
    "TEXT": ("'ä'", "ä", types.STRING, "ä", types.STRING),
    "ENUM('a', 'b')": ("'b'", "b", types.STRING, "b", types.STRING),
    "SET('z', 'b')": ("'b,z'", "z,b", types.STRING, "z,b", types.STRING),
    "SET('y')": ("''", "", types.STRING, "", types.STRING),
    "DATE": ("'1970-01-11'", 10, types.INTEGER, date(1970, 1, 11), types.DATE),
    "TIME(3)": ("'00:00:01.5'", 1_500_000, types.BIGINT, time_of_day(0, 0, 1, 500_000), types.TIME),
    "DATETIME": ("'1970-01-01 00:00:01'", 1_000, types.BIGINT, datetime(1970, 1, 1, 0, 0, 1), types.TIMESTAMP),
    "DATETIME(6)": ("'1970-01-01 00:00:01.5'", 1_500_000, types.BIGINT, datetime(1970, 1, 1, 0, 0, 1, 500_000), types.TIMESTAMP),
    "TIMESTAMP(3) NULL": (
        "'2020-02-29 12:00:00.5'",
        "2020-02-29T12:00:00.500000Z",
        types.STRING,
        datetime(2020, 2, 29, 12, 0, 0, 500_000),
        types.TIMESTAMP,
    ),
    "YEAR": ("2020", 2020, types.INTEGER, 2020, types.INTEGER),
    "JSON": ("""'{"a": [1]}'""", '{"a": [1]}', types.STRING, '{"a": [1]}', types.STRING),
}


def test_types_are_the_same_from_the_snapshot_and_from_the_log(server: Server, capture: Callable[..., Driver]) -> None:
    server.run(f"CREATE TABLE t (id INT PRIMARY KEY, {', '.join(f'c{i} {name}' for i, name in enumerate(CASES))})")
    values = ", ".join(case[0] for case in CASES.values())
    insert = f"SET SESSION time_zone = '+00:00', sql_mode = ''; INSERT INTO t VALUES (%d, {values})"
    run_in_utc(server, insert % 1)
    plain = streaming(capture())
    other = streaming(capture(time_precision_mode="connect", decimal_handling_mode="double"))
    run_in_utc(server, insert % 2)
    server.run("INSERT INTO t (id) VALUES (3)")
    check_types(plain, CASES, connect=False)
    check_types(other, CASES, connect=True)


def run_in_utc(server: Server, statements: str) -> None:
    """Run statements on one connection."""
    import sqlalchemy

    engine = sqlalchemy.create_engine(server.url, poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        for statement in statements.split("; "):
            connection.exec_driver_sql(statement.replace("%", "%%"))
    engine.dispose()


def test_large_unsigned_numbers(server: Server, capture: Callable[..., Driver]) -> None:
    server.run("CREATE TABLE t (id BIGINT UNSIGNED PRIMARY KEY)")
    driver = streaming(capture(bigint_unsigned_handling_mode="precise"))
    server.run("INSERT INTO t VALUES (18446744073709551615)")
    assert driver.take(1)[0].value["after"] == {"id": Decimal(2**64 - 1)}


def test_a_lost_connection_is_taken_up_again(server: Server, capture: Callable[..., Driver]) -> None:
    server.run("CREATE TABLE t (id INT PRIMARY KEY)")
    driver = streaming(capture())
    server.run("INSERT INTO t VALUES (1)")
    driver.take(1)
    for (thread,) in server.run("SELECT id FROM information_schema.processlist WHERE command = 'Binlog Dump'"):
        server.run(f"KILL {thread}")
    server.run("INSERT INTO t VALUES (2)")
    with pytest.raises(RetriableError):
        driver.run_on()
    assert [r.key["id"] for r in driver.take(1)] == [2]


def test_a_log_that_is_gone_is_said(capture: Callable[..., Driver], server: Server) -> None:
    server.run(CUSTOMERS, "INSERT INTO customers VALUES (1, 'a', 'b')")
    driver = streaming(capture())
    position = {**driver.positions["mysql"], "file": "binlog.000000"}
    again = capture()
    again.positions = {"mysql": position}
    with pytest.raises(ConnectorError, match=r"no longer has its log binlog.000000, and with it changes since the last start. DROP the connector"):
        again.step()
    anew = capture(snapshot_mode="when_needed")
    anew.positions = {"mysql": position}
    assert [r.value["op"] for r in anew.take(1)] == ["r"]
    beyond = capture()
    beyond.positions = {"mysql": {**driver.positions["mysql"], "pos": 10**8}}
    with pytest.raises(ConnectorError, match="cannot send its log from the last position on"):
        beyond.run_on()


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"table_include_list": "("}, "is no regular expression"),
        ({"database_password": "hunter2"}, "Access denied"),
        ({"database_port": "1"}, "connection to the server failed"),
    ],
)
def test_mistakes(server: Server, more: dict[str, str], complaint: str) -> None:
    with pytest.raises((ConfigError, ConnectorError), match=complaint) as caught:
        Driver(CLASS, options(server, **more)).step()
    assert "hunter2" not in str(caught.value)


def test_a_server_that_does_not_log_enough(server: Server) -> None:
    server.run("SET GLOBAL binlog_row_metadata = NO_LOG", "SET GLOBAL binlog_format = MIXED")
    try:
        with pytest.raises(ConfigError, match="SET GLOBAL binlog_format = ROW; SET GLOBAL binlog_row_metadata = FULL;"):
            Driver(CLASS, options(server)).step()
    finally:
        server.run("SET GLOBAL binlog_row_metadata = FULL", "SET GLOBAL binlog_format = ROW")


def test_a_server_that_does_not_log() -> None:
    with run_mariadb("--skip-log-bin") as server, pytest.raises(ConfigError, match="writes no binary log"):
        Driver(CLASS, options(server)).step()
