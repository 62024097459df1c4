-- The ratings that people give, made up at a set rate.
CREATE SOURCE CONNECTOR ratings_source WITH (
  'connector.class' = 'io.confluent.kafka.connect.datagen.DatagenConnector',
  'kafka.topic' = 'ratings',
  'quickstart' = 'ratings',
  'rate' = '${rate}',
  'random.seed' = '${seed}'
);
