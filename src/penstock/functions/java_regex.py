"""Java's regular expressions in Python's: the few things that the two write differently.

Facts from the Java API documentation of Pattern and Matcher.
"""

from __future__ import annotations

import re
from functools import lru_cache

_CLASSES = {
    "Lower": "a-z", "Upper": "A-Z", "ASCII": r"\x00-\x7f", "Alpha": "A-Za-z", "Digit": "0-9", "Alnum": "A-Za-z0-9",
    "Punct": r"!-/:-@\[-`{-~", "Graph": "!-~", "Print": " -~", "Blank": r" \t", "Cntrl": r"\x00-\x1f\x7f", "XDigit": "0-9A-Fa-f",
    "Space": r" \t\n\x0b\f\r", "L": r"^\W\d_", "IsAlphabetic": r"^\W\d_", "N": r"\d", "Nd": r"\d", "IsDigit": r"\d",
}  # fmt: skip
_TOKEN = re.compile(r"\\Q(.*?)(?:\\E|\Z)|\\([pP])(?:\{(\w+)\}|(\w))|\\([zZhGR])|(\\.)|(\(\?<(?![=!]))|(\[\^?\]?)|(\])|(&&)|(.)", re.DOTALL)


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> re.Pattern[str]:
    """A Java pattern, compiled. Raises ValueError where it is malformed or uses what Python lacks (&& inside a class)."""
    try:
        return re.compile(_translated(pattern))
    except re.error as error:
        raise ValueError(f"the regular expression {pattern!r} is wrong: {error}") from error


def _translated(pattern: str) -> str:
    parts: list[str] = []
    inside = False
    for found in _TOKEN.finditer(pattern):
        literal, category, name, letter, end, escape, group, opens, closes, intersection, other = found.groups()
        if literal is not None:
            parts.append(re.escape(literal))
        elif category:
            parts.append(_category(category == "P", name or letter, inside, pattern))
        elif end:
            parts.append({"z": r"\Z", "Z": r"(?=\n?\Z)", "h": r"[ \t\xa0]", "G": "", "R": r"(?:\r\n|[\n\x0b\f\r\x85\u2028\u2029])"}[end])
        elif escape or other:
            parts.append(escape or other)
        elif group:
            parts.append("(?P<")
        elif opens:
            parts.append(r"\[" if inside else opens)
            inside = True
        elif closes:
            parts.append(closes)
            inside = False
        elif intersection and inside:
            raise ValueError(f"the regular expression {pattern!r} uses &&, which is not supported")
        else:
            parts.append(found[0])
    return re.sub(r"\\k<(\w+)>", r"(?P=\1)", "".join(parts))


def _category(negated: bool, name: str, inside: bool, pattern: str) -> str:
    members = _CLASSES.get(name) or {"Lu": "A-ZÀ-ÖØ-Þ", "Ll": "a-zß-öø-ÿ", "P": r"!-#%-*,-/:;?@\[-\]_{}", "Z": r"\s", "S": r"$+<=>^`|~"}.get(name)
    if members is None:
        raise ValueError(f"the regular expression {pattern!r} uses the character class {name}, which is not supported")
    if inside:
        if negated or members.startswith("^"):
            raise ValueError(f"the regular expression {pattern!r} uses the character class {name} inside brackets, which is not supported")
        return members
    flipped = members[1:] if members.startswith("^") else f"^{members}"
    return f"[{flipped if negated else members}]"


@lru_cache(maxsize=1024)
def replacement(text: str) -> str:
    """Java's replacement text as Python's: `$1` and `${name}` are groups, a backslash takes the next character as it is."""
    parts = []
    for found in re.finditer(r"\\(.)|\$(?:(\d)|\{(\w+)\})|(.)", text, re.DOTALL):
        literal, number, name, other = found.groups()
        if number or name:
            parts.append(rf"\g<{number or name}>")
        else:
            parts.append((literal or other).replace("\\", r"\\"))
    return "".join(parts)
