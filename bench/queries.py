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

ADS = """
CREATE STREAM shown (user_id STRING KEY, ad_id BIGINT, page STRING) WITH (kafka_topic='shown', value_format='JSON');
CREATE STREAM clicked (user_id STRING KEY, click_id BIGINT, cost BIGINT) WITH (kafka_topic='clicked', value_format='JSON');
"""

Q4 = """
CREATE STREAM shown_and_clicked WITH (kafka_topic='shown-and-clicked', value_format='JSON') AS
SELECT s.user_id AS user_id, s.ad_id AS ad_id, s.page AS page, c.click_id AS click_id, c.cost AS cost
FROM shown s INNER JOIN clicked c WITHIN 10 MINUTES GRACE PERIOD 1 MINUTE ON s.user_id = c.user_id EMIT CHANGES;
"""

Q4_DUCKDB = """
WITH s AS (SELECT key, ts, v.ad_id AS ad_id, v.page AS page FROM (
       SELECT key, ts, from_json(value, '{"ad_id":"BIGINT","page":"VARCHAR"}') AS v FROM shown)),
     c AS (SELECT key, ts, v.click_id AS click_id, v.cost AS cost FROM (
       SELECT key, ts, from_json(value, '{"click_id":"BIGINT","cost":"BIGINT"}') AS v FROM clicked))
SELECT s.key AS user_id, ad_id, page, click_id, cost FROM s JOIN c ON s.key = c.key AND c.ts BETWEEN s.ts - 600000 AND s.ts + 600000
"""

SALES = """
CREATE STREAM sales (shop STRING KEY, article BIGINT, cents BIGINT) WITH (kafka_topic='sales', value_format='JSON');
"""

Q5 = """
CREATE TABLE shops WITH (kafka_topic='shops', value_format='JSON') AS
SELECT shop, COUNT(*) AS sold, SUM(cents) AS cents FROM sales
WINDOW HOPPING (SIZE 1 HOUR, ADVANCE BY 10 MINUTES, RETENTION 2 HOURS, GRACE PERIOD 1 MINUTE) GROUP BY shop EMIT CHANGES;
"""

Q5_DUCKDB = """
SELECT key, ws, count(*) AS sold, sum(cents)::BIGINT AS cents FROM (
  SELECT key, v.cents AS cents, unnest(range(ts // 600000 * 600000 - 3000000, ts + 1, 600000)) AS ws FROM (
    SELECT key, ts, from_json(value, '{"cents":"BIGINT"}') AS v FROM sales))
GROUP BY key, ws
"""

VISITS = """
CREATE STREAM visits (user_id STRING KEY, page STRING, ms BIGINT) WITH (kafka_topic='visits', value_format='JSON');
"""

Q6 = """
CREATE TABLE sessions WITH (kafka_topic='sessions', value_format='JSON') AS
SELECT user_id, COUNT(*) AS pages, SUM(ms) AS ms FROM visits
WINDOW SESSION (5 MINUTES, RETENTION 1 HOUR, GRACE PERIOD 1 MINUTE) GROUP BY user_id EMIT CHANGES;
"""

Q6_DUCKDB = """
WITH v AS (SELECT n, key, ts, v.ms AS ms FROM (SELECT n, key, ts, from_json(value, '{"ms":"BIGINT"}') AS v FROM visits)),
     begun AS (SELECT *, CASE WHEN ts - lag(ts) OVER same <= 300000 THEN 0 ELSE 1 END AS new FROM v WINDOW same AS (PARTITION BY key ORDER BY ts, n)),
     numbered AS (SELECT *, sum(new) OVER (PARTITION BY key ORDER BY ts, n ROWS UNBOUNDED PRECEDING) AS session FROM begun)
SELECT key, min(ts) AS ws, max(ts) AS we, count(*) AS pages, sum(ms)::BIGINT AS ms FROM numbered GROUP BY key, session
"""


@dataclass(frozen=True)
class Bench:
    """A query: its topics (name -> records of so many events), its statements, DuckDB's query, and how to read the answer of each as
    rows: `answer` is DuckDB SQL over the view `output` (n, key, ws, we, value) and `expected`, DuckDB SQL over its own result. `key` says what
    the key's bytes are: BIGINT, STRING, or BYTES that nobody reads; behind it stands a window's start where it is `windowed` by TIME, its end
    and start where by SESSION."""

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
    key: str = "STRING"
    windowed: str = ""


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
LAST_OF_EACH = "FROM output QUALIFY row_number() OVER (PARTITION BY key, ws, we ORDER BY n DESC) = 1"


def ad_topics(count: int) -> dict[str, pa.RecordBatch]:
    """What was shown, and what was clicked, `count` together."""
    return dict(zip(("shown", "clicked"), events.shown_and_clicked(count), strict=True))


BENCHES = {
    "Q1": Bench(plant_topics, READINGS, Q1, "houseplant-low-readings", Q1_DUCKDB, PLANT_TABLES, LOW_ANSWER, LOW_EXPECTED, 0.35, windowed="TIME"),
    "Q1c": Bench(
        plant_topics, READINGS, Q1C, "houseplant-low-readings", Q1_DUCKDB, PLANT_TABLES, LOW_ANSWER, LOW_EXPECTED, 0.1, avro=True, key="BYTES",
    ),
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
        "SELECT user_id, clicks, spent, page FROM result", 0.15, key="BIGINT",
    ),
    "Q3s": Bench(
        lambda n: {"clicks": events.clicks(n, 10_000)}, CLICKS, Q3, "users", Q3_DUCKDB, {"clicks": "clicks"}, USER_ANSWER,
        "SELECT user_id, clicks, spent, page FROM result", 0.15, key="BIGINT",
    ),    "Q4": Bench(
        ad_topics, ADS, Q4, "shown-and-clicked", Q4_DUCKDB, {"shown": "shown", "clicked": "clicked"},
        """SELECT key, v.AD_ID, v.PAGE, v.CLICK_ID, v.COST FROM (
           SELECT key, from_json(value, '{"AD_ID":"BIGINT","PAGE":"VARCHAR","CLICK_ID":"BIGINT","COST":"BIGINT"}') AS v FROM output)""",
        "SELECT user_id, ad_id, page, click_id, cost FROM result", 0.1,
    ),
    "Q5": Bench(
        lambda n: {"sales": events.sales(n)}, SALES, Q5, "shops", Q5_DUCKDB, {"sales": "sales"},
        f"""SELECT key, ws, v.SOLD, v.CENTS FROM (SELECT key, ws, from_json(value, '{{"SOLD":"BIGINT","CENTS":"BIGINT"}}') AS v {LAST_OF_EACH})""",
        "SELECT key, ws, sold, cents FROM result", 0.1, windowed="TIME",
    ),
    "Q6": Bench(
        lambda n: {"visits": events.visits(n)}, VISITS, Q6, "sessions", Q6_DUCKDB, {"visits": "visits"},
        f"""SELECT key, ws, we, v.PAGES, v.MS FROM (
            SELECT key, ws, we, value, from_json(value, '{{"PAGES":"BIGINT","MS":"BIGINT"}}') AS v {LAST_OF_EACH}) WHERE value IS NOT NULL""",
        "SELECT key, ws, we, pages, ms FROM result", 0.1, windowed="SESSION",
    ),
}  # fmt: skip
