-- Each unhappy platinum customer to a webhook: export RATINGS_WEBHOOK=https://...
CREATE SINK CONNECTOR push_notification WITH (
  'connector.class' = 'HttpSink',
  'topics' = 'unhappy_platinum_customers',
  'http.api.url' = '${env:RATINGS_WEBHOOK}',
  'body.template' = '{"text": "{FULL_NAME} ({EMAIL}) gave {STARS} stars: {MESSAGE}", "rating_id": "{RATING_ID:json}"}'
);
