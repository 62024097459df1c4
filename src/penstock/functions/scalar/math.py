"""Numbers."""

from __future__ import annotations

from penstock.functions.define import NUMBERS, sql_scalar


@sql_scalar("ABS(x N) -> N", types={"N": NUMBERS})
def abs_(x: str) -> str:
    """The value without its sign.

    x: a number

    ABS(-3) -> 3
    ABS(-2.5) -> 2.5
    """
    return f"abs({x})"
