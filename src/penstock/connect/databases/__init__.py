"""What the connectors to relational databases share: addresses, errors, types, tables."""
