"""Rows from Python: dicts, Arrow, Polars and pandas, by column name, with everything that can be wrong with them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import polars
import pyarrow as pa
import pytest

import penstock
from penstock.errors import DataError

EVERY_TYPE = """CREATE STREAM s (id STRING KEY, b BOOLEAN, i INT, l BIGINT, d DOUBLE, c DECIMAL(6, 2), t STRING, y BYTES, da DATE, ti TIME,
  ts TIMESTAMP, a ARRAY<INT>, m MAP<STRING, DOUBLE>, st STRUCT<x INT, y ARRAY<STRING>>) WITH (kafka_topic='s', value_format='JSON', partitions=1);"""
ROW: dict[str, Any] = {
    "ID": "k", "B": True, "I": 1, "L": 1 << 40, "D": 1.5, "C": Decimal("12.34"), "T": "été", "Y": b"\0\xff", "DA": date(2024, 2, 29),
    "TI": time(1, 2, 3),
    "TS": datetime(2024, 2, 29, 1, 2, 3, 4000), "A": [1, None, 3], "M": {"x": 1.0, "y": None}, "ST": {"X": 1, "Y": ["p", "q"]},
}  # fmt: skip


@pytest.fixture
def db() -> Iterator[penstock.Database]:
    with penstock.connect() as database:
        yield database


def rows(db: penstock.Database, sql: str = "SELECT * FROM s;") -> list[dict[str, Any]]:
    return [row.as_dict() for row in db.query(sql).fetchall()]


def test_every_type_comes_back_as_it_went(db: penstock.Database) -> None:
    db.execute(EVERY_TYPE)
    assert db.insert("s", [ROW, {"ID": "nothing else"}, {}]) == 3
    found = rows(db)
    assert found[0] == ROW
    assert found[1] == dict.fromkeys(ROW) | {"ID": "nothing else"}
    assert found[2] == dict.fromkeys(ROW)


def test_frames_say_the_same_as_dicts(db: penstock.Database) -> None:
    db.execute("CREATE STREAM s (id STRING KEY, n INT, f DOUBLE, w TIMESTAMP) WITH (kafka_topic='s', value_format='JSON', partitions=1);")
    given: list[dict[str, Any]] = [{"id": "a", "n": 1, "f": 0.5, "w": datetime(2024, 1, 1)}, {"id": "b", "n": None, "f": 2.0, "w": None}]
    table = pa.Table.from_pylist(given)
    frame = polars.DataFrame(given)
    pandas = pytest.importorskip("pandas")
    numbers = pandas.DataFrame({"id": ["a", "b"], "n": pandas.array([1, None], dtype="Int64"), "f": [0.5, 2.0], "w": [datetime(2024, 1, 1), None]})
    for form in (given, table, table.to_batches()[0], frame, numbers):
        assert db.insert("s", form) == 2
    found = rows(db)
    assert found == [{name.upper(): value for name, value in row.items()} for row in given] * 5


def test_the_time_of_a_record_can_be_given(db: penstock.Database) -> None:
    db.execute("CREATE STREAM s (n INT) WITH (kafka_topic='s', value_format='JSON', partitions=1);")
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    ms = int(moment.timestamp() * 1000)
    db.insert("s", [{"n": 1, "ROWTIME": ms}, {"n": 2, "ROWTIME": moment}, {"n": 3, "ROWTIME": moment.replace(tzinfo=None)}])
    db.insert("s", [{"n": 4, "at": moment}], timestamp="at")
    db.insert("s", polars.DataFrame({"n": [5], "at": [moment]}), timestamp="at")
    db.insert("s", pa.table({"n": [6], "rowtime": [ms]}))
    assert {row["ROWTIME"] for row in rows(db, "SELECT n, ROWTIME FROM s;")} == {ms}
    before = int(datetime.now(UTC).timestamp() * 1000)
    db.insert("s", [{"n": 7}])
    (now,) = [row["ROWTIME"] for row in rows(db, "SELECT n, ROWTIME FROM s WHERE n = 7;")]
    assert before <= now <= int(datetime.now(UTC).timestamp() * 1000)


def test_a_table_row_without_values_deletes(db: penstock.Database) -> None:
    db.execute("CREATE TABLE t (id STRING PRIMARY KEY, n INT) WITH (kafka_topic='t', value_format='JSON', partitions=1);")
    db.execute("CREATE TABLE seen AS SELECT id, n FROM t;")
    db.insert("t", [{"id": "a", "n": 1}, {"id": "b", "n": 2}])
    db.insert("t", [{"id": "a"}])
    db.wait_idle(10)
    assert rows(db, "SELECT * FROM seen;") == [{"ID": "b", "N": 2}]


def test_nothing_is_inserted_from_nothing(db: penstock.Database) -> None:
    db.execute(EVERY_TYPE)
    assert db.insert("s", []) == 0
    assert db.insert("s", pa.table({"id": pa.array([], pa.string())})) == 0
    assert db.insert("s", polars.DataFrame({"id": []}, schema={"id": polars.String})) == 0
    assert rows(db) == []


WRONG: dict[str, tuple[Any, str]] = {
    "unknown column": ([{"nope": 1}], "no column nope"),
    "text for a number": ([{"i": "x"}], "I: "),
    "number out of range": ([{"i": 1 << 40}], "I: "),
    "number for text": ([{"t": 5}], "T: "),
    "list for a number": ([{"i": [1]}], "I: "),
    "number for a list": ([{"a": 1}], "A: "),
    "wrong item": ([{"a": ["x"]}], "A: "),
    "list for a struct": ([{"st": [1]}], "ST: "),
    "wrong field": ([{"st": {"X": "x"}}], "ST: "),
    "unknown field": ([{"st": {"Z": 1}}], "ST: "),
    "list for a map": ([{"m": [1]}], "M: "),
    "too many digits": ([{"c": Decimal("12345.67")}], "C: "),
    "too many decimals": ([{"c": Decimal("1.234")}], "C: "),
    "text for a decimal": ([{"c": "x"}], "C: "),
    "text for a date": ([{"da": "x"}], "DA: "),
    "NaN for a date": ([{"da": float("nan")}], "DA: "),
    "text for a timestamp": ([{"ts": "x"}], "TS: "),
    "text for a boolean": ([{"b": "x"}], "B: "),
    "text for bytes": ([{"y": 1}], "Y: "),
    "bad time": ([{"ROWTIME": "x"}], "ROWTIME: "),
    "negative time": ([{"ROWTIME": -1}], "ROWTIME: "),
    "text that is no unicode": ([{"t": "\ud800"}], "T: "),
    "object": ([{"t": object()}], "T: "),
    "no dicts": ([1, 2], "Row 1 is 1, not a dict"),
    "a dict alone": ({"i": 1}, "is no rows"),
    "a number alone": (5, "is no rows"),
    "text alone": ("abc", "is no rows"),
    "nothing at all": (None, "is no rows"),
    "name that is no text": ([{1: 2}], "no column 1"),
    "Arrow of the wrong type": (pa.table({"i": ["x"]}), "I: "),
    "Arrow out of range": (pa.table({"i": [1 << 40]}), "I: "),
    "Arrow with a list": (pa.table({"i": [[1]]}), "I: "),
    "Arrow with an unknown column": (pa.table({"nope": [1]}), "no column nope"),
    "Arrow with a column twice": (pa.table([pa.array([1]), pa.array([2])], names=["i", "i"]), "I: the rows have it twice"),
    "Polars of the wrong type": (polars.DataFrame({"i": ["x"]}), "I: "),
    "Polars with an unknown column": (polars.DataFrame({"nope": ["x"]}), "no column nope"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_names_the_column(db: penstock.Database, name: str) -> None:
    given, says = WRONG[name]
    db.execute(EVERY_TYPE)
    with pytest.raises(DataError) as caught:
        db.insert("s", given)
    assert says in str(caught.value)
    assert rows(db) == [], "a wrong row leaves nothing behind"


def test_a_table_needs_its_key(db: penstock.Database) -> None:
    db.execute("CREATE TABLE t (id STRING PRIMARY KEY, n INT) WITH (kafka_topic='t', value_format='JSON', partitions=1);")
    with pytest.raises(DataError, match="ID"):
        db.insert("t", [{"n": 1}])


def test_unknown_and_read_only_sources(db: penstock.Database) -> None:
    with pytest.raises(penstock.Error, match="no stream or table NOPE"):
        db.insert("NOPE", [{"n": 1}])
    with pytest.raises(penstock.Error, match="read-only"):
        db.insert("processing_log", [{"query": "x"}])


def test_names_in_any_case_and_quoted(db: penstock.Database) -> None:
    db.execute("CREATE STREAM `odd` (`aB` INT, ab INT) WITH (kafka_topic='odd', value_format='JSON', partitions=1);")
    db.insert("odd", [{"aB": 1, "AB": 2}])
    db.insert("odd", [{"aB": 3, "ab": 4}])
    assert [tuple(r) for r in db.query("SELECT `aB`, ab FROM `odd`;").fetchall()] == [(1, 2), (3, 4)]


def test_threads_insert_at_once(db: penstock.Database) -> None:
    db.execute("CREATE STREAM s (id STRING KEY, n INT) WITH (kafka_topic='s', value_format='JSON', partitions=3);")
    db.execute("CREATE TABLE t AS SELECT id, COUNT(*) AS c, SUM(n) AS total FROM s GROUP BY id;")

    def insert(thread: int) -> None:
        for n in range(20):
            db.insert("s", [{"id": f"k{i}", "n": n} for i in range(5)])

    threads = [threading.Thread(target=insert, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert db.wait_idle(20)
    assert {(r["C"], r["TOTAL"]) for r in rows(db, "SELECT * FROM t;")} == {(80, 4 * 190)}
