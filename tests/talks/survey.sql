-- Calculating the Value of Pie: the slides. Their schema of the entries has no question, which their tables group by: the test's has one.
CREATE STREAM survey_entries WITH ( kafka_topic = 'survey-entries', value_format = 'AVRO' );

CREATE STREAM survey_respondents WITH ( kafka_topic = 'survey-respondents', value_format = 'AVRO' )
AS SELECT user_id, name, company, location FROM survey_entries EMIT CHANGES;

CREATE STREAM survey_responses WITH ( kafka_topic = 'survey-responses', value_format = 'AVRO' )
AS SELECT user_id, survey_id, response FROM survey_entries EMIT CHANGES;

CREATE TABLE survey_questions ( id STRING PRIMARY KEY ) WITH ( kafka_topic = 'survey-questions', value_format = 'AVRO' );

CREATE TABLE survey_results_live WITH ( kafka_topic='survey-results-live', value_format='AVRO' )
AS SELECT question AS question, HISTOGRAM(response) AS results FROM survey_entries GROUP BY question EMIT CHANGES;

CREATE TABLE survey_results_final WITH ( kafka_topic='survey-results-final', value_format='AVRO' )
AS SELECT question AS question, HISTOGRAM(response) AS results FROM survey_entries
WINDOW TUMBLING (SIZE 48 HOURS, GRACE PERIOD 10 MINUTE) GROUP BY question EMIT FINAL;
