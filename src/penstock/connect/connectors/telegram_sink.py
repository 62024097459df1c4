"""Telegram sink: each record is a message to a chat."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.connect.contract import RefusedError, SinkContext, SinkDefinition
from penstock.connect.options import EVERY_SINK, REQUIRED, Option
from penstock.connect.records import Record
from penstock.connect.secrets import Secrets
from penstock.connect.telegram.client import TEXT_MAX, TelegramClient
from penstock.connect.telegram.options import BOT_OPTIONS
from penstock.connect.templates import plain_template, with_secrets

_MARKDOWN = re.compile(r"([_*\[\]()~`>#+\-=|{}.!\\])")
_ESCAPES: dict[str, Callable[[str], str]] = {"none": str, "html": html.escape, "markdownv2": lambda text: _MARKDOWN.sub(r"\\\1", text)}
_PARSE_MODES = {"none": None, "html": "HTML", "markdownv2": "MarkdownV2"}

OPTIONS = (
    *BOT_OPTIONS,
    Option(
        "telegram.chat.id",
        "template",
        "The chat to write to: its number, `@channelname`, or `{COLUMN}` for the record's own.",
        REQUIRED,
    ),
    Option("body.template", "template", "The text, with `{COLUMN}` for a column.", REQUIRED, aliases=("text.template",)),
    Option(
        "telegram.parse.mode",
        "choice",
        "Whether the text is formatted. In `html` and `markdownv2` the template's own marks format it, and those in columns are escaped.",
        "none",
        choices=("none", "html", "markdownv2"),
    ),
    Option("telegram.disable.notification", "boolean", "Whether messages come without a sound.", False),
    Option("telegram.disable.link.preview", "boolean", "Whether links are shown without a preview.", False),
    Option("behavior.on.null.values", "choice", "What to do with a tombstone: pass it over, or refuse it.", "ignore", choices=("ignore", "fail")),
    *(
        Option(option.name, option.type, option.documentation + " Here one chat that blocked the bot should not keep the others waiting.", "all",
               choices=option.choices)
        for option in EVERY_SINK
        if option.name == "errors.tolerance"
    ),
)  # fmt: skip


class TelegramSink:
    """The sink of one task: a connection, opened at the first delivery."""

    def __init__(self, options: Mapping[str, Any], secrets: Secrets, context: SinkContext) -> None:
        self._options, self._secrets = options, secrets
        chat, text, columns = options["telegram.chat.id"], options["body.template"], context.columns
        self._chat = plain_template(with_secrets(chat, "telegram.chat.id", secrets), "telegram.chat.id", columns)
        self._text = plain_template(with_secrets(text, "body.template", secrets), "body.template", columns, _ESCAPES[options["telegram.parse.mode"]])
        self._client: TelegramClient | None = None

    def put(self, records: Sequence[Record]) -> None:
        """Send the records, one by one. Raises RetriableError, RefusedError, or, where the token is unknown, ConnectorError."""
        for record in records:
            self._put(record)

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _put(self, record: Record) -> None:
        if record.tombstone:
            if self._options["behavior.on.null.values"] == "fail":
                raise RefusedError(f"{record.place} is a tombstone, and behavior.on.null.values is fail.")
            return
        chat, text = self._chat(record).strip(), self._text(record)
        if not chat or not text.strip():
            raise RefusedError(f"{record.place} makes no message: the {'text' if chat else 'chat'} is empty.")
        if len(text) > TEXT_MAX:
            raise RefusedError(f"{record.place} makes a text of {len(text)} characters, and {TEXT_MAX} are the most.")
        if self._client is None:
            self._client = TelegramClient(self._options["telegram.bot.token"], self._options["telegram.api.url"], self._secrets)
        from telegram import LinkPreviewOptions

        options = self._options
        self._client.call(
            lambda bot: bot.send_message(
                int(chat) if re.fullmatch(r"-?\d+", chat) else chat,
                text,
                parse_mode=_PARSE_MODES[options["telegram.parse.mode"]],
                disable_notification=options["telegram.disable.notification"],
                link_preview_options=LinkPreviewOptions(is_disabled=True) if options["telegram.disable.link.preview"] else None,
            )
        )


DEFINITION = SinkDefinition(
    class_names=("TelegramSink", "TelegramSinkConnector"),
    summary="Writes each record as a message to a Telegram chat: a fixed one, or one that the record names.",
    documentation="""\
Delivery is at least once: the connector commits its place after each message that Telegram has taken, so that after a crash one message at most
comes twice. Where Telegram says how long to wait (about 30 messages a second in all, 1 a second to a chat) the connector waits so long; a failing
network is tried again, after `retry.backoff.ms` at first and then later and later: an outage loses nothing.

A chat that blocked the bot or does not exist, and a text that Telegram refuses (empty, above 4,096 characters, formatted wrongly), are the record's
fault: it goes to the dead letter topic, since `errors.tolerance` is `all` here. An unknown token fails the task, and the records stay.

A bot may write only to those who wrote to it first (`/start`), and to groups and channels that it was added to. The package is `penstock[telegram]`.
Where texts are for one chat and nothing is to be installed, HttpSink serves as well.""",
    example="""\
CREATE SINK CONNECTOR plant_alerts WITH (
  'connector.class' = 'TelegramSink',
  'topics' = 'houseplant-low-readings',
  'telegram.bot.token' = '${env:TELEGRAM_TOKEN}',
  'telegram.chat.id' = '${env:TELEGRAM_CHAT_ID}',
  'body.template' = '{MESSAGE}'
);""",
    options=OPTIONS,
    batch_max=lambda options: 1,
    open=TelegramSink,
)
