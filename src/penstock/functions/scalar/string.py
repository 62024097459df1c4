"""Strings."""

from __future__ import annotations

from penstock.functions.define import sql_scalar


@sql_scalar("LCASE(text STRING) -> STRING")
def lcase(text: str) -> str:
    """Text in lower case.

    text: what to convert

    LCASE('ABC') -> 'abc'
    """
    return f"lower({text})"


@sql_scalar("UCASE(text STRING) -> STRING")
def ucase(text: str) -> str:
    """Text in upper case.

    text: what to convert

    UCASE('abc') -> 'ABC'
    """
    return f"upper({text})"


@sql_scalar("CONCAT(parts STRING...) -> STRING", "CONCAT(parts BYTES...) -> BYTES")
def concat(*parts: str) -> str:
    """Joins texts, or bytes, one after the other. A NULL counts as nothing.

    parts: what to join

    CONCAT('plant ', 'is ', 'dry') -> 'plant is dry'
    CONCAT('a', CAST(NULL AS STRING), 'b') -> 'ab'
    """
    return f"concat({', '.join(parts)})"
