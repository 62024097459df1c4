"""Exact DECIMAL division, which DuckDB does in floating point."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, localcontext

from penstock.functions.definition import PythonFunction
from penstock.sql.types import Decimal as DecimalType
from penstock.sql.types import SqlType


def division(left: SqlType, right: SqlType, result: SqlType) -> PythonFunction:
    """Division of two DECIMALs to the result's scale, rounding half up. Division by zero raises ZeroDivisionError."""
    assert isinstance(result, DecimalType)
    step = Decimal(1).scaleb(-result.scale)

    def divide(a: Decimal, b: Decimal) -> Decimal:
        with localcontext(prec=100):
            return (a / b).quantize(step, ROUND_HALF_UP)

    name = "decimal_division_" + "_".join(str(t).translate(str.maketrans("(), ", "____")).lower() for t in (left, right, result))
    return PythonFunction(name, (left, right), result, divide)
