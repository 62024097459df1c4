"""What both captures do alike, from a real PostgreSQL and a real MariaDB: crashes, parts of a transaction, snapshots' modes, waiting."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator

import pytest
from tests.connect.captures import Captured, MariaDbCaptured, PostgresCaptured, streaming
from tests.connect.databases import Server
from tests.connect.replay import replay
from tests.connect.source_driver import StoppedError
from tests.connect.writer import Writer

from penstock.connect.contract import RetriableError


@pytest.fixture(params=["postgres", "mariadb"])
def world(request: pytest.FixtureRequest) -> Iterator[Captured]:
    """A fresh database."""
    server: Server = request.getfixturevalue(f"{request.param}_server").fresh()
    captured = PostgresCaptured(server) if request.param == "postgres" else MariaDbCaptured(server)
    yield captured
    captured.close()


@pytest.mark.parametrize("seed", range(3))
def test_a_busy_table_and_crashes_lose_and_double_nothing(world: Captured, seed: int) -> None:
    """Someone writes while the snapshot runs; the source is broken off at seeded moments, in the snapshot and in the stream, also between a
    poll and its commit. The log of changes, replayed strictly, is the table."""
    seeded, server = random.Random(seed), world.server
    key = ["id INTEGER PRIMARY KEY", "id VARCHAR(20) PRIMARY KEY", "id INTEGER, part VARCHAR(9) DEFAULT 'é', PRIMARY KEY (id, part)"][seed]
    server.run(f"CREATE TABLE t ({key}, n INTEGER)", "CREATE TABLE keyless (n INTEGER)")
    if isinstance(world, PostgresCaptured):
        server.run("ALTER TABLE keyless REPLICA IDENTITY FULL")
    server.run(f"INSERT INTO t (id, n) SELECT x.*, 0 FROM ({world.numbers(400)}) x", f"INSERT INTO keyless {world.numbers(50)}")
    writer = Writer(server, seed, text_keys=seed == 1)
    driver = world.capture(max_batch_size="37")
    while not driver.records:
        driver.step()
    writer.start()
    try:
        for _ in range(40):
            try:
                for _ in range(seeded.randint(0, 6)):
                    driver.step()
                if seeded.random() < 0.5:
                    if driver.source._stream is None or seeded.random() < 0.5:  # type: ignore[attr-defined]
                        driver.source.poll()  # and nothing of it is committed
                    driver.restart()
            except RetriableError:
                time.sleep(0.02)  # the server has not noticed yet that the old connection is gone
    finally:
        writer.stop()
    server.run("INSERT INTO keyless VALUES (-1)")
    keyless = world.topic("keyless")
    driver.until(lambda: any(r.value and (r.value["after"] or {}).get("n") == -1 for r in driver.records if r.topic == keyless), 120)
    columns = ("id", "part", "n") if seed == 2 else ("id", "n")
    table, faults = replay([r for r in driver.records if r.topic == world.topic("t")])
    assert faults == []
    assert sorted(tuple(row[c] for c in columns) for row in table.values()) == sorted(server.run(f"SELECT {', '.join(columns)} FROM t"))
    inserted = [r.value["after"]["n"] for r in driver.records if r.topic == keyless]
    assert sorted(inserted) == sorted(row[0] for row in server.run("SELECT n FROM keyless"))


def test_a_large_transaction_is_taken_in_parts(world: Captured) -> None:
    world.server.run("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    driver = streaming(world.capture(max_batch_size="100"))
    world.server.run(f"INSERT INTO t {world.numbers(1000)}", "INSERT INTO t VALUES (2000)")
    while len(driver.records) < 1001:
        driver.take(1)
        driver.restart()
    assert [r.key["id"] for r in driver.records] == [*range(1, 1001), 2000]
    assert max(driver.batches) <= 110


def test_snapshot_modes(world: Captured) -> None:
    world.server.run("CREATE TABLE t (id INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    never = streaming(world.capture(snapshot_mode="no_data"))
    world.server.run("INSERT INTO t VALUES (2)")
    assert [(r.value["op"], r.key["id"]) for r in never.take(1)] == [("c", 2)]
    always = world.capture(snapshot_mode="always", **world.slot())
    assert [r.value["op"] for r in always.take(2)] == ["r", "r"]
    streaming(always).restart()
    assert [r.value["op"] for r in always.take(2)] == ["r", "r"]
    only = world.capture(snapshot_mode="initial_only", **world.slot())
    only.take(2)
    threading.Timer(0.5, only.stop).start()
    with pytest.raises(StoppedError):
        only.run_on()
    assert len(only.records) == 2


def test_at_rest_it_costs_nothing_and_an_event_does_not_wait(world: Captured) -> None:
    world.server.run("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    driver = streaming(world.capture(heartbeat_interval_ms="600000"))
    world.server.run("INSERT INTO t VALUES (0)")
    driver.take(1)  # a stream begins with some work
    threading.Timer(2, lambda: world.server.run("INSERT INTO t VALUES (1)")).start()
    before = time.process_time()
    spent: list[float] = []
    threading.Timer(1.8, lambda: spent.append(time.process_time() - before)).start()
    driver.take(1)
    assert spent[0] < 0.05
    delays = []
    for n in range(2, 12):
        world.server.run(f"INSERT INTO t VALUES ({n})")
        committed = time.monotonic()
        driver.take(1)
        delays.append(time.monotonic() - committed)
    assert sorted(delays)[5] < 0.1
