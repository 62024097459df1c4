"""Which SELECTs outside ksqlDB's grammar are ordinary SQL, to be answered as pull queries, and which are slips.

The rule: a statement that the grammar refuses is ordinary SQL if it starts with SELECT or WITH, asks for no EMIT, has its
brackets and quotes closed, and the grammar stopped at (or right behind, or anywhere after) one of the marks below: words and
signs that ordinary SQL has and ksqlDB lacks. A slip before the first mark is told as a slip.
"""

from __future__ import annotations

import re
from itertools import pairwise

from penstock.errors import Position
from penstock.sql.tokens import STRANGE, UNTERMINATED, Lines, Token

# Over the words and signs of the statement, one blank between any two; names, numbers and strings stand as n, 0 and s.
_MARK = re.compile(
    r"""
      ^WITH\ (?!\()                                                    # common table expressions
    | \bORDER\ BY\b | \bOFFSET\ 0 | \bFETCH\ FIRST\b | \bQUALIFY\b
    | \b(UNION|INTERSECT|EXCEPT)\b
    | (?<!IS\ )(?<!NOT\ )\bDISTINCT\b
    | [(]\ (SELECT|WITH|VALUES)\b                                       # subqueries
    | [)]\ OVER\b | \bFILTER\ [(]\ WHERE\b | \bWITHIN\ GROUP\b | \bIGNORE\ NULLS\b
    | \b(CROSS|NATURAL|SEMI|ANTI|ASOF|POSITIONAL|LATERAL)\b
    | \bUSING\ [(]
    | \bFROM\ \w+(\ (AS\ )?\w+)?\ ,                                     # FROM a, b
    | \bNOT\ EXISTS\b
    | :: | \bILIKE\b | \bSIMILAR\ TO\b | \bTABLESAMPLE\b
    | \b(DATE|TIME|TIMESTAMP|INTERVAL)\ s\b | \bINTERVAL\ 0
    | \bEXTRACT\ [(]
    | \b(GROUPING\ SETS|GROUP\ BY\ ALL)\b
    | \bTRY_CAST\ [(]
    """,
    re.VERBOSE,
)
_STAND_INS = {"STRING_LITERAL": "s", "INTEGER_LITERAL": "0", "DECIMAL_LITERAL": "0", "FLOAT_LITERAL": "0", "QUOTED_NAME": "n"}


def is_ordinary(tokens: list[Token], stopped_at: Position | None, lines: Lines) -> bool:
    """Whether a statement that the grammar refused at a position is ordinary SQL, by the rule above."""
    words = [_STAND_INS.get(token.terminals[0], token.text.upper()) for token in tokens]
    if words[0] not in ("SELECT", "WITH") or not _is_whole(tokens):
        return False
    if any(pair in (("EMIT", "CHANGES"), ("EMIT", "FINAL")) for pair in pairwise(words)):
        return False
    if words[0] == "SELECT" and "FROM" not in words:
        return False
    stop = next((i for i, token in enumerate(tokens) if stopped_at and lines.position(token.start) == stopped_at), len(tokens))
    return _MARK.search(" ".join(words[: stop + 3])) is not None


def _is_whole(tokens: list[Token]) -> bool:
    closing = {"(": ")", "[": "]"}
    waiting: list[str] = []
    for token in tokens:
        if token.terminals[0] in (STRANGE, UNTERMINATED):
            return False
        if token.text in closing:
            waiting.append(closing[token.text])
        elif token.text in closing.values() and (not waiting or waiting.pop() != token.text):
            return False
    return not waiting
