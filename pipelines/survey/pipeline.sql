-- From survey entries to results. The columns of the two sources come from the schemas registered for their topics (schemas/).

CREATE STREAM survey_entries WITH (
  kafka_topic = 'survey-entries',
  value_format = 'AVRO'
);

CREATE STREAM survey_respondents WITH (
  kafka_topic = 'survey-respondents',
  value_format = 'AVRO'
) AS SELECT
  user_id,
  name,
  company,
  location
FROM survey_entries
EMIT CHANGES;

CREATE STREAM survey_responses WITH (
  kafka_topic = 'survey-responses',
  value_format = 'AVRO'
) AS SELECT
  user_id,
  survey_id,
  response
FROM survey_entries
EMIT CHANGES;

-- Surveys: several at once, enabled or not.
CREATE TABLE survey_questions (
  id STRING PRIMARY KEY
) WITH (
  kafka_topic = 'survey-questions',
  value_format = 'AVRO'
);

-- How many chose what, as it stands. An entry names its survey; the question is joined in.
CREATE TABLE survey_results_live WITH (
  kafka_topic='survey-results-live',
  value_format='AVRO'
) AS SELECT
  question AS question,
  HISTOGRAM(response) AS results
FROM survey_entries
JOIN survey_questions ON survey_entries.survey_id = survey_questions.id
GROUP BY question
EMIT CHANGES;

-- The same once and for all, when the survey's two days are over.
CREATE TABLE survey_results_final WITH (
  kafka_topic='survey-results-final',
  value_format='AVRO'
) AS SELECT
  question AS question,
  HISTOGRAM(response) AS results
FROM survey_entries
JOIN survey_questions ON survey_entries.survey_id = survey_questions.id
WINDOW TUMBLING (SIZE 48 HOURS, GRACE PERIOD 10 MINUTE)
GROUP BY question
EMIT FINAL;
