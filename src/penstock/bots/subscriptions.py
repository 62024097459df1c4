"""Who wants which alerts, kept in the database with how far each was sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock import Database

TABLE = "BOT_SUBSCRIPTIONS"
CREATE = f"""
CREATE TABLE IF NOT EXISTS {TABLE} (id STRING PRIMARY KEY, bot STRING, alert STRING, chat BIGINT, arguments STRING, sent STRING, holding STRING)
WITH (kafka_topic='bot-subscriptions', value_format='JSON', partitions=1, cleanup_policy='compact');
"""


@dataclass(frozen=True)
class Subscription:
    """A chat's wish for an alert. `part` tells the subscriptions of a chat to one alert apart. `arguments`: name -> `kept_text`. `sent`: partition ->
    the first offset whose record was not told (or held not worth telling). `holding`: the keys for which the condition held last."""

    alert: str
    chat: int
    part: str = ""
    arguments: Mapping[str, str | None] = field(default_factory=dict)
    sent: Mapping[int, int] = field(default_factory=dict)
    holding: frozenset[str] = frozenset()

    @property
    def place(self) -> tuple[str, int, str]:
        """What makes it this subscription and no other."""
        return self.alert, self.chat, self.part


class Subscriptions:
    """The subscriptions of one bot: read when it starts, written as they change. Thread-safe."""

    def __init__(self, db: Database, bot: str) -> None:
        db.execute(CREATE)
        self._db, self._bot = db, bot
        self._lock = threading.Lock()
        self._all: dict[tuple[str, int, str], Subscription] = {}
        for row in db.query(f"SELECT id, alert, chat, arguments, sent, holding FROM {TABLE} WHERE bot = :bot;", {"bot": bot}):  # noqa: S608
            found = self._read(row)
            self._all[found.place] = found

    def of(self, alert: str, chat: int | None = None) -> list[Subscription]:
        """Those to an alert, of one chat where it is given."""
        with self._lock:
            return [s for s in self._all.values() if s.alert == alert and chat in (None, s.chat)]

    def put(self, subscription: Subscription) -> None:
        """Add one, or replace the one in its place. Durable when it returns."""
        with self._lock:
            self._write(subscription)

    def advance(self, was: Subscription, now: Subscription) -> bool:
        """Replace one by the same further on, unless it was ended or renewed meanwhile; whether it was replaced. Durable when it returns."""
        with self._lock:
            if self._all.get(was.place) != was:
                return False
            self._write(now)
            return True

    def end(self, subscription: Subscription) -> None:
        """End one. Durable when it returns."""
        with self._lock:
            if self._all.pop(subscription.place, None) is not None:
                self._db.insert(TABLE, [{"id": self._id(subscription)}])

    def end_all_of(self, chat: int) -> int:
        """End all those of a chat; how many there were."""
        with self._lock:
            found = [s for s in self._all.values() if s.chat == chat]
        for each in found:
            self.end(each)
        return len(found)

    def _write(self, subscription: Subscription) -> None:
        row = {
            "id": self._id(subscription),
            "bot": self._bot,
            "alert": subscription.alert,
            "chat": subscription.chat,
            "arguments": json.dumps(dict(subscription.arguments)),
            "sent": json.dumps({str(partition): offset for partition, offset in subscription.sent.items()}),
            "holding": json.dumps(sorted(subscription.holding)),
        }
        self._db.insert(TABLE, [row])
        self._all[subscription.place] = subscription

    def _id(self, subscription: Subscription) -> str:
        return f"{self._bot}/{subscription.alert}/{subscription.chat}/{subscription.part}"

    def _read(self, row: Any) -> Subscription:
        sent = {int(partition): offset for partition, offset in json.loads(row["SENT"]).items()}
        part = row["ID"].removeprefix(f"{self._bot}/{row['ALERT']}/{row['CHAT']}/")
        return Subscription(row["ALERT"], row["CHAT"], part, json.loads(row["ARGUMENTS"]), sent, frozenset(json.loads(row["HOLDING"])))
