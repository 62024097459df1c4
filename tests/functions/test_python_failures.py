"""What a user's function raises is told with its record, the function and the line; everything else goes on as if the record had not been there."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from penstock.errors import SqlError
from penstock.functions.python import udaf, udf, udtf
from penstock.testing import Driver

pytestmark = pytest.mark.usefixtures("only_built_in_functions_afterwards")

MODES = pytest.mark.parametrize("batching", [True, False], ids=["batch", "record"])
STREAM = "CREATE STREAM S (K STRING KEY, V BIGINT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);"
TABLE = "CREATE TABLE S (K STRING PRIMARY KEY, G STRING, V BIGINT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', PARTITIONS=1);"
BAD = 13


@pytest.fixture(params=[True, False], ids=["batch", "record"])
def driver(request: pytest.FixtureRequest) -> Iterator[Driver]:
    with Driver(batching=request.param) as made:
        yield made


def refused(value: int) -> int:
    if value == BAD:
        raise ValueError(f"no {value}\nat all")
    return value


@udaf(name="TOTAL")
class Total:
    """A sum whose every part may refuse a value; its state is changed in place, as users do."""

    def initial(self) -> list[int]:
        return [0]

    def add(self, state: list[int], value: int) -> list[int]:
        state[0] += value
        refused(value)
        return state

    def undo(self, state: list[int], value: int) -> list[int]:
        state[0] -= value
        refused(value + 1)
        return state

    def merge(self, earlier: list[int], later: list[int]) -> list[int]:
        refused(earlier[0] + later[0])
        return [earlier[0] + later[0]]

    def result(self, state: list[int]) -> int:
        return state[0]


@udaf(name="SHOWN")
class Shown:
    """A sum that cannot be shown when it is 13."""

    def initial(self) -> int:
        return 0

    def add(self, state: int, value: int) -> int:
        return state + value

    def undo(self, state: int, value: int) -> int:
        return state - value

    def result(self, state: int) -> int:
        return refused(state)


def line(of: Callable[..., Any], text: str) -> int:
    """The line of this file at which a function says something."""
    lines, first = inspect.getsourcelines(of)
    return first + next(i for i, said in enumerate(lines) if text in said)


def complaints(driver: Driver) -> list[tuple[str, str, int, int, str]]:
    rows = (record.value for record in driver.read("penstock-processing-log"))
    return [(r["kind"], r["topic"], r["partition"], r["offset"], r["reason"]) for r in rows]


def last(driver: Driver, topic: str = "O") -> dict[Any, Any]:
    """The last value of each key (and window) of the output."""
    return {(record.key, record.window): record.value for record in driver.read(topic)}


WHERE = f"({__file__}, line {line(refused, 'raise ValueError')})"


def test_an_aggregates_exception_costs_its_record_alone(driver: Driver) -> None:
    udaf(name="TOTAL")(Total)
    driver.execute(STREAM + "CREATE TABLE O AS SELECT K, TOTAL(V) AS T, COUNT(*) AS N FROM S GROUP BY K;")
    for key, value in [("a", 1), ("b", 5), ("a", BAD), ("a", 2), ("b", BAD), ("b", 7)]:
        driver.send("s", key, {"V": value})
    driver.run()
    assert {k: v for (k, _), v in last(driver).items()} == {"a": {"T": 3, "N": 2}, "b": {"T": 12, "N": 2}}
    said = f"TOTAL.add: ValueError: no 13 at all {WHERE}"
    assert complaints(driver) == [("EVALUATION", "s", 0, 2, said), ("EVALUATION", "s", 0, 4, said)]
    driver.send("s", "a", {"V": 10})
    driver.run()
    assert driver.read("O")[-1].value == {"T": 13, "N": 3}
    assert driver.query("SELECT T FROM O WHERE K = 'a';").result().rows == [[13]]


def test_a_change_that_cannot_be_undone_is_not_made(driver: Driver) -> None:
    udaf(name="TOTAL")(Total)
    driver.execute(TABLE + "CREATE TABLE O AS SELECT G, TOTAL(V) AS T, COUNT(*) AS N FROM S GROUP BY G;")
    for key, group, value in [("a", "x", 12), ("b", "x", 1), ("c", "y", 2)]:
        driver.send("s", key, {"G": group, "V": value})
    driver.run()
    driver.send("s", "a", {"G": "y", "V": 3})  # 12 cannot be taken out of x, so it does not enter y either
    driver.send("s", "b", {"G": "y", "V": 1})
    driver.run()
    assert {k: v for (k, _), v in last(driver).items()} == {"x": {"T": 12, "N": 1}, "y": {"T": 3, "N": 2}}
    assert complaints(driver) == [("EVALUATION", "s", 0, 3, f"TOTAL.undo: ValueError: no 13 at all {WHERE}")]


def test_a_record_whose_session_cannot_be_joined_is_left_out(driver: Driver) -> None:
    udaf(name="TOTAL")(Total)
    driver.execute(STREAM + "CREATE TABLE O AS SELECT K, TOTAL(V) AS T FROM S WINDOW SESSION (10 SECONDS) GROUP BY K;")
    for value in (6, 7, 1):
        driver.send("s", "a", {"V": value}, timestamp=value * 1000)
        driver.run()
    assert [(r.key, r.value) for r in driver.read("O") if r.value][-1] == ("a", {"T": 7})
    assert complaints(driver) == [("EVALUATION", "s", 0, 1, f"TOTAL.merge: ValueError: no 13 at all {WHERE}")]


@pytest.mark.parametrize("window", ["", "WINDOW TUMBLING (SIZE 1 HOUR)", "WINDOW SESSION (1 HOUR)"])
def test_a_result_that_raises_is_null_and_its_state_goes_on(driver: Driver, window: str) -> None:
    session = "SESSION" in window

    class Mergeable(Shown):
        def merge(self, earlier: int, later: int) -> int:
            return earlier + later

    udaf(name="SHOWN")(Mergeable)
    driver.execute(STREAM + f"CREATE TABLE O AS SELECT K, SHOWN(V) AS R, COUNT(*) AS N FROM S {window} GROUP BY K;")
    for value in (10, 3):
        driver.send("s", "a", {"V": value}, timestamp=5)
        driver.send("s", "b", {"V": 1}, timestamp=5)
        driver.run()
    said = f"SHOWN.result: ValueError: no 13 at all {WHERE}"
    assert complaints(driver) == [("EVALUATION", "s", 0, 2, said)]
    assert {k: v for (k, _), v in last(driver).items()} == {"a": {"R": None, "N": 2}, "b": {"R": 2, "N": 2}}
    assert driver.query("SELECT R, N FROM O WHERE K = 'a';").result().rows == [[None, 2]]
    driver.send("s", "a", {"V": 1}, timestamp=5)
    driver.run()
    assert driver.read("O")[-1].value == {"R": 14, "N": 3}
    assert complaints(driver)[1:] == []
    assert session or driver.query("SELECT R FROM O WHERE K = 'a';").result().rows == [[14]]


@pytest.mark.parametrize("window", ["TUMBLING (SIZE 10 SECONDS, GRACE PERIOD 0 SECONDS)", "SESSION (5 SECONDS, GRACE PERIOD 0 SECONDS)"])
def test_a_window_whose_result_raises_as_it_closes_holds_up_no_other(driver: Driver, window: str) -> None:
    seen = []

    class Moody(Shown):
        def merge(self, earlier: int, later: int) -> int:
            return earlier + later

        def result(self, state: int) -> int:
            seen.append(state)
            if state == BAD and broken:
                raise ValueError("no")
            return state

    broken = False
    udaf(name="SHOWN")(Moody)
    driver.execute(STREAM + f"CREATE TABLE O AS SELECT K, SHOWN(V) AS R FROM S WINDOW {window} GROUP BY K EMIT FINAL;")
    driver.send("s", "a", {"V": BAD}, timestamp=0)
    driver.send("s", "b", {"V": 2}, timestamp=0)
    driver.run()
    broken = True
    driver.send("s", "a", {"V": 3}, timestamp=100_000)
    driver.send("s", "a", {"V": 4}, timestamp=200_000)
    driver.run()
    assert sorted((r.key, r.timestamp, r.value["R"]) for r in driver.read("O")) == [("a", 0, None), ("a", 100_000, 3), ("b", 0, 2)]
    ((kind, *_, reason),) = complaints(driver)
    assert kind == "EVALUATION"
    assert reason.startswith("SHOWN.result: ValueError: no (")
    assert seen


def test_over_a_table_a_result_that_raises_is_null(driver: Driver) -> None:
    udaf(name="SHOWN")(Shown)
    driver.execute(TABLE + "CREATE TABLE O AS SELECT G, SHOWN(V) AS R FROM S GROUP BY G;")
    for key, value in [("a", 10), ("b", 3), ("a", 11)]:
        driver.send("s", key, {"G": "x", "V": value})
        driver.run()
    assert [r.value for r in driver.read("O")] == [{"R": 10}, {"R": None}, {"R": 14}]
    assert complaints(driver) == [("EVALUATION", "s", 0, 1, f"SHOWN.result: ValueError: no 13 at all {WHERE}")]


def test_a_scalar_and_a_table_functions_exception_names_function_and_line(driver: Driver) -> None:
    udf(name="REFUSED")(refused)

    @udtf
    def spread(value: int) -> list[int]:
        return [refused(value), value + 1]

    driver.execute(STREAM + "CREATE STREAM O AS SELECT K, REFUSED(V) AS R FROM S; CREATE STREAM P AS SELECT K, SPREAD(V) AS R FROM S;")
    for value in (1, BAD, 2):
        driver.send("s", "a", {"V": value})
    driver.run()
    assert [r.value["R"] for r in driver.read("O")] == [1, None, 2]
    assert [r.value["R"] for r in driver.read("P")] == [1, 2, 2, 3]
    said = {c[4] for c in complaints(driver)}
    assert said == {f"R: REFUSED: ValueError: no 13 at all {WHERE}", f"SPREAD: SPREAD: ValueError: no 13 at all {WHERE}"}
    assert {c[:4] for c in complaints(driver)} == {("EVALUATION", "s", 0, 1)}
    assert spread(1) == [1, 2]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (lambda value: "x" if value == BAD else value, "R: ODD: the result does not fit its type BIGINT: Could not convert 'x'"),
        (lambda value: 1 << 99 if value == BAD else value, "R: ODD: the result does not fit its type BIGINT: "),
        (lambda value: sys.exit("enough") if value == BAD else value, "R: ODD: SystemExit: enough ("),
        (lambda value: {}[value] if value == BAD else value, "R: ODD: KeyError: 13 ("),
    ],
)
def test_results_of_another_type_and_odd_exceptions(driver: Driver, body: Callable[[int], Any], said: str) -> None:
    body.__annotations__ = {"value": int, "return": int}
    udf(name="ODD")(body)
    driver.execute(STREAM + "CREATE STREAM O AS SELECT K, ODD(V) AS R FROM S;")
    for value in (1, BAD, 2):
        driver.send("s", "a", {"V": value})
    driver.run()
    assert [r.value["R"] for r in driver.read("O")] == [1, None, 2]
    ((*place, reason),) = complaints(driver)
    assert place == ["EVALUATION", "s", 0, 1]
    assert reason.startswith(said)


def test_an_aggregates_state_of_another_type_costs_its_record_alone(driver: Driver) -> None:
    @udaf(name="ODD")
    class _Odd:
        def initial(self) -> int:
            return 0

        def add(self, state: int, value: int) -> int:
            return "x" if value == BAD else state + value  # type: ignore[return-value]

    driver.execute(STREAM + "CREATE TABLE O AS SELECT K, ODD(V) AS R FROM S GROUP BY K;")
    for value in (1, BAD, 2):
        driver.send("s", "a", {"V": value})
    driver.run()
    assert driver.read("O")[-1].value == {"R": 3}
    ((*place, reason),) = complaints(driver)
    assert place == ["EVALUATION", "s", 0, 1]
    assert reason.startswith("ODD.add: the result does not fit its type BIGINT: Could not convert 'x'")


def test_an_aggregate_that_refuses_every_record_holds_up_nothing(driver: Driver) -> None:
    udaf(name="TOTAL")(Total)
    driver.execute(STREAM + "CREATE TABLE O AS SELECT K, TOTAL(V) AS T FROM S GROUP BY K;")
    for _ in range(30):
        driver.send("s", "a", {"V": BAD})
    driver.send("s", "a", {"V": 2})
    driver.run()
    assert [r.value for r in driver.read("O")] == [{"T": 2}]
    assert [c[3] for c in complaints(driver)] == list(range(30))


def test_a_push_query_goes_on_without_the_record(driver: Driver) -> None:
    udaf(name="TOTAL")(Total)
    driver.execute(STREAM)
    running = driver.query("SELECT K, TOTAL(V) AS T FROM S GROUP BY K EMIT CHANGES;")
    for value in (1, BAD, 2):
        driver.send("s", "a", {"V": value})
        driver.run()
    assert running.result().rows[-1] == ["a", 3]


WINDOW = "FROM S WINDOW SESSION (1 SECOND) GROUP BY K"


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        (f"LONE(V) AS L {WINDOW}", "1:29"),
        (f"COUNT(*) AS N,\n 1 + LONE(V) AS L {WINDOW}", "2:6"),
        (f"COUNT(*) AS N {WINDOW}\nHAVING LONE(V) > 1", "2:8"),
    ],
)
def test_an_aggregate_that_cannot_be_joined_is_refused_in_sessions(driver: Driver, asked: str, place: str) -> None:
    udaf(name="LONE")(Shown)
    driver.execute(STREAM)
    sql = f"CREATE TABLE O AS SELECT K, {asked};"
    with pytest.raises(SqlError) as told:
        driver.execute(sql)
    assert str(told.value) == (
        f"Line {place}: LONE cannot run in session windows, which grow together: it has no method merge. Write one: merge(self, earlier, later)."
    )
    driver.execute(sql.replace("SESSION (1 SECOND)", "TUMBLING (SIZE 1 SECOND)"))


def test_an_aggregate_that_takes_nothing_back_is_refused_over_a_table_where_it_stands(driver: Driver) -> None:
    class Lone:
        def initial(self) -> int:
            return 0

        def add(self, state: int, value: int) -> int:
            return state + value

    udaf(name="LONE")(Lone)
    driver.execute(TABLE)
    with pytest.raises(SqlError, match=r"Line 2:6: The aggregation function\(s\) \(LONE\) cannot be applied to a table source"):
        driver.execute("CREATE TABLE O AS SELECT G,\n     LONE(V) AS L FROM S GROUP BY G;")
