"""Trigonometry."""

from __future__ import annotations

from penstock.functions.define import sql_scalar


@sql_scalar("ACOS(x DOUBLE) -> DOUBLE")
def acos(x: str) -> str:
    """The angle in radians whose cosine is x; NaN where x is not from -1 to 1.

    x: a cosine

    ACOS(1) -> 0E0
    """
    return f"acos({x})"


@sql_scalar("ASIN(x DOUBLE) -> DOUBLE")
def asin(x: str) -> str:
    """The angle in radians whose sine is x; NaN where x is not from -1 to 1.

    x: a sine

    ASIN(0) -> 0E0
    """
    return f"asin({x})"


@sql_scalar("ATAN(x DOUBLE) -> DOUBLE")
def atan(x: str) -> str:
    """The angle in radians whose tangent is x.

    x: a tangent

    ATAN(0) -> 0E0
    """
    return f"atan({x})"


@sql_scalar("ATAN2(y DOUBLE, x DOUBLE) -> DOUBLE")
def atan2(y: str, x: str) -> str:
    """The angle in radians of the point (x, y), as polar coordinates have it.

    y: the point's second coordinate
    x: its first

    ATAN2(0, 1) -> 0E0
    """
    return f"atan2({y}, {x})"


@sql_scalar("COS(x DOUBLE) -> DOUBLE")
def cos(x: str) -> str:
    """The cosine.

    x: an angle in radians

    COS(0) -> 1E0
    """
    return f"cos({x})"


@sql_scalar("COSH(x DOUBLE) -> DOUBLE")
def cosh(x: str) -> str:
    """The hyperbolic cosine.

    x: an angle in radians

    COSH(0) -> 1E0
    """
    return f"cosh({x})"


@sql_scalar("COT(x DOUBLE) -> DOUBLE")
def cot(x: str) -> str:
    """The cotangent; infinity of 0.

    x: an angle in radians

    ROUND(COT(1), 6) -> 0.642093E0
    """
    return f"cot({x})"


@sql_scalar("SIN(x DOUBLE) -> DOUBLE")
def sin(x: str) -> str:
    """The sine.

    x: an angle in radians

    SIN(0) -> 0E0
    """
    return f"sin({x})"


@sql_scalar("SINH(x DOUBLE) -> DOUBLE")
def sinh(x: str) -> str:
    """The hyperbolic sine.

    x: an angle in radians

    SINH(0) -> 0E0
    """
    return f"sinh({x})"


@sql_scalar("TAN(x DOUBLE) -> DOUBLE")
def tan(x: str) -> str:
    """The tangent.

    x: an angle in radians

    TAN(0) -> 0E0
    """
    return f"tan({x})"


@sql_scalar("TANH(x DOUBLE) -> DOUBLE")
def tanh(x: str) -> str:
    """The hyperbolic tangent.

    x: an angle in radians

    TANH(0) -> 0E0
    """
    return f"tanh({x})"


@sql_scalar("DEGREES(x DOUBLE) -> DOUBLE")
def degrees(x: str) -> str:
    """Radians as degrees.

    x: an angle in radians

    DEGREES(PI()) -> 180E0
    """
    return f"degrees({x})"


@sql_scalar("RADIANS(x DOUBLE) -> DOUBLE")
def radians(x: str) -> str:
    """Degrees as radians.

    x: an angle in degrees

    RADIANS(180) -> 3.141592653589793E0
    """
    return f"radians({x})"
