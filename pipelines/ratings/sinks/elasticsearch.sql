-- Every rating with its customer to Elasticsearch, for its dashboards: export RATINGS_ELASTICSEARCH=http://...
CREATE SINK CONNECTOR operational_dashboard WITH (
  'connector.class' = 'io.confluent.connect.elasticsearch.ElasticsearchSinkConnector',
  'topics' = 'ratings-with-customer-data,unhappy_platinum_customers',
  'connection.url' = '${env:RATINGS_ELASTICSEARCH}',
  'type.name' = '_doc',
  'key.ignore' = 'true',
  'schema.ignore' = 'true'
);
