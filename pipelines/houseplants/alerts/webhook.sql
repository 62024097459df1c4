-- Alerts to any web address that takes JSON.
CREATE SINK CONNECTOR houseplant_alerts WITH (
  'connector.class' = 'HttpSink',
  'topics' = 'houseplant-low-readings',
  'http.api.url' = '${env:HOUSEPLANTS_WEBHOOK}',
  'body.template' = '{"text": "{MESSAGE}", "plant": "{GIVEN_NAME}", "low_readings": "{LOW_READING_COUNT:json}"}',
  'errors.tolerance' = 'all'
);
