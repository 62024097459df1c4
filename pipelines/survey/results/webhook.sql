-- Final results to any web address that takes JSON.
CREATE SINK CONNECTOR survey_results WITH (
  'connector.class' = 'HttpSink',
  'topics' = 'survey-results-final',
  'http.api.url' = '${env:SURVEY_WEBHOOK}',
  'body.template' = '{"question": "{QUESTION}", "results": "{RESULTS:json}", "from": "{WINDOWSTART:json}", "to": "{WINDOWEND:json}"}',
  'errors.tolerance' = 'all'
);
