"""Doors: where a bot's messages come from and its answers go. `telegram.py` and `terminal.py` are two, a test makes its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from penstock.bots.messages import Message, Reply
from penstock.errors import ConnectorError


class ChatGoneError(ConnectorError):
    """The chat will have no more messages from this bot: it blocked it, or is no more."""


class NotSentError(ConnectorError):
    """The message was certainly not sent, and is worth another try, after `retry_after_s` seconds where the far side said so."""

    def __init__(self, what: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(what)
        self.retry_after_s = retry_after_s


class Listener(Protocol):
    """What a door tells."""

    def answer(self, message: Message) -> Sequence[Reply]:
        """The answers to a message. From any thread; a speaker's messages one after the other."""
        ...

    def gone(self, chat: int) -> None:
        """The chat will have no more messages: forget its subscriptions."""
        ...

    @property
    def menu(self) -> Sequence[tuple[str, str]]:
        """The commands: (name, description)."""
        ...


class Door(Protocol):
    """A way to people."""

    def run(self, listener: Listener, stop: threading.Event) -> None:
        """Take messages and send the answers until `stop` is set. Raises ConfigError where it cannot be opened (a wrong token)."""
        ...

    def send(self, chat: int, reply: Reply) -> None:
        """Send a message unasked; it is sent when this returns. From any thread, while `run` runs. Raises ChatGoneError, NotSentError, or another
        ConnectorError where it may have been sent or not."""
        ...


class MemoryDoor:
    """A door without anybody behind it: keeps what is sent. For tests and simulations, which talk to `Bot.answer` themselves."""

    def __init__(self, on_send: Callable[[int, Reply], None] | None = None) -> None:
        self.sent: list[tuple[int, Reply]] = []
        self._on_send = on_send

    def run(self, listener: Listener, stop: threading.Event) -> None:
        """Wait for the end."""
        stop.wait()

    def send(self, chat: int, reply: Reply) -> None:
        """Keep the message, and tell who wanted to know."""
        if self._on_send is not None:
            self._on_send(chat, reply)
        self.sent.append((chat, reply))
