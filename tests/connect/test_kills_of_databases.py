"""Sources of databases in a process that is killed at seeded moments while somebody writes: every row and every change is there once."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.connect.databases import Server
from tests.connect.killed import Killed, records
from tests.connect.replay import replay
from tests.connect.test_jdbc_source import SqliteFile
from tests.connect.writer import Writer

from penstock.connect.records import SourceRecord

KILLS = 2
PLAIN_JSON = "org.apache.kafka.connect.json.JsonConverter"
EVERY = {"retry.backoff.ms": "20", "value.converter": PLAIN_JSON, "value.converter.schemas.enable": "false"}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_jdbc_source_brings_each_row_once(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    server: Server = SqliteFile(tmp_path / "shop.db") if kind == "sqlite" else request.getfixturevalue("postgres_server").fresh()
    server.run("CREATE TABLE sales (id INTEGER PRIMARY KEY, n INTEGER)")
    seeded, done = random.Random(kind), threading.Event()

    def write() -> int:
        """Insert rows, numbered from 0, until it is enough; how many."""
        seeded, written = random.Random(7), 0
        while not done.wait(0.03):
            many = seeded.randint(1, 12)
            server.run("INSERT INTO sales VALUES " + ", ".join(f"({n}, {n * n})" for n in range(written, written + many)))
            written += many
        return written

    source = {
        "connector.class": "io.confluent.connect.jdbc.JdbcSourceConnector", "connection.url": server.jdbc_url, "topic.prefix": "shop-",
        "mode": "incrementing", "incrementing.column.name": "id", "batch.max.rows": "10", "poll.interval.ms": "5",
    }  # fmt: skip
    if kind != "sqlite":
        source |= {"connection.user": server.user, "connection.password": server.password}
    killed = Killed(tmp_path / "db", {"till": ["SOURCE", EVERY | source]})
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        try:
            for _ in range(KILLS):
                killed.kill_after(seeded.randint(2, 10), "shop-sales")
        finally:
            done.set()
    killed.finish({"shop-sales": writing.result()})
    found = [json.loads(value or b"null") for _, value in records(tmp_path / "db", "shop-sales")]
    assert found == [{"id": n, "n": n * n} for n in range(writing.result())]


@pytest.fixture(params=["postgresql", "mariadb"])
def captured(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A fresh database whose log can be read."""
    whole: Server = request.getfixturevalue("postgres_server" if request.param == "postgresql" else "mariadb_server")
    server = whole.fresh()
    yield server
    if request.param == "postgresql":
        server.drop_slots()


def test_change_capture_brings_each_change_once(captured: Server, tmp_path: Path) -> None:
    """Killed within the snapshot and within the stream. What arrived, replayed strictly, is the table."""
    seeded, is_postgres = random.Random(11), captured.dialect.startswith("postgresql")
    captured.run("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)", "CREATE TABLE keyless (n INTEGER)", "CREATE TABLE last (n INTEGER)")
    captured.run("INSERT INTO t (id, n) VALUES " + ", ".join(f"({n}, 0)" for n in range(1, 151)))
    source = {
        "database.hostname": "127.0.0.1", "database.port": str(captured.port), "database.user": captured.user, "topic.prefix": "asgard",
        "database.password": captured.password, "max.batch.size": "37", "key.converter": PLAIN_JSON, "key.converter.schemas.enable": "false",
    }  # fmt: skip
    if is_postgres:
        source |= {"connector.class": "PostgresConnector", "database.dbname": captured.database, "slot.name": captured.database}
    else:
        source |= {"connector.class": "MySqlConnector", "database.include.list": captured.database}
    prefix = f"asgard.{'public' if is_postgres else captured.database}"
    killed = Killed(tmp_path / "db", {"capture": ["SOURCE", EVERY | source]})
    writer = Writer(captured, 5)
    writer.start()
    try:
        for least, most in ((2, 4), (15, 40), (2, 30)):  # first within the snapshot, which has five batches
            killed.kill_after(seeded.randint(least, most), f"{prefix}.t")
    finally:
        writer.stop()
    captured.run("INSERT INTO last VALUES (1)")  # comes after all the others
    killed.finish({f"{prefix}.last": 1})

    changes = [
        SourceRecord("t", None if value is None else json.loads(value), key=json.loads(key or b"null"))
        for key, value in records(tmp_path / "db", f"{prefix}.t")
    ]
    table, faults = replay(changes)
    assert faults == []
    assert sorted((row["id"], row["n"]) for row in table.values()) == sorted(captured.run("SELECT id, n FROM t"))
    assert {change.value["op"] for change in changes if change.value} >= set("rcu"), "of the snapshot and of the stream"
    assert len(records(tmp_path / "db", f"{prefix}.last")) == 1
    inserted = [json.loads(value or b"null")["after"]["n"] for _, value in records(tmp_path / "db", f"{prefix}.keyless")]
    assert sorted(inserted) == sorted(row[0] for row in captured.run("SELECT n FROM keyless"))
