"""Made-up records: from an Avro schema whose `arg.properties` say what values to choose, and the schemas that come with Penstock."""
