"""Numbers."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_DOWN, ROUND_HALF_UP, Context
from decimal import Decimal as Exact

from penstock.functions.casts import cast_sql
from penstock.functions.define import NUMBERS, Settled, python_scalar, sql_scalar
from penstock.functions.duckdb import duckdb_type
from penstock.functions.matching import common_type
from penstock.sql.types import BIGINT, BYTES, DATE, DOUBLE, INTEGER, NULL, STRING, TIME, TIMESTAMP, Decimal, SqlType

COMPARABLE = (*NUMBERS, STRING, BYTES, DATE, TIME, TIMESTAMP)
DIGITS_MAX = 400
"""A DOUBLE has no digits farther from its point."""
_EXACT = Context(prec=2 * DIGITS_MAX, Emax=10 * DIGITS_MAX, Emin=-10 * DIGITS_MAX)


@sql_scalar("ABS(x N) -> N", types={"N": NUMBERS})
def abs_(x: str, *, settled: Settled) -> str:
    """The value without its sign. The least INTEGER and the least BIGINT have no counterpart, and stay as they are.

    x: a number

    ABS(-3) -> 3
    ABS(-2.5) -> 2.5
    """
    bits = 31 if settled.types[0] == INTEGER else 63 if settled.types[0] == BIGINT else None
    return f"abs({x})" if bits is None else f"CASE WHEN {x} = {-(1 << bits)} THEN {x} ELSE abs({x}) END"


@sql_scalar("CEIL(x N) -> N", types={"N": NUMBERS})
def ceil(x: str, *, settled: Settled) -> str:
    """The least whole number that is not below x, in the type of x.

    x: a number

    CEIL(1.1E0) -> 2E0
    CEIL(-1.7E0) -> -1E0
    """
    return x if settled.types[0] in (INTEGER, BIGINT) else f"CAST(ceil({x}) AS {duckdb_type(settled.returns)})"


@sql_scalar("FLOOR(x N) -> N", types={"N": NUMBERS})
def floor(x: str, *, settled: Settled) -> str:
    """The greatest whole number that is not above x, in the type of x.

    x: a number

    FLOOR(1.7E0) -> 1E0
    FLOOR(-1.1E0) -> -2E0
    """
    return x if settled.types[0] in (INTEGER, BIGINT) else f"CAST(floor({x}) AS {duckdb_type(settled.returns)})"


def whole(types: tuple[SqlType, ...]) -> SqlType:
    """The type of a number cut to a whole one: a DECIMAL loses its scale, a DOUBLE becomes a BIGINT."""
    match types[0]:
        case Decimal(precision, scale):
            return Decimal(max(1, precision - scale), 0)
    return BIGINT if types[0] == DOUBLE else types[0]


@sql_scalar("ROUND(x N) -> N", types={"N": NUMBERS}, returns=whole)
def round_(x: str, *, settled: Settled) -> str:
    """The nearest number of `scale` digits behind the point; of two that are as near, the greater.

    Without `scale` the result is whole: a BIGINT for a DOUBLE, a DECIMAL without scale for a DECIMAL. With it, x keeps its type.

    x: a number

    ROUND(1.5E0) -> 2
    ROUND(-1.5E0) -> -1
    ROUND(12345.678E0, 2) -> 12345.68E0
    ROUND(12345.678E0, -2) -> 12300E0
    """
    match settled.types[0]:
        case Decimal():
            return f"CAST(floor({x} + 0.5) AS {duckdb_type(settled.returns)})"
    return cast_sql(DOUBLE, BIGINT)[0](f"floor({x} + 0.5)") if settled.types[0] == DOUBLE else x


@python_scalar("ROUND(x N, scale INTEGER) -> N", types={"N": NUMBERS})
def round_to(x: int | float | Exact, scale: int) -> int | float | Exact:
    """The form with a scale.

    scale: how many digits to keep behind the point; negative to round before it
    """
    rounding = ROUND_HALF_DOWN if x < 0 else ROUND_HALF_UP
    return at_scale(x, scale, rounding)


@sql_scalar("TRUNC(x N) -> N", types={"N": NUMBERS}, returns=whole)
def trunc(x: str, *, settled: Settled) -> str:
    """The number cut to `scale` digits behind the point, towards zero.

    Without `scale` the result is whole: a BIGINT for a DOUBLE, a DECIMAL without scale for a DECIMAL. With it, x keeps its type.

    x: a number

    TRUNC(-1.7E0) -> -1
    TRUNC(12345.678E0, 2) -> 12345.67E0
    """
    match settled.types[0]:
        case Decimal():
            return f"CAST(trunc({x}) AS {duckdb_type(settled.returns)})"
    return cast_sql(DOUBLE, BIGINT)[0](x) if settled.types[0] == DOUBLE else x


@python_scalar("TRUNC(x N, scale INTEGER) -> N", types={"N": NUMBERS})
def trunc_to(x: int | float | Exact, scale: int) -> int | float | Exact:
    """The form with a scale.

    scale: how many digits to keep behind the point; negative to cut before it
    """
    return at_scale(x, scale, ROUND_DOWN)


def at_scale(x: int | float | Exact, scale: int, rounding: str) -> int | float | Exact:
    """A number with `scale` digits behind the point, in its own type; judged by the digits in which it is shown, as Java's BigDecimal does."""
    if isinstance(x, float):
        if x != x or x in (float("inf"), float("-inf")):
            return x
        if abs(scale) > DIGITS_MAX:
            return x if scale > 0 else 0.0
        return float(Exact(repr(x)).quantize(Exact(1).scaleb(-scale), rounding, _EXACT))
    exact = Exact(x)
    exponent = exact.as_tuple().exponent
    assert isinstance(exponent, int)
    if scale >= -exponent:
        return x
    return type(x)(exact.quantize(Exact(1).scaleb(-scale), rounding, _EXACT))


@sql_scalar("SIGN(x N) -> INTEGER", types={"N": NUMBERS})
def sign(x: str) -> str:
    """-1 for a negative number, 0 for zero, 1 for a positive one.

    x: a number

    SIGN(-12.5) -> -1
    """
    return f"CAST(sign({x}) AS INTEGER)"


@sql_scalar("SQRT(x DOUBLE) -> DOUBLE")
def sqrt(x: str) -> str:
    """The square root; NaN of a negative number.

    x: a number

    SQRT(9) -> 3E0
    """
    return f"sqrt({x})"


@sql_scalar("CBRT(x DOUBLE) -> DOUBLE")
def cbrt(x: str) -> str:
    """The cube root.

    x: a number

    CBRT(-8) -> -2E0
    CBRT(27) -> 3E0
    """
    # the C library's root of 27 is a digit off: one step of Newton's puts it right, where nothing overflows
    root = f"cbrt({x})"
    return f"(CASE WHEN abs({x}) BETWEEN 1e-300 AND 1e300 THEN {root} - ({root} * {root} * {root} - {x}) / (3 * {root} * {root}) ELSE {root} END)"


@sql_scalar("EXP(x DOUBLE) -> DOUBLE")
def exp(x: str) -> str:
    """e to the power of x.

    x: the exponent

    EXP(0) -> 1E0
    """
    return f"exp({x})"


@sql_scalar("LN(x DOUBLE) -> DOUBLE")
def ln(x: str) -> str:
    """The natural logarithm: minus infinity of 0, NaN of a negative number.

    x: a number

    LN(1) -> 0E0
    """
    return f"ln({x})"


@sql_scalar("LOG(x DOUBLE) -> DOUBLE", "LOG(base DOUBLE, x DOUBLE) -> DOUBLE")
def log(*arguments: str) -> str:
    """The logarithm to a base; without one the natural logarithm, as in ksqlDB.

    Minus infinity of 0; NaN of a negative number, and for a base that is negative, 0 or 1.

    base: what to raise
    x: a number

    LOG(2, 8) -> 3E0
    LOG(1) -> 0E0
    """
    if len(arguments) == 1:
        return f"ln({arguments[0]})"
    base, x = arguments
    return (
        f"CASE WHEN {base} <= 0 OR {base} = 1 OR {x} < 0 THEN 'NaN'::DOUBLE WHEN {x} = 0 THEN '-Infinity'::DOUBLE"
        f" ELSE ln({x}) / ln({base}) END"
    )


@sql_scalar("POWER(base DOUBLE, exponent DOUBLE) -> DOUBLE")
def power(base: str, exponent: str) -> str:
    """The base raised to the exponent; infinity where that is too large for a DOUBLE.

    base: what to raise
    exponent: to what power

    POWER(2, 10) -> 1024E0
    """
    return f"power({base}, {exponent})"


@sql_scalar("PI() -> DOUBLE")
def pi() -> str:
    """π, as near as a DOUBLE comes.

    PI() -> 3.141592653589793E0
    """
    return "pi()"


@sql_scalar("RANDOM() -> DOUBLE", volatile=True)
def random() -> str:
    """A random number from 0 up to but not including 1, another one each time.

    RANDOM() >= 0E0 -> TRUE
    """
    return "random()"


@sql_scalar("GREATEST(first N, others N...) -> N", types={"N": COMPARABLE}, returns=lambda types: common(types))
def greatest(*values: str, settled: Settled) -> str:
    """The greatest of its arguments, NULLs aside. All must be of one type; cast them where they are not.

    first: a value
    others: more of the same type

    GREATEST(3, 7, 5) -> 7
    """
    return chosen("greatest", values, settled)


@sql_scalar("LEAST(first N, others N...) -> N", types={"N": COMPARABLE}, returns=lambda types: common(types))
def least(*values: str, settled: Settled) -> str:
    """The least of its arguments, NULLs aside. All must be of one type; cast them where they are not.

    first: a value
    others: more of the same type

    LEAST('pear', 'apple') -> 'apple'
    """
    return chosen("least", values, settled)


def common(types: tuple[SqlType, ...]) -> SqlType:
    """The type that all arguments share; of several DECIMALs the one that holds them all."""
    found: SqlType = NULL
    for type_ in types:
        found = common_type(found, type_) or found
    return found


def chosen(name: str, values: tuple[str, ...], settled: Settled) -> str:
    """DuckDB's greatest or least, of values of one type."""
    type_ = duckdb_type(settled.returns)
    return f"{name}({', '.join(f'CAST({v} AS {type_})' for v in values)})"


@sql_scalar(
    "GEO_DISTANCE(lat1 DOUBLE, lon1 DOUBLE, lat2 DOUBLE, lon2 DOUBLE) -> DOUBLE",
    "GEO_DISTANCE(lat1 DOUBLE, lon1 DOUBLE, lat2 DOUBLE, lon2 DOUBLE, unit STRING) -> DOUBLE",
)
def geo_distance(lat1: str, lon1: str, lat2: str, lon2: str, unit: str = "'KM'") -> str:
    """The great-circle distance between two points of the earth; NULL where a latitude is beyond 90 degrees or a longitude beyond 180.

    lat1: latitude of the first point, in degrees
    lon1: its longitude, in degrees
    lat2: latitude of the second point, in degrees
    lon2: its longitude, in degrees
    unit: 'KM', which is the default, or 'MILES'

    ROUND(GEO_DISTANCE(37.4439, -122.1663, 51.5257, -0.1122)) -> 8635
    """
    radius = (
        f"CASE WHEN lower({unit}) IN ('mi', 'mile', 'miles') THEN 3959.0::DOUBLE"
        f" WHEN {unit} IS NULL OR lower({unit}) IN ('km', 'kms', 'kilometer', 'kilometers', 'kilometre', 'kilometres') THEN 6371.0::DOUBLE"
        f" ELSE CAST({unit} || ' is no UNIT' AS DOUBLE) END"
    )
    half = f"power(sin(radians({lat2} - {lat1}) / 2), 2) + cos(radians({lat1})) * cos(radians({lat2})) * power(sin(radians({lon2} - {lon1}) / 2), 2)"
    near = " AND ".join(f"abs({degrees}) <= {most}" for degrees, most in ((lat1, 90), (lon1, 180), (lat2, 90), (lon2, 180)))
    return f"(CASE WHEN {near} THEN ({radius}) * 2 * asin(sqrt(CASE WHEN {half} > 1 THEN 1 ELSE {half} END)) END)"
