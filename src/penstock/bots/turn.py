"""What a command is to the bot: a definition that is opened on a database, and answers turn by turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from penstock.bots.messages import Message, Reply

if TYPE_CHECKING:
    from penstock import Database


@dataclass(frozen=True)
class Conversation:
    """Where a conversation of several turns stands: the command that leads it, its present step, and the answers so far, as `kept_text`."""

    command: str
    step: str
    answers: Mapping[str, str | None] = field(default_factory=dict)

    def at(self, step: str) -> Conversation:
        """The same at another step."""
        return replace(self, step=step)

    def with_answer(self, name: str, text: str | None) -> Conversation:
        """The same with one more answer; None is NULL."""
        return replace(self, answers={**self.answers, name: text})


class Turn:
    """One message being answered. What a handler inserts, and the conversation as it leaves it, become durable together before the answer is sent."""

    def __init__(self, db: Database, message: Message, conversation: Conversation | None, now_ms: int | None = None) -> None:
        self.db = db
        self.message = message
        self.conversation = conversation
        """The speaker's conversation; a handler sets it, None ends it."""
        self.now_ms = now_ms
        """The time of what is inserted (ms), where the bot keeps a clock of its own."""
        self.rows: dict[str, list[dict[str, Any]]] = {}

    def insert(self, source: str, row: Mapping[str, Any]) -> None:
        """Append a row to a stream or table when the turn is over, together with the conversation's state."""
        time = {} if self.now_ms is None else {"ROWTIME": self.now_ms}
        self.rows.setdefault(source, []).append({**time, **row})


class Handler(Protocol):
    """A command at work. Its methods may be called from several threads, for different speakers."""

    @property
    def leads(self) -> bool:
        """Whether the command leads a conversation of its own, which no other can interrupt."""
        ...

    def begin(self, turn: Turn, arguments: str) -> Sequence[Reply]:
        """Answer the command; `arguments` is what stands behind it. Raises AnswerError, whose text is the answer."""
        ...

    def go_on(self, turn: Turn) -> Sequence[Reply]:
        """Answer the next message of a conversation that this command leads. Raises AnswerError: the question stays open."""
        ...

    def ask_again(self, turn: Turn) -> Sequence[Reply]:
        """The question that is open, once more."""
        ...


class Command(Protocol):
    """A command's definition."""

    @property
    def name(self) -> str:
        """What is written behind the slash: 1 to 32 of a-z, 0-9 and _."""
        ...

    @property
    def description(self) -> str:
        """One line for /help."""
        ...

    @property
    def usage(self) -> str:
        """How the command is written, with its arguments."""
        ...

    @property
    def takes_location(self) -> bool:
        """Whether a shared location is an answer to this command."""
        ...

    def open(self, db: Database) -> Handler:
        """The command at work. Raises ConfigError or SqlError for a source, column or parameter that there is not."""
        ...


class OneTurn:
    """The part of a handler whose command is answered at once."""

    leads = False

    def go_on(self, turn: Turn) -> Sequence[Reply]:
        """There is no conversation."""
        turn.conversation = None
        return []

    def ask_again(self, turn: Turn) -> Sequence[Reply]:
        """There is no question."""
        return []
