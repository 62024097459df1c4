"""The terminal door: the same bot where there is no token, for one person at a keyboard, or for a script."""

from __future__ import annotations

import getpass
import re
import sys
import threading
from pathlib import Path
from typing import TextIO

from penstock.bots.charts import chart_text, png
from penstock.bots.door import Listener
from penstock.bots.messages import Location, Message, Reply

CHAT = 1
LOOK_S = 0.2


class TerminalDoor:
    """One chat on standard input and output. Choices are numbered, and a number chooses; `/location 53.8 -1.55` shares a place; a picture is drawn
    as text, and with `pictures` kept as a file in that folder too. It closes at the end of the input (Ctrl-D).

    `stdin` and `stdout` are for programs that stand in for a person.
    """

    def __init__(self, *, chat: int = CHAT, pictures: Path | None = None, stdin: TextIO | None = None, stdout: TextIO | None = None) -> None:
        self._chat, self._pictures = chat, pictures
        self._in, self._out = stdin or sys.stdin, stdout or sys.stdout
        self._writing = threading.Lock()
        self._choices: tuple[str, ...] = ()
        self._drawn = 0

    def run(self, listener: Listener, stop: threading.Event) -> None:
        """Answer line by line, until `stop` is set or the input ends."""
        over = threading.Event()
        failures: list[BaseException] = []

        def read() -> None:
            try:
                self._talk(listener, stop)
            except BaseException as error:  # noqa: BLE001 - raised again below
                failures.append(error)
            over.set()

        self._write("Talk to the bot; /help lists what it knows, Ctrl-D ends.")
        # A thread of its own, since nothing can interrupt a read from a terminal.
        threading.Thread(target=read, name="terminal", daemon=True).start()
        while not over.wait(LOOK_S) and not stop.is_set():
            pass
        if failures:
            raise failures[0]

    def send(self, chat: int, reply: Reply) -> None:
        """Print a message that nobody asked for now."""
        self._show(reply)

    def _talk(self, listener: Listener, stop: threading.Event) -> None:
        name = _login()
        for line in self._in:
            if stop.is_set():
                return
            text = line.strip()
            if not text:
                continue
            place = re.fullmatch(r"/location\s+(-?\d+\.?\d*)[\s,]+(-?\d+\.?\d*)", text)
            if place:
                message = Message(self._chat, location=Location(float(place[1]), float(place[2])), sender=name)
            else:
                message = Message(self._chat, self._chosen(text), sender=name)
            for reply in listener.answer(message):
                self._show(reply)

    def _chosen(self, text: str) -> str:
        """The choice that a number stands for, unless a choice reads just so."""
        number = int(text) if re.fullmatch(r"\d{1,3}", text) and text not in self._choices else 0
        return self._choices[number - 1] if 0 < number <= len(self._choices) else text

    def _show(self, reply: Reply) -> None:
        lines = [chart_text(reply.picture) if reply.picture is not None else reply.text]
        if reply.picture is not None and self._pictures is not None:
            self._drawn += 1
            path = self._pictures / f"picture-{self._drawn}.png"
            self._pictures.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(reply.picture))
            lines.append(f"(as a picture: {path})")
        lines += [f"  {number}. {choice}" for number, choice in enumerate(reply.choices, 1)]
        if reply.ask_location:
            lines.append("(here: /location LATITUDE LONGITUDE)")
        self._choices = reply.choices
        self._write("\n".join(lines))

    def _write(self, text: str) -> None:
        with self._writing:
            print(text, file=self._out, flush=True)


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
