"""Literals of every type as SQL, the extremes among them."""

from __future__ import annotations

import random
from collections.abc import Callable

from penstock.sql.types import (
    BIGINT,
    BOOLEAN,
    BYTES,
    DATE,
    DOUBLE,
    INTEGER,
    STRING,
    TIME,
    TIMESTAMP,
    Array,
    Decimal,
    Field,
    Map,
    SqlType,
    Struct,
)

MONEY = Decimal(9, 2)
PAIR = Struct((Field("A", INTEGER), Field("b", STRING)))
SCALARS: tuple[SqlType, ...] = (BOOLEAN, INTEGER, BIGINT, DOUBLE, MONEY, STRING, BYTES, DATE, TIME, TIMESTAMP)
NESTED: tuple[SqlType, ...] = (
    Array(INTEGER), Array(STRING), Array(DOUBLE), Map(STRING, INTEGER), Map(STRING, STRING), PAIR, Array(PAIR), Map(STRING, Array(BIGINT)),
)  # fmt: skip
TYPES = SCALARS + NESTED

_WORDS = (
    "", "a", "b", "k1", "Ünïcode 🙂", "  blank  ", "12", "-7", "3.25", "1e3", "NaN", "true", "2024-02-29", "2023-02-30", "13:45:59", "24:00:00",
    "2024-02-29T13:45:59.123", "yyyy-MM-dd", "HH:mm:ss", "QQQQ''", "UTC", "Europe/Paris", "+25:00", "utf8", "hex", "base64", "MD5", "km", "mi",
    '{"a": [1, {"b": null}], "c": "d"}', "[1, 2, 3]", "$.a[1].b", "$..", "[a-z]+", "(a+)+$", "(", "\\d", "aaaaaaaaaaaaaaaaaaaaaaaaaaaa!", "%", "_a%",
    "https://user:pw@host:8080/p/a?q=1&r=%20#f", "http://[", "0xff", "\\u0000", "a,b,,c", "it's", "x" * 300,
)  # fmt: skip
_INTEGERS = (0, 1, -1, 2, 3, 7, 10, 42, 100, 1000, 65_536, 2_147_483_647, -2_147_483_648)
_BIGINTS = (0, 1, -1, 5, 86_400_000, 1_700_000_000_000, 4_294_967_296, 9_223_372_036_854_775_807, -9_223_372_036_854_775_808, -62_135_596_800_000)
_DOUBLES = ("0E0", "1E0", "-1.5E0", "3.14159E0", "1E-320", "1.7E308", "-1.7E308", "5E-1", "1E18", "9.3E18", "180E0")
_MONEY = ("0.00", "1.50", "-0.01", "9999999.99", "-9999999.99", "12.34")
_DATES = ("2024-02-29", "1970-01-01", "0001-01-01", "9999-12-31", "2023-12-31", "1969-07-20")
_TIMES = ("00:00:00", "23:59:59.999", "12:30", "06:07:08")


def literal(type_: SqlType, chance: random.Random) -> str:
    """A constant expression of a type."""
    match type_:
        case Decimal():
            text = chance.choice(_MONEY)
            return text if type_ == MONEY and chance.random() < 0.5 else f"CAST({text} AS {type_})"
        case Array(item):
            count = chance.choice((1, 1, 2, 3))
            return f"ARRAY[{', '.join(literal(item, chance) for _ in range(count))}]"
        case Map(key, value):
            count = chance.choice((1, 1, 2))
            return f"MAP({', '.join(f'{literal(key, chance)} := {literal(value, chance)}' for _ in range(count))})"
        case Struct(fields):
            return f"STRUCT({', '.join(f'`{f.name}` := {literal(f.type, chance)}' for f in fields)})"
    texts: dict[str, Callable[[], str]] = {
        "BOOLEAN": lambda: chance.choice(("TRUE", "FALSE")),
        "INTEGER": lambda: str(chance.choice(_INTEGERS) if chance.random() < 0.5 else chance.randint(-5, 20)),
        "BIGINT": lambda: f"CAST({chance.choice(_BIGINTS) if chance.random() < 0.5 else chance.randint(-5, 20)} AS BIGINT)",
        "DOUBLE": lambda: chance.choice(_DOUBLES),
        "STRING": lambda: "'" + chance.choice(_WORDS).replace("'", "''") + "'",
        "BYTES": lambda: f"TO_BYTES('{chance.choice(('aGk=', '', 'AAAAAAAAAAE=', '/////w=='))}', 'base64')",
        "DATE": lambda: f"CAST('{chance.choice(_DATES)}' AS DATE)",
        "TIME": lambda: f"CAST('{chance.choice(_TIMES)}' AS TIME)",
        "TIMESTAMP": lambda: f"CAST('{chance.choice(_DATES)}T{chance.choice(_TIMES)}' AS TIMESTAMP)",
    }
    return texts[str(type_)]()
