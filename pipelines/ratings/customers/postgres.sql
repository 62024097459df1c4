-- The customers, as their database changes them: its log is read, not its tables.
CREATE SOURCE CONNECTOR customers_source WITH (
  'connector.class' = 'io.debezium.connector.postgresql.PostgresConnector',
  'database.hostname' = '${host}',
  'database.port' = '${env:RATINGS_DB_PORT}',
  'database.user' = '${user}',
  'database.password' = '${env:RATINGS_DB_PASSWORD}',
  'database.dbname' = '${database}',
  'topic.prefix' = 'asgard',
  'schema.include.list' = 'demo',
  'table.include.list' = 'demo.customers',
  'slot.name' = 'penstock_ratings',
  'publication.name' = 'penstock_ratings',
  'publication.autocreate.mode' = 'filtered',
  'transforms' = 'unwrap,key',
  'transforms.unwrap.type' = 'io.debezium.transforms.ExtractNewRecordState',
  'transforms.unwrap.drop.tombstones' = 'false',
  'transforms.key.type' = 'org.apache.kafka.connect.transforms.ExtractField$Key',
  'transforms.key.field' = 'id'
);
