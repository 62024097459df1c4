"""The REST interface of ksqlDB."""
