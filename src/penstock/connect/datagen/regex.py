"""Texts that a regular expression matches."""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable

Write = Callable[[random.Random], str]

REPEAT_MAX = 10
"""How often `*`, `+` and `{n,}` repeat at most (beyond n)."""
_CLASSES = {"d": string.digits, "w": string.ascii_letters + string.digits + "_", "s": " "}
_ANY = string.ascii_letters + string.digits + " .,-_"


def compiled(pattern: str) -> Write:
    """A function that writes such texts. Literals, classes, groups, alternatives and repetitions are known. Raises ValueError for the rest."""
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
    reader = _Reader(pattern)
    write = reader.alternatives()
    if not reader.at_end():
        raise ValueError(f"{pattern!r} has more than can be written, at character {reader.place + 1}")
    return write


class _Reader:
    """Reads a pattern, known to be well formed, from left to right."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.place = pattern, 0

    def at_end(self) -> bool:
        return self.place >= len(self.pattern)

    def alternatives(self) -> Write:
        """`a|b`."""
        choices = [self._sequence()]
        while self._take("|"):
            choices.append(self._sequence())
        return choices[0] if len(choices) == 1 else lambda numbers: numbers.choice(choices)(numbers)

    def _sequence(self) -> Write:
        parts: list[Write] = []
        while not self.at_end() and self.pattern[self.place] not in "|)":
            parts.append(self._repeated(self._atom()))
        return lambda numbers: "".join([part(numbers) for part in parts])

    def _atom(self) -> Write:
        if self._take("("):
            if self._take("?") and not self._take(":"):
                raise ValueError(f"{self.pattern!r} has a group (?...) that nothing can be written for")
            inner = self.alternatives()
            self._take(")")
            return inner
        if self._take("["):
            members = self._members()
            return lambda numbers: numbers.choice(members)
        character = self._next()
        if character in "^$":
            return lambda _: ""
        if character == ".":
            return lambda numbers: numbers.choice(_ANY)
        if character == "\\":
            members = self._escaped()
            return lambda numbers: numbers.choice(members)
        return lambda _: character

    def _members(self) -> str:
        """The characters of a class, after its bracket."""
        negated, members = self._take("^"), ""
        while True:
            character = self._next()
            if character == "]" and members:
                break
            found = self._escaped() if character == "\\" else character
            if self.pattern[self.place] == "-" and self.pattern[self.place + 1] != "]" and len(found) == 1:
                self.place += 1
                last = self._next()
                last = self._escaped() if last == "\\" else last
                found = "".join(map(chr, range(ord(found), ord(last) + 1)))
            members += found
        return "".join(c for c in _ANY if c not in members) if negated else members

    def _escaped(self) -> str:
        """What stands for an escape, after its backslash."""
        character = self._next()
        if character in _CLASSES:
            return _CLASSES[character]
        if character.isalnum():
            raise ValueError(f"{self.pattern!r} has \\{character}, which nothing can be written for")
        return character

    def _repeated(self, part: Write) -> Write:
        low, high = 1, 1
        if self._take("?"):
            low, high = 0, 1
        elif self._take("*"):
            low, high = 0, REPEAT_MAX
        elif self._take("+"):
            low, high = 1, 1 + REPEAT_MAX
        elif counts := re.compile(r"\{(\d*)(,?)(\d*)\}").match(self.pattern, self.place):
            self.place = counts.end()
            low = int(counts[1] or 0)
            high = int(counts[3]) if counts[3] else low + REPEAT_MAX if counts[2] else low
        self._take("?")  # laziness, which changes nothing of what can be written
        return part if (low, high) == (1, 1) else lambda numbers: "".join([part(numbers) for _ in range(numbers.randint(low, high))])

    def _next(self) -> str:
        self.place += 1
        return self.pattern[self.place - 1]

    def _take(self, character: str) -> bool:
        if self.pattern[self.place : self.place + 1] == character:
            self.place += 1
            return True
        return False
