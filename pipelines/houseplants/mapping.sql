-- Which sensor stands in which pot. The monitor reads this while it runs; move a sensor by /update_mapping, or by
--   INSERT INTO sensor_mapping (id, sensor_id, plant_id) VALUES ('0x36', '0x36', 3);
CREATE STREAM sensor_mapping (
  id STRING KEY
) WITH (
  kafka_topic='houseplant-sensor-mapping',
  value_format='AVRO',
  cleanup_policy='compact'
);
