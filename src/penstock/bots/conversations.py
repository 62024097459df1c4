"""Conversations, kept in the database, so that a bot that is started again goes on where it was."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from penstock.bots.messages import Reply
from penstock.bots.turn import Conversation

if TYPE_CHECKING:
    from penstock import Database

TABLE = "BOT_CONVERSATIONS"
CREATE = f"""
CREATE TABLE IF NOT EXISTS {TABLE} (id STRING PRIMARY KEY, bot STRING, speaker STRING, conversation STRING, message BIGINT, replies STRING)
WITH (kafka_topic='bot-conversations', value_format='JSON', partitions=1, cleanup_policy='compact');
"""


@dataclass(frozen=True)
class Kept:
    """What is kept of a speaker: the conversation, None between two; the last message that changed it, and what was answered, should that
    message come again."""

    conversation: Conversation | None = None
    message: int | None = None
    replies: tuple[Reply, ...] = ()


class Conversations:
    """The conversations of one bot: read when it starts, written as they change. Thread-safe."""

    def __init__(self, db: Database, bot: str) -> None:
        db.execute(CREATE)
        self._bot = bot
        self._lock = threading.Lock()
        self._kept: dict[str, Kept] = {}
        for row in db.query(f"SELECT speaker, conversation, message, replies FROM {TABLE} WHERE bot = :bot;", {"bot": bot}):  # noqa: S608
            self._kept[row["SPEAKER"]] = _kept(row)

    def of(self, speaker: str) -> Kept:
        """What is kept of a speaker."""
        with self._lock:
            return self._kept.get(speaker, Kept())

    def row(self, speaker: str, kept: Kept) -> dict[str, Any]:
        """The table's row for what is to be kept. Once it is appended, `remember` it."""
        return {
            "id": f"{self._bot}/{speaker}",
            "bot": self._bot,
            "speaker": speaker,
            "conversation": None if kept.conversation is None else json.dumps(asdict(kept.conversation)),
            "message": kept.message,
            "replies": json.dumps([[r.text, r.choices, r.ask_location] for r in kept.replies]),
        }

    def remember(self, speaker: str, kept: Kept) -> None:
        """From now on this is kept."""
        with self._lock:
            self._kept[speaker] = kept


def _kept(row: Any) -> Kept:
    conversation = None if row["CONVERSATION"] is None else Conversation(**json.loads(row["CONVERSATION"]))
    return Kept(conversation, row["MESSAGE"], _replies(json.loads(row["REPLIES"] or "[]")))


def _replies(kept: Sequence[Any]) -> tuple[Reply, ...]:
    return tuple(Reply(text, tuple(choices), ask_location) for text, choices, ask_location in kept)
