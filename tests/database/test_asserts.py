"""ASSERT: what holds goes on, what does not is told with what is there instead."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import penstock
from penstock.errors import Error

SETUP = """
CREATE STREAM s (id INT KEY, foo INT, m MAP<STRING, INT>) WITH (kafka_topic='s', value_format='JSON', partitions=3);
CREATE TABLE t (id INT PRIMARY KEY, bar DECIMAL(5, 2)) WITH (kafka_topic='t', value_format='AVRO', partitions=1);
CREATE TABLE w AS SELECT id, COUNT(*) AS n FROM s WINDOW TUMBLING (SIZE 10 SECONDS) GROUP BY id;
INSERT INTO s (rowtime, id, foo, m) VALUES (1, 1, 2, MAP('a' := 1));
INSERT INTO s (rowtime, id, foo) VALUES (2, 2, 3);
INSERT INTO t (rowtime, id, bar) VALUES (5, 7, 1.5);
"""


@pytest.fixture
def db() -> Iterator[penstock.Database]:
    with penstock.connect(properties={"ksql.assert.topic.default.timeout.ms": "0", "ksql.assert.schema.default.timeout.ms": "0"}) as database:
        database.execute(SETUP)
        yield database


@pytest.mark.parametrize(
    "holds",
    [
        "ASSERT VALUES s VALUES (1, 2, MAP('a' := 1)); ASSERT VALUES s (rowtime, foo, m) VALUES (2, 1 + 2, NULL);",
        "ASSERT VALUES t (bar, rowtime) VALUES (1.50, '1970-01-01T00:00:00.005');",
        "ASSERT VALUES w (id, n, windowstart, windowend) VALUES (1, 1, 0, 10000);",
        "ASSERT STREAM s; ASSERT STREAM s (id INT KEY, foo INT, m MAP<STRING, INT>) WITH (kafka_topic='s', value_format='json', partitions=3);",
        "ASSERT TABLE w (id INT PRIMARY KEY, n BIGINT) WITH (WINDOW_TYPE='Tumbling', KEY_FORMAT='KAFKA');",
    ],
)
def test_what_holds(db: penstock.Database, holds: str) -> None:
    assert all("as asserted" in result.message for result in db.execute(holds))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("ASSERT VALUES s (foo) VALUES (9);", "The next record of S (partition 0, offset 0) is not as asserted: FOO is 2, not 9."),
        ("ASSERT VALUES w (n, windowend) VALUES (2, 1);", "is not as asserted: N is 1, not 2; WINDOWEND is 10000, not 1."),
        ("ASSERT VALUES t (id) VALUES (7); ASSERT VALUES t (id) VALUES (7);", "Line 1:34: T has no further record. Expected is ID = 7."),
        ("ASSERT NULL VALUES t (id) KEY (7);", "The next record of T (partition 0, offset 0) is no tombstone: ID = 7, BAR = 1.50, ROWTIME = 5."),
        ("ASSERT VALUES s (fo) VALUES (1);", "Column name `FO` does not exist. Did you mean FOO?"),
        ("ASSERT NULL VALUES s (foo) KEY (1);", "Column name `FOO` does not exist in the key."),
        ("ASSERT VALUES s (id, foo) VALUES (1);", "Expected a value for each column"),
        ("ASSERT VALUES tt VALUES (1);", "There is no stream or table TT."),
        ("ASSERT TABLE s;", "There is no table S. It is a stream."),
        ("ASSERT STREAM s (id INT KEY);", "The stream S has other columns: ID INTEGER KEY, FOO INTEGER, M MAP<STRING, INTEGER>."),
        ("ASSERT TABLE w WITH (WINDOW_TYPE='SESSION');", "The table W has WINDOW_TYPE = 'TUMBLING', not 'SESSION'."),
        ("ASSERT TABLE w WITH (COLOUR='red');", "ASSERT TABLE knows KAFKA_TOPIC"),
        ("ASSERT TOPIC s WITH (PARTITIONS=1);", "The topic s has 3 partitions, not 1."),
        ("ASSERT TOPIC s WITH (COLOUR=1);", "ASSERT TOPIC knows PARTITIONS and REPLICAS, not COLOUR."),
        ("ASSERT SCHEMA SUBJECT 'nothing';", "The schema with subject nothing does not exist."),
        ("SPOOL 'x';", "it works in the shell alone"),
    ],
)
def test_what_does_not(db: penstock.Database, wrong: str, told: str) -> None:
    with pytest.raises(Error) as error:
        db.execute(wrong)
    assert told in str(error.value)
    assert error.value.position is not None


def test_a_tombstone_and_what_cannot_be_read(db: penstock.Database) -> None:
    db.insert("t", [{"id": 7}, {"id": 8, "bar": 2}])
    db.execute("ASSERT VALUES t (id) VALUES (7); ASSERT NULL VALUES t KEY (7);")
    with pytest.raises(Error, match=r"offset 1\) is a tombstone|no further record|is no tombstone: ID = 8"):
        db.execute("ASSERT NULL VALUES t KEY (7);")
    db.execute("CREATE STREAM raw (v STRING) WITH (kafka_topic='raw', value_format='KAFKA'); INSERT INTO raw (v) VALUES ('no json');")
    db.execute("CREATE STREAM json (v INT) WITH (kafka_topic='raw', value_format='JSON');")
    with pytest.raises(Error, match="cannot be read: value: "):
        db.execute("ASSERT VALUES json (v) VALUES (1);")


def test_a_topic_is_waited_for(db: penstock.Database) -> None:
    import threading

    later = threading.Timer(0.2, lambda: db.log.create_topic("late", 1))
    later.start()
    assert db.execute("ASSERT TOPIC late TIMEOUT 20 SECONDS;")[0].message == "Topic late exists."
    later.join()
