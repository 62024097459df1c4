"""Parameters: `:name` in a statement stands for a value, which can never become anything but a value.

Names are found among the tokens of the text, so that a `:name` within a string, a quoted name or a comment stays what it is. In its place goes a
literal of the value's type: a string with its quotes doubled, which is all that either language (ours, and DuckDB's for ordinary SQL) knows
of escapes. This happens after `${variables}` are replaced, so that a value is never looked through for them.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from penstock.errors import DataError, Position, SqlError
from penstock.sql.tokens import Lines, Token, tokenize

_WORD = re.compile(r"[^\W\d]\w*")


def bind(text: str, parameters: Mapping[str, Any], first: Position | None = None) -> str:
    """The text with each `:name` replaced by the literal of its value; names that the text does not use are no error.

    Raises SqlError for a name without a value, DataError for a value that no literal is of. `first`: the place of the text's first character.
    """
    pieces: list[str] = []
    end = 0
    for colon, name in _found(text):
        if name.text not in parameters:
            given = ", ".join(parameters) or "none"
            raise SqlError(f"There is no value for :{name.text}.", mend=f"Given are: {given}.", position=Lines(text, first).position(colon.start))
        pieces += [text[end : colon.start], literal(parameters[name.text], name.text)]
        end = name.end
    return "".join([*pieces, text[end:]])


def parameter_names(text: str) -> list[str]:
    """The names of the parameters that a text asks for, each once."""
    return list(dict.fromkeys(name.text for _, name in _found(text)))


def _found(text: str) -> Iterator[tuple[Token, Token]]:
    """The colon and the name of each parameter."""
    for colon, name in itertools.pairwise(tokenize(text)):
        if colon.text == ":" and colon.end == name.start and _WORD.fullmatch(name.text):
            yield colon, name


def literal(value: Any, name: str) -> str:
    """A value as it stands in SQL: None, bool, int, float (DOUBLE), Decimal, str, date, time, datetime (in UTC), and lists of them.
    Raises DataError, which names the parameter, for any other."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "TRUE" if value else "FALSE"
        case int():
            return _signed(str(value))
        case float() if math.isfinite(value):
            return _signed(text if "e" in (text := repr(value)) else f"{text}e0")
        case Decimal() if value.is_finite():
            return _signed(text if "." in (text := format(value, "f")) else f"{text}.")
        case str() if "\0" not in value:
            return "'" + value.replace("'", "''") + "'"
        case datetime():
            moment = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
            return f"CAST('{moment.isoformat(timespec='milliseconds')}' AS TIMESTAMP)"
        case date():
            return f"CAST('{value.isoformat()}' AS DATE)"
        case time():
            return f"CAST('{value.replace(tzinfo=None).isoformat(timespec='milliseconds')}' AS TIME)"
        case list() | tuple():
            return f"ARRAY[{', '.join(literal(item, name) for item in value)}]"
    what = f"The parameter :{name} cannot be {value!r:.80}."
    raise DataError(what, mend="It may be text, a number, true or false, a time or a list of these.")


def _signed(number: str) -> str:
    """A number that stands apart: `x-:n` with a negative n would else begin a comment."""
    return f"({number})" if number.startswith("-") else number
