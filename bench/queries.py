"""The queries of the benchmark: what Penstock runs, what DuckDB runs over the same events, and the answer both must give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from bench import events

WINDOW_MS = 6 * 3600 * 1000
GRACE_MS = 10 * 60 * 1000

READINGS = """
CREATE STREAM houseplant_readings (id STRING KEY, plant_id INT, moisture DOUBLE, temperature DOUBLE)
  WITH (kafka_topic='houseplant-readings', value_format='JSON');
CREATE TABLE houseplant_metadata (id STRING PRIMARY KEY, plant_id INT, scientific_name STRING, common_name STRING, given_name STRING,
  temperature_low DOUBLE, temperature_high DOUBLE, moisture_low DOUBLE, moisture_high DOUBLE)
  WITH (kafka_topic='houseplant-metadata', value_format='JSON');
"""

Q1 = """
CREATE TABLE houseplant_low_readings WITH (kafka_topic='houseplant-low-readings', value_format='JSON', key_format='JSON') AS
SELECT m.id AS plant_id, m.scientific_name AS scientific_name, m.common_name AS common_name, m.given_name AS given_name,
  m.moisture_low AS moisture_low,
  CONCAT(m.given_name, ' the ', m.common_name, ' (', m.scientific_name, ') is looking pretty dry...') AS message,
  COUNT(*) AS low_reading_count
FROM houseplant_readings r INNER JOIN houseplant_metadata m ON r.id = m.id
WINDOW TUMBLING (SIZE 6 HOURS, RETENTION 7 DAYS, GRACE PERIOD 10 MINUTES)
WHERE r.moisture < m.moisture_low
GROUP BY m.id, m.scientific_name, m.common_name, m.given_name, m.moisture_low
HAVING COUNT(*) > 120
EMIT FINAL;
"""

Q1C = """
CREATE STREAM houseplant_readings_enriched WITH (kafka_topic='houseplant-readings-enriched', value_format='AVRO') AS
SELECT houseplant_readings.id AS plant_id, houseplant_readings.ROWTIME AS ts, houseplant_readings.moisture AS moisture,
  houseplant_readings.temperature AS temperature, houseplant_metadata.scientific_name AS scientific_name,
  houseplant_metadata.common_name AS common_name, houseplant_metadata.given_name AS given_name,
  houseplant_metadata.temperature_low AS temperature_low, houseplant_metadata.temperature_high AS temperature_high,
  houseplant_metadata.moisture_low AS moisture_low, houseplant_metadata.moisture_high AS moisture_high
FROM houseplant_readings INNER JOIN houseplant_metadata ON houseplant_readings.id = houseplant_metadata.id EMIT CHANGES;

CREATE TABLE houseplant_low_readings WITH (kafka_topic='houseplant-low-readings', format='AVRO') AS
SELECT plant_id, scientific_name, common_name, given_name, moisture_low,
  CONCAT(given_name, ' the ', common_name, ' (', scientific_name, ') is looking pretty dry...') AS message,
  COUNT(*) AS low_reading_count
FROM houseplant_readings_enriched
WINDOW TUMBLING (SIZE 6 HOURS, RETENTION 7 DAYS, GRACE PERIOD 10 MINUTES)
WHERE moisture < moisture_low
GROUP BY plant_id, scientific_name, common_name, given_name, moisture_low
HAVING COUNT(*) > 120
EMIT FINAL;
"""

Q1_DUCKDB = f"""
WITH r AS (SELECT key AS id, ts, v.moisture AS moisture FROM (
       SELECT key, ts, from_json(value, '{{"plant_id":"INTEGER","moisture":"DOUBLE","temperature":"DOUBLE"}}') AS v FROM readings)),
     m AS (SELECT key AS id, v.* FROM (SELECT key, from_json(value, '{{"scientific_name":"VARCHAR","common_name":"VARCHAR","given_name":"VARCHAR",
       "moisture_low":"DOUBLE"}}') AS v FROM plants) t(key, v)),
     low AS (SELECT m.id, scientific_name, common_name, given_name, moisture_low, ts - ts % {WINDOW_MS} AS ws, ts
             FROM r JOIN m ON r.id = m.id WHERE moisture < moisture_low)
SELECT id, ws, given_name || ' the ' || common_name || ' (' || scientific_name || ') is looking pretty dry...' AS message, count(*) AS n
FROM low GROUP BY id, scientific_name, common_name, given_name, moisture_low, ws
HAVING count(*) > 120 AND ws + {WINDOW_MS + GRACE_MS} <= (SELECT max(ts) FROM low)
"""

RATINGS = """
CREATE STREAM ratings (rating_id BIGINT, user_id INT, stars INT, route_id INT, rating_time BIGINT, channel STRING, message STRING)
  WITH (kafka_topic='ratings', value_format='JSON');
"""

Q2 = """
CREATE STREAM poor_ratings WITH (kafka_topic='poor-ratings', value_format='JSON') AS
SELECT rating_id, user_id, stars, channel, message FROM ratings WHERE stars < 3 AND LCASE(channel) NOT LIKE '%test%' EMIT CHANGES;
"""

Q2_DUCKDB = """
SELECT to_json(struct_pack(RATING_ID := v.rating_id, USER_ID := v.user_id, STARS := v.stars, CHANNEL := v.channel, MESSAGE := v.message)) AS j FROM (
  SELECT from_json(value, '{"rating_id":"BIGINT","user_id":"INTEGER","stars":"INTEGER","channel":"VARCHAR","message":"VARCHAR"}') AS v FROM ratings)
WHERE v.stars < 3 AND lower(v.channel) NOT LIKE '%test%'
"""

CLICKS = """
CREATE STREAM clicks (user_id BIGINT, amount BIGINT, page STRING) WITH (kafka_topic='clicks', value_format='JSON');
"""

Q3 = """
CREATE TABLE users WITH (kafka_topic='users', value_format='JSON', key_format='KAFKA') AS
SELECT user_id, COUNT(*) AS clicks, SUM(amount) AS spent, LATEST_BY_OFFSET(page) AS page FROM clicks GROUP BY user_id EMIT CHANGES;
"""

Q3_DUCKDB = """
SELECT v.user_id AS user_id, count(*) AS clicks, sum(v.amount)::BIGINT AS spent, arg_max(v.page, n) AS page FROM (
  SELECT from_json(value, '{"user_id":"BIGINT","amount":"BIGINT","page":"VARCHAR"}') AS v, n FROM clicks)
GROUP BY v.user_id
"""


@dataclass(frozen=True)
class Bench:
    """A query: its topics (name -> records of so many events), its statements, DuckDB's query, and how to read the answer of each as
    sorted rows: `answer` is DuckDB SQL over the view `output` (key, value, timestamp) and `expected`, DuckDB SQL over its own result."""

    topics: Callable[[int], dict[str, pa.RecordBatch]]
    sources: str
    statements: str
    output: str
    duckdb: str
    tables: dict[str, str]
    answer: str
    expected: str
    at_least: float
    avro: bool = False


def plant_topics(count: int) -> dict[str, pa.RecordBatch]:
    """The topics of the houseplants: the plants, and `count` readings."""
    return {"houseplant-metadata": events.plants(), "houseplant-readings": events.readings(count)}


LOW_ANSWER = """SELECT v.MESSAGE AS message, v.LOW_READING_COUNT AS n FROM (
  SELECT from_json(value, '{"MESSAGE":"VARCHAR","LOW_READING_COUNT":"BIGINT"}') AS v FROM output WHERE value IS NOT NULL)"""
LOW_EXPECTED = "SELECT message, n FROM result"
PLANT_TABLES = {"readings": "houseplant-readings", "plants": "houseplant-metadata"}
USER_ANSWER = """SELECT user_id, v.CLICKS, v.SPENT, v.PAGE FROM (
  SELECT key AS user_id, from_json(value, '{"CLICKS":"BIGINT","SPENT":"BIGINT","PAGE":"VARCHAR"}') AS v
  FROM output QUALIFY row_number() OVER (PARTITION BY key ORDER BY n DESC) = 1)"""

BENCHES = {
    "Q1": Bench(plant_topics, READINGS, Q1, "houseplant-low-readings", Q1_DUCKDB, PLANT_TABLES, LOW_ANSWER, LOW_EXPECTED, 0.35),
    "Q1c": Bench(plant_topics, READINGS, Q1C, "houseplant-low-readings", Q1_DUCKDB, PLANT_TABLES, LOW_ANSWER, LOW_EXPECTED, 0.1, avro=True),
    "Q2": Bench(
        lambda n: {"ratings": events.ratings(n)}, RATINGS, Q2, "poor-ratings", Q2_DUCKDB, {"ratings": "ratings"},
        """SELECT v.RATING_ID, v.USER_ID, v.STARS, v.CHANNEL, v.MESSAGE FROM (SELECT from_json(value,
           '{"RATING_ID":"BIGINT","USER_ID":"INTEGER","STARS":"INTEGER","CHANNEL":"VARCHAR","MESSAGE":"VARCHAR"}') AS v FROM output)""",
        """SELECT v.RATING_ID, v.USER_ID, v.STARS, v.CHANNEL, v.MESSAGE FROM (SELECT from_json(j,
           '{"RATING_ID":"BIGINT","USER_ID":"INTEGER","STARS":"INTEGER","CHANNEL":"VARCHAR","MESSAGE":"VARCHAR"}') AS v FROM result)""",
        0.35,
    ),
    "Q3": Bench(
        lambda n: {"clicks": events.clicks(n, 1_000_000)}, CLICKS, Q3, "users", Q3_DUCKDB, {"clicks": "clicks"}, USER_ANSWER,
        "SELECT user_id, clicks, spent, page FROM result", 0.15,
    ),
    "Q3s": Bench(
        lambda n: {"clicks": events.clicks(n, 10_000)}, CLICKS, Q3, "users", Q3_DUCKDB, {"clicks": "clicks"}, USER_ANSWER,
        "SELECT user_id, clicks, spent, page FROM result", 0.15,
    ),
}  # fmt: skip
