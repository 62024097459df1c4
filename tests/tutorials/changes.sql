-- Queries and sources that change while they run.

--@test: a query goes on with another filter and another column
CREATE STREAM purchases (product INT KEY, name STRING, cost DOUBLE, quantity INT) WITH (kafka_topic = 'purchases', value_format = 'JSON', partitions = 1);
CREATE STREAM valid AS SELECT * FROM purchases WHERE cost > 0.00 AND quantity > 0;
INSERT INTO purchases VALUES (1, 'fig', -5.0, 1);
CREATE OR REPLACE STREAM valid AS SELECT * FROM purchases WHERE quantity > 0;
INSERT INTO purchases VALUES (2, 'fern', -6.0, 1);
CREATE OR REPLACE STREAM purchases (product INT KEY, name STRING, cost DOUBLE, quantity INT, popularity DOUBLE)
  WITH (kafka_topic = 'purchases', value_format = 'JSON', partitions = 1);
CREATE OR REPLACE STREAM valid AS SELECT * FROM purchases WHERE quantity > 0;
INSERT INTO purchases VALUES (3, 'ivy', 2.0, 4, 0.5);
ASSERT VALUES valid (product, name, cost) VALUES (2, 'fern', -6.0);
ASSERT VALUES valid VALUES (3, 'ivy', 2.0, 4, 0.5);

--@test: an aggregate goes on from its state
CREATE STREAM purchases (product INT KEY, cost DOUBLE) WITH (kafka_topic = 'purchases', value_format = 'JSON', partitions = 1);
CREATE TABLE stats AS SELECT product, COUNT(*) AS sales, AVG(cost) AS average FROM purchases GROUP BY product;
INSERT INTO purchases VALUES (1, -5.0);
CREATE OR REPLACE TABLE stats AS SELECT product, COUNT(*) AS sales, AVG(cost) AS average FROM purchases WHERE cost > 0 GROUP BY product;
INSERT INTO purchases VALUES (1, -9.0);
INSERT INTO purchases VALUES (1, 7.0);
ASSERT VALUES stats VALUES (1, 1, -5.0);
ASSERT VALUES stats VALUES (1, 2, 1.0);

--@test: columns are added, streams merged, keys taken from expressions
CREATE STREAM north (id INT KEY, v INT) WITH (kafka_topic = 'north', value_format = 'JSON', partitions = 1);
CREATE STREAM south (id INT KEY, v INT) WITH (kafka_topic = 'south', value_format = 'JSON', partitions = 1);
ALTER STREAM south ADD COLUMN note STRING;
CREATE STREAM everywhere AS SELECT id, v FROM north;
INSERT INTO everywhere SELECT id, v FROM south;
CREATE STREAM by_parity WITH (PARTITIONS = 2) AS SELECT v % 2 AS parity, id AS id, v FROM everywhere PARTITION BY v % 2;
CREATE STREAM keyless AS SELECT id, v FROM by_parity PARTITION BY NULL;
INSERT INTO north VALUES (1, 11);
INSERT INTO south (id, v, note) VALUES (2, 22, 'x');
ASSERT VALUES everywhere VALUES (1, 11);
ASSERT VALUES everywhere VALUES (2, 22);
ASSERT VALUES by_parity VALUES (1, 1, 11);
ASSERT VALUES by_parity VALUES (0, 2, 22);
ASSERT STREAM keyless (id INT, v INT) WITH (KEY_FORMAT = 'NONE');
ASSERT VALUES keyless VALUES (1, 11);

--@test: a paused query waits, and a dropped stream is gone
CREATE STREAM s (id INT KEY, v INT) WITH (kafka_topic = 's', value_format = 'JSON', partitions = 1);
CREATE STREAM o AS SELECT * FROM s;
PAUSE ALL;
INSERT INTO s VALUES (1, 1);
RESUME ALL;
ASSERT VALUES o VALUES (1, 1);
TERMINATE ALL;
DROP STREAM o DELETE TOPIC;
DROP STREAM IF EXISTS o;
ASSERT NOT EXISTS TOPIC 'O' TIMEOUT 1 SECOND;
CREATE TYPE address AS STRUCT<street STRING, town STRING>;
CREATE TYPE person AS STRUCT<name STRING, home address>;
CREATE STREAM people (p person) WITH (kafka_topic = 'people', value_format = 'JSON');
DROP TYPE person;
DROP TYPE IF EXISTS person;
ASSERT STREAM people (p STRUCT<name STRING, home address>);
