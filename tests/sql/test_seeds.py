"""The SQL of the five talks: every statement of theirs parses, and says what the talk says.

The slides' breaks, curly quotes and reading errors (an underscore for a blank, an x for a *) are mended; nothing else is changed.
"""

from __future__ import annotations

from typing import Any

import pytest

from penstock.sql import ast
from penstock.sql.format import format_statement
from penstock.sql.parser import parse, parse_one

HOUSEPLANTS = """
CREATE TABLE houseplant_metadata (
    id STRING PRIMARY KEY
) WITH (
    kafka_topic='houseplant-metadata',
    value_format='AVRO'
);
CREATE STREAM houseplant_readings (
  id STRING KEY
) WITH (
  kafka_topic='houseplant-readings',
  value_format='AVRO'
);
CREATE STREAM houseplant_readings_enriched WITH (
  kafka_topic='houseplant-readings-enriched',
  value_format='AVRO'
) AS
SELECT
  houseplant_readings.id           AS plant_id,
  houseplant_readings.ROWTIME      AS ts,
  houseplant_readings.moisture     AS moisture,
  houseplant_readings.temperature AS temperature,
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
SELECT
given_name
FROM houseplants
WHERE low_moisture > 20;
CREATE TABLE houseplant_low_readings WITH (
  kafka_topic='houseplant-low-readings',
  format='AVRO'
) AS
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

RATINGS = """
SELECT * FROM WIDGETS WHERE WEIGHT_G > 120;
SELECT COUNT(*) FROM WIDGETS GROUP BY PRODUCTION_LINE;
SELECT AVG(TEMP_CELCIUS) AS TEMP FROM WIDGETS GROUP BY SENSOR_ID HAVING TEMP>20;
CREATE SINK CONNECTOR dw WITH (
  'connector.class' = 'S3Connector',
  'topics' = 'widgets'
);
CREATE STREAM POOR_RATINGS AS SELECT * FROM ratings WHERE STARS <3;
CREATE STREAM RATINGS_WITH_CUSTOMER_DATA AS SELECT * FROM RATINGS LEFT JOIN CUSTOMERS ON R.ID = C.ID;
CREATE STREAM UNHAPPY_PLATINUM_CUSTOMERS AS SELECT * FROM RATINGS_WITH_CUSTOMER_DATA WHERE STARS < 3;
CREATE TABLE RATINGS_BY_CLUB_STATUS AS
SELECT CLUB_STATUS, COUNT(*)
FROM RATINGS_WITH_CUSTOMER_DATA
WINDOW TUMBLING (SIZE 1 MINUTES)
GROUP BY CLUB_STATUS;
"""

SOCKS = """
CREATE SOURCE CONNECTOR `mqtt-source` WITH(
  "connector.class"='io.confluent.connect.mqtt.MqttSourceConnector',
  "mqtt.server.uri"='${file:/scripts/credentials.properties:MQTT_URI}',
  "mqtt.username"='${file:/scripts/credentials.properties:MQTT_USERNAME}',
  "mqtt.password"='${file:/scripts/credentials.properties:MQTT_PASSWORD}',
  "mqtt.topics"='sockfound',
  "kafka.topic"='data_mqtt',
  "key.converter"='org.apache.kafka.connect.storage.StringConverter',
  "value.converter"='org.apache.kafka.connect.converters.ByteArrayConverter',
  "tasks.max"='1',
  "confluent.topic.bootstrap.servers"='kafka:29092',
  "confluent.topic.replication.factor"='1'
);
print 'data_mqtt';
create stream sock_stream(image varchar, probability double)
with (kafka_topic='data_mqtt', value_format='json');
create table sock_stream_smoothed as
select image
, timestamptoString(windowstart(), 'hh:mm:ss') as last_seen
, windowstart() as window_start
from sock_stream
window tumbling (size 5 seconds)
group by image having count(*) > 3
emit changes;
create stream sock_stream_without_blanks as
select image
from sock_stream
where image != 'blank';
select image
, case when (count(*)/2)*2 = count(*) then 'Pair' else 'Un-matched'
end as pair_seen
, count(*) as number_socks_seen
from sock_stream_smoothed
group by image
emit changes;
"""

SURVEY = """
CREATE STREAM survey_entries WITH ( kafka_topic = 'survey-entries', value_format = 'AVRO' );
CREATE STREAM survey_respondents WITH ( kafka_topic = 'survey-respondents', value_format = 'AVRO' )
  AS SELECT user_id, name, company, location FROM survey_entries EMIT CHANGES;
CREATE STREAM survey_responses WITH ( kafka_topic = 'survey-responses', value_format = 'AVRO' )
  AS SELECT user_id, survey_id, response FROM survey_entries EMIT CHANGES;
CREATE TABLE survey_questions ( id STRING PRIMARY KEY ) WITH ( kafka_topic = 'survey-questions', value_format = 'AVRO' );
CREATE TABLE survey_results_live WITH ( kafka_topic='survey-results-live', value_format='AVRO' )
  AS SELECT question AS question, HISTOGRAM(response) AS results FROM survey_entries GROUP BY question EMIT CHANGES;
CREATE TABLE survey_results_final WITH ( kafka_topic='survey-results-final', value_format='AVRO' )
  AS SELECT question AS question, HISTOGRAM(response) AS results FROM survey_entries
  WINDOW TUMBLING (SIZE 48 HOURS, GRACE PERIOD 10 MINUTE) GROUP BY question EMIT FINAL;
"""

CARPARKS = """
SELECT SPACES_AVAILABLE FROM CARPARK WHERE NAME='WESTGATE';
CREATE STREAM mySource (date VARCHAR , time VARCHAR , name VARCHAR , capacity INT ) WITH (KAFKA_TOPIC='source_topic', VALUE_FORMAT='DELIMITED');
CREATE STREAM myTargetStream WITH (VALUE_FORMAT='PROTOBUF', KAFKA_TOPIC='derived_topic') AS SELECT * FROM mySource;
"""

TALKS = {"houseplants": (HOUSEPLANTS, 5), "ratings": (RATINGS, 8), "socks": (SOCKS, 6), "survey": (SURVEY, 6), "carparks": (CARPARKS, 3)}


@pytest.mark.parametrize("talk", TALKS)
def test_every_statement_parses(talk: str) -> None:
    sql, count = TALKS[talk]
    variables: dict[str, str] = {}
    statements = parse(sql, variables)
    assert len(statements) == count
    assert not any(isinstance(each, ast.RawQuery) for each in statements)
    assert statements == parse(sql)  # nothing in it is taken for a variable
    for statement in statements:
        assert parse_one(format_statement(statement)) == statement


def part(sql: str, number: int) -> Any:
    return parse(sql)[number]


def test_the_alerting_table() -> None:
    statement = part(HOUSEPLANTS, 4)
    assert statement.properties == {"KAFKA_TOPIC": "houseplant-low-readings", "FORMAT": "AVRO"}
    query = statement.query
    assert query.window == ast.Window("TUMBLING", 21_600_000, None, 604_800_000, 600_000)
    assert [each.alias for each in query.items] == [None, None, None, None, None, "MESSAGE", "LOW_READING_COUNT"]
    assert [each.name for each in query.group_by] == ["PLANT_ID", "SCIENTIFIC_NAME", "COMMON_NAME", "GIVEN_NAME", "MOISTURE_LOW"]
    assert (query.emit, query.limit) == ("FINAL", None)


def test_the_enrichment() -> None:
    query = part(HOUSEPLANTS, 2).query
    assert isinstance(query.relation, ast.Join)
    assert query.items[1] == ast.SelectItem(ast.ColumnRef("ROWTIME", "HOUSEPLANT_READINGS"), "TS")


def test_the_smoothed_socks() -> None:
    query = part(SOCKS, 3).query
    assert query.items[2] == ast.SelectItem(ast.ColumnRef("WINDOWSTART"), "WINDOW_START")
    assert part(SOCKS, 0).properties["mqtt.password"] == "${file:/scripts/credentials.properties:MQTT_PASSWORD}"
    assert part(SOCKS, 0).name == "mqtt-source"


def test_columns_called_date_and_time() -> None:
    assert [column.name for column in part(CARPARKS, 1).columns] == ["DATE", "TIME", "NAME", "CAPACITY"]
