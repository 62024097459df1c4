-- From ratings and customers to unhappy platinum customers. The columns of both come from their schemas in the registry.

CREATE STREAM ratings WITH (
  kafka_topic='ratings',
  value_format='AVRO'
);

CREATE STREAM poor_ratings AS
SELECT * FROM ratings WHERE stars < 3;

-- Each customer's newest row, by the key of the database.
CREATE TABLE customers (
  customer_key STRING PRIMARY KEY
) WITH (
  kafka_topic='asgard.demo.customers',
  value_format='AVRO'
);

-- Join each rating to customer data.
CREATE STREAM ratings_with_customer_data WITH (
  kafka_topic='ratings-with-customer-data',
  partitions=1
) AS
SELECT
  c.customer_key AS customer_key,
  r.rating_id   AS rating_id,
  r.channel     AS channel,
  r.stars       AS stars,
  r.message     AS message,
  r.rating_time AS rating_time,
  r.ROWTIME     AS extract_ts,
  r.user_id     AS user_id,
  c.first_name + ' ' + c.last_name AS full_name,
  c.email       AS email,
  c.club_status AS club_status
FROM ratings r
LEFT JOIN customers c
ON CAST(r.user_id AS STRING) = c.customer_key
EMIT CHANGES;

CREATE STREAM unhappy_platinum_customers WITH (
  kafka_topic='unhappy_platinum_customers',
  value_format='JSON',
  partitions=1
) AS
SELECT * FROM ratings_with_customer_data
WHERE stars < 3
AND club_status = 'platinum';

-- Aggregate per minute by club status.
CREATE TABLE ratings_by_club_status AS
SELECT club_status, COUNT(*) AS rating_count
FROM ratings_with_customer_data
WINDOW TUMBLING (SIZE 1 MINUTES)
WHERE club_status IS NOT NULL
GROUP BY club_status;
