"""Settings that refuse something: how many queries, what they may read, what stops them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import penstock
from penstock.errors import DataError, Error
from penstock.testing import Driver

SETUP = """
CREATE STREAM s (k STRING KEY, n INT) WITH (kafka_topic='s', value_format='JSON', partitions=1);
CREATE TABLE t AS SELECT k, COUNT(*) AS c FROM s GROUP BY k;
"""


@pytest.fixture
def db() -> Iterator[penstock.Database]:
    with penstock.connect() as database:
        database.execute(SETUP)
        database.insert("s", [{"k": "a", "n": 1}])
        assert database.wait_idle(20)
        yield database


def test_so_many_persistent_queries_and_no_more(db: penstock.Database) -> None:
    db.execute("SET 'ksql.query.persistent.active.limit' = '2'; CREATE STREAM o AS SELECT * FROM s;")
    for statement in ("CREATE STREAM p AS SELECT * FROM s;", "INSERT INTO o SELECT * FROM s;"):
        with pytest.raises(Error, match=r"one more than ksql\.query\.persistent\.active\.limit = 2 allows\. TERMINATE one"):
            db.execute(statement)
    assert db.log.topic("P") is None
    db.execute("CREATE OR REPLACE STREAM o AS SELECT * FROM s WHERE n > 0; TERMINATE CSAS_O_2; INSERT INTO o SELECT * FROM s;")


def test_so_many_pull_queries_a_second(db: penstock.Database) -> None:
    db.execute("SET 'ksql.query.pull.max.qps' = '2';")
    for _ in range(2):
        assert db.query("SELECT * FROM t;").fetchall() == [("a", 1)]
    with pytest.raises(Error, match=r"There were 2 pull queries within a second, as many as ksql\.query\.pull\.max\.qps allows\. Ask again"):
        db.query("SELECT * FROM t;")
    db.pulls.extend([db.pulls.popleft() - 1, db.pulls.popleft() - 1])
    assert db.query("SELECT COUNT(*) FROM t ORDER BY 1;").fetchall() == [(1,)]


def test_only_lookups(db: penstock.Database) -> None:
    db.execute("SET 'ksql.query.pull.table.scan.enabled' = 'false';")
    assert db.query("SELECT c FROM t WHERE k = 'a';").fetchall() == [(1,)]
    assert db.query("SELECT n FROM s;").fetchall() == [(1,)]
    assert db.query("SELECT c FROM t WHERE k <= 'b' AND c < 10 - 2;").fetchall() == [(1,)]
    db.execute("CREATE TABLE numbers AS SELECT n, COUNT(*) AS c FROM s GROUP BY n;")
    assert db.wait_idle(20)
    assert db.query("SELECT c FROM numbers WHERE n = 3 - 1 * 2;").fetchall() == [(1,)]
    with pytest.raises(Error, match="The query reads a whole table"):
        db.query("SELECT c FROM numbers WHERE n <= 1 OR n > 2147483647 + 1;")
    for scan in ("SELECT * FROM t;", "SELECT c FROM t WHERE c > 0;", "SELECT MAX(c) FROM t ORDER BY 1;"):
        with pytest.raises(Error, match="Line 1:1: The query reads a whole table"):
            db.query(scan)


def test_a_session_may_lower_the_limits_of_the_database_but_not_raise_them(db: penstock.Database) -> None:
    db.execute("SET 'ksql.query.persistent.active.limit' = '1'; SET 'ksql.query.pull.table.scan.enabled' = 'false';")
    higher = {"ksql.query.persistent.active.limit": "9", "ksql.query.pull.table.scan.enabled": "true"}
    with db.enter(db.remote_session(higher, {})):
        with pytest.raises(Error, match="one more than"):
            db.execute("CREATE STREAM o AS SELECT * FROM s;")
        with pytest.raises(Error, match="reads a whole table"):
            db.execute("SELECT * FROM t;")
    db.execute("UNSET 'ksql.query.pull.table.scan.enabled';")
    lower = {"ksql.query.pull.table.scan.enabled": False, "ksql.streams.producer.linger.ms": 5}
    with db.enter(db.remote_session(lower, {})), pytest.raises(Error, match="reads a whole table"):
        db.execute("SELECT * FROM t;")
    assert db.query("SELECT * FROM t;").fetchall() == [("a", 1)]


def test_without_substitution_a_variable_is_text(db: penstock.Database) -> None:
    db.execute("DEFINE Topic = 's';")
    assert db.execute("SHOW VARIABLES;")[0].rows == [("Topic", "s")]
    assert db.query("SELECT '${topic}' AS x FROM s;").fetchall() == [("s",)]
    db.execute("SET 'ksql.variable.substitution.enable' = 'false';")
    assert db.query("SELECT '${topic}' AS x FROM s;").fetchall() == [("${topic}",)]
    db.execute("UNSET 'ksql.variable.substitution.enable';")
    assert db.query("SELECT '${topic}' AS x FROM s;").fetchall() == [("s",)]


@pytest.mark.parametrize("strict", [False, True])
def test_a_record_that_cannot_be_read_may_stop_the_query(strict: bool) -> None:
    with Driver({"ksql.fail.on.deserialization.error": str(strict)}) as driver:
        driver.execute("CREATE STREAM S (K STRING KEY, V INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);")
        driver.execute("CREATE STREAM O AS SELECT * FROM S;")
        driver.send("s", "a", {"V": "no number"})
        driver.send("s", "b", {"V": 2})
        if strict:
            with pytest.raises(DataError, match=r"^Topic s, partition 0, offset 0: value: .*Without 'ksql.fail.on"):
                driver.run()
        else:
            driver.run()
        assert [record.key for record in driver.read("O")] == ([] if strict else ["b"])
