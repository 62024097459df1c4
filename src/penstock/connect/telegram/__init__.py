"""A Telegram bot's connection, for the connectors and for chat bots."""
