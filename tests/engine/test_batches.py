"""However the input is cut into batches, the same comes out; and it is what plain Python works out record by record."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pytest
from tests.engine.splits import Input, Outcome, outcome, random_sizes

from penstock.engine.operators import aggregate, partials, sorting
from penstock.log.embedded import partitions
from penstock.sql.types import BIGINT
from penstock.testing import Driver

SOURCES = [
    "CREATE STREAM s (id STRING KEY, g STRING, n INT) WITH (kafka_topic='s', value_format='JSON', partitions=1);",
    "CREATE TABLE p (id STRING PRIMARY KEY, name STRING) WITH (kafka_topic='p', value_format='JSON', partitions=1);",
]
SIZE, ADVANCE, GRACE = 10_000, 5_000, 4_000
QUERIES = {
    "filter": "CREATE STREAM o AS SELECT id, g, n * 2 AS m FROM s WHERE n % 3 <> 1;",
    "explode": "CREATE STREAM o AS SELECT id, EXPLODE(SPLIT(g, '-')) AS part, n FROM s;",
    "rekey": "CREATE STREAM o AS SELECT g, id, n FROM s PARTITION BY g;",
    "join": "CREATE STREAM o AS SELECT s.id AS id, s.n AS n, p.name AS name FROM s LEFT JOIN p ON s.id = p.id;",
    "inner join": "CREATE STREAM o AS SELECT s.id AS id, s.n AS n, p.name AS name FROM s JOIN p ON s.id = p.id;",
    "table": "CREATE TABLE o AS SELECT id, LCASE(name) AS name FROM p WHERE name <> 'NAME-1';",
    "aggregate": "CREATE TABLE o AS SELECT id, COUNT(*) AS c, SUM(n) AS s, LATEST_BY_OFFSET(n) AS l, EARLIEST_BY_OFFSET(g) AS e, "
    "COLLECT_LIST(n) AS list, MIN(n) AS mi, MAX(g) AS ma, AVG(n) AS av FROM s GROUP BY id;",
    "having": "CREATE TABLE o AS SELECT g, SUM(n) AS s FROM s GROUP BY g HAVING SUM(n) % 2 = 0;",
    "of a table": "CREATE TABLE o AS SELECT name, COUNT(*) AS c FROM p GROUP BY name;",
    "tumbling": f"CREATE TABLE o AS SELECT id, COUNT(*) AS c, COLLECT_LIST(n) AS list FROM s "
    f"WINDOW TUMBLING (SIZE {SIZE} MILLISECONDS, GRACE PERIOD {GRACE} MILLISECONDS) GROUP BY id;",
    "hopping": f"CREATE TABLE o AS SELECT id, COUNT(*) AS c, SUM(n) AS s FROM s "
    f"WINDOW HOPPING (SIZE {SIZE} MILLISECONDS, ADVANCE BY {ADVANCE} MILLISECONDS, GRACE PERIOD {GRACE} MILLISECONDS) GROUP BY id;",
    "session": f"CREATE TABLE o AS SELECT id, COUNT(*) AS c FROM s "
    f"WINDOW SESSION ({ADVANCE} MILLISECONDS, GRACE PERIOD {GRACE} MILLISECONDS) GROUP BY id;",
    "short sessions": "CREATE TABLE o AS SELECT id, COUNT(*) AS c, SUM(n) AS s FROM s "
    "WINDOW SESSION (800 MILLISECONDS, GRACE PERIOD 2 SECONDS) GROUP BY id;",
    "session final": "CREATE TABLE o AS SELECT id, COUNT(*) AS c, SUM(n) AS s FROM s "
    "WINDOW SESSION (800 MILLISECONDS, GRACE PERIOD 2 SECONDS) GROUP BY id EMIT FINAL;",
    "tumbling final": f"CREATE TABLE o AS SELECT id, COUNT(*) AS c, COLLECT_LIST(n) AS list FROM s "
    f"WINDOW TUMBLING (SIZE {SIZE} MILLISECONDS, GRACE PERIOD {GRACE} MILLISECONDS) GROUP BY id EMIT FINAL;",
    "hopping final": f"CREATE TABLE o AS SELECT id, COUNT(*) AS c, SUM(n) AS s FROM s "
    f"WINDOW HOPPING (SIZE {SIZE} MILLISECONDS, ADVANCE BY {ADVANCE} MILLISECONDS, GRACE PERIOD {GRACE} MILLISECONDS) GROUP BY id EMIT FINAL;",
    "chain": "CREATE TABLE o AS SELECT name, COUNT(*) AS c, SUM(n) AS s FROM s JOIN p ON s.id = p.id GROUP BY name;",
}  # fmt: skip
STREAMS = {"filter", "explode", "rekey", "join", "inner join"}
FINAL = {"tumbling final", "hopping final", "session final"}


def inputs(seed: int, count: int = 160) -> list[Input]:
    """Readings, out of order and some too late, between changes and deletions of what they are joined with."""
    dice = random.Random(seed)
    given = []
    for n in range(count):
        key = f"k{dice.randrange(5)}"
        if dice.random() < 0.2:
            value = None if dice.random() < 0.3 else {"NAME": f"NAME-{dice.randrange(3)}"}
            given.append(Input("p", key, value, n * 500))
        else:
            late = 30_000 if dice.random() < 0.1 else dice.randrange(6_000)
            given.append(Input("s", key, {"G": f"{dice.randrange(3)}-{dice.randrange(2)}", "N": dice.randrange(100)}, max(n * 500 - late, 0)))
    return given


def run(query: str, given: Sequence[Input], sizes: Sequence[int], *, batching: bool) -> Outcome:
    return outcome([*SOURCES, query], given, "O", sizes, batching=batching)


@pytest.mark.parametrize("name", QUERIES)
def test_the_cuts_do_not_matter(name: str) -> None:
    given = inputs(len(name), 70)
    whole = run(QUERIES[name], given, [len(given)], batching=False)
    assert whole.records
    dice = random.Random(name)
    for sizes in ([1, 4, 2], random_sizes(dice, len(given))):
        every = run(QUERIES[name], given, sizes, batching=False)
        assert every.by_key == whole.by_key, f"every change, in batches of {sizes}"
    for sizes in ([len(given)], random_sizes(dice, len(given))):
        last = run(QUERIES[name], given, sizes, batching=True)
        if name in STREAMS | FINAL:
            assert last.by_key == whole.by_key, f"in batches of {sizes}"
        else:
            assert last.table == whole.table, f"in batches of {sizes}"


def test_filters_and_joins_are_what_python_says() -> None:
    given = inputs(99)
    names: dict[str, str] = {}
    filtered, joined = [], []
    for record in given:
        if record.topic == "p":
            names.pop(record.key, None)
            if record.value is not None:
                names[record.key] = record.value["NAME"]
            continue
        if record.value["N"] % 3 != 1:
            filtered.append((record.key, {"G": record.value["G"], "M": record.value["N"] * 2}, record.timestamp))
        joined.append((record.key, {"N": record.value["N"], "NAME": names.get(record.key)}, record.timestamp))
    for batching in (True, False):
        for name, expected in (("filter", filtered), ("join", joined)):
            found = run(QUERIES[name], given, random_sizes(random.Random(5), len(given)), batching=batching)
            assert [(r.key, r.value, r.timestamp) for r in found.records] == expected


@pytest.mark.parametrize("advance", [SIZE, ADVANCE])
def test_windows_are_what_python_says(advance: int) -> None:
    """A record counts for each of its windows that is still open at its turn; a window is final once stream time passes its end and grace."""
    given = [record for record in inputs(7, 300) if record.topic == "s"]
    groups: dict[tuple[str, int], list[int]] = defaultdict(list)
    now = 0
    for record in given:
        now = max(now, record.timestamp)
        first = max(record.timestamp - SIZE + advance, 0) // advance * advance
        for start in range(first, record.timestamp + 1, advance):
            if start + SIZE + GRACE > now:
                groups[record.key, start].append(record.value["N"])
    closed = {place: values for place, values in groups.items() if place[1] + SIZE + GRACE <= now}
    assert 10 < len(closed) < len(groups)
    name = "tumbling" if advance == SIZE else "hopping"
    for final, expected in (("", groups), (" final", closed)):
        for batching in (True, False):
            found = run(QUERIES[name + final], given, random_sizes(random.Random(final), len(given)), batching=batching)
            counts = {(json.loads(key)[0], json.loads(key)[1][0]): value for key, (value, _) in found.table.items()}
            assert {place: value["C"] for place, value in counts.items()} == {place: len(values) for place, values in expected.items()}
            if name == "tumbling":
                assert {place: value["LIST"] for place, value in counts.items()} == expected
            else:
                assert {place: value["S"] for place, value in counts.items()} == {place: sum(values) for place, values in expected.items()}
            if final:
                assert len(found.records) == len(closed), "a final row comes once"


def test_an_aggregate_is_what_python_says() -> None:
    given = [record for record in inputs(8) if record.topic == "s"]
    expected: dict[str, Any] = {}
    for record in given:
        values = [*expected.get(record.key, {"LIST": []})["LIST"], record.value["N"]]
        texts = [r.value["G"] for r in given if r.key == record.key]
        expected[record.key] = {
            "C": len(values), "S": sum(values), "L": values[-1], "E": texts[0], "LIST": values, "MI": min(values), "MA": max(texts),
            "AV": pytest.approx(sum(values) / len(values)),
        }  # fmt: skip
    for batching in (True, False):
        found = run(QUERIES["aggregate"], given, random_sizes(random.Random(1), len(given)), batching=batching)
        assert {json.loads(key)[0]: value for key, (value, _) in found.table.items()} == expected


@pytest.mark.parametrize("limit", [1, 3, 64])
def test_a_limit_of_records_a_batch_makes_no_difference(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for a backlog that is taken in pieces, over several topics and partitions: what was left unread keeps its place in the order."""
    import penstock.statements.queries as queries
    import penstock.statements.select  # noqa: F401 - loaded while patched, it would keep the patched function
    from penstock.database import Database
    from penstock.engine.task import TaskOptions

    given = inputs(3, 80)

    def table(options: TaskOptions) -> tuple[Any, Any]:
        monkeypatch.setattr(queries, "task_options", lambda *_, **__: options)
        with Database(threads=False) as db:
            db.execute("".join(SOURCES).replace("partitions=1", "partitions=3") + QUERIES["chain"] + QUERIES["join"].replace(" o ", " j "))
            for record in given:
                row = {"id": record.key, **{k.lower(): v for k, v in (record.value or {}).items()}, "ROWTIME": record.timestamp}
                db.insert(record.topic, [row])
            db.wait_idle()
            return (
                sorted(map(tuple, db.query("SELECT * FROM o;").fetchall())),
                sorted((p, r["offset"], r["key"], r["value"]) for p in range(3) for r in db.log.read("J", p, 0).to_pylist()),
            )

    expected = table(TaskOptions())
    assert len(expected[1]) > 40
    assert table(TaskOptions(batch_records=limit)) == expected


@pytest.mark.parametrize("name", ["filter", "rekey", "aggregate", "having", "tumbling", "hopping final", "session"])
def test_the_parts_in_which_a_batch_is_read_do_not_matter(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = [record for record in inputs(11) if record.topic == "s"]
    expected = run(QUERIES[name], given, [len(given)], batching=True)
    assert expected.records
    monkeypatch.setattr(partitions, "PART_RECORDS", 7)
    found = run(QUERIES[name], given, [len(given)], batching=True)
    assert (found.by_key, found.table) == (expected.by_key, expected.table)


LATEST = (
    "CREATE TABLE o AS SELECT id, LATEST_BY_OFFSET(g) AS l, LATEST_BY_OFFSET(g, FALSE) AS ln, LATEST_BY_OFFSET(n) AS n, "
    "LATEST_BY_OFFSET(n, FALSE) AS nn, LATEST_BY_OFFSET(g, 2) AS two, EARLIEST_BY_OFFSET(g) AS e, COUNT(*) AS c FROM s {} GROUP BY id;"
)


@pytest.mark.parametrize("nulls", ["no", "in values", "in keys"])
@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize(
    "window", ["", f"WINDOW TUMBLING (SIZE {SIZE} MILLISECONDS)", f"WINDOW HOPPING (SIZE {SIZE} MILLISECONDS, ADVANCE BY {ADVANCE} MILLISECONDS)"]
)
def test_what_is_taken_from_each_group_s_last_row_is_what_duckdb_finds(
    window: str, in_order: bool, nulls: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(f"{window} {in_order} {nulls}")
    given = []
    for i in range(120):
        value = {"G": f"g{dice.randrange(9)}", "N": dice.randrange(100)}
        if nulls == "in values":
            value = {name: None if dice.random() < 0.4 else v for name, v in value.items()}
        key = None if nulls == "in keys" and dice.random() < 0.2 else f"k{dice.randrange(6)}"
        given.append(Input("s", key, value, i * 500 if in_order else dice.randrange(60_000)))
    taken: list[set[str]] = []

    def noted(rows: pa.Table, parts: Mapping[str, str]) -> partials.Lasts:
        found = partials.lasts_of(rows, parts)
        taken.append(set(found.columns))
        return found

    monkeypatch.setattr(aggregate, "lasts_of", noted)
    expected = run(LATEST.format(window), given, [50, 70], batching=True)
    assert not any(taken), "of few rows nothing is taken"
    monkeypatch.setattr(partials, "TAKEN_FROM", 1)
    taken.clear()
    found = run(LATEST.format(window), given, [50, 70], batching=True)
    assert (found.by_key, found.table) == (expected.by_key, expected.table)
    if not window:
        values = {"s1", "s4"} | ({"s0", "s3"} if nulls != "in values" else set())
        assert set.union(*taken) == values | ({"_t"} if in_order else set())


@pytest.mark.parametrize("type_", ["INT", "BIGINT"])
@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("nulls", [True, False])
def test_groups_found_by_sorting_are_those_that_duckdb_finds(nulls: bool, in_order: bool, type_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(f"{nulls} {in_order} {type_}")
    edge = 31 if type_ == "INT" else 63
    users = [-(1 << edge), (1 << edge) - 1, *range(-50, 50)]
    given = []
    for i in range(300):
        user = users[i] if i < len(users) else dice.choice(users)
        value = {"U": user, "N": dice.randrange(-100, 100), "B": dice.randrange(-(1 << 62), 1 << 62), "W": f"w{i}", "D": i / 8}
        if nulls:
            value = {name: None if name != "U" and dice.random() < 0.2 else v for name, v in value.items()}
        given.append(Input("u", None, value, i * 10 if in_order else dice.randrange(9_000)))
    source = f"CREATE STREAM u (u {type_}, n INT, b BIGINT, w STRING, d DOUBLE) WITH (kafka_topic='u', value_format='JSON', partitions=1);"
    queries = [
        "COUNT(*) AS c, SUM(n) AS s, MIN(n) AS mi, MAX(b) AS ma, LATEST_BY_OFFSET(w) AS l, EARLIEST_BY_OFFSET(w) AS e, COUNT(w) AS cw, AVG(n) AS av",
        "COUNT(*) AS c, EARLIEST_BY_OFFSET(d, FALSE) AS e, LATEST_BY_OFFSET(d, FALSE) AS l",
        "SUM(b) AS s",  # which wraps around: it is left to DuckDB
        "COUNT(*) AS c, SUM(d) AS s",  # as is what is no whole number
    ]
    sorted_ = []

    def noted(*given: Any) -> Any:
        found = sorting.by_sorting(*given)
        sorted_.append(found is not None)
        return found

    for number, query in enumerate(queries):
        statement = source + f"CREATE TABLE o WITH (key_format='KAFKA') AS SELECT u, {query} FROM u GROUP BY u;"
        monkeypatch.setattr(aggregate, "by_sorting", noted)
        monkeypatch.setattr(sorting, "SORTED_FROM", 1 << 30)
        expected = run(statement, given, [140, 160], batching=True)
        monkeypatch.setattr(sorting, "SORTED_FROM", 1)
        monkeypatch.setattr(partials, "TAKEN_FROM", 1)
        assert not any(sorted_)
        found = run(statement, given, [140, 160], batching=True)
        assert (found.by_key, found.table) == (expected.by_key, expected.table)
        assert len(found.table) == len(users)
        assert any(sorted_) == (number == 1 or (number == 0 and not nulls)), query
        sorted_.clear()


def test_few_keys_are_not_sorted() -> None:
    few, many = pa.array(list(range(10)) * 900), pa.array(list(range(9_000, 0, -1)))
    assert sorting.spans_of(few, BIGINT) is None
    spans = sorting.spans_of(many, BIGINT)
    assert spans is not None
    assert sorted(many.take(spans.last).to_pylist()) == list(range(1, 9_001))


def test_what_is_wrong_in_any_part_of_a_batch_is_reported_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that cannot be read, a time that is none, and an expression that fails, for which the batch is read again."""
    monkeypatch.setattr(partitions, "PART_RECORDS", 10)
    with Driver(batching=True) as driver:
        driver.execute(
            "CREATE STREAM s (n BIGINT, d BIGINT, at STRING) WITH (kafka_topic='s', value_format='JSON', partitions=1, timestamp='at', "
            "timestamp_format='yyyy-MM-dd');"
        )
        driver.execute("CREATE STREAM o AS SELECT n, 100 / d AS q FROM s;")
        for n in range(50):
            text = {23: "not a number"}.get(n, n)
            driver.send("s", None, {"N": text, "D": 0 if n == 38 else 2, "AT": "soon" if n == 12 else "2026-11-21"}, timestamp=n)
        driver.run()
        wrong = [record.value for record in driver.read("penstock-processing-log")]
        assert {(w["kind"], w["topic"], w["partition"], w["offset"]) for w in wrong} == {
            ("DESERIALIZATION", "s", 0, 12), ("DESERIALIZATION", "s", 0, 23), ("EVALUATION", "s", 0, 38),
        }  # fmt: skip
        assert len(wrong) == 3
        assert [record.value["N"] for record in driver.read("O")] == [n for n in range(50) if n not in (12, 23)]


@pytest.mark.parametrize("name", ["short sessions", "session final", "hopping"])
def test_a_batch_may_last_longer_than_a_window(name: str) -> None:
    """What begins, ends and closes within one batch is there all the same, where nothing comes late and one by one would do for it."""
    dice = random.Random(name)
    given = [Input("s", f"k{dice.randrange(4)}", {"G": "g", "N": n}, n * 400 - dice.randrange(500)) for n in range(1, 90)]
    whole = run(QUERIES[name], given, [1], batching=False)
    assert len(whole.table) > 20
    for sizes in ([len(given)], [40], random_sizes(dice, len(given))):
        last = run(QUERIES[name], given, sizes, batching=True)
        assert last.table == whole.table, f"in batches of {sizes}"


def test_sessions_are_the_same_in_several_partitions() -> None:
    dice = random.Random(12)
    given = [Input("s", f"k{dice.randrange(6)}", {"G": "g", "N": n}, n * 300 - dice.randrange(400)) for n in range(2, 80)]
    statements = [*SOURCES, QUERIES["short sessions"]]
    one = outcome(statements, given, "O", [len(given)], batching=True).table
    spread = [statement.replace("partitions=1", "partitions=3") for statement in statements]
    for sizes in ([len(given)], [9]):
        assert outcome(spread, given, "O", sizes, batching=True).table == one
