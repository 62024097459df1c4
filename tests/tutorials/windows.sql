-- Windows, late records, and results that are shown once.

--@test: an alarm for a card that pays too often
CREATE STREAM payments (id STRING KEY, mail STRING, card STRING, `timestamp` STRING, amount DECIMAL(12, 2))
  WITH (kafka_topic = 'payments', partitions = 8, value_format = 'AVRO', timestamp = '`timestamp`', timestamp_format = 'yyyy-MM-dd''T''HH:mm:ss');
CREATE TABLE alarms WITH (kafka_topic = 'alarms', VALUE_AVRO_SCHEMA_FULL_NAME = 'org.example.Alarm') AS
  SELECT card AS `card_key`, AS_VALUE(card) AS `card`, LATEST_BY_OFFSET(mail) AS `mail`, COUNT(*) AS `n`, SUM(amount) AS `total`,
         COLLECT_LIST(id) AS `ids`, WINDOWSTART AS `from`, WINDOWEND AS `to`
  FROM payments WINDOW TUMBLING (SIZE 30 SECONDS, RETENTION 1000 DAYS)
  GROUP BY card HAVING COUNT(*) >= 3 EMIT CHANGES;
INSERT INTO payments VALUES ('p1', 'ann@example.org', '4711', '2024-05-01T10:00:02', 5.25);
INSERT INTO payments VALUES ('p2', 'bob@example.org', '0815', '2024-05-01T10:00:04', 18.00);
INSERT INTO payments VALUES ('p3', 'ann@example.org', '4711', '2024-05-01T10:00:20', 10.00);
INSERT INTO payments VALUES ('p4', 'ann@example.org', '4711', '2024-05-01T10:00:29', 1.50);
INSERT INTO payments VALUES ('p5', 'ann@example.org', '4711', '2024-05-01T10:00:31', 7.00);
ASSERT VALUES alarms (`card_key`, `card`, `mail`, `n`, `total`, `ids`, `from`, `to`)
  VALUES ('4711', '4711', 'ann@example.org', 3, 16.75, ARRAY['p1', 'p3', 'p4'], 1714557600000, 1714557630000);
ASSERT SCHEMA SUBJECT 'alarms-value';

--@test: tumbling windows take what is late, up to the grace period
CREATE STREAM views (region STRING KEY, gender STRING) WITH (kafka_topic = 'views', value_format = 'JSON', partitions = 1);
CREATE TABLE per_minute AS
  SELECT region, COUNT(*) AS n FROM views WINDOW TUMBLING (SIZE 1 MINUTE, GRACE PERIOD 10 SECONDS) WHERE UCASE(gender) = 'F' GROUP BY region;
INSERT INTO views (rowtime, region, gender) VALUES (1000, 'north_6', 'f');
INSERT INTO views (rowtime, region, gender) VALUES (62000, 'north_6', 'F');
INSERT INTO views (rowtime, region, gender) VALUES (59000, 'north_6', 'f');
INSERT INTO views (rowtime, region, gender) VALUES (71000, 'north_6', 'm');
INSERT INTO views (rowtime, region, gender) VALUES (80000, 'north_6', 'f');
INSERT INTO views (rowtime, region, gender) VALUES (59500, 'north_6', 'f');
INSERT INTO views (rowtime, region, gender) VALUES (81000, 'north_6', 'f');
ASSERT VALUES per_minute (region, windowstart, windowend, n) VALUES ('north_6', 0, 60000, 1);
ASSERT VALUES per_minute (region, windowstart, windowend, n) VALUES ('north_6', 60000, 120000, 1);
ASSERT VALUES per_minute (region, windowstart, windowend, n) VALUES ('north_6', 0, 60000, 2);
ASSERT VALUES per_minute (region, windowstart, windowend, n) VALUES ('north_6', 60000, 120000, 2);
ASSERT VALUES per_minute (region, windowstart, windowend, n) VALUES ('north_6', 60000, 120000, 3);

--@test: hopping windows overlap
CREATE STREAM views (region STRING KEY, v INT) WITH (kafka_topic = 'views', value_format = 'JSON', partitions = 1);
CREATE TABLE hops AS
  SELECT region, COUNT(*) AS n FROM views WINDOW HOPPING (SIZE 30 SECONDS, ADVANCE BY 10 SECONDS) WHERE LCASE(region) LIKE '%_6' GROUP BY region;
INSERT INTO views (rowtime, region, v) VALUES (25000, 'South_6', 1);
INSERT INTO views (rowtime, region, v) VALUES (25000, 'South_7', 1);
ASSERT VALUES hops (region, windowstart, windowend, n) VALUES ('South_6', 0, 30000, 1);
ASSERT VALUES hops (region, windowstart, windowend, n) VALUES ('South_6', 10000, 40000, 1);
ASSERT VALUES hops (region, windowstart, windowend, n) VALUES ('South_6', 20000, 50000, 1);

--@test: a session grows, and two grow together
CREATE STREAM clicks (who STRING KEY, page STRING) WITH (kafka_topic = 'clicks', value_format = 'JSON', partitions = 1);
CREATE TABLE sessions AS
  SELECT who, COUNT(*) AS n, WINDOWSTART AS began, WINDOWEND AS ended FROM clicks WINDOW SESSION (60 SECONDS) GROUP BY who EMIT CHANGES;
INSERT INTO clicks (rowtime, who, page) VALUES (0, 'Ann', 'a');
INSERT INTO clicks (rowtime, who, page) VALUES (100000, 'Ann', 'b');
INSERT INTO clicks (rowtime, who, page) VALUES (50000, 'Ann', 'c');
ASSERT VALUES sessions (who, n, began, ended) VALUES ('Ann', 1, 0, 0);
ASSERT VALUES sessions (who, n, began, ended) VALUES ('Ann', 1, 100000, 100000);
ASSERT NULL VALUES sessions (who, windowstart, windowend) KEY ('Ann', 0, 0);
ASSERT NULL VALUES sessions (who, windowstart, windowend) KEY ('Ann', 100000, 100000);
ASSERT VALUES sessions (who, n, began, ended) VALUES ('Ann', 3, 0, 100000);

--@test: final results come once
CREATE STREAM orders (zip STRING KEY, total INT) WITH (kafka_topic = 'orders', value_format = 'JSON', partitions = 1);
CREATE TABLE best AS
  SELECT zip, TOPK(total, 2) AS best, FROM_UNIXTIME(WINDOWSTART) AS began, FROM_UNIXTIME(MAX(ROWTIME)) AS last
  FROM orders WINDOW TUMBLING (SIZE 5 MINUTES, GRACE PERIOD 1 MINUTE) GROUP BY zip EMIT FINAL;
INSERT INTO orders (rowtime, zip, total) VALUES (2000, '94041', 5);
INSERT INTO orders (rowtime, zip, total) VALUES (83000, '94041', 9);
INSERT INTO orders (rowtime, zip, total) VALUES (310000, '94041', 1);
INSERT INTO orders (rowtime, zip, total) VALUES (240000, '94041', 7);
INSERT INTO orders (rowtime, zip, total) VALUES (360000, '98041', 2);
ASSERT VALUES best (zip, best, began, last) VALUES ('94041', ARRAY[9, 7], '1970-01-01T00:00:00', '1970-01-01T00:04:00');

--@test: the size of a window is called SIZE
--@expected.error: any
--@expected.message: Expected SIZE
CREATE STREAM s (k STRING KEY, v INT) WITH (kafka_topic = 's', value_format = 'JSON');
CREATE TABLE t AS SELECT k, COUNT(*) AS n FROM s WINDOW TUMBLING (7 DAYS) GROUP BY k;
