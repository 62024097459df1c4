-- Where the data come from. The addresses stand in the environment (config.toml sets them), so that they may change while the data stay.

-- The first council's CSV, its header dropped, as lines of text.
CREATE SOURCE CONNECTOR carparks_current WITH (
  'connector.class' = 'HttpSource',
  'url' = '${env:CARPARKS_CURRENT_URL}',
  'kafka.topic' = 'carparks',
  'response.format' = 'csv',
  'request.interval.ms' = '${env:CARPARKS_INTERVAL_MS}',
  'value.converter' = 'org.apache.kafka.connect.storage.StringConverter'
);

-- The second council's JSON.
CREATE SOURCE CONNECTOR carparks_leeds WITH (
  'connector.class' = 'HttpSource',
  'url' = '${env:CARPARKS_LEEDS_URL}',
  'kafka.topic' = 'carparks_leeds',
  'response.format' = 'json',
  'http.response.data.json.pointer' = '/carparks',
  'request.interval.ms' = '${env:CARPARKS_INTERVAL_MS}'
);
