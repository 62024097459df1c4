"""Telegram source: what people say to a bot."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Mapping
from datetime import UTC
from typing import TYPE_CHECKING, Any

from penstock.connect.contract import SourceContext, SourceDefinition
from penstock.connect.options import REQUIRED, Option
from penstock.connect.records import SourceBatch, SourceRecord
from penstock.connect.secrets import Secrets
from penstock.connect.telegram.client import TelegramClient
from penstock.connect.telegram.options import BOT_OPTIONS
from penstock.errors import ConfigError
from penstock.sql.types import BIGINT, BOOLEAN, DOUBLE, STRING, TIMESTAMP, Field, Struct

if TYPE_CHECKING:
    import telegram

KINDS = ("message", "edited_message", "channel_post", "edited_channel_post")
PART = "bot"
"""The name of the one position."""
SCHEMA = Struct(
    (
        Field("update_id", BIGINT), Field("message_id", BIGINT), Field("date", TIMESTAMP), Field("edited", BOOLEAN),
        Field("chat_id", BIGINT), Field("chat_type", STRING), Field("chat_title", STRING),
        Field("user_id", BIGINT), Field("user_name", STRING), Field("first_name", STRING), Field("last_name", STRING), Field("language", STRING),
        Field("text", STRING), Field("latitude", DOUBLE), Field("longitude", DOUBLE), Field("reply_to", BIGINT),
    )
)  # fmt: skip

OPTIONS = (
    *BOT_OPTIONS,
    Option("kafka.topic", "string", "The topic of the records; a record's key is its chat's number.", REQUIRED, aliases=("topic",)),
    Option("telegram.updates", "list", f"Which updates to take, with commas between them: {', '.join(f'`{kind}`' for kind in KINDS)}.", ("message",)),
)


class TelegramSource:
    """The source's one task. The question for updates waits at Telegram, in a thread of the client's, while the task waits for its answer."""

    def __init__(self, options: Mapping[str, Any], secrets: Secrets, context: SourceContext) -> None:
        for kind in options["telegram.updates"]:
            if kind not in KINDS:
                raise ConfigError(f"'telegram.updates' cannot hold '{kind}'.", mend=f"There are: {', '.join(KINDS)}.")
        self._options, self._secrets, self._context = options, secrets, context
        self._client: TelegramClient | None = None
        self._asked: concurrent.futures.Future[tuple[telegram.Update, ...]] | None = None
        self._next: int | None = None
        if PART in context.positions:
            self._next = int(context.positions[PART]["update_id"]) + 1

    def poll(self) -> SourceBatch:
        """The updates after the committed position: asking for them lets Telegram forget those before."""
        from telegram.error import TelegramError

        if self._client is None:
            self._client = TelegramClient(self._options["telegram.bot.token"], self._options["telegram.api.url"], self._secrets)
        if self._asked is None:
            self._asked = self._client.updates(self._next, self._options["telegram.updates"])
            self._asked.add_done_callback(lambda _: self._context.wake())
        if not self._asked.done():
            self._context.wait()
        if not self._asked.done():
            return SourceBatch()
        asked, self._asked = self._asked, None
        try:
            updates = asked.result()
        except TelegramError as error:
            raise self._client.explained(error) from None
        if not updates:
            return SourceBatch()
        records = [self._record(update) for update in updates if update.effective_message is not None]
        return SourceBatch(records, {PART: {"update_id": updates[-1].update_id}})

    def committed(self, batch: SourceBatch) -> None:
        """The next question may confirm these."""
        if PART in batch.positions:
            self._next = int(batch.positions[PART]["update_id"]) + 1

    def close(self) -> None:
        """End the question under way."""
        self._asked = None
        if self._client is not None:
            self._client.close()
            self._client = None

    def _record(self, update: telegram.Update) -> SourceRecord:
        message, user = update.effective_message, update.effective_user
        assert message is not None
        chat, place = message.chat, message.location
        value = {
            "update_id": update.update_id,
            "message_id": message.message_id,
            "date": message.date.astimezone(UTC).replace(tzinfo=None),
            "edited": message.edit_date is not None,
            "chat_id": chat.id,
            "chat_type": str(chat.type),
            "chat_title": chat.title,
            "user_id": user.id if user else None,
            "user_name": user.username if user else None,
            "first_name": user.first_name if user else None,
            "last_name": user.last_name if user else None,
            "language": user.language_code if user else None,
            "text": message.text if message.text is not None else message.caption,
            "latitude": place.latitude if place else None,
            "longitude": place.longitude if place else None,
            "reply_to": message.reply_to_message.message_id if message.reply_to_message else None,
        }
        at_ms = int((message.edit_date or message.date).timestamp() * 1000)
        return SourceRecord(self._options["kafka.topic"], value, key=str(chat.id), value_schema=SCHEMA, timestamp=at_ms)


DEFINITION = SourceDefinition(
    class_names=("TelegramSource", "TelegramSourceConnector"),
    summary="Brings what people say to a Telegram bot: texts, places, who and where.",
    documentation="""\
Each message is a record whose key is the chat's number as text, whose time is the message's, and whose value has the fields `update_id`,
`message_id`, `date`, `edited`, `chat_id`, `chat_type` (`private`, `group`, `supergroup`, `channel`), `chat_title`, `user_id`, `user_name`,
`first_name`, `last_name`, `language`, `text` (a picture's caption too), `latitude` and `longitude` (degrees, where a place is shared) and
`reply_to`. A stream takes its columns from the registered schema:

```sql
CREATE STREAM telegram_messages (chat STRING KEY) WITH (kafka_topic='telegram-messages', value_format='AVRO');
```

Each message is there once: the number of the last update is stored in one transaction with the records, and Telegram is only told to forget an
update after that. It keeps them for 24 hours while the connector is away. While nobody says anything, one question in 50 s waits at Telegram, and
that is all.

Telegram lets one program read a bot's updates: a connector and a chat bot need tokens of their own, and so do two connectors. In a group a bot sees
commands alone, unless @BotFather was told otherwise (`/setprivacy`). An unknown token makes the task FAILED. The package is `penstock[telegram]`.""",
    example="""\
CREATE SOURCE CONNECTOR chat WITH (
  'connector.class' = 'TelegramSource',
  'telegram.bot.token' = '${env:TELEGRAM_TOKEN}',
  'kafka.topic' = 'telegram-messages'
);""",
    options=OPTIONS,
    open=TelegramSource,
)
