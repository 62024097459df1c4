-- The customers, asked for again and again: SQLite has no log to capture.
CREATE SOURCE CONNECTOR customers_source WITH (
  'connector.class' = 'io.confluent.connect.jdbc.JdbcSourceConnector',
  'connection.url' = 'jdbc:sqlite:${database}',
  'table.whitelist' = 'customers',
  'mode' = 'timestamp+incrementing',
  'incrementing.column.name' = 'id',
  'timestamp.column.name' = 'update_ts',
  'poll.interval.ms' = '250',
  'topic.prefix' = 'asgard.demo.',
  'transforms' = 'key,id',
  'transforms.key.type' = 'org.apache.kafka.connect.transforms.ValueToKey',
  'transforms.key.fields' = 'id',
  'transforms.id.type' = 'org.apache.kafka.connect.transforms.ExtractField$Key',
  'transforms.id.field' = 'id'
);
