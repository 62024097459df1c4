"""JDBC source: what each mode brings, from real databases."""

from __future__ import annotations

import random
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime
from datetime import time as time_of_day
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.connect.databases import Server
from tests.connect.source_driver import Driver

from penstock.connect.contract import RetriableError, definition_of
from penstock.connect.options import shown_options
from penstock.connect.secrets import Secrets
from penstock.errors import ConfigError, ConnectorError, Error
from penstock.sql import types

CLASS = "io.confluent.connect.jdbc.JdbcSourceConnector"


@pytest.fixture(params=["postgresql", "mariadb", "sqlite"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Server:
    """A fresh database of each kind."""
    if request.param == "sqlite":
        return SqliteFile(tmp_path / "demo.db")
    whole: Server = request.getfixturevalue("postgres_server" if request.param == "postgresql" else "mariadb_server")
    return whole.fresh()


class SqliteFile(Server):
    """A SQLite file under the same interface."""

    def __init__(self, path: Path) -> None:
        super().__init__("sqlite", 0, str(path))

    @property
    def jdbc_url(self) -> str:
        return f"jdbc:sqlite:{self.database}"

    @property
    def url(self) -> str:
        return f"sqlite:///{self.database}"


@pytest.fixture
def source(server: Server, tmp_path: Path) -> Iterator[Callable[..., Driver]]:
    """Make a driver of the source on the database; keyword arguments are options, with `_` for the dot."""
    opened: list[Driver] = []

    def make(task: int = 0, tasks: int = 1, **options: str) -> Driver:
        given = {"connection.url": server.jdbc_url, "topic.prefix": "demo-", "poll.interval.ms": "20"}
        if server.dialect != "sqlite":
            given |= {"connection.user": server.user, "connection.password": server.password}
        given |= {name.replace("_", "."): text for name, text in options.items()}
        opened.append(Driver(CLASS, given, task=task, tasks=tasks, folders=[tmp_path]))
        return opened[-1]

    yield make
    for driver in opened:
        driver.close()


def test_incrementing_brings_each_row_once(server: Server, source: Callable[..., Driver]) -> None:
    server.run("CREATE TABLE sales (id INTEGER PRIMARY KEY, what VARCHAR(20))", "CREATE TABLE other (id INTEGER PRIMARY KEY)")
    server.run("INSERT INTO sales VALUES (1, 'a'), (2, 'b'), (5, 'c')")
    driver = source(mode="incrementing", incrementing_column_name="ID", table_whitelist="sales")
    assert [r.value for r in driver.take(3)] == [{"id": 1, "what": "a"}, {"id": 2, "what": "b"}, {"id": 5, "what": "c"}]
    assert driver.positions == {"sales": {"incrementing": 5}}
    assert {r.topic for r in driver.records} == {"demo-sales"}
    driver.restart()
    server.run("INSERT INTO sales VALUES (6, NULL)")
    assert [r.value for r in driver.take(1)] == [{"id": 6, "what": None}]
    driver.step()
    assert len(driver.records) == 4


def test_seeded_restarts_lose_and_double_nothing(server: Server, source: Callable[..., Driver]) -> None:
    seeded = random.Random(3)
    server.run("CREATE TABLE sales (id INTEGER PRIMARY KEY, n INTEGER)")
    driver = source(mode="incrementing", incrementing_column_name="id", batch_max_rows="7")
    written = 0
    while written < 200:
        many = seeded.randint(1, 30)
        server.run("INSERT INTO sales VALUES " + ", ".join(f"({n}, {n * n})" for n in range(written, written + many)))
        written += many
        for _ in range(seeded.randint(0, 4)):
            driver.step()
        if seeded.random() < 0.5:
            driver.source.poll()  # read, but the process died before it was committed
            driver.restart()
    driver.until(lambda: len(driver.records) >= written)
    assert [r.value["id"] for r in driver.records] == list(range(written))
    assert max(driver.batches) == 7


def test_timestamp_and_number_bring_changed_rows(server: Server, source: Callable[..., Driver]) -> None:
    exact = {"postgresql+psycopg": "TIMESTAMP", "mysql+pymysql": "DATETIME(3)", "sqlite": "TIMESTAMP"}[server.dialect]
    server.run(f"CREATE TABLE people (id INTEGER PRIMARY KEY, name VARCHAR(20), changed {exact} NOT NULL)")
    server.run("INSERT INTO people VALUES (1, 'a', '2020-01-01 00:00:00'), (2, 'b', '2020-01-01 00:00:00'), (3, 'c', '2020-01-02 00:00:00')")
    driver = source(mode="timestamp+incrementing", incrementing_column_name="id", timestamp_column_name="changed", batch_max_rows="1")
    assert [r.value["name"] for r in driver.take(3)] == ["a", "b", "c"]
    assert driver.records[2].value["changed"] == datetime(2020, 1, 2)
    server.run(
        "UPDATE people SET name = 'A', changed = '2020-01-02 00:00:00' WHERE id = 1", "INSERT INTO people VALUES (4, 'd', '2020-01-02 00:00:00')"
    )
    assert [r.value["name"] for r in driver.take(1)] == ["d"], "what has the same time and a smaller number was passed"
    server.run("UPDATE people SET name = 'B', changed = '2020-01-03 00:00:00' WHERE id = 2")
    driver.restart()
    assert [r.value["name"] for r in driver.take(1)] == ["B"]
    server.run("INSERT INTO people VALUES (9, 'tomorrow', '2999-01-01 00:00:00')")
    driver.step()
    driver.step()
    assert len(driver.records) == 5, "a time that is not yet over is left alone"


def test_rows_of_one_time_stay_together(server: Server, source: Callable[..., Driver]) -> None:
    server.run("CREATE TABLE people (name VARCHAR(20), made TIMESTAMP NULL, changed TIMESTAMP NULL)")
    rows = [(f"p{n}", n // 5) for n in range(20)]
    server.run("INSERT INTO people VALUES " + ", ".join(f"('{name}', '2020-01-01 00:00:0{second}', NULL)" for name, second in rows))
    driver = source(mode="timestamp", timestamp_column_name="changed,made", batch_max_rows="3")
    assert sorted(r.value["name"] for r in driver.take(20)) == sorted(name for name, _ in rows)
    assert driver.batches == [5, 5, 5, 5]
    server.run("UPDATE people SET changed = '2020-02-01 00:00:00' WHERE name = 'p7'")
    assert [r.value["name"] for r in driver.take(1)] == ["p7"]


def test_a_row_counts_when_its_time_is_over(server: Server, source: Callable[..., Driver]) -> None:
    """Two rows of one second, the second written after the first could have been read: both come."""
    server.run("CREATE TABLE people (name VARCHAR(20), changed TIMESTAMP NOT NULL)")
    now = {"sqlite": "CURRENT_TIMESTAMP", "postgresql+psycopg": "LOCALTIMESTAMP"}.get(server.dialect, "NOW()")
    driver = source(mode="timestamp", timestamp_column_name="changed")
    for name in "abcdef":
        server.run(f"INSERT INTO people VALUES ('{name}', {now})")
        driver.step()
    driver.until(lambda: len(driver.records) >= 6)
    assert sorted(r.value["name"] for r in driver.records) == list("abcdef")


def test_timestamp_initial_and_delay(server: Server, source: Callable[..., Driver]) -> None:
    server.run("CREATE TABLE people (id INTEGER PRIMARY KEY, changed TIMESTAMP NOT NULL)")
    server.run("INSERT INTO people VALUES (1, '2020-01-01 00:00:00'), (2, '2021-01-01 00:00:01')")
    since = source(mode="timestamp", timestamp_column_name="changed", timestamp_initial="1609459200000")
    assert [r.value["id"] for r in since.take(1)] == [2]
    from_now = source(mode="timestamp", timestamp_column_name="changed", timestamp_initial="-1", timestamp_delay_interval_ms="1000")
    for _ in range(3):
        assert from_now.step() == []
    from_now.restart()
    now = {"sqlite": "datetime('now', '+1 seconds')", "postgresql+psycopg": "LOCALTIMESTAMP + INTERVAL '1 second'"}.get(
        server.dialect, "NOW() + INTERVAL 1 SECOND"
    )
    started = time.monotonic()
    server.run(f"INSERT INTO people VALUES (3, {now})")
    assert [r.value["id"] for r in from_now.take(1)] == [3]
    assert time.monotonic() - started > 1


def test_bulk_reads_all_each_time(server: Server, source: Callable[..., Driver]) -> None:
    server.run("CREATE TABLE a (n INTEGER)", "CREATE TABLE b (n INTEGER)")
    server.run("INSERT INTO a VALUES (1), (2), (3), (4), (5)", "INSERT INTO b VALUES (7)")
    driver = source(mode="bulk", batch_max_rows="2", poll_interval_ms="50")
    records = driver.take(12)
    assert sorted((r.topic, r.value["n"]) for r in records) == sorted([("demo-a", n) for n in range(1, 6)] * 2 + [("demo-b", 7)] * 2)


def test_a_query(server: Server, source: Callable[..., Driver]) -> None:
    server.run("CREATE TABLE sales (id INTEGER PRIMARY KEY, amount NUMERIC(8, 2), who INTEGER)", "CREATE TABLE people (id INTEGER, name VARCHAR(9))")
    server.run("INSERT INTO people VALUES (1, 'it''s: me')", "INSERT INTO sales VALUES (1, 9.5, 1), (2, 7.25, 1)")
    driver = source(
        mode="incrementing", incrementing_column_name="id", batch_max_rows="1",
        query="SELECT s.id, s.amount, p.name FROM sales s JOIN people p ON p.id = s.who WHERE p.name <> ':x';",
    )  # fmt: skip
    records = driver.take(2)
    assert [(r.topic, r.value["id"], float(r.value["amount"]), r.value["name"]) for r in records] == [
        ("demo-", 1, 9.5, "it's: me"),
        ("demo-", 2, 7.25, "it's: me"),
    ]
    if server.dialect != "sqlite":
        assert str(records[0].value_schema).split(", `amount` ")[1] == "DECIMAL(8, 2), `name` STRING>"
    assert driver.positions == {"query": {"incrementing": 2}}


def test_tables_are_divided_and_found_later(server: Server, source: Callable[..., Driver]) -> None:
    for n in range(5):
        server.run(f"CREATE TABLE t{n} (id INTEGER PRIMARY KEY)", f"INSERT INTO t{n} VALUES ({n})")
    server.run("CREATE VIEW v AS SELECT * FROM t1")
    options = {"mode": "incrementing", "incrementing_column_name": "id", "table_blacklist": "t4", "table_poll_interval_ms": "20"}
    drivers = [source(task=task, tasks=2, **options) for task in range(2)]
    deadline = time.monotonic() + 30
    while sum(len(d.records) for d in drivers) < 4 and time.monotonic() < deadline:
        for driver in drivers:
            driver.step()
    assert sorted(r.topic for d in drivers for r in d.records) == ["demo-t0", "demo-t1", "demo-t2", "demo-t3"]
    server.run("CREATE TABLE t9 (id INTEGER PRIMARY KEY)", "INSERT INTO t9 VALUES (9)")
    while sum(len(d.records) for d in drivers) < 5 and time.monotonic() < deadline:
        for driver in drivers:
            driver.step()
    assert sorted(r.topic for d in drivers for r in d.records)[-1] == "demo-t9"
    views = source(mode="bulk", table_types="VIEW")
    assert [r.topic for r in views.take(1)] == ["demo-v"]


def test_a_column_that_is_added_comes_along(server: Server, source: Callable[..., Driver]) -> None:
    server.run("CREATE TABLE sales (id INTEGER PRIMARY KEY)", "INSERT INTO sales VALUES (1)")
    driver = source(mode="incrementing", incrementing_column_name="id")
    driver.take(1)
    server.run("ALTER TABLE sales ADD COLUMN what VARCHAR(9)", "INSERT INTO sales VALUES (2, 'x')")
    assert driver.take(1)[0].value == {"id": 2, "what": "x"}


def test_names_are_quoted(server: Server, source: Callable[..., Driver]) -> None:
    q = "`" if server.dialect.startswith("mysql") else '"'
    server.run(f"CREATE TABLE {q}Order; DROP{q} ({q}select{q} INTEGER PRIMARY KEY, {q}a b%{q} VARCHAR(9))")
    server.run(f"INSERT INTO {q}Order; DROP{q} VALUES (1, 'x')")
    driver = source(mode="incrementing", incrementing_column_name="select")
    assert driver.take(1)[0].value == {"select": 1, "a b%": "x"}


POSTGRES_TYPES: dict[str, tuple[str, Any, types.SqlType]] = {
    "SMALLINT": ("1", 1, types.INTEGER),
    "BIGINT": ("9223372036854775807", 2**63 - 1, types.BIGINT),
    "REAL": ("1.5", 1.5, types.DOUBLE),
    "NUMERIC(10, 2)": ("12.30", Decimal("12.30"), types.Decimal(10, 2)),
    "NUMERIC": ("1.25", Decimal("1.250000000000000000"), types.Decimal(38, 18)),
    "BOOLEAN": ("true", True, types.BOOLEAN),
    "BYTEA": (r"'\x00ff'", b"\0\xff", types.BYTES),
    "DATE": ("'2020-02-29'", date(2020, 2, 29), types.DATE),
    "TIME": ("'12:34:56.789'", time_of_day(12, 34, 56, 789000), types.TIME),
    "TIMESTAMP": ("'2020-02-29 12:00:00.5'", datetime(2020, 2, 29, 12, 0, 0, 500000), types.TIMESTAMP),
    "TIMESTAMPTZ": ("'2020-02-29 12:00:00+02'", datetime(2020, 2, 29, 10), types.TIMESTAMP),
    "UUID": ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", types.STRING),
    "JSONB": ("""'{"a": [1]}'""", '{"a": [1]}', types.STRING),
    "INTEGER[]": ("'{1,2}'", [1, 2], types.Array(types.INTEGER)),
    "INET": ("'10.0.0.1'", "10.0.0.1", types.STRING),
}
MARIADB_TYPES: dict[str, tuple[str, Any, types.SqlType]] = {
    "TINYINT": ("-1", -1, types.INTEGER),
    "BOOLEAN": ("1", True, types.BOOLEAN),
    "BIT(1)": ("b'1'", True, types.BOOLEAN),
    "BIT(9)": ("b'100000001'", b"\x01\x01", types.BYTES),
    "INT UNSIGNED": ("4294967295", 2**32 - 1, types.BIGINT),
    "BIGINT UNSIGNED": ("18446744073709551615", Decimal(2**64 - 1), types.Decimal(20, 0)),
    "DOUBLE": ("1.5", 1.5, types.DOUBLE),
    "DECIMAL(10, 2)": ("12.30", Decimal("12.30"), types.Decimal(10, 2)),
    "VARBINARY(9)": ("x'00ff'", b"\0\xff", types.BYTES),
    "BLOB": ("x'00ff'", b"\0\xff", types.BYTES),
    "TEXT": ("'ä'", "ä", types.STRING),
    "ENUM('a', 'b')": ("'b'", "b", types.STRING),
    "SET('a', 'b')": ("'a,b'", "a,b", types.STRING),
    "DATE": ("'2020-02-29'", date(2020, 2, 29), types.DATE),
    "TIME(3)": ("'12:34:56.789'", time_of_day(12, 34, 56, 789000), types.TIME),
    "DATETIME(6)": ("'2020-02-29 12:00:00.5'", datetime(2020, 2, 29, 12, 0, 0, 500000), types.TIMESTAMP),
    "YEAR": ("2020", 2020, types.INTEGER),
    "JSON": ("""'{"a": [1]}'""", '{"a": [1]}', types.STRING),
}
SQLITE_TYPES: dict[str, tuple[str, Any, types.SqlType]] = {
    "INTEGER": ("9223372036854775807", 2**63 - 1, types.BIGINT),
    "REAL": ("1.5", 1.5, types.DOUBLE),
    "DECIMAL(10, 2)": ("12.3", Decimal("12.30"), types.Decimal(10, 2)),
    "BOOLEAN": ("1", True, types.BOOLEAN),
    "BLOB": ("x'00ff'", b"\0\xff", types.BYTES),
    "TEXT": ("'ä'", "ä", types.STRING),
    "DATE": ("'2020-02-29'", date(2020, 2, 29), types.DATE),
    "TIME": ("'12:34:56'", time_of_day(12, 34, 56), types.TIME),
    "TIMESTAMP": ("'2020-02-29T12:00:00'", datetime(2020, 2, 29, 12), types.TIMESTAMP),
}


def test_types(server: Server, source: Callable[..., Driver]) -> None:
    cases = {"postgresql+psycopg": POSTGRES_TYPES, "mysql+pymysql": MARIADB_TYPES, "sqlite": SQLITE_TYPES}[server.dialect]
    server.run(f"CREATE TABLE t (id INTEGER PRIMARY KEY, {', '.join(f'c{i} {name}' for i, name in enumerate(cases))})")
    server.run(f"INSERT INTO t VALUES (1, {', '.join(text for text, _, _ in cases.values())})", "INSERT INTO t (id) VALUES (2)")
    full, empty = source(mode="incrementing", incrementing_column_name="id").take(2)
    assert isinstance(full.value_schema, types.Struct)
    for i, (name, (_, value, type_)) in enumerate(cases.items()):
        field = full.value_schema.field(f"c{i}")
        assert field is not None
        assert (name, field.type, full.value[f"c{i}"]) == (name, type_, value)
        assert type(full.value[f"c{i}"]) is type(value)
    if not server.dialect.startswith("mysql"):
        assert set(empty.value.values()) == {2, None}
    by_query = source(mode="bulk", query="SELECT * FROM t WHERE id = 1").take(1)[0]
    exceptions = {"BOOLEAN", "BIT(1)", "JSON", "JSONB"} if server.dialect != "sqlite" else {"DECIMAL(10, 2)", "BOOLEAN", "DATE", "TIME", "TIMESTAMP"}
    for i, (name, (_, value, _)) in enumerate(cases.items()):
        if name not in exceptions:
            assert (name, by_query.value[f"c{i}"]) == (name, value)


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        ("none", [types.Decimal(9, 0), types.Decimal(18, 0), types.Decimal(10, 2), types.Decimal(38, 18)]),
        ("precision_only", [types.INTEGER, types.BIGINT, types.Decimal(10, 2), types.Decimal(38, 18)]),
        ("best_fit", [types.INTEGER, types.BIGINT, types.DOUBLE, types.Decimal(38, 18)]),
        ("best_fit_eager_double", [types.INTEGER, types.BIGINT, types.DOUBLE, types.DOUBLE]),
    ],
)
def test_numeric_mapping(postgres_server: Server, mapping: str, expected: list[types.SqlType]) -> None:
    server = postgres_server.fresh()
    server.run("CREATE TABLE t (a NUMERIC(9), b NUMERIC(18), c NUMERIC(10, 2), d NUMERIC)", "INSERT INTO t VALUES (1, 2, 3.5, 4.5)")
    driver = Driver(CLASS, {"connection.url": server.url, "topic.prefix": "", "mode": "bulk", "numeric.mapping": mapping})
    (record,) = driver.take(1)
    driver.close()
    assert isinstance(record.value_schema, types.Struct)
    assert [field.type for field in record.value_schema.fields] == expected
    assert list(map(float, record.value.values())) == [1, 2, 3.5, 4.5]


def test_columns_of_a_query_need_names(postgres_server: Server) -> None:
    driver = Driver(CLASS, {"connection.url": postgres_server.url, "topic.prefix": "", "mode": "bulk", "query": "SELECT 1 AS a, 2 AS a"})
    with pytest.raises(ConfigError, match="not all named, or not differently"):
        driver.step()
    driver.close()


def test_other_schemas(postgres_server: Server) -> None:
    server = postgres_server.fresh()
    server.run("CREATE SCHEMA shop", "CREATE TABLE shop.sales (id SERIAL PRIMARY KEY)", "CREATE TABLE plain (id SERIAL PRIMARY KEY)")
    server.run("INSERT INTO shop.sales VALUES (1)", "INSERT INTO plain VALUES (2)")
    options = {"connection.url": server.url, "topic.prefix": "x-", "mode": "incrementing"}
    both = Driver(CLASS, options | {"table.include.list": "shop.sales, public.plain"})
    assert {(r.topic, r.value["id"]) for r in both.take(2)} == {("x-sales", 1), ("x-plain", 2)}
    both.close()
    one = Driver(CLASS, options | {"schema.pattern": "shop"})
    assert [r.topic for r in one.take(1)] == ["x-sales"]
    one.close()


def test_a_database_that_is_away_is_tried_again(server: Server, source: Callable[..., Driver]) -> None:
    if server.dialect == "sqlite":
        holder = sqlite3.connect(server.database, isolation_level=None)
        holder.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        holder.execute("BEGIN EXCLUSIVE")
        driver = source(mode="incrementing", connection_timeout_ms="1")
        with pytest.raises(RetriableError, match="locked"):
            driver.step()
        holder.execute("INSERT INTO t VALUES (1)")
        holder.execute("COMMIT")
        holder.close()
    else:
        server.run("CREATE TABLE t (id INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1)")
        driver = source(mode="incrementing", incrementing_column_name="id", connection_url=re.sub(r":\d+/", ":1/", server.jdbc_url))
        with pytest.raises(RetriableError, match=r"Reading from \w+ 127.0.0.1:1/"):
            driver.step()
        driver = source(mode="incrementing", incrementing_column_name="id")
        driver.take(1)
        kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
        if server.dialect.startswith("mysql"):
            (ids,) = server.run("SELECT GROUP_CONCAT(id) FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND db = DATABASE()")
            kill = f"KILL {ids[0]}"
        server.run(kill, "INSERT INTO t VALUES (2)")
        assert [r.value["id"] for r in driver.take(1)] == [2]
        return
    assert [r.value["id"] for r in driver.take(1)] == [1]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"mode": "timestamp"}, "needs 'timestamp.column.name'"),
        ({"mode": "sometimes"}, "It is one of: bulk"),
        ({"mode": "bulk", "query": "SELECT 1", "table_whitelist": "t"}, "exclude each other"),
        ({"mode": "bulk", "table_whitelist": "t", "table_blacklist": "u"}, "exclude each other"),
        ({"mode": "incrementing", "query": "SELECT 1"}, "needs 'incrementing.column.name' where a query"),
        ({"mode": "bulk", "table_types": "SYNONYM"}, "There are TABLE and VIEW"),
        ({"mode": "bulk", "connection_url": "jdbc:oracle:thin:@h:1521/x"}, "JDBC spelling is not known"),
        ({"mode": "bulk", "connection_url": "somewhere"}, "is no address of a database"),
        ({"mode": "bulk", "connection_url": "mssql+nothing://h/d"}, "for which there is no driver"),
        ({"mode": "bulk", "connection_url": "jdbc:mysql:///d"}, "names no host"),
        ({"mode": "bulk", "table_whitelist": "t, none"}, "There is no table none in the database. There are: t, t2."),
        ({"mode": "incrementing", "table_whitelist": "t", "incrementing_column_name": "none"}, "t has no column none. It has: id, changed."),
        ({"mode": "incrementing", "table_whitelist": "t2"}, "has 0 columns that the database numbers"),
        ({"mode": "timestamp", "table_whitelist": "t", "timestamp_column_name": "changed"}, "may be NULL, and rows where it is would never be read"),
        ({"mode": "bulk", "query": "SELECT none FROM t"}, "none"),
        ({"mode": "bulk", "schema_pattern": "none"}, "There is no schema none"),
    ],
)
def test_mistakes(server: Server, source: Callable[..., Driver], options: dict[str, str], complaint: str) -> None:
    server.run("CREATE TABLE t (id INTEGER PRIMARY KEY, changed TIMESTAMP NULL)", "CREATE TABLE t2 (name VARCHAR(9))")
    with pytest.raises(Error, match=re.escape(complaint)) as caught:
        source(**options).step()
    assert isinstance(caught.value, ConfigError | ConnectorError)
    assert not isinstance(caught.value, RetriableError)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("jdbc:mysql://asgard:3306/demo", "jdbc:mysql://asgard:3306/demo"),
        ("postgresql://me:p@ss@h:1/d", "postgresql://me:[hidden]@h:1/d"),
        ("jdbc:postgresql://h/d?user=x&password=p%40ss&ssl=true", "jdbc:postgresql://h/d?user=x&password=[hidden]&ssl=true"),
        ("postgresql://me:${env:PW}@h/d", "postgresql://me:${env:PW}@h/d"),
    ],
)
def test_an_address_is_shown_without_its_password(address: str, shown: str) -> None:
    options = definition_of(CLASS, "SOURCE").all_options
    assert shown_options(options, {"connection.url": address})["connection.url"] == shown
    secrets = Secrets(environment={"PW": "p@ss"})
    option = next(option for option in options if option.name == "connection.url")
    option.parse(address, secrets)
    if "hidden" in shown or "PW" in shown:
        assert secrets.redact("it said p@ss") == "it said [hidden]"


def test_a_wrong_password_is_not_shown(postgres_server: Server, mariadb_server: Server) -> None:
    for server in (postgres_server, mariadb_server):
        driver = Driver(
            CLASS,
            {"connection.url": server.jdbc_url, "connection.user": "penstock", "connection.password": "hunter2", "topic.prefix": "", "mode": "bulk"},
        )
        with pytest.raises(ConnectorError) as caught:
            driver.step()
        assert "hunter2" not in str(caught.value)
        assert "penstock" in str(caught.value)


def test_at_rest_it_costs_nothing(server: Server, source: Callable[..., Driver]) -> None:
    """One look at a table each five seconds, the default, is all: between two the task waits."""
    server.run("CREATE TABLE t (id INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    driver = source(mode="incrementing", incrementing_column_name="id", poll_interval_ms="1500")
    driver.take(1)
    before, started = time.process_time(), time.monotonic()
    driver.step()
    assert time.monotonic() - started > 1
    assert time.process_time() - before < 0.02
