"""What cannot be processed goes to the processing log with its place and reason, and everything else comes out as if it had not been there."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from penstock.database import Database
from penstock.errors import DataError
from penstock.log.protocol import Append
from penstock.log.records import records
from penstock.registry.model import Schema

T0 = 1_700_000_000_000
STREAM = "CREATE STREAM s (id STRING KEY, n INT, t STRING, b BIGINT) WITH (kafka_topic='s', value_format='JSON');"
TABLE = "CREATE TABLE s (id STRING PRIMARY KEY, n INT, t STRING) WITH (kafka_topic='s', value_format='JSON');"
AVRO = "CREATE STREAM s (id STRING KEY, n INT) WITH (kafka_topic='s', value_format='AVRO');"
GOOD = '{"N":2,"T":"7","B":5}'


@pytest.fixture
def db() -> Iterator[Database]:
    with Database(threads=False) as database:
        database.log.create_topic("s")  # the producer's topic: it takes what a table's own would refuse
        yield database


def send(db: Database, rows: Sequence[tuple[str | None, str | bytes]], topic: str = "s") -> None:
    """Append raw records, a millisecond apart; a surrogate in a key is a byte that is no UTF-8."""
    raw = [
        (T0 + i, None if k is None else k.encode(errors="surrogateescape"), v.encode() if isinstance(v, str) else v)
        for i, (k, v) in enumerate(rows)
    ]
    db.log.append(Append(topic, 0, records(raw)))


def written(db: Database, topic: str = "O") -> list[tuple[str | None, object]]:
    """The output topic's text keys and JSON values."""
    rows = db.log.read(topic, 0, 0, max_records=1_000_000).to_pylist()
    return [(r["key"] and r["key"].decode(), r["value"] and json.loads(r["value"])) for r in rows]


def faults(db: Database) -> list[tuple[str, str, str, int, int, str]]:
    """All that the stream PROCESSING_LOG tells."""
    rows = db.query("SELECT query, kind, topic, partition, offset, reason FROM processing_log;").fetchall()
    return [tuple(row) for row in rows]


@dataclass(frozen=True)
class Case:
    """A source, a query over it, a record that it cannot take between two good ones, and what is said of it and comes of it."""

    source: str
    query: str
    bad: tuple[str | None, str]
    kind: str
    reason: str
    good: str = '{"X":7}'
    comes: tuple[tuple[str | None, str | None], ...] = ()
    """What the bad record still leads to."""


CASES = {
    "malformed JSON": Case(STREAM, "SELECT id, n AS x FROM s", ("a", '{"N":'), "DESERIALIZATION", "value: not JSON: it breaks off", '{"X":2}'),
    "not an object": Case(STREAM, "SELECT id, n AS x FROM s", ("a", "[1]"), "DESERIALIZATION", "value: an array is not a JSON object", '{"X":2}'),
    "text for a number": Case(STREAM, "SELECT id, n AS x FROM s", ("a", '{"N":"one"}'), "DESERIALIZATION", "N: 'one' is not an INTEGER", '{"X":2}'),
    "too large a number": Case(STREAM, "SELECT id, n AS x FROM s", ("a", '{"N":3000000000}'), "DESERIALIZATION", "does not fit 32 bits", '{"X":2}'),
    "key that is no text": Case(STREAM, "SELECT id, n AS x FROM s", ("\udcff", GOOD), "DESERIALIZATION", "key: ID: the bytes are not", '{"X":2}'),
    "NULL key of a table": Case(TABLE, "SELECT id, n AS x FROM s", (None, GOOD), "DESERIALIZATION", "key: NULL", '{"X":2}'),
    "empty key of a table": Case(
        TABLE.replace("value_", "key_format='DELIMITED', value_"), "SELECT id, n AS x FROM s", ("", GOOD), "DESERIALIZATION", "key: NULL", '{"X":2}'
    ),
    "bad timestamp column": Case(
        STREAM.replace("JSON'", "JSON', timestamp='t', timestamp_format='S'"), "SELECT id, n AS x FROM s", ("a", '{"T":"soon"}'), "DESERIALIZATION",
        "T: 'soon' is not a timestamp", '{"X":2}',
    ),
    "no timestamp": Case(
        STREAM.replace("JSON'", "JSON', timestamp='b'"), "SELECT id, n AS x FROM s", ("a", "{}"), "DESERIALIZATION", "B: NULL is not a timestamp",
        '{"X":2}',
    ),
    "CAST": Case(
        STREAM, "SELECT id, CAST(t AS INT) AS x FROM s", ("a", '{"T":"x7"}'), "EVALUATION", "X: x7 is no INTEGER", comes=(("a", '{"X":null}'),)
    ),
    "unit of length": Case(
        STREAM, "SELECT id, GEO_DISTANCE(0, 0, 0, n, CASE WHEN t = '7' THEN 'km' ELSE t END) AS x FROM s", ("a", '{"N":2,"T":"ell"}'), "EVALUATION",
        "X: ell is no UNIT", '{"X":222.38985328911747}', (("a", '{"X":null}'),),
    ),
    "division by zero": Case(
        STREAM, "SELECT id, 14 / n AS x FROM s", ("a", '{"N":0}'), "EVALUATION", "X: division by zero", comes=(("a", '{"X":null}'),)
    ),
    "remainder by zero": Case(
        STREAM, "SELECT id, 15 % (n + 6) AS x FROM s", ("a", '{"N":-6}'), "EVALUATION", "X: division by zero", comes=(("a", '{"X":null}'),)
    ),
    "overflow": Case(
        STREAM, "SELECT id, b + 2 AS x FROM s", ("a", '{"B":9223372036854775807}'), "EVALUATION", "X: 9223372036854775807 + 2 is beyond its type",
        comes=(("a", '{"X":-9223372036854775807}'),),
    ),
    "WHERE": Case(STREAM, "SELECT id, n + 5 AS x FROM s WHERE CAST(t AS INT) > 1", ("a", '{"T":"x"}'), "EVALUATION", "WHERE: x is no INTEGER"),
    "WHERE of a table": Case(TABLE, "SELECT id, n + 5 AS x FROM s WHERE 14 / n > 1", ("a", '{"N":0}'), "EVALUATION", "division by zero"),
    "argument of an aggregate": Case(
        STREAM, "SELECT id, SUM(14 / n) AS x FROM s GROUP BY id", ("g", '{"N":0}'), "EVALUATION", "(14 / N): division by zero"
    ),
    "HAVING": Case(
        STREAM, "SELECT id, SUM(n) + 5 AS x FROM s GROUP BY id HAVING 10 / SUM(n) > 0", ("a", '{"N":0}'), "EVALUATION", "division by zero"
    ),
    "GROUP BY": Case(
        STREAM, "SELECT CAST(CAST(t AS INT) AS STRING) AS k, SUM(n) + 5 AS x FROM s GROUP BY CAST(CAST(t AS INT) AS STRING)", ("a", '{"T":"x"}'),
        "EVALUATION", "x is no INTEGER",
    ),
    "table function": Case(
        STREAM, "SELECT id, EXPLODE(ARRAY[CAST(t AS INT)]) AS x FROM s", ("a", '{"T":"x"}'), "EVALUATION", "EXPLODE: x is no INTEGER",
        comes=(("a", '{"X":null}'),),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_good_records_come_out_and_the_bad_one_is_reported(db: Database, name: str) -> None:
    case = CASES[name]
    kind = "TABLE" if "GROUP BY" in case.query or case.source.startswith("CREATE TABLE") else "STREAM"
    db.execute(f"{case.source} CREATE {kind} o AS {case.query};")
    send(db, [("g", GOOD), case.bad, ("h", GOOD)])
    db.wait_idle()

    (fault,) = faults(db)
    query = db.catalog.queries()[0].id
    assert fault[:5] == (query, case.kind, "s", 0, 1)
    assert case.reason in fault[5]
    bad = [(k, v and json.loads(v)) for k, v in case.comes]
    found = written(db)
    if "GROUP BY CAST" in case.query:
        assert found == [("7", {"X": 9})]
    else:
        assert sorted(found, key=str) == sorted([("g", json.loads(case.good)), ("h", json.loads(case.good)), *bad], key=str)


@pytest.mark.parametrize(
    ("expression", "record", "reason"),
    [
        ("MASK_LEFT(t, n)", '{"T":"abc"}', "the number of characters must be 0 or more, not NULL"),
        ("ROUND(b, n)", '{"B":9223372036854775807,"N":-1}', "the result is beyond its type"),
        ("ROUND(n, -1)", '{"N":2147483647}', "2147483650 is beyond its type"),
        ("GENERATE_SERIES(b, 9223372036854775807)", '{"B":-1}', "a series of more than 100000 items, from -1 to 9223372036854775807"),
        ("TIMESTAMPTOSTRING(b, t)", '{"B":1000000000000000,"T":"yyyy"}', "1000000000000000 ms since 1970-01-01 are no date that there is"),
        ("DATETOSTRING(n, 'yyyy')", '{"N":2147483647}', "2147483647 days since 1970-01-01 are no date that there is"),
        ("DATEADD(DAYS, n, FROM_DAYS(1))", '{"N":2147483647}', "the result is no date that there is"),
        ("DATEADD(DAYS, n, FROM_DAYS(0))", '{"N":50000000}', "138865-05-08 is no DATE"),
        ("FROM_UNIXTIME(b)", '{"B":1000000000000000}', "33658-09-27 01:46:40 is no TIMESTAMP"),
        ("TO_BYTES(t, 'hex')", '{"T":"xyz"}', "'xyz' is no hex"),
        ("ENCODE(t, 'base64', 'utf8')", '{"T":"xyz"}', "'xyz' is no base64"),
    ],
)  # fmt: skip
def test_what_a_value_cannot_be_is_said_plainly(db: Database, expression: str, record: str, reason: str) -> None:
    db.execute(f"{STREAM} CREATE STREAM o AS SELECT id, {expression} AS x FROM s;")
    send(db, [("a", record)])
    db.wait_idle()
    assert [fault[5] for fault in faults(db)] == [f"X: {reason}"]


def test_avro_of_an_unknown_schema_and_torn_avro(db: Database) -> None:
    db.execute(AVRO + "CREATE STREAM o WITH (value_format='JSON') AS SELECT id, n FROM s;")
    head = b"\0\0\0\0"
    send(
        db, [("g", head + b"\x01\x02\x0e"), ("a", head + b"\x63\x02\x0e"), ("b", head + b"\x01\x02"), ("c", b"plain"), ("h", head + b"\x01\x02\x10")]
    )  # fmt: skip
    db.wait_idle()
    assert written(db) == [("g", {"N": 7}), ("h", {"N": 8})]
    told = faults(db)
    assert [(f[1], f[2], f[4]) for f in told] == [("DESERIALIZATION", "s", 1), ("DESERIALIZATION", "s", 2), ("DESERIALIZATION", "s", 3)]
    assert ["unknown schema id 99" in told[0][5], "breaks off" in told[1][5], "not Avro with a schema id" in told[2][5]] == [True] * 3


def test_a_row_that_its_schema_cannot_hold(db: Database) -> None:
    """The sink writes by another producer's schema, which takes no NULL."""
    db.log.create_topic("o")
    schema = {"type": "record", "name": "O", "fields": [{"name": "N", "type": "int"}]}
    db.schemas.register("o-value", Schema(json.dumps(schema), "AVRO"))
    db.execute(STREAM + "CREATE STREAM o WITH (kafka_topic='o', value_format='AVRO') AS SELECT id, n FROM s;")
    send(db, [("g", GOOD), ("a", '{"T":"7"}'), ("h", GOOD)])
    db.wait_idle()
    assert [r["key"] for r in db.log.read("o", 0, 0).to_pylist()] == [b"g", b"h"]
    ((_, kind, topic, partition, offset, reason),) = faults(db)
    assert (kind, topic, partition, offset) == ("SERIALIZATION", "s", 0, 1)
    assert reason.startswith("N: NULL cannot be written")


def test_a_result_that_its_topic_does_not_take(db: Database) -> None:
    db.execute(STREAM + "CREATE STREAM o AS SELECT id, RPAD(t, 30000000, '.') AS x, n FROM s WHERE n = 1; CREATE STREAM p AS SELECT id, n FROM s;")
    send(db, [("g", GOOD), ("a", '{"N":1,"T":"x"}'), ("h", GOOD)])
    db.wait_idle()
    ((query, kind, _, _, offset, reason),) = faults(db)
    assert (query, kind, offset) == ("CSAS_O_1", "SERIALIZATION", 1)
    assert "larger than topic O takes" in reason
    assert written(db, "P") == [("g", {"N": 2}), ("a", {"N": 1}), ("h", {"N": 2})]


def test_a_sum_that_its_decimal_cannot_hold_stops_the_query_behind_all_good_records(db: Database) -> None:
    db.execute("CREATE STREAM s (id STRING KEY, d DECIMAL(4, 2)) WITH (kafka_topic='s', value_format='JSON');")
    db.execute("CREATE TABLE o AS SELECT id, SUM(d) AS x, COUNT(*) AS c FROM s GROUP BY id;")
    send(db, [("a", '{"D":99.5}'), ("b", '{"D":1}'), ("a", '{"D":99}'), ("a", '{"D":0.25}'), ("b", '{"D":2}')])
    with pytest.raises(DataError, match=r"CTAS_O_1 cannot go on: .*198\.50.*\(topic s, partition 0, offset 2\)"):
        db.wait_idle()
    assert written(db) == [("a", {"X": 99.5, "C": 1}), ("b", {"X": 1.0, "C": 1})]
    assert db.log.committed("CTAS_O_1") == {("s", 0): 2}


def test_whole_numbers_wrap_in_sums_as_in_java(db: Database) -> None:
    db.execute(STREAM + "CREATE TABLE o AS SELECT id, SUM(b) AS x FROM s GROUP BY id;")
    send(db, [("a", '{"B":9223372036854775807}'), ("a", '{"B":9223372036854775807}')])
    db.wait_idle()
    assert dict(written(db)) == {"a": {"X": -2}}
    assert faults(db) == []


def test_two_queries_report_for_themselves(db: Database) -> None:
    db.execute(STREAM + "CREATE STREAM o AS SELECT id, CAST(t AS INT) AS x FROM s; CREATE STREAM p AS SELECT id, n, 4 / n AS y FROM s;")
    send(db, [("a", '{"N":0,"T":"x"}'), ("b", "{")])
    db.wait_idle()
    assert sorted((*f[:2], f[4]) for f in faults(db)) == [
        ("CSAS_O_1", "DESERIALIZATION", 1), ("CSAS_O_1", "EVALUATION", 0), ("CSAS_P_2", "DESERIALIZATION", 1), ("CSAS_P_2", "EVALUATION", 0),
    ]  # fmt: skip


def test_of_several_topics_and_partitions_the_place_is_the_right_one(db: Database) -> None:
    db.execute(
        "CREATE STREAM l (id STRING KEY, t STRING) WITH (kafka_topic='l', value_format='JSON', partitions=3);"
        "CREATE TABLE r (id STRING PRIMARY KEY, n INT) WITH (kafka_topic='r', value_format='JSON', partitions=3);"
        "CREATE STREAM o AS SELECT l.id AS id, CAST(l.t AS INT) / r.n AS x FROM l JOIN r ON l.id = r.id;"
    )
    db.insert("r", [{"id": f"k{i}", "n": 0 if i == 3 else 1} for i in range(10)])
    db.insert("l", [{"id": f"k{i}", "t": "x" if i == 5 else "7"} for i in range(10)])
    db.wait_idle()
    for (_, kind, topic, partition, offset, reason), (key, why) in zip(
        sorted(faults(db), key=lambda f: f[5]), [(b"k3", "division by zero"), (b"k5", "x is no INTEGER")], strict=True
    ):
        assert (kind, topic) == ("EVALUATION", "l")
        assert db.log.read("l", partition, offset)["key"][0].as_py() == key
        assert reason == f"X: {why}"


def test_a_user_function_that_raises(db: Database) -> None:
    import penstock

    @penstock.udf(name="picky_about_seven")
    def picky_about_seven(number: int) -> int:
        """Refuses 7."""
        if number == 7:
            raise ValueError("seven is not for me")
        return number

    assert picky_about_seven(1) == 1
    db.execute(STREAM + "CREATE STREAM o AS SELECT id, picky_about_seven(b) AS x FROM s;")
    send(db, [("g", GOOD), ("a", '{"B":7}'), ("h", GOOD)])
    db.wait_idle()
    assert written(db) == [("g", {"X": 5}), ("a", {"X": None}), ("h", {"X": 5})]
    ((_, kind, _, _, offset, reason),) = faults(db)
    assert (kind, offset) == ("EVALUATION", 1)
    assert "seven is not for me" in reason


@pytest.mark.parametrize(
    ("query", "bad", "lost"),
    [
        ("CREATE STREAM o AS SELECT id, n FROM s;", '{"N":', True),
        ("CREATE STREAM o AS SELECT id, CAST(t AS INT) AS n FROM s;", '{"T":"x"}', False),
    ],
)
@pytest.mark.parametrize(("count", "share"), [(100_000, 1), (30_000, 30_000)])
def test_bad_records_in_a_large_batch_cost_little(db: Database, query: str, bad: str, lost: bool, count: int, share: int) -> None:
    """One bad record among 100,000, and nothing but bad ones: seconds, where a search of the batch for each would take minutes."""
    good = [(f"k{i % 1000}", f'{{"N":{i},"T":"{i}"}}') for i in range(count)]
    first = count // 2 if share == 1 else 0
    rows = [("bad", bad) if first <= i < first + share else row for i, row in enumerate(good)]
    db.execute(STREAM + query)
    send(db, rows)
    began = time.perf_counter()
    db.wait_idle()
    assert time.perf_counter() - began < 20
    assert db.log.end_offset("O", 0) == count - (share if lost else 0)
    told = faults(db)
    assert [f[4] for f in told] == list(range(first, first + share))


def test_a_bad_timestamp_can_be_made_to_stop_a_query(db: Database) -> None:
    db.execute("SET 'ksql.timestamp.throw.on.invalid' = 'true';" + STREAM.replace("JSON'", "JSON', timestamp='b'"))
    db.execute("CREATE STREAM o AS SELECT id, n AS x FROM s;")
    send(db, [("g", GOOD), ("a", "{}")])
    with pytest.raises(DataError, match="B: NULL is not a timestamp"):
        db.wait_idle()
    assert written(db) == []


def test_push_and_pull_queries_go_on_too(db: Database) -> None:
    db.execute(STREAM)
    send(db, [("g", GOOD), ("a", '{"T":"x"}'), ("b", "{"), ("h", GOOD)])
    expected = [("g", 7), ("a", None), ("h", 7)]
    assert [tuple(r) for r in db.query("SELECT id, CAST(t AS INT) AS x FROM s;").fetchall()] == expected
    assert [tuple(r) for r in db.query("SELECT id, CAST(t AS INT) AS x FROM s EMIT CHANGES;").drain()] == expected


def test_push_queries_report_for_themselves(db: Database) -> None:
    db.execute(STREAM)
    send(db, [("g", GOOD), ("a", '{"T":"x"}'), ("b", "{"), ("h", GOOD)])
    with db.query("SELECT id, CAST(t AS INT) AS x FROM s EMIT CHANGES;") as first, db.query("SELECT id, n FROM s EMIT CHANGES;") as second:
        first.drain()
        second.drain()
        told = faults(db)
        assert [(f[1], *f[2:5]) for f in told] == [
            ("DESERIALIZATION", "s", 0, 2), ("EVALUATION", "s", 0, 1), ("DESERIALIZATION", "s", 0, 2)
        ]  # fmt: skip
        assert [name.startswith("PUSH_") for name, *_ in told] == [True] * 3
        assert told[0][0] == told[1][0] != told[2][0]
        first.drain()
        assert len(faults(db)) == 3


def test_a_query_over_the_processing_log_does_not_feed_itself(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    db.execute(STREAM)
    send(db, [("b", "{")] * 3)
    with db.query("SELECT id FROM s EMIT CHANGES;") as query:
        query.drain()
    with db.query("SELECT CAST(reason AS INT) AS x FROM processing_log EMIT CHANGES;") as query:
        assert [tuple(row) for row in query.drain()] == [(None,)] * 3
        assert query.drain() == []
    db.execute("CREATE STREAM o AS SELECT CAST(reason AS INT) AS x FROM processing_log;")
    db.wait_idle()
    assert len(written(db)) == 3
    assert len(faults(db)) == 3
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 6
    assert "is no INTEGER (topic penstock-processing-log, partition 0, offset 2)" in caplog.text


def test_a_push_query_of_a_process_that_reads_only_tells_in_its_own_log(tmp_path: Path) -> None:
    with Database(tmp_path / "db", threads=False) as writer:
        writer.log.create_topic("s")
        writer.execute(STREAM)
        send(writer, [("g", GOOD)] + [("b", "{")] * 7)
        command = (
            "import penstock, sys\nwith penstock.connect(sys.argv[1], read_only=True) as db:\n"
            "    print(db.query('SELECT n FROM s EMIT CHANGES;').drain())"
        )
        ended = subprocess.run([sys.executable, "-c", command, str(tmp_path / "db")], capture_output=True, text=True, check=True)
        assert ended.stdout == "[(2,)]\n"
        lines = ended.stderr.splitlines()
        assert len(lines) == 6
        assert lines[0].startswith("PUSH_1: value: not JSON")
        assert lines[-1] == "PUSH_1: 2 more records could not be processed."
        assert faults(writer) == []
