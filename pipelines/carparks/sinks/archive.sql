-- Every event into Parquet files, a folder a day: for DuckDB, Spark, a notebook. For S3 take the folder out and put the bucket in:
--   's3.bucket.name' = '...', 's3.region' = '...', 'aws.access.key.id' = '${env:AWS_ACCESS_KEY_ID}', 'aws.secret.access.key' = '${env:AWS_SECRET_ACCESS_KEY}'
CREATE SINK CONNECTOR carparks_archive WITH (
  'connector.class' = 'S3Connector',
  'topics' = 'carpark_events',
  'store.folder' = '${carparks_archive}',
  'format.class' = 'io.confluent.connect.s3.format.parquet.ParquetFormat',
  'partitioner.class' = 'daily',
  'timestamp.extractor' = 'RecordField',
  'timestamp.field' = 'TS',
  'timezone' = 'Europe/London',
  'flush.size' = 500,
  'rotate.schedule.interval.ms' = 60000
);
