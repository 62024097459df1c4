-- The customers, as their database changes them: its log is read, not its tables.
CREATE SOURCE CONNECTOR customers_source WITH (
  'connector.class' = 'io.debezium.connector.mysql.MySqlConnector',
  'database.hostname' = '${host}',
  'database.port' = '${env:RATINGS_DB_PORT}',
  'database.user' = '${user}',
  'database.password' = '${env:RATINGS_DB_PASSWORD}',
  'database.server.name' = 'asgard',
  'table.whitelist' = 'demo.customers',
  'database.history.kafka.topic' = 'dbhistory.demo',
  'include.schema.changes' = 'true',
  'transforms' = 'unwrap,key',
  'transforms.unwrap.type' = 'io.debezium.transforms.ExtractNewRecordState',
  'transforms.unwrap.drop.tombstones' = 'false',
  'transforms.key.type' = 'org.apache.kafka.connect.transforms.ExtractField$Key',
  'transforms.key.field' = 'id'
);
