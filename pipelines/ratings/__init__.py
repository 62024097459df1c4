"""Ratings: an airline's ratings joined to its customers, changes captured from a real database. `penstock demo ratings` runs it."""
