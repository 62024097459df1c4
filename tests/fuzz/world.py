"""The sources that random statements read: every type in every format that takes it, with rows that hold the extremes."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fuzz.values import MONEY, NESTED, PAIR, SCALARS

from penstock.database import Database
from penstock.errors import Error
from penstock.sql.types import BIGINT, INTEGER, STRING, SqlType

NAMES = ("bo", "i", "l", "d", "m", "s", "y", "da", "ti", "ts", "ai", "ass", "ad", "mi", "ms", "st", "ast", "mal")
EVERY: dict[str, SqlType] = dict(zip(NAMES, SCALARS + NESTED, strict=True))
FLAT: dict[str, SqlType] = dict(zip(NAMES, SCALARS, strict=False))


@dataclass
class Source:
    """What a generator knows of a stream or table."""

    name: str
    kind: str
    key: dict[str, SqlType]
    columns: dict[str, SqlType]
    windowed: bool = False
    pseudo: Mapping[str, SqlType] = field(default_factory=lambda: {"ROWTIME": BIGINT})

    @property
    def all(self) -> dict[str, SqlType]:
        """Every column that a statement can name."""
        windows = {"WINDOWSTART": BIGINT, "WINDOWEND": BIGINT} if self.windowed else {}
        return {**self.key, **self.columns, **self.pseudo, **windows}


def sources() -> list[Source]:
    """The streams and tables of the world, before any statement."""
    every = [
        Source(f"s_{name}", "STREAM", {"k": STRING}, EVERY if name not in ("delimited", "kafka") else FLAT if name == "delimited" else {"l": BIGINT})
        for name in ("json", "avro", "json_sr", "protobuf", "protobuf_nosr", "delimited", "kafka")
    ]
    two = Source("s_two", "STREAM", {"k": STRING, "k2": INTEGER}, {"st": PAIR, "m": MONEY, "s": STRING})
    tables = [Source(f"t_{name}", "TABLE", {"k": STRING}, EVERY) for name in ("json", "avro")]
    grouped = Source("grouped", "TABLE", {"k": STRING}, {"n": BIGINT, "i": INTEGER, "s": STRING})
    windows = Source("windows", "TABLE", {"k": STRING}, {"n": BIGINT, "d": BIGINT}, windowed=True)
    sessions = Source("sessions", "TABLE", {"k": STRING}, {"n": BIGINT}, windowed=True)
    return [*every, two, *tables, grouped, windows, sessions]


MADE = (
    "CREATE TABLE grouped AS SELECT k, COUNT(*) AS n, LATEST_BY_OFFSET(i) AS i, MAX(s) AS s FROM s_json GROUP BY k;",
    "CREATE TABLE windows AS SELECT k, COUNT(*) AS n, MIN(l) AS d FROM s_avro WINDOW TUMBLING (SIZE 1 MINUTE) GROUP BY k;",
    "CREATE TABLE sessions AS SELECT k, COUNT(*) AS n FROM s_json WINDOW SESSION (30 SECONDS) GROUP BY k;",
)


def declared(source: Source) -> str:
    """The statement that makes a source of the world."""
    key_word = "PRIMARY KEY" if source.kind == "TABLE" else "KEY"
    columns = [f"{name} {type_} {key_word}" for name, type_ in source.key.items()] + [f"{name} {type_}" for name, type_ in source.columns.items()]
    value = source.name.partition("_")[2].upper() if source.name != "s_two" else "JSON"
    key = "KEY_FORMAT='JSON', " if len(source.key) > 1 else ""
    return f"CREATE {source.kind} {source.name} ({', '.join(columns)}) WITH (KAFKA_TOPIC='{source.name}', {key}VALUE_FORMAT='{value}', PARTITIONS=2);"


def plain_rows(source: Source, chance: random.Random) -> list[dict[str, Any]]:
    """Rows for a source as Python values."""
    import datetime as dt
    from decimal import Decimal

    some: dict[str, list[Any]] = {
        "bo": [True, False], "i": [0, 7, -2147483648, 2147483647], "l": [1, -(2**63), 2**63 - 1, 60_000], "d": [0.0, -1.5, 1e308, 5e-324],
        "m": [Decimal("1.50"), Decimal("-9999999.99")], "s": ["", "a", "12", '{"a": [1]}', "2024-02-29", "Ünï 🙂"],
        "y": [b"", b"hi", bytes(range(8))], "da": [dt.date(2024, 2, 29), dt.date(1, 1, 1), dt.date(9999, 12, 31)],
        "ti": [dt.time(0), dt.time(23, 59, 59, 999000)], "ts": [dt.datetime(2024, 2, 29, 13, 45), dt.datetime(1969, 7, 20)],
        "ai": [[], [1, 2, None], [2147483647]], "ass": [["a", None], ["", "b", "a"]], "ad": [[1.5, -0.0], []],
        "mi": [{"a": 1, "b": None}, {}], "ms": [{"a": "x"}, {"a": None, "b": ""}], "st": [{"A": 1, "b": "x"}, {"A": None, "b": None}],
        "ast": [[{"A": 1, "b": "x"}, None], []], "mal": [{"a": [1, 2]}, {"b": None}], "k": ["k1", "k2"], "k2": [1, 2],
    }  # fmt: skip
    rows = []
    for number in range(8):
        row = {name: None if chance.random() < 0.15 else chance.choice(some[name]) for name in source.columns}
        rows.append({name: chance.choice(some[name]) for name in source.key} | row | {"ROWTIME": number * 20_000})
    return rows


def build(chance: random.Random) -> tuple[Database, list[Source]]:
    """A database with the world in it; its queries run when told to."""
    db = Database(":memory:", threads=False)
    made = sources()
    for source in made:
        if source.name.startswith(("s_", "t_")):
            db.execute(declared(source))
            rows = plain_rows(source, chance)
            try:
                db.insert(source.name, rows)
            except Error:
                for row in rows:
                    with contextlib.suppress(Error):  # a row that the format cannot hold
                        db.insert(source.name, [row])
    for statement in MADE:
        db.execute(statement)
    db.wait_idle()
    return db, made
