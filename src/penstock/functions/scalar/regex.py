"""Regular expressions."""

from __future__ import annotations

from penstock.functions.define import python_scalar
from penstock.functions.java_regex import compiled, replacement


@python_scalar(
    "REGEXP_EXTRACT(pattern STRING, text STRING) -> STRING", "REGEXP_EXTRACT(pattern STRING, text STRING, group INTEGER) -> STRING"
)
def regexp_extract(pattern: str, text: str, group: int = 0) -> str | None:
    """The first part of a text that a regular expression matches, or a group of it; NULL where there is none.

    pattern: the regular expression, as Java writes it
    text: where to look
    group: the group to take; the whole match if not given

    REGEXP_EXTRACT('(.*) (.*)', 'hello there', 2) -> 'there'
    """
    expression = compiled(pattern)
    found = expression.search(text)
    shown: str | None = found[group] if found and 0 <= group <= expression.groups else None
    return shown


@python_scalar(
    "REGEXP_EXTRACT_ALL(pattern STRING, text STRING) -> ARRAY<STRING>",
    "REGEXP_EXTRACT_ALL(pattern STRING, text STRING, group INTEGER) -> ARRAY<STRING>",
)
def regexp_extract_all(pattern: str, text: str, group: int = 0) -> list[str | None] | None:
    """All parts of a text that a regular expression matches, or a group of each.

    pattern: the regular expression, as Java writes it
    text: where to look
    group: the group to take; the whole match if not given

    REGEXP_EXTRACT_ALL('([a-z]+) ([a-z]+)', 'hello there nice day', 2) -> ARRAY['there', 'day']
    """
    expression = compiled(pattern)
    if not 0 <= group <= expression.groups:
        return None
    return [found[group] for found in expression.finditer(text)]


@python_scalar("REGEXP_REPLACE(text STRING, pattern STRING, new STRING) -> STRING")
def regexp_replace(text: str, pattern: str, new: str) -> str:
    """Text with all that a regular expression matches replaced.

    text: where to replace
    pattern: the regular expression, as Java writes it
    new: what to put there; $1 stands for the first group

    REGEXP_REPLACE('baababaa', '(ab)+', 'cat') -> 'bacataa'
    """
    return compiled(pattern).sub(replacement(new), text)


@python_scalar("REGEXP_SPLIT_TO_ARRAY(text STRING, pattern STRING) -> ARRAY<STRING>")
def regexp_split_to_array(text: str, pattern: str) -> list[str]:
    """The pieces of a text between the parts that a regular expression matches; an empty one cuts between all characters.

    text: what to cut
    pattern: the regular expression, as Java writes it

    REGEXP_SPLIT_TO_ARRAY('aabcda', '(ab|cd)') -> ARRAY['a', '', 'a']
    """
    if not pattern:
        return list(text) or [""]
    pieces, start = [], 0
    for found in compiled(pattern).finditer(text):
        if found.end() > found.start():
            pieces.append(text[start : found.start()])
            start = found.end()
    return [*pieces, text[start:]]
