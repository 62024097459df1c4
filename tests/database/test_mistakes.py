"""Whatever a user writes, what comes back is an answer or a `penstock.Error`: never another exception, and never a message from below."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

import pytest

import penstock

SETUP = """
CREATE STREAM s (id STRING KEY, n INT, b BIGINT, d DOUBLE, c DECIMAL(4, 2), t STRING, y BYTES, ts TIMESTAMP, da DATE, a ARRAY<INT>,
  m MAP<STRING, INT>, st STRUCT<x INT>) WITH (kafka_topic='s', value_format='JSON', partitions=1);
CREATE TABLE t (id STRING PRIMARY KEY, n INT) WITH (kafka_topic='t', value_format='JSON', partitions=1);
CREATE TABLE u AS SELECT id, COUNT(*) AS c FROM s GROUP BY id;
INSERT INTO s (id, n, b, d, c, t) VALUES ('k', 0, 9223372036854775807, 0.5, 99.99, 'text');
"""
STATEMENTS = """
;
SELECT
SELECT * FROM
SELECT * FROM nowhere;
SELECT nothing FROM s;
SELECT s.* FROM t;
SELECT * FROM s
'
"
`
/* never closed
--
SELECT 'abc FROM s;
SELECT ${missing} FROM s;
SELECT * FROM s WHERE;
SELECT * FROM s WHERE n;
SELECT * FROM s WHERE n = 'a';
SELECT * FROM s WHERE 1;
SELECT * FROM s WHERE NULL;
SELECT * FROM s LIMIT -1;
SELECT * FROM s LIMIT 99999999999999999999;
SELECT * FROM s ORDER BY nothing;
SELECT * FROM s GROUP BY n;
SELECT id, COUNT(*) FROM s GROUP BY n EMIT CHANGES LIMIT 1;
SELECT COUNT(COUNT(n)) FROM s EMIT CHANGES LIMIT 1;
SELECT n + t FROM s;
SELECT n / 0 FROM s;
SELECT 1 / 0 FROM s;
SELECT b * b FROM s;
SELECT -b - 2 FROM s;
SELECT c * c * c * c * c * c * c * c * c * c FROM s;
SELECT CAST(t AS INT) FROM s;
SELECT CAST(t AS TIMESTAMP) FROM s;
SELECT CAST(t AS NOTHING) FROM s;
SELECT CAST(t AS DECIMAL(99, 2)) FROM s;
SELECT CAST(t AS DECIMAL(2, 9)) FROM s;
SELECT CAST(1 AS ARRAY<INT>) FROM s;
SELECT a[0], a[99], a[-99], m['none'], st->x FROM s;
SELECT st->nothing FROM s;
SELECT n->x FROM s;
SELECT a['x'] FROM s;
SELECT m[1] FROM s;
SELECT NOFUNCTION(n) FROM s;
SELECT SUBSTRING() FROM s;
SELECT SUBSTRING(n, t) FROM s;
SELECT LCASE(1, 2, 3) FROM s;
SELECT SUM(t) FROM s GROUP BY id EMIT CHANGES LIMIT 1;
SELECT REGEXP_EXTRACT('(', t) FROM s;
SELECT REGEXP_REPLACE(t, '[', 'x') FROM s;
SELECT FORMAT_TIMESTAMP(ts, 'nonsense QQQ') FROM s;
SELECT PARSE_TIMESTAMP(t, 'yyyy') FROM s;
SELECT TIMESTAMPTOSTRING(b, 'yyyy') FROM s;
SELECT FROM_UNIXTIME(b) FROM s;
SELECT EXTRACTJSONFIELD(t, '$.') FROM s;
SELECT TRANSFORM(a, x => y) FROM s;
SELECT TRANSFORM(a, (x, y) => x) FROM s;
SELECT x => x FROM s;
SELECT EXPLODE(n) FROM s;
SELECT REPEAT(t, -1), LPAD(t, -1, 'x'), SPLIT(t, ''), CHR(99999999) FROM s;
SELECT SQRT(-1), LN(0), POWER(0, -1), ROUND(d, 99), EXP(99999) FROM s;
SELECT GENERATE_SERIES(1, 10, 0) FROM s;
SELECT ARRAY[1, 'a'] FROM s;
SELECT MAP('a' := 1, 'b' := 'c') FROM s;
SELECT STRUCT() FROM s;
SELECT STRUCT(a := 1, a := 2) FROM s;
SELECT NULL FROM s;
SELECT CASE WHEN n THEN 1 END FROM s;
SELECT CASE WHEN n = 1 THEN 1 ELSE 'a' END FROM s;
SELECT * FROM s JOIN t EMIT CHANGES LIMIT 1;
SELECT * FROM s JOIN t ON s.id = t.n EMIT CHANGES LIMIT 1;
SELECT * FROM s JOIN s ON s.id = s.id EMIT CHANGES LIMIT 1;
SELECT * FROM s x JOIN s y ON x.id = y.id EMIT CHANGES LIMIT 1;
SELECT * FROM s JOIN nowhere ON s.id = nowhere.id;
SELECT ROWTIME, ROWPARTITION, ROWOFFSET, WINDOWSTART FROM s;
SELECT COUNT(*) FROM s WINDOW TUMBLING (SIZE 0 SECONDS) GROUP BY id EMIT CHANGES LIMIT 1;
SELECT COUNT(*) FROM s WINDOW HOPPING (SIZE 1 SECOND, ADVANCE BY 5 SECONDS) GROUP BY id EMIT CHANGES LIMIT 1;
SELECT COUNT(*) FROM s WINDOW SESSION (-5 SECONDS) GROUP BY id EMIT CHANGES LIMIT 1;
SELECT * FROM s EMIT FINAL LIMIT 1;
SELECT * FROM s EMIT CHANGES;
SELECT id FROM u WHERE id = 5;
SELECT id FROM u WHERE id IN ();
SELECT id FROM u WHERE c / (c - 1) = 1;
SELECT count(*) FROM s JOIN nowhere USING (id);
SELECT sum(t) FROM s;
SELECT max(n) FROM s GROUP BY 99;
SELECT * FROM read_csv('/etc/passwd');
SELECT * FROM '/etc/passwd';
SELECT * FROM duckdb_settings();
SELECT getenv('HOME') FROM s;
WITH x AS (SELECT * FROM s) SELECT * FROM y;
WITH x AS (SELECT nothing FROM s) SELECT * FROM x;
WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM x WHERE n < 5) SELECT * FROM x, nowhere;
INSERT INTO nowhere VALUES (1);
INSERT INTO s VALUES (1);
INSERT INTO s (nothing) VALUES (1);
INSERT INTO s (id, id) VALUES ('a', 'b');
INSERT INTO s (n) VALUES ('x');
INSERT INTO s (n) VALUES (99999999999);
INSERT INTO s (n) VALUES (1 / 0);
INSERT INTO s (n) VALUES (n);
INSERT INTO s (n) VALUES (COUNT(*));
INSERT INTO s (c) VALUES (12345.678);
INSERT INTO s (ts) VALUES ('not a time');
INSERT INTO s (da) VALUES ('2024-02-31');
INSERT INTO s (y) VALUES (5);
INSERT INTO s (a) VALUES (ARRAY['x']);
INSERT INTO s (st) VALUES (STRUCT(z := 1));
INSERT INTO s (m) VALUES (MAP(1 := 2));
INSERT INTO s (ROWTIME, n) VALUES (-5, 1);
INSERT INTO s (ROWTIME, n) VALUES ('x', 1);
INSERT INTO t (n) VALUES (1);
INSERT INTO u (id, c) VALUES ('a', 1);
INSERT INTO processing_log (query) VALUES ('a');
INSERT INTO s SELECT * FROM t;
INSERT INTO s SELECT id FROM s;
INSERT INTO t SELECT * FROM s;
CREATE STREAM s (n INT) WITH (kafka_topic='x', value_format='JSON', partitions=1);
CREATE STREAM x (n INT) WITH (value_format='JSON');
CREATE STREAM x (n INT) WITH (kafka_topic='nowhere', value_format='JSON');
CREATE STREAM x (n INT) WITH (kafka_topic='bad name!', value_format='JSON', partitions=1);
CREATE STREAM x (n INT) WITH (kafka_topic='x', value_format='NONSENSE', partitions=1);
CREATE STREAM x (n INT) WITH (kafka_topic='x', value_format='JSON', partitions=0);
CREATE STREAM x (n INT) WITH (kafka_topic='x', value_format='JSON', partitions='many');
CREATE STREAM x (n INT) WITH (kafka_topic='x', value_format='JSON', partitions=1, nonsense=1);
CREATE STREAM x (n INT) WITH (kafka_topic='s', value_format='JSON', partitions=7);
CREATE STREAM x (n INT, n INT) WITH (kafka_topic='x', value_format='JSON', partitions=1);
CREATE STREAM x (n NONSENSE) WITH (kafka_topic='x', value_format='JSON', partitions=1);
CREATE STREAM x WITH (kafka_topic='x', value_format='JSON', partitions=1);
CREATE STREAM x WITH (kafka_topic='x', value_format='AVRO', partitions=1);
CREATE STREAM x (n INT) WITH (kafka_topic='x', value_format='AVRO', partitions=1, value_schema_id=77);
CREATE STREAM x (n INT PRIMARY KEY) WITH (kafka_topic='x', value_format='JSON', partitions=1);
CREATE STREAM x (ROWTIME BIGINT) WITH (kafka_topic='x', value_format='JSON', partitions=1);
CREATE STREAM x (n INT) WITH (kafka_topic='x', value_format='JSON', partitions=1, timestamp='nothing');
CREATE STREAM x (n INT) WITH (kafka_topic='x', value_format='JSON', partitions=1, timestamp='n');
CREATE STREAM x (a ARRAY<INT>) WITH (kafka_topic='x', value_format='DELIMITED', partitions=1);
CREATE STREAM x (a INT, b INT) WITH (kafka_topic='x', value_format='KAFKA', partitions=1);
CREATE TABLE x (n INT) WITH (kafka_topic='x', value_format='JSON', partitions=1);
CREATE TABLE x AS SELECT * FROM s;
CREATE STREAM x AS SELECT * FROM t;
CREATE STREAM x AS SELECT id, n FROM s GROUP BY id;
CREATE STREAM u AS SELECT id FROM s;
CREATE STREAM x WITH (value_format='NONSENSE') AS SELECT * FROM s;
CREATE STREAM x WITH (partitions=-1) AS SELECT * FROM s;
CREATE STREAM x AS SELECT n FROM s PARTITION BY nothing;
CREATE OR REPLACE TABLE u AS SELECT id, SUM(n) AS c FROM s GROUP BY id;
CREATE OR REPLACE STREAM s (other STRING) WITH (kafka_topic='s', value_format='JSON');
CREATE SOURCE STREAM x (n INT) WITH (kafka_topic='nowhere', value_format='JSON');
CREATE TYPE bad AS NONSENSE;
CREATE SINK CONNECTOR c WITH ('connector.class'='Nonsense');
CREATE SINK CONNECTOR c WITH ('nothing'='at all');
DROP STREAM nowhere;
DROP TABLE s;
DROP STREAM s;
DROP TYPE nothing;
DROP CONNECTOR nothing;
DROP STREAM processing_log;
DROP STREAM processing_log DELETE TOPIC;
ALTER STREAM s ADD COLUMN n INT;
ALTER STREAM nowhere ADD COLUMN x INT;
ALTER TABLE s ADD COLUMN x INT;
TERMINATE nothing;
PAUSE nothing;
RESUME nothing;
DESCRIBE nowhere;
DESCRIBE FUNCTION nothing;
DESCRIBE CONNECTOR nothing;
EXPLAIN nothing;
EXPLAIN SELECT nothing FROM s;
EXPLAIN DROP STREAM s;
PRINT nowhere;
PRINT 's' LIMIT 0;
PRINT 's' INTERVAL 0;
SHOW NONSENSE;
SET 'nonsense' = 'x';
SET 'auto.offset.reset' = 'nonsense';
SET 'cache.max.bytes.buffering' = '-1';
SET 'cache.max.bytes.buffering' = 'lots';
UNSET 'nonsense';
UNDEFINE nothing;
DEFINE x = 5;
RUN SCRIPT '/nowhere/at/all.sql';
RUN SCRIPT '/';
ASSERT TOPIC nowhere TIMEOUT 0 SECONDS;
ASSERT TOPIC s WITH (PARTITIONS=9) TIMEOUT 0 SECONDS;
ASSERT TOPIC s WITH (NONSENSE=9) TIMEOUT 0 SECONDS;
ASSERT SCHEMA ID 5 TIMEOUT 0 SECONDS;
ASSERT SCHEMA SUBJECT 'x' TIMEOUT 0 SECONDS;
UPDATE s SET n = 1;
DELETE FROM s;
DROP DATABASE x;
\u0000
💥
SELECT '💥', 'Ünï', `💥` FROM s;
""".strip().split("\n")
BELOW = re.compile(r"Traceback|duckdb|pyarrow|\.py\b|lark|KeyError|AttributeError|object has no|\bc\d+\b(?!.*\bc INT)|error_on_division")


@pytest.fixture(scope="module")
def db() -> Iterator[penstock.Database]:
    with penstock.connect() as database:
        database.execute(SETUP)
        database.wait_idle(20)
        yield database


@pytest.mark.parametrize("sql", STATEMENTS)
def test_an_answer_or_an_error(db: penstock.Database, sql: str) -> None:
    """As a statement, and as a query of its own."""
    told = []
    try:
        db.execute(sql)
    except penstock.Error as error:
        told.append(str(error))
    if sql.lstrip().upper().startswith(("SELECT", "WITH", "INSERT INTO NO")):
        try:
            with db.query(sql, timeout=0.01) as query:
                query.fetchall()
        except penstock.Error as error:
            told.append(str(error))
    for message in told:
        assert "duckdb_settings" in sql or not BELOW.search(message), message
        assert len(message) > 10
        assert "\n" not in message


def test_torn_statements(db: penstock.Database) -> None:
    """Good statements cut off, doubled and shuffled at random places."""
    dice = random.Random(3)
    good = [s for s in SETUP.split(";") if s.strip()] + STATEMENTS
    for _ in range(300):
        words = dice.choice(good).split()
        at = dice.randrange(len(words)) if words else 0
        torn = dice.choice((words[:at], words[at:], words[:at] + words[at - 1 :], words[at:] + words[:at], [*words[:at], "'", *words[at:]]))
        text = " ".join(torn)
        if text.upper().startswith(("DROP", "TERMINATE", "CREATE", "INSERT", "PAUSE")):
            text = "EXPLAIN " + text
        told = ""
        try:
            db.execute(text)
        except penstock.Error as error:
            told = str(error)
        assert "\n" not in told


def test_what_is_not_sql_at_all(db: penstock.Database) -> None:
    for text in ("", " ", ";;;", "\n\n", "-- a comment", "/* one */"):
        assert db.execute(text) == []
    with pytest.raises(penstock.Error):
        db.query("")
    with pytest.raises(penstock.Error):
        db.query("SELECT * FROM s; SELECT * FROM s;")
    with pytest.raises(penstock.Error):
        db.query("SHOW STREAMS;")
    with pytest.raises(penstock.Error):
        db.execute("SELECT " + "ABS(" * 5000 + "1" + ")" * 5000 + " FROM s;")
    with pytest.raises(penstock.Error):
        penstock.connect(properties={"nonsense": "x"})
