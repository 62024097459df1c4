"""What stands behind a command: `/alert Kirkgate Centre 20`."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.bots.values import AnswerError, expected, parse_value, show_value
from penstock.sql.types import STRING, TIMESTAMP, SqlType

if TYPE_CHECKING:
    from penstock import Database

REQUIRED: Any = object()
"""The default of what must be given."""
OFFERED_MAX = 20
WORDS_MAX = 40
"""More words than any name has: the ways to share them out among arguments are tried."""


@dataclass(frozen=True)
class Argument:
    """One argument of a command. `type` is SQL's (STRING, INT, DOUBLE, DATE ...). Without `default` it must be given; with one it may be left out,
    wherever it stands. `minimum` and `maximum` are for numbers. `choices_from`: a pull query whose first column holds the values that there are;
    what is typed is then found among them, in any case of its letters, or by a part that is one's alone.

    A STRING takes several words where that makes the whole fit: `/spaces Kirkgate Centre` has one argument. Double quotes hold words together
    where it would not be clear."""

    name: str
    type: str = "STRING"
    default: Any = REQUIRED
    minimum: float | None = None
    maximum: float | None = None
    choices_from: str = ""

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is REQUIRED

    @property
    def sql_type(self) -> SqlType:
        """The type, parsed. Raises SqlError for what is none."""
        from penstock.sql.parser import parse_type

        return parse_type(self.type)

    def parse(self, text: str) -> Any:
        """The value. Raises AnswerError."""
        value = parse_value(text, self.sql_type)
        check_bounds(value, self.minimum, self.maximum)
        return value


def check_bounds(value: Any, minimum: float | None, maximum: float | None) -> None:
    """Raise AnswerError for a number out of its bounds."""
    if minimum is not None and value < minimum:
        raise AnswerError(f"That is too small; {minimum:g} is the least.")
    if maximum is not None and value > maximum:
        raise AnswerError(f"That is too large; {maximum:g} is the most.")


def usage(command: str, arguments: Sequence[Argument]) -> str:
    """The command as it is written: `/alert [name] spaces`."""
    return " ".join([f"/{command}", *(a.name if a.required else f"[{a.name}]" for a in arguments)])


def parse_arguments(command: str, arguments: Sequence[Argument], text: str, db: Database) -> dict[str, Any]:
    """The values by name, defaults in the place of those left out. Raises AnswerError that shows how the command is written."""
    words = re.findall(r'"[^"]*"|\S+', text)
    found = _fit(arguments, words) if len(words) <= WORDS_MAX else None
    if found is not None:
        return {a.name: _chosen(a, found[a.name], db) if a.name in found else a.default for a in arguments}
    if not arguments:
        raise AnswerError(f"/{command} stands alone.", mend=f"Please send /{command}.")
    said = "Something is missing." if not words else _complaint(arguments, words)
    hints = [f"{a.name}: {hint}" for a in arguments if (hint := expected(a.sql_type))]
    hint = f" ({'; '.join(hints)})" if hints else ""
    raise AnswerError(said, mend=f"Please send {usage(command, arguments)}{hint}.")


def _chosen(argument: Argument, value: Any, db: Database) -> Any:
    """The value, or of an argument with choices the one that is meant. Raises AnswerError."""
    if not argument.choices_from:
        return value
    known = [row[0] for row in db.query(argument.choices_from).fetchall() if row[0] is not None]
    typed = show_value(value).casefold()
    same = [each for each in known if show_value(each).casefold() == typed]
    alike = same[:1] or [each for each in known if typed in show_value(each).casefold()]
    if len(alike) == 1:
        return alike[0]
    offered = [show_value(each) for each in alike or known]
    listed = ", ".join(offered[:OFFERED_MAX]) + (" ..." if len(offered) > OFFERED_MAX else "")
    said = f"“{show_value(value)}” may be several." if alike else f"“{show_value(value)}” is not known here."
    raise AnswerError(said, mend=f"There are: {listed}.")


def _fit(arguments: Sequence[Argument], words: Sequence[str]) -> dict[str, Any] | None:
    """The best way to give every word to an argument, in order: to as many arguments as can be, and rather to a number or a date than to a text."""
    types = {a.name: a.sql_type for a in arguments}
    ways = _fits(arguments, words)
    return max(ways, key=lambda way: (len(way), sum(types[name] != STRING for name in way)), default=None)


def _fits(arguments: Sequence[Argument], words: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Every way, those first that give the most words to the first argument."""
    if not arguments:
        if not words:
            yield {}
        return
    first, rest = arguments[0], arguments[1:]
    longest = len(words) if first.sql_type in (STRING, TIMESTAMP) else min(1, len(words))
    for taken in range(longest, 0, -1):
        with contextlib.suppress(AnswerError):
            value = first.parse(_joined(words[:taken]))
            yield from ({first.name: value, **others} for others in _fits(rest, words[taken:]))
    if not first.required:
        yield from _fits(rest, words)


def _joined(words: Sequence[str]) -> str:
    return " ".join(word.strip('"') if word.startswith('"') else word for word in words)


def _complaint(arguments: Sequence[Argument], words: Sequence[str]) -> str:
    """What is wrong with the argument, where there is but one; else that the whole does not fit."""
    if len(arguments) == 1:
        try:
            arguments[0].parse(_joined(words))
        except AnswerError as error:
            return str(error)
    return "That does not fit."
