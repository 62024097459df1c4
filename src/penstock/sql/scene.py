"""The place where a parse stopped: the tokens around it, and what the parse tables would have taken there."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.errors import SqlError
from penstock.sql.tables import END, Tables
from penstock.sql.tokens import Lines, Token

TEXT_MAX = 40


@dataclass(frozen=True)
class Scene:
    """Where the parse stopped: at `tokens[index]`, or at the end of the statement. `path`: the states up to there."""

    table: Tables
    tokens: list[Token]
    index: int
    path: list[int]
    before: list[int]  # the states before the previous token
    taken: str  # what the previous token was taken for
    lines: Lines

    @property
    def token(self) -> Token | None:
        """The token that cannot stand here; None at the end."""
        return self.tokens[self.index] if self.index < len(self.tokens) else None

    @property
    def previous(self) -> Token | None:
        """The token before it; None at the start."""
        return self.tokens[self.index - 1] if self.index else None

    def accepts(self, *tokens: str | tuple[str, ...]) -> bool:
        """Whether tokens could stand here, one after another; each given by its terminal, or by several of which the first that fits counts."""
        path = list(self.path)
        return all(advance(self.table, path, (token,) if isinstance(token, str) else token) for token in tokens)

    def possible(self) -> list[str]:
        """The terminals that could stand here."""
        return possible(self.table, self.path)

    def error(self, token: Token | None, what: str, mend: str = "") -> SqlError:
        """At a token; None: at the end of the statement."""
        if token:
            return SqlError(what, mend=mend, position=self.lines.position(token.start))
        return SqlError(what, mend=mend, position=self.lines.position(self.tokens[-1].end if self.tokens else 0))


def step(table: Tables, path: list[int], terminals: tuple[str, ...]) -> list[int] | None:
    """The states after one more token; None if it cannot stand there."""
    path = list(path)
    return path if advance(table, path, terminals) else None


def advance(table: Tables, path: list[int], terminals: tuple[str, ...]) -> bool:
    """Take one more token, as one of `terminals`; whether it can stand there."""
    while True:
        row = table.states[path[-1]]
        action = next((row[terminal] for terminal in terminals if terminal in row), None)
        if action is None:
            return END in terminals and path[-1] in table.end.values()
        if action >= 0:
            path.append(action)
            return True
        rule = table.rules[-1 - action]
        if rule.length:
            del path[-rule.length :]
        path.append(table.states[path[-1]][rule.origin])


def possible(table: Tables, path: list[int]) -> list[str]:
    """The terminals that can follow a path of states."""
    found = [symbol for symbol in table.states[path[-1]] if not symbol.islower() and not symbol.startswith("_")]
    return [symbol for symbol in dict.fromkeys([*found, END]) if step(table, path, (symbol,))]


def shown(token: Token | None) -> str:
    """A token as a message shows it: on one line, and not too long."""
    if token is None:
        return "the end"
    written = " ".join(token.text[: 2 * TEXT_MAX].split())
    return written if len(written) <= TEXT_MAX else written[: TEXT_MAX - 3] + "..."
