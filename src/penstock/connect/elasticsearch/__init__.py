"""What the Elasticsearch sink sends: documents, mappings, and what a server's answer means."""
