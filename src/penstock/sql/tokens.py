"""SQL text -> tokens. Nothing is refused here: what is no token of the language becomes one that no rule accepts."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

from penstock.errors import Position
from penstock.sql import tables

UNTERMINATED = "UNTERMINATED"
STRANGE = "STRANGE"

_TOKEN = re.compile(
    r"""
      (?P<gap>        (?: \s++ | --[^\n]*+ | /\*.*?\*/ )++ )
    | (?P<word>       [^\W\d]\w*+ )
    | (?P<string>     '(?:[^']++|'')*+' )
    | (?P<quoted>     `(?:[^`]++|``)*+` | "(?:[^"]++|"")*+" )
    | (?P<float>      (?:\d++\.?\d*+|\.\d++)[eE][+-]?\d++(?!\w) )
    | (?P<decimal>    \d++\.\d*+|\.\d++ )
    | (?P<digits>     \d++[^\W\d]\w*+ )
    | (?P<integer>    \d++ )
    | (?P<unclosed>   ['`"].*+ | /\*.*+ )
    | (?P<operator>   <> | != | <= | >= | => | -> | := | \|\| | :: | == | && | [-+*/%=<>()\[\].,;] )
    | (?P<strange>    \$\{[^}\s]*+\}? | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_TERMINALS = {
    "string": ("STRING_LITERAL",), "quoted": ("QUOTED_NAME",), "float": ("FLOAT_LITERAL",), "decimal": ("DECIMAL_LITERAL",),
    "integer": ("INTEGER_LITERAL",), "digits": ("BARE_NAME",), "unclosed": (UNTERMINATED,), "strange": (STRANGE,),
}  # fmt: skip

UNITS = {unit + plural: unit + "S" for unit in ("MILLISECOND", "SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "YEAR") for plural in ("", "S")}

# Words that are never a name unless quoted: those that give a statement its shape, so that a slip near them is told as what it is.
RESERVED = frozenset(
    """
    AND AS BETWEEN BY CASE CAST CREATE CROSS DISTINCT ELSE END EXCEPT FALSE FROM FULL GROUP HAVING IN INNER INSERT INTERSECT INTO IS JOIN
    LEFT LIKE NATURAL NOT NULL ON OR ORDER OUTER RIGHT SELECT THEN TRUE UNION WHEN WHERE WITH
    """.split()  # noqa: SIM905
)

# These words are keywords only where one of these tokens follows; else they are ordinary names.
_BEFORE = {
    "ARRAY": {"[": "ARRAY_NEW", "<": "ARRAY_OF"},
    "MAP": {"(": "MAP_NEW", "<": "MAP_OF"},
    "STRUCT": {"(": "STRUCT_NEW", "<": "STRUCT_OF", "<>": "STRUCT_OF"},
    "IF": {"NOT": "IF", "EXISTS": "IF"},
}


@dataclass(slots=True)
class Token:
    """`terminals`: what the token may be in the grammar, the first that fits is taken. `text` is as written, from `start` to `end`."""

    terminals: tuple[str, ...]
    text: str
    start: int
    end: int

    @property
    def word(self) -> str:
        """The text of a word in upper case; of other tokens as it is."""
        return self.text.upper() if self.terminals[-1] == "BARE_NAME" or self.terminals[0] in RESERVED else self.text


    @property
    def unquoted(self) -> str:
        """What a string or a quoted name holds."""
        quote = self.text[0]
        return self.text[1:-1].replace(quote * 2, quote)


class Lines:
    """Places in a text by offset. `first` is the position of the text's first character, where the text is a part of another."""

    def __init__(self, text: str, first: Position | None = None) -> None:
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._first = first or Position(1, 1)

    def position(self, offset: int) -> Position:
        """Where the character at an offset stands."""
        line = bisect_right(self._starts, offset) - 1
        column = offset - self._starts[line]
        return Position(self._first.line + line, column + (self._first.column if line == 0 else 1))


def tokenize(text: str) -> list[Token]:
    """All tokens of a text, semicolons included, gaps and comments left out."""
    found: list[Token] = []
    keywords = tables.load().keywords
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or ""
        if kind == "gap":
            continue
        written = match.group()
        if kind == "operator":
            terminals: tuple[str, ...] = ("<>",) if written == "!=" else (written,)
        elif kind == "word":
            terminals = _word(written.upper(), keywords)
        else:
            terminals = _TERMINALS[kind]
        found.append(Token(terminals, written, match.start(), match.end()))
    _look_ahead(found)
    return found


def _word(word: str, keywords: frozenset[str]) -> tuple[str, ...]:
    if word in RESERVED:
        return (word,)
    if word in UNITS:
        return ("TIME_UNIT", "BARE_NAME")
    if word in keywords and word not in _BEFORE:
        return (word, "BARE_NAME")
    return ("BARE_NAME",)


def _look_ahead(tokens: list[Token]) -> None:
    """Settle what one token of look-ahead cannot: constructors and types against names, the ( of lambdas and of lists of groups."""
    waiting: list[int] = []  # the places of the open brackets
    for index in range(len(tokens) - 1):
        token, following = tokens[index], tokens[index + 1]
        if token.text in ("(", "["):
            waiting.append(index)
            if token.text == "(" and _opens_lambda(tokens, index):
                token.terminals = ("LAMBDA_OPEN",)
        elif token.text in (")", "]") and waiting:
            waiting.pop()
        elif token.text == ";":
            waiting = []
        elif token.text == "," and waiting and waiting[-1] and tokens[waiting[-1]].text == "(" and tokens[waiting[-1] - 1].terminals == ("BY",):
            tokens[waiting[-1]].terminals = ("GROUP_OPEN",)
        elif token.terminals == ("BARE_NAME",) and (keyword := _BEFORE.get(token.text.upper(), {}).get(following.word)):
            token.terminals = (keyword, "BARE_NAME")


def _opens_lambda(tokens: list[Token], index: int) -> bool:
    """Whether `(a, b) =>` stands at `index`. Names and commas only are passed over, so that all calls together stay linear."""
    place = index + 1
    while place + 2 < len(tokens) and tokens[place].terminals[-1] in ("BARE_NAME", "QUOTED_NAME"):
        if tokens[place + 1].text == ")":
            return tokens[place + 2].text == "=>"
        if tokens[place + 1].text != ",":
            return False
        place += 2
    return False


@dataclass(frozen=True, slots=True)
class Piece:
    """One statement of a text, without its semicolon and the comments around it. `complete`: a semicolon ends it."""

    text: str
    position: Position
    complete: bool


def split_statements(text: str) -> list[Piece]:
    """Cut a text at its semicolons (not those in strings, quoted names and comments). Only the last piece may be incomplete."""
    lines = Lines(text)
    return [Piece(text[part[0].start : part[-1].end], lines.position(part[0].start), complete) for part, complete in statements(tokenize(text))]


def statements(tokens: list[Token]) -> list[tuple[list[Token], bool]]:
    """The tokens of each statement that is not empty, and whether a semicolon ends it."""
    parts: list[tuple[list[Token], bool]] = []
    part: list[Token] = []
    for token in tokens:
        if token.text != ";":
            part.append(token)
        elif part:
            parts.append((part, True))
            part = []
    return [*parts, (part, False)] if part else parts
