"""Change capture from a real MariaDB: the snapshot, the binary log, the seam between them, crashes, types, schema changes."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime
from datetime import time as time_of_day
from decimal import Decimal
from typing import Any

import pytest
from tests.connect.databases import Server, run_mariadb
from tests.connect.replay import replay
from tests.connect.source_driver import Driver, StoppedError
from tests.connect.writer import Writer

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
    opened: list[Driver] = []

    def make(**more: str) -> Driver:
        opened.append(Driver(CLASS, options(server, **more)))
        return opened[-1]

    yield make
    for driver in opened:
        driver.close()


def streaming(driver: Driver) -> Driver:
    """Go on until the snapshot is over."""
    driver.until(lambda: driver.source._stream is not None)  # type: ignore[attr-defined]
    return driver


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


@pytest.mark.parametrize("seed", range(3))
def test_a_busy_table_and_crashes_lose_and_double_nothing(server: Server, capture: Callable[..., Driver], seed: int) -> None:
    """Someone writes while the snapshot runs; the source is broken off at seeded moments, in the snapshot and in the stream, also between a
    poll and its commit. The log of changes, replayed strictly, is the table."""
    seeded = random.Random(seed)
    key = ["id INT PRIMARY KEY", "id VARCHAR(20) PRIMARY KEY", "id INT, part VARCHAR(9) DEFAULT 'é', PRIMARY KEY (id, part)"][seed]
    server.run(f"CREATE TABLE t ({key}, n INT)", "CREATE TABLE keyless (n INT)")
    server.run("INSERT INTO t (id, n) SELECT seq, 0 FROM seq_1_to_400", "INSERT INTO keyless SELECT seq FROM seq_1_to_50")
    writer = Writer(server, seed, text_keys=seed == 1)
    driver = capture(max_batch_size="37")
    driver.step()
    writer.start()
    try:
        for _ in range(40):
            for _ in range(seeded.randint(0, 6)):
                driver.step()
            if seeded.random() < 0.5:
                if driver.source._stream is None or seeded.random() < 0.5:  # type: ignore[attr-defined]
                    driver.source.poll()  # and nothing of it is committed
                driver.restart()
    finally:
        writer.stop()
    server.run("INSERT INTO keyless VALUES (-1)")
    keyless = f"asgard.{server.database}.keyless"
    driver.until(lambda: any(r.value and r.value["after"].get("n") == -1 for r in driver.records if r.topic == keyless), 120)
    columns = ("id", "part", "n") if seed == 2 else ("id", "n")
    table, faults = replay([r for r in driver.records if r.topic == f"asgard.{server.database}.t"])
    assert faults == []
    assert sorted(tuple(row[c] for c in columns) for row in table.values()) == sorted(server.run(f"SELECT {', '.join(columns)} FROM t"))
    inserted = [r.value["after"]["n"] for r in driver.records if r.topic == keyless]
    assert sorted(inserted) == sorted(row[0] for row in server.run("SELECT n FROM keyless"))


def test_a_large_transaction_is_taken_in_parts(server: Server, capture: Callable[..., Driver]) -> None:
    server.run("CREATE TABLE t (id INT PRIMARY KEY)")
    driver = streaming(capture(max_batch_size="100"))
    server.run("INSERT INTO t SELECT seq FROM seq_1_to_1000", "INSERT INTO t VALUES (2000)")
    while len(driver.records) < 1001:
        driver.take(1)
        driver.restart()
    assert [r.key["id"] for r in driver.records] == [*range(1, 1001), 2000]
    assert max(driver.batches) == 100


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


CASES: dict[str, tuple[str, Any, types.SqlType, Any, types.SqlType]] = {
    # type: text, value and type by default, value and type where times are `connect` and decimals `double`
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
    for driver, at in ((plain, 1), (other, 3)):
        read, logged, empty = [*driver.records, *driver.take(2)]
        assert isinstance(read.value_schema, types.Struct)
        row = read.value_schema.field("after")
        assert row is not None
        assert isinstance(row.type, types.Struct)
        for i, (name, case) in enumerate(CASES.items()):
            assert (name, read.value["after"][f"c{i}"], row.type.fields[i + 1].type) == (name, case[at], case[at + 1])
            assert (name, logged.value["after"][f"c{i}"]) == (name, case[at])
        assert read.value_schema == logged.value_schema
        assert set(empty.value["after"].values()) == {3, None}


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


def test_snapshot_modes(server: Server, capture: Callable[..., Driver]) -> None:
    server.run(CUSTOMERS, "INSERT INTO customers VALUES (1, 'a', 'b')")
    never = streaming(capture(snapshot_mode="schema_only"))
    server.run("INSERT INTO customers VALUES (2, 'c', 'd')")
    assert [(r.value["op"], r.key["id"]) for r in never.take(1)] == [("c", 2)]
    always = capture(snapshot_mode="always")
    assert [r.value["op"] for r in always.take(2)] == ["r", "r"]
    streaming(always).restart()
    assert [r.value["op"] for r in always.take(2)] == ["r", "r"]
    only = capture(snapshot_mode="initial_only")
    only.take(2)
    threading.Timer(0.5, only.stop).start()
    with pytest.raises(StoppedError):
        only.run_on()
    assert len(only.records) == 2


def test_at_rest_it_costs_nothing_and_an_event_does_not_wait(server: Server, capture: Callable[..., Driver]) -> None:
    server.run("CREATE TABLE t (id INT PRIMARY KEY)")
    driver = streaming(capture(heartbeat_interval_ms="600000"))
    threading.Timer(2, lambda: server.run("INSERT INTO t VALUES (1)")).start()
    before = time.process_time()
    spent: list[float] = []
    threading.Timer(1.8, lambda: spent.append(time.process_time() - before)).start()
    driver.take(1)
    assert spent[0] < 0.05
    delays = []
    for n in range(2, 12):
        server.run(f"INSERT INTO t VALUES ({n})")
        committed = time.monotonic()
        driver.take(1)
        delays.append(time.monotonic() - committed)
    assert sorted(delays)[5] < 0.1


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
