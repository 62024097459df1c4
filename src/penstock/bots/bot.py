"""A bot: commands over a database, the same behind every door."""

from __future__ import annotations

import difflib
import logging
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from penstock.bots.alert import OpenAlert
from penstock.bots.alerting import Alerting
from penstock.bots.conversations import TABLE, Conversations, Kept
from penstock.bots.door import Door
from penstock.bots.lookup import PLACE
from penstock.bots.messages import Message, Reply
from penstock.bots.subscriptions import Subscriptions
from penstock.bots.turn import Command, Handler, Turn
from penstock.bots.values import AnswerError
from penstock.errors import ConfigError, Error
from penstock.simulation import Background

if TYPE_CHECKING:
    from penstock import Database

OWN = ("start", "help", "cancel", "skip", "y", "n")
"""The commands that every bot has."""
SORRY = "Sorry, that did not work, and it is not your fault. It is written down; please try again later."

_logger = logging.getLogger("penstock.bots")


class Bot:
    """Commands over a database. Thread-safe: different speakers are answered at the same time, one speaker's messages one after the other.

    `name` tells the bots of a database apart; what they keep (conversations, subscriptions) is kept under it. `welcome` is said first on /start.
    `now_ms`: the time (ms) of the records that forms make, where it is not the world's. Raises ConfigError or SqlError where a command does not
    fit the database.

    >>> import penstock
    >>> from penstock.bots import Argument, Bot, Lookup, Message
    >>> with penstock.connect(":memory:") as db:
    ...     _ = db.execute("CREATE STREAM carpark (name STRING, spaces INT) WITH (kafka_topic='c', value_format='JSON', partitions=1);")
    ...     _ = db.insert("carpark", [{"name": "Westgate", "spaces": 42}])
    ...     sql = "SELECT spaces FROM carpark WHERE name = :name;"
    ...     spaces = Lookup("spaces", "Free spaces in a car park", sql, "{SPACES} are free at {name}.", [Argument("name")])
    ...     Bot(db, "carparks", [spaces]).answer(Message(chat=1, text="/spaces Westgate"))[0].text
    '42 are free at Westgate.'
    """

    def __init__(
        self, db: Database, name: str, commands: Sequence[Command], *, welcome: str = "", now_ms: Callable[[], int] | None = None
    ) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name):
            raise ConfigError(f"A bot cannot be named '{name}'.", mend="Use letters, digits, _, . and -.")
        self.name = name
        self._db, self._welcome, self._now_ms = db, welcome, now_ms
        self._commands = {command.name: command for command in commands}
        for command in commands:
            if not re.fullmatch(r"[a-z0-9_]{1,32}", command.name) or command.name in OWN or len(self._commands) < len(commands):
                raise ConfigError(
                    f"The bot {name} cannot have a command '{command.name}'.",
                    mend=f"Names are of a-z, 0-9 and _, each once, and none of {', '.join(OWN)}.",
                )
        self._handlers: dict[str, Handler] = {command.name: command.open(db) for command in commands}
        self._conversations = Conversations(db, name)
        self._subscriptions = Subscriptions(db, name)
        alerts = [handler for handler in self._handlers.values() if isinstance(handler, OpenAlert)]
        for alert in alerts:
            alert.subscribed_in(self._subscriptions)
        self._alerting = Alerting(db, name, alerts, self._subscriptions) if alerts else None
        self._locks: dict[str, threading.Lock] = {}
        self._locking = threading.Lock()

    # ------------------------------------------------------------------ life

    def run(self, door: Door, stop: threading.Event) -> None:
        """Serve a door until `stop` is set or the door closes. Raises what ended it, where something went wrong."""
        over = threading.Event()
        background = Background(over)

        def alert() -> None:
            try:
                if self._alerting is not None:
                    self._alerting.run(door, over)
            except BaseException:
                stop.set()  # a bot that silently sends no alerts any more is worse than one that ends
                raise

        if self._alerting is not None:
            background.start(f"bot-{self.name}-alerts", alert)
        try:
            door.run(self, stop)
        finally:
            over.set()
            self._db.log.wake()
        background.join()

    @property
    def menu(self) -> list[tuple[str, str]]:
        """The commands with their descriptions, for a door that can show a menu."""
        return [(command.name, command.description) for command in self._commands.values()]

    def gone(self, chat: int) -> None:
        """The chat will have no more messages: its subscriptions end."""
        ended = self._subscriptions.end_all_of(chat)
        if ended:
            _logger.info("chat %d has left; %d subscriptions are ended", chat, ended)

    # ------------------------------------------------------------------ answering

    def answer(self, message: Message) -> Sequence[Reply]:
        """The answers to a message. What it changes is durable when this returns; a message that the door brings again is not taken twice."""
        with self._lock_of(message.speaker):
            kept = self._conversations.of(message.speaker)
            if message.id is not None and kept.message is not None and message.id <= kept.message:
                return kept.replies if message.id == kept.message else ()
            turn = Turn(self._db, message, kept.conversation, self._now_ms() if self._now_ms else None)
            try:
                replies = tuple(self._answer(turn))
                if turn.rows or turn.conversation != kept.conversation:
                    self._keep(turn, Kept(turn.conversation, message.id, tuple(replace(r, picture=None) for r in replies)))
            except Error as error:
                _logger.error("the bot %s cannot answer %r: %s", self.name, message.text[:80], error)  # noqa: TRY400 - the error says it all
                return (Reply(SORRY),)
            except Exception:
                _logger.exception("the bot %s cannot answer %r", self.name, message.text[:80])
                return (Reply(SORRY),)
            return replies

    def _keep(self, turn: Turn, kept: Kept) -> None:
        """Append what the turn inserts and where the conversation stands, in one transaction."""
        speaker = turn.message.speaker
        self._db.insert_together({**turn.rows, TABLE: [self._conversations.row(speaker, kept)]})
        self._conversations.remember(speaker, kept)

    def _answer(self, turn: Turn) -> Sequence[Reply]:
        before = turn.conversation
        try:
            return self._handle(turn)
        except AnswerError as error:
            turn.conversation, turn.rows = before, {}
            leader = self._leader(turn)
            again = list(leader.ask_again(turn)) if leader is not None and leader.leads else []
            if not again:
                return [Reply(str(error))]
            return [replace(again[0], text=f"{error}\n\n{again[0].text}"), *again[1:]]

    def _handle(self, turn: Turn) -> Sequence[Reply]:
        message, leader = turn.message, self._leader(turn)
        if leader is None:
            turn.conversation = None  # of a command that this bot no longer has
        if message.location is not None:
            return self._located(turn, leader)
        name, arguments = _command_in(message.text)
        if name is None or (leader is not None and leader.leads and name in ("skip", "y", "n")):
            if leader is not None and (leader.leads or not message.group):
                replies = leader.go_on(turn)
                if replies:
                    return replies
            return [] if message.group else [Reply(f"I did not understand that. {self._hint()}")]
        if name in OWN:
            return self._own(turn, name, leader)
        handler = self._handlers.get(name)
        if handler is None:
            return self._unknown(turn, name)
        if leader is None or not leader.leads:
            turn.conversation = None
            return handler.begin(turn, arguments)
        if handler.leads:
            raise AnswerError(f"You are in the middle of /{turn.conversation.command if turn.conversation else ''}; /cancel ends it.")
        return [*handler.begin(turn, arguments), *leader.ask_again(turn)]

    def _located(self, turn: Turn, leader: Handler | None) -> Sequence[Reply]:
        """A location: the answer to whoever waits for one, else to the first command that takes one."""
        if leader is not None and turn.conversation is not None and turn.conversation.step == PLACE:
            return leader.go_on(turn)
        taker = next((self._handlers[c.name] for c in self._commands.values() if c.takes_location), None)
        if taker is None:
            return [] if turn.message.group else [Reply(f"I know nothing of places. {self._hint()}")]
        return [*taker.begin(turn, ""), *(leader.ask_again(turn) if leader is not None and leader.leads else ())]

    def _own(self, turn: Turn, name: str, leader: Handler | None) -> Sequence[Reply]:
        if name in ("start", "help"):
            text = self._help()
            replies = [Reply(f"{self._welcome}\n\n{text}" if self._welcome and name == "start" else text)]
            return [*replies, *(leader.ask_again(turn) if leader is not None and leader.leads else ())]
        if name == "cancel" and turn.conversation is not None:
            command, turn.conversation = turn.conversation.command, None
            return [Reply(f"/{command} is cancelled; nothing is kept.")]
        return [Reply(f"There is nothing to cancel. {self._hint()}" if name == "cancel" else f"There is no open question. {self._hint()}")]

    def _unknown(self, turn: Turn, name: str) -> Sequence[Reply]:
        if turn.message.group:
            return []  # it may be another bot's
        near = difflib.get_close_matches(name, [*self._commands, *OWN], n=1)
        raise AnswerError(f"There is no command /{name}.", mend=f"Did you mean /{near[0]}? {self._hint()}" if near else self._hint())

    def _help(self) -> str:
        return "\n".join([*(f"{c.usage} - {c.description}" for c in self._commands.values()), "/cancel - end a conversation", "/help - this list"])

    def _hint(self) -> str:
        return "/help lists what I know."

    def _leader(self, turn: Turn) -> Handler | None:
        return None if turn.conversation is None else self._handlers.get(turn.conversation.command)

    def _lock_of(self, speaker: str) -> threading.Lock:
        with self._locking:
            return self._locks.setdefault(speaker, threading.Lock())


def _command_in(text: str) -> tuple[str | None, str]:
    """The command that a message is, without the bot's name that groups add (`/spaces@CarparkBot`), and what follows it; None where it is none."""
    match = re.fullmatch(r"/(\w{1,64})(?:@\w+)?(?:\s+(.*))?", text.strip(), re.DOTALL)
    return (match[1].lower(), (match[2] or "").strip()) if match else (None, "")
