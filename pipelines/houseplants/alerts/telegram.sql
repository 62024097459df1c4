-- Alerts to a Telegram chat. A bot's token comes from Telegram's @BotFather; both values stay in the environment.
CREATE SINK CONNECTOR houseplant_alerts WITH (
  'connector.class' = 'HttpSink',
  'topics' = 'houseplant-low-readings',
  'http.api.url' = 'https://api.telegram.org/bot${env:TELEGRAM_TOKEN}/sendMessage',
  'body.template' = '{"chat_id": "${env:TELEGRAM_CHAT_ID}", "text": "{MESSAGE}"}',
  'errors.tolerance' = 'all'
);
