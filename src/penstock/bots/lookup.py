"""Commands that are answered at once: from a pull query, as text or as a picture, or by a function of one's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.bots.arguments import Argument, parse_arguments, usage
from penstock.bots.charts import Bars, Lines
from penstock.bots.messages import Location, Reply
from penstock.bots.texts import Columns, check_names, fill
from penstock.bots.turn import Conversation, Handler, OneTurn, Turn
from penstock.errors import ConfigError
from penstock.sql.parameters import parameter_names

if TYPE_CHECKING:
    from penstock import Database

PLACE = "/location"
"""The step of a command that waits for a location."""
LOCATION_PARAMETERS = ("latitude", "longitude")
WHERE_ARE_YOU = "Where are you? Please share your location: tap the button, or the paper clip and then Location."


@dataclass(frozen=True)
class Lookup:
    """A command whose answer is a pull query.

    `query`: a SELECT; each argument is a parameter of it, `:name`, and where `takes_location` so are `:latitude` and `:longitude` (degrees).
    `text`: what is said of each row, `{COLUMN}` for a column and `{name}` for an argument; `heading` and `ending` stand around the rows, on
    lines of their own. `none`: what is said where there is no row. At most `rows_max` rows are told.
    A command that takes a location is also the answer to a location that somebody shares unasked.
    """

    name: str
    description: str
    query: str
    text: str
    arguments: Sequence[Argument] = ()
    heading: str = ""
    ending: str = ""
    none: str = "Nothing was found."
    rows_max: int = 20
    takes_location: bool = False

    @property
    def usage(self) -> str:
        """The command with its arguments."""
        return usage(self.name, self.arguments)

    def open(self, db: Database) -> Handler:
        """The command at work. Raises ConfigError for a parameter that no argument gives."""
        _check(self, (self.none, self.heading, self.ending))
        return _Asked(self, self._replies)

    def _replies(self, turn: Turn, values: Mapping[str, Any]) -> Sequence[Reply]:
        rows = turn.db.query(self.query, values).fetchall()
        if not rows:
            return [Reply(fill(self.none, Columns(values)))]
        told = [fill(self.text, Columns(values, row.as_dict())) for row in rows[: self.rows_max]]
        if len(rows) > self.rows_max:
            told.append(f"... and {len(rows) - self.rows_max} more.")
        return [Reply("\n".join([*_filled(self.heading, values), *told, *_filled(self.ending, values)]))]


@dataclass(frozen=True)
class Picture:
    """A command whose answer is a chart of a pull query's rows: a picture in a chat, bars of text in a terminal. Else as Lookup."""

    name: str
    description: str
    query: str
    chart: Bars | Lines
    arguments: Sequence[Argument] = ()
    none: str = "There is nothing to show yet."
    takes_location: bool = False

    @property
    def usage(self) -> str:
        """The command with its arguments."""
        return usage(self.name, self.arguments)

    def open(self, db: Database) -> Handler:
        """The command at work. Raises ConfigError for a parameter that no argument gives."""
        _check(self, (self.none,))
        return _Asked(self, self._replies)

    def _replies(self, turn: Turn, values: Mapping[str, Any]) -> Sequence[Reply]:
        rows = [Columns(row.as_dict()) for row in turn.db.query(self.query, values).fetchall()]
        for name in self.chart.columns if rows else ():
            if name not in rows[0]:
                raise ConfigError(f"The chart of /{self.name} needs the column {name}.", mend=f"The query gives: {', '.join(rows[0])}.")
        drawn = [Reply(chart.title, picture=chart) for chart in self.chart.charts(rows, values)]
        return drawn or [Reply(fill(self.none, Columns(values)))]


@dataclass(frozen=True)
class Action:
    """A command answered by a function: `run(turn, values)` gets the arguments by name and returns texts or Replies. It may query `turn.db`, and
    append by `turn.insert`; what it inserts is durable before the answer is sent. It may raise AnswerError."""

    name: str
    description: str
    run: Callable[[Turn, Mapping[str, Any]], Sequence[Reply | str] | Reply | str]
    arguments: Sequence[Argument] = ()
    takes_location: bool = False

    @property
    def usage(self) -> str:
        """The command with its arguments."""
        return usage(self.name, self.arguments)

    def open(self, db: Database) -> Handler:
        """The command at work."""
        return _Asked(self, self._replies)

    def _replies(self, turn: Turn, values: Mapping[str, Any]) -> Sequence[Reply]:
        answer = self.run(turn, values)
        several = [answer] if isinstance(answer, Reply | str) else answer
        return [Reply(each) if isinstance(each, str) else each for each in several]


class _Asked(OneTurn):
    """A command that is answered once its arguments, and its location where it takes one, are there."""

    def __init__(self, command: Lookup | Picture | Action, answer: Callable[[Turn, Mapping[str, Any]], Sequence[Reply]]) -> None:
        self._command, self._answer = command, answer

    def begin(self, turn: Turn, arguments: str) -> Sequence[Reply]:
        values = parse_arguments(self._command.name, self._command.arguments, arguments, turn.db)
        if not self._command.takes_location:
            return self._answer(turn, values)
        if turn.message.location is None:
            # A question of another command that was open stays so; the location then finds its way by itself.
            if turn.conversation is None:
                turn.conversation = Conversation(self._command.name, PLACE, {"": arguments})
            return [Reply(WHERE_ARE_YOU, ask_location=True)]
        return self._located(turn, values, turn.message.location)

    def go_on(self, turn: Turn) -> Sequence[Reply]:
        """The location that was asked for."""
        waiting, turn.conversation = turn.conversation, None
        if waiting is None or turn.message.location is None:
            return []
        return self.begin(turn, waiting.answers.get("") or "")

    def ask_again(self, turn: Turn) -> Sequence[Reply]:
        return [Reply(WHERE_ARE_YOU, ask_location=True)]

    def _located(self, turn: Turn, values: Mapping[str, Any], place: Location) -> Sequence[Reply]:
        return self._answer(turn, {**values, "latitude": place.latitude, "longitude": place.longitude})


def _check(command: Lookup | Picture, texts: Sequence[str]) -> None:
    """Raise ConfigError for a parameter or a text's name that nothing gives."""
    known = [a.name for a in command.arguments] + (list(LOCATION_PARAMETERS) if command.takes_location else [])
    for name in parameter_names(command.query):
        if name not in known:
            what = f"The query of /{command.name} asks for :{name}, which no argument gives."
            raise ConfigError(what, mend=f"There are: {', '.join(known) or 'none'}.")
    for text in texts:
        check_names(text, known, f"A text of /{command.name}")


def _filled(text: str, values: Mapping[str, Any]) -> list[str]:
    return [fill(text, Columns(values))] if text else []
