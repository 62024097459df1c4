"""Users' functions in Python are functions of SQL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, TypedDict

import pytest
from tests.functions.evaluation import Aggregating, tried, type_of, value

from penstock.errors import SqlError
from penstock.functions import describe
from penstock.functions.python import udaf, udf, udtf
from penstock.sql.types import BIGINT, STRING
from penstock.testing import Driver

pytestmark = pytest.mark.usefixtures("only_built_in_functions_afterwards")


@dataclass
class Point:
    x: float
    label: str | None


class Reading(TypedDict):
    name: str
    values: list[int]


def test_a_function_of_plain_values() -> None:
    @udf
    def celsius(fahrenheit: float, digits: int = 1) -> float:
        """Degrees Fahrenheit as degrees Celsius.

        fahrenheit: the temperature
        digits: how many digits to keep

        CELSIUS(212) -> 100E0
        """
        return round((fahrenheit - 32) / 1.8, digits)

    assert value("CELSIUS(212)") == 100.0
    assert value("CELSIUS(100, 3)") == 37.778
    assert tried("CELSIUS(CAST(NULL AS DOUBLE))") is None
    assert celsius(32) == 0
    shown = describe("CELSIUS")
    assert shown.summary == "Degrees Fahrenheit as degrees Celsius."
    assert shown.parameters == {"fahrenheit": "the temperature", "digits": "how many digits to keep"}


def test_a_function_of_several_values_and_nulls() -> None:
    @udf(name="JOINED")
    def anything(separator: str, *parts: str | None) -> str:
        return separator.join(p or "?" for p in parts)

    assert value("JOINED('-', 'a', NULL, 'b')") == "a-?-b"
    assert anything("-", None) == "?"


def test_a_function_of_structs_maps_and_decimals() -> None:
    @udf
    def moved(point: Point, by: dict[str, float]) -> Point:
        return Point(point.x + by["x"], None)

    @udf
    def totals(readings: list[Reading]) -> dict[str, int]:
        return {r["name"]: sum(r["values"]) for r in readings}

    @udf
    def doubled(price: Annotated[Decimal, "DECIMAL(6, 2)"]) -> Annotated[Decimal, "DECIMAL(8, 2)"]:
        return price * 2

    assert value("MOVED(STRUCT(x := 1E0, label := 'a'), MAP('x' := 2E0))") == {"X": 3.0, "LABEL": None}
    assert type_of("MOVED(STRUCT(x := 1E0, label := 'a'), MAP('x' := 2E0))") == "STRUCT<`X` DOUBLE, `LABEL` STRING>"
    assert value("TOTALS(ARRAY[STRUCT(name := 'a', values := ARRAY[1, 2])])") == {"a": 3}
    assert value("DOUBLED(CAST('1.25' AS DECIMAL(6, 2)))") == Decimal("2.50")


EVERY: list[tuple[Any, str, Any]] = [
    (bool, "TRUE", True),
    (int, "7", 7),
    (float, "1.5E0", 1.5),
    (str, "'a'", "a"),
    (bytes, "TO_BYTES('00ff', 'hex')", b"\x00\xff"),
    (date, "CAST('2026-02-28' AS DATE)", date(2026, 2, 28)),
    (time, "CAST('12:30:01' AS TIME)", time(12, 30, 1)),
    (datetime, "CAST('2026-02-28T12:30:01.250' AS TIMESTAMP)", datetime(2026, 2, 28, 12, 30, 1, 250_000)),
    (Annotated[Decimal, "DECIMAL(6, 2)"], "CAST('1.25' AS DECIMAL(6, 2))", Decimal("1.25")),
    (Annotated[int, "INTEGER"], "7", 7),
    (list[int], "ARRAY[1, NULL]", [1, None]),
    (list[list[str]], "ARRAY[ARRAY['a']]", [["a"]]),
    (dict[str, int], "MAP('a' := 1)", {"a": 1}),
    (dict[str, list[Point]], "MAP('a' := ARRAY[STRUCT(x := 1E0, label := 'l')])", {"a": [Point(1.0, "l")]}),
    (Point, "STRUCT(x := 1E0, label := CAST(NULL AS STRING))", Point(1.0, None)),
    (Reading, "STRUCT(name := 'a', values := ARRAY[1])", {"name": "a", "values": [1]}),
    (int | None, "7", 7),
]


@pytest.mark.parametrize(("annotation", "sql", "given"), EVERY, ids=lambda v: v if isinstance(v, str) else "")
def test_every_annotation_takes_and_gives_its_values_and_null(annotation: Any, sql: str, given: Any) -> None:
    seen = []

    def same(x: Any) -> Any:
        seen.append(x)
        return x

    same.__annotations__ = {"x": annotation, "return": annotation}
    udf(same)
    direct = value(sql)
    assert value(f"SAME({sql})") == direct
    assert seen == [given]
    seen.clear()
    assert value(f"SAME(CAST(NULL AS {type_of(sql)}))") is None
    assert seen == ([None] if annotation == int | None else [])


def test_a_function_of_a_built_in_ones_name_takes_its_place() -> None:
    assert value("LCASE('A')") == "a"

    @udf(name="lcase")
    def other(text: str) -> str:
        return f"{text}!"

    assert value("LCASE('A')") == "A!"
    assert other("a") == "a!"


def test_an_exception_is_an_error_of_its_row() -> None:
    @udf
    def refuse(text: str) -> str:
        raise ValueError(text)

    assert tried("REFUSE('no')") is None
    assert callable(refuse)


def test_a_table_function() -> None:
    @udtf
    def letters(text: str) -> list[str]:
        return list(text)

    assert value("LETTERS('abc')") == ["a", "b", "c"]
    assert type_of("LETTERS('abc')") == "STRING"
    with pytest.raises(SqlError, match="must return a list"):
        udtf(name="WORSE")(len_of)
    assert letters("") == []


def len_of(text: str) -> int:
    return len(text)


def test_a_later_definition_replaces_an_earlier_one() -> None:
    udf(name="LEN_OF")(len_of)
    assert value("LEN_OF('abc')") == 3

    @udf(name="len_of")
    def other(text: str) -> int:
        return -1

    assert value("LEN_OF('abc')") == -1
    assert other("") == -1


def test_an_aggregate() -> None:
    @udaf
    class Longest:
        """The longest text."""

        def initial(self) -> str:
            return ""

        def add(self, state: str, text: str) -> str:
            return text if len(text) > len(state) else state

        def merge(self, earlier: str, later: str) -> str:
            return self.add(earlier, later)

    longest = Aggregating("LONGEST", [STRING])
    assert longest.add(["ab", None]).add(["abcd", "x"]).result == "abcd"
    assert longest.combined(Aggregating("LONGEST", [STRING]).add(["abcdefg"])) == "abcdefg"
    assert longest.resolved.undo is None
    assert Longest().initial() == ""


def test_an_aggregate_with_a_result_and_undo() -> None:
    @udaf(name="MEAN")
    class _Mean:
        def initial(self) -> list[int]:
            return [0, 0]

        def add(self, state: list[int], x: int, weight: int) -> list[int]:
            return [state[0] + x * weight, state[1] + weight]

        def undo(self, state: list[int], x: int, weight: int) -> list[int]:
            return [state[0] - x * weight, state[1] - weight]

        def result(self, state: list[int]) -> float | None:
            return state[0] / state[1] if state[1] else None

    mean = Aggregating("MEAN", [BIGINT, BIGINT])
    assert mean.add([(1, 1), (4, 3)]).result == 3.25
    assert mean.take([(4, 3)]).result == 1.0
    assert mean.take([(1, 1)]).result is None
    assert not mean.resolved.sessions


@pytest.mark.parametrize(
    ("annotations", "said"),
    [
        ({"x": int}, "lacks a type for return"),
        ({"return": int}, "lacks a type for x"),
        ({"x": object, "return": int}, "The annotation object has no SQL type"),
        ({"x": Decimal, "return": int}, "A Decimal needs its precision and scale"),
    ],
)
def test_annotations_that_say_too_little(annotations: dict[str, Any], said: str) -> None:
    def body(x):  # type: ignore[no-untyped-def]
        return x

    body.__annotations__ = annotations
    with pytest.raises(SqlError, match=said):
        udf(body)


def test_an_aggregate_without_its_methods_is_refused() -> None:
    with pytest.raises(SqlError, match="has no method initial"):
        udaf(type("Empty", (), {}))


def test_parameters_behind_any_number_of_values_are_the_last_arguments() -> None:
    @udf
    def joined(first: str, *parts: str, tail: Annotated[Decimal, "DECIMAL(4, 1)"]) -> str:
        return "/".join((first, *parts, str(tail)))

    @udf
    def added(*points: Point, times: int) -> int:
        return times * sum(int(point.x) for point in points)

    assert value("JOINED('a', 'b', 'c', CAST(1.5 AS DECIMAL(4, 1)))") == "a/b/c/1.5"
    assert value("JOINED('a', CAST(1.5 AS DECIMAL(4, 1)))") == "a/1.5"
    assert value("ADDED(STRUCT(X := 2E0, LABEL := 'b'), STRUCT(X := 3E0, LABEL := 'c'), 10)") == 50
    assert describe("JOINED").shown == ("JOINED(first STRING, parts STRING..., tail DECIMAL(4, 1)) -> STRING",)
    with pytest.raises(SqlError, match="takes factor by name, which SQL cannot do"):

        @udf
        def scaled(x: int, *, factor: int) -> int:
            return x * factor


def test_an_aggregate_with_any_number_of_values_in_the_middle() -> None:
    @udaf(name="MID_VAR_ARG")
    class _MidVarArg:
        """The first number and the lengths of the texts of every row, upon the two last numbers."""

        def initial(self) -> dict[str, int]:
            return {}

        def add(self, state: dict[str, int], first: int | None, *parts: str | None, step: int, start: int) -> dict[str, int]:
            return {"sum": state.get("sum", step + start) + (first or 0) + sum(len(part) for part in parts if part is not None)}

        def result(self, state: dict[str, int]) -> int:
            return state["sum"]

    with Driver(batching=False) as driver:
        driver.execute("CREATE STREAM S (K INT KEY, N BIGINT, T STRING) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);")
        driver.execute("CREATE TABLE O AS SELECT K, MID_VAR_ARG(N, 'hello', '10', '20', T, '3', 7, 3) AS R FROM S GROUP BY K;")
        for key, number, text in [(0, 6, "hi"), (1, 2, "a"), (0, None, "hello"), (0, 5, None)]:
            driver.send("s", key, {"N": number, "T": text})
        driver.run()
        assert [(r.key, r.value["R"]) for r in driver.read("O")] == [(0, 28), (1, 23), (0, 43), (0, 58)]
