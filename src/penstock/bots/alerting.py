"""Telling alerts: reads the sources of a bot's alerts and sends each record to the chats that want it, each at most once."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from penstock.bots.alert import OpenAlert
from penstock.bots.door import ChatGoneError, Door, NotSentError
from penstock.bots.messages import Reply
from penstock.bots.subscriptions import Subscription, Subscriptions
from penstock.bots.texts import Columns, fill
from penstock.errors import Error

if TYPE_CHECKING:
    from penstock import Database
    from penstock.connect.records import Record, RecordReader

READ_MAX = 100
SENDERS = 8
"""So many chats are told at once."""
WATCH_S = 0.5
BACKOFF_S, BACKOFF_S_MAX = 1.0, 60.0

_logger = logging.getLogger("penstock.bots")


class Alerting:
    """The alerts of one bot. What comes after it is made is told by `run`, whenever that begins.

    How far an alert's source was read is kept as the offsets of the consumer group `bot-NAME-ALERT`, committed when all chats were told; how far
    each chat was told is kept with its subscription, before the message is sent. So a record that comes again after a crash reaches only those
    chats that were not told yet.
    """

    def __init__(self, db: Database, bot: str, alerts: Sequence[OpenAlert], subscriptions: Subscriptions) -> None:
        self._db, self._subscriptions = db, subscriptions
        self._followed = [_Followed(db, f"bot-{bot}-{alert.alert.name}", alert) for alert in alerts]
        # Waits before another try need no seed that anyone knows: they keep chats from being tried in step.
        self._jitter = random.Random()  # noqa: S311

    def run(self, door: Door, stop: threading.Event) -> None:
        """Tell what comes until `stop` is set."""
        with ThreadPoolExecutor(SENDERS, thread_name_prefix="bot-alert") as senders:
            while not stop.is_set():
                version = self._db.log.version()
                moved = [self._step(followed, senders, door, stop) for followed in self._followed]
                if not any(moved):
                    self._db.log.watch(version, WATCH_S)

    def _step(self, followed: _Followed, senders: ThreadPoolExecutor, door: Door, stop: threading.Event) -> bool:
        """Tell the next records of an alert's source; whether there were any."""
        moved = False
        for topic, partition in followed.reader.partitions():
            offset = followed.positions.get((topic, partition), 0)
            records = followed.reader.read(topic, partition, offset, READ_MAX)
            for record in records:
                if stop.is_set():
                    return moved
                if record.error is None and not record.tombstone:
                    told = list(senders.map(lambda s, r=record: self._tell(followed.alert, s, r, door, stop), self._wanting(followed.alert)))
                    if not all(told):
                        return moved
                offset = record.offset + 1
            if records:
                followed.advance(topic, partition, offset)
                moved = True
        return moved

    def _wanting(self, alert: OpenAlert) -> list[Subscription]:
        return self._subscriptions.of(alert.alert.name)

    def _tell(self, alert: OpenAlert, subscription: Subscription, record: Record, door: Door, stop: threading.Event) -> bool:
        """Tell a chat of a record, if it wants it and was not told. False where `stop` was set before it could be sent."""
        row, arguments = Columns(record.columns), alert.arguments_of(subscription)
        holds = self._holds(alert, row, arguments)
        key = ",".join(str(record.columns[name]) for name in record.key_columns)
        held = key in subscription.holding
        holding = subscription.holding if not alert.alert.on_change or holds == held else subscription.holding ^ {key}
        old = record.offset < subscription.sent.get(record.partition, 0)
        wanted = holds and not old and not (alert.alert.on_change and held)
        if not wanted:
            if holding != subscription.holding:
                self._subscriptions.advance(subscription, replace(subscription, holding=holding))
            return True
        now = replace(subscription, sent={**subscription.sent, record.partition: record.offset + 1}, holding=holding)
        if not self._subscriptions.advance(subscription, now):
            return True  # it was ended or renewed just now: this record is not for it
        if not self._send(door, now.chat, fill(alert.alert.text, Columns(arguments, row)), stop):
            self._subscriptions.advance(now, subscription)
            return False
        if alert.alert.once:
            self._subscriptions.end(now)
        return True

    def _holds(self, alert: OpenAlert, row: Columns, arguments: dict[str, object]) -> bool:
        try:
            return bool(alert.alert.when(row, arguments))
        except Exception:
            # A pipeline's own function: its mistake over one record must not keep the others from being told.
            _logger.exception("the condition of /%s failed", alert.alert.name)
            return False

    def _send(self, door: Door, chat: int, text: str, stop: threading.Event) -> bool:
        """Send, again and again while it certainly was not sent. False where `stop` was set before."""
        tries = 0
        while True:
            try:
                door.send(chat, Reply(text))
            except NotSentError as error:
                wait_s = error.retry_after_s
                if wait_s is None:
                    wait_s = min(BACKOFF_S_MAX, BACKOFF_S * 2 ** min(tries, 10)) * self._jitter.uniform(0.8, 1.2)
                tries += 1
                _logger.warning("an alert waits: %s Next try in %.1f s.", error, wait_s)
                if stop.wait(wait_s):
                    return False
                continue
            except ChatGoneError as error:
                _logger.warning("chat %d is unsubscribed: %s", chat, error)
                self._subscriptions.end_all_of(chat)
            except Error as error:
                _logger.warning("an alert may not have reached chat %d: %s", chat, error)
            return True


class _Followed:
    """An alert with the place up to which its source was read."""

    def __init__(self, db: Database, group: str, alert: OpenAlert) -> None:
        from penstock.statements.connectors import TopicReader

        self.alert = alert
        self._log, self._group = db.log, group
        self.reader: RecordReader = TopicReader(db, [alert.source.topic])
        self.positions = dict(db.log.committed(group))
        # What was there before the first start is no news to anyone.
        new = {place: db.log.end_offset(*place) for place in self.reader.partitions() if place not in self.positions}
        if new:
            self.positions |= new
            db.log.commit_offsets(group, new)

    def advance(self, topic: str, partition: int, offset: int) -> None:
        """All chats are told of what stands before the offset."""
        self.positions[topic, partition] = offset
        self._log.commit_offsets(self._group, {(topic, partition): offset})
