"""The shell's prompt: several lines until the semicolon, history, completion, colours."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import completion_is_selected
from prompt_toolkit.history import FileHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import PygmentsLexer
from pygments.lexers.sql import SqlLexer

import penstock
from penstock import functions
from penstock.sql.tables import load

WORDS = ("exit", "quit", "help", "clear", "version", "history", "output")


def session(db: penstock.Database) -> PromptSession[str]:
    """A prompt whose Enter ends the input after a semicolon, a word of the shell or an empty line, and else begins a new line."""
    return PromptSession(
        message="penstock> ",
        prompt_continuation=lambda width, *_: "...> ".rjust(width),
        multiline=True,
        history=FileHistory(str(history_file())),
        completer=SqlCompleter(db),
        complete_while_typing=False,
        lexer=PygmentsLexer(SqlLexer),
        key_bindings=_bindings(),
    )


def history_file() -> Path:
    """Where the history is kept: penstock/history below XDG_STATE_HOME, or ~/.local/state."""
    folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "penstock"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "history"


def complete_input(text: str) -> bool:
    """Whether Enter should end the input. A semicolon inside a quoted string or comment does not count."""
    stripped = text.strip()
    words = stripped.rstrip(";").lower().split()
    if not words or (words[0] in WORDS and len(words) <= 2) or words[:2] == ["set", "cli"]:
        return True
    # A quote or comment that has no end runs to the end of the text.
    quoted = r"'(?:[^']|'')*(?:'|$)|--[^\n]*|/\*.*?(?:\*/|$)|`[^`]*(?:`|$)|\"[^\"]*(?:\"|$)"
    return re.sub(quoted, "", stripped, flags=re.DOTALL).rstrip().endswith(";")


def _bindings() -> KeyBindings:
    bindings = KeyBindings()

    @bindings.add("enter", filter=~completion_is_selected)
    def _(event: KeyPressEvent) -> None:
        if complete_input(event.current_buffer.text):
            event.current_buffer.validate_and_handle()
        else:
            event.current_buffer.insert_text("\n")

    return bindings


class SqlCompleter(Completer):
    """Completes keywords, sources, their columns, topics inside quotes, and functions; in capitals where the word begun is."""

    def __init__(self, db: penstock.Database) -> None:
        self._db = db

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """The words that go on from the one before the cursor, names of the database before keywords."""
        start = re.search(r"[\w.\-]*$", document.text_before_cursor)
        word = start[0] if start else ""
        if re.search(r"'[\w.\-]*$", document.text_before_cursor):
            candidates: Iterable[str] = sorted(topic.name for topic in self._db.log.topics() if not topic.internal)
            yield from (Completion(name, -len(word)) for name in candidates if name.startswith(word))
            return
        upper = word.isupper() or not word
        seen = set()
        for name in (*self._sources_and_columns(document.text), *_functions(), *_keywords(), *(w.upper() for w in WORDS)):
            if name.upper().startswith(word.upper()) and name not in seen:
                seen.add(name)
                yield Completion(name if upper else name.lower(), -len(word))

    def _sources_and_columns(self, text: str) -> Iterator[str]:
        sources = list(self._db.catalog.sources())
        yield from sorted(source.name for source in sources)
        mentioned = {word.upper() for word in re.findall(r"\w+", text)}
        for source in sources:
            if source.name in mentioned:
                yield from (column.name for column in source.schema.columns)


def _functions() -> list[str]:
    return sorted(function.name for function in functions.all_functions())


def _keywords() -> list[str]:
    return sorted(load().keywords)
