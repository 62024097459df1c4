"""INSERT INTO ... VALUES and INSERT INTO ... SELECT."""

from __future__ import annotations

import pytest
from tests.plan.world import World

from penstock.errors import SqlError
from penstock.plan import InsertPlan, explain
from penstock.plan.text import expression_text

SOURCES = """
CREATE STREAM S (K STRING KEY, I INT, D DOUBLE, N DECIMAL(4, 1), A ARRAY<BIGINT>, R STRUCT<X BIGINT, Y STRING>, T TIMESTAMP)
    WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');
CREATE TABLE T (K INT PRIMARY KEY, V STRING) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');
CREATE STREAM H (K STRING KEY, H BYTES HEADER('h')) WITH (KAFKA_TOPIC='h', VALUE_FORMAT='JSON');
CREATE SOURCE TABLE RO (K INT PRIMARY KEY, V STRING) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');
CREATE STREAM W (K STRING KEY, V INT) WITH (KAFKA_TOPIC='w', VALUE_FORMAT='JSON', WINDOW_TYPE='SESSION');
CREATE STREAM N (K INT KEY, V BIGINT) WITH (KAFKA_TOPIC='n', VALUE_FORMAT='JSON', PARTITIONS=3);
CREATE STREAM M (K INT KEY, V INT) WITH (KAFKA_TOPIC='m', VALUE_FORMAT='JSON');
CREATE STREAM `lower` (V INT) WITH (KAFKA_TOPIC='l', VALUE_FORMAT='JSON');
"""


def world() -> World:
    made = World()
    made.run(SOURCES)
    return made


def values(statement: str) -> dict[str, str]:
    """What an INSERT ... VALUES writes, as text."""
    plan = world().run(statement)[-1]
    assert isinstance(plan, InsertPlan)
    types = {c.name: c.type for c in plan.source.schema.columns}
    assert all(expr.type == types[name] for name, expr in plan.values if name != "ROWTIME")
    return {name: expression_text(expr) for name, expr in plan.values}


def test_values_take_the_columns_types() -> None:
    found = values("""INSERT INTO S (ROWTIME, K, I, D, N, A, R, T)
        VALUES (1234, 'k', -1, 2, 1.5, ARRAY[1, 1 + 1], STRUCT(X := 2), '2020-01-02T03:04:05');""")
    assert found == {
        "ROWTIME": "1234", "K": "'k'", "I": "-1", "D": "2.0E0", "N": "1.5", "A": "ARRAY[1, CAST((1 + 1) AS BIGINT)]", "R": "STRUCT(X:=2, Y:=null)",
        "T": "TIMESTAMP '2020-01-02T03:04:05.000'",
    }


def test_columns_left_out_are_all_of_them_in_order() -> None:
    assert values("INSERT INTO T VALUES (1, 'a');") == {"K": "1", "V": "'a'"}


def test_columns_may_be_named_in_any_order_and_left_out() -> None:
    assert values("INSERT INTO S (D, K) VALUES (1.5, NULL);") == {"D": "1.5E0", "K": "null"}


def test_rowtime_may_be_a_text() -> None:
    assert values("INSERT INTO S (ROWTIME) VALUES ('1970-01-01T00:00:01');") == {"ROWTIME": "1000"}


@pytest.mark.parametrize(("statement", "message"), [
    ("INSERT INTO X VALUES (1);", "Cannot insert values into an unknown stream/table: `X`."),
    ("INSERT INTO lower VALUES (1);", 'Did you mean "lower"? Hint: wrap the source name in double quotes to make it case-sensitive.'),
    ('INSERT INTO "t" VALUES (1);', "Did you mean T? Hint: try removing double quotes from the source name."),
    ("INSERT INTO T VALUES (1);", "Expected a value for each column: there are 2 columns (K, V), but 1 values."),
    ("INSERT INTO T (K, X) VALUES (1, 2);", "Column name `X` does not exist. There are K, V."),
    ("INSERT INTO T (K, K) VALUES (1, 2);", "Column `K` is named twice."),
    ("INSERT INTO T (K, ROWOFFSET) VALUES (1, 2);", "Inserting into column `ROWOFFSET` is not allowed."),
    ("INSERT INTO T (V) VALUES ('a');", "Value for primary key column(s) K is required for tables."),
    ("INSERT INTO T (K, V) VALUES (NULL, 'a');", "Value for primary key column(s) K is required for tables."),
    ("INSERT INTO T (K, V) VALUES (1, a);", "A is a name, but a value is wanted. Quote a string: 'A'."),
    ("INSERT INTO T (K, V) VALUES ('x', 'a');", "Expected type INTEGER for column K but got STRING ('x')."),
    ("INSERT INTO S (I) VALUES (3000000000);", "Expected type INTEGER for column I but got BIGINT (3000000000)."),
    ("INSERT INTO S (N) VALUES (1.55);", "Expected type DECIMAL(4, 1) for column N but got DECIMAL(3, 2) (1.55)."),
    ("INSERT INTO S (R) VALUES (STRUCT(Z := 1));", "Expected type STRUCT<`X` BIGINT, `Y` STRING> for column R"),
    ("INSERT INTO H VALUES ('a', NULL);", "Cannot insert into HEADER columns: H."),
    ("INSERT INTO RO VALUES (1, 'a');", "Cannot insert values into read-only table: RO."),
    ("INSERT INTO W VALUES ('a', 1);", "Cannot insert values into windowed stream: W."),
])
def test_refusals(statement: str, message: str) -> None:
    with pytest.raises(SqlError) as error:
        values(statement)
    assert message in str(error.value)
    assert error.value.position is not None


def test_insert_into_select_widens_numbers() -> None:
    plan = world().plan("INSERT INTO N SELECT * FROM M;")
    assert (plan.target, plan.topic, plan.partitions) == ("N", "n", 3)
    assert "CAST(V AS BIGINT) as V" in explain(plan)


@pytest.mark.parametrize(("statement", "message"), [
    ("INSERT INTO M SELECT * FROM N;", "Incompatible schema between results and sink. Result schema is `K` INTEGER KEY, `V` BIGINT; Sink schema is"),
    ("INSERT INTO N SELECT K, V AS W FROM M;", "Incompatible schema between results and sink."),
    ("INSERT INTO T SELECT * FROM M;", "INSERT INTO can only be used to insert into a stream. T is a table."),
    ("INSERT INTO H SELECT * FROM M;", "Cannot insert into H because it has header columns."),
    ("INSERT INTO X SELECT * FROM M;", "X does not exist."),
    ("INSERT INTO N SELECT K, COUNT(*) AS V FROM M GROUP BY K;", "this query's result is a table."),
])
def test_insert_into_select_refusals(statement: str, message: str) -> None:
    with pytest.raises(SqlError) as error:
        world().plan(statement)
    assert message in str(error.value)
