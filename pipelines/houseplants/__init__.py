"""Houseplants: soil sensors, streaming SQL and an alert when a plant is dry. `penstock demo houseplants` runs it."""
