"""The page of the statements, made from their definitions."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.sql.parser import DEPTH_MAX
from penstock.sql.statements import STATEMENTS
from penstock.sql.tokens import RESERVED

_INTRODUCTION = """\
# Statements

Statements end in a semicolon. Keywords and names may be written in any case; a name is stored in capitals unless it stands in backticks
(`` `as written` ``) or double quotes. Strings stand in single quotes, and a single quote within one is doubled. `--` starts a comment up to the end
of the line, `/* */` encloses one.

`1` is an INTEGER (a BIGINT if it needs to be), `1.5` a DECIMAL, `1.5E0` a DOUBLE. Operators, the tightest first: `[ ]` and `->`, sign, `* / %`,
`+ -`, `||`, then `= <> < <= > >= BETWEEN IN LIKE IS`, then `NOT`, `AND`, `OR`. An expression nests at most {depth} levels deep.

Below, `[ ]` may be left out, `|` separates choices, `...` repeats, and words in lower case stand for what you name.
"""


def pages() -> Iterator[tuple[str, str]]:
    """Each generated page: its path below docs/, and its text."""
    parts = [_INTRODUCTION.replace("{depth}", str(DEPTH_MAX))]
    for each in STATEMENTS:
        examples = "\n".join(each.examples)
        parts.append(f"## {each.name}\n\n```\n{each.syntax}\n```\n\n{each.does}\n\n```sql\n{examples}\n```\n")
    reserved = ", ".join(f"`{word}`" for word in sorted(RESERVED))
    parts.append(f"## Reserved words\n\nThese are names only in backticks; all other words may be names as they are: {reserved}.\n")
    yield "sql/statements.md", "\n".join(parts)
