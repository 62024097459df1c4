-- Each unhappy platinum customer to a chat: export TELEGRAM_TOKEN=... TELEGRAM_CHAT_ID=...
CREATE SINK CONNECTOR push_notification WITH (
  'connector.class' = 'HttpSink',
  'topics' = 'unhappy_platinum_customers',
  'http.api.url' = 'https://api.telegram.org/bot${env:TELEGRAM_TOKEN}/sendMessage',
  'body.template' = '{"chat_id": "${env:TELEGRAM_CHAT_ID}", "text": "{FULL_NAME} ({EMAIL}) gave {STARS} stars: {MESSAGE}"}'
);
