-- Final results to a Telegram chat. A bot's token comes from Telegram's @BotFather; both values stay in the environment.
CREATE SINK CONNECTOR survey_results WITH (
  'connector.class' = 'HttpSink',
  'topics' = 'survey-results-final',
  'http.api.url' = 'https://api.telegram.org/bot${env:TELEGRAM_TOKEN}/sendMessage',
  'body.template' = '{"chat_id": "${env:TELEGRAM_CHAT_ID}", "text": "{QUESTION} {RESULTS}"}',
  'errors.tolerance' = 'all'
);
