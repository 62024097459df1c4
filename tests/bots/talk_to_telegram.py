"""Run as a process: serve the plants' bot on the folder argv[1] to the Telegram at argv[2] with the token argv[3], until killed."""

from __future__ import annotations

import sys
import threading

from tests.bots.plants import FORM, prepare

import penstock
from penstock.bots import Alert, Bot, TelegramDoor


def main() -> None:
    with penstock.connect(sys.argv[1]) as db:
        if db.catalog.source("PLANTS") is None:
            prepare(db)
        bot = Bot(db, "plants", [FORM, Alert("places", "New places", "{LABEL} is there", source="places")])
        print("here", flush=True)
        bot.run(TelegramDoor(sys.argv[3], api_url=sys.argv[2]), threading.Event())


if __name__ == "__main__":
    main()
