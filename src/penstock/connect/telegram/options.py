"""The options that both Telegram connectors have."""

from __future__ import annotations

from penstock.connect.options import REQUIRED, Option
from penstock.connect.telegram.client import API_URL

BOT_OPTIONS = (
    Option("telegram.bot.token", "password", "The bot's token, as @BotFather gave it: `${env:TELEGRAM_TOKEN}`.", REQUIRED),
    Option("telegram.api.url", "string", "Telegram's address, or that of a Bot API server of your own.", API_URL),
)
