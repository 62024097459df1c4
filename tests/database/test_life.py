"""A database from opening to closing: its queries' lives, readers beside the writer, and coming back to a folder."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import lmdb
import pytest
from tests.machine import files_no_larger_than

import penstock
from penstock.errors import StorageError
from penstock.log.embedded import environment

STREAM = "CREATE STREAM s (id STRING KEY, n INT) WITH (kafka_topic='s', value_format='JSON', partitions=1);"
COUNT = "CREATE TABLE t AS SELECT id, COUNT(*) AS c FROM s GROUP BY id;"


def table(db: penstock.Database, name: str = "t") -> dict[str, int]:
    assert db.wait_idle(20)
    return {row[0]: row[1] for row in db.query(f"SELECT * FROM {name};").fetchall()}


def query_id(db: penstock.Database) -> str:
    return str(db.execute("SHOW QUERIES;")[0].rows[-1][0])


def insert(db: penstock.Database, *ids: str) -> None:
    db.insert("s", [{"id": id_, "n": 1} for id_ in ids])


def test_queries_go_on_where_they_were(tmp_path: Path) -> None:
    with penstock.connect(tmp_path / "db") as db:
        db.execute(STREAM + COUNT)
        insert(db, "a", "b")
        assert table(db) == {"a": 1, "b": 1}
        insert(db, "a")  # perhaps not processed any more
    with penstock.connect(tmp_path / "db") as db:
        insert(db, "a")
        assert table(db) == {"a": 3, "b": 1}
        assert [row[2] for row in db.execute("SHOW QUERIES;")[0].rows] == ["RUNNING"]
    db.close()  # closing twice is no error


def test_a_closed_database_says_so() -> None:
    db = penstock.connect()
    db.execute(STREAM)
    db.close()
    for use in (lambda: db.execute("SELECT * FROM s;"), lambda: insert(db, "a"), lambda: db.query("SELECT * FROM s EMIT CHANGES;").fetchone()):
        with pytest.raises(StorageError, match="closed"):
            use()


def test_a_second_writer_is_refused_and_a_reader_is_not(tmp_path: Path) -> None:
    with penstock.connect(tmp_path / "db") as db:
        db.execute(STREAM + COUNT)
        insert(db, "a", "b", "a")
        table(db)
        program = f"""
import penstock
try:
    penstock.connect({str(tmp_path / "db")!r})
    print("two writers")
except penstock.errors.StorageError as error:
    print("use" in str(error))
with penstock.connect({str(tmp_path / "db")!r}, read_only=True) as db:
    print(sorted(map(tuple, db.query("SELECT * FROM t;").fetchall())))
    print(db.query("SELECT id, n FROM s EMIT CHANGES LIMIT 3;").fetchall()[2])
    for wrong in ("INSERT INTO s (id, n) VALUES ('x', 1);", "DROP TABLE t;", "CREATE STREAM o AS SELECT * FROM s;", "TERMINATE ALL;"):
        try:
            db.execute(wrong)
            print("written")
        except penstock.Error as error:
            print("reading only" in str(error))
    try:
        db.insert("s", [{{"id": "x"}}])
        print("written")
    except penstock.Error as error:
        print("read" in str(error))
"""
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
        assert done.stderr == ""
        assert done.stdout.split("\n")[:-1] == ["True", "[('a', 2), ('b', 1)]", "('a', 1)", *["True"] * 5]
        insert(db, "a")
        assert table(db) == {"a": 3, "b": 1}


def test_a_reader_sees_what_the_writer_makes(tmp_path: Path) -> None:
    with penstock.connect(tmp_path / "db") as db, penstock.connect(tmp_path / "db", read_only=True) as reader:
        db.execute(STREAM + COUNT)
        insert(db, "a")
        table(db)
        assert [tuple(row) for row in reader.query("SELECT * FROM t;").fetchall()] == [("a", 1)]
        assert next(iter(reader.execute("SHOW TABLES;")[0].rows))[0] == "T"


def test_a_program_may_end_without_closing(tmp_path: Path) -> None:
    program = f"""
import penstock
db = penstock.connect({str(tmp_path / "db")!r})
db.execute({STREAM + COUNT!r})
db.insert("s", [{{"id": "a"}}])
query = db.query("SELECT * FROM s EMIT CHANGES;")
print(query.fetchone())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == ("('a', None)\n", "", 0)
    with penstock.connect(tmp_path / "db") as db:
        assert table(db) == {"a": 1}


def test_no_folder_to_read(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        penstock.connect(tmp_path / "nowhere", read_only=True)
    (tmp_path / "file").write_text("no database")
    with pytest.raises(StorageError):
        penstock.connect(tmp_path / "file")


@pytest.mark.parametrize(("reset", "expected"), [("earliest", {"a": 2}), ("latest", {"a": 1})])
def test_where_a_new_query_starts(reset: str, expected: dict[str, int]) -> None:
    with penstock.connect(properties={"auto.offset.reset": reset}) as db:
        db.execute(STREAM)
        insert(db, "a")
        db.execute(COUNT)
        insert(db, "a")
        assert table(db) == expected


def test_pause_and_resume_over_a_restart(tmp_path: Path) -> None:
    with penstock.connect(tmp_path / "db") as db:
        db.execute(STREAM + COUNT)
        insert(db, "a")
        assert table(db) == {"a": 1}
        db.execute(f"PAUSE {query_id(db)};")
        insert(db, "a")
        assert table(db) == {"a": 1}
        assert db.execute("SHOW QUERIES;")[0].rows[0][2] == "PAUSED"
    with penstock.connect(tmp_path / "db") as db:
        assert table(db) == {"a": 1}
        db.execute(f"RESUME {query_id(db)};")
        assert table(db) == {"a": 2}
        db.execute("PAUSE ALL; RESUME ALL;")
        insert(db, "a")
        assert table(db) == {"a": 3}


def test_terminate_and_drop_leave_no_state_behind(tmp_path: Path) -> None:
    with penstock.connect(tmp_path / "db") as db:
        db.execute(STREAM + COUNT)
        insert(db, "a", "a")
        table(db)
        first = query_id(db)
        with pytest.raises(penstock.Error, match=first):
            db.execute("DROP STREAM s;")
        db.execute(f"TERMINATE {first};")
        assert db.execute("SHOW QUERIES;")[0].rows == []
        assert db.log.committed(first) == {}
        assert table(db) == {"a": 2}, "what it has written stays"
        db.execute("DROP TABLE t DELETE TOPIC;" + COUNT)
        assert table(db) == {"a": 2}, "a new query begins with nothing"
        second = query_id(db)
        assert second != first
        db.execute("DROP TABLE t DELETE TOPIC;")
        assert db.log.committed(second) == {}
        assert [t.name for t in db.log.topics() if not t.internal] == ["penstock-processing-log", "s"]
        db.execute("DROP STREAM s DELETE TOPIC;")
        assert db.execute("SHOW STREAMS;")[0].rows[0][0] == "PROCESSING_LOG"
        with db.log.snapshot() as snapshot:
            for query in (first, second):
                assert snapshot.state(f"{query}/1-aggregate/groups").count() == 0


def test_create_or_replace_goes_on() -> None:
    with penstock.connect() as db:
        db.execute(STREAM + "CREATE STREAM o AS SELECT id, n FROM s;")
        insert(db, "a")
        db.wait_idle(10)
        db.execute("CREATE OR REPLACE STREAM o AS SELECT id, n FROM s WHERE id <> 'b';")
        insert(db, "b", "c")
        db.wait_idle(10)
        assert [row["ID"] for row in db.query("SELECT * FROM o;").fetchall()] == ["a", "c"]
        db.execute("CREATE STREAM IF NOT EXISTS o AS SELECT id FROM s;")
        with pytest.raises(penstock.Error, match="exists already"):
            db.execute("CREATE STREAM o AS SELECT id, n FROM s;")


def test_insert_into_select_joins_two_queries_in_one_stream() -> None:
    with penstock.connect() as db:
        db.execute(STREAM + STREAM.replace(" s ", " r ").replace("'s'", "'r'") + "CREATE STREAM o AS SELECT * FROM s; INSERT INTO o SELECT * FROM r;")
        insert(db, "a")
        db.insert("r", [{"id": "b", "n": 2}])
        db.wait_idle(10)
        assert sorted(map(tuple, db.query("SELECT id, n FROM o;").fetchall())) == [("a", 1), ("b", 2)]
        assert len(db.execute("SHOW QUERIES;")[0].rows) == 2


def test_partitions_keep_a_key_together() -> None:
    with penstock.connect() as db:
        db.execute(STREAM.replace("partitions=1", "partitions=4") + COUNT + "CREATE STREAM o AS SELECT n, id FROM s PARTITION BY n;")
        db.insert("s", [{"id": f"k{i % 10}", "n": i % 7} for i in range(1000)])
        assert table(db) == {f"k{i}": 100 for i in range(10)}
        assert db.log.topic("O").partitions == 4  # type: ignore[union-attr]
        places: dict[Any, set[int]] = {}
        for partition in range(4):
            for key in db.log.read("O", partition, 0)["key"].to_pylist():
                places.setdefault(key, set()).add(partition)
        assert len(places) == 7
        assert all(len(found) == 1 for found in places.values())


def test_old_windows_expire() -> None:
    with penstock.connect() as db:
        db.execute(STREAM)
        db.execute(
            "CREATE TABLE w AS SELECT id, COUNT(*) AS c FROM s "
            "WINDOW TUMBLING (SIZE 1 MINUTE, RETENTION 10 MINUTES, GRACE PERIOD 0 SECONDS) GROUP BY id;"
        )
        for minute in range(60):
            db.insert("s", [{"id": "a", "ROWTIME": 1_700_000_000_000 + minute * 60_000}])
        db.wait_idle(20)
        kept = db.query("SELECT id, WINDOWSTART, c FROM w WHERE id = 'a';").fetchall()
        assert 10 <= len(kept) <= 13
        assert len(db.log.read("W", 0, 0)) == 60


def shown(db: penstock.Database, state: str) -> str:
    """What is said of the one query, once it is in this state."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        _, _, now, _, _, error = db.execute("SHOW QUERIES;")[0].rows[0]
        if now == state:
            return str(error)
        with db.runtime._changed:
            db.runtime._changed.wait(0.1)
    raise AssertionError(f"still {now}: {error}")


def test_a_query_without_room_on_the_disk_waits_for_it(tmp_path: Path) -> None:
    with penstock.connect(tmp_path / "data") as db:
        db.execute("CREATE STREAM s (id STRING KEY, n STRING) WITH (kafka_topic='s', value_format='JSON', partitions=1);")
        db.execute("CREATE STREAM copies AS SELECT id, n FROM s;")
        db.runtime.pause(query_id(db))
        chance = random.Random(1)
        db.insert("s", [{"id": str(n), "n": chance.randbytes(100_000).hex()} for n in range(30)])
        with files_no_larger_than((tmp_path / "data" / "data.mdb").stat().st_size):
            db.runtime.resume(query_id(db))
            assert "There is no room left on the disk" in shown(db, "ERROR")
            assert "ERROR: There is no room left" in db.execute(f"EXPLAIN {query_id(db)};")[0].rows[0][0]
            assert db.log.end_offset("COPIES", 0) == 0
        assert shown(db, "RUNNING") == ""
        assert db.wait_idle(20)
        assert [row[0] for row in db.query("SELECT id FROM copies;").fetchall()] == [str(n) for n in range(30)]


def test_a_query_whose_write_failed_stays_in_error_until_the_folder_is_opened_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The failure is simulated: `environment.commit` raises what LMDB raises when the disk fails."""
    tries: list[Any] = []

    def fail(txn: Any) -> None:
        tries.append(txn)
        txn.abort()
        raise lmdb.DiskError("mdb_txn_commit: Input/output error")

    with penstock.connect(tmp_path / "data") as db:
        db.execute(STREAM + COUNT)
        db.runtime.pause(query_id(db))
        insert(db, "a")
        with monkeypatch.context() as patch:
            patch.setattr(environment, "commit", fail)
            db.runtime.resume(query_id(db))
            assert "It writes no more. Mend the disk, then open it again." in shown(db, "ERROR")
        thread = db.runtime.queries[query_id(db)].thread
        assert thread is not None
        thread.join(20)
        assert not thread.is_alive()
        assert len(tries) == 1
        with pytest.raises(penstock.StorageError, match="writes no more"):
            insert(db, "a")
    with penstock.connect(tmp_path / "data") as db:
        assert table(db) == {"a": 1}


def test_a_failing_query_stands_in_error_and_is_tried_again() -> None:
    with penstock.connect() as db:
        db.execute(STREAM + COUNT)
        insert(db, "a")
        table(db)
        running = db.runtime.queries[query_id(db)]
        assert running.task is not None
        make, tries = running.make, [0]

        def failing() -> Any:
            tries[0] += 1
            if tries[0] < 3:
                raise penstock.errors.DataError("The disk is on fire.", mend="Fetch water.")
            return make()

        def broken() -> bool:
            raise ZeroDivisionError("inside")

        running.make = failing
        running.task.step = broken  # type: ignore[method-assign]
        insert(db, "a")
        seen: set[str] = set()
        until = time.monotonic() + 20
        while time.monotonic() < until and not (seen and table(db) == {"a": 2}):
            with db.runtime._changed:
                db.runtime._changed.wait(0.02)
            _, _, state, _, _, error = db.execute("SHOW QUERIES;")[0].rows[0]
            if state == "ERROR":
                seen.add(error.split(" (")[0])
        assert seen == {"ZeroDivisionError: inside", "The disk is on fire. Fetch water."}
        assert db.execute("SHOW QUERIES;")[0].rows[0][2] == "RUNNING"
        assert running.retry_s == 0.5, "after a success the waiting begins anew"


def test_closing_ends_a_push_query_of_another_thread() -> None:
    with penstock.connect() as db:
        db.execute(STREAM)
        query = db.query("SELECT * FROM s EMIT CHANGES;")
        found: list[Any] = []
        thread = threading.Thread(target=lambda: found.extend(query))
        thread.start()
        insert(db, "a")
        query.close()
        thread.join(10)
        assert not thread.is_alive()
        assert len(found) <= 1


def test_rows_of_long_ago_stay_unless_the_statement_says_how_long() -> None:
    """A topic forgets by age only where RETENTION_MS asks for it."""
    with penstock.connect(":memory:") as db:
        db.execute("CREATE STREAM kept (n INT) WITH (kafka_topic='kept', value_format='JSON');")
        db.execute("CREATE STREAM brief (n INT) WITH (kafka_topic='brief', value_format='JSON', retention_ms=1000);")
        for name in ("kept", "brief"):
            db.insert(name, [{"n": 1, "ROWTIME": 1}])
            db.insert(name, [{"n": 2, "ROWTIME": 2}])
        db.log.clean(1_000_000_000_000)
        assert db.log.start_offset("kept", 0) == 0
        assert db.log.start_offset("brief", 0) > 0


def test_what_is_made_from_rows_that_go_goes_with_them() -> None:
    """A stream's topic keeps its rows as long as the one that it is made from; a windowed table's at least as long as its window asks."""
    with penstock.connect(":memory:") as db:

        def kept(topic: str) -> int | None:
            info = db.log.topic(topic)
            assert info is not None
            return info.config.retention_ms

        source = "CREATE {} STREAM brief (k STRING KEY, n INT) WITH (kafka_topic='brief', value_format='JSON', retention_ms={});"
        db.execute(source.format("", 1000))
        db.execute("CREATE STREAM same AS SELECT * FROM brief; CREATE STREAM longer WITH (retention_ms=-1) AS SELECT * FROM brief;")
        db.execute("CREATE TABLE counts AS SELECT k, COUNT(*) AS c FROM brief GROUP BY k;")
        window = "WINDOW TUMBLING (SIZE 1 SECOND, RETENTION 9 SECONDS)"
        for name, retention_ms in (("raised", 10), ("stated", 99_000)):
            db.execute(f"CREATE TABLE {name} WITH (retention_ms={retention_ms}) AS SELECT k, COUNT(*) AS c FROM brief {window} GROUP BY k;")
        assert [kept(t) for t in ("brief", "SAME", "LONGER", "COUNTS", "RAISED", "STATED")] == [1000, 1000, None, None, 9000, 99_000]
        db.execute(source.format("OR REPLACE", 5000))
        db.execute("CREATE OR REPLACE STREAM same WITH (retention_ms=-1) AS SELECT * FROM brief;")
        assert [kept(t) for t in ("brief", "SAME")] == [5000, None]
        with pytest.raises(penstock.Error, match="exists, and keeps its records 5 seconds, not 1 second"):
            db.execute("CREATE STREAM again (n INT) WITH (kafka_topic='brief', value_format='JSON', retention_ms=1000);")
