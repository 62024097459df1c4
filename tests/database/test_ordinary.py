"""Pull queries in ordinary SQL, which ksqlDB has not: each kind of it over tables and streams, with Penstock's functions, at one moment."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

import penstock
from penstock.engine.pull import Pull
from penstock.sql.types import BIGINT, BOOLEAN, INTEGER, NULL, STRING, Array, Field, Map, SqlType, Struct, type_of_arrow
from penstock.sql.types import Decimal as DecimalType

SETUP = """
CREATE STREAM readings (park STRING KEY, free INT, place STRUCT<lat DOUBLE, `On` BOOLEAN>, tags MAP<STRING, INT>, lanes ARRAY<INT>)
  WITH (kafka_topic='readings', value_format='JSON', partitions=2);
CREATE TABLE parks (name STRING PRIMARY KEY, lat DOUBLE, lon DOUBLE, fee DECIMAL(6, 2))
  WITH (kafka_topic='parks', value_format='JSON', partitions=2);
CREATE TABLE latest AS SELECT park, LATEST_BY_OFFSET(free) AS free, COUNT(*) AS n FROM readings GROUP BY park;
CREATE TABLE hourly AS SELECT park, COUNT(*) AS n FROM readings WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY park;
"""
HOUR = 3_600_000
PARKS = [
    {"name": "Westgate", "lat": 53.7949, "lon": -1.7643, "fee": Decimal("3.50")},
    {"name": "Burnett St", "lat": 53.7951, "lon": -1.7464, "fee": Decimal("2.00")},
    {"name": "Broadway", "lat": 53.7942, "lon": -1.7501, "fee": None},
]
READINGS = [("Westgate", 10), ("Broadway", 0), ("Westgate", 42), ("Burnett St", 7), ("Broadway", 5)]


@pytest.fixture(scope="module")
def db() -> Iterator[penstock.Database]:
    with penstock.connect() as database:
        database.execute(SETUP)
        database.insert("parks", PARKS)
        database.insert("readings", [
            {"park": park, "free": free, "place": {"LAT": n, "On": n > 1}, "tags": {"a": n}, "lanes": [n, n + 1], "ROWTIME": n * HOUR // 2}
            for n, (park, free) in enumerate(READINGS)
        ])  # fmt: skip
        assert database.wait_idle(30)
        yield database


def rows(db: penstock.Database, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in db.query(sql).fetchall()]


NEAREST = """SELECT p.name, ROUND(GEO_DISTANCE(p.lat, p.lon, 53.7951, -1.7464), 1) AS km, l.free
             FROM parks p JOIN latest l ON p.name = l.park WHERE l.free > 5 ORDER BY km LIMIT 1;"""


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (NEAREST, [("Burnett St", 0.0, 7)]),
        ("SELECT name FROM parks ORDER BY GEO_DISTANCE(lat, lon, 53.7942, -1.7501);", [("Broadway",), ("Burnett St",), ("Westgate",)]),
        ("SELECT park, free FROM latest ORDER BY free DESC LIMIT 2 OFFSET 1;", [("Burnett St", 7), ("Broadway", 5)]),
        ("SELECT park, SUM(free) AS free FROM readings GROUP BY park HAVING SUM(free) > 6 ORDER BY free;", [("Burnett St", 7), ("Westgate", 52)]),
        ("SELECT SUM(free) FROM readings WHERE park IN (SELECT name FROM parks WHERE fee < 3) ORDER BY 1;", [(7,)]),
        ("SELECT park FROM latest l WHERE NOT EXISTS (SELECT 1 FROM parks p WHERE p.name = l.park AND p.fee > 3) ORDER BY park;",
         [("Broadway",), ("Burnett St",)]),
        ("WITH busy AS (SELECT park, free FROM latest WHERE free < 10) SELECT COUNT(*), MAX(free) FROM busy;", [(2, 7)]),
        ("SELECT park, free, SUM(free) OVER (PARTITION BY park ORDER BY ROWTIME) AS total FROM readings ORDER BY ROWTIME;",
         [("Westgate", 10, 10), ("Broadway", 0, 0), ("Westgate", 42, 52), ("Burnett St", 7, 7), ("Broadway", 5, 5)]),
        ("SELECT park, WINDOWSTART, n FROM hourly ORDER BY WINDOWSTART, park;",
         [("Broadway", 0, 1), ("Westgate", 0, 1), ("Burnett St", HOUR, 1), ("Westgate", HOUR, 1), ("Broadway", 2 * HOUR, 1)]),
        ("SELECT a.name, b.name FROM parks a JOIN parks b ON a.lat < b.lat WHERE a.name = 'Westgate';", [("Westgate", "Burnett St")]),
        ("SELECT park FROM readings GROUP BY park ORDER BY park;", [("Broadway",), ("Burnett St",), ("Westgate",)]),
        ("SELECT DISTINCT park FROM readings UNION SELECT name FROM parks ORDER BY 1 LIMIT 1;", [("Broadway",)]),
        ("SELECT place->`On`, place->lat, `PLACE` -> LAT FROM readings ORDER BY free DESC LIMIT 1;", [(True, 2.0, 2.0)]),
        ("SELECT tags, lanes, tags['a'], lanes[1] FROM readings ORDER BY free LIMIT 1;", [({"a": 1}, [1, 2], 1, 1)]),
    ],
)  # fmt: skip
def test_each_kind_of_query(db: penstock.Database, sql: str, expected: list[tuple[Any, ...]]) -> None:
    found = rows(db, sql)
    assert found == expected
    assert [type(v) for row in found for v in row] == [type(v) for row in expected for v in row]


def test_functions_that_duckdb_lacks(db: penstock.Database) -> None:
    asked = """SELECT TIMESTAMPTOSTRING(ROWTIME, 'HH:mm', 'UTC'), UCASE(MASK(park)), ENTRIES(tags, TRUE), ARRAY_MAX(lanes), AS_MAP(ARRAY['x'], lanes),
               CONCAT_WS('-', park, 'a', 'b'), EXTRACTJSONFIELD('{"q": [1]}', '$.q[0]'), INITCAP('two words')
               FROM readings ORDER BY free DESC LIMIT 1;"""
    assert rows(db, asked) == [
        ("01:00", "XXXXXXXX", [{"K": "a", "V": 2}], 3, {"x": 2}, "Westgate-a-b", "1", "Two Words"),
    ]


def test_a_function_of_ones_own(db: penstock.Database) -> None:
    @penstock.udf
    def twice_in_ordinary(value: int) -> int:
        return 2 * value

    assert rows(db, "SELECT TWICE_IN_ORDINARY(free) AS t FROM latest ORDER BY t;") == [(10,), (14,), (84,)]


def test_a_star_is_what_the_source_has(db: penstock.Database) -> None:
    assert db.query("SELECT * FROM parks ORDER BY name;").columns == ("NAME", "LAT", "LON", "FEE")
    assert db.query("SELECT * FROM hourly ORDER BY park;").columns == ("PARK", "N", "WINDOWSTART", "WINDOWEND")
    query = db.query("SELECT name, COUNT(*) AS n FROM parks, latest GROUP BY name ORDER BY name;")
    assert query.types == (STRING, BIGINT)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT name FROM parks ORDER BY GEODISTANCE(lat, lon, 1, 2);", "geodistance"),
        ("SELECT name FROM parks ORDER BY GEO_DISTANCE(name);", "GEO_DISTANCE"),
        ("SELECT name FROM nowhere ORDER BY name;", "There is no stream or table nowhere"),
        ("SELECT nope FROM parks ORDER BY name;", "nope"),
        ("SELECT RPAD(name, 2147483647, '-') FROM parks ORDER BY name;", "characters to fill in"),
        ("SELECT park, free FROM readings GROUP BY park;", "GROUP BY"),
        ("SELECT a.name FROM parks a JOIN latest b ON a.name = b.nope;", "NOPE"),
        ("SELECT * FROM read_csv('/etc/passwd') ORDER BY 1;", ""),
    ],
)
def test_mistakes(db: penstock.Database, sql: str, said: str) -> None:
    with pytest.raises(penstock.Error) as caught:
        db.query(sql)
    assert said.lower() in str(caught.value).lower()


def test_all_sources_are_of_one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    with penstock.connect() as db:
        for name in ("a", "b"):
            db.execute(f"CREATE STREAM {name} (id STRING KEY, v INT) WITH (kafka_topic='{name}', value_format='JSON');")
            db.insert(name, [{"id": "x", "v": 1}])
        read = Pull.at

        def then_more_comes(self: Pull, snapshot: Any) -> pa.Table:
            table = read(self, snapshot)
            for name in ("a", "b"):
                db.insert(name, [{"id": "x", "v": 1}])
            return table

        monkeypatch.setattr(Pull, "at", then_more_comes)
        counts = "SELECT a.n, b.n FROM (SELECT COUNT(*) AS n FROM a) a, (SELECT COUNT(*) AS n FROM b) b;"
        assert rows(db, counts) == [(1, 1)]
        monkeypatch.undo()
        assert rows(db, counts) == [(3, 3)]


@pytest.mark.parametrize(
    ("arrow", "expected"),
    [
        (pa.int16(), INTEGER), (pa.int32(), INTEGER), (pa.uint32(), BIGINT), (pa.int64(), BIGINT), (pa.bool_(), BOOLEAN),
        (pa.decimal128(9, 2), DecimalType(9, 2)), (pa.large_string(), STRING), (pa.month_day_nano_interval(), NULL),
        (pa.list_(pa.struct([("a", pa.map_(pa.string(), pa.int8()))])), Array(Struct((Field("a", Map(STRING, INTEGER)),)))),
    ],
)  # fmt: skip
def test_types_of_arrow(arrow: pa.DataType, expected: SqlType) -> None:
    assert type_of_arrow(arrow) == expected


def test_a_map_whose_keys_are_no_scalars(db: penstock.Database) -> None:
    found = rows(db, "SELECT MAP(ARRAY[1, 2] := 'x') AS a, MAP(STRUCT(A := 1) := MAP('k' := 1)) AS b FROM latest LIMIT 1;")
    assert found == [([([1, 2], "x")], [({"A": 1}, {"k": 1})])]
