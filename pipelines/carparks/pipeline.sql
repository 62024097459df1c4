-- From a council's CSV to answers and alerts. What the connectors bring (councils.sql) lies in the three topics of the sources.

-- A schema for lines such as 2020-10-14,12:28,Broadway,1132,921,...
CREATE STREAM carpark_src (
  date          VARCHAR,
  time          VARCHAR,
  name          VARCHAR,
  capacity      INT,
  empty_places  INT,
  status        VARCHAR,
  latitude      DOUBLE,
  longitude     DOUBLE,
  directionsurl VARCHAR
) WITH (kafka_topic='carparks', value_format='DELIMITED', partitions=1);

-- The same as Protobuf, whose schema travels with the data; with a time made of two columns, a place made of two others, and how full it is.
CREATE STREAM carpark_events WITH (kafka_topic='carpark_events', value_format='PROTOBUF') AS
SELECT
  STRINGTOTIMESTAMP(date + ' ' + time, 'yyyy-MM-dd HH:mm', 'Europe/London') AS ts,
  *,
  (CAST((capacity - empty_places) AS DOUBLE) / CAST(capacity AS DOUBLE)) * 100 AS pct_full,
  STRUCT("lat" := latitude, "lon" := longitude) AS "location",
  'v2/Council/CarParkCurrent' AS source
FROM carpark_src
EMIT CHANGES;

-- What the council kept of the days before: the same columns but the last.
CREATE STREAM carpark_historic (
  date          VARCHAR,
  time          VARCHAR,
  name          VARCHAR,
  capacity      INT,
  empty_places  INT,
  status        VARCHAR,
  latitude      DOUBLE,
  longitude     DOUBLE
) WITH (kafka_topic='carparks_historic', value_format='DELIMITED', partitions=1);

INSERT INTO carpark_events
SELECT
  STRINGTOTIMESTAMP(date + ' ' + time, 'yyyy-MM-dd HH:mm', 'Europe/London') AS ts,
  *,
  '' AS directionsurl,
  (CAST((capacity - empty_places) AS DOUBLE) / CAST(capacity AS DOUBLE)) * 100 AS pct_full,
  STRUCT("lat" := latitude, "lon" := longitude) AS "location",
  'v2/Council/CarParkHistoric' AS source
FROM carpark_historic
EMIT CHANGES;

-- The next council says the same in JSON, in words of its own.
CREATE STREAM carpark_leeds (
  name     VARCHAR,
  spaces   INT,
  free     INT,
  open     BOOLEAN,
  updated  VARCHAR,
  position STRUCT<lat DOUBLE, lng DOUBLE>
) WITH (kafka_topic='carparks_leeds', value_format='JSON', partitions=1);

INSERT INTO carpark_events
SELECT
  STRINGTOTIMESTAMP(updated, 'yyyy-MM-dd''T''HH:mm', 'Europe/London') AS ts,
  SUBSTRING(updated, 1, 10) AS date,
  SUBSTRING(updated, 12, 5) AS time,
  name,
  spaces AS capacity,
  free AS empty_places,
  CASE WHEN open THEN 'Open' ELSE 'Closed' END AS status,
  position->lat AS latitude,
  position->lng AS longitude,
  '' AS directionsurl,
  (CAST((spaces - free) AS DOUBLE) / CAST(spaces AS DOUBLE)) * 100 AS pct_full,
  STRUCT("lat" := position->lat, "lon" := position->lng) AS "location",
  'leeds/carparks' AS source
FROM carpark_leeds
EMIT CHANGES;

-- The state of each car park now: what the bot is asked for.
CREATE TABLE carpark AS
SELECT
  name,
  TIMESTAMPTOSTRING(LATEST_BY_OFFSET(ts), 'yyyy-MM-dd HH:mm:ss', 'Europe/London') AS latest_ts,
  LATEST_BY_OFFSET(capacity)      AS capacity,
  LATEST_BY_OFFSET(empty_places)  AS current_empty_places,
  LATEST_BY_OFFSET(pct_full)      AS current_pct_full,
  AVG(empty_places)               AS avg_empty_places,
  LATEST_BY_OFFSET(status)        AS current_status,
  LATEST_BY_OFFSET(latitude)      AS latitude,
  LATEST_BY_OFFSET(longitude)     AS longitude,
  LATEST_BY_OFFSET(directionsurl) AS directionsurl
FROM carpark_events
GROUP BY name
EMIT CHANGES;

-- How many free spaces are worth a message, for each car park: the bot writes it (/threshold), and so may you.
CREATE TABLE alert_config (
  carpark      VARCHAR PRIMARY KEY,
  spaces_alert INT
) WITH (kafka_topic='alert_config', value_format='PROTOBUF', partitions=1);

-- Each event of a car park that has a threshold, with it ...
CREATE STREAM carpark_watched AS
SELECT
  c.name AS carpark,
  TIMESTAMPTOSTRING(c.ts, 'yyyy-MM-dd HH:mm:ss', 'Europe/London') AS data_ts,
  c.capacity AS capacity,
  c.empty_places AS empty_places,
  a.spaces_alert AS alert_threshold,
  c.status AS status,
  c.latitude AS latitude,
  c.longitude AS longitude,
  c.directionsurl AS directionsurl
FROM carpark_events c
INNER JOIN alert_config a ON c.name = a.carpark
EMIT CHANGES;

-- ... and those that reach it.
CREATE STREAM carpark_alerts AS
SELECT * FROM carpark_watched WHERE empty_places >= alert_threshold EMIT CHANGES;
