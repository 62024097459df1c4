"""The statements of the houseplant talk, and what EXPLAIN says of them."""

from __future__ import annotations

from tests.plan.world import World

from penstock.plan import explain, schema_text
from penstock.plan.steps import Column
from penstock.sql.types import DOUBLE, INTEGER, STRING, SqlType


def columns(**types: SqlType) -> tuple[Column, ...]:
    return tuple(Column(name, type_) for name, type_ in types.items())


SCHEMAS = {
    ("houseplant-readings", False): columns(PLANT_ID=INTEGER, MOISTURE=DOUBLE, TEMPERATURE=DOUBLE),
    ("houseplant-metadata", False): columns(
        PLANT_ID=INTEGER, SCIENTIFIC_NAME=STRING, COMMON_NAME=STRING, GIVEN_NAME=STRING, TEMPERATURE_LOW=DOUBLE, TEMPERATURE_HIGH=DOUBLE,
        MOISTURE_LOW=DOUBLE, MOISTURE_HIGH=DOUBLE,
    ),
}  # fmt: skip
SOURCES = """
CREATE TABLE houseplant_metadata (id STRING PRIMARY KEY) WITH (kafka_topic='houseplant-metadata', value_format='AVRO');
CREATE STREAM houseplant_readings (id STRING KEY) WITH (kafka_topic='houseplant-readings', value_format='AVRO');
"""
ENRICHED = """
CREATE STREAM houseplant_readings_enriched WITH (kafka_topic='houseplant-readings-enriched', value_format='AVRO') AS
SELECT
  houseplant_readings.id           AS plant_id,
  houseplant_readings.ROWTIME      AS ts,
  houseplant_readings.moisture     AS moisture,
  houseplant_readings.temperature  AS temperature,
  houseplant_metadata.scientific_name AS scientific_name,
  houseplant_metadata.common_name  AS common_name,
  houseplant_metadata.given_name   AS given_name,
  houseplant_metadata.temperature_low AS temperature_low,
  houseplant_metadata.temperature_high AS temperature_high,
  houseplant_metadata.moisture_low  AS moisture_low,
  houseplant_metadata.moisture_high AS moisture_high
FROM houseplant_readings
INNER JOIN houseplant_metadata
ON houseplant_readings.id = houseplant_metadata.id
EMIT CHANGES;
"""
LOW = """
CREATE TABLE houseplant_low_readings WITH (kafka_topic='houseplant-low-readings', format='AVRO') AS
SELECT
  plant_id,
  scientific_name,
  common_name,
  given_name,
  moisture_low,
  CONCAT(given_name, ' the ', common_name, ' (', scientific_name, ') is looking pretty dry...') AS message,
  COUNT(*) AS low_reading_count
FROM houseplant_readings_enriched
WINDOW TUMBLING (SIZE 6 HOURS, RETENTION 7 DAYS, GRACE PERIOD 10 MINUTES)
WHERE moisture < moisture_low
GROUP BY plant_id, scientific_name, common_name, given_name, moisture_low
HAVING COUNT(*) > 120
EMIT FINAL;
"""


def world(*statements: str) -> World:
    made = World(schemas=dict(SCHEMAS))
    for statement in (SOURCES, *statements):
        made.run(statement)
    return made


def outline(text: str) -> str:
    """An explanation without the columns of its steps."""
    return "\n".join(line.partition("  [")[0] for line in text.splitlines())


def test_partly_inferred_sources() -> None:
    made = world()
    assert schema_text(made.held["HOUSEPLANT_READINGS"]) == "`ID` STRING KEY, `PLANT_ID` INT, `MOISTURE` DOUBLE, `TEMPERATURE` DOUBLE"
    assert schema_text(made.held["HOUSEPLANT_METADATA"]).startswith("`ID` STRING KEY, `PLANT_ID` INT, `SCIENTIFIC_NAME` STRING, ")


def test_enrichment() -> None:
    text = explain(world().plan(ENRICHED))
    assert outline(text) == """\
write HOUSEPLANT_READINGS_ENRICHED to topic 'houseplant-readings-enriched' (key KAFKA, value AVRO, 1 partition)
  select HOUSEPLANT_READINGS.ID as PLANT_ID, HOUSEPLANT_READINGS.ROWTIME as TS, HOUSEPLANT_READINGS.MOISTURE as MOISTURE, \
HOUSEPLANT_READINGS.TEMPERATURE as TEMPERATURE, HOUSEPLANT_METADATA.SCIENTIFIC_NAME as SCIENTIFIC_NAME, \
HOUSEPLANT_METADATA.COMMON_NAME as COMMON_NAME, HOUSEPLANT_METADATA.GIVEN_NAME as GIVEN_NAME, \
HOUSEPLANT_METADATA.TEMPERATURE_LOW as TEMPERATURE_LOW, HOUSEPLANT_METADATA.TEMPERATURE_HIGH as TEMPERATURE_HIGH, \
HOUSEPLANT_METADATA.MOISTURE_LOW as MOISTURE_LOW, HOUSEPLANT_METADATA.MOISTURE_HIGH as MOISTURE_HIGH
    inner join stream with table
      read HOUSEPLANT_READINGS from topic 'houseplant-readings' (key KAFKA, value AVRO)
      read HOUSEPLANT_METADATA from topic 'houseplant-metadata' (key KAFKA, value AVRO)"""
    assert "PLANT_ID" not in text.splitlines()[3]  # the value's plant_id is not read, so not decoded


def test_windowed_alerts() -> None:
    made = world(ENRICHED)
    assert explain(made.plan(LOW)) == """\
write HOUSEPLANT_LOW_READINGS to topic 'houseplant-low-readings' (key AVRO, value AVRO, 1 partition, tumbling window of 6 hours)  \
[table: PLANT_ID STRING, SCIENTIFIC_NAME STRING, COMMON_NAME STRING, GIVEN_NAME STRING, MOISTURE_LOW DOUBLE | \
MESSAGE STRING, LOW_READING_COUNT BIGINT]
  select PLANT_ID, SCIENTIFIC_NAME, COMMON_NAME, GIVEN_NAME, MOISTURE_LOW, \
CONCAT(GIVEN_NAME, ' the ', COMMON_NAME, ' (', SCIENTIFIC_NAME, ') is looking pretty dry...') as MESSAGE, KSQL_AGG_0 as LOW_READING_COUNT  \
[table: PLANT_ID STRING, SCIENTIFIC_NAME STRING, COMMON_NAME STRING, GIVEN_NAME STRING, MOISTURE_LOW DOUBLE | \
MESSAGE STRING, LOW_READING_COUNT BIGINT]
    filter (KSQL_AGG_0 > 120)  \
[table: PLANT_ID STRING, SCIENTIFIC_NAME STRING, COMMON_NAME STRING, GIVEN_NAME STRING, MOISTURE_LOW DOUBLE | KSQL_AGG_0 BIGINT]
      hold back until final, tumbling window of 6 hours, retention 7 days, grace 10 minutes  \
[table: PLANT_ID STRING, SCIENTIFIC_NAME STRING, COMMON_NAME STRING, GIVEN_NAME STRING, MOISTURE_LOW DOUBLE | KSQL_AGG_0 BIGINT]
        aggregate COUNT() as KSQL_AGG_0, tumbling window of 6 hours, retention 7 days, grace 10 minutes  \
[table: PLANT_ID STRING, SCIENTIFIC_NAME STRING, COMMON_NAME STRING, GIVEN_NAME STRING, MOISTURE_LOW DOUBLE | KSQL_AGG_0 BIGINT]
          rekey by PLANT_ID, SCIENTIFIC_NAME, COMMON_NAME, GIVEN_NAME, MOISTURE_LOW  \
[stream: PLANT_ID STRING, SCIENTIFIC_NAME STRING, COMMON_NAME STRING, GIVEN_NAME STRING, MOISTURE_LOW DOUBLE | no values]
            filter (MOISTURE < MOISTURE_LOW)  \
[stream: PLANT_ID STRING | MOISTURE DOUBLE, SCIENTIFIC_NAME STRING, COMMON_NAME STRING, GIVEN_NAME STRING, MOISTURE_LOW DOUBLE]
              read HOUSEPLANT_READINGS_ENRICHED from topic 'houseplant-readings-enriched' (key KAFKA, value AVRO)  \
[stream: PLANT_ID STRING | MOISTURE DOUBLE, SCIENTIFIC_NAME STRING, COMMON_NAME STRING, GIVEN_NAME STRING, MOISTURE_LOW DOUBLE]"""


def test_pull_query() -> None:
    plan = world().query("SELECT given_name FROM houseplant_metadata WHERE moisture_low > 20;")
    assert outline(explain(plan)) == """\
pull query, answers GIVEN_NAME
  select ID as KSQL_KEY_0, GIVEN_NAME
    filter (MOISTURE_LOW > 20.0E0)
      read HOUSEPLANT_METADATA from topic 'houseplant-metadata' (key KAFKA, value AVRO)"""


def test_the_other_talks() -> None:
    made = World(schemas={
        ("survey-entries", False): columns(USER_ID=STRING, NAME=STRING, COMPANY=STRING, LOCATION=STRING, QUESTION=STRING, RESPONSE=STRING),
        ("ratings", False): columns(RATING_ID=INTEGER, STARS=INTEGER, CHANNEL=STRING, MESSAGE=STRING, USER_ID=INTEGER),
    })  # fmt: skip
    made.run("""
        CREATE STREAM survey_entries WITH (kafka_topic='survey-entries', value_format='AVRO');
        CREATE STREAM survey_respondents WITH (kafka_topic='survey-respondents', value_format='AVRO')
            AS SELECT user_id, name, company, location FROM survey_entries EMIT CHANGES;
        CREATE TABLE survey_results_live WITH (kafka_topic='survey-results-live', value_format='AVRO')
            AS SELECT question AS question, HISTOGRAM(response) AS results FROM survey_entries GROUP BY question EMIT CHANGES;
        CREATE TABLE survey_results_final WITH (kafka_topic='survey-results-final', value_format='AVRO')
            AS SELECT question AS question, HISTOGRAM(response) AS results FROM survey_entries
            WINDOW TUMBLING (SIZE 48 HOURS, GRACE PERIOD 10 MINUTE) GROUP BY question EMIT FINAL;
        CREATE STREAM ratings WITH (kafka_topic='ratings', value_format='AVRO');
        CREATE STREAM poor_ratings AS SELECT * FROM ratings WHERE stars < 3 AND LCASE(channel) NOT LIKE '%test%';
        create stream sock_stream(image varchar, probability double) with (kafka_topic='data_mqtt', value_format='json');
        create table sock_stream_smoothed as
            select image, timestamptoString(windowstart(), 'hh:mm:ss') as last_seen, windowstart() as window_start
            from sock_stream window tumbling (size 5 seconds) group by image having count(*) > 3 emit changes;
        create stream sock_stream_without_blanks as select image from sock_stream where image != 'blank';
    """)
    pairs = made.query("""select image, case when (count(*)/2)*2 = count(*) then 'Pair' else 'Un-matched' end as pair_seen,
        count(*) as number_socks_seen from sock_stream_smoothed group by image emit changes;""")
    assert schema_text(pairs) == "`IMAGE` STRING, `PAIR_SEEN` STRING, `NUMBER_SOCKS_SEEN` BIGINT"
    assert schema_text(made.held["SURVEY_RESULTS_FINAL"]) == "`QUESTION` STRING KEY, `RESULTS` MAP<STRING, BIGINT>"
    assert schema_text(made.held["SOCK_STREAM_SMOOTHED"]) == "`IMAGE` STRING KEY, `LAST_SEEN` STRING, `WINDOW_START` BIGINT"
