-- Columns that hold more than one value, their names, and the time of a record.

--@test: structs, maps and arrays are taken apart
CREATE STREAM s (a STRING KEY, b STRUCT<c ARRAY<INT>, d MAP<STRING, STRUCT<e STRING, f BOOLEAN>>>)
  WITH (kafka_topic = 's', partitions = 1, value_format = 'AVRO');
CREATE STREAM o AS
  SELECT a, b->c[2] AS second, b->c[-1] AS last, b->c[9] AS none, b->d['x']->f AS f, b->d['y']->e AS e, b->d['z']->e AS nothing FROM s;
CREATE STREAM fields AS SELECT a, b->* FROM s;
INSERT INTO s VALUES ('k', STRUCT(c := ARRAY[5, 10, 15], d := MAP('x' := STRUCT(e := 'v1', f := TRUE), 'y' := STRUCT(e := 'v2', f := FALSE))));
ASSERT VALUES o VALUES ('k', 10, 15, NULL, TRUE, 'v2', NULL);
ASSERT VALUES fields (a, c) VALUES ('k', ARRAY[5, 10, 15]);

--@test: lambdas change, keep and fold
CREATE STREAM s (id INT KEY, m MAP<STRING, INT>, a ARRAY<INT>, n MAP<STRING, ARRAY<DECIMAL(3, 2)>>)
  WITH (kafka_topic = 's', partitions = 1, value_format = 'AVRO');
CREATE STREAM o AS
  SELECT id, TRANSFORM(m, (k, v) => UCASE(k), (k, v) => v + 5) AS changed, FILTER(m, (k, v) => INSTR(k, 'name') > 0 AND v != 0) AS kept,
         REDUCE(a, 2, (s, x) => CEIL(x / s)) AS folded, TRANSFORM(n, (k, v) => CONCAT(k, '_new'), (k, v) => TRANSFORM(v, x => ROUND(x))) AS nested
  FROM s;
INSERT INTO s VALUES (1, MAP('first name' := 15, 'middle' := 25, 'last name' := 0), ARRAY[2, 3, 4, 5], MAP('ann' := ARRAY[1.23, 3.65]));
INSERT INTO s VALUES (2, MAP('first name' := CAST(NULL AS INT)), ARRAY[CAST(NULL AS INT)], NULL);
ASSERT VALUES o VALUES (1, MAP('FIRST NAME' := 20, 'MIDDLE' := 30, 'LAST NAME' := 5), MAP('first name' := 15), 5, MAP('ann_new' := ARRAY[1, 4]));
ASSERT VALUES o (id, changed, folded, nested) VALUES (2, NULL, NULL, NULL);
ASSERT VALUES PROCESSING_LOG (reason) VALUES ('CHANGED: V + 5 is NULL in a lambda, where V is NULL; COALESCE gives NULL a value');

--@test: several table functions side by side
CREATE STREAM batches (country STRING KEY, names ARRAY<STRING>, ages ARRAY<INT>) WITH (kafka_topic = 'batches', value_format = 'JSON');
CREATE STREAM customers AS SELECT country, EXPLODE(names) AS name, EXPLODE(ages) AS age FROM batches;
INSERT INTO batches VALUES ('BE', ARRAY['An', 'Bo'], ARRAY[23]);
INSERT INTO batches VALUES ('NL', ARRAY['Cas'], ARRAY[56, 34]);
ASSERT VALUES customers VALUES ('BE', 'An', 23);
ASSERT VALUES customers VALUES ('BE', 'Bo', NULL);
ASSERT VALUES customers VALUES ('NL', 'Cas', 56);
ASSERT VALUES customers VALUES ('NL', NULL, 34);

--@test: names keep their case in backticks
CREATE STREAM `s2` (`foo` STRING KEY, `BAR` INT, `Baz` STRING, `grault` STRUCT<`Corge` STRING, `garply` INT>, qux INT)
  WITH (kafka_topic = 's2', partitions = 1, value_format = 'AVRO');
INSERT INTO `s2` (`foo`, `BAR`, `Baz`, `grault`, qux) VALUES ('k1', 1, 'x', STRUCT(`Corge` := 'v1', `garply` := 5), 2);
CREATE STREAM o AS SELECT `foo`, `BAR`, `Baz`, `grault`->`Corge`, `grault`->`garply`, qux, QUX AS qux2 FROM `s2`;
ASSERT STREAM o (`foo` STRING KEY, BAR INT, `Baz` STRING, `Corge` STRING, `garply` INT, qux INT, qux2 INT);
ASSERT VALUES o (`foo`, bar, `Corge`, Qux2) VALUES ('k1', 1, 'v1', 2);

--@test: a name in other case is another name
--@expected.error: any
--@expected.message: cannot be resolved
CREATE STREAM s (`foo` STRING KEY, v INT) WITH (kafka_topic = 's', value_format = 'JSON');
CREATE STREAM o AS SELECT foo, v FROM s;

--@test: a column gives the record its time
CREATE STREAM s1 (k STRING KEY, ts STRING, v INT) WITH (kafka_topic = 's1', partitions = 1, value_format = 'AVRO');
CREATE STREAM s2 WITH (timestamp = 'ts', timestamp_format = 'yyyy-MM-dd HH:mm:ss') AS SELECT * FROM s1;
CREATE STREAM s3 AS SELECT k, ROWTIME AS t, TIMESTAMPTOSTRING(ROWTIME, 'yyyy-MM-dd HH:mm:ss.SSS') AS shown FROM s2;
INSERT INTO s1 (rowtime, k, ts, v) VALUES (5, 'k1', '2020-05-04 01:00:00', 0);
ASSERT VALUES s1 (rowtime) VALUES (5);
ASSERT VALUES s2 (rowtime, ts) VALUES (1588554000000, '2020-05-04 01:00:00');
ASSERT VALUES s3 (rowtime, t, shown) VALUES (1588554000000, 1588554000000, '2020-05-04 01:00:00.000');

--@test: variables stand for names and values
DEFINE format = 'AVRO';
DEFINE name = 'clicks';
DEFINE partitions = '3';
CREATE STREAM ${name} (id INT KEY, `${NAME}` STRING) WITH (kafka_topic = '${name}-topic', value_format = '${format}', partitions = ${partitions});
INSERT INTO ${name} VALUES (1, '$${format} is ${format}');
ASSERT STREAM clicks (id INT KEY, `clicks` STRING) WITH (kafka_topic = 'clicks-topic', value_format = 'AVRO', partitions = 3);
ASSERT TOPIC 'clicks-topic' WITH (PARTITIONS = 3);
ASSERT VALUES clicks VALUES (1, '$${format} is AVRO');

--@test: records that cannot be read are passed over and told of
CREATE STREAM raw (k STRING KEY, v STRING) WITH (kafka_topic = 'raw', value_format = 'KAFKA', partitions = 1);
CREATE STREAM numbers (k STRING KEY, n INT) WITH (kafka_topic = 'raw', value_format = 'JSON');
CREATE STREAM o AS SELECT k, n * 2 AS twice FROM numbers;
INSERT INTO raw VALUES ('a', '{"n": 1}');
INSERT INTO raw VALUES ('b', 'no json');
INSERT INTO raw VALUES ('c', '{"N": "3"}');
ASSERT VALUES o VALUES ('a', 2);
ASSERT VALUES o VALUES ('c', 6);
ASSERT VALUES PROCESSING_LOG (kind, topic, `PARTITION`, `OFFSET`) VALUES ('DESERIALIZATION', 'raw', 0, 1);
