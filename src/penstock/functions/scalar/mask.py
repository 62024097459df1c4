"""Masking: texts made unreadable."""

from __future__ import annotations

from penstock.functions.define import python_scalar

SIGNS = "upper STRING, lower STRING, digit STRING, other STRING"


def masked(text: str, upper: str | None, lower: str | None, digit: str | None, other: str | None) -> str:
    """The text with each character replaced by the sign for its kind; a kind whose sign is None is left as it is."""
    shown = []
    for c in text:
        sign = upper if c.isupper() else lower if c.islower() else digit if c.isdigit() else other
        shown.append(c if sign is None else sign)
    return "".join(shown)


def checked(count: int | None) -> int:
    """A number of characters. Raises ValueError where it is NULL or negative."""
    if count is None or count < 0:
        raise ValueError(f"the number of characters must be 0 or more, not {'NULL' if count is None else count}")
    return count


@python_scalar("MASK(text STRING) -> STRING", f"MASK(text STRING, {SIGNS}) -> STRING", nulls=True)
def mask(text: str | None, upper: str | None = "X", lower: str | None = "x", digit: str | None = "n", other: str | None = "-") -> str | None:
    """Text with each character replaced by a sign for its kind.

    text: what to mask
    upper: the sign for upper-case letters, X if not given; NULL leaves them
    lower: the sign for lower-case letters, x if not given; NULL leaves them
    digit: the sign for digits, n if not given; NULL leaves them
    other: the sign for all else, - if not given; NULL leaves it

    MASK('My Test $123') -> 'Xx-Xxxx--nnn'
    MASK('My Test $123', '*', NULL, '1', NULL) -> '*y *est $111'
    """
    return None if text is None else masked(text, upper, lower, digit, other)


def forms(name: str) -> tuple[str, str]:
    """The signatures of a function that masks a part."""
    return f"{name}(text STRING, count INTEGER) -> STRING", f"{name}(text STRING, count INTEGER, {SIGNS}) -> STRING"


@python_scalar(*forms("MASK_LEFT"), nulls=True)
def mask_left(
    text: str | None, count: int | None, upper: str | None = "X", lower: str | None = "x", digit: str | None = "n", other: str | None = "-"
) -> str | None:
    """Text with its first characters masked.

    text: what to mask
    count: how many characters to mask
    upper: the sign for upper-case letters, X if not given; NULL leaves them
    lower: the sign for lower-case letters, x if not given; NULL leaves them
    digit: the sign for digits, n if not given; NULL leaves them
    other: the sign for all else, - if not given; NULL leaves it

    MASK_LEFT('My Test $123', 4) -> 'Xx-Xest $123'
    """
    if text is None:
        return None
    cut = min(checked(count), len(text))
    return masked(text[:cut], upper, lower, digit, other) + text[cut:]


@python_scalar(*forms("MASK_RIGHT"), nulls=True)
def mask_right(
    text: str | None, count: int | None, upper: str | None = "X", lower: str | None = "x", digit: str | None = "n", other: str | None = "-"
) -> str | None:
    """Text with its last characters masked.

    text: what to mask
    count: how many characters to mask
    upper: the sign for upper-case letters, X if not given; NULL leaves them
    lower: the sign for lower-case letters, x if not given; NULL leaves them
    digit: the sign for digits, n if not given; NULL leaves them
    other: the sign for all else, - if not given; NULL leaves it

    MASK_RIGHT('My Test $123', 4) -> 'My Test -nnn'
    """
    if text is None:
        return None
    cut = max(0, len(text) - checked(count))
    return text[:cut] + masked(text[cut:], upper, lower, digit, other)


@python_scalar(*forms("MASK_KEEP_LEFT"), nulls=True)
def mask_keep_left(
    text: str | None, count: int | None, upper: str | None = "X", lower: str | None = "x", digit: str | None = "n", other: str | None = "-"
) -> str | None:
    """Text masked but for its first characters.

    text: what to mask
    count: how many characters to leave
    upper: the sign for upper-case letters, X if not given; NULL leaves them
    lower: the sign for lower-case letters, x if not given; NULL leaves them
    digit: the sign for digits, n if not given; NULL leaves them
    other: the sign for all else, - if not given; NULL leaves it

    MASK_KEEP_LEFT('My Test $123', 4) -> 'My Txxx--nnn'
    """
    if text is None:
        return None
    cut = min(checked(count), len(text))
    return text[:cut] + masked(text[cut:], upper, lower, digit, other)


@python_scalar(*forms("MASK_KEEP_RIGHT"), nulls=True)
def mask_keep_right(
    text: str | None, count: int | None, upper: str | None = "X", lower: str | None = "x", digit: str | None = "n", other: str | None = "-"
) -> str | None:
    """Text masked but for its last characters.

    text: what to mask
    count: how many characters to leave
    upper: the sign for upper-case letters, X if not given; NULL leaves them
    lower: the sign for lower-case letters, x if not given; NULL leaves them
    digit: the sign for digits, n if not given; NULL leaves them
    other: the sign for all else, - if not given; NULL leaves it

    MASK_KEEP_RIGHT('My Test $123', 4) -> 'Xx-Xxxx-$123'
    """
    if text is None:
        return None
    cut = max(0, len(text) - checked(count))
    return masked(text[:cut], upper, lower, digit, other) + text[cut:]
