"""Penstock: an event-streaming database in one Python process."""
