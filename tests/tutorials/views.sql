-- A table that is kept up to date as events come.

--@test: how often people call, and why
CREATE STREAM calls (who STRING, reason STRING, seconds INT) WITH (kafka_topic = 'calls', value_format = 'AVRO', partitions = 1);
CREATE TABLE reasons AS
  SELECT who, COUNT_DISTINCT(reason) AS kinds, LATEST_BY_OFFSET(reason) AS latest
  FROM calls GROUP BY who EMIT CHANGES;
CREATE TABLE minutes AS
  SELECT who, COUNT(reason) AS calls, (SUM(seconds) / 60) AS engaged
  FROM calls GROUP BY who EMIT CHANGES;
INSERT INTO calls (rowtime, who, reason, seconds) VALUES (1, 'Ginny', 'order', 61);
INSERT INTO calls (rowtime, who, reason, seconds) VALUES (2, 'Piper', 'help', 600);
INSERT INTO calls (rowtime, who, reason, seconds) VALUES (3, 'Ginny', 'help', 100);
INSERT INTO calls (rowtime, who, reason, seconds) VALUES (4, 'Ginny', NULL, 19);
INSERT INTO calls (rowtime, who, reason, seconds) VALUES (5, 'Ginny', 'order', NULL);
ASSERT VALUES reasons (who, kinds, latest) VALUES ('Ginny', 1, 'order');
ASSERT VALUES reasons (who, kinds, latest) VALUES ('Piper', 1, 'help');
ASSERT VALUES reasons (who, kinds, latest) VALUES ('Ginny', 2, 'help');
ASSERT VALUES reasons (who, kinds, latest) VALUES ('Ginny', 2, 'help');
ASSERT VALUES reasons (who, kinds, latest) VALUES ('Ginny', 2, 'order');
ASSERT VALUES minutes (rowtime, who, calls, engaged) VALUES (1, 'Ginny', 1, 1);
ASSERT VALUES minutes (rowtime, who, calls, engaged) VALUES (2, 'Piper', 1, 10);
ASSERT VALUES minutes (rowtime, who, calls, engaged) VALUES (3, 'Ginny', 2, 2);
ASSERT VALUES minutes (rowtime, who, calls, engaged) VALUES (4, 'Ginny', 2, 3);
ASSERT VALUES minutes (rowtime, who, calls, engaged) VALUES (5, 'Ginny', 3, 3);

--@test: the fields of a captured change
CREATE STREAM changes (`before` STRUCT<name STRING>, `after` STRUCT<name STRING, city STRING>, op STRING)
  WITH (kafka_topic = 'changes', value_format = 'JSON');
CREATE TABLE people AS
  SELECT `after`->name AS name, LATEST_BY_OFFSET(`after`->city) AS city, COUNT(*) AS changed
  FROM changes GROUP BY `after`->name;
INSERT INTO changes (`after`, op) VALUES (STRUCT(name := 'Ann', city := 'Leeds'), 'c');
INSERT INTO changes (`before`, `after`, op) VALUES (STRUCT(name := 'Ann'), STRUCT(name := 'Ann', city := 'Ghent'), 'u');
ASSERT VALUES people VALUES ('Ann', 'Leeds', 1);
ASSERT VALUES people VALUES ('Ann', 'Ghent', 2);

--@test: the last change of each key, of a topic and of a stream
CREATE STREAM changelog (k STRING KEY, v1 INT, v2 STRING, v3 BOOLEAN) WITH (kafka_topic = 'changelog', partitions = 1, value_format = 'JSON');
CREATE SOURCE TABLE latest_view (k STRING PRIMARY KEY, v1 INT, v2 STRING, v3 BOOLEAN) WITH (kafka_topic = 'changelog', value_format = 'JSON');
CREATE TABLE latest_events AS
  SELECT k, LATEST_BY_OFFSET(v1) AS v1, LATEST_BY_OFFSET(v2) AS v2, LATEST_BY_OFFSET(v3) AS v3 FROM changelog GROUP BY k EMIT CHANGES;
CREATE TABLE upper_view AS SELECT k, UCASE(v2) AS v2 FROM latest_view WHERE v3;
INSERT INTO changelog VALUES ('a', 0, 'x', TRUE);
INSERT INTO changelog VALUES ('b', 1, 'y', FALSE);
INSERT INTO changelog VALUES ('a', 2, 'z', FALSE);
ASSERT VALUES latest_events VALUES ('a', 0, 'x', TRUE);
ASSERT VALUES latest_events VALUES ('b', 1, 'y', FALSE);
ASSERT VALUES latest_events VALUES ('a', 2, 'z', FALSE);
ASSERT VALUES upper_view VALUES ('a', 'X');
ASSERT NULL VALUES upper_view (k) KEY ('a');

--@test: a source table is not written to
--@expected.error: any
--@expected.message: Cannot insert values into read-only table
CREATE SOURCE TABLE t (k STRING PRIMARY KEY, v INT) WITH (kafka_topic = 't', value_format = 'JSON', partitions = 1);
INSERT INTO t VALUES ('a', 1);
