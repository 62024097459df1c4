"""What is said and what is answered, whatever the door: Telegram, the terminal, a test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.bots.charts import Chart


@dataclass(frozen=True, slots=True)
class Location:
    """A place on Earth, in degrees; south and west are negative."""

    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Message:
    """One message to a bot.

    `chat`: where the answer goes. `user`: who speaks; 0 means the chat itself, as in a private chat, where both have one number. `sender`: the
    speaker's name, for people. `id`: a number that grows from message to message and is the same where the door brings one again (Telegram's
    update_id); None where it never does. `group`: several people read along, so that only commands and answers to questions are meant for the bot.
    """

    chat: int
    text: str = ""
    location: Location | None = None
    user: int = 0
    sender: str = ""
    id: int | None = None
    group: bool = False

    @property
    def speaker(self) -> str:
        """Whom a conversation belongs to: the chat, and in a group one of its members."""
        return str(self.chat) if self.user in (0, self.chat) else f"{self.chat}/{self.user}"


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: a text, with `choices` to tap on, or a picture with the text as its caption. `ask_location` offers a button that shares the
    speaker's place."""

    text: str = ""
    choices: tuple[str, ...] = ()
    ask_location: bool = False
    picture: Chart | None = None
