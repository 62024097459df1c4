-- Every rating with its customer to the data lake: a bucket, or 'store.folder' = '...' instead of it for a folder of this machine.
CREATE SINK CONNECTOR data_lake WITH (
  'connector.class' = 'S3Connector',
  'topics' = 'ratings-with-customer-data',
  's3.bucket.name' = '${bucket}',
  'format.class' = 'io.confluent.connect.s3.format.parquet.ParquetFormat',
  'flush.size' = '1000',
  'rotate.schedule.interval.ms' = '30000'
);
