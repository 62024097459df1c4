"""`penstock bot`."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from penstock.cli.demo import connect, find, load
from penstock.cli.options import DEFAULT_FOLDER, Data, Functions
from penstock.cli.stopping import stop_event
from penstock.errors import ConfigError

TOKEN = "TELEGRAM_TOKEN"  # noqa: S105 - a variable's name
API_URL = "TELEGRAM_API_URL"


def bot(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A pipeline that comes with Penstock, the folder of your own, or a Python file.")],
    data: Data = DEFAULT_FOLDER,
    functions: Functions = None,
    terminal: Annotated[bool, typer.Option("--terminal", help="Talk to the bot here, instead of in Telegram.")] = False,
    pictures: Annotated[
        Path | None, typer.Option("--pictures", metavar="FOLDER", help="With --terminal: keep its pictures as files there too.")
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", metavar="FILE", help="A file that holds the bot's token; without it the variable TELEGRAM_TOKEN does."),
    ] = None,
) -> None:
    """Run a pipeline's chat bot, with its queries and connectors, until Ctrl-C: in Telegram, or with --terminal here.

    A bot is a function open_bot(db) that returns a penstock.bots.Bot, in the pipeline's bot.py or in the file. The token comes from @BotFather in
    Telegram; TELEGRAM_API_URL names a Bot API server of your own. The package is penstock[telegram], for pictures penstock[charts] too.

    \b
    Example:
      penstock bot survey --data survey --terminal
    """
    module = _module(name)
    if not hasattr(module, "open_bot"):
        raise ConfigError(f"{name} has no function open_bot(db).", mend="Write one that returns a penstock.bots.Bot.")
    from penstock.bots import Door, TelegramDoor, TerminalDoor

    door: Door
    if terminal:
        door = TerminalDoor(pictures=pictures)
    else:
        address = {"api_url": os.environ[API_URL]} if os.environ.get(API_URL) else {}
        door = TelegramDoor(_token(token_file), **address)
    with stop_event() as stop, connect(data, module, functions) as db:
        opened = module.open_bot(db)
        if not terminal:
            print(f"The bot {opened.name} answers in Telegram; Ctrl-C ends.", flush=True)
        opened.run(door, stop)


def _module(name: str) -> ModuleType:
    """The module that holds a bot. Raises ConfigError."""
    path = Path(name)
    if path.suffix != ".py":
        folder = find(name)
        if not (folder / "bot.py").is_file():
            raise ConfigError(f"The pipeline {name} has no bot.", mend=f"Write one in {folder / 'bot.py'}.")
        return load(folder, "bot")
    spec = importlib.util.spec_from_file_location(f"penstock_bot_{path.stem}", path) if path.is_file() else None
    if spec is None or spec.loader is None:
        raise ConfigError(f"There is no file {name}.", mend="Name a pipeline, its folder, or a Python file with a function open_bot(db).")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _token(file: Path | None) -> str:
    """The token, from the file or the environment. Raises ConfigError, which never holds it."""
    if file is not None:
        try:
            return file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"The token's file {file} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}.") from None
    token = os.environ.get(TOKEN, "")
    if not token:
        what = f"There is no token: the variable {TOKEN} is not set."
        raise ConfigError(what, mend="Ask @BotFather in Telegram for one, or talk here with --terminal.")
    return token
