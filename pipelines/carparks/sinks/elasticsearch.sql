-- Every event into the index carpark_events: for a dashboard.
CREATE SINK CONNECTOR sink_elastic_01 WITH (
  'connector.class' = 'io.confluent.connect.elasticsearch.ElasticsearchSinkConnector',
  'topics' = 'carpark_events',
  'connection.url' = '${env:CARPARKS_ELASTICSEARCH}',
  'type.name' = '_doc',
  'key.ignore' = 'true',
  'schema.ignore' = 'true'
);
