"""The Telegram door."""

from __future__ import annotations

import concurrent.futures
import contextlib
import logging
import random
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from penstock.bots.charts import png
from penstock.bots.door import ChatGoneError, Listener, NotSentError
from penstock.bots.messages import Location, Message, Reply
from penstock.errors import ConfigError, ConnectorError, Error

if TYPE_CHECKING:
    import telegram

    from penstock.connect.telegram.client import TelegramClient

API_URL = "https://api.telegram.org"
ANSWERS_AT_ONCE = 16
LOOK_S = 0.5
"""How often a wait looks whether it is time to stop."""
BACKOFF_S, BACKOFF_S_MAX = 1.0, 60.0

_logger = logging.getLogger("penstock.bots")


class TelegramDoor:
    """A Telegram bot's chats. `token`: @BotFather's, never shown or logged. `api_url`: Telegram's, or that of a Bot API server of one's own.

    Updates are confirmed to Telegram when they are answered, so that what came while the bot was away, or was not answered yet when it
    was killed, comes again. A failing network is tried again after 1 s, 2 s ... 60 s; where Telegram says how long to wait, so long.
    """

    def __init__(self, token: str, *, api_url: str = API_URL) -> None:
        self._token, self._api_url = token, api_url
        self._client: TelegramClient | None = None
        self._opened = threading.Event()
        # Waits before another try need no seed that anyone knows.
        self._jitter = random.Random()  # noqa: S311

    def run(self, listener: Listener, stop: threading.Event) -> None:
        """Take messages and answer until `stop` is set. Raises ConfigError for a token that Telegram does not know."""
        from penstock.connect.secrets import Secrets
        from penstock.connect.telegram.client import TelegramClient

        self._client = client = TelegramClient(self._token, self._api_url, Secrets())
        self._opened.set()
        answering = _Answering(lambda message: self._answer(client, listener, message, stop))
        try:
            if self._introduce(client, listener, stop):
                self._listen(client, listener, answering, stop)
        finally:
            answering.close()
            client.close()

    def send(self, chat: int, reply: Reply) -> None:
        """Send a message. Raises ChatGoneError, NotSentError, or another ConnectorError where it may have been sent or not."""
        if not self._opened.wait(BACKOFF_S):
            raise NotSentError("The door to Telegram is not open yet.")
        assert self._client is not None
        _send(self._client, chat, reply, keyboard=bool(reply.choices))

    # ------------------------------------------------------------------ listening

    def _introduce(self, client: TelegramClient, listener: Listener, stop: threading.Event) -> bool:
        """Learn whether the token is good, and show Telegram the commands. False where `stop` was set before."""
        tries = 0
        while not stop.is_set():
            try:
                me = client.call(lambda bot: bot.get_me())
                break
            except ConnectorError as error:
                tries = self._failed(error, tries, stop)
        else:
            return False
        _logger.info("the bot is @%s", me.username)
        with contextlib.suppress(ConnectorError):  # a menu is a nicety
            client.call(lambda bot: bot.set_my_commands([(name, text[:256]) for name, text in listener.menu]))
        return True

    def _listen(self, client: TelegramClient, listener: Listener, answering: _Answering, stop: threading.Event) -> None:
        from telegram.error import TelegramError

        last, tries = 0, 0
        while not stop.is_set():
            first = answering.first_open()
            asked = client.updates((last + 1 if first is None else first) if last else None, ("message", "my_chat_member"))
            while not stop.is_set() and not asked.done():
                concurrent.futures.wait([asked], LOOK_S)
            if not asked.done():
                asked.cancel()
                return
            try:
                updates = asked.result()
            except TelegramError as error:
                tries = self._failed(client.explained(error), tries, stop)
                continue
            tries = 0
            new = [update for update in updates if update.update_id > last]
            for update in new:
                last = update.update_id
                self._take(update, listener, answering)
            # Those that are not answered yet would come again at once: better to wait until one of them is.
            answering.wait(1.0 if not new else LOOK_S)

    def _take(self, update: telegram.Update, listener: Listener, answering: _Answering) -> None:
        member = update.my_chat_member
        if member is not None:
            if member.new_chat_member.status in ("kicked", "left"):
                listener.gone(member.chat.id)
        elif (message := _message(update)) is not None:
            answering.add(message)

    def _failed(self, error: ConnectorError, tries: int, stop: threading.Event) -> int:
        """Wait before another try. Raises ConfigError where another would fail too."""
        from penstock.connect.contract import RetriableError
        from penstock.connect.telegram.client import TokenError

        if isinstance(error, TokenError):
            raise ConfigError(error.what, mend=error.mend) from None
        wait_s = error.retry_after_s if isinstance(error, RetriableError) else None
        if wait_s is None:
            wait_s = min(BACKOFF_S_MAX, BACKOFF_S * 2 ** min(tries, 10)) * self._jitter.uniform(0.8, 1.2)
        _logger.warning("%s Next try in %.1f s.", error, wait_s)
        stop.wait(wait_s)
        return tries + 1

    # ------------------------------------------------------------------ answering

    def _answer(self, client: TelegramClient, listener: Listener, message: Message, stop: threading.Event) -> bool:
        """Answer a message; whether it is done with. Not so where `stop` was set before the answer could be sent: then the message comes again."""
        from penstock.connect.telegram.client import UnsureError

        replies = listener.answer(message)
        for number, reply in enumerate(replies):
            tries = 0
            while True:
                try:
                    _send(client, message.chat, reply, keyboard=number == len(replies) - 1)
                    break
                except ChatGoneError as error:
                    _logger.warning("%s", error)
                    listener.gone(message.chat)
                    return True
                except (NotSentError, UnsureError) as error:  # twice is better than a question that nobody sees
                    wait_s = error.retry_after_s or min(BACKOFF_S_MAX, BACKOFF_S * 2 ** min(tries, 10)) * self._jitter.uniform(0.8, 1.2)
                    _logger.warning("an answer waits: %s Next try in %.1f s.", error, wait_s)
                    tries += 1
                    if stop.wait(wait_s):
                        return False
                except Error as error:
                    _logger.warning("an answer was not sent: %s", error)
                    break
        return True


class _Answering:
    """Answers messages in a few threads: a speaker's in order, different speakers' at the same time."""

    def __init__(self, answer: Callable[[Message], bool]) -> None:
        self._answer = answer
        self._pool = concurrent.futures.ThreadPoolExecutor(ANSWERS_AT_ONCE, thread_name_prefix="bot-answer")
        self._changed = threading.Condition()
        self._queues: dict[str, deque[Message]] = {}
        self._open: set[int] = set()

    def add(self, message: Message) -> None:
        """Answer this one, after the speaker's earlier ones."""
        with self._changed:
            assert message.id is not None
            self._open.add(message.id)
            queue = self._queues.get(message.speaker)
            if queue is not None:
                queue.append(message)
                return
            self._queues[message.speaker] = deque([message])
        self._pool.submit(self._drain, message.speaker)

    def first_open(self) -> int | None:
        """The first message that is not answered yet."""
        with self._changed:
            return min(self._open, default=None)

    def wait(self, seconds: float) -> None:
        """Wait until all are answered, or one more is, at most so long."""
        with self._changed:
            there = len(self._open)
            if there:
                self._changed.wait_for(lambda: len(self._open) < there and (not self._open or seconds >= 1), seconds)

    def close(self) -> None:
        """Wait for the answers under way."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _drain(self, speaker: str) -> None:
        while True:
            with self._changed:
                queue = self._queues[speaker]
                if not queue:
                    del self._queues[speaker]
                    return
                message = queue.popleft()
            done = False
            try:
                done = self._answer(message)
            except Exception:
                _logger.exception("a message could not be answered")
                done = True
            with self._changed:
                if done:
                    self._open.discard(message.id or 0)
                self._changed.notify_all()


def _message(update: telegram.Update) -> Message | None:
    """What an update says, None where it says nothing to a bot."""
    said = update.message
    if said is None or said.from_user is None or said.from_user.is_bot:
        return None
    place = None if said.location is None else Location(said.location.latitude, said.location.longitude)
    user = said.from_user
    return Message(said.chat.id, said.text or "", place, user.id, user.full_name, update.update_id, group=said.chat.type != "private")


def _send(client: TelegramClient, chat: int, reply: Reply, *, keyboard: bool) -> None:
    """Send a reply: long texts in pieces, a picture with its text as caption. Without choices a former keyboard is taken away."""
    from penstock.connect.contract import RetriableError
    from penstock.connect.telegram.client import CAPTION_MAX, ChatBlockedError, UnsureError

    markup = _markup(reply) if keyboard else None
    try:
        if reply.picture is not None:
            image = png(reply.picture)
            caption = reply.text[:CAPTION_MAX] or None
            client.call(lambda bot: bot.send_photo(chat, image, caption=caption, reply_markup=markup))
            return
        for piece in _pieces(reply.text):
            client.call(lambda bot, text=piece: bot.send_message(chat, text, reply_markup=markup))  # type: ignore[misc]
    except ChatBlockedError as error:
        raise ChatGoneError(error.what) from None
    except UnsureError:
        raise
    except RetriableError as error:
        raise NotSentError(error.what, retry_after_s=error.retry_after_s) from None


def _markup(reply: Reply) -> Any:
    from telegram import KeyboardButton, ReplyKeyboardMarkup, ReplyKeyboardRemove

    if reply.ask_location:
        return ReplyKeyboardMarkup([[KeyboardButton("Share my location", request_location=True)]], one_time_keyboard=True, resize_keyboard=True)
    if reply.choices:
        a_row = 2 if max(map(len, reply.choices)) <= 18 else 1
        rows = [list(reply.choices[at : at + a_row]) for at in range(0, len(reply.choices), a_row)]
        return ReplyKeyboardMarkup(rows, one_time_keyboard=True, resize_keyboard=True)
    return ReplyKeyboardRemove()


def _pieces(text: str) -> Sequence[str]:
    """The text in messages that Telegram takes, cut at lines where that can be."""
    from penstock.connect.telegram.client import TEXT_MAX

    pieces = []
    while len(text) > TEXT_MAX:
        cut = text.rfind("\n", 1, TEXT_MAX)
        cut = cut if cut > 0 else TEXT_MAX
        pieces.append(text[:cut])
        text = text[cut:].removeprefix("\n")
    return [*pieces, text] if text.strip() else pieces
