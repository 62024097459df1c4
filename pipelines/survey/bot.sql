-- What the bot writes: the topic of the entries with its key, the survey's number.
CREATE STREAM survey_answers (
  id STRING KEY
) WITH (
  kafka_topic = 'survey-entries',
  value_format = 'AVRO'
);
