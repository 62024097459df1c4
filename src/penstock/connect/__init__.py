"""Connectors: a runtime of tasks that move records between topics and the world outside."""
