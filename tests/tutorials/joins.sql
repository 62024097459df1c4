-- Joins: who meets whom, and when.

--@test: a stream meets the table as it is then
CREATE STREAM l (k STRING KEY, a STRING) WITH (kafka_topic = 'l', value_format = 'JSON', partitions = 1);
CREATE TABLE r (k STRING PRIMARY KEY, b STRING) WITH (kafka_topic = 'r', value_format = 'JSON', partitions = 1);
CREATE STREAM inner_ AS SELECT l.k, a, b FROM l JOIN r ON l.k = r.k;
CREATE STREAM left_ AS SELECT l.k, a, b FROM l LEFT JOIN r ON l.k = r.k;
INSERT INTO l (rowtime, k, a) VALUES (3, 'x', 'A');
INSERT INTO r (rowtime, k, b) VALUES (4, 'x', 'a');
INSERT INTO l (rowtime, k, a) VALUES (5, 'x', 'B');
INSERT INTO r (rowtime, k, b) VALUES (6, 'x', 'b');
INSERT INTO l (rowtime, k, a) VALUES (15, 'x', 'D');
ASSERT VALUES inner_ (rowtime, l_k, a, b) VALUES (5, 'x', 'B', 'a');
ASSERT VALUES inner_ (rowtime, l_k, a, b) VALUES (15, 'x', 'D', 'b');
ASSERT VALUES left_ (rowtime, l_k, a, b) VALUES (3, 'x', 'A', NULL);
ASSERT VALUES left_ (rowtime, l_k, a, b) VALUES (5, 'x', 'B', 'a');
ASSERT VALUES left_ (rowtime, l_k, a, b) VALUES (15, 'x', 'D', 'b');

--@test: two tables, by their keys
CREATE TABLE l (k STRING PRIMARY KEY, a STRING) WITH (kafka_topic = 'l', value_format = 'JSON', partitions = 1);
CREATE TABLE r (k STRING PRIMARY KEY, b STRING) WITH (kafka_topic = 'r', value_format = 'JSON', partitions = 1);
CREATE TABLE inner_ AS SELECT l.k AS k, a, b FROM l JOIN r ON l.k = r.k;
CREATE TABLE left_ AS SELECT l.k AS k, a, b FROM l LEFT JOIN r ON l.k = r.k;
CREATE TABLE outer_ AS SELECT ROWKEY AS k, a, b FROM l FULL OUTER JOIN r ON l.k = r.k;
INSERT INTO l (rowtime, k, a) VALUES (3, 'x', 'A');
INSERT INTO r (rowtime, k, b) VALUES (4, 'x', 'a');
INSERT INTO l (rowtime, k, a) VALUES (5, 'x', 'B');
INSERT INTO r (rowtime, k, b) VALUES (6, 'y', 'b');
ASSERT VALUES inner_ (rowtime, k, a, b) VALUES (4, 'x', 'A', 'a');
ASSERT VALUES inner_ (rowtime, k, a, b) VALUES (5, 'x', 'B', 'a');
ASSERT VALUES left_ (rowtime, k, a, b) VALUES (3, 'x', 'A', NULL);
ASSERT VALUES left_ (rowtime, k, a, b) VALUES (4, 'x', 'A', 'a');
ASSERT VALUES left_ (rowtime, k, a, b) VALUES (5, 'x', 'B', 'a');
ASSERT VALUES outer_ (rowtime, k, a, b) VALUES (3, 'x', 'A', NULL);
ASSERT VALUES outer_ (rowtime, k, a, b) VALUES (4, 'x', 'A', 'a');
ASSERT VALUES outer_ (rowtime, k, a, b) VALUES (5, 'x', 'B', 'a');
ASSERT VALUES outer_ (rowtime, k, a, b) VALUES (6, 'y', NULL, 'b');

--@test: two tables, by a foreign key
CREATE TABLE orders (id INT PRIMARY KEY, customer INT, price DOUBLE) WITH (kafka_topic = 'orders', value_format = 'JSON', partitions = 1);
CREATE TABLE customers (id INT PRIMARY KEY, name STRING) WITH (kafka_topic = 'customers', value_format = 'JSON', partitions = 1);
CREATE TABLE named AS SELECT o.id AS id, c.name AS name, o.price AS price FROM orders o JOIN customers c ON o.customer = c.id;
INSERT INTO customers (rowtime, id, name) VALUES (1, 7, 'Ann');
INSERT INTO orders (rowtime, id, customer, price) VALUES (2, 100, 7, 1.5);
INSERT INTO orders (rowtime, id, customer, price) VALUES (3, 101, 7, 2.5);
INSERT INTO customers (rowtime, id, name) VALUES (4, 7, 'Anne');
ASSERT VALUES named VALUES (100, 'Ann', 1.5);
ASSERT VALUES named VALUES (101, 'Ann', 2.5);
ASSERT VALUES named VALUES (100, 'Anne', 1.5);
ASSERT VALUES named VALUES (101, 'Anne', 2.5);

--@test: three streams within hours
CREATE STREAM orders (id INT KEY, item STRING) WITH (kafka_topic = 'orders', value_format = 'JSON', partitions = 1);
CREATE STREAM payments (id INT KEY, paid STRING) WITH (kafka_topic = 'payments', value_format = 'JSON', partitions = 1);
CREATE STREAM shipments (id INT KEY, box STRING) WITH (kafka_topic = 'shipments', value_format = 'JSON', partitions = 1);
CREATE STREAM shipped AS
  SELECT o.id AS id, o.item AS item, p.paid AS paid, s.box AS box
  FROM orders o
    INNER JOIN payments p WITHIN 1 HOURS GRACE PERIOD 15 MINUTES ON p.id = o.id
    INNER JOIN shipments s WITHIN 2 HOURS GRACE PERIOD 15 MINUTES ON s.id = o.id;
INSERT INTO orders (rowtime, id, item) VALUES (0, 1, 'fig');
INSERT INTO orders (rowtime, id, item) VALUES (1, 2, 'fern');
INSERT INTO payments (rowtime, id, paid) VALUES (3600000, 1, 'card');
INSERT INTO payments (rowtime, id, paid) VALUES (3600002, 2, 'cash');
INSERT INTO shipments (rowtime, id, box) VALUES (10800000, 1, 'b1');
INSERT INTO shipments (rowtime, id, box) VALUES (10800000, 2, 'b2');
ASSERT VALUES shipped (rowtime, id, item, paid, box) VALUES (10800000, 1, 'fig', 'card', 'b1');

--@test: a key that no source has is called ROWKEY
CREATE STREAM a (id INT KEY, v STRING) WITH (kafka_topic = 'a', value_format = 'JSON', partitions = 1);
CREATE STREAM b (id INT KEY, w STRING) WITH (kafka_topic = 'b', value_format = 'JSON', partitions = 1);
CREATE STREAM both AS SELECT ROWKEY AS id, a.v, b.w FROM a FULL OUTER JOIN b WITHIN 1 MINUTE ON ABS(a.id) = ABS(b.id);
INSERT INTO a (rowtime, id, v) VALUES (1, -3, 'x');
INSERT INTO b (rowtime, id, w) VALUES (2, 3, 'y');
ASSERT VALUES both (id, v, w) VALUES (3, 'x', NULL);
ASSERT VALUES both (id, v, w) VALUES (3, 'x', 'y');

--@test: types of a join's sides are the same
--@expected.error: any
--@expected.message: types don't match
CREATE STREAM clicks (id INT KEY, url STRING) WITH (kafka_topic = 'clicks', value_format = 'JSON', partitions = 1);
CREATE TABLE users (id BIGINT PRIMARY KEY, name STRING) WITH (kafka_topic = 'users', value_format = 'JSON', partitions = 1);
CREATE STREAM good AS SELECT users.id, url, name FROM clicks JOIN users ON CAST(clicks.id AS BIGINT) = users.id;
CREATE STREAM bad AS SELECT clicks.id, url, name FROM clicks JOIN users ON clicks.id = users.id;
