"""A Telegram bot's connection: python-telegram-bot, which is asynchronous, behind calls that wait.

Telegram's addresses hold the bot's token, and httpx logs addresses: here its log is kept down, and what is left passes through a filter.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import os
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from penstock.connect.contract import RefusedError, RetriableError
from penstock.connect.secrets import Secrets
from penstock.errors import ConfigError, ConnectorError

if TYPE_CHECKING:
    import telegram

API_URL = "https://api.telegram.org"
TEXT_MAX, CAPTION_MAX = 4096, 1024
"""The most characters of a message, and of a picture's caption."""
POLL_S = 50
"""How long Telegram holds a question for updates back while there are none."""
UPDATES_MAX = 100
REQUEST_S = 20

T = TypeVar("T")


class ChatBlockedError(RefusedError):
    """The chat will have nothing from this bot: it was blocked, or the chat is no more."""


class UnsureError(RetriableError):
    """There was no answer: the message may have been delivered or not."""


class TokenError(ConnectorError):
    """Telegram does not know the token."""


class TelegramClient:
    """The connection of one bot. `token` is never shown: errors and logs pass through `secrets`. `api_url`: Telegram's, or that of a Bot API server
    of one's own. Methods may be called from any thread. Raises ConfigError where python-telegram-bot is missing."""

    def __init__(self, token: str, api_url: str, secrets: Secrets) -> None:
        # Without it python-telegram-bot warns, whenever Telegram says how long to wait, that it will say so in another type by and by.
        os.environ.setdefault("PTB_TIMEDELTA", "1")
        try:
            import telegram
            from telegram.request import HTTPXRequest
        except ImportError:
            raise ConfigError("Telegram needs python-telegram-bot, which is not here.", mend="pip install 'penstock[telegram]'") from None
        if not token.strip():
            raise ConfigError("The Telegram token is empty.", mend="Ask @BotFather in Telegram for one.")
        self._secrets = secrets
        secrets.hide(token)
        keep_out_of_logs(token)
        # Each has connections of its own, so that the long poll never keeps a message waiting.
        sending = HTTPXRequest(connection_pool_size=16, read_timeout=REQUEST_S, write_timeout=REQUEST_S, connect_timeout=10, pool_timeout=60)
        polling = HTTPXRequest(connection_pool_size=1, read_timeout=POLL_S + 10, connect_timeout=10)
        self._requests = (sending, polling)
        self._bot = telegram.Bot(token, base_url=f"{api_url.rstrip('/')}/bot", request=sending, get_updates_request=polling)
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._ended = False
        self._ending = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="telegram", daemon=True)
        self._thread.start()

    def updates(self, offset: int | None, kinds: Sequence[str]) -> concurrent.futures.Future[tuple[telegram.Update, ...]]:
        """Ask for the updates of some kinds (`message`, ...) from `offset` on, waiting at Telegram until there are any; earlier ones it then
        forgets. The answer's errors are those of python-telegram-bot: `explained` tells what they mean."""
        return self._submit(self._bot.get_updates(offset, UPDATES_MAX, POLL_S, list(kinds)))

    def call(self, make: Callable[[telegram.Bot], Coroutine[Any, Any, T]]) -> T:
        """Await `make(bot)`. Raises what `explained` makes of an error."""
        from telegram.error import TelegramError

        try:
            return self._submit(make(self._bot)).result()
        except TelegramError as error:
            raise self.explained(error) from None

    def explained(self, error: BaseException) -> ConnectorError:
        """An error of python-telegram-bot as one of ours: RetriableError (UnsureError where it may have gone through), RefusedError, TokenError."""
        import httpx
        from telegram import error as errors

        said = self._secrets.redact(str(error))
        match error:
            case errors.RetryAfter():
                wait = error._retry_after.total_seconds()
                return RetriableError(f"Telegram wants {wait:g} s between messages.", retry_after_s=wait)
            case errors.Forbidden():
                return ChatBlockedError(f"The chat takes nothing from this bot: {said}.")
            case errors.InvalidToken() | errors.EndPointNotFound():
                return TokenError("Telegram does not know the token.", mend="Compare it with what @BotFather says.")
            case errors.Conflict():
                return RetriableError("Another program reads this bot's updates, and Telegram allows one.", retry_after_s=3)
            case errors.BadRequest() if "chat not found" in said.lower():
                return ChatBlockedError(f"There is no such chat: {said}.")
            case errors.BadRequest() | errors.ChatMigrated():
                return RefusedError(f"Telegram refused it: {said}.")
            case errors.NetworkError():
                unsure = isinstance(error.__cause__, httpx.TransportError) and not isinstance(
                    error.__cause__, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout
                )
                kind = UnsureError if unsure else RetriableError
                return kind(f"Telegram cannot be reached: {said}.")
        return ConnectorError(f"Telegram: {said}.")

    def close(self) -> None:
        """End what is under way and close the connections. What is asked for from now on is cancelled."""
        with self._ending:
            if self._ended:
                return
            self._ended = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _run(self) -> None:
        try:
            self._loop.run_forever()
            # what was asked for just before the end has a task that may not have begun
            self._loop.run_until_complete(self._end())
        finally:
            self._loop.close()

    async def _end(self) -> None:
        for _ in range(2):
            await asyncio.sleep(0)  # what was submitted begins: a task that is cancelled before leaves its coroutine behind
        # theirs alone are cancelled, and they end what they have begun themselves
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for request in self._requests:
            with contextlib.suppress(Exception):
                await request.shutdown()

    async def _kept(self, work: Coroutine[Any, Any, T]) -> T:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            return await work
        finally:
            self._tasks.remove(task)

    def _submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        with self._ending:
            if not self._ended:
                return asyncio.run_coroutine_threadsafe(self._kept(work), self._loop)
        work.close()
        cancelled: concurrent.futures.Future[T] = concurrent.futures.Future()
        cancelled.cancel()
        cancelled.set_running_or_notify_cancel()
        return cancelled


class _TokenFilter(logging.Filter):
    """Takes tokens out of log records."""

    def __init__(self) -> None:
        super().__init__()
        self.secrets = Secrets()

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if (safe := self.secrets.redact(text)) != text:
            record.msg, record.args = safe, ()
        return True


_FILTER = _TokenFilter()


def keep_out_of_logs(token: str) -> None:
    """Keep a token out of what httpx and python-telegram-bot log, at any level that a program may set for all."""
    _FILTER.secrets.hide(token)
    for name in ("httpx", "httpcore", "telegram"):
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.WARNING)
        if _FILTER not in logger.filters:
            logger.addFilter(_FILTER)
